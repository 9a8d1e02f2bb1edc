/**
 * Count and digest of a set of (key hash, claim number): what an owner states about the keys that it holds for a home,
 * and what the home's table says of that owner. Equal digests mean equal sets, as far as 64 bits can tell: each pair
 * adds a number that depends on all of its bits, and hashes can't be chosen without the swarm's secret.
 */
import { word } from './key-hash.js';
import type { KeyHash } from './key-hash.js';

const HIGH = 2 ** 32;

export class KeyDigest {
  count = 0;
  #low = 0;
  #high = 0;

  add(hash: KeyHash, claim: number): void {
    this.count += 1;
    this.#toggle(hash, claim);
  }

  /** Of a pair that was added. */
  remove(hash: KeyHash, claim: number): void {
    this.count -= 1;
    this.#toggle(hash, claim);
  }

  /** Adds all that another one counts. */
  merge(other: KeyDigest): void {
    this.count += other.count;
    this.#low ^= other.#low;
    this.#high ^= other.#high;
  }

  /** 52 bits of it: they fit a number. */
  get value(): number {
    return (this.#high >>> 12) * HIGH + (this.#low >>> 0);
  }

  /** Exclusive or: its own inverse, whatever the order. */
  #toggle(hash: KeyHash, claim: number): void {
    const low = Math.imul(claim >>> 0, 0x9e3779b1) ^ word(hash, 4);
    const high = Math.imul((claim / HIGH) >>> 0, 0x85ebca6b) ^ word(hash, 8);
    this.#low ^= mix(low ^ mix(high ^ word(hash, 12)));
    this.#high ^= mix(high ^ mix(low ^ word(hash, 0)));
  }
}

function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
  return mixed ^ (mixed >>> 16);
}
