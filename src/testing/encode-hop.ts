/**
 * The test bus that proves that actors share nothing: each message is encoded as MessagePack and decoded again on every
 * hop. References to actors travel as numbers. What can't be encoded throws, in the turn of the actor that sent it.
 */
import type { AnyMessage, Ref } from '../actors/runtime/kind.js';
import { packValue, unpackValue } from '../transport/msgpack.js';

const REF = '$ref';

export const encodeHop = (message: AnyMessage): AnyMessage => {
  const refs: Ref[] = [];
  const packed = packValue(withNumbers(message, refs));
  return withRefs(unpackValue(packed), refs) as AnyMessage;
};

const isRef = (value: object): value is Ref => 'tell' in value && typeof value.tell === 'function';

const withNumbers = (value: unknown, refs: Ref[]): unknown => {
  if (typeof value === 'function' || typeof value === 'symbol') throw new Error(`a message holds a ${typeof value}`);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (isRef(value)) return { [REF]: refs.push(value) - 1 };
  if (Array.isArray(value)) return value.map((item) => withNumbers(item, refs));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new Error('a message holds an object of a class');
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withNumbers(item, refs)]));
};

const withRefs = (value: unknown, refs: readonly Ref[]): unknown => {
  // The decoder hands out Buffers in Node; actors know Uint8Array only.
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => withRefs(item, refs));
  const record = value as Record<string, unknown>;
  if (REF in record) return refs[record[REF] as number];
  return Object.fromEntries(Object.entries(record).map(([key, item]) => [key, withRefs(item, refs)]));
};
