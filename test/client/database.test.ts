/** Databases as callers use them, against peers of an embedded swarm. */
import { expect, it } from '@jest/globals';
import * as Y from 'yjs';
import { counter, lww, memoryStorage, set } from '../../src/client/index.js';
import type { Client, ReplicaStorage, SwarmError } from '../../src/client/index.js';
import { text } from '../../src/client/database/kinds/text.js';
import { embeddedPeers, eventually } from './embedded-peers.js';

const peers = embeddedPeers();
const { open } = peers;

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

it('[R3] what is written to an object without its handle is in its state, if it is followed by its type', async () => {
  const database = await open(0);
  const counters = await database.objects(counter);
  const { add } = database.writer('visits', counter);
  add(1);
  add(2);
  expect(counters.get('visits')?.state).toBe(3);
  await database.spread();
  add(4);
  expect(counters.get('visits')?.state).toBe(7);
});

it('[R3] what was written to an object before it was followed is in its state, sent or not', async () => {
  const database = await open(0);
  const { add } = database.writer('visits', counter);
  add(1);
  await database.spread();
  add(2);
  const visits = await database.object('visits', counter);
  expect(visits.state).toBe(3);
  await database.spread();
  expect(visits.state).toBe(3);
});

it('[R4] what is written is on its way when it is kept, and not before (replica seed 4101074)', async () => {
  const inner = memoryStorage();
  const writes: (() => void)[] = [];
  const storage: ReplicaStorage = {
    async open(name) {
      const store = await inner.open(name);
      const write: typeof store.write = (change) =>
        new Promise((resolve) => void writes.push(() => void store.write(change).then(resolve)));
      return { kept: store.kept, write, close: () => store.close() };
    },
  };
  const [slow, other] = [await open(0, { storage }), await open(0)];
  const [mine, theirs] = [slow.writer('visits', counter), await other.object('visits', counter)];
  mine.add(1);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect([theirs.state, slow.pendingCount]).toEqual([0, 1]);
  // Whatever comes later may be kept later.
  for (let i = 0; i < 20; i += 1) {
    writes.splice(0).forEach((write) => write());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect([theirs.state, slow.pendingCount]).toEqual([1, 0]);
  const end = slow.close();
  while (writes.length > 0) writes.shift()?.();
  await end;
});

it('[R4] what no peer takes is given up by name, and all else goes on (replica seed 4400614)', async () => {
  const told: SwarmError[] = [];
  const database = await open(0, { onStuck: (error) => void told.push(error) });
  const other = await open(1);
  const [note, visits] = [await database.object('note', text), await database.object('visits', counter)];
  expect(() => database.discard()).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  note.insert(0, 'kept');
  await database.spread();
  const author = database.author;
  peers.swarm.crash(0);
  visits.add(1);
  // What an editor takes from a document of its own bears the number of another Yjs client.
  const alien = new Y.Doc();
  alien.getText('text').insert(0, 'alien');
  Y.applyUpdate(note.doc as unknown as Y.Doc, Y.encodeStateAsUpdate(alien));
  note.insert(0, 'more ');
  visits.add(2);
  await peers.swarm.restart(0);
  await eventually(() => database.status === 'stuck');
  expect(told.at(-1)).toMatchObject({ code: 'TYPE', info: { name: 'bad payload' } });
  expect(database.discard()).toEqual({ type: 'text', id: 'note' });
  await database.spread();
  expect(database.author).not.toBe(author);
  const [theirNote, theirVisits] = [await other.object('note', text), await other.object('visits', counter)];
  await eventually(() => theirVisits.state === 3);
  expect([theirNote.state, visits.state]).toEqual(['kept', 3]);
  await eventually(() => note.state === 'kept');
});

it('[R4] what can not be kept is sent all the same', async () => {
  const inner = memoryStorage();
  const storage: ReplicaStorage = {
    async open(name) {
      const store = await inner.open(name);
      const write = (): Promise<void> => Promise.reject(new Error('the disk is full'));
      return { kept: store.kept, write, close: () => store.close() };
    },
  };
  const told: string[] = [];
  const full = await open(0, { storage, onStorageError: ({ message }) => void told.push(message) });
  full.writer('visits', counter).add(1);
  await full.spread();
  expect(told[0]).toBe('the disk is full');
});

it('[R4] [OP4] a clock that is far ahead keeps nobody from writing: its ops are stamped by the clock of the peer', async () => {
  const storage: ReplicaStorage = memoryStorage();
  const client = await peers.swarm.client(0, { wallMs: () => Date.now() + 600_000 });
  const ahead = await client.database('todos', { storage });
  const other = await open(1);
  const [mine, yours] = [await ahead.object('todo:1', lww), await other.object('todo:1', lww)];
  mine.set('from', 'the future');
  mine.set('count', 1);
  await ahead.spread();
  await eventually(() => yours.state['count'] === 1);
  expect(ahead.status).toBe('live');
  // Who has heard of it writes after it, and not ten minutes later.
  yours.set('from', 'the present');
  await eventually(() => mine.state['from'] === 'the present');
  await ahead.close();
  const next = await peers.swarm.client(2, { wallMs: () => Date.now() + 600_000 });
  const again = await next.database('todos', { storage });
  // Before the peer was heard of again.
  again.writer('todo:1', lww).set('count', 2);
  expect(again.status).not.toBe('live');
  await again.spread();
  await eventually(() => yours.state['count'] === 2);
  expect(again.pendingCount).toBe(0);
});

it('[R4] what waits says of itself the same when it is written anew under another id', async () => {
  const database = await open(0);
  const other = await open(1);
  const [note, tags] = [await database.object('note', text), await database.object('tags', set)];
  note.insert(0, 'hello world');
  tags.add('a', 'b');
  await database.spread();
  peers.swarm.crash(0);
  note.insert(5, ' wide');
  note.remove(0, 1);
  note.insert(0, 'H');
  note.remove(note.state.length - 1, 1);
  tags.remove('a');
  tags.add('c', 'd');
  tags.remove('c');
  const author = database.author;
  database.rebase();
  await peers.swarm.restart(0);
  await database.spread();
  expect(database.author).not.toBe(author);
  const [theirNote, theirTags] = [await other.object('note', text), await other.object('tags', set)];
  await eventually(() => theirNote.state === 'Hello wide worl' && theirTags.state.length === 2);
  expect(theirTags.state).toEqual(['b', 'd']);
  await eventually(() => note.state === theirNote.state);
  expect(tags.state).toEqual(['b', 'd']);
});

it('[R4] what a client leaves behind is sent by the next one with its storage, once, also to another peer', async () => {
  const storage: ReplicaStorage = memoryStorage();
  const first: Client = await peers.swarm.client(0);
  const left = await first.database('todos', { storage });
  (await left.object('tags', set)).add('a', 'b');
  await left.spread();
  const visits = await left.object('visits', counter);
  await first.close();
  expect(() => visits.add(1)).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  await left.close();

  const offline: Client = await peers.swarm.client(1);
  const found = await offline.database('todos', { storage });
  expect(found.replica).toBe(left.replica);
  const tags = await found.object('tags', set);
  tags.remove('a');
  (await found.object('visits', counter)).add(2);
  // Before anything was sent.
  await found.close();
  await offline.close();

  const last = await open(2, { storage });
  await last.spread();
  expect((await last.object('visits', counter)).state).toBe(2);
  expect((await last.object('tags', set)).state).toEqual(['b']);
  expect(last.pendingCount).toBe(0);
});
