/**
 * The log of a database at one peer: ops in the order in which they arrived, by index. What is on disk is read from there
 * when somebody asks; here are the ops that are not written yet, what was written or read last, and of each entry above
 * the floor which object it belongs to and where that object's entry before it is. So memory grows with the entries above
 * the floor, by twelve bytes each, and with the objects that have any; not with the history below.
 */
import { FrameWriter } from './frame-writer.js';
import type { NodeId } from './node-id.js';
import { ItemReader, objectName, partsOfName } from './op.js';

/** A run of entries as they lie on disk. */
export interface RawSegment {
  readonly index: number;
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** The same, with what has been read of each entry. */
export interface LogSegment extends RawSegment {
  /** Where each entry begins in the bytes, and where the last one ends. */
  readonly starts: readonly number[];
  readonly origins: readonly NodeId[];
  readonly times: readonly number[];
}

/** A segment is closed when it has so many bytes: one entry more at most. */
const SEGMENT_BYTES = 65_536;
/** Segments kept in memory beyond those not written: of a log that is followed most readers want the last ones. */
const KEPT_SEGMENTS_MAX = 64;
const ENTRIES_MIN = 1024;
const NONE = 0;

export class OpLog {
  readonly #read: (index: number) => RawSegment | null;
  readonly #reader = new ItemReader();
  #floor: number;
  #length: number;

  // Of each entry from the floor on: its object's number, and how many entries before it the object's last one is.
  #base: number;
  #objectOf = new Uint32Array(ENTRIES_MIN);
  #back = new Uint32Array(ENTRIES_MIN);

  // Objects with entries above the floor: their numbers, by type and id, and, by number, their types and ids.
  readonly #numbers = new Map<string, Map<string, number>>();
  readonly #types: (string | null)[] = [];
  readonly #ids: string[] = [];
  /** Made when they are asked for. */
  readonly #names: (string | null)[] = [];
  readonly #last: number[] = [];
  readonly #free: number[] = [];

  /** The segment under construction. */
  #open = new FrameWriter();
  #openIndex: number;
  #starts: number[] = [];
  #origins: NodeId[] = [];
  #times: number[] = [];
  /** Closed and not taken to be written; taken and not written. */
  #closed: LogSegment[] = [];
  #taken: LogSegment[] = [];
  #unwrittenBytes = 0;
  /** By index, the one used last at the end. */
  readonly #kept = new Map<number, LogSegment>();

  /** `read`: the segment on disk that holds an entry, or null. */
  constructor(floor: number, read: (index: number) => RawSegment | null) {
    this.#read = read;
    this.#floor = floor;
    this.#length = floor;
    this.#base = floor;
    this.#openIndex = floor;
  }

  /** Index of the first entry that is there. */
  get floor(): number {
    return this.#floor;
  }

  /** One above the last entry, written or not. */
  get length(): number {
    return this.#length;
  }

  get objectCount(): number {
    return this.#types.length - this.#free.length;
  }

  /** Bytes of entries that are not written. */
  get unwrittenBytes(): number {
    return this.#unwrittenBytes + this.#open.length;
  }

  /** Bytes of these that have been taken to be written. */
  get takenBytes(): number {
    let bytes = 0;
    for (const segment of this.#taken) bytes += segment.bytes.length;
    return bytes;
  }

  // Recovery

  /**
   * Takes in the next segment on disk, calling back for each entry with the item read. Null, or why it can't be read:
   * then nothing behind it is taken in either.
   */
  load(segment: RawSegment, onEntry: (op: ItemReader) => void): string | null {
    const reader = this.#reader;
    const { bytes, index, count } = segment;
    let position = 0;
    for (let i = 0; i < count; i += 1) {
      const objection = reader.readAt(bytes, position);
      if (objection !== null || reader.kind !== 'op') return objection ?? `the entry ${index + i} is no op`;
      position = reader.end;
      // A segment may begin below the floor.
      if (index + i < this.#length) continue;
      this.#note(reader.type, reader.id);
      onEntry(reader);
    }
    this.#openIndex = this.#length;
    return null;
  }

  // Writing

  /** Appends the op that was read, and returns its index. */
  append(op: ItemReader): number {
    const index = this.#length;
    this.#starts.push(this.#open.length);
    op.writeOp(this.#open);
    this.#origins.push(op.origin);
    this.#times.push(op.time);
    this.#note(op.type, op.id);
    if (this.#open.length >= SEGMENT_BYTES) this.close();
    return index;
  }

  /** Ends the segment under construction. What comes next begins another one. */
  close(): void {
    const count = this.#starts.length;
    if (count === 0) return;
    const bytes = this.#open.copy();
    this.#starts.push(bytes.length);
    this.#closed.push({
      index: this.#openIndex,
      count,
      bytes,
      starts: this.#starts,
      origins: this.#origins,
      times: this.#times,
    });
    this.#unwrittenBytes += bytes.length;
    this.#openIndex += count;
    this.#open.reset();
    this.#starts = [];
    this.#origins = [];
    this.#times = [];
  }

  /** What is to be written now, up to about so many bytes; it stays readable here. `written` or `untake` is to follow. */
  take(bytesMax: number): readonly LogSegment[] {
    if (this.#closed.length === 0) this.close();
    let bytes = 0;
    let count = 0;
    while (count < this.#closed.length && bytes < bytesMax) {
      bytes += (this.#closed[count] as LogSegment).bytes.length;
      count += 1;
    }
    const taken = this.#closed.splice(0, count);
    this.#taken.push(...taken);
    return taken;
  }

  /** All that was taken is on disk. */
  written(): void {
    for (const segment of this.#taken) {
      this.#unwrittenBytes -= segment.bytes.length;
      this.#keep(segment);
    }
    this.#taken = [];
  }

  /** Nothing of what was taken is. */
  untake(): void {
    this.#closed.unshift(...this.#taken);
    this.#taken = [];
  }

  // Reading

  /** The segment that holds that entry; null if there is none, or if it can't be read. */
  segmentAt(index: number): LogSegment | null {
    if (index < this.#floor || index >= this.#openIndex) return null;
    return find(this.#taken, index) ?? find(this.#closed, index) ?? this.#keptAt(index) ?? this.#readAt(index);
  }

  /** The number of the object that the entry belongs to: stays its number while it has entries above the floor. */
  objectAt(index: number): number {
    return this.#objectOf[index - this.#base] as number;
  }

  /** `type/id` of an object with entries above the floor. */
  nameOf(object: number): string {
    const made = this.#names[object];
    if (typeof made === 'string') return made;
    const name = objectName(this.#types[object] as string, this.#ids[object] as string);
    this.#names[object] = name;
    return name;
  }

  typeOf(object: number): string {
    return this.#types[object] as string;
  }

  idOf(object: number): string {
    return this.#ids[object] as string;
  }

  /** All numbers of objects lie below. */
  get objectNumbers(): number {
    return this.#types.length;
  }

  /** Null if no object has that number now. */
  nameAt(object: number): string | null {
    return typeof this.#types[object] === 'string' ? this.nameOf(object) : null;
  }

  numberOf(name: string): number | undefined {
    const { type, id } = partsOfName(name);
    return this.#numbers.get(type)?.get(id);
  }

  /** Index of the last entry of an object. */
  lastOf(object: number): number {
    return this.#last[object] as number;
  }

  /** The entry of the same object before that one; -1 if it is below the floor, or there is none. */
  before(index: number): number {
    const back = this.#back[index - this.#base] as number;
    return back === NONE ? -1 : index - back;
  }

  /** Entries of an object from that index on, in order. */
  entriesOf(object: number, from: number): number[] {
    const entries: number[] = [];
    for (let at = this.lastOf(object); at >= from && at >= this.#floor; at = this.before(at)) entries.push(at);
    return entries.reverse();
  }

  // Compaction

  /** The entries before that index are gone. Above the end the log ends there, too: then nothing may be unwritten. */
  raiseFloor(floor: number): void {
    if (floor <= this.#floor) return;
    if (floor > this.#length) {
      this.#length = floor;
      this.#openIndex = floor;
    }
    this.#floor = floor;
    for (let number = 0; number < this.#types.length; number += 1) {
      const type = this.#types[number];
      if (typeof type !== 'string' || (this.#last[number] as number) >= floor) continue;
      const numbers = this.#numbers.get(type) as Map<string, number>;
      numbers.delete(this.#ids[number] as string);
      if (numbers.size === 0) this.#numbers.delete(type);
      this.#types[number] = null;
      this.#ids[number] = '';
      this.#names[number] = null;
      this.#free.push(number);
    }
    const gone = floor - this.#base;
    const kept = this.#length - floor;
    const room = Math.max(ENTRIES_MIN, kept);
    this.#objectOf = resized(this.#objectOf.subarray(gone, gone + kept), room);
    this.#back = resized(this.#back.subarray(gone, gone + kept), room);
    this.#base = floor;
    for (const [index, { count }] of this.#kept) if (index + count <= floor) this.#kept.delete(index);
  }

  #note(type: string, id: string): void {
    const index = this.#length;
    const at = index - this.#base;
    if (at >= this.#objectOf.length) {
      this.#objectOf = resized(this.#objectOf, 2 * this.#objectOf.length);
      this.#back = resized(this.#back, 2 * this.#back.length);
    }
    let numbers = this.#numbers.get(type);
    if (numbers === undefined) {
      numbers = new Map();
      this.#numbers.set(type, numbers);
    }
    let number = numbers.get(id);
    if (number === undefined) {
      number = this.#free.pop() ?? this.#types.length;
      numbers.set(id, number);
      this.#types[number] = type;
      this.#ids[number] = id;
      this.#names[number] = null;
      this.#back[at] = NONE;
    } else this.#back[at] = index - (this.#last[number] as number);
    this.#last[number] = index;
    this.#objectOf[at] = number;
    this.#length += 1;
  }

  #keptAt(index: number): LogSegment | null {
    for (const segment of this.#kept.values()) {
      if (index >= segment.index && index < segment.index + segment.count) return segment;
    }
    return null;
  }

  #readAt(index: number): LogSegment | null {
    const raw = this.#read(index);
    if (raw === null) return null;
    const reader = this.#reader;
    const starts: number[] = [];
    const origins: NodeId[] = [];
    const times: number[] = [];
    let position = 0;
    for (let i = 0; i < raw.count; i += 1) {
      if (reader.readAt(raw.bytes, position) !== null) return null;
      starts.push(position);
      origins.push(reader.origin);
      times.push(reader.time);
      position = reader.end;
    }
    starts.push(position);
    const segment = { ...raw, starts, origins, times };
    this.#keep(segment);
    return segment;
  }

  #keep(segment: LogSegment): void {
    this.#kept.delete(segment.index);
    this.#kept.set(segment.index, segment);
    if (this.#kept.size <= KEPT_SEGMENTS_MAX) return;
    for (const index of this.#kept.keys()) {
      this.#kept.delete(index);
      return;
    }
  }
}

function find(segments: readonly LogSegment[], index: number): LogSegment | null {
  for (let i = segments.length - 1; i >= 0; i -= 1) {
    const segment = segments[i] as LogSegment;
    if (index >= segment.index) return index < segment.index + segment.count ? segment : null;
  }
  return null;
}

function resized(array: Uint32Array, room: number): Uint32Array<ArrayBuffer> {
  const copy = new Uint32Array(room);
  copy.set(array);
  return copy;
}
