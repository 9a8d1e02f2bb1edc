import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DirectoryTable } from '../../src/store/directory-table.js';
import { KeyDigest } from '../../src/store/key-digest.js';
import { BUCKETS, KeyHasher, bucketOf } from '../../src/store/key-hash.js';
import type { KeyHash } from '../../src/store/key-hash.js';
import type { NodeId } from '../../src/store/node-id.js';

const hasher = new KeyHasher(new Uint8Array(16));
const owners = ['A', 'B', 'C'] as NodeId[];

/** Hashes that crowd few buckets and few starts, so that lists are long and grow. */
function crowded(number: number): KeyHash {
  const hash = hasher.hash(`key:${number}`);
  hash[0] = number % 3;
  hash[1] = 0;
  hash.fill(0, 4, 8);
  hash[4] = number % 5;
  return hash;
}

interface Pair {
  readonly owner: NodeId;
  readonly claim: number;
}

/** The table says what a plain map says, entry by entry and in its sums. */
function compare(table: DirectoryTable, model: ReadonlyMap<number, Pair>): void {
  expect(table.count).toBe(model.size);
  for (const owner of owners) {
    const whole = new KeyDigest();
    const byBucket = new Map<number, KeyDigest>();
    for (const [number, pair] of model) {
      if (pair.owner !== owner) continue;
      const hash = crowded(number);
      whole.add(hash, pair.claim);
      const digest = byBucket.get(bucketOf(hash)) ?? new KeyDigest();
      digest.add(hash, pair.claim);
      byBucket.set(bucketOf(hash), digest);
    }
    expect([table.digestOf(owner).count, table.digestOf(owner).value]).toEqual([whole.count, whole.value]);
    for (const bucket of [0, 1, 2]) {
      const digest = table.bucketDigestOf(bucket, owner);
      const expected = byBucket.get(bucket) ?? new KeyDigest();
      expect([digest.count, digest.value]).toEqual([expected.count, expected.value]);
    }
  }
}

describe('the table of a home', () => {
  it('[V2] holds what a map would hold, through growth, deletes and moves', () => {
    const step = fc.record({
      kind: fc.constantFrom('put', 'put', 'put', 'delete', 'dropBucket', 'dropOwner'),
      number: fc.integer({ min: 0, max: 60 }),
      owner: fc.constantFrom(...owners),
      claim: fc.maxSafeNat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = new DirectoryTable(1 << 20);
        const model = new Map<number, Pair>();
        for (const { kind, number, owner, claim } of steps) {
          const hash = crowded(number);
          if (kind === 'put') {
            expect(table.put(hash, owner, claim)).toBe(true);
            model.set(number, { owner, claim });
          } else if (kind === 'delete') {
            expect(table.delete(hash)).toBe(model.delete(number));
          } else if (kind === 'dropBucket') {
            table.dropBucket(number % 3);
            for (const other of model.keys()) if (other % 3 === number % 3) model.delete(other);
          } else {
            table.dropOwner(owner);
            for (const [other, pair] of model) if (pair.owner === owner) model.delete(other);
          }
          expect(table.get(hash)).toEqual(model.get(number) ?? null);
        }
        compare(table, model);
        for (let number = 0; number <= 60; number += 1) {
          expect(table.get(crowded(number))).toEqual(model.get(number) ?? null);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('[V2] takes at most 64 bytes for a key, and refuses what is beyond its limit', () => {
    const table = new DirectoryTable(1 << 30);
    const keys = 40_000;
    for (let i = 0; i < keys; i += 1) table.put(hasher.hash(`key:${i}`), owners[i % 3] as NodeId, i);
    expect(table.count).toBe(keys);
    expect(table.bytes / keys).toBeLessThan(64);
    const { bytes } = table;
    for (let i = 0; i < keys; i += 2) expect(table.delete(hasher.hash(`key:${i}`))).toBe(true);
    expect([table.count, bytes - table.bytes]).toEqual([keys / 2, (keys / 2) * 32]);
    for (let i = 0; i < keys; i += 1) {
      const claimed = i % 2 === 0 ? null : { owner: owners[i % 3], claim: i };
      expect(table.get(hasher.hash(`key:${i}`))).toEqual(claimed);
    }

    const small = new DirectoryTable(10_000);
    let taken = 0;
    while (small.put(hasher.hash(`key:${taken}`), 'A' as NodeId, taken)) taken += 1;
    expect(taken).toBeGreaterThan(20);
    expect(small.bytes).toBeLessThanOrEqual(10_000);
    expect(small.count).toBe(taken);
    expect(small.put(hasher.hash('key:0'), 'B' as NodeId, 7)).toBe(true);
    expect(small.get(hasher.hash('key:0'))).toEqual({ owner: 'B', claim: 7 });
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) small.dropBucket(bucket);
    expect([small.bytes, small.count]).toEqual([0, 0]);
  });
});
