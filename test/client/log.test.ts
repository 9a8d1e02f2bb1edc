/** The log of a peer as a client reads it, and writing without following. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { counter, lww, set } from '../../src/client/index.js';
import type { Client, LogEntry } from '../../src/client/index.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm } from '../../src/testing/index.js';

let swarm: Swarm;
let client: Client;
beforeEach(async () => {
  swarm = await startSwarm({ nodes: 2, topology: 'line', disk: true });
  await swarm.settle();
  client = await swarm.client(0);
  await client.createDatabase('db');
});
afterEach(() => swarm?.stop());

const entriesOf = async (entries: AsyncIterable<LogEntry>, count = Infinity): Promise<LogEntry[]> => {
  const found: LogEntry[] = [];
  for await (const entry of entries) if (found.push(entry) >= count) break;
  return found;
};
const namesOf = (entries: readonly LogEntry[]): string[] => entries.map(({ type, id }) => `${type}/${id}`);

describe('a log', () => {
  it('tells every change in order, each with its position, from which another reader goes on', async () => {
    const database = await client.database('db');
    (await database.object('a', lww)).set('x', 1);
    (await database.object('n', counter)).add(2);
    (await database.object('a', lww)).set('x', 3);
    await database.stored();

    const log = client.log('db', { follow: false });
    const entries = await entriesOf(log);
    expect(entries).toMatchObject([
      { kind: 'op', type: 'lww', id: 'a', prev: null, payload: { x: 1 } },
      { kind: 'op', type: 'counter', id: 'n', payload: 2 },
      { kind: 'op', type: 'lww', id: 'a', payload: { x: 3 } },
    ]);
    const [first, second, third] = entries as { stamp: string; prev: string; position: string }[];
    expect(second!.prev).toBe(first!.stamp.split('-')[0]);
    expect(third!.prev).toBe(second!.stamp.split('-')[0]);
    expect(first!.stamp.split('-')[1]).toBe(database.replica);
    expect(third!.position).toBe(log.position);
    expect(log.source?.peer).toBe((await client.inspectDatabase('db'))['peer']);
    expect(await entriesOf(client.log('db', { follow: false, from: first!.position }))).toEqual(entries.slice(1));
    expect(await entriesOf(client.log('db', { follow: false, from: third!.position }))).toEqual([]);
  });

  it('goes on with what comes, also at a node that holds no database, until it is aborted', async () => {
    const ending = new AbortController();
    const reading = entriesOf((await swarm.client(1)).log('db', { signal: ending.signal }), 3);
    const database = await client.database('db');
    for (const id of ['a', 'b', 'c']) {
      database.writer(id, lww).set('x', 1);
      await database.stored();
    }
    expect(namesOf(await reading)).toEqual(['lww/a', 'lww/b', 'lww/c']);
    const rest = entriesOf((await swarm.client(1)).log('db', { signal: ending.signal }));
    ending.abort();
    expect((await rest).length).toBeLessThanOrEqual(3);
  });

  it('tells states in place of what was compacted', async () => {
    const database = await client.database('db');
    database.writer('a', lww).set('x', 1);
    await database.stored();
    await client.compactDatabase('db');
    database.writer('b', lww).set('x', 2);
    await database.stored();
    expect(await entriesOf(client.log('db', { follow: false }))).toMatchObject([
      { kind: 'snapshot', position: null, type: 'lww', id: 'a' },
      { kind: 'op', type: 'lww', id: 'b', payload: { x: 2 } },
    ]);
  });

  it('of a prefix is told by the peer', async () => {
    const database = await client.database('db');
    for (const id of ['DE/1', 'FR/1', 'DE/2']) database.writer(id, lww).set('x', 1);
    database.writer('DE/n', counter).add(1);
    await database.stored();
    const ofPrefix = client.log('db', { follow: false, prefix: 'DE/' });
    expect(namesOf(await entriesOf(ofPrefix))).toEqual(['lww/DE/1', 'lww/DE/2', 'counter/DE/n']);
    const ofType = client.log('db', { follow: false, type: 'lww', prefix: 'DE/' });
    expect(namesOf(await entriesOf(ofType))).toEqual(['lww/DE/1', 'lww/DE/2']);
  });

  it('is read at the reader’s pace: what waits for him is bounded', async () => {
    const database = await client.database('db');
    const value = 'x'.repeat(10_000);
    const log = client.log('db');
    const reading = log[Symbol.asyncIterator]();
    database.writer('0', lww).set('value', value);
    await reading.next();
    for (let i = 1; i <= 300; i += 1) {
      database.writer(String(i), lww).set('value', value);
      if (i % 20 === 0) await database.stored();
    }
    await database.stored();
    const ids: string[] = [];
    for (let i = 1; i <= 300; i += 1) ids.push(((await reading.next()).value as LogEntry).id);
    expect(ids).toEqual(Array.from({ length: 300 }, (_, i) => String(i + 1)));
    await reading.return();
  });

  it('of a database that nobody has, and from what is no position, is refused', async () => {
    await expect(entriesOf(client.log('nothing'))).rejects.toMatchObject({ code: 'UNKNOWN' });
    expect(() => client.log('db', { from: 'here' })).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
    expect(() => client.log('db', { prefx: 'a' } as object)).toThrow(/log has no option "prefx".*prefix/);
  });
});

describe('a database', () => {
  it('that nobody has is told at once', async () => {
    await expect(client.database('nothing')).rejects.toMatchObject({ code: 'UNKNOWN' });
  });

  it('takes changes of objects that are not followed, and of those that are', async () => {
    const database = await client.database('db');
    const followed = await database.object('a', lww);
    expect(followed.exists).toBe(false);
    database.writer('a', lww).set('x', 1);
    expect(followed.state).toEqual({ x: 1 });
    expect(followed.exists).toBe(true);
    database.writer('b', set).add('m', 'n');
    database.writer('b', set).add('n');
    await database.stored();
    expect((await database.object('b', set)).state).toEqual(['m', 'n']);
    expect(() => database.writer('', lww)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' }));
  });

  it('says when all is in the storage, or that it is not', async () => {
    const change = { isFailing: false, count: 0 };
    const store = {
      kept: { record: null, ops: [], states: new Map() },
      write: ({ opsAdded }: { opsAdded: readonly unknown[] }) => {
        if (change.isFailing) return Promise.reject(new Error('the disk is full'));
        change.count += opsAdded.length;
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    const database = await client.database('db', { storage: { open: () => Promise.resolve(store) } });
    database.writer('a', lww).set('x', 1);
    await database.kept();
    expect(change.count).toBe(1);
    change.isFailing = true;
    database.writer('a', lww).set('x', 2);
    await expect(database.kept()).rejects.toMatchObject({ message: "the storage can't be written: the disk is full" });
    change.isFailing = false;
    await database.kept();
  });
});
