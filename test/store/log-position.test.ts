import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  INCARNATIONS_MAX,
  LogIncarnations,
  decodeIncarnations,
  formatPosition,
  parsePosition,
} from '../../src/store/log-position.js';
import type { NodeId } from '../../src/store/node-id.js';

const logs = ['A', 'B', 'C', 'D'] as [NodeId, NodeId, NodeId, NodeId];
const [a, b, c, d] = logs;

function begun(...starts: [NodeId, number][]): LogIncarnations {
  const incarnations = new LogIncarnations();
  for (const [log, length] of starts) incarnations.begin(log, length);
  return incarnations;
}

describe('positions', () => {
  it('[R2] have one text each', () => {
    const position = { log: 'Xgritzk0_D' as NodeId, index: 12 };
    expect(formatPosition(position)).toBe('Xgritzk0_D:12');
    expect(parsePosition('Xgritzk0_D:12')).toEqual(position);
    for (const text of ['', 'A', 'A:', ':1', 'A:1:', 'A:01', 'A:-1', 'A:1.5', 'A:1e3', '0:1', 'A: 1', `A:${2 ** 53}`])
      expect(parsePosition(text)).toBeNull();
  });

  it('[RE] are valid in a known incarnation, up to where that ended', () => {
    const log = begun([a, 0], [b, 100], [c, 150]);
    expect(log.last).toEqual({ log: c, index: 150 });
    expect(log.resolve({ log: a, index: 40 }, 170)).toBe(40);
    expect(log.resolve({ log: b, index: 150 }, 170)).toBe(150);
    expect(log.resolve({ log: b, index: 180 }, 170)).toBe(150);
    expect(log.resolve({ log: c, index: 170 }, 170)).toBe(170);
    expect(log.resolve({ log: c, index: 171 }, 170)).toBe(170);
    expect(log.resolve({ log: c, index: 149 }, 170)).toBeNull();
    expect(log.resolve({ log: d, index: 1 }, 170)).toBeNull();
  });

  it('[RE] fall back to the last common entry where a disk was restored', () => {
    const followed = begun([a, 0], [b, 100]);
    expect(begun([a, 0], [b, 100], [c, 150]).common(followed, 180, 160)).toBe(150);
    expect(begun([a, 0], [c, 50]).common(followed, 180, 60)).toBe(50);
    expect(begun([a, 0], [c, 50]).common(followed, 30, 60)).toBe(30);
    expect(begun([d, 0]).common(followed, 180, 60)).toBe(0);
    expect(begun().common(followed, 180, 0)).toBe(0);
  });

  it('[RE] never claim an entry that one side has not, or has differently', () => {
    // Entries of a log are named by where they were written; restoring takes the disk back to an older state.
    interface Disk {
      readonly entries: string[];
      readonly incarnations: LogIncarnations;
    }
    const step = fc.record({
      kind: fc.constantFrom('append', 'append', 'start', 'restore', 'save', 'follow'),
      count: fc.nat(9),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        let drawn = 0;
        const start = ({ entries, incarnations }: Disk): Disk => {
          const next = new LogIncarnations(incarnations.starts);
          drawn += 1;
          next.begin(`L${drawn}x` as NodeId, entries.length);
          return { entries: [...entries], incarnations: next };
        };
        let disk = start({ entries: [], incarnations: new LogIncarnations() });
        let saved = disk;
        let follower: Disk = { entries: [], incarnations: new LogIncarnations() };
        for (const { kind, count } of steps) {
          if (kind === 'append')
            for (let i = 0; i < count; i += 1) disk.entries.push(`${drawn}.${disk.entries.length}`);
          else if (kind === 'start') disk = start(disk);
          else if (kind === 'save')
            saved = { entries: [...disk.entries], incarnations: new LogIncarnations(disk.incarnations.starts) };
          else if (kind === 'restore') disk = start(saved);
          else {
            const { entries, incarnations } = disk;
            const common = incarnations.common(follower.incarnations, follower.entries.length, entries.length);
            expect(common).toBe(lengthOfCommon(follower.entries, entries));
            // It may be cut off before it has all.
            const end = Math.min(entries.length, common + 3 * count);
            follower = {
              entries: entries.slice(0, Math.max(common, end)),
              incarnations: new LogIncarnations(incarnations.starts),
            };
          }
        }
        const last = disk.incarnations.common(follower.incarnations, follower.entries.length, disk.entries.length);
        expect(last).toBe(lengthOfCommon(follower.entries, disk.entries));
      }),
      { numRuns: 500 },
    );
  });
});

describe('incarnations', () => {
  it('are back from their bytes', () => {
    const log = begun([a, 0], [b, 0], [c, 70_000]);
    expect(decodeIncarnations(log.encode())?.starts).toEqual(log.starts);
    expect(decodeIncarnations(new LogIncarnations().encode())?.last).toBeNull();
    expect(decodeIncarnations(begun([a, 0], [a, 1]).encode())).toBeNull();
    expect(() => log.begin(d, 5)).toThrow(RangeError);
    fc.assert(fc.property(fc.uint8Array(), (bytes) => expect(() => decodeIncarnations(bytes)).not.toThrow()));
  });

  it('are bounded: the oldest are forgotten', () => {
    const log = new LogIncarnations();
    for (let i = 0; i <= INCARNATIONS_MAX; i += 1) log.begin(`L${i}x` as NodeId, i);
    expect(log.starts.length).toBe(INCARNATIONS_MAX);
    expect(log.resolve({ log: 'L0x' as NodeId, index: 0 }, 5000)).toBeNull();
    expect(decodeIncarnations(log.encode())?.starts).toEqual(log.starts);
  });
});

function lengthOfCommon(one: readonly string[], other: readonly string[]): number {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return length;
}
