/** Keys found by their hashes, however many of them share a place. */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { NOWHERE } from '../../src/store/arena.js';
import { IndexHash } from '../../src/store/index-hash.js';
import { KeyIndex, PARTS } from '../../src/store/key-index.js';
import type { NodeId } from '../../src/store/node-id.js';
import { Records } from '../../src/store/record.js';

const utf8 = new TextEncoder();
const content = { value: new Uint8Array(0), time: 1, origin: 'A' as NodeId };

it('finds what a map would find, though hashes collide', () => {
  const step = fc.record({ key: fc.nat(60), do: fc.constantFrom('add', 'add', 'remove') });
  // Few hashes, some of which differ only where a part is chosen, or where a slot in it is.
  const hashOf = (key: number): number => ((key % 3) << 29) | (key % 5);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
      const records = new Records();
      const index = new KeyIndex(records);
      const places = new Map<number, number>();
      for (const { key, do: what } of steps) {
        const place = places.get(key);
        const bytes = utf8.encode(`${key}`);
        if (what === 'add' && place === undefined) {
          places.set(key, records.create(bytes, bytes.length, content));
          index.add(hashOf(key), places.get(key) as number);
        } else if (what === 'remove' && place !== undefined) {
          index.remove(hashOf(key), place);
          places.delete(key);
        }
      }
      for (let key = 0; key <= 60; key += 1) {
        const bytes = utf8.encode(`${key}`);
        expect(index.find(hashOf(key), bytes, bytes.length)).toBe(places.get(key) ?? NOWHERE);
      }
      expect(index.size).toBe(places.size);
      const all = Array.from({ length: PARTS }, (_, part) => index.places(part)).flat();
      expect(all.toSorted((a, b) => a - b)).toEqual([...places.values()].toSorted((a, b) => a - b));
    }),
  );
});

it('hashes by the seed, every byte and the length', () => {
  const hash = new IndexHash([0x0302_0100, 0x0706_0504]);
  const bytes = Uint8Array.from({ length: 32 }, (_, i) => i);
  const hashes = Array.from({ length: 32 }, (_, length) => hash.of(bytes, 0, length));
  expect(new Set(hashes).size).toBe(32);
  expect(hash.of(bytes, 4, 9)).toBe(hash.of(bytes.slice(4, 13), 0, 9));
  expect(new IndexHash([1, 2]).of(bytes, 0, 9)).not.toBe(hash.of(bytes, 0, 9));
  for (let i = 0; i < 9; i += 1) {
    const changed = bytes.slice();
    changed[i] = 0xff;
    expect(hash.of(changed, 0, 9)).not.toBe(hash.of(bytes, 0, 9));
  }
});

it('spreads keys that differ little over parts and slots', () => {
  const hash = new IndexHash([5, 6]);
  const counts = Array.from({ length: PARTS }, () => 0);
  for (let i = 0; i < 100 * PARTS; i += 1) {
    const bytes = utf8.encode(`key:${i}`);
    const part = hash.of(bytes, 0, bytes.length) >>> 24;
    counts[part] = (counts[part] as number) + 1;
  }
  expect(Math.min(...counts)).toBeGreaterThan(50);
  expect(Math.max(...counts)).toBeLessThan(160);
});
