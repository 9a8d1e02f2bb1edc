/** What every disk keeps, whatever it is made of. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Changes, EntryDisk, KeptEntry, NodeRecord, OpenEntryDisk } from '../../src/disk/entry-disk.js';
import type { NodeId } from '../../src/store/node-id.js';

/** One disk for a test, which is there at every opening. */
export interface Rig {
  readonly open: OpenEntryDisk;
  dispose(): void;
}

const RECORD: NodeRecord = { node: 'abc' as NodeId, swarm: 'test', incarnation: 7, clock: 2 ** 50, isEmptied: false };

export const entryOf = (key: string, over: Partial<KeptEntry> = {}): KeptEntry => ({
  key,
  // A text of one character, as long as the key is not.
  value: new Uint8Array([0xa1, key.length % 128]),
  time: 2 ** 50 + key.length,
  origin: 'node0' as NodeId,
  expiresAtWallMs: 0,
  ...over,
});

export const opened = (open: OpenEntryDisk, swarm = 'test'): Promise<EntryDisk> =>
  new Promise((resolve, reject) => open(swarm, resolve, (reason) => reject(new Error(reason))));

export const written = (disk: EntryDisk, changes: Partial<Changes>): Promise<string | null> =>
  new Promise((resolve) => disk.write({ puts: [], removes: [], record: null, ...changes }, resolve));

export const closed = (disk: EntryDisk): Promise<string | null> => new Promise((resolve) => disk.close(resolve));

export async function loaded(disk: EntryDisk, countMax = 1000, bytesMax = 2 ** 20): Promise<KeptEntry[][]> {
  const pieces: KeptEntry[][] = [];
  for (;;) {
    const piece = await new Promise<Parameters<Parameters<EntryDisk['load']>[2]>[0]>((resolve, reject) =>
      disk.load(countMax, bytesMax, resolve, (fault) => reject(new Error(fault))),
    );
    expect(piece.unreadableCount).toBe(0);
    pieces.push([...piece.entries]);
    if (piece.isLast) return pieces;
  }
}

const byKey = (entries: readonly KeptEntry[]): KeptEntry[] =>
  entries.map((entry) => entry).sort((a, b) => (a.key < b.key ? -1 : 1));

export function entryDiskContract(name: string, createRig: () => Rig): void {
  describe(`a disk: ${name}`, () => {
    let rig: Rig;
    let disk: EntryDisk;

    const reopen = async (): Promise<EntryDisk> => {
      await closed(disk);
      disk = await opened(rig.open);
      return disk;
    };

    beforeEach(async () => {
      rig = createRig();
      disk = await opened(rig.open);
    });

    afterEach(async () => {
      await closed(disk);
      rig.dispose();
    });

    it('is empty where no node has been', async () => {
      expect(disk.record).toBeNull();
      expect(disk.count).toBe(0);
      expect(await loaded(disk)).toEqual([[]]);
    });

    it('gives back what was written: values, tombstones, stamps, expiry', async () => {
      const puts = [
        entryOf('a', { value: new Uint8Array(0) }),
        entryOf('b', { value: null, origin: '~zzzzzzzzz' as NodeId, time: 2 ** 53 - 1 }),
        entryOf('c', { value: new Uint8Array(300_000).fill(7), expiresAtWallMs: 1_800_000_000_123 }),
        entryOf('d', { time: 0 }),
      ];
      expect(await written(disk, { puts, record: RECORD })).toBeNull();
      await reopen();
      expect(disk.record).toEqual(RECORD);
      expect(disk.count).toBe(4);
      expect(byKey((await loaded(disk)).flat())).toEqual(puts);
    });

    it('takes any text for a key', async () => {
      const keys = [
        'k',
        'ü',
        '\0',
        '\ud800',
        '\ufffd',
        '𝕊'.repeat(300),
        'x'.repeat(1024),
        'x'.repeat(1025),
        'ö'.repeat(4096),
      ];
      const puts = keys.map((key) => entryOf(key));
      await written(disk, { puts });
      for (const key of keys) expect(disk.has(key)).toBe(true);
      expect(disk.has('x'.repeat(1026))).toBe(false);
      await reopen();
      expect(byKey((await loaded(disk)).flat())).toEqual(byKey(puts));
      await written(disk, { removes: keys });
      await reopen();
      expect(await loaded(disk)).toEqual([[]]);
    });

    it('replaces, removes, and leaves what it was not told of', async () => {
      await written(disk, { puts: ['a', 'b', 'c'].map((key) => entryOf(key)), record: RECORD });
      const b = entryOf('b', { value: new Uint8Array([9, 9, 9]), time: 2 ** 51 });
      await written(disk, { puts: [b], removes: ['c', 'nowhere'] });
      expect(disk.has('b')).toBe(true);
      expect(disk.has('c')).toBe(false);
      await reopen();
      expect(disk.record).toEqual(RECORD);
      expect(byKey((await loaded(disk)).flat())).toEqual([entryOf('a'), b]);
    });

    it('writes in the order given, and calls back in it, never within the call', async () => {
      const order: number[] = [];
      const writes = [1, 2, 3].map(
        (n) =>
          new Promise<void>((resolve) => {
            const value = new Uint8Array([n]);
            disk.write({ puts: [entryOf('k', { value })], removes: [], record: null }, () => {
              order.push(n);
              resolve();
            });
          }),
      );
      expect(order).toEqual([]);
      await Promise.all(writes);
      expect(order).toEqual([1, 2, 3]);
      await reopen();
      expect((await loaded(disk)).flat()).toEqual([entryOf('k', { value: new Uint8Array([3]) })]);
    });

    it('writes nothing at all if that is what it is given', async () => {
      expect(await written(disk, {})).toBeNull();
    });

    it('closes after what was given to write', async () => {
      const write = written(disk, { puts: [entryOf('late')] });
      expect(await closed(disk)).toBeNull();
      expect(await write).toBeNull();
      disk = await opened(rig.open);
      expect((await loaded(disk)).flat()).toEqual([entryOf('late')]);
    });

    it('loads in pieces of a bounded count and of about that many bytes', async () => {
      const puts = Array.from({ length: 25 }, (_, i) => entryOf(`key${i}`, { value: new Uint8Array(1000) }));
      await written(disk, { puts });
      await reopen();
      const byCount = await loaded(disk, 10);
      expect(byCount.map(({ length }) => length)).toEqual([10, 10, 5]);
      expect(byKey(byCount.flat())).toEqual(byKey(puts));
      await reopen();
      const byBytes = await loaded(disk, 1000, 4000);
      expect(byBytes.flat()).toHaveLength(25);
      for (const { length } of byBytes) expect(length).toBeLessThanOrEqual(5);
    });

    it('forgets the entries of a node that was emptied (RULES H2), and only them', async () => {
      await written(disk, { puts: [entryOf('a')], record: { ...RECORD, isEmptied: true } });
      await reopen();
      expect(disk.record).toEqual({ ...RECORD, isEmptied: true });
      expect(disk.count).toBe(0);
      expect(await loaded(disk)).toEqual([[]]);
      await written(disk, { puts: [entryOf('b')], record: RECORD });
      await reopen();
      expect((await loaded(disk)).flat()).toEqual([entryOf('b')]);
    });

    it('is refused to another swarm, and kept for its own', async () => {
      await written(disk, { puts: [entryOf('a')], record: RECORD });
      await closed(disk);
      await expect(opened(rig.open, 'other')).rejects.toThrow(
        /can't be used: it belongs to the swarm test, not other: use another directory$/,
      );
      disk = await opened(rig.open);
      expect((await loaded(disk)).flat()).toEqual([entryOf('a')]);
    });

    it('is refused while a node uses it, which notices nothing', async () => {
      await written(disk, { puts: [entryOf('a')], record: RECORD });
      await expect(opened(rig.open)).rejects.toThrow(/can't be used: another node uses it: stop that one/);
      expect(await written(disk, { puts: [entryOf('b')] })).toBeNull();
      await reopen();
      expect(byKey((await loaded(disk)).flat())).toEqual([entryOf('a'), entryOf('b')]);
    });
  });
}
