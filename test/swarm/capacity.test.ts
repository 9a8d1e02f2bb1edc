/** Room: nodes without it pass entries on, and limits are never exceeded. Whole swarms under virtual time. */
import { afterEach, describe, expect, it } from '@jest/globals';
import type { Hop } from '../../src/actors/runtime/runtime.js';
import type { Settings } from '../../src/actors/settings.js';
import type { Client } from '../../src/client/client.js';
import type { SwarmError } from '../../src/client/errors.js';
import type { NodeId } from '../../src/store/node-id.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm, SwarmOptions } from '../../src/testing/index.js';
import type { Message } from '../../src/transport/message.js';
import { Stranger } from './stranger.js';

type Counts = Record<string, number>;
type Counters = Record<'store' | 'finder' | 'router' | 'directory', Counts>;

const GATEWAY = { storeBytesMax: 0 } as const;

const countersOf = async (swarm: Swarm, node: number): Promise<Counters> =>
  (await swarm.node(node).inspect('counters')) as Counters;

const each = async (swarm: Swarm, actor: keyof Counters, name: string): Promise<number[]> => {
  const counts: number[] = [];
  for (let node = 0; node < swarm.size; node += 1) {
    if (swarm.node(node).isAlive) counts.push((await countersOf(swarm, node))[actor][name] ?? NaN);
  }
  return counts;
};

const sum = async (swarm: Swarm, actor: keyof Counters, name: string): Promise<number> =>
  (await each(swarm, actor, name)).reduce((a, b) => a + b, 0);

/** One copy of each key, known to one home, and the other way round. */
const expectInverse = async (swarm: Swarm): Promise<void> => {
  await swarm.sleep(1500);
  const keys = await sum(swarm, 'store', 'keys');
  expect(await sum(swarm, 'store', 'owned')).toBe(keys);
  expect(await sum(swarm, 'directory', 'keys')).toBe(keys);
};

const clientsOf = (swarm: Swarm): Promise<Client[]> =>
  Promise.all(Array.from({ length: swarm.size }, (_, node) => swarm.client(node)));

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'done',
    (error: SwarmError) => error.code,
  );

const start = (options: SwarmOptions): Promise<Swarm> => startSwarm({ topology: 'line', virtual: true, ...options });

describe('a gateway', () => {
  it.each([0, 1, 2])('[C1] [C7] [K1] at place %i of a line stores nothing, and serves everything', async (place) => {
    const settingsOf = (node: number): Partial<Settings> => (node === place ? GATEWAY : {});
    await using swarm = await start({ nodes: 3, settingsOf });
    const clients = await clientsOf(swarm);
    const gateway = clients[place] as Client;
    for (let i = 0; i < 40; i += 1) await gateway.set(`k${i}`, i);
    for (const client of clients) for (let i = 0; i < 40; i += 1) expect(await client.get(`k${i}`)).toBe(i);
    expect(await gateway.incr('n', 5)).toBe(5);
    expect(await gateway.incr('n')).toBe(6);
    expect(await gateway.delete('k0')).toBe(true);
    expect(await gateway.delete('never')).toBe(false);
    expect(await gateway.get('k0')).toBeUndefined();
    expect(await codeOf(gateway.set('k1', 'other', { if: 'absent' }))).toBe('CONFLICT');
    expect(await codeOf(gateway.set('fresh', 1, { if: 'absent' }))).toBe('done');
    const keys = await each(swarm, 'store', 'keys');
    expect(keys[place]).toBe(0);
    // The nearest node has all of them; the deleted one is remembered there.
    expect(keys.toSorted((a, b) => a - b)).toEqual([0, 0, 42]);
    expect((await countersOf(swarm, place)).finder).toMatchObject({ passedOn: 42, noRoom: 0 });
    expect(await sum(swarm, 'finder', 'searches')).toBe(0);
    await expectInverse(swarm);
  });

  it('[K1] in front of full nodes leaves it to the nearest one what has to go', async () => {
    const settingsOf = (node: number): Partial<Settings> => (node === 0 ? GATEWAY : { keysMax: 10 });
    await using swarm = await start({ nodes: 3, settingsOf });
    const [gateway] = (await clientsOf(swarm)) as [Client];
    for (let i = 0; i < 50; i += 1) await gateway.set(`k${i}`, i);
    expect(await each(swarm, 'store', 'keys')).toEqual([0, 10, 10]);
    expect(await each(swarm, 'store', 'evicted')).toEqual([0, 30, 0]);
    expect(await gateway.get('k49')).toBe(49);
    await expectInverse(swarm);
  });

  it('[K1] without any node that stores refuses', async () => {
    await using swarm = await start({ nodes: 2, settings: GATEWAY });
    const client = await swarm.client(0);
    await expect(client.set('k', 1)).rejects.toMatchObject({ code: 'OVER_CAPACITY', info: { where: 'store' } });
    expect(await client.get('k')).toBeUndefined();
    expect(await client.delete('k')).toBe(false);
    await expectInverse(swarm);
  });
});

describe('a full node', () => {
  it('[C7] [K1] passes new entries to the nearest node that advertises room, then to the next', async () => {
    await using swarm = await start({ nodes: 4, settings: { keysMax: 100 } });
    const [first, , , last] = (await clientsOf(swarm)) as [Client, Client, Client, Client];
    for (let i = 0; i < 350; i += 1) await first.set(`k${i}`, i);
    expect(await each(swarm, 'store', 'keys')).toEqual([100, 100, 100, 50]);
    expect(await sum(swarm, 'store', 'evicted')).toBe(0);
    for (let i = 0; i < 350; i += 1) expect(await last.get(`k${i}`)).toBe(i);
    await expectInverse(swarm);
  });

  it('[C7] [K1] passes on at once what comes at once, and nothing goes while there is room', async () => {
    await using swarm = await start({ nodes: 4, topology: 'ring', settings: { keysMax: 250, policy: 'refuse' } });
    const clients = await clientsOf(swarm);
    const client = clients[0] as Client;
    // All in one frame, so that nobody has heard of anything when the first of them are passed on.
    await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set(`k${i}`, i)));
    expect(await each(swarm, 'store', 'keys')).toEqual([250, 250, 250, 250]);
    const codes = await Promise.all(Array.from({ length: 50 }, (_, i) => codeOf(client.set(`more-${i}`, i))));
    expect(new Set(codes)).toEqual(new Set(['OVER_CAPACITY']));
    for (const other of clients) {
      const values = await Promise.all(Array.from({ length: 1000 }, (_, i) => other.get(`k${i}`)));
      expect(values).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    }
    await expectInverse(swarm);
  });

  it('[C7] [K2] lru: drops what was used least recently when all are full', async () => {
    await using swarm = await start({ nodes: 3, settings: { keysMax: 50 } });
    const [first] = (await clientsOf(swarm)) as [Client];
    for (let i = 0; i < 400; i += 1) await first.set(`k${i}`, i);
    expect(await each(swarm, 'store', 'keys')).toEqual([50, 50, 50]);
    expect(await sum(swarm, 'store', 'evicted')).toBe(250);
    await expectInverse(swarm);
  });

  it('[C7] [K1] refuse: refuses new entries when all are full, and keeps all that it has', async () => {
    await using swarm = await start({ nodes: 3, settings: { keysMax: 50, policy: 'refuse' } });
    const clients = await clientsOf(swarm);
    const codes: string[] = [];
    for (let i = 0; i < 400; i += 1) codes.push(await codeOf((clients[i % 3] as Client).set(`k${i}`, i)));
    expect(codes).toEqual(codes.map((_, i) => (i < 150 ? 'done' : 'OVER_CAPACITY')));
    expect(await each(swarm, 'store', 'keys')).toEqual([50, 50, 50]);
    expect(await sum(swarm, 'store', 'evicted')).toBe(0);
    for (const client of clients) for (let i = 0; i < 150; i += 1) expect(await client.get(`k${i}`)).toBe(i);
    // What is there may change.
    expect(await codeOf((clients[0] as Client).set('k149', 1))).toBe('done');
    await expectInverse(swarm);
  });

  it('[K2] refuse: keeps an old value that its successor is too large for', async () => {
    await using swarm = await start({ nodes: 2, settings: { storeBytesMax: 100, policy: 'refuse' } });
    const [a, b] = (await clientsOf(swarm)) as [Client, Client];
    await a.set('k', 'x'.repeat(40));
    await a.set('l', 'x'.repeat(40));
    for (const client of [a, b]) {
      await expect(client.set('k', 'y'.repeat(60))).rejects.toMatchObject({ code: 'OVER_CAPACITY' });
      expect(await client.get('k')).toBe('x'.repeat(40));
    }
    // Entries do not move for growth: the other node has room.
    expect((await countersOf(swarm, 1)).store['keys']).toBe(0);
    await b.set('l', 'y'.repeat(10));
    await b.set('k', 'y'.repeat(60));
    expect(await a.get('k')).toBe('y'.repeat(60));
    expect(await sum(swarm, 'store', 'evicted')).toBe(0);
  });

  it('[K2] lru: an update that no longer fits its owner makes others go there', async () => {
    await using swarm = await start({ nodes: 2, settings: { storeBytesMax: 100 } });
    const [a, b] = (await clientsOf(swarm)) as [Client, Client];
    await a.set('k', 'x'.repeat(40));
    await a.set('l', 'x'.repeat(40));
    await b.set('k', 'y'.repeat(60));
    expect(await b.get('l')).toBeUndefined();
    expect(await each(swarm, 'store', 'keys')).toEqual([1, 0]);
  });

  it('[K3] leaves no memory of a delete that it has no room for, and drops nothing for it', async () => {
    await using swarm = await start({ nodes: 2, settings: { keysMax: 10 } });
    const [a, b] = (await clientsOf(swarm)) as [Client, Client];
    for (let i = 0; i < 10; i += 1) await Promise.all([a.set(`a${i}`, i), b.set(`b${i}`, i)]);
    for (let i = 0; i < 100; i += 1) expect(await a.delete(`never-${i}`)).toBe(false);
    for (let i = 0; i < 10; i += 1) expect([await b.get(`a${i}`), await a.get(`b${i}`)]).toEqual([i, i]);
    // What is deleted leaves its room to the memory of it: nothing more fits.
    expect(await a.delete('a0')).toBe(true);
    expect(await each(swarm, 'store', 'keys')).toEqual([10, 10]);
    expect(await sum(swarm, 'store', 'tombstones')).toBe(1);
    expect(await sum(swarm, 'store', 'evicted')).toBe(0);
    await expectInverse(swarm);
  });

  it('[C3] [K1] keeps the order of what one session sends for a key that is passed on', async () => {
    const settingsOf = (node: number): Partial<Settings> => (node < 2 ? GATEWAY : { keysMax: 30 });
    await using swarm = await start({ nodes: 4, settingsOf });
    const [a] = (await clientsOf(swarm)) as [Client];
    for (let round = 0; round < 30; round += 1) {
      const key = `k${round}`;
      // Also what comes while the first are under way.
      const first = [a.get(key), a.set(key, 1), a.incr(key), a.get(key)];
      await swarm.sleep(round / 4);
      const then = [a.set(key, 10), a.incr(key), a.get(key), a.delete(key), a.get(key), a.incr(key, 7), a.get(key)];
      await swarm.sleep(round / 4);
      const last = [a.incr(key), a.get(key)];
      expect((await Promise.all(first)).filter((value) => typeof value !== 'object')).toEqual([undefined, 2, 2]);
      expect((await Promise.all(then)).filter((value) => typeof value !== 'object')).toEqual([
        11,
        11,
        true,
        undefined,
        7,
        7,
      ]);
      expect(await Promise.all(last)).toEqual([8, 8]);
    }
    expect(await sum(swarm, 'store', 'keys')).toBe(30);
    await expectInverse(swarm);
  });

  it.each<[string, Partial<Settings>, number]>([
    ['full nodes', { keysMax: 4 }, 12],
    ['gateways', GATEWAY, 0],
  ])(
    '[C1] [C3] [K1] concurrent creation at several %s leaves one copy, and all answers agree',
    async (_, full, fills) => {
      const settingsOf = (node: number): Partial<Settings> => (node < 3 ? full : { keysMax: 20 });
      await using swarm = await start({ nodes: 6, topology: 'ring', settingsOf });
      const clients = await clientsOf(swarm);
      for (let i = 0; i < fills; i += 1) await (clients[i % 3] as Client).set(`fill-${i}`, i);
      for (let round = 0; round < 40; round += 1) {
        const key = `race-${round}`;
        const created = await Promise.all(clients.map((client) => codeOf(client.set(key, 1, { if: 'absent' }))));
        expect(created.toSorted()).toEqual([...Array.from({ length: 5 }, () => 'CONFLICT'), 'done']);
        await Promise.all(clients.map((client) => client.incr(key)));
        expect(new Set(await Promise.all(clients.map((client) => client.get(key))))).toEqual(new Set([7]));
      }
      expect(await sum(swarm, 'store', 'keys')).toBe(40 + fills);
      expect(await sum(swarm, 'store', 'evicted')).toBe(0);
      await expectInverse(swarm);
    },
  );
});

describe('an advert', () => {
  it('[K1] changes no view, asks nothing again, and is seldom', async () => {
    const hops: string[] = [];
    const trace = ({ type, to }: Hop): void => {
      if (to === '/node/router' && type === 'links') hops.push(type);
      if (to === '/node/finder' && type === 'view') hops.push(type);
      if (type === 'members' || type === 'renumbered') hops.push(type);
    };
    await using swarm = await start({ nodes: 3, settings: { keysMax: 1000 }, trace });
    const [a] = (await clientsOf(swarm)) as [Client];
    const views = await Promise.all(
      [0, 1, 2].map(async (node) => (await swarm.node(node).inspect('topology'))['view']),
    );
    hops.length = 0;
    const before = await sum(swarm, 'router', 'adverts');
    for (let i = 0; i < 2000; i += 1) await a.set(`k${i}`, i);
    await swarm.sleep(3000);
    expect(
      await Promise.all([0, 1, 2].map(async (node) => (await swarm.node(node).inspect('topology'))['view'])),
    ).toEqual(views);
    expect(new Set(hops)).toEqual(new Set(['links']));
    // Each crosses the two links of the line.
    expect(hops).toHaveLength(2 * ((await sum(swarm, 'router', 'adverts')) - before));
    const seconds = 1 + (swarm.time?.nowMs ?? 0) / 1000;
    for (const adverts of await each(swarm, 'router', 'adverts')) expect(adverts).toBeLessThan(2 * seconds);
    const rooms = (await swarm.node(2).inspect('topology'))['members'] as { name: string; freeKeys: number }[];
    expect(rooms.filter(({ freeKeys }) => freeKeys > 0).map(({ name }) => name)).toEqual(['n2']);
    expect(rooms).toHaveLength(3);
  });

  it('[K1] that is wrong costs a way: the request is passed on twice at most, then the policy decides', async () => {
    const settings = { storeBytesMax: 1000, policy: 'refuse' } as const;
    await using swarm = await start({ nodes: 5, settings, settingsOf: (node) => (node === 0 ? GATEWAY : {}) });
    const clients = await clientsOf(swarm);
    for (const [i, client] of clients.entries()) if (i > 0) await client.set(`fill-${i}`, 'x'.repeat(200));
    // Less is left than they told, yet that was not worth telling.
    const [gateway] = clients as [Client];
    const before = await each(swarm, 'finder', 'passedOn');
    await expect(gateway.set('k', 'x'.repeat(850))).rejects.toMatchObject({ code: 'OVER_CAPACITY' });
    const after = await each(swarm, 'finder', 'passedOn');
    expect(after.map((count, i) => count - (before[i] as number))).toEqual([1, 1, 0, 0, 0]);
    await gateway.set('small', 'x'.repeat(200));
    expect(await gateway.get('small')).toBe('x'.repeat(200));
    await expectInverse(swarm);
  });

  it('[K1] brings new entries again when room has become free', async () => {
    await using swarm = await start({ nodes: 2, settings: { keysMax: 100, policy: 'refuse', tombstonesMax: 0 } });
    const [a, b] = (await clientsOf(swarm)) as [Client, Client];
    for (let i = 0; i < 200; i += 1) await a.set(`k${i}`, i);
    expect(await codeOf(a.set('more', 1))).toBe('OVER_CAPACITY');
    for (let i = 100; i < 140; i += 1) await b.delete(`k${i}`);
    await swarm.sleep(1500);
    expect(await codeOf(a.set('more', 1))).toBe('done');
    expect(await each(swarm, 'store', 'keys')).toEqual([100, 61]);
    await expectInverse(swarm);
  });
});

describe('a request that is passed on', () => {
  it('[C5] [D1] [D2] [K1] is executed once, though its answer was lost with a link', async () => {
    let repeated = 0;
    // Two ways from 0 to 2, the shorter one by 1. Only 2 stores.
    const topology = [
      [0, 1],
      [1, 2],
      [0, 3],
      [3, 4],
      [4, 2],
    ] as const;
    const settingsOf = (node: number): Partial<Settings> => (node === 2 ? {} : GATEWAY);
    for (let atMs = 20; atMs <= 200; atMs += 10) {
      await using swarm = await start({ nodes: 5, topology, latencyMs: 20, settingsOf });
      const [a, , c] = (await clientsOf(swarm)) as [Client, Client, Client];
      const write = a.incr('n');
      await swarm.sleep(atMs);
      swarm.cut(1, 2);
      const outcome = await codeOf(write);
      const value = await c.get('n');
      expect([outcome, value]).toEqual(['done', 1]);
      expect(await sum(swarm, 'store', 'incrs')).toBe(1);
      repeated += await sum(swarm, 'store', 'repeated');
    }
    // It did come twice, in some of these rounds.
    expect(repeated).toBeGreaterThan(0);
  });

  it('[D1] [K1] that comes again, before or after its answer, is executed once and answered alike', async () => {
    await using swarm = await start({ nodes: 2, settings: { keysMax: 10 } });
    const stranger = new Stranger('Xstranger1');
    stranger.dial(swarm, 1);
    stranger.greet(swarm);
    const node = swarm.node(1).id as NodeId;
    const { incarnation } = (await swarm.node(1).inspect('node')) as { incarnation: number };
    stranger.announce(swarm, { node, incarnation }, 1, []);
    // It owns nothing, and says so: the home can't know.
    stranger.onMessage = (message) => {
      if (message.type !== 'search') return;
      const { asker, number } = message;
      const answered = [{ node: stranger.id, incarnation: 1 }];
      stranger.send({ type: 'echo', asker, number, owner: null, clock: 0, answered });
    };
    const incr = (number: number): Message => ({
      type: 'forward',
      to: node,
      from: stranger.id,
      hops: 1,
      number,
      behind: 0,
      floor: 1,
      incarnation: 1,
      claim: 0,
      passes: 1,
      budgetMs: 1000,
      clock: 0,
      message: { type: 'incr', id: 1, key: 'n', by: 1, options: {} },
    });
    const answers = (): unknown[] =>
      stranger.received.flatMap((message) => (message.type === 'answer' ? [[message.number, message.message]] : []));
    stranger.send(incr(1), incr(1), incr(2), incr(1), incr(2));
    swarm.advance(800);
    const [first, second, ...waited] = answers();
    expect([first, second]).toMatchObject([
      [1, { type: 'value' }],
      [2, { type: 'value' }],
    ]);
    // The second one waited for the first, and so did its repetition.
    expect(waited).toEqual([second]);
    stranger.send(incr(1), incr(2));
    swarm.advance(100);
    expect(answers().slice(3)).toEqual([first, second]);
    expect(await (await swarm.client(0)).get('n')).toBe(2);
    expect((await countersOf(swarm, 1)).store).toMatchObject({ incrs: 2, keys: 1, passed: 0, passedWaiting: 0 });
  });

  it('[C5] [K1] to a node that vanishes is UNKNOWN for a write, and asked again for a read', async () => {
    const settingsOf = (node: number): Partial<Settings> => (node === 0 ? GATEWAY : {});
    const outcomes = new Set<string>();
    for (let atMs = 0; atMs < 200; atMs += 10) {
      await using swarm = await start({ nodes: 3, latencyMs: 20, settingsOf });
      const [a] = (await clientsOf(swarm)) as [Client];
      const [write, read] = [codeOf(a.set('k', 1)), codeOf(a.get('k'))];
      await swarm.sleep(atMs);
      swarm.crash(1);
      swarm.crash(2);
      const outcome = `${await write} ${await read}`;
      outcomes.add(outcome);
    }
    // Before it was sent, on its way, and after its answer.
    expect([...outcomes]).toEqual(['OVER_CAPACITY UNKNOWN', 'UNKNOWN UNKNOWN', 'done done']);
  });

  it('[K1] to a node that leaves finds another place', async () => {
    const settingsOf = (node: number): Partial<Settings> => (node === 0 ? GATEWAY : {});
    for (let atMs = 0; atMs < 200; atMs += 10) {
      await using swarm = await start({ nodes: 3, topology: 'ring', latencyMs: 20, settingsOf });
      const [a] = (await clientsOf(swarm)) as [Client];
      const where = swarm.node(1).id < swarm.node(2).id ? 1 : 2;
      const write = codeOf(a.set('k', 1));
      await swarm.sleep(atMs);
      const left = swarm.leave(where);
      expect(await write).toBe('done');
      await left;
    }
  });
});

describe('limits', () => {
  let swarm: Swarm | null = null;
  afterEach(async () => {
    await swarm?.stop();
    swarm = null;
  });

  it.each(['lru', 'refuse'] as const)(
    '[C7] [K3] hold at every node at every time, whatever is done (%s)',
    async (policy) => {
      const settings = { storeBytesMax: 2000, keysMax: 40, policy, tombstoneMs: 2000, tombstonesMax: 10 };
      swarm = await start({ nodes: 4, topology: 'ring', settings, settingsOf: (node) => (node === 3 ? GATEWAY : {}) });
      const clients = await clientsOf(swarm);
      let seed = 7;
      const below = (limit: number): number => {
        seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
        return Math.floor((seed / 2 ** 32) * limit);
      };
      const codes = new Set<string>();
      for (let round = 0; round < 60; round += 1) {
        const requests = Array.from({ length: 30 }, () => {
          const client = clients[below(clients.length)] as Client;
          const key = `key-${below(250)}`;
          const what = below(10);
          if (what < 5) {
            const ttlMs = 100 + below(3000);
            const value = 'x'.repeat(below(120));
            return codeOf(client.set(key, value, below(2) === 0 ? { ttlMs } : {}));
          }
          if (what < 6) return codeOf(client.delete(key));
          if (what < 7) return codeOf(client.incr(`n-${below(20)}`));
          return codeOf(client.get(key));
        });
        for (const code of await Promise.all(requests)) codes.add(code);
        for (const [node, bytes] of (await each(swarm, 'store', 'bytes')).entries()) {
          expect(bytes).toBeLessThanOrEqual(node === 3 ? 0 : 2000);
        }
        for (const [node, keys] of (await each(swarm, 'store', 'keys')).entries()) {
          expect(keys).toBeLessThanOrEqual(node === 3 ? 0 : 40);
        }
        await swarm.sleep(50);
      }
      expect(codes).toEqual(new Set(policy === 'lru' ? ['done'] : ['done', 'OVER_CAPACITY']));
      const evicted = await sum(swarm, 'store', 'evicted');
      if (policy === 'lru') expect(evicted).toBeGreaterThan(100);
      else expect(evicted).toBe(0);
      await expectInverse(swarm);
      // What was promised to claims is given back.
      expect(await sum(swarm, 'store', 'passed')).toBe(0);
      expect(await sum(swarm, 'store', 'promised')).toBe(0);
      expect(await sum(swarm, 'finder', 'passing')).toBe(0);
    },
  );
});
