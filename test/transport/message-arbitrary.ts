// Messages of every row, made from the message table, and a check of decoded messages against the
// table that shares nothing with the codecs.

import fc from 'fast-check';
import type { NodeId } from '../../src/store/node-id.js';
import { encodeBase64x64 } from '../../src/store/base64x64.js';
import { MESSAGES } from '../../src/transport/message.js';
import type { AnyField, Message, MessageName, Row } from '../../src/transport/message.js';
import { anyCharacter } from './any-character.js';
import { encodedValue } from './encoded-value.js';

export const KEY_BYTES_MAX = 64;
export const VALUE_BYTES_MAX = 4096;
export const limits = { keyBytesMax: KEY_BYTES_MAX, valueBytesMax: VALUE_BYTES_MAX };

export const rows: readonly (readonly [name: MessageName, row: Row])[] = Object.entries(MESSAGES).map(
  ([name, row]) => [name as MessageName, row] as const,
);

const utf8Length = (text: string): number => new TextEncoder().encode(text).length;
const wellFormed = (text: string): boolean => !/\p{Surrogate}/u.test(text);
const integer = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 2 ** 32 }),
  fc.maxSafeNat(),
  fc.constant(Number.MAX_SAFE_INTEGER),
);
export const nodeId: fc.Arbitrary<NodeId> = fc
  .tuple(fc.integer({ min: 0, max: 2 ** 30 - 1 }), fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 30 - 1 })))
  .map(([hi, lo]) => encodeBase64x64(hi, lo) as NodeId);
const text = fc.string({ unit: anyCharacter, maxLength: 100 }).filter(wellFormed);
const key = fc
  .oneof(fc.string({ minLength: 1, maxLength: 20 }), fc.string({ unit: anyCharacter, minLength: 1, maxLength: 16 }))
  .filter((candidate) => wellFormed(candidate) && utf8Length(candidate) <= KEY_BYTES_MAX);
const plain = fc.jsonValue({ maxDepth: 3 }).map((value) => withoutMinusZero(value));
const info = fc.dictionary(
  text.filter((name) => name !== '__proto__'),
  plain,
  { maxKeys: 4, noNullPrototype: true },
);

function withoutMinusZero(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value)) as unknown;
}

function fieldArbitrary(field: AnyField): fc.Arbitrary<unknown> {
  switch (field.kind) {
    case 'key':
      return key;
    case 'text':
      return text;
    case 'integer':
      return integer;
    case 'signed':
      return fc.maxSafeInteger().map((n) => n + 0);
    case 'boolean':
      return fc.boolean();
    case 'info':
      return info;
    case 'node':
      return nodeId;
    case 'bytes':
      return fc.uint8Array({ maxLength: 300 });
    case 'nodes':
      return fc.array(fc.record({ node: nodeId, incarnation: integer }, { noNullPrototype: true }), { maxLength: 4 });
    case 'keys':
      return fc.array(key, { maxLength: 4 });
    case 'value':
      return encodedValue.filter((bytes) => bytes.length <= VALUE_BYTES_MAX);
    case 'message':
      return fc.oneof(...innerNames.map((name) => messageArbitrary(name)));
    case 'options': {
      const kinds = { boolean: fc.boolean(), integer: fc.maxSafeInteger().map((n) => n + 0), text };
      const shapes = Object.fromEntries(Object.entries(field.kinds).map(([name, kind]) => [name, kinds[kind]]));
      return fc.record(shapes, { requiredKeys: [], noNullPrototype: true });
    }
  }
}

const isInner = (name: MessageName): boolean =>
  MESSAGES[name].form === 'reply' || ['get', 'set', 'delete', 'touch', 'incr', 'where', 'trace'].includes(name);
const innerNames = rows.map(([name]) => name).filter(isInner);

export function messageArbitrary(name: MessageName): fc.Arbitrary<Message> {
  const row: Row = MESSAGES[name];
  const id = row.idless ? fc.option(integer) : integer;
  const head =
    row.form === 'notice'
      ? {}
      : row.form === 'routed'
        ? { to: nodeId, from: nodeId, hops: fc.integer({ min: 0, max: 255 }) }
        : { id };
  const fields = row.fields.map((field) => {
    const arbitrary = fieldArbitrary(field);
    return [field.name, field.optional && field.kind !== 'options' ? fc.option(arbitrary) : arbitrary] as const;
  });
  return fc.record(
    { type: fc.constant(name), ...head, ...Object.fromEntries(fields) },
    { noNullPrototype: true },
  ) as fc.Arbitrary<unknown> as fc.Arbitrary<Message>;
}

const isInteger = (value: unknown): boolean => Number.isSafeInteger(value) && !Object.is(value, -0);
const isNatural = (value: unknown): boolean => isInteger(value) && (value as number) >= 0;
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
const isNodeId = (value: unknown): boolean =>
  typeof value === 'string' && /^(0|[0-9A-Z_a-z~]{0,9}[1-9A-Z_a-z~])$/.test(value);

/** What is wrong with a decoded message by the table, or null. */
export function wrongWith(message: unknown): string | null {
  if (!isObject(message) || typeof message['type'] !== 'string') return 'no message';
  if (message['type'] === 'malformed') {
    const { id, code, reason, info: details } = message;
    const isRight =
      (id === null || isNatural(id)) &&
      ['BAD_REQUEST', 'UNSUPPORTED', 'TOO_LARGE'].includes(code as string) &&
      typeof reason === 'string' &&
      reason !== '' &&
      (details === null || isObject(details));
    return isRight && Object.keys(message).length === 5 ? null : 'malformed';
  }
  if (message['type'] === 'relay') {
    const isRight = isNodeId(message['to']) && isNatural(message['hops']) && isNatural(message['count']);
    return isRight && message['bytes'] instanceof Uint8Array && Object.keys(message).length === 6 ? null : 'relay';
  }
  const row: Row | undefined = MESSAGES[message['type'] as MessageName];
  if (row === undefined) return `type ${message['type']}`;
  const head = { request: ['id'], reply: ['id'], notice: [], routed: ['to', 'from', 'hops'] }[row.form];
  const names = ['type', ...head, ...row.fields.map((field) => field.name)];
  if (Object.keys(message).join() !== names.join()) return `properties ${Object.keys(message).join()}`;
  if (head.length === 1 && !isNatural(message['id']) && !(row.idless && message['id'] === null)) return 'id';
  if (head.length === 3) {
    if (!isNodeId(message['to']) || !isNodeId(message['from'])) return 'to, from';
    if (!isNatural(message['hops']) || (message['hops'] as number) > 255) return 'hops';
  }
  return row.fields.find((field) => !isRightField(field, message[field.name]))?.name ?? null;
}

function isRightField(field: AnyField, value: unknown): boolean {
  if (field.kind === 'options') {
    const { kinds } = field;
    return (
      isObject(value) &&
      Object.entries(value).every(([name, option]) => {
        const kind = Object.hasOwn(kinds, name) ? kinds[name] : undefined;
        return kind === 'integer' ? isInteger(option) : typeof option === (kind === 'text' ? 'string' : kind);
      })
    );
  }
  if (value === null) return field.optional;
  switch (field.kind) {
    case 'key':
      return typeof value === 'string' && value !== '' && utf8Length(value) <= KEY_BYTES_MAX;
    case 'text':
      return typeof value === 'string';
    case 'integer':
      return isNatural(value);
    case 'signed':
      return isInteger(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'info':
      return isObject(value);
    case 'node':
      return isNodeId(value);
    case 'nodes':
      return (
        Array.isArray(value) &&
        value.every(
          (pair: unknown) =>
            isObject(pair) &&
            Object.keys(pair).join() === 'node,incarnation' &&
            isNodeId(pair['node']) &&
            isNatural(pair['incarnation']),
        )
      );
    case 'bytes':
      return value instanceof Uint8Array;
    case 'keys':
      return (
        Array.isArray(value) &&
        value.every((item) => typeof item === 'string' && item !== '' && utf8Length(item) <= KEY_BYTES_MAX)
      );
    case 'value':
      return value instanceof Uint8Array && value.length > 0 && value.length <= VALUE_BYTES_MAX;
    case 'message': {
      return isObject(value) && wrongWith(value) === null && isInner(value['type'] as MessageName);
    }
  }
}
