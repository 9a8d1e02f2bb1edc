/** What every disk of a peer keeps, whatever it is made of. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NAME_BYTES_MAX } from '../../src/disk/op-disk.js';
import type { KeptState, OpChanges, OpDisk, OpDisks, Segment } from '../../src/disk/op-disk.js';

/** One place for databases for a test. */
export interface Rig {
  readonly disks: OpDisks;
  dispose(): void;
}

/** Ops of which each byte tells at what index it is. */
export const segmentOf = (index: number, count: number): Segment => ({
  index,
  count,
  bytes: Uint8Array.from({ length: count }, (_, i) => (index + i) % 251),
});

export const stateOf = (object: string, index = 0): KeptState => ({
  object,
  index,
  state: new Uint8Array([object.length % 128, index % 251]),
});

export const opened = (disks: OpDisks, database = 'notes'): Promise<OpDisk> =>
  new Promise((resolve, reject) => disks.open(database, resolve, (reason) => reject(new Error(reason))));

export const written = (
  disk: OpDisk,
  changes: Partial<Omit<OpChanges, 'records'>> & { records?: Record<string, Uint8Array | null> },
  isRelaxed = false,
): Promise<string | null> => {
  const records = new Map(Object.entries(changes.records ?? {}));
  return new Promise((resolve) =>
    disk.write({ segments: [], states: [], floor: null, ...changes, records }, isRelaxed, resolve),
  );
};

export const closed = (disk: OpDisk): Promise<string | null> => new Promise((resolve) => disk.close(resolve));

/** All segments from the floor on. */
export const log = (disk: OpDisk): Segment[] => {
  const segments: Segment[] = [];
  for (let index = disk.floor; index < disk.length;) {
    const segment = disk.segmentAt(index);
    if (segment === null) throw new Error(`nothing at ${index}`);
    segments.push(segment);
    index = segment.index + segment.count;
  }
  return segments;
};

const bytesOf = (...bytes: number[]): Uint8Array => new Uint8Array(bytes);

export function opDiskContract(name: string, createRig: () => Rig): void {
  describe(`a disk for ops: ${name}`, () => {
    let rig: Rig;
    let disk: OpDisk;

    const reopen = async (): Promise<void> => {
      await closed(disk);
      disk = await opened(rig.disks);
    };

    beforeEach(async () => {
      rig = createRig();
      disk = await opened(rig.disks);
    });

    afterEach(async () => {
      await closed(disk);
      rig.dispose();
    });

    it('is empty where the database is new', () => {
      expect([disk.floor, disk.length]).toEqual([0, 0]);
      expect(disk.segmentAt(0)).toBeNull();
      expect(disk.state('lww/a')).toBeNull();
      expect(disk.states('', 10)).toEqual([]);
      expect(disk.record('options')).toBeNull();
      expect(disk.records('')).toEqual(new Map());
    });

    it('gives back what was written, to the next opening too (R1)', async () => {
      const segments = [segmentOf(0, 3), segmentOf(3, 1), { ...segmentOf(4, 2), bytes: new Uint8Array(9000).fill(7) }];
      const states = [stateOf('lww/a', 2), { ...stateOf('text/b', 5), state: new Uint8Array(7000).fill(9) }];
      const records = { options: bytesOf(1, 2), vector: bytesOf() };
      expect(await written(disk, { segments, states, records })).toBeNull();
      for (let time = 0; time < 2; time++) {
        expect([disk.floor, disk.length]).toEqual([0, 6]);
        expect(log(disk)).toEqual(segments);
        expect(disk.state('lww/a')).toEqual(states[0]);
        expect(disk.states('', 10)).toEqual(states);
        expect(disk.record('options')).toEqual(bytesOf(1, 2));
        expect(disk.record('vector')).toEqual(bytesOf());
        await reopen();
      }
    });

    it('finds the segment that holds an index', async () => {
      const segments = [segmentOf(0, 100), segmentOf(100, 1), segmentOf(101, 899)];
      await written(disk, { segments: segments.slice(0, 2) });
      await written(disk, { segments: segments.slice(2) });
      const found = [0, 99, 100, 101, 999].map((index) => disk.segmentAt(index)?.index);
      expect(found).toEqual([0, 0, 100, 101, 101]);
      expect([-1, 1000, 2 ** 40].map((index) => disk.segmentAt(index))).toEqual([null, null, null]);
    });

    it('keeps its bytes from those that it gave or was given', async () => {
      const segment = segmentOf(0, 4);
      await written(disk, { segments: [segment], states: [stateOf('lww/a')], records: { r: bytesOf(5) } });
      const first = disk.segmentAt(0) as Segment;
      for (let i = 4; i < 400; i += 4)
        await written(disk, { segments: [segmentOf(i, 4)], states: [stateOf(`lww/${i}`)] });
      expect(first).toEqual(segmentOf(0, 4));
      segment.bytes.fill(99);
      first.bytes.fill(99);
      disk.state('lww/a')?.state.fill(99);
      disk.states('', 1)[0]?.state.fill(99);
      disk.record('r')?.fill(99);
      disk.records('').get('r')?.fill(99);
      expect(disk.segmentAt(0)).toEqual(segmentOf(0, 4));
      expect(disk.state('lww/a')).toEqual(stateOf('lww/a'));
      expect(disk.record('r')).toEqual(bytesOf(5));
    });

    it('replaces states and records, removes records, and leaves what it was not told of', async () => {
      await written(disk, {
        states: [stateOf('set/a'), stateOf('set/b')],
        records: { a: bytesOf(1), b: bytesOf(2), c: bytesOf(3) },
      });
      await written(disk, { states: [stateOf('set/b', 9)], records: { a: null, b: bytesOf(4), none: null } });
      for (let time = 0; time < 2; time++) {
        expect(disk.states('', 10)).toEqual([stateOf('set/a'), stateOf('set/b', 9)]);
        expect(disk.record('a')).toBeNull();
        expect([...disk.records('')]).toEqual([
          ['b', bytesOf(4)],
          ['c', bytesOf(3)],
        ]);
        await reopen();
      }
    });

    it('lists states page by page, in the order of the bytes of their names', async () => {
      const names = ['counter/z', 'lww/', 'lww/\0', 'lww/a', 'lww/ö', 'lww/\ufffd', 'lww/𝕊', 'lww/𝕊𝕊', 'set/a'];
      await written(disk, { states: names.toReversed().map((object) => stateOf(object)) });
      const found: string[] = [];
      for (let after = ''; ;) {
        const page = disk.states(after, 2);
        expect(page.length).toBeLessThanOrEqual(2);
        if (page.length === 0) break;
        found.push(...page.map(({ object }) => object));
        after = found.at(-1) as string;
      }
      expect(found).toEqual(names);
      expect(disk.states('lww/b', 1)).toEqual([stateOf('lww/ö')]);
      expect(disk.states('zzz', 10)).toEqual([]);
      expect(disk.states('', 0)).toEqual([]);
    });

    it('finds records by the beginning of their names', async () => {
      const names = ['grant', 'grant/', 'grant/a', 'grant/ö', 'grant/𝕊', 'grant0', 'h'];
      await written(disk, {
        records: Object.fromEntries(names.toReversed().map((each) => [each, bytesOf(each.length)])),
      });
      expect([...disk.records('grant/').keys()]).toEqual(['grant/', 'grant/a', 'grant/ö', 'grant/𝕊']);
      expect([...disk.records('').keys()]).toEqual(names);
      expect(disk.records('x').size).toBe(0);
    });

    it('takes names as long as it says, and refuses others whole', async () => {
      const longest = 'ö'.repeat(NAME_BYTES_MAX / 2);
      expect(await written(disk, { states: [stateOf(longest)], records: { [longest]: bytesOf(1) } })).toBeNull();
      expect(disk.states('', 2)).toEqual([stateOf(longest)]);
      expect(disk.state(`${longest}x`)).toBeNull();
      for (const bad of ['', `${longest}x`]) {
        expect(await written(disk, { segments: [segmentOf(0, 1)], states: [stateOf(bad)] })).toMatch(/no name/);
        expect(await written(disk, { segments: [segmentOf(0, 1)], records: { [bad]: bytesOf() } })).toMatch(/no name/);
        expect(disk.length).toBe(0);
      }
    });

    it('drops what lies wholly below the floor (R8)', async () => {
      await written(disk, { segments: [segmentOf(0, 10), segmentOf(10, 10), segmentOf(20, 10)] });
      expect(await written(disk, { floor: 15, states: [stateOf('lww/a', 30)] })).toBeNull();
      for (let time = 0; time < 2; time++) {
        expect([disk.floor, disk.length]).toEqual([15, 30]);
        expect([0, 9, 10, 14].map((index) => disk.segmentAt(index))).toEqual([null, null, null, null]);
        expect(log(disk)).toEqual([segmentOf(10, 10), segmentOf(20, 10)]);
        await reopen();
      }
      expect(await written(disk, { floor: 30 })).toBeNull();
      for (let time = 0; time < 2; time++) {
        expect([disk.floor, disk.length]).toEqual([30, 30]);
        expect(disk.segmentAt(29)).toBeNull();
        await reopen();
      }
      expect(await written(disk, { segments: [segmentOf(30, 5)] })).toBeNull();
      await reopen();
      expect(log(disk)).toEqual([segmentOf(30, 5)]);
    });

    it('lets a log begin where it never was, and never again below', async () => {
      await written(disk, { segments: [segmentOf(0, 10)] });
      expect(await written(disk, { segments: [segmentOf(10, 2)], floor: 100 })).toBeNull();
      expect([disk.floor, disk.length]).toEqual([100, 100]);
      expect(await written(disk, { floor: 99 })).toMatch(/begins at 100: it can't begin at 99/);
      expect(await written(disk, { segments: [segmentOf(100, 1)], floor: 100 })).toBeNull();
      await reopen();
      expect(log(disk)).toEqual([segmentOf(100, 1)]);
    });

    it('refuses a segment that does not go on where the log ends, with all that came with it', async () => {
      await written(disk, { segments: [segmentOf(0, 10)] });
      for (const segments of [[segmentOf(9, 2)], [segmentOf(11, 2)], [segmentOf(10, 2), segmentOf(13, 1)]]) {
        expect(await written(disk, { segments, records: { r: bytesOf(1) } })).toMatch(
          /^the log ends at 1[02]: a segment/,
        );
        expect(disk.record('r')).toBeNull();
        expect(disk.length).toBe(10);
      }
      expect(await written(disk, { segments: [{ ...segmentOf(10, 1), count: 0 }] })).toMatch(/can't have 0 ops/);
      const both = [written(disk, { segments: [segmentOf(11, 1)] }), written(disk, { segments: [segmentOf(10, 2)] })];
      expect((await Promise.all(both)).map((fault) => fault === null)).toEqual([false, true]);
      await reopen();
      expect(log(disk)).toEqual([segmentOf(0, 10), segmentOf(10, 2)]);
    });

    it('writes in the order given, and calls back in it, never within the call', async () => {
      const order: number[] = [];
      const writes = Array.from({ length: 20 }, (_, n) => {
        // An empty one, a bad one, and relaxed ones keep their places.
        const changes = n === 5 ? {} : n === 7 ? { floor: -1 } : { records: { r: bytesOf(n) } };
        return written(disk, changes, n % 3 === 0).then((fault) => {
          expect(fault === null).toBe(n !== 7);
          order.push(n);
        });
      });
      expect(order).toEqual([]);
      await Promise.all(writes);
      expect(order).toEqual(writes.map((_, n) => n));
      await reopen();
      expect(disk.record('r')).toEqual(bytesOf(19));
    });

    it('shows in a callback what was written, and may be given more in it', async () => {
      const seen = await new Promise<unknown>((resolve) => {
        disk.write({ segments: [segmentOf(0, 2)], states: [], floor: null, records: new Map() }, false, () => {
          const here = [disk.length, disk.segmentAt(1)];
          void written(disk, { segments: [segmentOf(2, 2)] }).then((fault) => resolve([...here, fault, disk.length]));
        });
      });
      expect(seen).toEqual([2, segmentOf(0, 2), null, 4]);
    });

    it('writes relaxed ones too, soon', async () => {
      expect(await written(disk, { segments: [segmentOf(0, 2)] }, true)).toBeNull();
      const relaxed = written(disk, { segments: [segmentOf(2, 2)] }, true);
      expect(await written(disk, { segments: [segmentOf(4, 2)] }, false)).toBeNull();
      expect(await relaxed).toBeNull();
      await reopen();
      expect(disk.length).toBe(6);
    });

    it('closes after what was given to write', async () => {
      const writes = [
        written(disk, { segments: [segmentOf(0, 2)] }),
        written(disk, { segments: [segmentOf(2, 2)] }, true),
      ];
      expect(await closed(disk)).toBeNull();
      expect(await Promise.all(writes)).toEqual([null, null]);
      disk = await opened(rig.disks);
      expect(log(disk)).toEqual([segmentOf(0, 2), segmentOf(2, 2)]);
    });

    it('says at the closing what could not be written then', async () => {
      const bad = written(disk, { segments: [segmentOf(7, 1)] });
      expect(await closed(disk)).toMatch(/^the log ends at 0/);
      expect(await bad).toMatch(/^the log ends at 0/);
      disk = await opened(rig.disks);
    });

    it('keeps databases apart, and lists them', async () => {
      expect(rig.disks.list()).toEqual(['notes']);
      for (const name of ['A', '..', '-x', 'z'.repeat(64)]) {
        const other = await opened(rig.disks, name);
        expect(await written(other, { segments: [segmentOf(0, 1 + name.length)] })).toBeNull();
        await closed(other);
      }
      expect(rig.disks.list()).toEqual(['-x', '..', 'A', 'notes', 'z'.repeat(64)]);
      const other = await opened(rig.disks, '..');
      expect(log(other)).toEqual([segmentOf(0, 3)]);
      await closed(other);
      expect(disk.length).toBe(0);
    });

    it('is refused under a name that no database can have', async () => {
      for (const name of ['', 'a/b', 'ä', 'a\n', 'z'.repeat(65)])
        await expect(opened(rig.disks, name)).rejects.toThrow(/can't be used: the name of a database is 1 to 64 of/);
      expect(rig.disks.list()).toEqual(['notes']);
    });

    it('is refused while somebody uses it, who notices nothing', async () => {
      await written(disk, { segments: [segmentOf(0, 1)] });
      await expect(opened(rig.disks)).rejects.toThrow(/can't be used: another node uses it: stop that one/);
      expect(await written(disk, { segments: [segmentOf(1, 1)] })).toBeNull();
      await reopen();
      expect(log(disk)).toEqual([segmentOf(0, 1), segmentOf(1, 1)]);
    });
  });
}
