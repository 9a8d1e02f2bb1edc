/**
 * Copies of small byte ranges that live shortly: a value on its way from a frame into the store, or from the store into
 * a frame. They share blocks, since a buffer of its own for each costs more than all else that is done with it. A block
 * is garbage when the last of its copies is; what is kept for long is copied out of it.
 */
const BLOCK_BYTES = 65_536;
/** Larger ones get a buffer of their own, so that a block holds many. */
const SHARED_BYTES_MAX = 4096;
/** What is copied whole into a block may be larger: a quarter of it at most is left unused for that. */
export const WHOLE_BYTES_MAX = BLOCK_BYTES / 4;
/** Up to here a loop is faster than a call. */
const LOOP_BYTES_MAX = 256;

export class BlockCopier {
  #block = new ArrayBuffer(0);
  #bytes = new Uint8Array(this.#block);
  #view = new DataView(this.#block);
  #used = 0;

  /** The present block. */
  get block(): ArrayBuffer {
    return this.#block;
  }

  /** Copies all of the source, at most WHOLE_BYTES_MAX, into a block; where it begins in what `block` is then. */
  put(source: Uint8Array): number {
    const start = this.#take(source.length);
    copyBytes(source, 0, source.length, this.#bytes, start);
    return start;
  }

  copy(source: Uint8Array, start: number, end: number): Uint8Array {
    const length = end - start;
    // A Buffer's own `slice` makes no copy.
    if (length > SHARED_BYTES_MAX) return new Uint8Array(source.subarray(start, end));
    const copy = this.#reserve(length);
    copyBytes(source, start, end, copy, 0);
    return copy;
  }

  /** The same from a view, with which four bytes take as long as one does without. */
  copyViewed(source: DataView, start: number, end: number): Uint8Array {
    const length = end - start;
    if (length > SHARED_BYTES_MAX) return new Uint8Array(source.buffer, source.byteOffset + start, length).slice();
    const copy = this.#reserve(length);
    const target = this.#view;
    let at = copy.byteOffset;
    let from = start;
    for (; from + 4 <= end; from += 4, at += 4) target.setInt32(at, source.getInt32(from));
    for (; from < end; from += 1, at += 1) target.setUint8(at, source.getUint8(from));
    return copy;
  }

  #reserve(length: number): Uint8Array {
    const start = this.#take(length);
    return new Uint8Array(this.#block, start, length);
  }

  #take(length: number): number {
    if (this.#used + length > this.#block.byteLength) {
      this.#block = new ArrayBuffer(BLOCK_BYTES);
      this.#bytes = new Uint8Array(this.#block);
      this.#view = new DataView(this.#block);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    return start;
  }
}

export function copyBytes(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  if (end - start > LOOP_BYTES_MAX) target.set(source.subarray(start, end), at);
  else for (let from = start, to = at; from < end; from += 1, to += 1) target[to] = source[from] as number;
}
