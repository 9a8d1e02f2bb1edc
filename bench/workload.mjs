// What every system is asked, so that all of them are asked the same: keys `key:000000` onward, each with one value of
// 64 bytes that follows from its number, chosen uniformly by a seeded generator. A set repeats the value that the key
// already has; so whatever was measured before, every reply to a get can be checked.

export const VALUE_BYTES = 64;
/** Keys are numbered with six digits. */
export const KEYS_MAX = 1_000_000;
/** Ids of one batch are encoded as one byte each. */
export const IN_FLIGHT_MAX = 128;

const KEY_DIGITS = 6;
const KEY_BYTES = 4 + KEY_DIGITS;

export function keyOf(number) {
  return `key:${String(number).padStart(KEY_DIGITS, '0')}`;
}

/** Tells which key it belongs to, and is cheap to make and to check. */
export function valueOf(number) {
  return keyOf(number)
    .repeat(Math.ceil(VALUE_BYTES / KEY_BYTES))
    .slice(0, VALUE_BYTES);
}

/** Integers from 0 to 2^32 - 1: a Weyl sequence, each step mixed by the finaliser of MurmurHash3. */
export function createRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    return (mixed ^ (mixed >>> 16)) >>> 0;
  };
}

/**
 * `count` batches of `inFlight` requests each, encoded ahead. They lie side by side in one block of memory, so that
 * walking through them costs the load generator as little as possible.
 */
export function encodeBatches(protocol, op, inFlight, count, keyCount, seed) {
  const random = createRandom(seed);
  const numbers = Array.from({ length: inFlight }, () => 0);
  const batches = [];
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < inFlight; j++) numbers[j] = random() % keyCount;
    batches.push(protocol.encodeBatch(op, numbers));
  }
  const block = Buffer.concat(batches);
  let at = 0;
  return batches.map(({ length }) => block.subarray(at, (at += length)));
}
