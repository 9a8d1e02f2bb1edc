/** Gathers the items of a patch or a feed into one encoded array, whose length is known only at the end. */
import { FrameWriter } from './frame-writer.js';
import { formatStamp } from './stamp.js';
import type { NodeId } from './node-id.js';

/** An array's head for up to 2^32 items, and where the number is in it. */
const HEAD = Uint8Array.of(0xdd, 0, 0, 0, 0);

export class ItemsWriter {
  readonly #writer = new FrameWriter();
  #count = 0;
  /** Ops of the run that the last item is to be. */
  #run = 0;

  constructor() {
    this.#begin();
  }

  /** Items so far. */
  get count(): number {
    return this.#count + (this.#run > 0 ? 1 : 0);
  }

  /** Bytes so far. */
  get length(): number {
    return this.#writer.length;
  }

  /** An encoded item. */
  add(bytes: Uint8Array): void {
    this.#endRun();
    this.#writer.raw(bytes);
    this.#count += 1;
  }

  /** Encoded items that lie in those bytes, one behind the other: so many. */
  addRange(bytes: Uint8Array, from: number, to: number, count: number): void {
    this.#endRun();
    this.#writer.range(bytes, from, to);
    this.#count += count;
  }

  /** One more op that the receiver has. */
  skip(): void {
    this.#run += 1;
  }

  mention(origin: NodeId, time: number): void {
    this.#endRun();
    this.#writer.array(1);
    this.#writer.text(formatStamp({ time, origin }));
    this.#count += 1;
  }

  /** The items as one value, in memory of its own; begins anew. */
  take(): Uint8Array {
    this.#endRun();
    const count = this.#count;
    for (let i = 0; i < 4; i += 1) this.#writer.patch(1 + i, (count >>> (24 - 8 * i)) & 0xff);
    const items = this.#writer.copy();
    this.#begin();
    return items;
  }

  #begin(): void {
    this.#writer.reset();
    this.#writer.raw(HEAD);
    this.#count = 0;
  }

  #endRun(): void {
    if (this.#run === 0) return;
    this.#writer.array(1);
    this.#writer.integer(this.#run);
    this.#run = 0;
    this.#count += 1;
  }
}
