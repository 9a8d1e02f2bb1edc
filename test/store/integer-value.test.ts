import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeInteger, encodeInteger } from '../../src/store/integer-value.js';
import { packValue } from '../../src/transport/msgpack.js';
import { encodedValue } from '../transport/encoded-value.js';

const EDGES = [0x1f, 0x20, 0x7f, 0x80, 0xff, 2 ** 15, 2 ** 16, 2 ** 31, 2 ** 32, 2 ** 53 - 2];
const integer = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -300, max: 300 }),
  fc.constantFrom(...EDGES.flatMap((edge) => [edge - 1, edge, edge + 1, -edge - 1, -edge, -edge + 1])),
);

describe('an integer value', () => {
  it('is written as everybody writes it, and read again', () => {
    fc.assert(
      fc.property(integer, (number) => {
        const value = encodeInteger(number);
        expect([...value]).toEqual([...packValue(number + 0)]);
        expect(decodeInteger(value)).toBe(number + 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('is read in every form, and is nothing else', () => {
    fc.assert(
      fc.property(encodedValue, (value) => {
        expect(decodeInteger(value)).toBe(integerOf(value));
      }),
      { numRuns: 5000 },
    );
  });

  it.each([2 ** 53, 1.5, NaN, -Infinity])('%p is none', (number) => {
    expect(() => encodeInteger(number)).toThrow(RangeError);
  });
});

/** By the table of the MessagePack specification, for values that are well-formed. */
function integerOf(value: Uint8Array): number | null {
  const [head = 0] = value;
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const number =
    head <= 0x7f || head >= 0xe0
      ? view.getInt8(0)
      : head === 0xca
        ? view.getFloat32(1)
        : head === 0xcb
          ? view.getFloat64(1)
          : head >= 0xcc && head <= 0xd3
            ? bigOf(value.subarray(1), head >= 0xd0)
            : NaN;
  return Number.isSafeInteger(number) ? number + 0 : null;
}

function bigOf(bytes: Uint8Array, isSigned: boolean): number {
  let big = 0n;
  for (const byte of bytes) big = big * 256n + BigInt(byte);
  return Number(isSigned ? BigInt.asIntN(bytes.length * 8, big) : big);
}
