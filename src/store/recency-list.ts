/**
 * Who was used least recently: a ring of linked items in the order of their use. Using, adding and removing one touches
 * its neighbours only, which a general LRU cache does not get below three table look-ups.
 */
export interface Linked<T> {
  /** Its neighbours, itself while it is in no list. Only the list writes them. */
  older: T;
  newer: T;
}

export class RecencyList<T extends Linked<T>> {
  #newest: T | null = null;

  /** The item that was used least recently. */
  get oldest(): T | undefined {
    return this.#newest?.newer;
  }

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

  use(item: T): void {
    if (item === this.#newest) return;
    if (item === this.#newest?.newer) {
      // The oldest becomes the newest by turning the ring.
      this.#newest = item;
      return;
    }
    this.remove(item);
    this.add(item);
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
}
