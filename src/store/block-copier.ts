/**
 * Copies of small byte ranges that live shortly: a value on its way from a frame into the store, or from the store into
 * a frame. They share blocks, since a buffer of its own for each costs more than all else that is done with it. A block
 * is garbage when the last of its copies is; what is kept for long is copied out of it.
 */
const BLOCK_BYTES = 65_536;
/** Larger ones get a buffer of their own, so that a block holds many. */
const SHARED_BYTES_MAX = 4096;
/** Up to here a loop is faster than a call. */
const LOOP_BYTES_MAX = 256;

export class BlockCopier {
  #block = new ArrayBuffer(0);
  #view = new DataView(this.#block);
  #used = 0;

  copy(source: Uint8Array, start: number, end: number): Uint8Array {
    const length = end - start;
    if (length > SHARED_BYTES_MAX) return source.slice(start, end);
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
    if (this.#used + length > this.#block.byteLength) {
      this.#block = new ArrayBuffer(BLOCK_BYTES);
      this.#view = new DataView(this.#block);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    return new Uint8Array(this.#block, start, length);
  }
}

export function copyBytes(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  if (end - start > LOOP_BYTES_MAX) target.set(source.subarray(start, end), at);
  else for (let from = start, to = at; from < end; from += 1, to += 1) target[to] = source[from] as number;
}
