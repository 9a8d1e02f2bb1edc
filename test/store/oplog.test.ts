import { beforeEach, describe, expect, it } from '@jest/globals';
import type { NodeId } from '../../src/store/node-id.js';
import { encodeOp, encodeOpWithSeen, ItemReader } from '../../src/store/op.js';
import { OpLog } from '../../src/store/oplog.js';
import type { RawSegment } from '../../src/store/oplog.js';

const ORIGIN = 'Xclient001' as NodeId;
const reader = new ItemReader();

/** Segments by all of their indices, as a disk has them. */
let disk: Map<number, RawSegment>;
let log: OpLog;
beforeEach(() => {
  disk = new Map();
  log = newLog(0);
});

const newLog = (floor: number): OpLog => new OpLog(floor, (index) => disk.get(index) ?? null);

const opOf = (time: number, id: string, size = 1): Uint8Array =>
  encodeOp({
    stamp: { time, origin: ORIGIN },
    prevTime: time - 1,
    type: 'lww',
    id,
    payload: Uint8Array.of(0xc6, 0, 0, size >> 8, size & 255, ...new Uint8Array(size)),
  });

const append = (...ids: string[]): void => {
  for (const id of ids) {
    expect(reader.readAt(opOf(log.length + 1, id), 0)).toBeNull();
    log.append(reader);
  }
};

/** Writes what there is. */
const write = (): void => {
  for (const { index, count, bytes } of log.take(Infinity)) {
    for (let i = index; i < index + count; i += 1) disk.set(i, { index, count, bytes });
  }
  log.written();
};

const idsIn = (of: OpLog, from: number, to: number): string[] => {
  const ids: string[] = [];
  for (let index = from; index < to; index += 1) {
    const segment = of.segmentAt(index)!;
    expect(reader.readAt(segment.bytes, segment.starts[index - segment.index]!)).toBeNull();
    expect(segment.times[index - segment.index]).toBe(index + 1);
    ids.push(reader.id);
  }
  return ids;
};

describe('the log', () => {
  it('knows the entries of each object, and reads them before and after they are written', () => {
    append('a', 'b', 'a', 'c', 'a');
    expect(log.segmentAt(0)).toBeNull();
    log.close();
    expect(idsIn(log, 0, 5)).toEqual(['a', 'b', 'a', 'c', 'a']);
    const a = log.numberOf('lww/a')!;
    expect(log.entriesOf(a, 0)).toEqual([0, 2, 4]);
    expect(log.entriesOf(a, 1)).toEqual([2, 4]);
    expect([log.nameOf(a), log.lastOf(a), log.objectCount]).toEqual(['lww/a', 4, 3]);
    write();
    expect(log.unwrittenBytes).toBe(0);
    expect(idsIn(newLogOf(5), 0, 5)).toEqual(['a', 'b', 'a', 'c', 'a']);
  });

  it('keeps an op without what its author had seen', () => {
    const op = opOf(1, 'a');
    expect(reader.readAt(encodeOpWithSeen(op, [{ time: 5, origin: ORIGIN }]), 0)).toBeNull();
    log.append(reader);
    log.close();
    expect(log.segmentAt(0)!.bytes).toEqual(op);
  });

  it('gives again what was taken and not written, in order', () => {
    append('a', 'b');
    expect(log.take(Infinity).length).toBe(1);
    append('c');
    log.untake();
    expect(log.take(Infinity).map(({ index, count }) => [index, count])).toEqual([[0, 2]]);
    log.written();
    expect(log.take(Infinity).map(({ index, count }) => [index, count])).toEqual([[2, 1]]);
  });

  it('closes a segment when it is large, and holds a bounded part of what is written', () => {
    for (let i = 0; i < 300; i += 1) {
      expect(reader.readAt(opOf(i + 1, `o${i}`, 30_000), 0)).toBeNull();
      log.append(reader);
    }
    write();
    for (let i = 0; i < 300; i += 1) expect(log.segmentAt(i)!.count).toBeLessThanOrEqual(3);
    disk.clear();
    let held = 0;
    for (let i = 0; i < 300; i += 1) if (log.segmentAt(i) !== null) held += 1;
    expect(held).toBeLessThanOrEqual(3 * 64);
  });

  it('forgets what lies below its floor, objects included, and numbers others like them', () => {
    append('a', 'b', 'a', 'c');
    write();
    const a = log.numberOf('lww/a')!;
    log.raiseFloor(3);
    expect([log.floor, log.length, log.objectCount]).toEqual([3, 4, 1]);
    expect([log.segmentAt(2), log.numberOf('lww/a'), log.nameAt(a)]).toEqual([null, undefined, null]);
    append('d', 'c', 'd');
    log.close();
    expect(log.entriesOf(log.numberOf('lww/c')!, 0)).toEqual([3, 5]);
    expect(log.entriesOf(log.numberOf('lww/d')!, 0)).toEqual([4, 6]);
    expect(log.objectNumbers).toBe(3);
    expect(log.before(3)).toBe(-1);
  });

  it('is the same after recovery, from a segment that begins below the floor', () => {
    append('a', 'b', 'a', 'c', 'b');
    write();
    const again = newLogOf(5, 2);
    expect([again.floor, again.length, again.objectCount]).toEqual([2, 5, 3]);
    expect(idsIn(again, 2, 5)).toEqual(['a', 'c', 'b']);
    const damaged = newLog(0);
    expect(damaged.load({ index: 0, count: 1, bytes: Uint8Array.of(0x91, 1) }, () => {})).toContain('no op');
  });
});

/** Recovered from what is on disk. */
const newLogOf = (length: number, floor = 0): OpLog => {
  const recovered = newLog(floor);
  while (recovered.length < length) expect(recovered.load(disk.get(recovered.length)!, () => {})).toBeNull();
  return recovered;
};
