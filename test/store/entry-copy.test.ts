import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { copyBytesMax, decodeCopies, encodeCopies } from '../../src/store/entry-copy.js';
import type { EntryCopy } from '../../src/store/entry-copy.js';
import { anyCharacter } from '../transport/any-character.js';
import { nodeId } from '../transport/message-arbitrary.js';

const copy: fc.Arbitrary<EntryCopy> = fc.record(
  {
    key: fc.string({ unit: anyCharacter, minLength: 1, maxLength: 30 }).filter((key) => !/\p{Surrogate}/u.test(key)),
    value: fc.option(fc.uint8Array({ maxLength: 200 })),
    time: fc.maxSafeNat(),
    origin: nodeId.filter((id) => id !== '0' && !/^~(~{9})?$/.test(id)),
    ttlMs: fc.oneof(fc.constant(0), fc.maxSafeNat()),
    given: fc.maxSafeNat(),
  },
  { noNullPrototype: true },
);

describe('copies of entries', () => {
  it('are read as they were written, within the bytes that were foretold', () => {
    fc.assert(
      fc.property(fc.array(copy, { maxLength: 8 }), (copies) => {
        const bytes = encodeCopies(copies);
        expect(decodeCopies(bytes)).toEqual(copies);
        let max = 0;
        for (const one of copies) max += copyBytesMax(one);
        expect(bytes.length).toBeLessThanOrEqual(max);
      }),
    );
  });

  it('[T4] round the time that is left up, so that what has not expired does not become eternal', () => {
    const one = { key: 'k', value: null, time: 1, origin: 'A' as EntryCopy['origin'], ttlMs: 0.25, given: 1 };
    expect(decodeCopies(encodeCopies([one]))).toEqual([{ ...one, ttlMs: 1 }]);
  });

  it('that somebody else wrote are null or copies, and never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        const copies = decodeCopies(bytes);
        expect(copies === null || Array.isArray(copies)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(copy, fc.nat(), fc.nat({ max: 255 }), (one, place, byte) => {
        const bytes = encodeCopies([one]);
        bytes[place % bytes.length] = byte;
        for (const { key, origin } of decodeCopies(bytes) ?? []) {
          expect(key.length).toBeGreaterThan(0);
          expect(origin).toMatch(/^[0-9A-Z_a-z~]{1,10}$/);
        }
      }),
    );
    const whole = encodeCopies([
      { key: 'k', value: new Uint8Array(5), time: 1, origin: 'A' as EntryCopy['origin'], ttlMs: 0, given: 1 },
    ]);
    for (let length = 1; length < whole.length; length += 1) expect(decodeCopies(whole.subarray(0, length))).toBeNull();
  });
});
