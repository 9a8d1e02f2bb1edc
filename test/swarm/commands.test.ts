/** The commands beyond get, set and delete, through every node of every shape, in both forms, under virtual time. */
import { describe, expect, it } from '@jest/globals';
import type { Client, SwarmError } from '../../src/client/index.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Shape, Swarm } from '../../src/testing/index.js';
import { edgesOf } from '../../src/testing/shape.js';
import { TextClient } from './text-client.js';

const SHAPES: readonly [string, number, Shape][] = [
  ['line', 4, 'line'],
  ['tree', 5, 'tree'],
  ['ring', 4, 'ring'],
  ['mesh', 4, 'mesh'],
];

const start = (nodes: number, topology: Shape): Promise<Swarm> =>
  startSwarm({ nodes, topology, virtual: true, encodeEveryHop: true });

const clientsOf = (swarm: Swarm): Promise<Client[]> =>
  Promise.all(Array.from({ length: swarm.size }, (_, i) => swarm.client(i)));

/** Code and info of the failure. */
async function refusal(promise: Promise<unknown>): Promise<{ code: string; info: unknown }> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason as SwarmError,
  );
  if (error === null) throw new Error('it was done');
  return { code: error.code, info: error.info };
}

describe.each(SHAPES)('a %s of %i', (_name, nodes, topology) => {
  it('[C2] [IC1] counts through every node; of counts at once none is lost', async () => {
    await using swarm = await start(nodes, topology);
    const clients = await clientsOf(swarm);
    expect(await clients[0]?.incr('n', 5)).toBe(5);
    for (const [i, client] of clients.entries()) expect(await client.incr('n')).toBe(6 + i);
    const sums = await Promise.all(clients.map((client) => client.incr('n', -1)));
    expect(sums.sort((a, b) => a - b)).toEqual(clients.map((_, i) => 5 + i));
    for (const client of clients) expect(await client.get('n')).toBe(5);
  });

  it('[C2] [CD1] [CD2] sets and deletes under conditions through every node', async () => {
    await using swarm = await start(nodes, topology);
    const clients = await clientsOf(swarm);
    for (const client of clients) {
      const absent = { code: 'CONFLICT', info: { stamp: null } };
      expect(await refusal(client.set('k', 0, { if: 'present' }))).toEqual(absent);
      expect(await refusal(client.set('k', 0, { ifStamp: '3AKN-1' }))).toEqual(absent);
      expect(await refusal(client.delete('k', { ifStamp: '3AKN-1' }))).toEqual(absent);
    }
    const { stamp: first } = await (clients[0] as Client).set('k', 1, { if: 'absent' });
    let stamp = first;
    for (const [i, client] of clients.entries()) {
      const present = { code: 'CONFLICT', info: { stamp } };
      expect(await refusal(client.set('k', 0, { if: 'absent' }))).toEqual(present);
      expect(await client.get('k')).toBe(1 + i);
      const former = stamp;
      stamp = (await client.set('k', 2 + i, { ifStamp: stamp, if: 'present' })).stamp;
      expect(stamp > former).toBe(true);
      expect(await refusal(client.set('k', 0, { ifStamp: former }))).toEqual({ code: 'CONFLICT', info: { stamp } });
      expect(await refusal(client.delete('k', { ifStamp: former }))).toEqual({ code: 'CONFLICT', info: { stamp } });
    }
    expect(await clients.at(-1)?.delete('k', { ifStamp: stamp })).toBe(true);
    for (const client of clients) expect(await client.get('k')).toBeUndefined();
  });

  it('[C2] [TC1] [TC2] moves the expiry through every node', async () => {
    await using swarm = await start(nodes, topology);
    const clients = await clientsOf(swarm);
    const { stamp } = await (clients[0] as Client).set('k', 'v');
    for (const client of clients) {
      expect(await client.touch('absent', 1000)).toBe(false);
      expect(await client.touch('k', 60_000)).toBe(true);
      const entry = await client.getEntry('k');
      expect(entry).toMatchObject({ value: 'v', stamp });
      expect(entry?.ttlMs).toBeGreaterThan(59_000);
      expect(await client.touch('k', 0)).toBe(true);
      expect((await client.getEntry('k'))?.ttlMs).toBeNull();
    }
    expect(await clients.at(-1)?.touch('k', 500)).toBe(true);
    swarm.advance(600);
    for (const client of clients) expect(await client.get('k')).toBeUndefined();
    expect(await clients[0]?.touch('k', 500)).toBe(false);
  });

  it('[WH1] [TR1] tells through every node where a key is, and how it is found', async () => {
    await using swarm = await start(nodes, topology);
    const clients = await clientsOf(swarm);
    const owner = nodes - 1;
    await clients[owner]?.set('k', 1);
    const { id, name } = swarm.node(owner);
    for (const [i, client] of clients.entries()) {
      const asked = await client.trace('k');
      const learned = await client.trace('k');
      const { path, ...rest } = await client.where('k');
      expect(rest).toEqual({ owner: { id, name } });
      expect(path[0]).toEqual({ id: swarm.node(i).id, name: `n${i}` });
      expect(path.at(-1)).toEqual({ id, name });
      const edges = edgesOf(topology, nodes).flatMap(([a, b]) => [`n${a}-n${b}`, `n${b}-n${a}`]);
      const hops = path.slice(1).map((node, at) => `${path[at]?.name}-${node.name}`);
      expect(edges).toEqual(expect.arrayContaining(hops));
      for (const { owner: found, path: way } of [asked, learned]) {
        expect(found).toEqual({ id, name });
        expect(way.map(({ id: hop, name: called }) => ({ id: hop, name: called }))).toEqual(path);
        const times = way.map(({ ms }) => ms as number);
        expect(times[0]).toBe(0);
        expect(times.slice(1).every((ms, at) => ms >= at + 1)).toBe(true);
      }
      expect(asked.steps.map(({ step }) => step)).toEqual([i === owner ? 'here' : 'home']);
      expect(learned.steps.map(({ step }) => step)).toEqual([i === owner ? 'here' : 'learned']);
      expect(await client.where('absent')).toEqual({ owner: null, path: [] });
      expect(await client.trace('absent')).toMatchObject({ owner: null, steps: [{ step: 'home' }], path: [] });
    }
  });

  it('[TX4] means the same in text', async () => {
    await using swarm = await start(nodes, topology);
    const binary = await swarm.client(0);
    const { stamp } = await binary.set('k', 1);
    const text = new TextClient(swarm, nodes - 1);
    const replies = (await text.ask([
      { type: 'incr', id: 1, key: 'k', by: -3 },
      { type: 'set', id: 2, key: 'k', options: { if: 'absent' }, value: 0 },
      { type: 'set', id: 3, key: 'k', options: { ifStamp: stamp }, value: 0 },
      { type: 'touch', id: 4, key: 'k', ttlMs: 60_000 },
      { type: 'touch', id: 5, key: 'absent', ttlMs: 100 },
      { type: 'incr', id: 6, key: 'new', by: 2, options: { ttlMs: 60_000 } },
      { type: 'delete', id: 7, key: 'k', options: { ifStamp: stamp } },
    ])) as { id: number }[];
    const now = (await binary.getEntry('k'))?.stamp;
    expect(replies.sort((a, b) => a.id - b.id)).toEqual([
      { type: 'value', id: 1, value: -2 },
      { type: 'refused', id: 2, code: 'CONFLICT', message: 'the key has a value', info: { stamp: now } },
      { type: 'refused', id: 3, code: 'CONFLICT', message: 'the key has another stamp', info: { stamp: now } },
      { type: 'stored', id: 4 },
      { type: 'missing', id: 5 },
      { type: 'value', id: 6, value: 2 },
      { type: 'refused', id: 7, code: 'CONFLICT', message: 'the key has another stamp', info: { stamp: now } },
    ]);
    expect((await binary.getEntry('new'))?.ttlMs).toBeLessThanOrEqual(60_000);
  });
});

describe.each(['at the owner', 'through another node'])('%s', (way) => {
  const open = async (): Promise<{ swarm: Swarm; client: Client; other: Client } & AsyncDisposable> => {
    const swarm = await start(2, 'line');
    const [owner, remote] = (await clientsOf(swarm)) as [Client, Client];
    const [client, other] = way === 'at the owner' ? [owner, remote] : [remote, owner];
    return { swarm, client, other, [Symbol.asyncDispose]: () => swarm.stop() };
  };

  it('[IC2] integers reach to 2^53 - 1 either way', async () => {
    await using world = await open();
    const { client } = world;
    const { MAX_SAFE_INTEGER: max, MIN_SAFE_INTEGER: min } = Number;
    expect(await client.incr('n', max)).toBe(max);
    expect(await refusal(client.incr('n'))).toMatchObject({ code: 'TYPE' });
    expect(await client.incr('n', -1)).toBe(max - 1);
    expect(await client.incr('n', min)).toBe(-1);
    expect(await client.incr('n', min + 1)).toBe(min);
    expect(await refusal(client.incr('n', -1))).toMatchObject({ code: 'TYPE' });
    expect(await client.get('n')).toBe(min);
  });

  it.each([2 ** 53, -(2 ** 53), 2n ** 53n, -(2n ** 63n), 2n ** 64n - 1n, 1.5, NaN, '1', null, [1], new Uint8Array(1)])(
    '[IC2] %p is no integer within 2^53: TYPE, and it stays',
    async (value) => {
      await using world = await open();
      const { client, other } = world;
      await other.set('n', value);
      expect(await refusal(client.incr('n'))).toMatchObject({ code: 'TYPE' });
      expect(await client.get('n')).toEqual(value);
    },
  );

  it('[IC2] a float without fraction is an integer', async () => {
    await using world = await open();
    const text = new TextClient(world.swarm, 0);
    await text.ask({ type: 'set', id: 1, key: 'n', value: { $float: '-0.0' } });
    await text.ask({ type: 'set', id: 2, key: 'n', value: 41 });
    expect(await world.client.incr('n')).toBe(42);
  });

  it('[IC3] keeps the expiry of a key; ttlMs is for one that it creates', async () => {
    await using world = await open();
    const { client, other, swarm } = world;
    await other.set('n', 1, { ttlMs: 1000 });
    await other.set('m', 1);
    expect(await client.incr('n', 1, { ttlMs: 60_000 })).toBe(2);
    expect((await client.getEntry('n'))?.ttlMs).toBeLessThanOrEqual(1000);
    expect(await client.incr('m', 1, { ttlMs: 10 })).toBe(2);
    expect((await client.getEntry('m'))?.ttlMs).toBeNull();
    swarm.advance(1100);
    expect(await client.incr('n', 7, { ttlMs: 500 })).toBe(7);
    expect((await client.getEntry('n'))?.ttlMs).toBeLessThanOrEqual(500);
    swarm.advance(600);
    expect(await client.get('n')).toBeUndefined();
  });

  it('[CD2] an expired key is absent to every condition', async () => {
    await using world = await open();
    const { client, other, swarm } = world;
    const { stamp } = await other.set('k', 1, { ttlMs: 50 });
    await expect(client.set('k', 2, { if: 'absent' })).rejects.toMatchObject({ code: 'CONFLICT' });
    swarm.advance(60);
    const absent = { code: 'CONFLICT', info: { stamp: null } };
    expect(await refusal(client.set('k', 2, { if: 'present' }))).toEqual(absent);
    expect(await refusal(client.set('k', 2, { ifStamp: stamp }))).toEqual(absent);
    await client.set('k', 3, { if: 'absent' });
    expect(await other.get('k')).toBe(3);
  });

  it('[CD1] a stamp from before a deletion and a new creation holds no more', async () => {
    await using world = await open();
    const { client, other } = world;
    const { stamp } = await other.set('k', 1);
    await client.delete('k');
    expect(await refusal(client.set('k', 2, { ifStamp: stamp }))).toEqual({ code: 'CONFLICT', info: { stamp: null } });
    const again = await other.set('k', 1);
    expect(again.stamp > stamp).toBe(true);
    expect(await refusal(client.set('k', 2, { ifStamp: stamp }))).toEqual({
      code: 'CONFLICT',
      info: { stamp: again.stamp },
    });
    expect(await refusal(client.delete('k', { ifStamp: stamp }))).toEqual({
      code: 'CONFLICT',
      info: { stamp: again.stamp },
    });
    expect(await client.get('k')).toBe(1);
  });

  it('[CD1] a condition that fails changes neither value nor expiry', async () => {
    await using world = await open();
    const { client, other } = world;
    await other.set('k', 1, { ttlMs: 5000 });
    await refusal(client.set('k', 2, { if: 'absent' }));
    await refusal(client.set('k', 2, { ifStamp: '3AKN-1', ttlMs: 9999 }));
    const entry = await client.getEntry('k');
    expect(entry?.value).toBe(1);
    expect(entry?.ttlMs).toBeLessThanOrEqual(5000);
  });
});

it('[CD3] a condition that can never be meant is BAD_REQUEST', async () => {
  await using swarm = await start(1, 'line');
  const text = new TextClient(swarm, 0);
  const codes = (await text.ask([
    { type: 'set', id: 1, key: 'k', options: { if: 'maybe' }, value: 1 },
    { type: 'set', id: 2, key: 'k', options: { ifStamp: 'yesterday' }, value: 1 },
    { type: 'set', id: 3, key: 'k', options: { if: 'absent', ifStamp: '3AKN-1' }, value: 1 },
    { type: 'delete', id: 4, key: 'k', options: { ifStamp: '' } },
    { type: 'incr', id: 5, key: 'k', by: 1, options: { ttlMs: 0 } },
    { type: 'incr', id: 6, key: 'k', by: 1.5 },
    { type: 'incr', id: 7, key: 'k', by: 2 ** 53 },
    { type: 'touch', id: 8, key: 'k', ttlMs: -1 },
    { type: 'touch', id: 9, key: 'k' },
  ])) as { code: string }[];
  expect(codes.map(({ code }) => code)).toEqual(Array.from({ length: 9 }, () => 'BAD_REQUEST'));
  expect(await (await swarm.client(0)).get('k')).toBeUndefined();
});

it('[C4] while a node is missed, what depends on an absent key is UNKNOWN, and a plain set is stored', async () => {
  await using swarm = await start(3, 'mesh');
  const [a, b] = (await clientsOf(swarm)) as [Client, Client];
  swarm.crash(2);
  await swarm.settle();
  for (const client of [a, b]) {
    expect(await refusal(client.incr('n'))).toMatchObject({ code: 'UNKNOWN' });
    expect(await refusal(client.touch('n', 5))).toMatchObject({ code: 'UNKNOWN' });
    expect(await refusal(client.set('n', 5, { if: 'absent' }))).toMatchObject({ code: 'UNKNOWN' });
    expect(await refusal(client.set('n', 5, { if: 'present' }))).toMatchObject({ code: 'UNKNOWN' });
    expect(await refusal(client.delete('n', { ifStamp: '3AKN-1' }))).toMatchObject({ code: 'UNKNOWN' });
  }
  await a.set('n', 1);
  expect(await b.incr('n')).toBe(2);
});

it('[WH1] while a node is missed, where an absent key is, is UNKNOWN', async () => {
  await using swarm = await start(3, 'mesh');
  const [a] = (await clientsOf(swarm)) as [Client];
  swarm.crash(2);
  await swarm.settle();
  expect(await refusal(a.where('n'))).toMatchObject({ code: 'UNKNOWN' });
  expect(await refusal(a.trace('n'))).toMatchObject({ code: 'UNKNOWN' });
});
