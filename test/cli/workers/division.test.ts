import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseNodeOptions, type NodeOptions } from '../../../src/cli/node-options.js';
import { shareOf, workerOptions } from '../../../src/cli/workers/division.js';

const optionsOf = (flags: Readonly<Record<string, unknown>>): NodeOptions =>
  parseNodeOptions(flags, {}, 'alpha').options;

describe('the options of workers', () => {
  it('shares are whole, differ by one at most, and add up', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 40 }), fc.integer({ min: 1, max: 32 }), (total, count) => {
        const shares = Array.from({ length: count }, (_, i) => shareOf(total, count, i + 1));
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(total);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('have names, sockets and folders of their own, links to siblings and outside, and one that holds databases', () => {
    const options = optionsOf({ workers: '3', link: 'ws://b:1', data: 'data', open: true, 'drain-ms': '7s' });
    const [first, third] = [workerOptions(options, 1, [], '/tmp/s'), workerOptions(options, 3, [1, 2], '/tmp/s')];
    expect(first).toMatchObject({
      name: 'alpha-7101-1',
      listen: [{ host: '127.0.0.1', port: 7101 }],
      isPortShared: true,
      linkSocket: '/tmp/s/1.sock',
      links: ['ws://b:1'],
      dataDir: 'data',
      databasesAt: 'alpha-7101-1',
      drainMs: 7000,
    });
    expect(third).toMatchObject({
      name: 'alpha-7101-3',
      linkSocket: '/tmp/s/3.sock',
      links: ['unix:/tmp/s/1.sock', 'unix:/tmp/s/2.sock', 'ws://b:1'],
      dataDir: 'data/worker-3',
      databasesAt: 'alpha-7101-1',
    });
    for (const name of ['workers', 'logLevel']) expect(first).not.toHaveProperty(name);
  });

  it('divide what bounds memory, and nothing else', () => {
    const whole = optionsOf({ workers: '2', store: '1MiB', keys: '5001', 'tombstones-max': '7', directory: '1MiB' });
    const parts = [1, 2].map((number) => workerOptions(whole, number, [], ''));
    const of = (name: keyof (typeof parts)[number]): unknown[] => parts.map((part) => part[name]);
    expect(of('storeBytesMax')).toEqual([2 ** 19, 2 ** 19]);
    expect(of('keysMax')).toEqual([2501, 2500]);
    expect(of('tombstonesMax')).toEqual([4, 3]);
    expect(of('directoryBytesMax')).toEqual([2 ** 19, 2 ** 19]);
    expect(of('connectionsMax')).toEqual([10_000, 10_000]);
    // Where nothing is said of the directory, each gets what a node with its share of the keys would.
    const [part] = [workerOptions(optionsOf({ workers: '2', keys: '4000000' }), 1, [], '')];
    expect(part?.directoryBytesMax).toBe(128_000_000);
  });
});
