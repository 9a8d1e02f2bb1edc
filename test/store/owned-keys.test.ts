import { describe, expect, it } from '@jest/globals';
import { KeyDigest } from '../../src/store/key-digest.js';
import { KeyHasher, bucketOf } from '../../src/store/key-hash.js';
import { OwnedKeys } from '../../src/store/owned-keys.js';

const hasher = new KeyHasher(new Uint8Array(16));

describe('the keys that a node owns', () => {
  it('[O1] are stated by bucket with the digest that a home computes', () => {
    const owned = new OwnedKeys(hasher);
    const keys = Array.from({ length: 20_000 }, (_, i) => `key:${i}`);
    for (const [i, key] of keys.entries()) owned.put(key, hasher.hash(key), i + 1);
    for (const key of keys.slice(0, 5000)) owned.remove(key);
    for (const key of keys.slice(5000, 9000)) owned.put(key, hasher.hash(key), 1_000_000_000_000);
    expect(owned.count).toBe(15_000);
    let count = 0;
    for (let bucket = 0; bucket < 4096; bucket += 1) {
      const entries = owned.entriesOf(bucket);
      const digest = new KeyDigest();
      for (const { key, hash, claim } of entries) {
        expect(bucketOf(hash)).toBe(bucket);
        expect(owned.claimOf(key)).toBe(claim);
        expect(owned.find(hash)).toBe(key);
        digest.add(hash, claim);
      }
      count += entries.length;
      const stated = owned.digestOf(bucket) ?? new KeyDigest();
      expect([stated.count, stated.value]).toEqual([digest.count, digest.value]);
    }
    expect(count).toBe(15_000);
  });

  it('[O4] go with the number of their claim', () => {
    const owned = new OwnedKeys(hasher);
    owned.put('a', hasher.hash('a'), 5);
    owned.put('a', hasher.hash('a'), 6);
    expect(owned.claimOf('a')).toBe(6);
    expect(owned.remove('a')).toEqual({ hash: hasher.hash('a'), claim: 6 });
    expect(owned.remove('a')).toBeNull();
    expect(owned.find(hasher.hash('a'))).toBeNull();
    expect(owned.claimOf('a')).toBeNull();
  });

  it('have digests that tell sets apart, and that do not depend on the order', () => {
    const [one, other] = [new KeyDigest(), new KeyDigest()];
    const seen = new Set<number>();
    for (let i = 0; i < 5000; i += 1) {
      one.add(hasher.hash(`key:${i}`), 2 ** 40 + i);
      expect(seen.has(one.value)).toBe(false);
      seen.add(one.value);
    }
    for (let i = 4999; i >= 0; i -= 1) other.add(hasher.hash(`key:${i}`), 2 ** 40 + i);
    expect(other.value).toBe(one.value);
    other.remove(hasher.hash('key:7'), 2 ** 40 + 7);
    other.add(hasher.hash('key:7'), 2 ** 41 + 7);
    expect(other.value).not.toBe(one.value);
    const sum = new KeyDigest();
    sum.merge(one);
    sum.merge(one);
    expect([sum.count, sum.value]).toEqual([10_000, 0]);
  });
});
