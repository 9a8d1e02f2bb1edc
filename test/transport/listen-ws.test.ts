import { dial } from '../../src/transport/dial.js';
import { listenWs } from '../../src/transport/listen-ws.js';
import { linkContract } from './link-contract.js';
import { listenerContract } from './listener-contract.js';

linkContract('ws', () => ({ listen: listenWs, dial, host: '127.0.0.1' }));
listenerContract('ws', listenWs);
