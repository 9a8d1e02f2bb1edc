// Slots at places: what is taken is held until it is freed, whatever happens around it, and memory goes back.

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Arena, slotOf } from '../../src/store/arena.js';
import type { Place } from '../../src/store/arena.js';
import { BlockCopier } from '../../src/store/block-copier.js';

const filled = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 0xff);
/** Around each border between sizes, and beyond the slots. */
const someLength = fc.oneof(fc.nat(300), fc.integer({ min: 8180, max: 8200 }), fc.constantFrom(0, 4096, 9000));

function bytesAt(arena: Arena, place: Place, length: number): Uint8Array {
  const slab = arena.slab(place);
  const start = slotOf(place) * slab.slotBytes;
  return slab.bytes.subarray(start, start + length);
}

function put(arena: Arena, bytes: Uint8Array): Place {
  const place = arena.take(bytes.length);
  bytesAt(arena, place, bytes.length).set(bytes);
  return place;
}

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
          if (former !== undefined && what === 'put' && arena.suits(former.place, length)) {
            bytesAt(arena, former.place, length).set(bytes);
            held.set(key, { place: former.place, bytes });
            return;
          }
          if (former !== undefined) arena.free(former.place);
          held.delete(key);
          if (what === 'put') held.set(key, { place: put(arena, bytes), bytes });
        });
        for (const { place, bytes } of held.values())
          expect(Buffer.compare(bytesAt(arena, place, bytes.length), bytes)).toBe(0);
        expect(new Set([...held.values()].map(({ place }) => place)).size).toBe(held.size);
      }),
    );
  });

  it('wastes at most a third, and gives back what is empty', () => {
    const arena = new Arena();
    const length = 100;
    const places = Array.from({ length: 20_000 }, (_, i) => put(arena, filled(length, i)));
    expect(arena.bytesHeld).toBeLessThan(20_000 * length * 1.33 + 65_536);
    for (const place of places) arena.free(place);
    // The last slab with room stays.
    expect(arena.bytesHeld).toBeLessThan(20_000 * length * 0.15 + 65_536);
    const before = arena.bytesHeld;
    const large = put(arena, filled(300_000, 1));
    arena.free(large);
    expect(arena.bytesHeld).toBe(before);
  });
});

describe('a block copier', () => {
  it('copies ranges that share no bytes', () => {
    const copier = new BlockCopier();
    const source = filled(5000, 3);
    const view = new DataView(source.buffer);
    const copies = Array.from({ length: 3000 }, (_, i) =>
      i % 2 === 0 ? copier.copy(source, i, i + (i % 700)) : copier.copyViewed(view, i, i + (i % 700)),
    );
    copies.forEach((copy, i) => expect(Buffer.compare(copy, source.subarray(i, i + (i % 700)))).toBe(0));
    const large = copier.copy(source, 0, 5000);
    copies.forEach((copy) => copy.fill(0));
    copies.forEach((copy, i) => copy.set(source.subarray(i, i + (i % 700))));
    copies.forEach((copy, i) => expect(copy.every((byte, j) => byte === source[i + j])).toBe(true));
    expect(large).toEqual(source);
  });
});
