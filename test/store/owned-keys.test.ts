import { describe, expect, it } from '@jest/globals';
import { KeyDigest } from '../../src/store/key-digest.js';
import { BUCKETS, KeyHasher, bucketOf } from '../../src/store/key-hash.js';
import { Keyspace } from '../../src/store/keyspace.js';
import type { NodeId } from '../../src/store/node-id.js';
import type { Disowned, OwnedKeys } from '../../src/store/owned-keys.js';

const origin = 'A' as NodeId;
const hasher = new KeyHasher(new Uint8Array(16));
const limits = { storeBytesMax: 1e9, keysMax: 1e6, policy: 'lru' } as const;

/** Buckets with the digests that a home computes of what is stated. Plain comparisons: expect is slow. */
function countStated(owned: OwnedKeys): number {
  let count = 0;
  let faults = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    const entries = owned.entriesOf(bucket);
    const digest = new KeyDigest();
    for (const { key, hash, claim } of entries) {
      if (bucketOf(hash) !== bucket || owned.claimOf(key) !== claim || owned.find(hash) !== key) faults += 1;
      digest.add(hash, claim);
    }
    count += entries.length;
    const stated = owned.digestOf(bucket) ?? new KeyDigest();
    if (stated.count !== digest.count || stated.value !== digest.value) faults += 1;
  }
  expect(faults).toBe(0);
  return count;
}

describe('the keys that a node owns', () => {
  it('[O1] are stated by bucket with the digest that a home computes', () => {
    const keyspace = new Keyspace(limits, [1, 2], hasher);
    const { owned } = keyspace;
    const keys = Array.from({ length: 20_000 }, (_, i) => `key:${i}`);
    for (const [i, key] of keys.entries()) {
      keyspace.set(key, new Uint8Array(i % 200), 1, origin, 0, 0);
      owned.put(key, hasher.hash(key), i + 1);
    }
    for (const key of keys.slice(0, 5000)) owned.remove(key);
    for (const key of keys.slice(5000, 9000)) owned.put(key, hasher.hash(key), 1_000_000_000_000);
    expect(owned.count).toBe(15_000);
    expect(countStated(owned)).toBe(15_000);
  });

  it('[O4] go with the number of their claim', () => {
    const keyspace = new Keyspace(limits, [1, 2], hasher);
    const { owned } = keyspace;
    expect(owned.claimOf('a')).toBeNull();
    expect(() => owned.put('a', hasher.hash('a'), 5)).toThrow('without an entry');
    keyspace.set('a', new Uint8Array(3), 1, origin, 0, 0);
    owned.put('a', hasher.hash('a'), 5);
    owned.put('a', hasher.hash('a'), 6);
    expect([owned.claimOf('a'), owned.count]).toEqual([6, 1]);
    expect(owned.remove('a')).toEqual({ hash: hasher.hash('a'), claim: 6 });
    expect(owned.remove('a')).toBeNull();
    expect(owned.find(hasher.hash('a'))).toBeNull();
    expect([owned.claimOf('a'), owned.count]).toEqual([null, 0]);
  });

  it('[O1] [O4] are the entries that were put, whatever moves them, makes room of them or ends them', () => {
    const claims = new Map<string, number>();
    const onRemoved = (key: string, gone: Disowned | null): void => {
      expect(gone).toEqual(claims.has(key) ? { hash: hasher.hash(key), claim: claims.get(key) } : null);
      claims.delete(key);
    };
    const keyspace = new Keyspace({ storeBytesMax: 60_000, keysMax: 500, policy: 'lru' }, [1, 2], hasher, onRemoved);
    // Of one bucket, so that lists are long, and of many.
    const crowded = Array.from({ length: 200_000 }, (_, i) => `key:${i}`).filter(
      (key) => bucketOf(hasher.hash(key)) === 7,
    );
    const keys = [...crowded, ...Array.from({ length: 1500 }, (_, i) => `schlüssel:${i}`)];
    let seed = 42;
    const below = (limit: number): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((seed / 2 ** 32) * limit);
    };
    for (let i = 0; i < 50_000; i += 1) {
      const nowMs = i / 10;
      const key = keys[below(2) === 0 ? below(crowded.length) : below(keys.length)] as string;
      const what = below(10);
      if (what < 5) {
        const expiresAtMs = below(10) === 0 ? nowMs + below(2000) : 0;
        keyspace.set(key, new Uint8Array(below(1000) === 0 ? 9000 : below(150)), i, origin, expiresAtMs, nowMs);
      } else if (what < 8) {
        if (keyspace.peekAny(key, nowMs) !== undefined) {
          keyspace.owned.put(key, hasher.hash(key), i + 1);
          claims.set(key, i + 1);
        }
      } else if (what < 9) {
        // Of what has expired, onRemoved hears.
        if (keyspace.delete(key, nowMs)) claims.delete(key);
      } else {
        const claim = keyspace.owned.claimOf(key);
        if (claim !== (claims.get(key) ?? null)) throw new Error(`the claim of ${key} is ${claim}`);
        expect(keyspace.owned.remove(key)?.claim ?? null).toBe(claim);
        claims.delete(key);
      }
    }
    expect(claims.size).toBeGreaterThan(100);
    expect(keyspace.evicted).toBeGreaterThan(1000);
    expect(keyspace.owned.count).toBe(claims.size);
    expect(countStated(keyspace.owned)).toBe(claims.size);
    for (const [key, claim] of claims) expect(keyspace.owned.claimOf(key)).toBe(claim);
    for (const key of keys) keyspace.delete(key, 1e9);
    expect([keyspace.owned.count, countStated(keyspace.owned)]).toEqual([0, 0]);
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
