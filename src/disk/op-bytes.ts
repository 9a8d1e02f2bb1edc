/**
 * The bytes of what a peer keeps on disk. A segment's key: its index (eight bytes, big-endian, so that keys are in the
 * order of the log), the count of its ops (four) and a checksum (four); its value is its ops as they are. A state or a
 * record has its name in UTF-8 for a key, and for a value a checksum and then, a state, its index (eight bytes), and the
 * bytes. Checksums are CRC-32 of the rest of key and value: what a disk has garbled must not spread to other peers.
 */
import { crc32 } from 'node:zlib';
import type { KeptState, Segment } from './op-disk.js';

const SEGMENT_KEY_BYTES = 16;
const SEGMENT_SUM_AT = 12;
const SUM_BYTES = 4;
const INDEX_BYTES = 8;

/** Where a segment lies in the log. */
export type Span = Pick<Segment, 'index' | 'count'>;

export const encodeSegmentKey = ({ index, count, bytes }: Segment): Buffer => {
  const key = Buffer.allocUnsafe(SEGMENT_KEY_BYTES);
  writeIndex(key, index, 0);
  key.writeUInt32BE(count, INDEX_BYTES);
  key.writeUInt32BE(crc32(bytes, crc32(key.subarray(0, SEGMENT_SUM_AT))), SEGMENT_SUM_AT);
  return key;
};

/** At or above the key of any segment that begins at that index or before, below those of the others. */
export const endOfSegmentKeys = (index: number): Buffer => {
  const key = Buffer.alloc(SEGMENT_KEY_BYTES, 0xff);
  writeIndex(key, index, 0);
  return key;
};

/** Throws where it is none. */
export const decodeSegmentKey = (key: Buffer): Span => {
  if (key.length !== SEGMENT_KEY_BYTES) throw new Error('the key of a segment is damaged');
  const index = readIndex(key, 0);
  const count = key.readUInt32BE(INDEX_BYTES);
  if (!Number.isSafeInteger(index + count) || count < 1) throw new Error('the key of a segment is damaged');
  return { index, count };
};

/** Throws where the bytes are not those that were encoded. */
export const decodeSegment = (key: Buffer, value: Buffer): Segment => {
  const { index, count } = decodeSegmentKey(key);
  if (crc32(value, crc32(key.subarray(0, SEGMENT_SUM_AT))) !== key.readUInt32BE(SEGMENT_SUM_AT))
    throw new Error(`the segment at ${index} is damaged`);
  return { index, count, bytes: withoutHead(value, 0) };
};

export const encodeState = (key: Buffer, { index, state }: KeptState): Buffer => {
  const value = Buffer.allocUnsafe(SUM_BYTES + INDEX_BYTES + state.length);
  writeIndex(value, index, SUM_BYTES);
  value.set(state, SUM_BYTES + INDEX_BYTES);
  return seal(key, value);
};

/** Throws where the bytes are not those that were encoded. */
export const decodeState = (key: Buffer, value: Buffer): KeptState => {
  const object = String(key);
  if (value.length < SUM_BYTES + INDEX_BYTES || !isSealed(key, value))
    throw new Error(`the state of ${object} is damaged`);
  return { object, index: readIndex(value, SUM_BYTES), state: withoutHead(value, SUM_BYTES + INDEX_BYTES) };
};

export const encodeRecord = (key: Buffer, bytes: Uint8Array): Buffer => {
  const value = Buffer.allocUnsafe(SUM_BYTES + bytes.length);
  value.set(bytes, SUM_BYTES);
  return seal(key, value);
};

/** Throws where the bytes are not those that were encoded. */
export const decodeRecord = (key: Buffer, value: Buffer): Uint8Array => {
  if (value.length < SUM_BYTES || !isSealed(key, value)) throw new Error(`the record ${String(key)} is damaged`);
  return withoutHead(value, SUM_BYTES);
};

const seal = (key: Buffer, value: Buffer): Buffer => {
  value.writeUInt32BE(checksum(key, value), 0);
  return value;
};

const isSealed = (key: Buffer, value: Buffer): boolean => value.readUInt32BE(0) === checksum(key, value);

const checksum = (key: Buffer, value: Buffer): number => crc32(value.subarray(SUM_BYTES), crc32(key));

/** The same memory, as an array that is no Buffer. */
const withoutHead = (value: Buffer, from: number): Uint8Array =>
  new Uint8Array(value.buffer, value.byteOffset + from, value.length - from);

const writeIndex = (bytes: Buffer, index: number, at: number): void => {
  bytes.writeUInt32BE(Math.floor(index / 2 ** 32), at);
  bytes.writeUInt32BE(index % 2 ** 32, at + 4);
};

const readIndex = (bytes: Buffer, at: number): number => bytes.readUInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
