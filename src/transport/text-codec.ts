/**
 * Text frames: the messages of clients as JSON objects `{"type", "id", ...}`, by the message table, and values between
 * JSON and MessagePack without loss. What JSON lacks travels as an object with one key:
 *
 * - `{"$bytes": base64}`, `{"$ext": [type, base64]}`;
 * - `{"$int": decimal}`: an integer beyond 2^53 - 1; a JSON number of that size is a float, as to most JSON readers;
 * - `{"$float": "NaN" | "Infinity" | "-Infinity"}`; -0 is the JSON number -0.0;
 * - `{"$map": [[key, value], ...]}`: a map with a key that isn't text, or with one key twice;
 * - `{"$$...": value}`: the map with the one key `$...`.
 *
 * An integral JSON number is an integer, however it is written. Of two equal keys of a JSON object the last one counts.
 * Bytes in a MessagePack text that are no UTF-8 are read as U+FFFD, since JSON can't hold them.
 */
import { MALFORMED_PER_FRAME_MAX } from './binary-codec.js';
import type { DecodeLimits } from './binary-codec.js';
import { FrameReader, HEAD, VALUE_DEPTH_MAX } from '../store/frame-reader.js';
import { FrameWriter } from '../store/frame-writer.js';
import type { Bytes, ClientReply, ClientRequest, Info, Malformed, OptionTypes, RequestId } from './message.js';
import { packValue } from './msgpack.js';
import { isEmpty, NO_OPTIONS, PLAN_BY_NAME, shownName } from './row-plan.js';
import type { FieldPlan, RowPlan } from './row-plan.js';

type JsonObject = Readonly<Record<string, unknown>>;

const FLOATS: ReadonlyMap<unknown, number> = new Map([NaN, Infinity, -Infinity].map((value) => [String(value), value]));
const HALF_SURROGATE = /\p{Surrogate}/u;

const utf8 = new TextEncoder();
const reader = new FrameReader();
const writer = new FrameWriter();

/**
 * Delivers each message of a text frame in order. Returns the reason why the frame can't be decoded, or null, and
 * whether the frame is an array of messages, whose answer is then an array too.
 */
export function decodeText(
  text: string,
  limits: DecodeLimits,
  deliver: (message: ClientRequest | Malformed) => void,
): { reason: string | null; isArray: boolean } {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { reason: 'a text frame must be JSON', isArray: false };
  }
  if (!Array.isArray(json)) {
    if (!isObject(json)) return { reason: 'a text frame is an object or an array of objects', isArray: false };
    deliver(decodeMessage(json, limits));
    return { reason: null, isArray: false };
  }
  let malformedCount = 0;
  for (const element of json as unknown[]) {
    const message = decodeMessage(element, limits);
    if (message.type === 'malformed') malformedCount += 1;
    if (malformedCount > MALFORMED_PER_FRAME_MAX) {
      return { reason: `more than ${MALFORMED_PER_FRAME_MAX} malformed messages`, isArray: true };
    }
    deliver(message);
  }
  return { reason: null, isArray: true };
}

/** The message as one JSON object. */
export function encodeText(message: ClientRequest | ClientReply): string {
  const plan = PLAN_BY_NAME.get(message.type) as RowPlan;
  const values = message as unknown as JsonObject;
  let json = `{"type":"${plan.name}","id":${message.id}`;
  for (const field of plan.fields) {
    const value = values[field.name];
    if (value === null || (field.kind === 'options' && isEmpty(value as Info))) continue;
    json += `,"${field.name}":${fieldToJson(field, value)}`;
  }
  return `${json}}`;
}

/** An encoded value as JSON. Throws RangeError unless it is exactly one MessagePack value within VALUE_DEPTH_MAX. */
export function valueToJson(value: Bytes): string {
  reader.reset(value);
  try {
    if (!reader.skip() || !reader.isAtEnd) throw new RangeError('not one MessagePack value');
    reader.seek(0);
    return nextToJson();
  } finally {
    reader.release();
  }
}

/** JSON as an encoded value. Throws SyntaxError if it is no JSON, RangeError if it stands for no value. */
export function jsonToValue(json: string): Bytes {
  const value = encodeJson(JSON.parse(json));
  if (typeof value === 'string') throw new RangeError(value);
  return value;
}

function decodeMessage(json: unknown, limits: DecodeLimits): ClientRequest | Malformed {
  if (!isObject(json)) return malformed(null, 'a message is an object');
  const { id: claimedId, type } = json;
  // Zero is added so that -0 becomes 0.
  const id = isId(claimedId) ? claimedId + 0 : null;
  if (typeof type !== 'string') return malformed(id, 'type: text is expected');
  const plan = PLAN_BY_NAME.get(type);
  if (plan?.form !== 'request')
    return malformed(id, 'no request has this type', 'UNSUPPORTED', { name: shownName(type) });
  if (id === null) return malformed(null, 'id: an integer from 0 to 2^53 - 1 is expected');
  for (const name of Object.keys(json)) {
    if (name !== 'type' && !plan.names.includes(name)) return malformed(id, `${plan.name} has no ${shownName(name)}`);
  }
  const slots: unknown[] = [id];
  for (const field of plan.fields) {
    const value = jsonToField(json[field.name], field, limits);
    if (value instanceof Fault) return malformed(id, `${field.name}: ${value.reason}`, value.code, value.info);
    slots.push(value);
  }
  return plan.build(slots, 0) as ClientRequest;
}

const malformed = (
  id: RequestId | null,
  reason: string,
  code: Malformed['code'] = 'BAD_REQUEST',
  info: Info | null = null,
): Malformed => ({ type: 'malformed', id, code, reason, info });

/** What is wrong with a field. */
class Fault {
  readonly reason: string;
  readonly code: Malformed['code'];
  readonly info: Info | null;

  constructor(reason: string, code: Malformed['code'] = 'BAD_REQUEST', info: Info | null = null) {
    this.reason = reason;
    this.code = code;
    this.info = info;
  }
}

function jsonToField(json: unknown, field: FieldPlan, limits: DecodeLimits): unknown {
  if (json === undefined || (json === null && field.acceptsNil)) {
    return field.isOptional || field.acceptsNil ? field.absent : new Fault('is missing');
  }
  switch (field.kind) {
    case 'key':
      return jsonToKey(json, limits.keyBytesMax);
    case 'text':
      return typeof json === 'string' ? json : new Fault('text is expected');
    case 'integer':
      return isId(json) ? json + 0 : new Fault('an integer from 0 to 2^53 - 1 is expected');
    case 'signed':
      return Number.isSafeInteger(json) ? (json as number) + 0 : new Fault('an integer within 2^53 is expected');
    case 'boolean':
      return typeof json === 'boolean' ? json : new Fault('a boolean is expected');
    case 'options':
      return jsonToOptions(json, field);
    case 'value':
      return jsonToValueField(json, limits.valueBytesMax);
    case 'info':
    case 'node':
    case 'nodes':
    case 'keys':
    case 'bytes':
    case 'message':
      return new Fault('not in a text frame');
  }
}

function jsonToKey(json: unknown, bytesMax: number): string | Fault {
  if (typeof json !== 'string' || json === '') return new Fault('text is expected, a byte at least');
  if (HALF_SURROGATE.test(json)) return new Fault('the text is no Unicode');
  const isTooLarge = json.length > bytesMax || utf8.encode(json).length > bytesMax;
  return isTooLarge ? tooLarge(bytesMax) : json;
}

function jsonToOptions(json: unknown, field: FieldPlan): Info | Fault {
  if (!isObject(json)) return new Fault('an object is expected');
  const options: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(json)) {
    const kind = field.options.get(name)?.kind;
    if (kind === undefined) return unknownOption(shownName(name));
    if (value === null) continue;
    if (!isOption(value, kind)) return new Fault(`${name} is expected to be ${kind}`);
    options[name] = kind === 'integer' ? (value as number) + 0 : value;
  }
  return isEmpty(options) ? NO_OPTIONS : options;
}

function isOption(value: unknown, kind: keyof OptionTypes): boolean {
  if (kind === 'integer') return Number.isSafeInteger(value);
  return kind === 'boolean' ? typeof value === 'boolean' : typeof value === 'string';
}

function jsonToValueField(json: unknown, bytesMax: number): Bytes | Fault {
  const value = encodeJson(json);
  if (typeof value === 'string') return new Fault(value);
  return value.length > bytesMax ? tooLarge(bytesMax) : value;
}

const unknownOption = (name: string): Fault => new Fault(`${name} is unknown`, 'UNSUPPORTED', { name });
const tooLarge = (max: number): Fault => new Fault(`at most ${max} bytes are allowed`, 'TOO_LARGE', { max });

function fieldToJson(field: FieldPlan, value: unknown): string {
  if (field.kind === 'value') return valueToJson(value as Bytes);
  if (field.kind === 'info') return valueToJson(packValue(value));
  return JSON.stringify(value);
}

/** The next value of the reader, which has been found well-formed. */
function nextToJson(): string {
  const head = reader.readHead();
  const { length } = reader;
  switch (head) {
    case HEAD.nil:
      return 'null';
    case HEAD.boolean:
      return String(reader.flag);
    case HEAD.integer:
      return String(reader.number);
    case HEAD.big:
      return `{"$int":"${reader.big}"}`;
    case HEAD.float:
      return floatToJson(reader.number);
    case HEAD.text:
      return JSON.stringify(reader.takeTextLossy(length));
    case HEAD.bytes:
      return `{"$bytes":"${takeBase64(length)}"}`;
    case HEAD.extension:
      return `{"$ext":[${reader.extensionType},"${takeBase64(length)}"]}`;
    case HEAD.array:
      return arrayToJson(length);
    case HEAD.map:
      return mapToJson(length);
    case HEAD.bad:
      throw new RangeError('not one MessagePack value');
  }
}

function floatToJson(value: number): string {
  if (Object.is(value, -0)) return '-0.0';
  return Number.isFinite(value) ? String(value) : `{"$float":"${value}"}`;
}

function takeBase64(length: number): string {
  const { bytes, position } = reader;
  reader.seek(position + length);
  return Buffer.from(bytes.buffer, bytes.byteOffset + position, length).toString('base64');
}

function arrayToJson(length: number): string {
  const elements: string[] = [];
  for (let i = 0; i < length; i += 1) elements.push(nextToJson());
  return `[${elements.join(',')}]`;
}

function mapToJson(length: number): string {
  const keys: string[] = [];
  const values: string[] = [];
  let areText = true;
  for (let i = 0; i < length; i += 1) {
    const key = nextToJson();
    areText &&= key.startsWith('"');
    keys.push(key);
    values.push(nextToJson());
  }
  if (!areText || new Set(keys).size < length) {
    return `{"$map":[${keys.map((key, i) => `[${key},${values[i]}]`).join(',')}]}`;
  }
  if (length === 1 && keys[0]?.startsWith('"$')) return `{"$${keys[0].slice(1)}:${values[0]}}`;
  return `{${keys.map((key, i) => `${key}:${values[i]}`).join(',')}}`;
}

/** A parsed JSON value as MessagePack, or the reason why it stands for none. */
function encodeJson(json: unknown): Bytes | string {
  const reason = writeJson(json, 0);
  const value = reason ?? writer.copy();
  writer.reset();
  return value;
}

/** Null, or what is wrong. */
function writeJson(json: unknown, depth: number): string | null {
  if (typeof json === 'string') writer.text(json);
  else if (typeof json === 'boolean') writer.boolean(json);
  else if (typeof json === 'number') {
    if (Number.isSafeInteger(json) && !Object.is(json, -0)) writer.integer(json);
    else writer.float(json);
  } else if (Array.isArray(json)) return writeJsonArray(json, depth);
  else if (isObject(json)) return writeJsonObject(json, depth);
  else writer.nil();
  return null;
}

function writeJsonArray(array: readonly unknown[], depth: number): string | null {
  if (depth === VALUE_DEPTH_MAX) return TOO_DEEP;
  writer.array(array.length);
  for (const element of array) {
    const reason = writeJson(element, depth + 1);
    if (reason !== null) return reason;
  }
  return null;
}

function writeJsonObject(object: JsonObject, depth: number): string | null {
  const keys = Object.keys(object);
  const [first = ''] = keys;
  if (keys.length === 1 && first.startsWith('$') && !first.startsWith('$$')) {
    return writeForm(first, object[first], depth);
  }
  if (depth === VALUE_DEPTH_MAX) return TOO_DEEP;
  writer.map(keys.length);
  for (const key of keys) {
    writer.text(keys.length === 1 && key.startsWith('$$') ? key.slice(1) : key);
    const reason = writeJson(object[key], depth + 1);
    if (reason !== null) return reason;
  }
  return null;
}

/** What JSON lacks. */
function writeForm(name: string, content: unknown, depth: number): string | null {
  switch (name) {
    case '$bytes': {
      const bytes = base64ToBytes(content);
      if (bytes === null) return '$bytes holds base64';
      writer.bin(bytes);
      return null;
    }
    case '$ext': {
      const [type, base64] = Array.isArray(content) && content.length === 2 ? (content as unknown[]) : [];
      const bytes = base64ToBytes(base64);
      if (typeof type !== 'number' || !Number.isInteger(type) || type < -128 || type > 127 || bytes === null) {
        return '$ext holds a type from -128 to 127 and base64';
      }
      writer.extension(type, bytes);
      return null;
    }
    case '$int': {
      const big = typeof content === 'string' && /^-?\d{1,20}$/.test(content) ? BigInt(content) : null;
      if (big === null || big < -(2n ** 63n) || big >= 2n ** 64n) return '$int holds the decimal of an int64 or uint64';
      writer.big(big);
      return null;
    }
    case '$float': {
      const float = FLOATS.get(content);
      if (float === undefined) return '$float holds "NaN", "Infinity" or "-Infinity"';
      writer.float(float);
      return null;
    }
    case '$map':
      return writeJsonMap(content, depth);
    default:
      return `${shownName(name)} is no known form; a key of one's own that begins with $ takes one more`;
  }
}

function writeJsonMap(content: unknown, depth: number): string | null {
  if (!Array.isArray(content)) return PAIRS;
  if (depth === VALUE_DEPTH_MAX) return TOO_DEEP;
  writer.map(content.length);
  for (const pair of content as unknown[]) {
    if (!Array.isArray(pair) || pair.length !== 2) return PAIRS;
    const reason = writeJson(pair[0], depth + 1) ?? writeJson(pair[1], depth + 1);
    if (reason !== null) return reason;
  }
  return null;
}

const TOO_DEEP = `nested more than ${VALUE_DEPTH_MAX} levels deep`;
const PAIRS = '$map holds an array of pairs';

/** Null for anything but base64 with its padding. */
function base64ToBytes(base64: unknown): Uint8Array | null {
  if (typeof base64 !== 'string') return null;
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 ? bytes : null;
}

function isObject(json: unknown): json is JsonObject {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function isId(json: unknown): json is RequestId {
  return Number.isSafeInteger(json) && (json as number) >= 0;
}
