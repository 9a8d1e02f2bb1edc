/** What a subscription is about: which objects of a database, and which versions of them its client holds. */
import { FrameReader } from './frame-reader.js';
import { ID_BYTES_MAX, objectionToName, objectName } from './op.js';

export interface Filter {
  /** Equal for filters that match the same. */
  readonly key: string;
  /** The one object that it is about; null: all that `matches`. */
  readonly object: string | null;
  /** `name`: `type/id`. */
  matches(name: string): boolean;
}

/** A version of an object, as a client names it. */
export interface Held {
  /** Origins of its ops, and a digest of the vector. */
  readonly count: number;
  readonly digest: number;
}

/** Objects whose versions one client names at once. */
const HELD_MAX = 262_144;

const reader = new FrameReader();

/** The filter, or why the options are none: a type, an object of it, ids of it that begin so, or all. */
export function parseFilter(options: {
  readonly type?: string;
  readonly object?: string;
  readonly prefix?: string;
  readonly all?: boolean;
}): Filter | string {
  const { type, object, prefix, all = false } = options;
  if (all) {
    if (type !== undefined || object !== undefined || prefix !== undefined) return 'all stands alone';
    return { key: '*', object: null, matches: () => true };
  }
  if (type === undefined) return 'a type is expected, alone or with an object or a prefix, or all';
  const objection = objectionToName(type, object ?? '0');
  if (objection !== null) return objection;
  if (object !== undefined) {
    if (prefix !== undefined) return 'object and prefix exclude each other';
    const name = objectName(type, object);
    return { key: `=${name}`, object: name, matches: (other) => other === name };
  }
  if ((prefix ?? '').length > ID_BYTES_MAX) return 'prefix: longer than any id';
  const start = objectName(type, prefix ?? '');
  return { key: `^${start}`, object: null, matches: (other) => other.startsWith(start) };
}

/** Nil, or an array of [type, id, count, digest]. */
export function parseHeld(have: Uint8Array): ReadonlyMap<string, Held> | null | 'bad' {
  reader.reset(have);
  if (reader.readNil()) return null;
  const size = reader.readArray();
  if (size < 0 || size > HELD_MAX) return 'bad';
  const held = new Map<string, Held>();
  for (let i = 0; i < size; i += 1) {
    if (reader.readArray() !== 4) return 'bad';
    const type = reader.readText();
    const id = reader.readText();
    const count = reader.readInteger();
    const digest = reader.readInteger();
    if (type === null || id === null || objectionToName(type, id) !== null || !(count >= 0) || !(digest >= 0)) return 'bad';
    held.set(objectName(type, id), { count, digest });
  }
  reader.release();
  return held;
}
