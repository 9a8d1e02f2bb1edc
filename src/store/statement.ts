/**
 * The lists that owners and homes send each other, as bytes: buckets with count and digest, buckets with all their
 * keys, and claims. Each reader gives null for what its writer does not write.
 */
import { BUCKETS, HASH_BYTES, putWord, word } from './key-hash.js';
import type { KeyHash } from './key-hash.js';

export interface BucketSummary {
  readonly bucket: number;
  readonly count: number;
  readonly digest: number;
}

/** A key by its hash, with the number of its claim. */
export interface ClaimedKey {
  readonly hash: KeyHash;
  readonly claim: number;
}

/** A key that passes from the node that claimed it as `given` to one that claims it as `claim`. */
export interface PassingKey extends ClaimedKey {
  readonly given: number;
}

export interface BucketKeys {
  readonly bucket: number;
  readonly keys: readonly ClaimedKey[];
}

const HIGH = 2 ** 32;
const SUMMARY_BYTES = 16;
const BUCKET_HEAD_BYTES = 8;
const CLAIMED_BYTES = HASH_BYTES + 8;
const PASSING_BYTES = CLAIMED_BYTES + 8;

export function encodeSummaries(summaries: readonly BucketSummary[]): Uint8Array {
  const bytes = new Uint8Array(summaries.length * SUMMARY_BYTES);
  let at = 0;
  for (const { bucket, count, digest } of summaries) {
    putWord(bytes, at, bucket);
    putWord(bytes, at + 4, count);
    putNumber(bytes, at + 8, digest);
    at += SUMMARY_BYTES;
  }
  return bytes;
}

export function decodeSummaries(bytes: Uint8Array): BucketSummary[] | null {
  if (bytes.length % SUMMARY_BYTES !== 0) return null;
  const summaries: BucketSummary[] = [];
  for (let at = 0; at < bytes.length; at += SUMMARY_BYTES) {
    const bucket = word(bytes, at);
    const digest = numberAt(bytes, at + 8);
    if (bucket >= BUCKETS || !Number.isSafeInteger(digest)) return null;
    summaries.push({ bucket, count: word(bytes, at + 4), digest });
  }
  return summaries;
}

export function encodeBuckets(buckets: readonly BucketKeys[]): Uint8Array {
  let length = 0;
  for (const { keys } of buckets) length += BUCKET_HEAD_BYTES + keys.length * CLAIMED_BYTES;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const { bucket, keys } of buckets) {
    putWord(bytes, at, bucket);
    putWord(bytes, at + 4, keys.length);
    at = putKeys(bytes, at + BUCKET_HEAD_BYTES, keys);
  }
  return bytes;
}

export function decodeBuckets(bytes: Uint8Array): BucketKeys[] | null {
  const buckets: BucketKeys[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + BUCKET_HEAD_BYTES > bytes.length) return null;
    const bucket = word(bytes, at);
    const start = at + BUCKET_HEAD_BYTES;
    const end = start + word(bytes, at + 4) * CLAIMED_BYTES;
    const keys = bucket < BUCKETS && end <= bytes.length ? decodeClaims(bytes.subarray(start, end)) : null;
    if (keys === null) return null;
    buckets.push({ bucket, keys });
    at = end;
  }
  return buckets;
}

export function encodeClaims(keys: readonly ClaimedKey[]): Uint8Array {
  const bytes = new Uint8Array(keys.length * CLAIMED_BYTES);
  putKeys(bytes, 0, keys);
  return bytes;
}

export function decodeClaims(bytes: Uint8Array): ClaimedKey[] | null {
  if (bytes.length % CLAIMED_BYTES !== 0) return null;
  const keys: ClaimedKey[] = [];
  for (let at = 0; at < bytes.length; at += CLAIMED_BYTES) {
    const claim = numberAt(bytes, at + HASH_BYTES);
    if (!Number.isSafeInteger(claim)) return null;
    keys.push({ hash: bytes.slice(at, at + HASH_BYTES), claim });
  }
  return keys;
}

export function encodePassing(keys: readonly PassingKey[]): Uint8Array {
  const bytes = new Uint8Array(keys.length * PASSING_BYTES);
  let at = 0;
  for (const { hash, given, claim } of keys) {
    bytes.set(hash, at);
    putNumber(bytes, at + HASH_BYTES, given);
    putNumber(bytes, at + CLAIMED_BYTES, claim);
    at += PASSING_BYTES;
  }
  return bytes;
}

export function decodePassing(bytes: Uint8Array): PassingKey[] | null {
  if (bytes.length % PASSING_BYTES !== 0) return null;
  const keys: PassingKey[] = [];
  for (let at = 0; at < bytes.length; at += PASSING_BYTES) {
    const given = numberAt(bytes, at + HASH_BYTES);
    const claim = numberAt(bytes, at + CLAIMED_BYTES);
    if (!Number.isSafeInteger(given) || !Number.isSafeInteger(claim)) return null;
    keys.push({ hash: bytes.slice(at, at + HASH_BYTES), given, claim });
  }
  return keys;
}

function putKeys(bytes: Uint8Array, start: number, keys: readonly ClaimedKey[]): number {
  let at = start;
  for (const { hash, claim } of keys) {
    bytes.set(hash, at);
    putNumber(bytes, at + HASH_BYTES, claim);
    at += CLAIMED_BYTES;
  }
  return at;
}

/** Eight bytes from `at` on, least significant first. */
export function putNumber(bytes: Uint8Array, at: number, value: number): void {
  putWord(bytes, at, value >>> 0);
  putWord(bytes, at + 4, Math.floor(value / HIGH));
}

/** The inverse of `putNumber`; above 2^53 not exact. */
export function numberAt(bytes: Uint8Array, at: number): number {
  return word(bytes, at + 4) * HIGH + word(bytes, at);
}
