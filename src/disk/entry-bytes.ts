/**
 * The bytes of an entry on disk. Its key in the database is 0 and the key in UTF-8. Where that is longer than a database
 * takes, or the text has no UTF-8 (half of a surrogate pair), it is 1 and a digest, and the text stands in the record.
 *
 * The record: flags (1: tombstone, 2: it holds its key), stamp time and expiry (doubles, big-endian; expiry in Unix ms,
 * 0 = never), origin (one byte of length, ASCII), the key if it is here (four bytes of length, UTF-16LE), the value.
 */
import { createHash } from 'node:crypto';
import type { NodeId } from '../store/node-id.js';
import type { KeptEntry } from './entry-disk.js';

/** The database takes 1978; shorter keys leave more of them on a page. */
const INLINE_KEY_BYTES_MAX = 1024;
const IS_INLINE = 0;
const IS_DIGEST = 1;

const IS_TOMBSTONE = 1;
const HAS_KEY = 2;
const HEAD_BYTES = 18;

export interface EncodedEntry {
  readonly key: Buffer;
  readonly record: Buffer;
}

/** The key under which an entry is kept. */
export const encodeKey = (key: string): Buffer => {
  if (isInline(key)) {
    const bytes = Buffer.allocUnsafe(1 + Buffer.byteLength(key));
    bytes[0] = IS_INLINE;
    bytes.write(key, 1);
    return bytes;
  }
  const digest = createHash('sha256').update(Buffer.from(key, 'utf16le')).digest();
  return Buffer.concat([Buffer.of(IS_DIGEST), digest]);
};

/** The bytes of many entries in one block, which costs the writer one address instead of one for each. */
export const encodeEntries = (entries: readonly KeptEntry[]): EncodedEntry[] => {
  const keys = entries.map(({ key }) => encodeKey(key));
  const lengths = entries.map((entry, i) => recordBytes(entry, keys[i] as Buffer));
  const block = Buffer.alloc(lengths.reduce((sum, length) => sum + length, 0));
  let end = 0;
  return entries.map((entry, i) => {
    const record = block.subarray(end, (end += lengths[i] as number));
    const key = keys[i] as Buffer;
    const hasKey = key[0] === IS_DIGEST;
    record[0] = (entry.value === null ? IS_TOMBSTONE : 0) | (hasKey ? HAS_KEY : 0);
    record.writeDoubleBE(entry.time, 1);
    record.writeDoubleBE(entry.expiresAtWallMs, 9);
    record[17] = entry.origin.length;
    let at = HEAD_BYTES + record.write(entry.origin, HEAD_BYTES, 'latin1');
    if (hasKey) {
      at = record.writeUInt32BE(2 * entry.key.length, at);
      at += record.write(entry.key, at, 'utf16le');
    }
    if (entry.value !== null) record.set(entry.value, at);
    return { key, record };
  });
};

/** Null: not what `encodeEntries` writes. The value is a copy. */
export const decodeEntry = (key: Buffer, record: Buffer): KeptEntry | null => {
  if (key.length < 1 || record.length < HEAD_BYTES) return null;
  const flags = record[0] as number;
  const time = record.readDoubleBE(1);
  const expiresAtWallMs = record.readDoubleBE(9);
  let at = HEAD_BYTES + (record[17] as number);
  const origin = record.toString('latin1', HEAD_BYTES, at);
  const hasKey = (flags & HAS_KEY) !== 0;
  if (flags > (IS_TOMBSTONE | HAS_KEY) || hasKey !== (key[0] === IS_DIGEST) || record.length < at) return null;
  if (!Number.isSafeInteger(time) || !(expiresAtWallMs >= 0) || origin === '') return null;
  let text = '';
  if (hasKey) {
    if (record.length < at + 4) return null;
    const end = at + 4 + record.readUInt32BE(at);
    if (record.length < end) return null;
    text = record.toString('utf16le', at + 4, end);
    at = end;
  } else text = key.toString('utf8', 1);
  const value = (flags & IS_TOMBSTONE) === 0 ? new Uint8Array(record.subarray(at)) : null;
  return { key: text, value, time, origin: origin as NodeId, expiresAtWallMs };
};

const recordBytes = ({ key, value, origin }: KeptEntry, encodedKey: Buffer): number =>
  HEAD_BYTES + origin.length + (encodedKey[0] === IS_DIGEST ? 4 + 2 * key.length : 0) + (value?.length ?? 0);

const isInline = (key: string): boolean =>
  // Three bytes is the most that a unit of text takes, which spares most keys the counting.
  (3 * key.length <= INLINE_KEY_BYTES_MAX || Buffer.byteLength(key) <= INLINE_KEY_BYTES_MAX) &&
  !/\p{Surrogate}/u.test(key);
