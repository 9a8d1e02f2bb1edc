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
  #used = 0;

  copy(source: Uint8Array, start: number, end: number): Uint8Array {
    const length = end - start;
    if (length > SHARED_BYTES_MAX) return source.slice(start, end);
    if (this.#used + length > this.#block.byteLength) {
      this.#block = new ArrayBuffer(BLOCK_BYTES);
      this.#used = 0;
    }
    const copy = new Uint8Array(this.#block, this.#used, length);
    this.#used += length;
    copyBytes(source, start, end, copy, 0);
    return copy;
  }
}

export function copyBytes(source: Uint8Array, start: number, end: number, target: Uint8Array, at: number): void {
  if (end - start > LOOP_BYTES_MAX) target.set(source.subarray(start, end), at);
  else for (let from = start, to = at; from < end; from += 1, to += 1) target[to] = source[from] as number;
}
