/**
 * Base64x64: a 60-bit number as text of up to ten characters, most significant first, trailing zeros dropped, so that
 * the order of texts (by code unit) is the order of numbers. Each number has exactly one text. A JavaScript number
 * can't hold 60 bits, hence the two halves of 30 bits.
 */

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~';
const DIGITS_MAX = 10;
const HALF_LIMIT = 2 ** 30;

/** The value of each ASCII character, or -1. */
const VALUES = new Int8Array(128).fill(-1);
for (let value = 0; value < ALPHABET.length; value += 1) VALUES[ALPHABET.charCodeAt(value)] = value;

/** `hi` and `lo`: the upper and lower 30 bits, each an integer from 0 to 2^30 - 1. Throws RangeError for others. */
export function encodeBase64x64(hi: number, lo: number): string {
  assertHalf(hi);
  assertHalf(lo);
  let text = lo === 0 ? '' : halfText(lo);
  if (hi !== 0 || text !== '') text = halfText(hi) + text;
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 48) end -= 1;
  return end === 0 ? '0' : text.slice(0, end);
}

/** The two halves of the number, or null for anything that `encodeBase64x64` does not write. */
export function decodeBase64x64(text: string): { hi: number; lo: number } | null {
  const { length } = text;
  if (length === 0 || length > DIGITS_MAX) return null;
  if (text.charCodeAt(length - 1) === 48 && length > 1) return null;
  let hi = 0;
  let lo = 0;
  for (let i = 0; i < DIGITS_MAX; i += 1) {
    const value = i < length ? (VALUES[text.charCodeAt(i)] ?? -1) : 0;
    if (value < 0) return null;
    if (i < DIGITS_MAX / 2) hi = hi * 64 + value;
    else lo = lo * 64 + value;
  }
  return { hi, lo };
}

/**
 * The number of up to five digits in those bytes, as the upper digits of 30 bits: what is left out counts as zeros. -1 where
 * something else stands there.
 */
export function readHalf(bytes: Uint8Array, start: number, count: number): number {
  let half = 0;
  for (let i = 0; i < DIGITS_MAX / 2; i += 1) {
    const value = i < count ? (VALUES[bytes[start + i] as number] ?? -1) : 0;
    if (value < 0) return -1;
    half = half * 64 + value;
  }
  return half;
}

function halfText(half: number): string {
  return (
    ALPHABET.charAt(half >>> 24) +
    ALPHABET.charAt((half >>> 18) & 63) +
    ALPHABET.charAt((half >>> 12) & 63) +
    ALPHABET.charAt((half >>> 6) & 63) +
    ALPHABET.charAt(half & 63)
  );
}

function assertHalf(half: number): void {
  if (!Number.isInteger(half) || half < 0 || half >= HALF_LIMIT) throw new RangeError(`${half} is not 30 bits`);
}
