import { it } from '@jest/globals';
import { dial } from '../../src/transport/dial.js';
import { listenUws } from '../../src/transport/listen-uws.js';
import { linkContract } from './link-contract.js';
import { listenerContract } from './listener-contract.js';

/** Where CI runs, the library has to load; elsewhere a machine may be one for which it has no binary. */
function loads(): boolean {
  try {
    require('uWebSockets.js');
    return true;
  } catch {
    return process.env.CI === 'true';
  }
}

if (loads()) {
  linkContract('uWebSockets.js', () => ({ listen: listenUws, dial, host: '127.0.0.1' }));
  listenerContract('uWebSockets.js', listenUws);
} else it.skip('uWebSockets.js has no binary for this machine', () => {});
