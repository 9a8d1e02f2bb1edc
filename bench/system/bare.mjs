// A bare server in place of a node, and one that only returns what it gets. See bare-server.mjs.

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const SERVER = fileURLToPath(new URL('bare-server.mjs', import.meta.url));

export const bare = {
  about: 'uWebSockets.js and a Map, without actors',
  protocol: 'swarmbus',
  missing: missingUws,
  start: (children, folder) => startServer(children, folder, 'bare', []),
};

export const echo = {
  about: "frames returned as they came: the load generator's ceiling",
  protocol: 'swarmbus',
  missing: missingUws,
  start: (children, folder) => startServer(children, folder, 'echo', ['echo']),
};

async function startServer(children, folder, name, options) {
  const args = [SERVER, ...options];
  const { pid, port } = await children.startServerWithOwnPort({ name, command: process.execPath, args, folder });
  return { port, storePorts: [port], processes: { [name]: pid } };
}

/** The library's binaries are for some machines only; whether this is one of them shows when it is loaded. */
let uwsFault;
function missingUws() {
  if (uwsFault === undefined) {
    try {
      const cwd = fileURLToPath(new URL('.', import.meta.url));
      execFileSync(process.execPath, ['-e', "require('uWebSockets.js')"], { cwd, stdio: 'ignore' });
      uwsFault = null;
    } catch {
      uwsFault = 'uWebSockets.js does not load here: `npm ci` on a machine that it has a binary for';
    }
  }
  return uwsFault;
}
