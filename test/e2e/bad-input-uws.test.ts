import { it } from '@jest/globals';
import { badInputContract } from './bad-input-contract.js';

/** Where CI runs, the library has to load; elsewhere a machine may be one for which it has no binary. */
function loads(): boolean {
  try {
    require('uWebSockets.js');
    return true;
  } catch {
    return process.env['CI'] === 'true';
  }
}

if (loads()) badInputContract('uws');
else it.skip('uWebSockets.js has no binary for this machine', () => {});
