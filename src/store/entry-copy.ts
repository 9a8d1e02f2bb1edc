/**
 * Copies of entries on their way to another owner, as bytes: key, value or tombstone, stamp, the time to live that is
 * left, and the number under which the former owner had claimed the key. The reader gives null for what the writer does
 * not write.
 */
import { putWord, word } from './key-hash.js';
import { parseNodeId } from './node-id.js';
import type { NodeId } from './node-id.js';
import { numberAt, putNumber } from './statement.js';

export interface EntryCopy {
  readonly key: string;
  /** Encoded; null for a tombstone. */
  readonly value: Uint8Array | null;
  /** The stamp: see stamp.ts. */
  readonly time: number;
  readonly origin: NodeId;
  /** Time to live that is left, in ms; 0 = it does not expire. */
  readonly ttlMs: number;
  /** The number of the claim under which it is given away. */
  readonly given: number;
}

/** Time, ttl and claim (8 bytes each), lengths of value and key (4), whether it is a tombstone, length of the origin. */
const HEAD_BYTES = 34;
const ORIGIN_BYTES_MAX = 10;

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** At most so many bytes a copy takes. */
export function copyBytesMax({ key, value }: EntryCopy): number {
  return HEAD_BYTES + ORIGIN_BYTES_MAX + 3 * key.length + (value?.length ?? 0);
}

export function encodeCopies(copies: readonly EntryCopy[]): Uint8Array {
  let bytesMax = 0;
  for (const copy of copies) bytesMax += copyBytesMax(copy);
  const bytes = new Uint8Array(bytesMax);
  let at = 0;
  for (const { key, value, time, origin, ttlMs, given } of copies) {
    const head = at;
    putNumber(bytes, head, time);
    putNumber(bytes, head + 8, Math.ceil(ttlMs));
    putNumber(bytes, head + 16, given);
    putWord(bytes, head + 24, value?.length ?? 0);
    bytes[head + 32] = value === null ? 1 : 0;
    bytes[head + 33] = origin.length;
    at += HEAD_BYTES;
    for (let i = 0; i < origin.length; i += 1) bytes[at + i] = origin.charCodeAt(i);
    at += origin.length;
    const { written } = utf8.encodeInto(key, bytes.subarray(at));
    putWord(bytes, head + 28, written);
    at += written;
    if (value !== null) bytes.set(value, at);
    at += value?.length ?? 0;
  }
  return bytes.slice(0, at);
}

/** Values are copied out of the bytes. */
export function decodeCopies(bytes: Uint8Array): EntryCopy[] | null {
  const copies: EntryCopy[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + HEAD_BYTES > bytes.length) return null;
    const [time, ttlMs, given] = [numberAt(bytes, at), numberAt(bytes, at + 8), numberAt(bytes, at + 16)];
    const valueBytes = word(bytes, at + 24);
    const keyBytes = word(bytes, at + 28);
    const isTombstone = bytes[at + 32] === 1;
    const originAt = at + HEAD_BYTES;
    const keyAt = originAt + (bytes[at + 33] as number);
    const valueAt = keyAt + keyBytes;
    const end = valueAt + valueBytes;
    if (end > bytes.length || keyBytes === 0 || (isTombstone && valueBytes > 0)) return null;
    if (![time, ttlMs, given].every((number) => Number.isSafeInteger(number))) return null;
    const origin = parseNodeId(String.fromCharCode(...bytes.subarray(originAt, keyAt)));
    const key = textOf(bytes.subarray(keyAt, valueAt));
    if (origin === null || key === null) return null;
    copies.push({ key, value: isTombstone ? null : bytes.slice(valueAt, end), time, origin, ttlMs, given });
    at = end;
  }
  return copies;
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return fromUtf8.decode(bytes);
  } catch {
    return null;
  }
}
