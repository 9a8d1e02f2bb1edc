/** What every storage of a client must keep (R4). */
import { afterEach, expect, it } from '@jest/globals';
import type { ReplicaStorage, ReplicaStore } from '../../../src/client/storage/storage.js';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const NOTHING = { record: null, opsAdded: [], opsFloor: 0, states: new Map<string, Uint8Array | null>() };

const textOf = (store: ReplicaStore): object => ({
  record: store.kept.record === null ? null : Buffer.from(store.kept.record).toString(),
  ops: store.kept.ops.map(({ number, op }) => [number, Buffer.from(op).toString()]),
  states: [...store.kept.states]
    .map(([object, state]) => [object, Buffer.from(state).toString()])
    .toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1)),
});

/** `make`: a storage for what is there already, as a second run of the program would make it. */
export const storageContract = (make: () => ReplicaStorage): void => {
  let opened: ReplicaStore[] = [];
  const open = async (database = 'todos'): Promise<ReplicaStore> => {
    const store = await make().open(database);
    opened.push(store);
    return store;
  };
  const close = async (store: ReplicaStore): Promise<void> => {
    opened = opened.filter((one) => one !== store);
    await store.close();
  };
  afterEach(async () => {
    for (const store of opened) await store.close();
    opened = [];
  });

  it('[R4] finds what was kept, whole and in order', async () => {
    const first = await open();
    expect(textOf(first)).toEqual({ record: null, ops: [], states: [] });
    await first.write({
      record: bytes('who'),
      opsAdded: Array.from({ length: 12 }, (_, i) => ({ number: i + 1, op: bytes(`op ${i + 1}`) })),
      opsFloor: 0,
      states: new Map([
        ['lww/a', bytes('A')],
        ['lww/b', bytes('B')],
      ]),
    });
    await first.write({ ...NOTHING, opsFloor: 11, states: new Map([['lww/a', null]]) });
    await first.write({
      ...NOTHING,
      opsAdded: [{ number: 13, op: bytes('op 13') }],
      states: new Map([['lww/b', bytes('B2')]]),
    });
    await close(first);
    expect(textOf(await open())).toEqual({
      record: 'who',
      ops: [
        [11, 'op 11'],
        [12, 'op 12'],
        [13, 'op 13'],
      ],
      states: [['lww/b', 'B2']],
    });
  });

  it('keeps databases apart, whatever their names', async () => {
    const [a, b] = [await open('a.b-c_D'), await open('..')];
    await a.write({ ...NOTHING, record: bytes('a') });
    await b.write({ ...NOTHING, record: bytes('b') });
    await close(a);
    await close(b);
    expect(textOf(await open('a.b-c_D'))).toMatchObject({ record: 'a' });
    expect(textOf(await open('..'))).toMatchObject({ record: 'b' });
  });

  it('keeps changes that are given without waiting in their order', async () => {
    const first = await open();
    const writes = Array.from({ length: 50 }, (_, i) =>
      first.write({ ...NOTHING, record: bytes(`${i}`), opsAdded: [{ number: i, op: bytes(`${i}`) }], opsFloor: i - 1 }),
    );
    await Promise.all(writes);
    await close(first);
    expect(textOf(await open())).toMatchObject({
      record: '49',
      ops: [
        [48, '48'],
        [49, '49'],
      ],
    });
  });
};
