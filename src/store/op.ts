/**
 * Ops and the other items of patches and feeds, as bytes. An op is the MessagePack array `[stamp, prev, type, id,
 * payload]`; its bytes are kept and passed on as its author wrote them. What comes from the network is a claim: reading
 * never throws, and what is malformed is named. The payload is only walked over: its meaning is its type's business.
 *
 * | item | elements |
 * |---|---|
 * | op | `[stamp, prev, type, id, payload]` |
 * | op with `seen` | the same, and an array of stamps: what its author had seen since its previous op (RULES RC) |
 * | snapshot | `[type, id, state]`, the state as object-state.ts encodes it |
 * | vector | `['vector', chains]`, the chains as op-chain.ts encodes them |
 * | run | `[count]`: so many ops that the receiver is known to have |
 * | mention | `[stamp]`: an op that the receiver is expected to have by now |
 */
import { FrameReader, VALUE_DEPTH_MAX } from './frame-reader.js';
import { FrameWriter } from './frame-writer.js';
import { parseNodeId } from './node-id.js';
import type { NodeId } from './node-id.js';
import { formatStamp, formatTime, readTime } from './stamp.js';
import type { Stamp } from './stamp.js';

/** Characters of a type's name, each of `A-Z a-z 0-9 . _ -`. */
export const TYPE_CHARS_MAX = 32;
/** Bytes of an object's id in UTF-8. At least one. */
export const ID_BYTES_MAX = 256;
/** Nesting of a payload: less than that of a value, so that states and frames have room for levels around it. */
export const PAYLOAD_DEPTH_MAX = VALUE_DEPTH_MAX - 16;
/** Stamps in a `seen`. */
export const SEEN_MAX = 65_536;
/** Ops in a run. */
export const RUN_MAX = 2 ** 31;

export type ItemKind = 'op' | 'snapshot' | 'vector' | 'run' | 'mention';

/** An op in parts. Its payload is encoded MessagePack. */
export interface Op {
  readonly stamp: Stamp;
  /** Time of the preceding op of that origin in this database, 0 for its first. */
  readonly prevTime: number;
  readonly type: string;
  readonly id: string;
  readonly payload: Uint8Array;
}

const OP_ELEMENTS = 5;
const FIXED_ARRAY = 0x90;
const VECTOR = 'vector';
const HYPHEN = 0x2d;
/** Longest text of a stamp: ten characters, a hyphen, ten characters. */
const STAMP_CHARS_MAX = 21;
const utf8 = new TextEncoder();
const utf8Text = new TextDecoder('utf-8', { ignoreBOM: true });
const writer = new FrameWriter();

/**
 * Reads items into fields of its own, one after the other: no object is made for an item, only its texts. The fields
 * hold until the next read.
 */
export class ItemReader {
  kind: ItemKind = 'op';
  /** The item's bytes. */
  start = 0;
  end = 0;
  /** Of an op or a mention. */
  time = 0;
  origin = '' as NodeId;
  /** Of an op. */
  prevTime = 0;
  /** Of an op or a snapshot. */
  type = '';
  id = '';
  /** The bytes of an op's payload, of a snapshot's state, of a vector's chains. */
  payloadStart = 0;
  payloadEnd = 0;
  /** Ops of a run. */
  count = 0;
  /** How many stamps an op's `seen` has; -1 without one. */
  seenCount = -1;

  readonly #reader = new FrameReader();
  #seenStart = 0;
  /** Of the last stamp. */
  #time = 0;
  #origin = '' as NodeId;

  /** Begins with an array of items, which is all that `bytes` are. Its length, or -1 if there is none. */
  open(bytes: Uint8Array): number {
    this.#reader.reset(bytes);
    return this.#reader.readArray();
  }

  /** Reads the next item. Null, or why it is none: then no further one can be read. */
  next(): string | null {
    return this.#read();
  }

  /** Whether all that was given has been read. */
  get isAtEnd(): boolean {
    return this.#reader.isAtEnd;
  }

  /** Reads the item that begins there. Null, or why it is none. `next` goes on behind it. */
  readAt(bytes: Uint8Array, start: number): string | null {
    if (this.#reader.bytes !== bytes) this.#reader.reset(bytes);
    this.#reader.seek(start);
    return this.#read();
  }

  /** What is being read. */
  get bytes(): Uint8Array {
    return this.#reader.bytes;
  }

  /** Lets go of the bytes. */
  release(): void {
    this.#reader.release();
  }

  /** The op that was read, without its `seen`, in bytes of its own. */
  copyOp(): Uint8Array {
    const op = this.#reader.copy(this.start, this.payloadEnd);
    op[0] = FIXED_ARRAY | OP_ELEMENTS;
    return op;
  }

  /** Appends the op that was read, without its `seen`. */
  writeOp(target: FrameWriter): void {
    const at = target.length;
    target.range(this.#reader.bytes, this.start, this.payloadEnd);
    target.patch(at, FIXED_ARRAY | OP_ELEMENTS);
  }

  copyPayload(): Uint8Array {
    return this.#reader.copy(this.payloadStart, this.payloadEnd);
  }

  /** The payload, the state or the chains, lent as long as the bytes are. */
  get payload(): Uint8Array {
    return this.#reader.bytes.subarray(this.payloadStart, this.payloadEnd);
  }

  /** The op's `seen`; empty without one. */
  takeSeen(): Stamp[] {
    const seen: Stamp[] = [];
    const reader = this.#reader;
    const position = reader.position;
    reader.seek(this.#seenStart);
    for (let i = 0; i < this.seenCount; i += 1) {
      if (this.#readStamp()) seen.push({ time: this.#time, origin: this.#origin });
    }
    reader.seek(position);
    return seen;
  }

  #read(): string | null {
    const reader = this.#reader;
    this.start = reader.position;
    const head = reader.nextByte;
    // Longer forms of a head this short would be other bytes for the same op.
    if ((head & 0xf0) !== FIXED_ARRAY) return 'no item: an array is expected';
    reader.seek(this.start + 1);
    const objection = this.#readElements(head & 0x0f);
    this.end = reader.position;
    return objection;
  }

  #readElements(count: number): string | null {
    switch (count) {
      case 1:
        return this.#readRun();
      case 2:
        return this.#readVector();
      case 3:
        return this.#readSnapshot();
      case OP_ELEMENTS:
        this.seenCount = -1;
        return this.#readOp();
      case OP_ELEMENTS + 1:
        return this.#readOp() ?? this.#readSeen();
      default:
        return `no item: it has ${count} elements`;
    }
  }

  #readOp(): string | null {
    this.kind = 'op';
    if (!this.#readStamp() || this.#time === 0) return 'bad stamp: time-origin is expected, both as they are written';
    this.time = this.#time;
    this.origin = this.#origin;
    const prevTime = this.#readTime();
    if (prevTime < 0) return 'bad prev: the time of the preceding op is expected, or 0';
    if (prevTime >= this.time) return 'bad prev: it is not before the stamp';
    this.prevTime = prevTime;
    return this.#readName() ?? this.#readPayload('payload');
  }

  #readSeen(): string | null {
    const reader = this.#reader;
    const count = reader.readArray();
    if (count < 0 || count > SEEN_MAX) return `bad seen: an array of at most ${SEEN_MAX} stamps is expected`;
    this.seenCount = count;
    this.#seenStart = reader.position;
    for (let i = 0; i < count; i += 1) if (!this.#readStamp()) return 'bad seen: a stamp is expected';
    return null;
  }

  #readSnapshot(): string | null {
    this.kind = 'snapshot';
    return this.#readName() ?? this.#readPayload('state');
  }

  #readVector(): string | null {
    this.kind = 'vector';
    if (this.#reader.readText() !== VECTOR) return "no item: of two elements the first is 'vector'";
    return this.#readPayload('vector');
  }

  #readRun(): string | null {
    // A text of up to 31 bytes, as that of a stamp is.
    if ((this.#reader.nextByte & 0xe0) === 0xa0) {
      if (!this.#readStamp()) return 'bad mention: a stamp is expected';
      this.kind = 'mention';
      this.time = this.#time;
      this.origin = this.#origin;
      return null;
    }
    this.kind = 'run';
    const count = this.#reader.readInteger();
    if (!(count >= 1 && count <= RUN_MAX)) return `bad run: a number from 1 to ${RUN_MAX} is expected`;
    this.count = count;
    return null;
  }

  #readName(): string | null {
    const reader = this.#reader;
    const typeLength = reader.readTextLength();
    if (typeLength < 1 || typeLength > TYPE_CHARS_MAX) return TYPE_OBJECTION;
    // Most items are of the same type as the one before.
    if (!reader.skipIfSame(this.type, typeLength)) {
      if (!isTypeName(reader.bytes, reader.position, typeLength)) return TYPE_OBJECTION;
      this.type = reader.takeText(typeLength) as string;
    }
    const idLength = reader.readTextLength();
    if (idLength < 1 || idLength > ID_BYTES_MAX) return ID_OBJECTION;
    const id = reader.takeText(idLength);
    if (id === null) return ID_OBJECTION;
    this.id = id;
    return null;
  }

  #readPayload(name: string): string | null {
    const reader = this.#reader;
    this.payloadStart = reader.position;
    const depthMax = name === 'payload' ? PAYLOAD_DEPTH_MAX : VALUE_DEPTH_MAX;
    if (!reader.skip(depthMax)) return `bad ${name}: not one MessagePack value, or nested too deep`;
    this.payloadEnd = reader.position;
    return null;
  }

  /** -1 if something else is next. */
  #readTime(): number {
    const reader = this.#reader;
    const length = reader.readTextLength();
    if (length < 1 || length > STAMP_CHARS_MAX) return -1;
    const { position } = reader;
    reader.seek(position + length);
    return readTime(reader.bytes, position, length);
  }

  #readStamp(): boolean {
    const reader = this.#reader;
    const length = reader.readTextLength();
    if (length < 3 || length > STAMP_CHARS_MAX) return false;
    const { bytes, position } = reader;
    let hyphen = 1;
    while (hyphen < length && bytes[position + hyphen] !== HYPHEN) hyphen += 1;
    if (hyphen >= length - 1) return false;
    const time = readTime(bytes, position, hyphen);
    if (time < 0) return false;
    reader.seek(position + hyphen + 1);
    const originLength = length - hyphen - 1;
    // Most ops follow one of the same origin.
    if (!reader.skipIfSame(this.#origin, originLength)) {
      const origin = parseNodeId(reader.takeText(originLength) ?? '');
      if (origin === null) return false;
      this.#origin = origin;
    }
    this.#time = time;
    return true;
  }
}

/** Throws RangeError for parts of which `ItemReader` would not make the same op. */
export function encodeOp(op: Op): Uint8Array {
  assertName(op.type, op.id);
  if (op.stamp.time <= op.prevTime) throw new RangeError('the stamp is not after the preceding one');
  writer.reset();
  writer.array(OP_ELEMENTS);
  writer.text(formatStamp(op.stamp));
  writer.text(formatTime(op.prevTime));
  writer.text(op.type);
  writer.text(op.id);
  writer.raw(op.payload);
  return writer.copy();
}

/** The item of an encoded op together with what its author had seen since its previous one: at most SEEN_MAX stamps. */
export function encodeOpWithSeen(op: Uint8Array, seen: readonly Stamp[]): Uint8Array {
  if (seen.length > SEEN_MAX) throw new RangeError(`more than ${SEEN_MAX} stamps seen`);
  writer.reset();
  writer.array(OP_ELEMENTS + 1);
  writer.raw(op.subarray(1));
  writer.array(seen.length);
  for (const stamp of seen) writer.text(formatStamp(stamp));
  return writer.copy();
}

export function encodeSnapshot(type: string, id: string, state: Uint8Array): Uint8Array {
  assertName(type, id);
  writer.reset();
  writer.array(3);
  writer.text(type);
  writer.text(id);
  writer.raw(state);
  return writer.copy();
}

/** `chains`: as op-chain.ts encodes them. */
export function encodeVector(chains: Uint8Array): Uint8Array {
  writer.reset();
  writer.array(2);
  writer.text(VECTOR);
  writer.raw(chains);
  return writer.copy();
}

export function encodeRun(count: number): Uint8Array {
  if (!(Number.isInteger(count) && count >= 1 && count <= RUN_MAX)) throw new RangeError(`no run of ${count}`);
  writer.reset();
  writer.array(1);
  writer.integer(count);
  return writer.copy();
}

/** Encoded items as one array. */
export function encodeItems(items: readonly Uint8Array[]): Uint8Array {
  writer.reset();
  writer.array(items.length);
  for (const item of items) writer.raw(item);
  const bytes = writer.copy();
  writer.reset();
  return bytes;
}

/** Why there is no object of that name; null if there may be one. */
export function objectionToName(type: string, id: string): string | null {
  const bytes = utf8.encode(type);
  if (bytes.length < 1 || bytes.length > TYPE_CHARS_MAX || !isTypeName(bytes, 0, bytes.length)) return TYPE_OBJECTION;
  if (id.length < 1 || id.length > ID_BYTES_MAX) return ID_OBJECTION;
  const idBytes = utf8.encode(id);
  // Half of a surrogate pair has no UTF-8.
  return idBytes.length <= ID_BYTES_MAX && utf8Text.decode(idBytes) === id ? null : ID_OBJECTION;
}

/** One text for both: `type/id`. Types have no slash. */
export function objectName(type: string, id: string): string {
  return `${type}/${id}`;
}

/** The inverse of `objectName`. */
export function partsOfName(name: string): { type: string; id: string } {
  const slash = name.indexOf('/');
  return { type: name.slice(0, slash), id: name.slice(slash + 1) };
}

const TYPE_OBJECTION = `bad type: 1 to ${TYPE_CHARS_MAX} of A-Z a-z 0-9 . _ - are expected`;
const ID_OBJECTION = `bad id: text of 1 to ${ID_BYTES_MAX} bytes of UTF-8 is expected`;

/** The characters of a type's name, by code. */
const TYPE_CODES = new Uint8Array(256);
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-')
  TYPE_CODES[character.charCodeAt(0)] = 1;

function isTypeName(bytes: Uint8Array, start: number, length: number): boolean {
  for (let i = 0; i < length; i += 1) if (TYPE_CODES[bytes[start + i] as number] === 0) return false;
  return true;
}

function assertName(type: string, id: string): void {
  const objection = objectionToName(type, id);
  if (objection !== null) throw new RangeError(objection);
}
