/**
 * A map that knows which of its keys was used least recently: lru-cache, with its two ways of holding slots chosen by
 * the bound, and its costs that grow with the number of slots avoided.
 */
import { LRUCache } from 'lru-cache';

/**
 * Up to here the slots are allocated ahead (28 bytes each), which is smaller and faster once they fill. Above, they
 * grow with use, so that a generous bound costs an idle node nothing.
 */
const SLOTS_AHEAD_MAX = 65_536;

export class RecentMap<V extends object | string | number> {
  readonly #lru: LRUCache<string, V>;

  /** At most `countMax` keys (at least 1): one more drops the least recently used one. */
  constructor(countMax: number) {
    const max = Math.min(Math.max(Math.floor(countMax), 1), Number.MAX_SAFE_INTEGER);
    this.#lru =
      max <= SLOTS_AHEAD_MAX
        ? new LRUCache<string, V>({ max })
        : new LRUCache<string, V>({ maxSize: max, sizeCalculation: () => 1 });
  }

  get size(): number {
    return this.#lru.size;
  }

  /** The value, which becomes the most recently used one. */
  get(key: string): V | undefined {
    return this.#lru.get(key);
  }

  /** The value, without counting as a use. */
  peek(key: string): V | undefined {
    return this.#lru.peek(key);
  }

  set(key: string, value: V): void {
    this.#lru.set(key, value);
  }

  delete(key: string): boolean {
    // Deleting the only key makes lru-cache clear all slots it ever used; taking it out as the oldest does not.
    if (this.#lru.size === 1 && this.#lru.has(key)) return this.#lru.pop() !== undefined;
    return this.#lru.delete(key);
  }

  /** Removes and returns the value that was used least recently. */
  removeOldest(): V | undefined {
    return this.#lru.pop();
  }
}
