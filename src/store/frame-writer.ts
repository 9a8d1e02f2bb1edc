/**
 * Writes MessagePack, one value after the other, into a buffer that grows. What was written is lent out by `bytes`
 * until the next write. After `reset` the same memory is used again, unless a large frame has made it large: that is
 * given back, so that no writer keeps more than KEPT_BYTES_MAX.
 */

const INITIAL_BYTES = 1024;
const KEPT_BYTES_MAX = 256 * 1024;
/** A loop beats `set` up to about this many bytes, and `encodeInto`, with the view that it needs, up to more. */
const LOOP_BYTES_MAX = 24;
/** Where the view would have to be made first. */
const RANGE_LOOP_BYTES_MAX = 128;
const LOOP_UNITS_MAX = 64;
const TWO_32 = 2 ** 32;

const utf8 = new TextEncoder();
const scratch = new DataView(new ArrayBuffer(8));

export class FrameWriter {
  #bytes = new Uint8Array(INITIAL_BYTES);
  #length = 0;

  /** Bytes written since the last `reset`. */
  get length(): number {
    return this.#length;
  }

  /** What was written; lent until the next write. */
  get bytes(): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, 0, this.#length);
  }

  reset(): void {
    this.#length = 0;
    if (this.#bytes.length > KEPT_BYTES_MAX) this.#bytes = new Uint8Array(INITIAL_BYTES);
  }

  /** Forgets what was written behind the first `length` bytes. */
  truncate(length: number): void {
    this.#length = length;
  }

  /** A copy of what was written from `start` on. */
  copy(start = 0): Uint8Array {
    return this.#bytes.slice(start, this.#length);
  }

  nil(): void {
    this.#reserve(1);
    this.#put(0xc0);
  }

  boolean(value: boolean): void {
    this.#reserve(1);
    this.#put(value ? 0xc3 : 0xc2);
  }

  /** An integer within 2^53 - 1, in its shortest form. */
  integer(value: number): void {
    this.#reserve(9);
    if (value >= 0) {
      if (value < 0x80) this.#put(value);
      else if (value < 0x100) {
        this.#put(0xcc);
        this.#put(value);
      } else if (value < 0x1_0000) {
        this.#put(0xcd);
        this.#put16(value);
      } else if (value < TWO_32) {
        this.#put(0xce);
        this.#put32(value);
      } else this.#put64(0xcf, Math.floor(value / TWO_32), value % TWO_32);
    } else if (value >= -0x20) this.#put(value + 0x100);
    else if (value >= -0x80) {
      this.#put(0xd0);
      this.#put(value + 0x100);
    } else if (value >= -0x8000) {
      this.#put(0xd1);
      this.#put16(value);
    } else if (value >= -0x8000_0000) {
      this.#put(0xd2);
      this.#put32(value);
    } else {
      const upper = Math.floor(value / TWO_32);
      this.#put64(0xd3, upper, value - upper * TWO_32);
    }
  }

  /** Any integer from -2^63 to 2^64 - 1, in its shortest form. Throws RangeError for others. */
  big(value: bigint): void {
    if (value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER) {
      this.integer(Number(value));
      return;
    }
    if (value < -(2n ** 63n) || value >= 2n ** 64n) throw new RangeError('an integer takes at most 64 bits');
    this.#reserve(9);
    this.#put64(value > 0n ? 0xcf : 0xd3, Number(BigInt.asIntN(32, value >> 32n)), Number(BigInt.asUintN(32, value)));
  }

  float(value: number): void {
    scratch.setFloat64(0, value);
    this.#reserve(9);
    this.#put64(0xcb, scratch.getUint32(0), scratch.getUint32(4));
  }

  /** A uint64 that always takes nine bytes. */
  uint64(upper32: number, lower32: number): void {
    this.#reserve(9);
    this.#put64(0xcf, upper32, lower32);
  }

  /** A uint8 that always takes two bytes. */
  uint8(value: number): void {
    this.#reserve(2);
    this.#put(0xcc);
    this.#put(value);
  }

  /** Half of a surrogate pair is written as U+FFFD, as everywhere in the web. */
  text(value: string): void {
    const units = value.length;
    this.#reserve(5 + 3 * units);
    if (units <= LOOP_UNITS_MAX && this.#shortText(value)) return;
    const start = this.#length;
    // The header goes before a content whose length is known only afterwards: guess, and move where that was wrong.
    const guess = textHeadBytes(units);
    const { written } = utf8.encodeInto(value, this.#bytes.subarray(start + guess));
    const actual = textHeadBytes(written);
    if (actual !== guess) this.#bytes.copyWithin(start + actual, start + guess, start + guess + written);
    this.#textHead(written);
    this.#length += written;
  }

  array(count: number): void {
    this.#reserve(5);
    if (count < 16) this.#put(0x90 | count);
    else this.#head16or32(0xdc, 0xdd, count);
  }

  /** A map of `count` pairs, to be written next. */
  map(count: number): void {
    this.#reserve(5);
    if (count < 16) this.#put(0x80 | count);
    else this.#head16or32(0xde, 0xdf, count);
  }

  bin(bytes: Uint8Array): void {
    this.#reserve(5);
    if (bytes.length < 0x100) {
      this.#put(0xc4);
      this.#put(bytes.length);
    } else this.#head16or32(0xc5, 0xc6, bytes.length);
    this.raw(bytes);
  }

  extension(type: number, bytes: Uint8Array): void {
    const { length } = bytes;
    this.#reserve(6);
    const fixed = length > 0 && length <= 16 && (length & (length - 1)) === 0;
    if (fixed) this.#put(0xd4 + Math.log2(length));
    else if (length < 0x100) {
      this.#put(0xc7);
      this.#put(length);
    } else this.#head16or32(0xc8, 0xc9, length);
    this.#put(type & 0xff);
    this.raw(bytes);
  }

  /** Begins a bin whose content is written next; `endBin` takes what this returns. */
  beginBin(): number {
    const start = this.#length;
    this.#reserve(3);
    this.#length = start + 3;
    return start;
  }

  /** Writes the length of the bin that began at `start`. */
  endBin(start: number): void {
    const length = this.#length - start - 3;
    if (length < 0x1_0000) {
      this.#bytes[start] = 0xc5;
      this.#bytes[start + 1] = length >>> 8;
      this.#bytes[start + 2] = length;
      return;
    }
    this.#reserve(2);
    this.#bytes.copyWithin(start + 5, start + 3, this.#length);
    this.#length = start;
    this.#put(0xc6);
    this.#put32(length);
    this.#length += length;
  }

  /** Encoded MessagePack, as it is. */
  raw(bytes: Uint8Array): void {
    const { length } = bytes;
    this.#reserve(length);
    const target = this.#bytes;
    const start = this.#length;
    if (length <= LOOP_BYTES_MAX) for (let i = 0; i < length; i += 1) target[start + i] = bytes[i] as number;
    else target.set(bytes, start);
    this.#length = start + length;
  }

  /** The same of a part of some bytes, of which no view is made unless it is long. */
  range(bytes: Uint8Array, from: number, to: number): void {
    const length = to - from;
    if (length > RANGE_LOOP_BYTES_MAX) {
      this.raw(bytes.subarray(from, to));
      return;
    }
    this.#reserve(length);
    const target = this.#bytes;
    const start = this.#length;
    for (let i = 0; i < length; i += 1) target[start + i] = bytes[from + i] as number;
    this.#length = start + length;
  }

  /** Overwrites one byte that was written before. */
  patch(position: number, byte: number): void {
    this.#bytes[position] = byte;
  }

  /** Room for `count` more bytes. */
  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed > this.#bytes.length) this.#grow(needed);
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }

  #put(byte: number): void {
    this.#bytes[this.#length] = byte;
    this.#length += 1;
  }

  #put16(value: number): void {
    this.#put(value >> 8);
    this.#put(value);
  }

  #put32(value: number): void {
    const bytes = this.#bytes;
    const start = this.#length;
    bytes[start] = value >>> 24;
    bytes[start + 1] = value >>> 16;
    bytes[start + 2] = value >>> 8;
    bytes[start + 3] = value;
    this.#length = start + 4;
  }

  #put64(head: number, upper32: number, lower32: number): void {
    this.#put(head);
    this.#put32(upper32);
    this.#put32(lower32);
  }

  #head16or32(head16: number, head32: number, count: number): void {
    if (count < 0x1_0000) {
      this.#put(head16);
      this.#put16(count);
    } else {
      this.#put(head32);
      this.#put32(count);
    }
  }

  /** False, with nothing written, if the text isn't ASCII. */
  #shortText(value: string): boolean {
    const units = value.length;
    const bytes = this.#bytes;
    const start = this.#length + textHeadBytes(units);
    for (let i = 0; i < units; i += 1) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return false;
      bytes[start + i] = code;
    }
    this.#textHead(units);
    this.#length += units;
    return true;
  }

  #textHead(length: number): void {
    if (length < 32) this.#put(0xa0 | length);
    else if (length < 0x100) {
      this.#put(0xd9);
      this.#put(length);
    } else this.#head16or32(0xda, 0xdb, length);
  }
}

function textHeadBytes(length: number): number {
  if (length < 32) return 1;
  if (length < 0x100) return 2;
  return length < 0x1_0000 ? 3 : 5;
}
