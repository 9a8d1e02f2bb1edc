/** One copy, found by its home: the rules of ownership in whole swarms, under virtual time. */
import { describe, expect, it } from '@jest/globals';
import type { Hop } from '../../src/actors/runtime/runtime.js';
import type { SwarmError } from '../../src/client/errors.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm } from '../../src/testing/index.js';

type Counts = Record<string, number>;

const countersOf = async (swarm: Swarm, node: number): Promise<Record<'store' | 'finder' | 'directory', Counts>> =>
  (await swarm.node(node).inspect('counters')) as Record<'store' | 'finder' | 'directory', Counts>;

const sum = async (swarm: Swarm, actor: 'store' | 'finder' | 'directory', name: string): Promise<number> => {
  let total = 0;
  for (let node = 0; node < swarm.size; node += 1) {
    if (swarm.node(node).isAlive) total += (await countersOf(swarm, node))[actor][name] ?? NaN;
  }
  return total;
};

/** Each owned key is known to one home, and the other way round. */
const expectInverse = async (swarm: Swarm): Promise<void> => {
  expect(await sum(swarm, 'directory', 'keys')).toBe(await sum(swarm, 'store', 'owned'));
  expect(await sum(swarm, 'store', 'keys')).toBe(await sum(swarm, 'store', 'owned'));
};

describe('creation', () => {
  it('[C1] [C3] [O2] at all nodes at once leaves one copy, and all answers agree', async () => {
    await using swarm = await startSwarm({ nodes: 5, topology: 'ring', virtual: true });
    const clients = await Promise.all([0, 1, 2, 3, 4].map((node) => swarm.client(node)));
    for (let round = 0; round < 20; round += 1) {
      await Promise.all(clients.map((client, i) => client.set(`race-${round}`, i)));
      const values = await Promise.all(clients.map((client) => client.get(`race-${round}`)));
      expect(new Set(values).size).toBe(1);
    }
    expect(await sum(swarm, 'store', 'keys')).toBe(20);
    expect(await sum(swarm, 'finder', 'searches')).toBe(0);
    await expectInverse(swarm);
  });

  it('[V4] by a node alone needs nobody', async () => {
    await using swarm = await startSwarm({ nodes: 1, virtual: true });
    const client = await swarm.client(0);
    await client.set('k', 1);
    expect(await client.get('k')).toBe(1);
    expect(await client.get('absent')).toBeUndefined();
    expect(await countersOf(swarm, 0)).toMatchObject({ finder: { searches: 0 }, directory: { keys: 1 } });
  });

  it('[V2] [C7] beyond what directories can hold is OVER_CAPACITY, and says where', async () => {
    await using swarm = await startSwarm({
      nodes: 3,
      topology: 'mesh',
      virtual: true,
      settings: { directoryBytesMax: 4000 },
    });
    const client = await swarm.client(0);
    const outcomes = new Map<string, number>();
    for (let i = 0; i < 200; i += 1) {
      const code = await client.set(`k${i}`, i).then(
        () => 'stored',
        (error: SwarmError) => `${error.code} ${String(error.info?.['where'])}`,
      );
      outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
    }
    expect([...outcomes.keys()].toSorted()).toEqual(['OVER_CAPACITY directory', 'stored']);
    expect(await sum(swarm, 'store', 'keys')).toBe(outcomes.get('stored'));
    await expectInverse(swarm);
  });

  it('[V1] without any home: absent keys are missing, and nothing is created', async () => {
    const settings = { directoryBytesMax: 0 };
    await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true, settings });
    const client = await swarm.client(0);
    expect(await client.get('k')).toBeUndefined();
    await expect(client.set('k', 1)).rejects.toMatchObject({ code: 'OVER_CAPACITY', info: { where: 'directory' } });
  });
});

describe('a directory', () => {
  it('[O4] [O5] forgets what expired or was evicted, and only that', async () => {
    await using swarm = await startSwarm({
      nodes: 3,
      topology: 'ring',
      virtual: true,
      settings: { keysMax: 50 },
    });
    const clients = await Promise.all([0, 1, 2].map((node) => swarm.client(node)));
    for (let i = 0; i < 300; i += 1) {
      await clients[i % 3]?.set(`k${i}`, i, i % 5 === 0 ? { ttlMs: 1000 } : {});
    }
    await swarm.sleep(3000);
    expect(await sum(swarm, 'store', 'evicted')).toBeGreaterThan(100);
    await expectInverse(swarm);
    expect(await sum(swarm, 'directory', 'releasesIgnored')).toBe(0);
  });

  it('[O5] hears of releases that a cut swallowed', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'ring', virtual: true });
    const client = await swarm.client(0);
    for (let i = 0; i < 60; i += 1) await client.set(`k${i}`, i, { ttlMs: 2000 });
    // For a while nothing that node 0 sends arrives, and nobody notices.
    swarm.blackhole(0, 1);
    swarm.blackhole(0, 2);
    await swarm.sleep(700);
    swarm.heal();
    await swarm.settle();
    await swarm.sleep(6000);
    expect(await sum(swarm, 'store', 'owned')).toBe(0);
    await expectInverse(swarm);
  });

  it('[O1] is stated anew when a node joins, in full only where keys moved', async () => {
    await using swarm = await startSwarm({ nodes: 4, topology: 'mesh', virtual: true });
    swarm.crash(3);
    await swarm.settle();
    await swarm.sleep(31_000);
    const client = await swarm.client(0);
    for (let i = 0; i < 900; i += 1) await client.set(`k${i}`, i);
    const stated = await sum(swarm, 'store', 'keysStated');
    await swarm.restart(3);
    await swarm.settle();
    const moved = (await countersOf(swarm, 3)).directory['keys'] as number;
    expect(moved).toBeGreaterThan(100);
    expect((await sum(swarm, 'store', 'keysStated')) - stated).toBe(moved);
    await expectInverse(swarm);
    const other = await swarm.client(3);
    for (let i = 0; i < 900; i += 30) expect(await other.get(`k${i}`)).toBe(i);
    expect(await sum(swarm, 'finder', 'searches')).toBe(0);
  });

  it('[O1] [GT2] [C4] answers nothing but the truth while nodes come and go', async () => {
    await using swarm = await startSwarm({ nodes: 5, topology: 'ring', virtual: true, settings: { missedMs: 2000 } });
    const clients = await Promise.all([0, 1, 2].map((node) => swarm.client(node, { requestTimeoutMs: 10_000 })));
    const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);
    for (const [i, key] of keys.entries()) await clients[i % 3]?.set(key, i);
    // Nodes 3 and 4 hold nothing, but are homes and routes.
    for (let round = 0; round < 4; round += 1) {
      swarm.crash(round % 2 === 0 ? 3 : 4);
      for (let i = 0; i < 60; i += 1) {
        const at = (7 * i + round) % keys.length;
        const got = await (clients[i % 3] as (typeof clients)[0]).get(keys[at] as string);
        expect([undefined, at]).toContain(got);
        expect(got).toBe(at);
        await swarm.sleep(20);
      }
      await swarm.restart(round % 2 === 0 ? 3 : 4);
    }
    await swarm.settle();
    await expectInverse(swarm);
  });
});

describe('an owner', () => {
  it('[O6] that is named by the home and holds nothing says missing and releases the key', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'line', virtual: true, settings: { keysMax: 5 } });
    const [a, b, c] = [await swarm.client(0), await swarm.client(1), await swarm.client(2)];
    await b.set('k', 1);
    for (let i = 0; i < 5; i += 1) await Promise.all([a.set(`first-${i}`, i), c.set(`last-${i}`, i)]);
    // The others are full.
    await swarm.sleep(10);
    for (let i = 0; i < 5; i += 1) await b.set(`other-${i}`, i);
    // The release may still be on its way: whoever asks now is sent to an owner that has evicted the key.
    const got = await a.get('k');
    expect(got).toBeUndefined();
    await a.set('k', 2);
    expect(await b.get('k')).toBe(2);
    await swarm.sleep(1000);
    await expectInverse(swarm);
  });

  it('[O7] [ST3] stamps above all that former owners of the key have issued, whatever its clock', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'line', virtual: true });
    const [a, c] = [await swarm.client(0), await swarm.client(2)];
    let last = '';
    for (let i = 0; i < 6; i += 1) {
      const client = i % 2 === 0 ? a : c;
      const { stamp } = await client.set('k', i, { ttlMs: 50 });
      expect(stamp > last).toBe(true);
      last = stamp;
      await swarm.sleep(1500);
    }
  });
});

describe('a partition', () => {
  const split = async (swarm: Swarm): Promise<void> => {
    swarm.cut(1, 2);
    await swarm.settle();
  };

  it('[C6] [P1] [O1] leaves of two copies the later one when it heals, and counts the other', async () => {
    await using swarm = await startSwarm({ nodes: 4, topology: 'line', virtual: true, settings: { missedMs: 1000 } });
    const [left, right] = [await swarm.client(0), await swarm.client(3)];
    await split(swarm);
    for (let i = 0; i < 30; i += 1) {
      await (i % 2 === 0 ? left : right).set(`k${i}`, 'first');
      await swarm.sleep(5);
      await (i % 2 === 0 ? right : left).set(`k${i}`, 'second');
    }
    expect(await sum(swarm, 'store', 'keys')).toBe(60);
    swarm.heal();
    await swarm.settle();
    await swarm.sleep(2000);
    expect(await sum(swarm, 'store', 'keys')).toBe(30);
    expect(await sum(swarm, 'store', 'merged')).toBe(30);
    for (let i = 0; i < 30; i += 1) {
      expect(await left.get(`k${i}`)).toBe('second');
      expect(await right.get(`k${i}`)).toBe('second');
    }
    await expectInverse(swarm);
    expect(await sum(swarm, 'directory', 'contestsOpen')).toBe(0);
  });

  it('[T1] remembers a delete, also of a key that was absent on its side', async () => {
    await using swarm = await startSwarm({ nodes: 4, topology: 'line', virtual: true, settings: { missedMs: 1000 } });
    const [left, right] = [await swarm.client(0), await swarm.client(3)];
    await left.set('known', 1);
    await split(swarm);
    await left.set('created', 1);
    await swarm.sleep(2000);
    // On the right side both are absent now.
    expect(await right.delete('known')).toBe(false);
    expect(await right.delete('created')).toBe(false);
    swarm.heal();
    await swarm.settle();
    await swarm.sleep(2000);
    for (const client of [left, right]) {
      expect(await client.get('known')).toBeUndefined();
      expect(await client.get('created')).toBeUndefined();
    }
    await expectInverse(swarm);
  });

  it('[T1] forgets deletes after their time, and beyond their number', async () => {
    const settings = { tombstoneMs: 3000, tombstonesMax: 10 };
    await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true, settings });
    const client = await swarm.client(0);
    for (let i = 0; i < 30; i += 1) await client.set(`k${i}`, i);
    for (let i = 0; i < 30; i += 1) await client.delete(`k${i}`);
    expect((await countersOf(swarm, 0)).store['tombstones']).toBe(10);
    await swarm.sleep(6000);
    expect(await sum(swarm, 'store', 'owned')).toBe(0);
    await expectInverse(swarm);
  });
});

describe('a write', () => {
  it('[D1] [D2] [C5] whose answer was lost with its link is sent again and executed once', async () => {
    const executed: string[] = [];
    const trace = (hop: Hop): void => {
      if (hop.type === 'forward' && hop.to === '/node/local-store') executed.push(hop.to);
    };
    // Two ways from 0 to 2, the shorter one by 1.
    const topology = [
      [0, 1],
      [1, 2],
      [0, 3],
      [3, 4],
      [4, 2],
    ] as const;
    await using swarm = await startSwarm({ nodes: 5, topology, virtual: true, latencyMs: 20, trace });
    const [a, c] = [await swarm.client(0), await swarm.client(2)];
    await c.set('k', 'old');
    expect(await a.get('k')).toBe('old');
    executed.length = 0;
    const write = a.set('k', 'new');
    // The owner has executed it; the answer is on its way from 2 to 1.
    swarm.advance(75);
    swarm.cut(1, 2);
    await write;
    expect(executed.length).toBeGreaterThan(1);
    expect(await sum(swarm, 'store', 'repeated')).toBeGreaterThan(0);
    expect(await c.get('k')).toBe('new');
    expect((await countersOf(swarm, 2)).store['sets']).toBe(2);
  });
});
