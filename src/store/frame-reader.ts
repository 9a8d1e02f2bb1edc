/**
 * Reads MessagePack out of a borrowed frame, without allocating and without throwing: bytes from the network are a
 * claim. Each read looks at the next value and either takes it or answers that it is something else (null, -1 or NaN)
 * and stays where it was. A declared length is compared with what is left of the frame before anything is done with
 * it, so that a lie costs nothing.
 */
import { BlockCopier, WHOLE_BYTES_MAX } from './block-copier.js';

/** Nesting of arrays and maps in a value, beyond which a message is refused. */
export const VALUE_DEPTH_MAX = 128;

/** What `readHead` found. The payload is in the reader's fields named here. */
export const HEAD = {
  /** Not MessagePack, or cut off. */
  bad: -1,
  nil: 0,
  /** `flag` */
  boolean: 1,
  /** `number`: an integer within 2^53 - 1 */
  integer: 2,
  /** `big`: an integer beyond */
  big: 3,
  /** `number` */
  float: 4,
  /** `length` bytes follow */
  text: 5,
  /** `length` bytes follow */
  bytes: 6,
  /** `extensionType`; `length` bytes follow */
  extension: 7,
  /** `length` values follow */
  array: 8,
  /** `length` pairs of values follow */
  map: 9,
} as const;
export type Head = (typeof HEAD)[keyof typeof HEAD];

/** Texts up to this length are built from their character codes, if they are ASCII. */
const SHORT_TEXT_MAX = 64;
/** Shorter frames hold a message or two, of which what is asked for is copied. */
const WHOLE_BYTES_MIN = 256;
/** The one byte that begins no value. */
const NEVER_USED = 0xc1;
const TWO_32 = 2 ** 32;
const UPPER_HALF_MAX = 2 ** 21;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const lossyUtf8 = new TextDecoder('utf-8', { ignoreBOM: true });
const scratch = new DataView(new ArrayBuffer(8));
/** One array per length, since `apply` takes a whole array. */
const characterCodes = Array.from({ length: SHORT_TEXT_MAX + 1 }, (_, length) => Array.from({ length }, () => 0));

/** Of all readers together: a block of its own for each connection would mostly be idle. */
const copier = new BlockCopier();

/** Bytes of a value that begins with that byte, where this byte says it: of small integers, short texts and numbers. */
const SIZES = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte < 0x80 || byte >= 0xe0) return 1;
  if (byte >= 0xa0 && byte < 0xc0) return 1 + (byte & 0x1f);
  if (byte === 0xc0 || byte === 0xc2 || byte === 0xc3) return 1;
  if (byte === 0xca || byte === 0xcb) return byte === 0xca ? 5 : 9;
  return byte >= 0xcc && byte <= 0xd3 ? 1 + (1 << (byte & 3)) : 0;
});

const NOTHING = new Uint8Array(0);

export class FrameReader {
  #bytes: Uint8Array = NOTHING;
  #position = 0;
  #end = 0;
  /** The frame's copy: where it begins in a block; null until something is copied. */
  #copied: ArrayBuffer | null = null;
  #copiedStart = 0;
  /** Values still to be skipped at each open level. */
  readonly #remaining = new Uint32Array(VALUE_DEPTH_MAX + 1);
  /** Of `big`; the upper half has its sign. */
  #bigUpper = 0;
  #bigLower = 0;

  /** Payload of the last `readHead`. */
  flag = false;
  number = 0;
  length = 0;
  extensionType = 0;

  /** Made when it is asked for: what is only passed over, as the ids of nodes are, is not to cost an allocation. */
  get big(): bigint {
    return (BigInt(this.#bigUpper) << 32n) | BigInt(this.#bigLower);
  }

  /** Begins to read `bytes`, which are borrowed until the next `reset`. */
  reset(bytes: Uint8Array): void {
    // A Buffer is read by a plain view of it, so that the copies are plain too: its `slice` makes none.
    const isPlain = bytes.constructor === Uint8Array;
    this.#bytes = isPlain ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#position = 0;
    this.#end = bytes.length;
    this.#copied = null;
  }

  /** Lets go of the frame. */
  release(): void {
    this.reset(NOTHING);
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get position(): number {
    return this.#position;
  }

  get end(): number {
    return this.#end;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.#end;
  }

  /** The first byte of the next value, or -1 at the end. */
  get nextByte(): number {
    return this.#position < this.#end ? (this.#bytes[this.#position] as number) : -1;
  }

  seek(position: number): void {
    this.#position = position;
  }

  /** Narrows or widens what may be read, within the frame; returns the former end. */
  limit(end: number): number {
    const former = this.#end;
    this.#end = end;
    return former;
  }

  /** The number of elements of the array that begins here, or -1. */
  readArray(): number {
    const bytes = this.#bytes;
    const position = this.#position;
    if (position >= this.#end) return -1;
    const byte = bytes[position] as number;
    if ((byte & 0xf0) === 0x90) return this.#counted(position + 1, byte & 0x0f, 1);
    if (byte === 0xdc) return this.#counted(position + 3, this.#uint(position + 1, 2), 1);
    if (byte === 0xdd) return this.#counted(position + 5, this.#uint(position + 1, 4), 1);
    return -1;
  }

  /** The number of pairs of the map that begins here, or -1. */
  readMap(): number {
    const position = this.#position;
    if (position >= this.#end) return -1;
    const byte = this.#bytes[position] as number;
    if ((byte & 0xf0) === 0x80) return this.#counted(position + 1, byte & 0x0f, 2);
    if (byte === 0xde) return this.#counted(position + 3, this.#uint(position + 1, 2), 2);
    if (byte === 0xdf) return this.#counted(position + 5, this.#uint(position + 1, 4), 2);
    return -1;
  }

  /** An integer within 2^53 - 1, in whatever form, an integral float included; else NaN. */
  readInteger(): number {
    const position = this.#position;
    if (position >= this.#end) return NaN;
    const byte = this.#bytes[position] as number;
    if (byte < 0x80) {
      this.#position = position + 1;
      return byte;
    }
    if (byte >= 0xe0) {
      this.#position = position + 1;
      return byte - 0x100;
    }
    if (byte < 0xca || byte > 0xd3) return NaN;
    if (byte === 0xcc && position + 2 <= this.#end) {
      this.#position = position + 2;
      return this.#bytes[position + 1] as number;
    }
    const head = this.readHead();
    // Zero is added so that a float's -0 becomes an integer's 0.
    if (head === HEAD.integer || (head === HEAD.float && Number.isSafeInteger(this.number))) return this.number + 0;
    this.#position = position;
    return NaN;
  }

  readBoolean(): boolean | null {
    const byte = this.#position < this.#end ? this.#bytes[this.#position] : 0;
    if (byte !== 0xc2 && byte !== 0xc3) return null;
    this.#position += 1;
    return byte === 0xc3;
  }

  /** True, and past it, if nil is next. */
  readNil(): boolean {
    if (this.#position >= this.#end || this.#bytes[this.#position] !== 0xc0) return false;
    this.#position += 1;
    return true;
  }

  /** Bytes of the text that begins here, or -1. `takeText` is to follow. */
  readTextLength(): number {
    const position = this.#position;
    if (position >= this.#end) return -1;
    const byte = this.#bytes[position] as number;
    if ((byte & 0xe0) === 0xa0) return this.#counted(position + 1, byte & 0x1f, 1);
    if (byte === 0xd9) return this.#counted(position + 2, this.#uint(position + 1, 1), 1);
    if (byte === 0xda) return this.#counted(position + 3, this.#uint(position + 1, 2), 1);
    if (byte === 0xdb) return this.#counted(position + 5, this.#uint(position + 1, 4), 1);
    return -1;
  }

  /** The next `length` bytes as text, or null if they are no UTF-8. */
  takeText(length: number): string | null {
    const start = this.#position;
    this.#position = start + length;
    return this.#asciiText(start, length) ?? this.#utf8Text(start, length);
  }

  /** The next `length` bytes as text; what is no UTF-8 becomes U+FFFD. */
  takeTextLossy(length: number): string {
    const start = this.#position;
    this.#position = start + length;
    return this.#asciiText(start, length) ?? lossyUtf8.decode(this.#bytes.subarray(start, start + length));
  }

  /** Text, or null if something else is next, or no UTF-8. */
  readText(): string | null {
    const length = this.readTextLength();
    return length < 0 ? null : this.takeText(length);
  }

  /** Bytes of the bin whose content begins here after the call, or -1. */
  readBinLength(): number {
    const position = this.#position;
    if (position >= this.#end) return -1;
    const byte = this.#bytes[position] as number;
    if (byte === 0xc4) return this.#counted(position + 2, this.#uint(position + 1, 1), 1);
    if (byte === 0xc5) return this.#counted(position + 3, this.#uint(position + 1, 2), 1);
    if (byte === 0xc6) return this.#counted(position + 5, this.#uint(position + 1, 4), 1);
    return -1;
  }

  /** Past a uint64; its halves by `upper32` and `lower32` before the next read. False if something else is next. */
  readUint64(): boolean {
    const position = this.#position;
    if (position + 9 > this.#end || this.#bytes[position] !== 0xcf) return false;
    this.#position = position + 9;
    return true;
  }

  /** Upper half of the uint64 that was just read. */
  get upper32(): number {
    return this.#uint(this.#position - 8, 4);
  }

  /** Lower half of the uint64 that was just read. */
  get lower32(): number {
    return this.#uint(this.#position - 4, 4);
  }

  /** A copy of the bytes between two positions that its holder may keep: it shares no memory. */
  copy(start: number, end: number): Uint8Array {
    return this.#bytes.slice(start, end);
  }

  /** A copy that shares a block with others: cheap, and only for what is soon let go of, or copied again. */
  copyShared(start: number, end: number): Uint8Array {
    // Many small values are copied faster with all that is between them than one by one.
    const { length } = this.#bytes;
    if (length < WHOLE_BYTES_MIN || length > WHOLE_BYTES_MAX) return copier.copy(this.#bytes, start, end);
    if (this.#copied === null) {
      this.#copiedStart = copier.put(this.#bytes);
      this.#copied = copier.block;
    }
    return new Uint8Array(this.#copied, this.#copiedStart + start, end - start);
  }

  /** Takes the head of the next value, of whatever kind; of containers and of what has bytes the content follows. */
  readHead(): Head {
    const position = this.#position;
    if (position >= this.#end) return HEAD.bad;
    const byte = this.#bytes[position] as number;
    const next = position + 1;
    if (byte < 0x80) return this.#integerHead(next, byte);
    if (byte < 0x90) return this.#lengthHead(HEAD.map, next, byte & 0x0f, 2);
    if (byte < 0xa0) return this.#lengthHead(HEAD.array, next, byte & 0x0f, 1);
    if (byte < 0xc0) return this.#lengthHead(HEAD.text, next, byte & 0x1f, 1);
    if (byte >= 0xe0) return this.#integerHead(next, byte - 0x100);
    switch (byte) {
      case 0xc0:
        this.#position = next;
        return HEAD.nil;
      case 0xc2:
      case 0xc3:
        this.#position = next;
        this.flag = byte === 0xc3;
        return HEAD.boolean;
      case 0xc4:
        return this.#lengthHead(HEAD.bytes, next + 1, this.#uint(next, 1), 1);
      case 0xc5:
        return this.#lengthHead(HEAD.bytes, next + 2, this.#uint(next, 2), 1);
      case 0xc6:
        return this.#lengthHead(HEAD.bytes, next + 4, this.#uint(next, 4), 1);
      case 0xc7:
        return this.#extensionHead(next + 1, this.#uint(next, 1));
      case 0xc8:
        return this.#extensionHead(next + 2, this.#uint(next, 2));
      case 0xc9:
        return this.#extensionHead(next + 4, this.#uint(next, 4));
      case 0xca:
        if (next + 4 > this.#end) return HEAD.bad;
        scratch.setUint32(0, this.#uint(next, 4));
        this.number = scratch.getFloat32(0);
        this.#position = next + 4;
        return HEAD.float;
      case 0xcb:
        if (next + 8 > this.#end) return HEAD.bad;
        scratch.setUint32(0, this.#uint(next, 4));
        scratch.setUint32(4, this.#uint(next + 4, 4));
        this.number = scratch.getFloat64(0);
        this.#position = next + 8;
        return HEAD.float;
      case 0xcc:
        return this.#integerHead(next + 1, this.#uint(next, 1));
      case 0xcd:
        return this.#integerHead(next + 2, this.#uint(next, 2));
      case 0xce:
        return this.#integerHead(next + 4, this.#uint(next, 4));
      case 0xcf:
        return this.#integer64Head(next, false);
      case 0xd0:
        return this.#integerHead(next + 1, (this.#uint(next, 1) << 24) >> 24);
      case 0xd1:
        return this.#integerHead(next + 2, (this.#uint(next, 2) << 16) >> 16);
      case 0xd2:
        return this.#integerHead(next + 4, this.#uint(next, 4) | 0);
      case 0xd3:
        return this.#integer64Head(next, true);
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8:
        return this.#extensionHead(next, 1 << (byte - 0xd4));
      case 0xd9:
        return this.#lengthHead(HEAD.text, next + 1, this.#uint(next, 1), 1);
      case 0xda:
        return this.#lengthHead(HEAD.text, next + 2, this.#uint(next, 2), 1);
      case 0xdb:
        return this.#lengthHead(HEAD.text, next + 4, this.#uint(next, 4), 1);
      case 0xdc:
        return this.#lengthHead(HEAD.array, next + 2, this.#uint(next, 2), 1);
      case 0xdd:
        return this.#lengthHead(HEAD.array, next + 4, this.#uint(next, 4), 1);
      case 0xde:
        return this.#lengthHead(HEAD.map, next + 2, this.#uint(next, 2), 2);
      case 0xdf:
        return this.#lengthHead(HEAD.map, next + 4, this.#uint(next, 4), 2);
      default:
        return HEAD.bad;
    }
  }

  /**
   * Steps over one value. False, and back where it was, if it isn't well-formed, is cut off, or nests deeper than
   * `depthMax`, which is at most VALUE_DEPTH_MAX.
   */
  skip(depthMax: number = VALUE_DEPTH_MAX): boolean {
    const start = this.#position;
    const remaining = this.#remaining;
    const bytes = this.#bytes;
    const end = this.#end;
    let position = start;
    let depth = 0;
    let left = 1;
    for (;;) {
      if (left === 0) {
        if (depth === 0) {
          this.#position = position;
          return true;
        }
        depth -= 1;
        left = remaining[depth] as number;
        continue;
      }
      left -= 1;
      // Most of what there is, without a call: small integers and short texts.
      const byte = position < end ? (bytes[position] as number) : NEVER_USED;
      if (byte < 0x80 || byte >= 0xe0) {
        position += 1;
        continue;
      }
      if (byte >= 0xa0 && byte < 0xc0) {
        position += 1 + (byte & 0x1f);
        if (position > end) break;
        continue;
      }
      this.#position = position;
      const inner = this.#step();
      position = this.#position;
      if (inner <= 0) {
        if (inner === 0) continue;
        break;
      }
      // Empty containers are a level too.
      if (depth >= depthMax) break;
      remaining[depth] = left;
      depth += 1;
      left = inner - 1;
    }
    this.#position = start;
    return false;
  }

  /** Past the next `length` bytes if they are that text, and ASCII; else it stays there, and answers false. */
  skipIfSame(text: string, length: number): boolean {
    if (text.length !== length) return false;
    const bytes = this.#bytes;
    const start = this.#position;
    for (let i = 0; i < length; i += 1) {
      const byte = bytes[start + i] as number;
      if (byte > 0x7f || byte !== text.charCodeAt(i)) return false;
    }
    this.#position = start + length;
    return true;
  }

  /** Past the next `length` bytes. False if they are no UTF-8. */
  skipText(length: number): boolean {
    const bytes = this.#bytes;
    const start = this.#position;
    this.#position = start + length;
    let all = 0;
    for (let i = start; i < start + length; i += 1) all |= bytes[i] as number;
    return all <= 0x7f || this.#utf8Text(start, length) !== null;
  }

  /** Like `skip`, at any depth, over so many values. */
  skipDeep(count: number = 1): boolean {
    const bytes = this.#bytes;
    const end = this.#end;
    const start = this.#position;
    let position = start;
    let left = count;
    while (left > 0) {
      const size = position < end ? (SIZES[bytes[position] as number] as number) : 0;
      if (size > 0) {
        position += size;
        left -= 1;
        continue;
      }
      this.#position = position;
      const inner = this.#step();
      position = this.#position;
      // Each value takes a byte at least.
      if (inner < 0 || left > end - position + 1) break;
      left += inner > 0 ? inner - 2 : -1;
    }
    if (left === 0 && position <= end) {
      this.#position = position;
      return true;
    }
    this.#position = start;
    return false;
  }

  /** Past a scalar: 0. Past the head of a container: 1 + the number of values in it. Neither: -1. */
  #step(): number {
    const bytes = this.#bytes;
    const position = this.#position;
    if (position >= this.#end) return -1;
    const byte = bytes[position] as number;
    if (byte < 0x80 || byte >= 0xe0) {
      this.#position = position + 1;
      return 0;
    }
    const head = this.readHead();
    if (head === HEAD.array) return 1 + this.length;
    if (head === HEAD.map) return 1 + 2 * this.length;
    if (head === HEAD.bad) return -1;
    if (head === HEAD.text || head === HEAD.bytes || head === HEAD.extension) this.#position += this.length;
    return 0;
  }

  #integerHead(next: number, value: number): Head {
    if (next > this.#end) return HEAD.bad;
    this.#position = next;
    this.number = value;
    return HEAD.integer;
  }

  #integer64Head(start: number, isSigned: boolean): Head {
    if (start + 8 > this.#end) return HEAD.bad;
    this.#position = start + 8;
    const lower = this.#uint(start + 4, 4);
    let upper = this.#uint(start, 4);
    if (isSigned) upper |= 0;
    if (upper < UPPER_HALF_MAX && (upper > -UPPER_HALF_MAX || (upper === -UPPER_HALF_MAX && lower > 0))) {
      this.number = upper * TWO_32 + lower;
      return HEAD.integer;
    }
    this.#bigUpper = upper;
    this.#bigLower = lower;
    return HEAD.big;
  }

  #extensionHead(next: number, length: number): Head {
    // The type is one more byte.
    if (next >= this.#end || length > this.#end - next - 1) return HEAD.bad;
    this.extensionType = ((this.#bytes[next] as number) << 24) >> 24;
    this.#position = next + 1;
    this.length = length;
    return HEAD.extension;
  }

  #lengthHead(head: Head, next: number, length: number, bytesEach: number): Head {
    if (this.#counted(next, length, bytesEach) < 0) return HEAD.bad;
    this.length = length;
    return head;
  }

  /** Moves to `next` and returns `count`, if that many can be in the rest of the frame; else -1. */
  #counted(next: number, count: number, bytesEach: number): number {
    if (next > this.#end || count * bytesEach > this.#end - next) return -1;
    this.#position = next;
    return count;
  }

  /** Big-endian. What lies behind the end reads as anything: the caller compares the end of what it read. */
  #uint(position: number, size: 1 | 2 | 4): number {
    const bytes = this.#bytes;
    if (position + size > bytes.length) return 0;
    const first = bytes[position] as number;
    if (size === 1) return first;
    const second = bytes[position + 1] as number;
    if (size === 2) return (first << 8) | second;
    return (
      ((first << 24) | (second << 16) | ((bytes[position + 2] as number) << 8) | (bytes[position + 3] as number)) >>> 0
    );
  }

  #asciiText(start: number, length: number): string | null {
    if (length > SHORT_TEXT_MAX) return null;
    const bytes = this.#bytes;
    const codes = characterCodes[length] as number[];
    for (let i = 0; i < length; i += 1) {
      const byte = bytes[start + i] as number;
      if (byte > 0x7f) return null;
      codes[i] = byte;
    }
    return String.fromCharCode.apply(null, codes);
  }

  #utf8Text(start: number, length: number): string | null {
    try {
      return utf8.decode(this.#bytes.subarray(start, start + length));
    } catch {
      return null;
    }
  }
}
