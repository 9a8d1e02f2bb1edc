/**
 * MessagePack and JavaScript values, for both ends of a bus and never for what a node passes on. Every value that
 * MessagePack carries has one JavaScript value, and that packs to a MessagePack value equal to the first:
 *
 * - integers beyond 2^53 - 1 are bigints;
 * - a map whose keys are all text is a plain object (also with a key `__proto__`), any other a Map;
 * - bin is a Uint8Array, a timestamp (extension -1) a Date if a Date is as exact, other extensions an `Extension`.
 *
 * msgpackr unpacks what is plain: arrays and maps, down to their last level, of nil, booleans, floats, integers of 32
 * bits, texts, bin, and short text keys. A walk over the bytes finds whatever else there is, and what is not
 * well-formed; such a value goes to careful-value.ts as a whole, since msgpackr would make something else of it. No
 * extension may ever reach msgpackr: it keeps them in tables that all its users in a process share, and decodes some
 * into functions and cycles. Single scalars go there too, and all packing, for speed: msgpackr packs no faster, and
 * each value would have to be searched first for what it packs wrongly without a word.
 */
import { Unpackr } from 'msgpackr/unpack-no-eval';
import { readValue, writeValue } from '../store/careful-value.js';
import { FrameReader, VALUE_DEPTH_MAX } from '../store/frame-reader.js';
import { FrameWriter } from '../store/frame-writer.js';
import type { Bytes } from './message.js';

export { Extension, readValue, writeValue } from '../store/careful-value.js';

const DESK_BYTES = 4096;
/** The head of a text of nine bytes, as `__proto__` is. */
const PROTO_HEAD = 0xa9;
const UNDERSCORE = 0x5f;
const BYTE_ORDER_MARK_HEAD = 0xef;

const unpackr = new Unpackr({ useRecords: false, structuredClone: false, copyBuffers: true });

/** Short values are unpacked from here: msgpackr makes a DataView for each array that it has not seen before. */
const desk = new Uint8Array(DESK_BYTES);

const carefulReader = new FrameReader();
let spareWriter: FrameWriter | null = new FrameWriter();

/**
 * A value as MessagePack, in memory of its own. `undefined` becomes nil, a class's instance with `toJSON` what that
 * returns, others the map of their properties. Throws TypeError for what MessagePack has no place for (functions,
 * symbols, Sets, typed arrays other than Uint8Array, ...), RangeError for integers beyond 64 bits and for nesting
 * deeper than VALUE_DEPTH_MAX, cycles included.
 */
export function packValue(value: unknown): Bytes {
  // A toJSON method may pack something itself meanwhile.
  const writer = spareWriter ?? new FrameWriter();
  spareWriter = null;
  try {
    writeValue(writer, value);
    return writer.copy();
  } finally {
    writer.reset();
    spareWriter = writer;
  }
}

/** The value of the bytes. Throws RangeError unless they are exactly one MessagePack value within VALUE_DEPTH_MAX. */
export function unpackValue(bytes: Bytes): unknown {
  return isPlainContainer(bytes) ? unpackPlain(bytes) : unpackCarefully(bytes);
}

function unpackPlain(bytes: Bytes): unknown {
  const { length } = bytes;
  // A view of our own keeps msgpackr from leaving a property on the caller's array.
  if (length > DESK_BYTES) return unpackr.unpack(new Uint8Array(bytes.buffer, bytes.byteOffset, length));
  desk.set(bytes);
  return unpackr.unpack(desk, length);
}

function unpackCarefully(bytes: Bytes): unknown {
  const reader = carefulReader;
  reader.reset(bytes);
  try {
    if (!reader.skip() || !reader.isAtEnd) throw new RangeError('not one MessagePack value');
    reader.seek(0);
    return readValue(reader);
  } finally {
    reader.release();
  }
}

/** Whether the bytes are one array or map of which msgpackr makes what `unpackCarefully` does. */
function isPlainContainer(bytes: Bytes): boolean {
  const head = bytes[0] ?? 0;
  const isContainer = (head >= 0x80 && head < 0xa0) || (head >= 0xdc && head < 0xe0);
  return isContainer && plainEnd(bytes, 0, 0) === bytes.length;
}

/**
 * The end of the value that begins at `start`, at that depth; -1 if it is not well-formed or not plain. Integers of 64
 * bits are not: msgpackr has no form for them that is a number up to 2^53 - 1 and a bigint beyond.
 */
function plainEnd(bytes: Bytes, start: number, depth: number): number {
  const byte = bytes[start];
  if (byte === undefined) return -1;
  const next = start + 1;
  if (byte < 0x80 || byte >= 0xe0) return next;
  if (byte < 0x90) return plainMapEnd(bytes, next, byte & 0x0f, depth + 1);
  if (byte < 0xa0) return plainArrayEnd(bytes, next, byte & 0x0f, depth + 1);
  if (byte < 0xc0) return endWithin(bytes, next + (byte & 0x1f));
  switch (byte) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return next;
    case 0xc4:
      return endWithin(bytes, next + 1 + uint(bytes, next, 1));
    case 0xc5:
      return endWithin(bytes, next + 2 + uint(bytes, next, 2));
    case 0xc6:
      return endWithin(bytes, next + 4 + uint(bytes, next, 4));
    case 0xca:
    case 0xce:
    case 0xd2:
      return endWithin(bytes, next + 4);
    case 0xcb:
      return endWithin(bytes, next + 8);
    case 0xcc:
    case 0xd0:
      return endWithin(bytes, next + 1);
    case 0xcd:
    case 0xd1:
      return endWithin(bytes, next + 2);
    case 0xd9:
      return longTextEnd(bytes, next + 1, uint(bytes, next, 1));
    case 0xda:
      return longTextEnd(bytes, next + 2, uint(bytes, next, 2));
    case 0xdb:
      return longTextEnd(bytes, next + 4, uint(bytes, next, 4));
    case 0xdc:
      return plainArrayEnd(bytes, next + 2, uint(bytes, next, 2), depth + 1);
    case 0xdd:
      return plainArrayEnd(bytes, next + 4, uint(bytes, next, 4), depth + 1);
    case 0xde:
      return plainMapEnd(bytes, next + 2, uint(bytes, next, 2), depth + 1);
    case 0xdf:
      return plainMapEnd(bytes, next + 4, uint(bytes, next, 4), depth + 1);
    default:
      return -1;
  }
}

function plainArrayEnd(bytes: Bytes, start: number, count: number, depth: number): number {
  if (depth > VALUE_DEPTH_MAX) return -1;
  let end = start;
  for (let i = 0; i < count && end >= 0; i += 1) end = plainEnd(bytes, end, depth);
  return endWithin(bytes, end);
}

/** msgpackr makes texts of keys that are none, and another key of `__proto__`. Long keys are too rare to look at. */
function plainMapEnd(bytes: Bytes, start: number, count: number, depth: number): number {
  if (depth > VALUE_DEPTH_MAX) return -1;
  let end = start;
  for (let i = 0; i < count && end >= 0; i += 1) {
    const head = bytes[end] ?? 0;
    const keyStart = end + 1;
    if (head < 0xa0 || head >= 0xc0) return -1;
    if (head === PROTO_HEAD && bytes[keyStart] === UNDERSCORE && bytes[keyStart + 1] === UNDERSCORE) return -1;
    end = plainEnd(bytes, keyStart + (head & 0x1f), depth);
  }
  return endWithin(bytes, end);
}

/** msgpackr takes a byte order mark off texts that are long: those that may begin with one are not plain. */
function longTextEnd(bytes: Bytes, start: number, length: number): number {
  return bytes[start] === BYTE_ORDER_MARK_HEAD ? -1 : endWithin(bytes, start + length);
}

function endWithin(bytes: Bytes, end: number): number {
  return end <= bytes.length ? end : -1;
}

/** Big-endian. What lies behind the end reads as 0: the caller compares the end. */
function uint(bytes: Bytes, start: number, size: 1 | 2 | 4): number {
  let value = 0;
  for (let i = 0; i < size; i += 1) value = value * 0x100 + (bytes[start + i] ?? 0);
  return value;
}
