/** Real nodes with little room or none: a pure gateway in the middle of a line, and nodes that refuse. */
import { expect, it } from '@jest/globals';
import type { Client } from '../../src/client/index.js';
import { settled, useProcesses, type NodeProcess } from './processes.js';

const processes = useProcesses(90_000);

/** Linked in their order. */
const line = async (...flags: readonly (readonly string[])[]): Promise<NodeProcess[]> => {
  const nodes: NodeProcess[] = [];
  for (const [i, own] of flags.entries()) {
    const last = nodes.at(-1);
    nodes.push(await processes.node(['--name', `n${i}`, ...(last === undefined ? [] : ['--link', last.url]), ...own]));
  }
  await settled(nodes, nodes.length - 1);
  return nodes;
};

const keysOf = (nodes: readonly NodeProcess[]): Promise<number[]> =>
  Promise.all(nodes.map(async (node) => (await node.inspect<{ store: { keys: number } }>('counters')).store.keys));

const numbered = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

/** How many of them were stored, and how many refused by each code. */
const setAll = async (client: Client, keys: readonly string[]): Promise<Record<string, number>> => {
  const outcomes = await client.setMany(keys.map((key) => [key, key] as const));
  const counts: Record<string, number> = {};
  for (const { error } of outcomes) {
    const what = error?.code ?? 'stored';
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return counts;
};

const countPresent = async (client: Client, keys: readonly string[]): Promise<number> =>
  (await client.getMany(keys)).filter(({ key, value }) => value === key).length;

it('[C1] [C2] [K1] a gateway with --store 0 joins two nodes, serves every command and stores nothing', async () => {
  const nodes = await line([], ['--store', '0'], []);
  const [left, middle, right] = (await Promise.all(nodes.map((node) => node.client()))) as [Client, Client, Client];
  await left.set('left', 1);
  await right.set('right', 2);
  await middle.set('middle', 3, { ttlMs: 60_000 });
  for (const client of [left, middle, right]) {
    expect((await client.getMany(['left', 'right', 'middle', 'none'])).map(({ value }) => value)).toEqual([
      1,
      2,
      3,
      undefined,
    ]);
  }
  const { owner } = await middle.where('middle');
  expect(['n0', 'n2']).toContain(owner?.name);
  expect(await middle.incr('count', 5)).toBe(5);
  expect(await left.incr('count')).toBe(6);
  expect(await middle.touch('middle', 0)).toBe(true);
  expect((await middle.scan()).keys.toSorted()).toEqual(['count', 'left', 'middle', 'right']);
  expect(await middle.delete('left')).toBe(true);
  expect(await right.get('left')).toBeUndefined();
  expect(await setAll(middle, numbered('key', 500))).toEqual({ stored: 500 });
  expect(await countPresent(right, numbered('key', 500))).toBe(500);
  const keys = await keysOf(nodes);
  expect(keys[1]).toBe(0);
  // 500 keys, three others, and the memory of the delete.
  expect(keys[0]! + keys[2]!).toBe(504);

  // When one of the two leaves, what it had goes through the gateway to the other.
  nodes[0]!.process.kill('SIGTERM');
  expect(await nodes[0]!.process.endsWithin(10_000)).toMatchObject({ code: 0 });
  expect(await countPresent(middle, numbered('key', 500))).toBe(500);
  // Its client has been told where else to go.
  expect(await left.get('middle')).toBe(3);
  expect([nodes[1]!.url, nodes[2]!.url]).toContain(left.url);
}, 60_000);

it('[C7] [K1] [K2] nodes with --policy refuse hold exactly what they have room for, and lose nothing', async () => {
  const nodes = await line(
    ['--keys', '100', '--policy', 'refuse'],
    ['--store', '0', '--policy', 'refuse'],
    ['--keys', '150', '--policy', 'refuse'],
  );
  const [left, middle, right] = (await Promise.all(nodes.map((node) => node.client()))) as [Client, Client, Client];
  const keys = numbered('key', 400);
  const first = await setAll(left, keys);
  expect(first).toEqual({ stored: 250, OVER_CAPACITY: 150 });
  expect(await keysOf(nodes)).toEqual([100, 0, 150]);
  for (const client of [left, middle, right]) expect(await countPresent(client, keys)).toBe(250);
  for (const client of [left, middle, right]) {
    const error = (await client.set('one more', 1).catch((reason: unknown) => reason)) as object;
    expect(error).toMatchObject({ code: 'OVER_CAPACITY', info: { where: 'store' } });
  }
  // What is there can be changed, and what goes makes room for as much.
  const present = (await left.getMany(keys)).filter(({ value }) => value !== undefined).map(({ key }) => key);
  expect(await setAll(middle, present)).toEqual({ stored: 250 });
  const counters = await Promise.all(nodes.map((node) => node.inspect<{ store: { evicted: number } }>('counters')));
  expect(counters.map(({ store }) => store.evicted)).toEqual([0, 0, 0]);

  const run = await processes.swarmbus('set', 'one more', '1', '--url', nodes[1]!.url);
  expect(run).toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^swarmbus: OVER_CAPACITY: [^\n]+\n$/),
  });
}, 60_000);
