import { expect, it } from '@jest/globals';
import { dial } from '../../src/transport/dial.js';
import { freePort } from '../../src/transport/listen-fault.js';
import { listenUws } from '../../src/transport/listen-uws.js';
import { linkContract } from './link-contract.js';
import { Bench, pause, until, urlOf } from './link-probe.js';
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

  it('shares its port with those that share it, and with nobody else', async () => {
    if (process.platform !== 'linux') return;
    const [one, other] = [new Bench(listenUws, dial), new Bench(listenUws, dial)];
    const port = Number(await freePort('127.0.0.1', 0));
    const first = await one.listen({ isShared: true, port });
    expect(await freePort('127.0.0.1', port)).toMatch(/port in use; choose another with --listen$/);
    await expect(one.listen({ port })).rejects.toThrow(/port in use; choose another with --listen$/);
    const second = await other.listen({ isShared: true, port });
    // Each connection goes to one of them by chance; 40 of one kind are one in 2^39.
    for (let i = 0; i < 40; i++) await one.dial(urlOf(first));
    await until(() => one.accepted.length + other.accepted.length === 40, 'all connections');
    expect([one.accepted.length > 0, other.accepted.length > 0]).toEqual([true, true]);
    first.terminate();
    await pause(10);
    const before = other.accepted.length;
    for (let i = 0; i < 10; i++) await one.dial(urlOf(second));
    await until(() => other.accepted.length === before + 10, 'those that came later');
    one.close();
    other.close();
    await until(() => [...one.probes, ...other.probes].every(({ closes }) => closes.length === 1), 'all links closed');
  });
} else it.skip('uWebSockets.js has no binary for this machine', () => {});
