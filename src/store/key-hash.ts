/**
 * The hash by which homes know keys: SipHash-2-4 with 128 bits of output (Aumasson and Bernstein, 2012), keyed by what
 * all nodes of a swarm share, so that nobody outside can choose keys that collide or crowd one home (RULES V2).
 * Computed in halves of 32 bits, which is what JavaScript calculates with.
 */

/** 16 bytes. */
export type KeyHash = Uint8Array;

export const HASH_BYTES = 16;

/** Keys are divided into so many buckets; all keys of a bucket have the same home. */
export const BUCKETS = 4096;

const utf8 = new TextEncoder();

export class KeyHasher {
  readonly #k0l: number;
  readonly #k0h: number;
  readonly #k1l: number;
  readonly #k1h: number;
  #text = new Uint8Array(256);
  // The four words of the state, each in a lower and an upper half.
  #v0l = 0;
  #v0h = 0;
  #v1l = 0;
  #v1h = 0;
  #v2l = 0;
  #v2h = 0;
  #v3l = 0;
  #v3h = 0;

  /** `secret`: 16 bytes, the same at all nodes of a swarm. */
  constructor(secret: Uint8Array) {
    if (secret.length !== HASH_BYTES) throw new RangeError(`a secret of ${secret.length} bytes instead of 16`);
    this.#k0l = word(secret, 0);
    this.#k0h = word(secret, 4);
    this.#k1l = word(secret, 8);
    this.#k1h = word(secret, 12);
  }

  /** The hash of the key's UTF-8, in bytes of its own. */
  hash(key: string): KeyHash {
    const length = this.#encode(key);
    return this.hashBytes(this.#text, 0, length);
  }

  /** The hash of `length` bytes from `start` on. */
  hashBytes(bytes: Uint8Array, start: number, length: number): KeyHash {
    this.#v0l = this.#k0l ^ 0x70736575;
    this.#v0h = this.#k0h ^ 0x736f6d65;
    this.#v1l = this.#k1l ^ 0x6e646f6d ^ 0xee;
    this.#v1h = this.#k1h ^ 0x646f7261;
    this.#v2l = this.#k0l ^ 0x6e657261;
    this.#v2h = this.#k0h ^ 0x6c796765;
    this.#v3l = this.#k1l ^ 0x79746573;
    this.#v3h = this.#k1h ^ 0x74656462;
    const end = start + length;
    const whole = end - (length % 8);
    for (let at = start; at < whole; at += 8) this.#absorb(word(bytes, at), word(bytes, at + 4));
    // The last block: what is left, and the length in its highest byte.
    let low = 0;
    let high = (length & 0xff) << 24;
    for (let at = whole; at < end; at += 1) {
      const shift = (at - whole) * 8;
      if (shift < 32) low |= (bytes[at] as number) << shift;
      else high |= (bytes[at] as number) << (shift - 32);
    }
    this.#absorb(low, high);
    const hash = new Uint8Array(HASH_BYTES);
    this.#v2l ^= 0xee;
    this.#squeeze(hash, 0);
    this.#v1l ^= 0xdd;
    this.#squeeze(hash, 8);
    return hash;
  }

  #encode(key: string): number {
    const { length } = key;
    if (this.#text.length < 3 * length) this.#text = new Uint8Array(3 * length);
    const text = this.#text;
    for (let i = 0; i < length; i += 1) {
      const unit = key.charCodeAt(i);
      if (unit > 0x7f) return utf8.encodeInto(key, text).written;
      text[i] = unit;
    }
    return length;
  }

  #absorb(low: number, high: number): void {
    this.#v3l ^= low;
    this.#v3h ^= high;
    this.#round();
    this.#round();
    this.#v0l ^= low;
    this.#v0h ^= high;
  }

  #squeeze(hash: Uint8Array, at: number): void {
    for (let i = 0; i < 4; i += 1) this.#round();
    putWord(hash, at, this.#v0l ^ this.#v1l ^ this.#v2l ^ this.#v3l);
    putWord(hash, at + 4, this.#v0h ^ this.#v1h ^ this.#v2h ^ this.#v3h);
  }

  #round(): void {
    let v0l = this.#v0l >>> 0;
    let v0h = this.#v0h >>> 0;
    let v1l = this.#v1l >>> 0;
    let v1h = this.#v1h >>> 0;
    let v2l = this.#v2l >>> 0;
    let v2h = this.#v2h >>> 0;
    let v3l = this.#v3l >>> 0;
    let v3h = this.#v3h >>> 0;
    let sum = v0l + v1l;
    v0h = (v0h + v1h + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    v0l = sum >>> 0;
    sum = v2l + v3l;
    v2h = (v2h + v3h + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    v2l = sum >>> 0;
    let low = ((v1l << 13) | (v1h >>> 19)) ^ v0l;
    v1h = (((v1h << 13) | (v1l >>> 19)) ^ v0h) >>> 0;
    v1l = low >>> 0;
    low = ((v3l << 16) | (v3h >>> 16)) ^ v2l;
    v3h = (((v3h << 16) | (v3l >>> 16)) ^ v2h) >>> 0;
    v3l = low >>> 0;
    // v0 is rotated by 32 bits: its halves change places.
    low = v0l;
    v0l = v0h;
    v0h = low;
    sum = v2l + v1l;
    v2h = (v2h + v1h + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    v2l = sum >>> 0;
    sum = v0l + v3l;
    v0h = (v0h + v3h + (sum > 0xffffffff ? 1 : 0)) >>> 0;
    v0l = sum >>> 0;
    low = ((v1l << 17) | (v1h >>> 15)) ^ v2l;
    v1h = ((v1h << 17) | (v1l >>> 15)) ^ v2h;
    v1l = low;
    low = ((v3l << 21) | (v3h >>> 11)) ^ v0l;
    v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h;
    v3l = low;
    this.#v0l = v0l;
    this.#v0h = v0h;
    this.#v1l = v1l;
    this.#v1h = v1h;
    this.#v2l = v2h;
    this.#v2h = v2l;
    this.#v3l = v3l;
    this.#v3h = v3h;
  }
}

export function bucketOf(hash: KeyHash): number {
  return ((hash[0] as number) | ((hash[1] as number) << 8)) & (BUCKETS - 1);
}

export function sameHash(a: KeyHash, b: KeyHash): boolean {
  for (let i = 0; i < HASH_BYTES; i += 1) if (a[i] !== b[i]) return false;
  return true;
}

/** The hash as a text, for use as a key: two of its bytes are one unit. */
export function textOf(hash: KeyHash): string {
  const unit = (at: number): number => (hash[at] as number) | ((hash[at + 1] as number) << 8);
  return String.fromCharCode(unit(0), unit(2), unit(4), unit(6), unit(8), unit(10), unit(12), unit(14));
}

/** Four bytes from `at` on, least significant first, as an unsigned integer. */
export function word(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/** The inverse of `word`. */
export function putWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
