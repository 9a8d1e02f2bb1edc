/** Watches across whole swarms, under virtual time. */
import { describe, expect, it } from '@jest/globals';
import type { Change, Client, Watch, WatchOptions } from '../../src/client/index.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Shape, Swarm, SwarmOptions } from '../../src/testing/index.js';
import { TextClient } from './text-client.js';

const SHAPES: readonly [string, number, Shape][] = [
  ['line', 4, 'line'],
  ['tree', 5, 'tree'],
  ['ring', 4, 'ring'],
  ['mesh', 4, 'mesh'],
];

const start = (nodes: number, topology: Shape, more: SwarmOptions = {}): Promise<Swarm> =>
  startSwarm({ nodes, topology, virtual: true, encodeEveryHop: true, ...more });

const clientsOf = (swarm: Swarm): Promise<Client[]> =>
  Promise.all(Array.from({ length: swarm.size }, (_, i) => swarm.client(i)));

/** A watch and what came of it. */
class Log {
  readonly changes: Change[] = [];
  readonly watch: Watch;
  readonly ended: Promise<unknown>;

  constructor(watch: Watch) {
    this.watch = watch;
    this.ended = this.#read();
  }

  async #read(): Promise<unknown> {
    try {
      for await (const change of this.watch) this.changes.push(change);
      return null;
    } catch (error) {
      return error;
    }
  }

  /** As `set k 1`, without stamps. */
  take(): string[] {
    return this.changes
      .splice(0)
      .map(({ kind, key, value }) =>
        [kind, key ?? '', value === undefined ? '' : JSON.stringify(value)].join(' ').trim(),
      );
  }
}

async function watch(swarm: Swarm, client: Client, options: WatchOptions): Promise<Log> {
  const log = new Log(client.watch(options));
  let isReady = false;
  void log.watch.ready.then(() => (isReady = true));
  for (let i = 0; i < 500 && !isReady; i += 1) await swarm.sleep(10);
  expect(isReady).toBe(true);
  return log;
}

const counters = async (swarm: Swarm, node: number, actor: string): Promise<Record<string, number>> =>
  (await swarm.node(node).inspect('counters'))[actor] as Record<string, number>;

describe.each(SHAPES)('a %s of %i', (_name, nodes, topology) => {
  it('[C2] [W1] [WT1] hears through every node of changes through every node', async () => {
    await using swarm = await start(nodes, topology);
    const clients = await clientsOf(swarm);
    const logs: Log[] = [];
    for (const client of clients) logs.push(await watch(swarm, client, { prefix: 'k', values: true }));
    const one = await watch(swarm, clients[0] as Client, { key: 'k1' });
    for (const [i, client] of clients.entries()) {
      await client.set(`k${i}`, i);
      await client.set(`other${i}`, i);
      await client.incr(`k${(i + 1) % nodes}`, 10);
      await client.delete(`k${i}`);
      await client.delete('absent');
    }
    await swarm.sleep(200);
    const expected = logs[0]?.take();
    expect(expected?.length).toBe(3 * nodes);
    expect(expected?.slice(0, 3)).toEqual(['set k0 0', 'set k1 10', 'delete k0']);
    for (const log of logs.slice(1)) expect(log.take().toSorted()).toEqual(expected?.toSorted());
    expect(one.take()).toEqual(
      expected?.filter((text) => text.includes(' k1')).map((text) => text.replace(/ \d+$/, '')),
    );
    for (const log of logs) log.watch.close();
    one.watch.close();
    await swarm.sleep(1000);
    for (let i = 0; i < nodes; i += 1) {
      expect(await counters(swarm, i, 'watcher')).toMatchObject({ watches: 0, interests: 0, heard: 0 });
    }
    const { changes } = await counters(swarm, 0, 'watcher');
    await clients[0]?.set('k0', 1);
    expect((await counters(swarm, 0, 'watcher'))['changes']).toBe(changes);
  });
});

it('[W2] the end of an entry whose time came is told before what another node stores in its place', async () => {
  await using swarm = await start(3, 'ring');
  const [a, b, c] = (await clientsOf(swarm)) as [Client, Client, Client];
  const log = await watch(swarm, c, { prefix: '' });
  await a.set('k', 1, { ttlMs: 20 });
  await swarm.sleep(50);
  await b.set('k', 2);
  await swarm.sleep(2500);
  expect(log.take()).toEqual(['set k', 'expire k', 'set k']);
  expect(await c.get('k')).toBe(2);
});

it('[W2] of one key the stamps rise, whoever changes it, and expiry and eviction are told', async () => {
  await using swarm = await start(3, 'ring', { settings: { keysMax: 5 } });
  const [a, b, c] = (await clientsOf(swarm)) as [Client, Client, Client];
  const log = await watch(swarm, a, { prefix: '' });
  for (let i = 0; i < 20; i += 1) await Promise.all([a.set('k', i), b.incr('k'), c.delete('k')]);
  await b.set('short', 1, { ttlMs: 50 });
  await swarm.sleep(2500);
  await b.set('short', 2, { ttlMs: 20 });
  await swarm.sleep(30);
  await b.set('short', 3);
  // More than there is room for at all three.
  for (let i = 0; i < 16; i += 1) await c.set(`fill${i}`, 1);
  await swarm.sleep(100);
  const byKey = new Map<string, string[]>();
  for (const { key, stamp } of log.changes) byKey.set(key ?? '', [...(byKey.get(key ?? '') ?? []), stamp ?? '']);
  for (const stamps of byKey.values()) expect(stamps).toEqual([...new Set(stamps)].toSorted());
  const told = log.take();
  expect(told.filter((text) => text.endsWith('short'))).toEqual([
    'set short',
    'expire short',
    'set short',
    'expire short',
    'set short',
  ]);
  expect(told.some((text) => text.startsWith('evict'))).toBe(true);
  expect(told).not.toContain('gap');
});

it('[W1] a joiner tells of its changes, and what it had done before is covered by a gap', async () => {
  await using swarm = await start(3, 'line');
  const [a] = (await clientsOf(swarm)) as [Client];
  const log = await watch(swarm, a, { prefix: '', values: true });
  swarm.crash(2);
  await swarm.settle();
  await swarm.sleep(100);
  expect(log.take()).toEqual(['gap']);
  await swarm.restart(2);
  await swarm.settle();
  const late = await swarm.client(2);
  await late.set('k', 1);
  await swarm.sleep(500);
  expect(log.take().filter((text) => text !== 'gap')).toEqual(['set k 1']);

  swarm.cut(1, 2);
  await swarm.settle();
  await late.set('k', 2);
  await swarm.sleep(500);
  expect(log.take()).toEqual(['gap']);
  swarm.heal();
  await swarm.settle();
  await swarm.sleep(1000);
  expect(log.take()).toContain('gap');
  await late.set('k', 3);
  await swarm.sleep(500);
  expect(log.take()).toEqual(['set k 3']);
});

it('[WT2] a half-open link swallows changes, and a gap says so', async () => {
  await using swarm = await start(2, 'line', { settings: { heartbeatTimeoutMs: 60_000 } });
  const [a, b] = (await clientsOf(swarm)) as [Client, Client];
  await b.set('k', 0);
  const log = await watch(swarm, a, { key: 'k', values: true });
  swarm.blackhole(1, 0);
  await b.set('k', 1);
  await swarm.sleep(100);
  swarm.heal();
  // Such a link stays dead after the heal: it has to be made anew.
  swarm.cut(0, 1);
  await swarm.sleep(100);
  swarm.heal();
  await swarm.settle();
  await swarm.sleep(1000);
  expect(log.take()).toContain('gap');
  await b.set('k', 2);
  await swarm.sleep(200);
  expect(log.take()).toEqual(['set k 2']);
});

it('[WT3] the client registers again after it lost its node, and says gap', async () => {
  await using swarm = await start(3, 'ring');
  const [, , c] = (await clientsOf(swarm)) as [Client, Client, Client];
  const client = await swarm.client(0);
  const log = await watch(swarm, client, { prefix: 'k', values: true });
  await c.set('k', 1);
  await swarm.sleep(100);
  expect(log.take()).toEqual(['set k 1']);
  swarm.crash(0);
  await swarm.sleep(500);
  await c.set('k', 2);
  await swarm.restart(0);
  await swarm.settle();
  for (let i = 0; i < 100 && log.changes.length === 0; i += 1) await swarm.sleep(100);
  expect(log.take()).toContain('gap');
  await c.set('k', 3);
  await swarm.sleep(200);
  expect(log.take()).toEqual(['set k 3']);
});

it('[TX4] [WT4] watches in text: changes are text with the id of the watch', async () => {
  await using swarm = await start(2, 'line');
  const [, b] = (await clientsOf(swarm)) as [Client, Client];
  const text = new TextClient(swarm, 0);
  expect(await text.ask({ type: 'watch', id: 7, options: { key: 'k', values: true } })).toEqual({
    type: 'watching',
    id: 7,
  });
  const { stamp } = await b.set('k', { a: 1 });
  swarm.advance(100);
  await b.delete('k');
  swarm.advance(100);
  expect(text.take()).toEqual([
    { type: 'change', id: 7, kind: 'set', key: 'k', meta: { stamp }, value: { a: 1 } },
    { type: 'change', id: 7, kind: 'delete', key: 'k', meta: { stamp: expect.any(String) } },
  ]);
  expect(await text.ask({ type: 'unwatch', id: 8, watch: 7 })).toEqual({ type: 'unwatched', id: 8 });
  await b.set('k', 2);
  swarm.advance(100);
  expect(text.take()).toEqual([]);
});

it('[WT5] what can not be watched is refused, and so is what is too much', async () => {
  await using swarm = await start(2, 'line');
  const text = new TextClient(swarm, 0);
  const refused = (await text.ask([
    { type: 'watch', id: 1, options: {} },
    { type: 'watch', id: 2, options: { key: 'k', prefix: 'k' } },
    { type: 'watch', id: 3, options: { key: '' } },
    { type: 'unwatch', id: 4, watch: 99 },
    { type: 'watch', id: 5, options: { prefix: 'p'.repeat(5000) } },
  ])) as { code: string }[];
  expect(refused.map(({ code }) => code)).toEqual([
    'BAD_REQUEST',
    'BAD_REQUEST',
    'BAD_REQUEST',
    'BAD_REQUEST',
    'TOO_LARGE',
  ]);
  const many = Array.from({ length: 65 }, (_, i) => ({ type: 'watch', id: i, options: { prefix: `p${i}` } }));
  const replies = (await text.ask(many)) as { type: string; id: number; code?: string }[];
  expect(replies.filter(({ type }) => type === 'watching').length).toBe(64);
  expect(replies.find(({ type }) => type === 'refused')).toMatchObject({ id: 64, code: 'BUSY', info: { max: 64 } });
  expect(await text.ask({ type: 'watch', id: 3, options: { key: 'k' } })).toMatchObject({ code: 'BAD_REQUEST' });
  expect(await text.ask({ type: 'unwatch', id: 64, watch: 3 })).toEqual({ type: 'unwatched', id: 64 });
  expect(await text.ask({ type: 'watch', id: 3, options: { key: 'k' } })).toEqual({ type: 'watching', id: 3 });
});

it('[WT1] a member that does not confirm costs the watch its deadline', async () => {
  await using swarm = await start(2, 'line', { settings: { heartbeatTimeoutMs: 60_000 } });
  const a = await swarm.client(0);
  swarm.blackhole(0, 1);
  const given = a.watch({ key: 'k' });
  let error: unknown = null;
  given.ready.catch((reason: unknown) => (error = reason));
  await swarm.sleep(4000);
  expect(error).toMatchObject({ code: 'TIMEOUT' });
  await expect(given.next()).rejects.toMatchObject({ code: 'TIMEOUT' });
});

it('ends by break, close, signal and with the client, without an error', async () => {
  await using swarm = await start(2, 'line');
  const [a, b] = (await clientsOf(swarm)) as [Client, Client];
  const signal = new AbortController();
  const closed = await watch(swarm, a, { key: 'k' });
  const aborted = await watch(swarm, a, { key: 'k', signal: signal.signal });
  const left = await watch(swarm, a, { key: 'k' });
  closed.watch.close();
  signal.abort();
  expect(await closed.ended).toBeNull();
  expect(await aborted.ended).toBeNull();
  await b.set('k', 1);
  await swarm.sleep(100);
  expect([closed.take(), aborted.take(), left.take()]).toEqual([[], [], ['set k']]);
  await a.close();
  expect(await left.ended).toBeNull();
  await swarm.sleep(1000);
  expect(await counters(swarm, 0, 'watcher')).toMatchObject({ watches: 0 });
});
