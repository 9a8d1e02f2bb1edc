/**
 * Versions of objects in short (RULES RG), as a client names what it holds: of how many origins there are ops, and a
 * digest of the vector. Each origin's ops are stored without gaps, so the vector says exactly which ops are there.
 */
import { FrameReader } from './frame-reader.js';
import { KeyHasher, word } from './key-hash.js';
import { objectName, objectionToName } from './op.js';
import { formatTime } from './stamp.js';
import type { Vector } from './types/replicated-type.js';

export interface ObjectVersion {
  readonly count: number;
  /** 53 bits. */
  readonly digest: number;
}

/** Objects whose versions one client names at once. */
const HELD_MAX = 262_144;
const TWO_32 = 2 ** 32;

const hasher = new KeyHasher(new Uint8Array(16));
const utf8 = new TextEncoder();
const reader = new FrameReader();

export function versionOf(vector: Vector): ObjectVersion {
  const sorted = [...vector].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const bytes = utf8.encode(sorted.map(([origin, time]) => `${formatTime(time)}-${origin} `).join(''));
  const hash = hasher.hashBytes(bytes, 0, bytes.length);
  return { count: vector.size, digest: (word(hash, 4) & 0x1fffff) * TWO_32 + (word(hash, 0) >>> 0) };
}

/** From nil (null) or an array of [type, id, count, digest]: versions by the objects' names. */
export function parseVersions(have: Uint8Array): ReadonlyMap<string, ObjectVersion> | null | 'bad' {
  reader.reset(have);
  if (reader.readNil()) return null;
  const size = reader.readArray();
  if (size < 0 || size > HELD_MAX) return 'bad';
  const versions = new Map<string, ObjectVersion>();
  for (let i = 0; i < size; i += 1) {
    if (reader.readArray() !== 4) return 'bad';
    const type = reader.readText();
    const id = reader.readText();
    const count = reader.readInteger();
    const digest = reader.readInteger();
    if (type === null || id === null || objectionToName(type, id) !== null) return 'bad';
    if (!(count >= 0) || !(digest >= 0)) return 'bad';
    versions.set(objectName(type, id), { count, digest });
  }
  reader.release();
  return versions;
}
