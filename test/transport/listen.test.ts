import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { dial } from '../../src/transport/dial.js';
import { createListen } from '../../src/transport/listen.js';
import { Bench, until, urlOf } from './link-probe.js';

describe('the choice of a listener', () => {
  let bench: Bench;

  afterEach(async () => {
    bench.close();
    await until(() => bench.probes.every(({ closes }) => closes.length === 1), 'all links closed');
    jest.dontMock('uWebSockets.js');
    jest.resetModules();
  });

  const breakLibrary = (): void => {
    jest.doMock('uWebSockets.js', () => {
      throw new Error('Only for some platforms.\n\nError: no binary for this one');
    });
  };

  it('takes the one that was asked for', async () => {
    bench = new Bench(createListen('ws'), dial);
    const listener = await bench.listen();
    expect([listener.kind, listener.fallbackReason]).toEqual(['ws', null]);
  });

  it('takes uWebSockets.js where it loads, which under CI it must', async () => {
    bench = new Bench(createListen(null), dial);
    const listener = await bench.listen();
    if (process.env.CI === 'true' || listener.fallbackReason === null) expect(listener.kind).toBe('uws');
    else expect([listener.kind, listener.fallbackReason]).toEqual(['ws', expect.stringMatching(/does not load here/)]);
  });

  it('takes ws where uWebSockets.js does not load, and says why', async () => {
    breakLibrary();
    bench = new Bench(createListen(null), dial);
    const listener = await bench.listen();
    expect(listener.kind).toBe('ws');
    expect(listener.fallbackReason).toBe('uWebSockets.js does not load here (Error: no binary for this one)');
    await bench.dial(urlOf(listener));
    listener.close();
    await expect(bench.dial(urlOf(listener))).rejects.toThrow(/nothing listens there/);
  });

  it('says why ws can not take its place where the port is to be shared', async () => {
    breakLibrary();
    bench = new Bench(createListen(null), dial);
    await expect(bench.listen({ isShared: true })).rejects.toThrow(
      /^uWebSockets.js does not load here .*; the listener ws can not share its port: use --listener uws, or --workers 1$/,
    );
  });

  it('fails where uWebSockets.js was asked for and does not load', async () => {
    breakLibrary();
    bench = new Bench(createListen('uws'), dial);
    await expect(bench.listen()).rejects.toThrow(
      'uWebSockets.js does not load here (Error: no binary for this one); use --listener ws',
    );
  });

  it('does not take the other one if only the port is in use', async () => {
    bench = new Bench(createListen(null), dial);
    const { port } = await bench.listen();
    await expect(bench.listen({ port })).rejects.toThrow(/port in use; choose another with --listen$/);
  });
});
