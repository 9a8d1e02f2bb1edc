/**
 * A map of what is under way: entries come and go all the time, and few are there at once. The engine copies a Map in
 * that use again and again; each copy refers to the next one, so that one which has grown old keeps all later ones, with
 * all that was in them, from being collected as young garbage. Here the chain ends whenever nothing is under way.
 */

/** So many entries come before a map that is empty is replaced. */
const RENEWAL_COUNT = 64;

export class TransientMap<K, V> {
  #entries = new Map<K, V>();
  #comeCount = 0;

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    return this.#entries.get(key);
  }

  set(key: K, value: V): void {
    this.#entries.set(key, value);
    this.#comeCount += 1;
  }

  delete(key: K): void {
    this.#entries.delete(key);
    if (this.#entries.size > 0 || this.#comeCount < RENEWAL_COUNT) return;
    this.#entries = new Map();
    this.#comeCount = 0;
  }

  clear(): void {
    this.#entries = new Map();
    this.#comeCount = 0;
  }

  /** In the order in which they came. What comes and goes meanwhile is seen as with a Map, until it is empty. */
  keys(): IterableIterator<K> {
    return this.#entries.keys();
  }

  values(): IterableIterator<V> {
    return this.#entries.values();
  }

  entries(): IterableIterator<[K, V]> {
    return this.#entries.entries();
  }
}
