/**
 * Who was used least recently, by second chance (the CLOCK algorithm): a use leaves a mark on the item and touches
 * nothing else, so that a read of a key that is far from others in memory stays one read. Whoever looks for the oldest
 * passes over marked items once, taking their marks: they come again after all others.
 */
export interface Linked<T> {
  /** Its neighbours, itself while it is in no list. Only the list writes them. */
  older: T;
  newer: T;
  /** It was used since the list last passed over it. Whoever uses it sets this. */
  isUsed: boolean;
}

export class RecencyList<T extends Linked<T>> {
  #newest: T | null = null;

  /** For an item that is in no list. */
  add(item: T): void {
    const newest = this.#newest;
    if (newest !== null) {
      // The newest one's `newer` is the oldest: the ring closes there.
      const oldest = newest.newer;
      item.older = newest;
      item.newer = oldest;
      newest.newer = item;
      oldest.older = item;
    }
    this.#newest = item;
  }

  remove(item: T): void {
    const { older, newer } = item;
    if (older === item) this.#newest = null;
    else {
      older.newer = newer;
      newer.older = older;
      if (item === this.#newest) this.#newest = older;
    }
    item.older = item;
    item.newer = item;
  }

  /** The item to evict: the oldest one that was not used since it was passed over, or added. */
  oldest(): T | undefined {
    let oldest = this.#newest?.newer;
    while (oldest !== undefined && oldest.isUsed) {
      oldest.isUsed = false;
      // The ring turns: the oldest becomes the newest.
      this.#newest = oldest;
      oldest = oldest.newer;
    }
    return oldest;
  }
}
