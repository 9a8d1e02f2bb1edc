/** Scans of whole swarms, under virtual time. */
import { describe, expect, it } from '@jest/globals';
import type { Client, KeyPage } from '../../src/client/index.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Shape, Swarm } from '../../src/testing/index.js';
import { TextClient } from './text-client.js';

const SHAPES: readonly [string, number, Shape][] = [
  ['line', 4, 'line'],
  ['tree', 5, 'tree'],
  ['ring', 4, 'ring'],
  ['mesh', 4, 'mesh'],
];

const start = (nodes: number, topology: Shape): Promise<Swarm> =>
  startSwarm({ nodes, topology, virtual: true, encodeEveryHop: true });

/** Stores keys of its own through each node. */
async function fill(swarm: Swarm, count: number): Promise<{ clients: Client[]; keys: string[] }> {
  const clients = await Promise.all(Array.from({ length: swarm.size }, (_, i) => swarm.client(i)));
  const keys: string[] = [];
  for (const [i, client] of clients.entries()) {
    const mine = Array.from({ length: count }, (_, n) => `k${i}:${n}`);
    keys.push(...mine);
    for (const { error } of await client.setMany(mine.map((key) => [key, 1]))) expect(error).toBeNull();
  }
  return { clients, keys: keys.sort() };
}

async function pagesOf(client: Client, prefix: string, limit: number, between?: () => void): Promise<KeyPage[]> {
  const pages = [await client.scan(prefix, { limit })];
  for (let { cursor } = pages[0] as KeyPage; cursor !== null;) {
    between?.();
    const page = await client.scan(prefix, { limit, cursor });
    pages.push(page);
    ({ cursor } = page);
  }
  return pages;
}

async function allOf(keys: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = [];
  for await (const key of keys) all.push(key);
  return all;
}

const keysOf = (pages: readonly KeyPage[]): string[] => pages.flatMap(({ keys }) => keys).sort();

describe.each(SHAPES)('a %s of %i', (_name, nodes, topology) => {
  it('[C2] [SC1] [W4] names all keys through every node, page by page', async () => {
    await using swarm = await start(nodes, topology);
    const { clients, keys } = await fill(swarm, 30);
    for (const client of clients) {
      for (const limit of [7, 1000]) {
        const pages = await pagesOf(client, '', limit);
        expect(keysOf(pages)).toEqual(keys);
        expect(pages.every((page) => page.keys.length <= limit && !page.isIncomplete)).toBe(true);
      }
      const found = await allOf(client.keys('k1:'));
      expect(found.sort()).toEqual(keys.filter((key) => key.startsWith('k1:')));
    }
  });
});

it('[W4] [SC2] says that it is incomplete if a member came, went or is missed', async () => {
  await using swarm = await start(3, 'mesh');
  const { clients, keys } = await fill(swarm, 20);
  const client = clients[0] as Client;
  const first = await client.scan('', { limit: 5 });
  swarm.crash(2);
  await swarm.settle();
  const pages = [first, await client.scan('', { limit: 1000, cursor: first.cursor as string })];
  expect(pages[1]).toMatchObject({ cursor: null, isIncomplete: true });
  const left = keys.filter((key) => !key.startsWith('k2:'));
  expect(keysOf(pages)).toEqual(expect.arrayContaining(left));
  // It is missed.
  expect(await client.scan('', { limit: 1000 })).toMatchObject({ cursor: null, isIncomplete: true });
  await expect(allOf(client.keys())).rejects.toMatchObject({ code: 'UNKNOWN' });
  await swarm.sleep(31_000);
  expect((await client.scan('', { limit: 1000 })).isIncomplete).toBe(false);
});

it('[SC2] a scan that goes on through another node is incomplete, and still names all', async () => {
  await using swarm = await start(3, 'ring');
  const { clients, keys } = await fill(swarm, 20);
  const [a, b] = clients as [Client, Client];
  const first = await a.scan('', { limit: 25 });
  const second = await b.scan('', { limit: 1000, cursor: first.cursor as string });
  expect(keysOf([first, second])).toEqual(keys);
  expect(second.isIncomplete).toBe(true);
});

it('[SC3] refuses a limit out of range and a cursor that is none', async () => {
  await using swarm = await start(2, 'line');
  const text = new TextClient(swarm, 0);
  const requests = [
    { limit: 0 },
    { limit: 1001 },
    { limit: -1 },
    { cursor: '' },
    { cursor: '%.1.1.0.1A.0.' },
    { cursor: '1A.1.1.0.1A.0' },
  ].map((options, id) => ({ type: 'scan', id, prefix: '', options }));
  const replies = (await text.ask(requests)) as { code: string }[];
  expect(replies.map(({ code }) => code)).toEqual(requests.map(() => 'BAD_REQUEST'));
  // Of another swarm, or made up: harmless, and incomplete.
  const strange = { type: 'scan', id: 9, prefix: '', options: { cursor: '1A.1.1.0.zz.999999999.k' } };
  expect(await text.ask(strange)).toEqual({ type: 'keys', id: 9, keys: [], incomplete: true });
  expect(await text.ask({ type: 'scan', id: 10, prefix: 'p'.repeat(5000) })).toEqual({
    type: 'keys',
    id: 10,
    keys: [],
  });
});

it('[SC4] a member that does not answer costs the page its deadline, and the client can go on from there', async () => {
  await using swarm = await startSwarm({
    nodes: 2,
    topology: 'line',
    virtual: true,
    settings: { heartbeatTimeoutMs: 60_000 },
  });
  const { clients, keys } = await fill(swarm, 10);
  const [a] = clients as [Client];
  swarm.blackhole(1, 0);
  const isFirst = swarm.node(0).id < swarm.node(1).id;
  const stopped = a.scan('', { limit: 1000 });
  if (isFirst) {
    const page = await stopped;
    expect(page.keys.toSorted()).toEqual(keys.filter((key) => key.startsWith('k0:')));
    expect(page.cursor).not.toBeNull();
  } else await expect(stopped).rejects.toMatchObject({ code: 'TIMEOUT' });
});
