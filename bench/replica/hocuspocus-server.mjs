// A Hocuspocus server with nothing added to it: documents in memory. Writes the port that it listens on.

import { Server } from '@hocuspocus/server';

const server = new Server({ address: '127.0.0.1', port: 0, quiet: true });
await server.listen();
process.stdout.write(`${server.address.port}\n`);
