/** What waits in a client, and is written anew under another id, or left to a later run: once, and in view. */
import { expect, it } from '@jest/globals';
import { counter, memoryStorage } from '../../src/client/index.js';
import type { Database, ReplicaStorage } from '../../src/client/index.js';
import { text } from '../../src/client/database/kinds/text.js';
import { DATABASE, embeddedPeers, eventually } from './embedded-peers.js';

const AHEAD_MS = 600_000;

const peers = embeddedPeers();
const { open } = peers;

/** With a clock that can be turned ahead while it is open. */
const openWithClock = async (storage: ReplicaStorage): Promise<{ database: Database; turnAhead(): void }> => {
  let aheadMs = 0;
  const client = await peers.swarm.client(0, { wallMs: () => Date.now() + aheadMs });
  const database = await client.database(DATABASE, { storage });
  return { database, turnAhead: () => void (aheadMs = AHEAD_MS) };
};

it('[R4] of a batch of which the last op is refused, those before it count once', async () => {
  const { database, turnAhead } = await openWithClock(memoryStorage());
  const visits = await database.object('visits', counter);
  const theirs = await (await open(1)).object('visits', counter);
  visits.add(1);
  visits.add(2);
  turnAhead();
  visits.add(4);
  await database.spread();
  await eventually(() => theirs.state >= 7);
  // Whatever came twice would come at once.
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect([visits.state, theirs.state]).toEqual([7, 7]);
});

it.each(['text', 'counter'] as const)('[R4] a %s that nobody has asked for in this run is there once', async (type) => {
  const storage = memoryStorage();
  const { database, turnAhead } = await openWithClock(storage);
  const write = async (): Promise<void> => {
    if (type === 'text') (await database.object('x', text)).insert(0, 'ab');
    else (await database.object('x', counter)).add(1);
  };
  await write();
  await database.spread();
  turnAhead();
  await write();
  await database.close();

  const next = await open(0, { storage });
  if (type === 'text') {
    // Whose words they are is in the text: it can't be written anew before that is known.
    await eventually(() => next.status === 'stuck');
    const note = await next.object('x', text);
    await next.spread();
    await eventually(() => note.state === 'abab');
  } else {
    await next.spread();
    expect((await next.object('x', counter)).state).toBe(2);
  }
});

it('[R3] an object that was written anew is whole also for who followed it in an earlier run', async () => {
  const storage = memoryStorage();
  const first = await open(0, { storage });
  await first.objects(counter);
  first.writer('visits', counter).add(1);
  await first.spread();
  first.writer('visits', counter).add(10);
  await first.close();
  const second = await open(0, { storage });
  second.writer('visits', counter);
  second.rebase();
  await second.spread();
  const counters = await second.objects(counter);
  await eventually(() => counters.get('visits')?.state === 11);
});

it('[R4] who only reads leaves what waits in the storage', async () => {
  const storage = memoryStorage();
  const first = await open(0, { storage });
  first.writer('visits', counter).add(1);
  await first.close();
  const reader = await open(0, { storage, readOnly: true });
  await reader.object('visits', counter);
  await reader.close();
  const second = await open(0, { storage });
  expect([second.replica, second.pendingCount]).toEqual([first.replica, 1]);
  second.writer('visits', counter).add(10);
  await second.spread();
  const theirs = await (await open(1)).object('visits', counter);
  await eventually(() => theirs.state === 11);
});

it('[R7] who waits for what is written anew waits for that', async () => {
  const database = await open(0);
  const theirs = await (await open(1)).object('visits', counter);
  peers.swarm.crash(0);
  database.writer('visits', counter).add(1);
  let isSpread = false;
  const spread = database.spread().then(() => void (isSpread = true));
  const stored = database.stored();
  database.rebase();
  // Nobody has it before.
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect([isSpread, theirs.state]).toEqual([false, 0]);
  await peers.swarm.restart(0);
  await stored;
  await spread;
  expect(database.pendingCount).toBe(0);
  await eventually(() => theirs.state === 1);
});
