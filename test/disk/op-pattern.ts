/** Changes that follow from the index at which they begin, so that whoever finds them knows whether they are whole. */
import type { OpChanges, OpDisk } from '../../src/disk/op-disk.js';

const OP_BYTES = 100;

const countAt = (index: number): number => 1 + ((index * 7919) % 200);

const opsAt = (index: number, count: number): Uint8Array => {
  const bytes = Buffer.alloc(count * OP_BYTES);
  for (let i = 0; i < count; i++) bytes.fill(`op ${index + i};`, i * OP_BYTES, (i + 1) * OP_BYTES);
  return bytes;
};

/** The changes of one write: a segment, a state with its end, and its end as a record. */
export const changesAt = (index: number, floor: number | null): OpChanges => {
  const count = countAt(index);
  const end = Buffer.from(String(index + count));
  return {
    segments: [{ index, count, bytes: opsAt(index, count) }],
    states: [{ object: `lww/${index % 17}`, index: index + count, state: end }],
    floor,
    records: new Map([['end', end]]),
  };
};

/** What is wrong with a disk on which nothing but such changes were written, one after the other; null if nothing is. */
export const faultOf = (disk: OpDisk): string | null => {
  const end = String(Buffer.from(disk.record('end') ?? []));
  if (end !== String(disk.length)) return `the log ends at ${disk.length}, the record says ${end}`;
  for (const { object, index, state } of disk.states('', 100))
    if (index > disk.length || String(Buffer.from(state)) !== String(index))
      return `the state of ${object} is of ${index}`;
  let last = -1;
  for (let index = disk.floor; index < disk.length;) {
    const segment = disk.segmentAt(index);
    if (segment === null) return `nothing at ${index}`;
    if (segment.count !== countAt(segment.index)) return `${segment.count} ops at ${segment.index}`;
    if (Buffer.compare(segment.bytes, opsAt(segment.index, segment.count)) !== 0)
      return `other ops at ${segment.index}`;
    last = segment.index;
    index = last + segment.count;
  }
  if (last >= 0 && disk.state(`lww/${last % 17}`)?.index !== disk.length) return 'the last state is missing';
  return null;
};
