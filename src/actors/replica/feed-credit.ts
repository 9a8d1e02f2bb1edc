/**
 * How much of logs may be on its way from one node to others and not yet confirmed. Each channel may have so much in
 * any case; what goes beyond is lent to whoever asks first, from a sum for all channels of the node. So a single long log
 * goes as fast as disks and links allow, and many at once neither starve one another nor fill the links.
 */

/** Of all channels of a node. */
export class FeedCredit {
  readonly #ownBytes: number;
  readonly #lentBytesMax: number;
  #lentBytes = 0;

  /** What a channel may have on its way whatever the others do, and what all together may have beyond. */
  constructor(ownBytes: number, lentBytesMax: number) {
    this.#ownBytes = ownBytes;
    this.#lentBytesMax = lentBytesMax;
  }

  get lentBytes(): number {
    return this.#lentBytes;
  }

  /** For one channel. */
  open(): ChannelCredit {
    return new ChannelCredit(
      this.#ownBytes,
      (bytes) => {
        this.#lentBytes += bytes;
      },
      () => this.#lentBytes < this.#lentBytesMax,
    );
  }
}

export class ChannelCredit {
  readonly #ownBytes: number;
  readonly #lend: (bytes: number) => void;
  readonly #canLend: () => boolean;
  #bytes = 0;

  constructor(ownBytes: number, lend: (bytes: number) => void, canLend: () => boolean) {
    this.#ownBytes = ownBytes;
    this.#lend = lend;
    this.#canLend = canLend;
  }

  /** More may be sent now. */
  get isLeft(): boolean {
    return this.#bytes < this.#ownBytes || this.#canLend();
  }

  /** So much more is on its way, or, below zero, has been confirmed or given up. */
  add(bytes: number): void {
    const lentBefore = Math.max(0, this.#bytes - this.#ownBytes);
    this.#bytes += bytes;
    const lent = Math.max(0, this.#bytes - this.#ownBytes);
    if (lent !== lentBefore) this.#lend(lent - lentBefore);
  }

  /** Nothing is on its way any more. */
  clear(): void {
    this.add(-this.#bytes);
  }
}
