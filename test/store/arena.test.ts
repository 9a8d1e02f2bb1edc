// Bytes at places: what is put is read until it is freed, whatever happens around it, and memory goes back.

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Arena } from '../../src/store/arena.js';
import type { Place } from '../../src/store/arena.js';
import { BlockCopier } from '../../src/store/block-copier.js';

const filled = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 0xff);
/** Around each border between sizes, and beyond the slots. */
const someLength = fc.oneof(fc.nat(300), fc.integer({ min: 8180, max: 8200 }), fc.constantFrom(0, 4096, 9000));

describe('an arena', () => {
  it('holds what a map would hold, under any order of changes', () => {
    const step = fc.record({ key: fc.nat(20), length: someLength, do: fc.constantFrom('put', 'put', 'free') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const arena = new Arena();
        const held = new Map<number, { place: Place; bytes: Uint8Array }>();
        steps.forEach(({ key, length, do: what }, seed) => {
          const former = held.get(key);
          const bytes = filled(length, seed);
          if (what === 'put') {
            const place = former === undefined ? arena.put(bytes) : arena.replace(former.place, bytes);
            held.set(key, { place, bytes });
          } else if (former !== undefined) {
            arena.free(former.place);
            held.delete(key);
          }
        });
        for (const { place, bytes } of held.values())
          expect(Buffer.compare(arena.read(place, bytes.length), bytes)).toBe(0);
        expect(new Set([...held.values()].map(({ place }) => place)).size).toBe(held.size);
      }),
    );
  });

  it('reads copies: a place that is used again does not change what was read', () => {
    const arena = new Arena();
    const place = arena.put(filled(50, 1));
    const read = arena.read(place, 50);
    arena.free(place);
    expect(arena.put(filled(50, 2))).toBe(place);
    expect(read).toEqual(filled(50, 1));
  });

  it('wastes at most a quarter, and gives back what is empty', () => {
    const arena = new Arena();
    const length = 100;
    const places = Array.from({ length: 20_000 }, (_, i) => arena.put(filled(length, i)));
    expect(arena.bytesHeld).toBeLessThan(20_000 * length * 1.25 + 65_536);
    for (const place of places) arena.free(place);
    expect(arena.bytesHeld).toBeLessThanOrEqual(65_536);
    const large = arena.put(filled(300_000, 1));
    arena.free(large);
    expect(arena.bytesHeld).toBeLessThanOrEqual(65_536);
  });

  it('does not grow under endless overwriting with values of changing sizes', () => {
    const arena = new Arena();
    const places = Array.from({ length: 500 }, (_, i) => arena.put(filled(64, i)));
    for (let i = 0; i < 30_000; i += 1) {
      const at = (i * 7919) % places.length;
      places[at] = arena.replace(places[at] as Place, filled(16 + ((i * 31) % 200), i));
    }
    // Values of up to 216 bytes, and one slab begun for each of the sizes.
    expect(arena.bytesHeld).toBeLessThan(500 * 216 * 1.25 + 16 * 2 * 65_536);
  });
});

describe('a block copier', () => {
  it('copies ranges that share no bytes', () => {
    const copier = new BlockCopier();
    const source = filled(5000, 3);
    const copies = Array.from({ length: 3000 }, (_, i) => copier.copy(source, i, i + (i % 700)));
    const large = copier.copy(source, 0, 5000);
    copies.forEach((copy) => copy.fill(0));
    copies.forEach((copy, i) => copy.set(source.subarray(i, i + (i % 700))));
    copies.forEach((copy, i) => expect(copy.every((byte, j) => byte === source[i + j])).toBe(true));
    expect(large).toEqual(source);
  });
});
