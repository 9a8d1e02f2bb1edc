/**
 * MessagePack and JavaScript values by hand, for every value there is: the rules in the top comment of msgpack.ts are
 * kept here. An extension is never more than bytes, and what MessagePack has no place for is refused.
 */
import type { FrameReader } from './frame-reader.js';
import { HEAD, VALUE_DEPTH_MAX } from './frame-reader.js';
import type { FrameWriter } from './frame-writer.js';

/** A MessagePack extension: its type from -128 to 127, and its bytes. */
export class Extension {
  readonly type: number;
  readonly bytes: Uint8Array;

  constructor(type: number, bytes: Uint8Array) {
    if (!Number.isInteger(type) || type < -128 || type > 127)
      throw new RangeError('an extension has a type from -128 to 127');
    this.type = type;
    this.bytes = bytes;
  }
}

const TIMESTAMP = -1;
const MS_PER_SECOND = 1000;
const NS_PER_MS = 1_000_000;
const TWO_32 = 2 ** 32;
const TWO_34 = 2 ** 34;

/** Appends a value; what throws and why is said at `packValue`. */
export function writeValue(writer: FrameWriter, value: unknown): void {
  write(writer, value, 0);
}

/** Takes a value that `skip` has walked over, so that it is known to be well-formed. */
export function readValue(reader: FrameReader): unknown {
  switch (reader.readHead()) {
    case HEAD.nil:
      return null;
    case HEAD.boolean:
      return reader.flag;
    case HEAD.integer:
    case HEAD.float:
      return reader.number;
    case HEAD.big:
      return reader.big;
    case HEAD.text:
      return reader.takeTextLossy(reader.length);
    case HEAD.bytes:
      return takeBytes(reader, reader.length);
    case HEAD.extension:
      return readExtension(reader);
    case HEAD.array:
      return readArray(reader, reader.length);
    case HEAD.map:
      return readMap(reader, reader.length);
    default:
      throw new RangeError('not one MessagePack value');
  }
}

function readArray(reader: FrameReader, length: number): unknown[] {
  const array: unknown[] = [];
  for (let i = 0; i < length; i += 1) array.push(readValue(reader));
  return array;
}

function readMap(reader: FrameReader, length: number): object {
  const object: Record<string, unknown> = {};
  for (let i = 0; i < length; i += 1) {
    const textLength = reader.readTextLength();
    if (textLength < 0) return readRestOfMap(reader, new Map<unknown, unknown>(Object.entries(object)), length - i);
    const key = reader.takeTextLossy(textLength);
    const value = readValue(reader);
    if (key === '__proto__') defineOwn(object, key, value);
    else object[key] = value;
  }
  return object;
}

function readRestOfMap(reader: FrameReader, map: Map<unknown, unknown>, count: number): Map<unknown, unknown> {
  for (let i = 0; i < count; i += 1) {
    const key = readValue(reader);
    map.set(key, readValue(reader));
  }
  return map;
}

function readExtension(reader: FrameReader): Date | Extension {
  const { extensionType, length } = reader;
  const bytes = takeBytes(reader, length);
  return (extensionType === TIMESTAMP ? dateOf(bytes) : null) ?? new Extension(extensionType, bytes);
}

function takeBytes(reader: FrameReader, length: number): Uint8Array {
  const start = reader.position;
  reader.seek(start + length);
  return reader.copy(start, start + length);
}

/** The Date that packs to a timestamp equal to this one, or null if there is none: it has nanoseconds, or is odd. */
function dateOf(bytes: Uint8Array): Date | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let seconds: number;
  let nanoseconds = 0;
  if (bytes.length === 4) seconds = view.getUint32(0);
  else if (bytes.length === 8) {
    nanoseconds = view.getUint32(0) >>> 2;
    seconds = (view.getUint32(0) & 3) * TWO_32 + view.getUint32(4);
  } else if (bytes.length === 12) {
    nanoseconds = view.getUint32(0);
    seconds = Number(view.getBigInt64(4));
  } else return null;
  if (nanoseconds % NS_PER_MS !== 0 || nanoseconds >= MS_PER_SECOND * NS_PER_MS) return null;
  const date = new Date(seconds * MS_PER_SECOND + nanoseconds / NS_PER_MS);
  return Number.isNaN(date.getTime()) ? null : date;
}

function write(writer: FrameWriter, value: unknown, depth: number): void {
  switch (typeof value) {
    case 'string':
      writer.text(value);
      return;
    case 'number':
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) writer.integer(value);
      else writer.float(value);
      return;
    case 'boolean':
      writer.boolean(value);
      return;
    case 'undefined':
      writer.nil();
      return;
    case 'bigint':
      writer.big(value);
      return;
    case 'object':
      if (value === null) writer.nil();
      else writeObject(writer, value, depth);
      return;
    default:
      throw new TypeError(`a ${typeof value} is no MessagePack value`);
  }
}

function writeObject(writer: FrameWriter, value: object, depth: number): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) {
    writeMap(writer, value, depth);
    return;
  }
  if (Array.isArray(value)) {
    const inner = deeper(depth);
    writer.array(value.length);
    for (let i = 0; i < value.length; i += 1) write(writer, value[i], inner);
    return;
  }
  if (value instanceof Extension) {
    writer.extension(value.type, value.bytes);
    return;
  }
  const kind = kindOf(value);
  if (kind === 'Uint8Array') writer.bin(value as Uint8Array);
  else if (kind === 'Date') writeDate(writer, value as Date);
  else if (kind === 'Map') {
    const inner = deeper(depth);
    const map = value as ReadonlyMap<unknown, unknown>;
    writer.map(map.size);
    for (const [key, element] of map) {
      write(writer, key, inner);
      write(writer, element, inner);
    }
  } else if ('toJSON' in value && typeof value.toJSON === 'function') write(writer, value.toJSON(), deeper(depth));
  else if (kind === 'Object') writeMap(writer, value, depth);
  else throw new TypeError(`a ${kind} is no MessagePack value`);
}

function writeMap(writer: FrameWriter, object: object, depth: number): void {
  const inner = deeper(depth);
  const keys = Object.keys(object);
  writer.map(keys.length);
  for (const key of keys) {
    writer.text(key);
    write(writer, (object as Readonly<Record<string, unknown>>)[key], inner);
  }
}

function writeDate(writer: FrameWriter, date: Date): void {
  const ms = date.getTime();
  if (Number.isNaN(ms)) throw new RangeError('an invalid Date is no MessagePack value');
  const seconds = Math.floor(ms / MS_PER_SECOND);
  const nanoseconds = (ms - seconds * MS_PER_SECOND) * NS_PER_MS;
  const isLong = seconds < 0 || seconds >= TWO_34;
  const bytes = new Uint8Array(isLong ? 12 : nanoseconds > 0 || seconds >= TWO_32 ? 8 : 4);
  const view = new DataView(bytes.buffer);
  if (bytes.length === 4) view.setUint32(0, seconds);
  else if (isLong) {
    view.setUint32(0, nanoseconds);
    view.setBigInt64(4, BigInt(seconds));
  } else {
    view.setUint32(0, nanoseconds * 4 + Math.floor(seconds / TWO_32));
    view.setUint32(4, seconds % TWO_32);
  }
  writer.extension(TIMESTAMP, bytes);
}

function deeper(depth: number): number {
  if (depth >= VALUE_DEPTH_MAX) throw new RangeError(`a value nests at most ${VALUE_DEPTH_MAX} levels deep`);
  return depth + 1;
}

function defineOwn(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}

/** What built-in kind of object it is, in whichever realm it was made. */
function kindOf(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}
