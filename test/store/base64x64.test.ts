import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeBase64x64, encodeBase64x64 } from '../../src/store/base64x64.js';

const half = fc.oneof(
  fc.constantFrom(0, 1, 2 ** 30 - 1),
  fc.nat(2 ** 30 - 1),
  fc.nat(24).map((bit) => 2 ** bit),
);
const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~';

describe('Base64x64', () => {
  it.each([
    [0, 0, '0'],
    [1 << 24, 0, '1'],
    [0, 1, '0000000001'],
    [0, 1 << 24, '000001'],
    [1, 0, '00001'],
    [63 << 24, 0, '~'],
    [2 ** 30 - 1, 2 ** 30 - 1, '~~~~~~~~~~'],
    [(36 << 24) | (37 << 18), 0, '_a'],
  ])('writes %d, %d as %s and reads it back', (hi, lo, text) => {
    expect(encodeBase64x64(hi, lo)).toBe(text);
    expect(decodeBase64x64(text)).toEqual({ hi, lo });
  });

  it('gives back every number', () => {
    fc.assert(
      fc.property(half, half, (hi, lo) => {
        expect(decodeBase64x64(encodeBase64x64(hi, lo))).toEqual({ hi, lo });
      }),
    );
  });

  it('orders texts as numbers', () => {
    fc.assert(
      fc.property(half, half, half, half, fc.boolean(), (hi, lo, otherHi, otherLo, isSameHi) => {
        const hi2 = isSameHi ? hi : otherHi;
        const numeric = Math.sign(hi - hi2 || lo - otherLo);
        const [a, b] = [encodeBase64x64(hi, lo), encodeBase64x64(hi2, otherLo)];
        expect(a === b ? 0 : a < b ? -1 : 1).toBe(numeric);
      }),
    );
  });

  it('reads only what it writes', () => {
    const texts = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.array(fc.constantFrom(...alphabet.split(''), '0', '-'), { maxLength: 12 }).map((digits) => digits.join('')),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const halves = decodeBase64x64(text);
        const isCanonical = text === '0' || (text.length <= 10 && /^[0-9A-Z_a-z~]+$/.test(text) && !text.endsWith('0'));
        expect(halves !== null).toBe(isCanonical);
        if (halves !== null) expect(encodeBase64x64(halves.hi, halves.lo)).toBe(text);
      }),
    );
  });

  it.each(['', '00', '10', 'A-', 'é', 'AAAAAAAAAAA', ' A', 'A\u{1F600}'])('refuses %j', (text) => {
    expect(decodeBase64x64(text)).toBeNull();
  });

  it.each([-1, 0.5, 2 ** 30, Number.NaN])('does not write %d', (half) => {
    expect(() => encodeBase64x64(half, 0)).toThrow(RangeError);
    expect(() => encodeBase64x64(0, half)).toThrow(RangeError);
  });
});
