/**
 * The entries that a node stores: key => value, stamp, expiry. It keeps its two limits exactly at all times: the sum
 * of all keys (in UTF-8) and values in bytes, and the number of keys. What is too much is made room for by expired
 * entries first, then by the least recently used ones.
 */
import { ExpiryHeap } from './expiry-heap.js';
import type { NodeId } from './node-id.js';
import { RecentMap } from './recent-map.js';

export interface Entry {
  readonly value: Uint8Array;
  /** The stamp: see stamp.ts. */
  readonly time: number;
  readonly origin: NodeId;
  /** Monotonic ms of the owner; 0 = never. From this moment on the entry is absent. */
  readonly expiresAtMs: number;
}

interface Item extends Entry {
  readonly key: string;
  /** Bytes counted for key and value. */
  readonly size: number;
  place: number;
}

export class Keyspace {
  readonly #storeBytesMax: number;
  readonly #keysMax: number;
  readonly #items: RecentMap<Item>;
  readonly #expiries = new ExpiryHeap<Item>();
  #bytes = 0;
  #evicted = 0;
  #expired = 0;

  /** With either limit at 0 it stores nothing. */
  constructor(limits: { readonly storeBytesMax: number; readonly keysMax: number }) {
    this.#storeBytesMax = limits.storeBytesMax;
    this.#keysMax = limits.keysMax;
    this.#items = new RecentMap(limits.keysMax);
  }

  /** Bytes in use, with entries that have expired and were not removed yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keys in use, with entries that have expired and were not removed yet. */
  get count(): number {
    return this.#items.size;
  }

  /** Entries removed for room since the start. */
  get evicted(): number {
    return this.#evicted;
  }

  /** Entries removed because they had expired, since the start. */
  get expired(): number {
    return this.#expired;
  }

  /** When `expire` has something to do next; null = never. */
  get nextExpiryMs(): number | null {
    return this.#expiries.first?.expiresAtMs ?? null;
  }

  /** The entry, which becomes the most recently used one. Its value is the keyspace's own: not to be changed. */
  get(key: string, nowMs: number): Entry | undefined {
    return present(this.#items.get(key), nowMs);
  }

  /** The entry, without counting as a use. */
  peek(key: string, nowMs: number): Entry | undefined {
    return present(this.#items.peek(key), nowMs);
  }

  /**
   * Stores the entry in place of any former one, and makes room for it. `value` is kept as it is, not copied: the
   * caller gives it away. False, and nothing has changed, if the entry alone is larger than the limits.
   */
  set(key: string, value: Uint8Array, time: number, origin: NodeId, expiresAtMs: number, nowMs: number): boolean {
    const size = utf8Length(key) + value.length;
    if (size > this.#storeBytesMax || this.#storeBytesMax <= 0 || this.#keysMax < 1) return false;
    const former = this.#takeFormer(key, nowMs);
    const countMax = former === undefined ? this.#keysMax - 1 : this.#keysMax;
    const bytesMax = this.#storeBytesMax - size + (former?.size ?? 0);
    // The former entry is the most recently used one by now, and fits without the others: it is never evicted here.
    while (this.#items.size > countMax || this.#bytes > bytesMax) this.#makeRoom(nowMs);
    if (former !== undefined) {
      this.#expiries.remove(former);
      this.#bytes -= former.size;
    }
    const item: Item = { value, time, origin, expiresAtMs, key, size, place: -1 };
    this.#items.set(key, item);
    this.#bytes += size;
    if (expiresAtMs !== 0) this.#expiries.add(item);
    return true;
  }

  /** Whether it was there (an expired entry was not). */
  delete(key: string, nowMs: number): boolean {
    const item = this.#items.peek(key);
    if (item === undefined) return false;
    if (present(item, nowMs) === undefined) {
      this.#removeExpired(item);
      return false;
    }
    this.#remove(item);
    return true;
  }

  /** Removes entries that have expired, at most `countMax` of them, and returns how many. */
  expire(nowMs: number, countMax: number): number {
    let count = 0;
    for (; count < countMax; count += 1) {
      const first = this.#expiries.first;
      if (first === undefined || present(first, nowMs) !== undefined) break;
      this.#removeExpired(first);
    }
    return count;
  }

  /** The entry that a new one replaces, moved out of the way of eviction. */
  #takeFormer(key: string, nowMs: number): Item | undefined {
    const item = this.#items.get(key);
    if (item === undefined || present(item, nowMs) !== undefined) return item;
    this.#removeExpired(item);
    return undefined;
  }

  #makeRoom(nowMs: number): void {
    if (this.expire(nowMs, 1) > 0) return;
    const oldest = this.#items.removeOldest();
    if (oldest === undefined) throw new Error('the keyspace counts bytes of entries that it does not have');
    this.#expiries.remove(oldest);
    this.#bytes -= oldest.size;
    this.#evicted += 1;
  }

  #removeExpired(item: Item): void {
    this.#remove(item);
    this.#expired += 1;
  }

  #remove(item: Item): void {
    this.#items.delete(item.key);
    this.#expiries.remove(item);
    this.#bytes -= item.size;
  }
}

function present(item: Item | undefined, nowMs: number): Item | undefined {
  return item !== undefined && item.expiresAtMs !== 0 && item.expiresAtMs <= nowMs ? undefined : item;
}

/** Bytes of the text in UTF-8; half of a surrogate pair counts as the three bytes of its replacement. */
function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    bytes += 1;
    if (unit < 0x800) continue;
    bytes += 1;
    if (unit < 0xd800 || unit > 0xdbff) continue;
    const next = text.charCodeAt(i + 1);
    if (next < 0xdc00 || next > 0xdfff) continue;
    // A pair: four bytes for its two units.
    i += 1;
  }
  return bytes;
}
