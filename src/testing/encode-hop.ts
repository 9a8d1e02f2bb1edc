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

/** The value with numbers in place of its references; the value itself, uncopied, where it has none. */
const withNumbers = (value: unknown, refs: Ref[]): unknown => {
  if (typeof value === 'function' || typeof value === 'symbol') throw new Error(`a message holds a ${typeof value}`);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  if (isRef(value)) return { [REF]: refs.push(value) - 1 };
  if (Array.isArray(value)) {
    const first = refs.length;
    const numbered = value.map((item) => withNumbers(item, refs));
    return refs.length > first ? numbered : value;
  }
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) throw new Error('a message holds an object of a class');
  let numbered = value as Readonly<Record<string, unknown>>;
  for (const [key, item] of Object.entries(value)) {
    const first = refs.length;
    const other = withNumbers(item, refs);
    if (refs.length > first) numbered = { ...numbered, [key]: other };
  }
  return numbered;
};

/** Fills in the references where they belong: what was just decoded is nobody else's. */
const withRefs = (value: unknown, refs: readonly Ref[]): unknown => {
  // The decoder hands out Buffers in Node; actors know Uint8Array only.
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i += 1) value[i] = withRefs(value[i], refs);
    return value;
  }
  const record = value as Record<string, unknown>;
  if (REF in record) return refs[record[REF] as number];
  for (const key of Object.keys(record)) record[key] = withRefs(record[key], refs);
  return record;
};
