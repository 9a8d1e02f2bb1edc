/** What the types have in common about values: how they are packed, compared, ordered and shown. */
import { readValue, writeValue } from '../careful-value.js';
import { FrameReader, HEAD, VALUE_DEPTH_MAX } from '../frame-reader.js';
import { FrameWriter } from '../frame-writer.js';
import { parseStamp } from '../stamp.js';
import type { Stamp } from '../stamp.js';

const valueReader = new FrameReader();
const plainWriter = new FrameWriter();
let isPacking = false;

/** A value in its MessagePack. What throws and why is said at `packValue` in transport/msgpack.ts. */
export function packPlain(value: unknown): Uint8Array {
  // A toJSON method may pack something itself meanwhile.
  const writer = isPacking ? new FrameWriter() : plainWriter;
  const isOuter = !isPacking;
  isPacking = true;
  try {
    writer.reset();
    writeValue(writer, value);
    return writer.copy();
  } finally {
    if (isOuter) isPacking = false;
  }
}

/** The value of well-formed bytes, frozen as deep as JavaScript allows. */
export function frozenValue(bytes: Uint8Array): unknown {
  valueReader.reset(bytes);
  const value = frozen(readValue(valueReader));
  valueReader.release();
  return value;
}

/** A property of its own, whatever its name. */
export function setOwn(target: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(target, name, { value, enumerable: true, configurable: true, writable: true });
  else target[name] = value;
}

/** Begins with bytes that have to be exactly one value that nests no deeper than that; false if they are not. */
export function begin(reader: FrameReader, bytes: Uint8Array, depthMax: number = VALUE_DEPTH_MAX): boolean {
  reader.reset(bytes);
  if (!reader.skip(depthMax) || !reader.isAtEnd) return false;
  reader.seek(0);
  return true;
}

/** The same, where it has to be a map: the number of its pairs, or -1. */
export function beginMap(reader: FrameReader, bytes: Uint8Array, depthMax: number = VALUE_DEPTH_MAX): number {
  return begin(reader, bytes, depthMax) ? reader.readMap() : -1;
}

/** The same, where it has to be an array: the number of its elements, or -1. */
export function beginArray(reader: FrameReader, bytes: Uint8Array, depthMax: number = VALUE_DEPTH_MAX): number {
  return begin(reader, bytes, depthMax) ? reader.readArray() : -1;
}

/** The finite number that is next, in whatever form; else NaN. */
export function readNumber(reader: FrameReader): number {
  const integer = reader.readInteger();
  if (!Number.isNaN(integer)) return integer;
  if (reader.readHead() !== HEAD.float || !Number.isFinite(reader.number)) return NaN;
  return reader.number;
}

/** A copy of the value that is next, as it is encoded. */
export function takeValue(reader: FrameReader): Uint8Array {
  const start = reader.position;
  reader.skip();
  return reader.copy(start, reader.position);
}

/** The stamp whose text is next, or null. */
export function readStamp(reader: FrameReader): Stamp | null {
  const text = reader.readText();
  if (text === null || text.includes('+')) return null;
  return parseStamp(text);
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  const { length } = a;
  if (length !== b.length) return false;
  for (let i = 0; i < length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}

/** Entries of a map in the order of their keys, by code unit. */
export function sorted<Value>(map: ReadonlyMap<string, Value>): [string, Value][] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1));
}

function frozen(value: unknown): unknown {
  if (Array.isArray(value)) for (const element of value) frozen(element);
  else if (value instanceof Map) for (const element of value.values()) frozen(element);
  else if (typeof value === 'object' && value !== null) {
    // The elements of typed arrays can't be frozen.
    if (ArrayBuffer.isView(value)) return value;
    for (const element of Object.values(value)) frozen(element);
  }
  return typeof value === 'object' ? Object.freeze(value) : value;
}
