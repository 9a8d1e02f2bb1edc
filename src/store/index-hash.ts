/**
 * Hashes of keys: HalfSipHash-1-3 (Aumasson, Bernstein), with a secret seed, so that nobody can choose keys that all
 * fall into one place of an index.
 */
export class IndexHash {
  readonly #seed0: number;
  readonly #seed1: number;

  /** Two random numbers of 32 bits. */
  constructor(seed: readonly [number, number]) {
    this.#seed0 = seed[0] | 0;
    this.#seed1 = seed[1] | 0;
  }

  /** A signed number of 32 bits. */
  of(bytes: Uint8Array, start: number, length: number): number {
    let v0 = this.#seed0;
    let v1 = this.#seed1;
    let v2 = 0x6c79_6765 ^ v0;
    let v3 = 0x7465_6462 ^ v1;
    const end = start + length;
    const last = length >> 2;
    // One round for each word, the last of which has the length in it, then three to finish.
    for (let i = 0, at = start; i <= last + 3; i += 1, at += 4) {
      let word = 0;
      if (i < last) {
        word =
          (bytes[at] as number) |
          ((bytes[at + 1] as number) << 8) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 24);
      } else if (i === last) {
        word = length << 24;
        for (let from = at, shift = 0; from < end; from += 1, shift += 8) word |= (bytes[from] as number) << shift;
      } else if (i === last + 1) v2 ^= 0xff;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return v1 ^ v3;
  }
}
