/** Databases as callers use them, against peers of an embedded swarm. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { counter, lww, memoryStorage, set } from '../../src/client/index.js';
import type { Client, Database, DatabaseOptions, ReplicaStorage } from '../../src/client/index.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm } from '../../src/testing/index.js';

let swarm: Swarm;
beforeEach(async () => {
  swarm = await startSwarm({ nodes: 3, topology: 'ring', disk: true });
  await Promise.all([0, 1, 2].map((node) => swarm.settle().then(() => swarm.node(node))));
  const clients = await Promise.all([0, 1, 2].map((node) => swarm.client(node)));
  for (const client of clients) await client.createDatabase('todos');
});
afterEach(() => swarm?.stop());

const open = async (node: number, options: DatabaseOptions = {}): Promise<Database> =>
  (await swarm.client(node)).database('todos', options);

const eventually = async (isTrue: () => boolean): Promise<void> => {
  for (let i = 0; i < 500 && !isTrue(); i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(isTrue()).toBe(true);
};

it('[R1] [R3] what one writes, all see', async () => {
  const [a, b] = [await open(0), await open(1)];
  const [mine, yours] = [await a.object('todo:1', lww), await b.object('todo:1', lww)];
  expect(mine.state).toEqual({});
  mine.set({ title: 'write tests', done: false });
  // At once here, without waiting for anybody.
  expect(mine.state).toEqual({ title: 'write tests', done: false });
  await a.spread();
  expect(a.pendingCount).toBe(0);
  await eventually(() => yours.state['title'] === 'write tests');
  yours.set('done', true);
  await eventually(() => mine.state['done'] === true);
  expect(mine.state).toEqual(yours.state);
});
