/** What the benchmark asks: which keys, how often, and whether a node understands it. */
import { describe, expect, it } from '@jest/globals';
import { swarmbusProtocol, encodeRequests } from '../../bench/protocol/swarmbus.mjs';
import { PROTOCOLS } from '../../bench/protocol/index.mjs';
import { distancesFrom, randomGraph } from '../../bench/scaling/graph.mjs';
import { SHAPES } from '../../bench/system/node.mjs';
import {
  POPULARITIES,
  createRandom,
  numberedKeys,
  realCities,
  remoteShare,
  requestStream,
} from '../../bench/workload.mjs';
import { decodeFrame } from '../../src/transport/binary-codec.js';
import { reachOf } from '../../src/testing/shape.js';

const LIMITS = { keyBytesMax: 4096, valueBytesMax: 2 ** 20 };
const uniform = POPULARITIES.uniform(1000, createRandom(1));

/** The next requests of a stream. */
function take(count: number, varied: Record<string, unknown>): { op: string; key: string; value?: string }[] {
  const random = createRandom(1);
  const next = requestStream(
    { op: 'get', data: numberedKeys(1000), pick: uniform, writes: 0, round: 0, ...varied },
    random,
  );
  return Array.from({ length: count }, () => next?.() as { op: string; key: string });
}

describe('data', () => {
  it('are keys of 16 bytes with values that tell which key they belong to', () => {
    for (const valueBytes of [1, 64, 1000]) {
      const data = numberedKeys(10, valueBytes);
      expect(data.keyOf(7)).toHaveLength(16);
      expect(data.valueOf(7)).toHaveLength(valueBytes);
      expect(data.valueOf(7).slice(0, 16)).toBe(data.keyOf(7).slice(0, valueBytes));
    }
  });

  it('are the real cities, each once', () => {
    const cities = realCities();
    expect(new Set(Array.from({ length: cities.keyCount }, (_, i) => cities.keyOf(i))).size).toBe(cities.keyCount);
    expect(JSON.parse(Buffer.from(cities.valueOf(0) as string, 'latin1').toString())).toHaveProperty('name');
    expect(cities.valueBytesMax).toBeGreaterThan(cities.valueBytesMin);
  });
});

describe('keys are chosen', () => {
  const countsOf = (pick: () => number): number[] => {
    const counts = Array.from({ length: 1000 }, () => 0);
    for (let i = 0; i < 100_000; i++) counts[pick()]! += 1;
    return counts;
  };

  it('uniformly', () => {
    const counts = countsOf(uniform);
    expect(Math.min(...counts)).toBeGreaterThan(50);
    expect(Math.max(...counts)).toBeLessThan(170);
  });

  it('by Zipf: the first is asked ten times as often as the tenth, and neighbours are not alike', () => {
    const counts = countsOf(POPULARITIES.zipf(1000, createRandom(1)));
    const sorted = counts.toSorted((a, b) => b - a);
    expect((sorted[0] as number) / (sorted[9] as number)).toBeGreaterThan(8);
    expect((sorted[0] as number) / (sorted[9] as number)).toBeLessThan(12);
    expect(counts.indexOf(sorted[1] as number)).not.toBe(1);
  });

  it.each([0, 0.25, 1])('at other nodes with a share of %d', (share) => {
    const counts = countsOf(remoteShare(share, 8)(1000, createRandom(1)));
    const remote = counts.reduce((sum, count, number) => sum + (number % 8 === 0 ? 0 : count), 0);
    expect(Math.abs(remote / 100_000 - share)).toBeLessThan(0.01);
  });
});

describe('requests', () => {
  it('are mixed as the scenario says', () => {
    const sets = take(10_000, { op: 'mix', writes: 0.05 }).filter(({ op }) => op === 'set').length;
    expect(sets).toBeGreaterThan(400);
    expect(sets).toBeLessThan(600);
  });

  it('create each key once, and another one in each round', () => {
    const keys = [0, 1].flatMap((round) => take(500, { op: 'create', round }).map(({ key }) => key));
    expect(new Set(keys).size).toBe(1000);
  });

  it('for absent keys name none that is there', () => {
    const there = new Set(Array.from({ length: 1000 }, (_, i) => numberedKeys(1000).keyOf(i)));
    expect(take(1000, { op: 'absent' }).some(({ key }) => there.has(key))).toBe(false);
  });

  it.each([1, 300, 70_000])(
    'are what a node reads, with values of %d bytes, and the replies as long as expected',
    (size) => {
      const data = numberedKeys(1000, size);
      const requests = [
        { op: 'get', key: data.keyOf(3) },
        { op: 'set', key: 'k'.repeat(200), value: data.valueOf(3) },
      ];
      const read: { type: string; id: number; key: string; value?: Uint8Array }[] = [];
      const fault = decodeFrame(encodeRequests(requests), LIMITS, 'client requests', null, (message) =>
        read.push(message as (typeof read)[number]),
      );
      expect(fault).toBeNull();
      expect(read).toMatchObject([
        { type: 'get', id: 0, key: data.keyOf(3) },
        { type: 'set', id: 1, key: 'k'.repeat(200) },
      ]);
      const { valueBytesMin, valueBytesMax } = swarmbusProtocol.expected(['get'], data);
      expect([valueBytesMin, valueBytesMax]).toEqual([read[1]?.value?.length, read[1]?.value?.length]);
      expect(Buffer.from(read[1]?.value as Uint8Array).toString('latin1')).toContain(data.valueOf(3));
    },
  );

  it('in frames of their own are as many frames', () => {
    const requests = Array.from({ length: 3 }, (_, i) => ({ op: 'get', key: `k${i}` }));
    const [together, apart] = [false, true].map((isSeparate) => swarmbusProtocol.encodeBatch(requests, 0, isSeparate));
    expect((apart as Buffer).length - (together as Buffer).length).toBe(2 * 6);
  });

  it('of Redis and NATS count the bytes of a value, whatever they are', () => {
    const value = Buffer.from('Ürümqi').toString('latin1');
    const requests = [{ op: 'set', key: 'k', value }];
    const sent = [PROTOCOLS.resp, PROTOCOLS.nats].map((one) => one.encodeBatch(requests, 4).toString());
    expect(sent).toEqual([
      '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8\r\nÜrümqi\r\n',
      'PUB $KV.bench.k _INBOX.4.0 8\r\nÜrümqi\r\n',
    ]);
  });
});

describe('shapes', () => {
  it.each(Object.entries(SHAPES))('link all nodes of a %s', (_name, edgesOf) => {
    const edges = edgesOf(8).map(([a, b]: number[]) => [a, b] as [number, number]);
    const all = Array.from({ length: 8 }, (_, i) => i);
    expect(reachOf(all, edges).get(0)?.size).toBe(8);
  });

  it('of simulated swarms stay the same when a node is added, and know their distances', () => {
    expect(randomGraph(9).slice(0, randomGraph(8).length)).toEqual(randomGraph(8));
    expect(
      distancesFrom(
        0,
        [
          [1, 0],
          [2, 1],
          [3, 2],
          [3, 0],
        ],
        5,
      ),
    ).toEqual([0, 1, 2, 1, Infinity]);
  });
});
