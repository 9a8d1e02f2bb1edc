/**
 * A digest of bytes for comparing what should be equal: two words mixed as in MurmurHash3 (Appleby), 53 bits of them. It
 * finds faults; it is no proof against those who look for collisions.
 */
const utf8 = new TextEncoder();

export class ByteHash {
  #a = 0;
  #b = 0;

  /** Begins anew, from an earlier value. */
  begin(from = 0): this {
    this.#a = (from >>> 0) ^ 0x9e3779b9;
    this.#b = Math.floor(from / 2 ** 32) ^ 0x85ebca6b;
    return this;
  }

  add(bytes: Uint8Array, start = 0, end = bytes.length): this {
    let a = this.#a;
    let b = this.#b;
    for (let i = start; i < end; i += 1) {
      const byte = bytes[i] as number;
      a = Math.imul(a ^ byte, 0x9e3779b1);
      b = Math.imul(b ^ byte, 0x5f356495);
    }
    a = Math.imul(a ^ (a >>> 16) ^ (end - start), 0x85ebca6b);
    b = Math.imul(b ^ (b >>> 15) ^ a, 0xc2b2ae35);
    this.#a = a ^ (b >>> 13);
    this.#b = b ^ (a >>> 16);
    return this;
  }

  addText(text: string): this {
    return this.add(utf8.encode(text));
  }

  get value(): number {
    return (this.#b & 0x1fffff) * 2 ** 32 + (this.#a >>> 0);
  }
}
