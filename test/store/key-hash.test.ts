import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { BUCKETS, KeyHasher, bucketOf, putWord, sameHash, word } from '../../src/store/key-hash.js';

const SECRET = Uint8Array.from({ length: 16 }, (_, i) => i);

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** SipHash-2-4 with 128 bits in big integers, written from the paper's description, to compare with. */
function slowHash(secret: Uint8Array, bytes: Uint8Array): string {
  const mask = (1n << 64n) - 1n;
  const load = (from: Uint8Array, at: number): bigint => Buffer.from(from).readBigUInt64LE(at);
  const rotl = (x: bigint, by: bigint): bigint => ((x << by) | (x >> (64n - by))) & mask;
  const [k0, k1] = [load(secret, 0), load(secret, 8)];
  let [v0, v1, v2, v3] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn ^ 0xeen,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i += 1) {
      v0 = (v0 + v1) & mask;
      v1 = rotl(v1, 13n) ^ v0;
      v0 = rotl(v0, 32n);
      v2 = (v2 + v3) & mask;
      v3 = rotl(v3, 16n) ^ v2;
      v0 = (v0 + v3) & mask;
      v3 = rotl(v3, 21n) ^ v0;
      v2 = (v2 + v1) & mask;
      v1 = rotl(v1, 17n) ^ v2;
      v2 = rotl(v2, 32n);
    }
  };
  const padded = Buffer.alloc(bytes.length - (bytes.length % 8) + 8);
  padded.set(bytes);
  padded[padded.length - 1] = bytes.length & 0xff;
  for (let at = 0; at < padded.length; at += 8) {
    const block = load(padded, at);
    v3 ^= block;
    rounds(2);
    v0 ^= block;
  }
  const out = Buffer.alloc(16);
  v2 ^= 0xeen;
  rounds(4);
  out.writeBigUInt64LE(v0 ^ v1 ^ v2 ^ v3, 0);
  v1 ^= 0xddn;
  rounds(4);
  out.writeBigUInt64LE(v0 ^ v1 ^ v2 ^ v3, 8);
  return hex(out);
}

describe('the hash of a key', () => {
  it('[V2] is SipHash-2-4-128: the published vectors', () => {
    const hasher = new KeyHasher(SECRET);
    const input = Uint8Array.from({ length: 64 }, (_, i) => i);
    expect(hex(hasher.hashBytes(input, 0, 0))).toBe('a3817f04ba25a8e66df67214c7550293');
    expect(hex(hasher.hashBytes(input, 0, 1))).toBe('da87c1d86b99af44347659119b22fc45');
    for (let length = 0; length <= 64; length += 1) {
      expect(hex(hasher.hashBytes(input, 0, length))).toBe(slowHash(SECRET, input.subarray(0, length)));
    }
  });

  it('is that of the key in UTF-8, whatever was hashed before', () => {
    const hasher = new KeyHasher(SECRET);
    const secret = createHash('sha256').update('other').digest().subarray(0, 16);
    const other = new KeyHasher(secret);
    for (const key of ['a', 'x'.repeat(4096), 'ключ', '🙂'.repeat(300), 'city:1', '']) {
      expect(hex(hasher.hash(key))).toBe(slowHash(SECRET, Buffer.from(key)));
      expect(hex(other.hash(key))).toBe(slowHash(secret, Buffer.from(key)));
      expect(sameHash(hasher.hash(key), other.hash(key))).toBe(false);
      expect(sameHash(hasher.hash(key), hasher.hash(key))).toBe(true);
    }
  });

  it('spreads keys over all buckets', () => {
    const hasher = new KeyHasher(SECRET);
    const counts = new Uint32Array(BUCKETS);
    for (let i = 0; i < 100 * BUCKETS; i += 1) {
      const bucket = bucketOf(hasher.hash(`key:${i}`));
      counts[bucket] = (counts[bucket] as number) + 1;
    }
    // A hundred each; ten standard deviations either way.
    expect(Math.min(...counts)).toBeGreaterThan(30);
    expect(Math.max(...counts)).toBeLessThan(200);
  });

  it('refuses a secret of another length', () => {
    expect(() => new KeyHasher(new Uint8Array(15))).toThrow(RangeError);
  });

  it('puts and reads words', () => {
    const bytes = new Uint8Array(8);
    putWord(bytes, 3, 0xfedcba98);
    expect(word(bytes, 3)).toBe(0xfedcba98);
  });
});
