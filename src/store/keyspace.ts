/**
 * The entries that a node stores: key => value, stamp, expiry. It keeps its two limits exactly at all times: the sum
 * of all keys (in UTF-8) and values in bytes, and the number of keys. What is too much is made room for by expired
 * entries first, then by the least recently used ones.
 */
import { Arena } from './arena.js';
import type { Place } from './arena.js';
import { ExpiryHeap } from './expiry-heap.js';
import type { NodeId } from './node-id.js';
import { RecencyList } from './recency-list.js';

export interface Entry {
  /** Bytes of the value; `read` gives them. */
  readonly valueBytes: number;
  /** The stamp: see stamp.ts. */
  readonly time: number;
  readonly origin: NodeId;
  /** Monotonic ms of the owner; 0 = never. From this moment on the entry is absent. */
  readonly expiresAtMs: number;
  /** There is no value: the key was deleted, and that is remembered until the expiry. */
  readonly isTombstone: boolean;
}

export interface KeyspaceLimits {
  readonly storeBytesMax: number;
  readonly keysMax: number;
}

/**
 * An entry, with its places in the list of recency and in the heap of expiries. It is changed in place. What a read
 * needs comes first, so that it shares a line of the processor's cache.
 */
class Item implements Entry {
  expiresAtMs: number;
  valuePlace: Place;
  valueBytes: number;
  isUsed: boolean;
  isTombstone: boolean;
  readonly keyBytes: number;
  readonly key: string;
  time: number;
  origin: NodeId;
  place: number;
  older: Item;
  newer: Item;

  constructor(
    key: string,
    keyBytes: number,
    valueBytes: number,
    valuePlace: Place,
    time: number,
    origin: NodeId,
    expiresAtMs: number,
    isTombstone: boolean,
  ) {
    this.expiresAtMs = expiresAtMs;
    this.valuePlace = valuePlace;
    this.valueBytes = valueBytes;
    this.isUsed = false;
    this.isTombstone = isTombstone;
    this.keyBytes = keyBytes;
    this.key = key;
    this.time = time;
    this.origin = origin;
    this.place = -1;
    this.older = this;
    this.newer = this;
  }
}

const NO_VALUE = new Uint8Array(0);

export class Keyspace {
  /** Told the key of each entry that has come, changed or gone, whatever the reason. */
  onChanged: ((key: string) => void) | null = null;
  readonly #storeBytesMax: number;
  readonly #keysMax: number;
  readonly #onRemoved: (key: string) => void;
  readonly #items = new Map<string, Item>();
  readonly #recency = new RecencyList<Item>();
  readonly #values = new Arena();
  readonly #expiries = new ExpiryHeap<Item>();
  #bytes = 0;
  #evicted = 0;
  #expired = 0;

  /** With either limit at 0 it stores nothing. `onRemoved`: an entry made room or had expired, and is gone. */
  constructor(limits: KeyspaceLimits, onRemoved: (key: string) => void = () => {}) {
    this.#onRemoved = onRemoved;
    this.#storeBytesMax = limits.storeBytesMax;
    this.#keysMax = limits.keysMax;
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

  /** Memory taken for values, in bytes: what they need rounded up, and room that was freed and kept. */
  get valueBytesHeld(): number {
    return this.#values.bytesHeld;
  }

  /** The entry, which counts as used. It is valid until the next change of the keyspace. A tombstone is absent. */
  get(key: string, nowMs: number): Entry | undefined {
    const item = present(this.#items.get(key), nowMs);
    if (item === undefined || item.isTombstone) return undefined;
    item.isUsed = true;
    return item;
  }

  /** The entry, without counting as a use. A tombstone is absent. */
  peek(key: string, nowMs: number): Entry | undefined {
    const item = present(this.#items.get(key), nowMs);
    return item?.isTombstone === true ? undefined : item;
  }

  /** The entry or tombstone, without counting as a use. */
  peekAny(key: string, nowMs: number): Entry | undefined {
    return present(this.#items.get(key), nowMs);
  }

  /** An entry's value, in bytes that stay as they are whatever becomes of the entry. Not to be written to. */
  read(entry: Entry): Uint8Array {
    return this.#values.read((entry as Item).valuePlace, entry.valueBytes);
  }

  /**
   * Stores the entry in place of any former one, and makes room for it. `value` is copied. False, and nothing has changed, if the entry alone is larger than the limits.
   */
  set(key: string, value: Uint8Array, time: number, origin: NodeId, expiresAtMs: number, nowMs: number): boolean {
    return this.#put(key, value, false, time, origin, expiresAtMs, nowMs);
  }

  /** The same for a tombstone, which takes the room of its key. */
  setTombstone(key: string, time: number, origin: NodeId, expiresAtMs: number, nowMs: number): boolean {
    return this.#put(key, NO_VALUE, true, time, origin, expiresAtMs, nowMs);
  }

  #put(
    key: string,
    value: Uint8Array,
    isTombstone: boolean,
    time: number,
    origin: NodeId,
    expiresAtMs: number,
    nowMs: number,
  ): boolean {
    const former = this.#items.get(key);
    const keyBytes = former?.keyBytes ?? utf8Length(key);
    const size = keyBytes + value.length;
    if (size > this.#storeBytesMax || this.#storeBytesMax <= 0 || this.#keysMax < 1) return false;
    if (former !== undefined && present(former, nowMs) !== undefined) {
      former.isTombstone = isTombstone;
      this.#replace(former, value, time, origin, expiresAtMs, nowMs);
      return true;
    }
    if (former !== undefined) this.#removeExpired(former);
    while (this.#items.size >= this.#keysMax || this.#bytes > this.#storeBytesMax - size) this.#makeRoom(nowMs);
    const place = this.#values.put(value);
    const item = new Item(key, keyBytes, value.length, place, time, origin, expiresAtMs, isTombstone);
    this.#items.set(key, item);
    this.#recency.add(item);
    this.#bytes += size;
    if (expiresAtMs !== 0) this.#expiries.add(item);
    this.onChanged?.(key);
    return true;
  }

  /** Changes when the entry expires; it counts as used. Whether it was there. */
  touch(key: string, expiresAtMs: number, nowMs: number): boolean {
    const item = present(this.#items.get(key), nowMs);
    if (item === undefined || item.isTombstone) return false;
    this.#expiries.remove(item);
    item.isUsed = true;
    item.expiresAtMs = expiresAtMs;
    if (expiresAtMs !== 0) this.#expiries.add(item);
    this.onChanged?.(key);
    return true;
  }

  /** Removes the entry or tombstone, of which `onRemoved` does not hear. Whether there was one that had not expired. */
  delete(key: string, nowMs: number): boolean {
    const item = this.#items.get(key);
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

  #replace(item: Item, value: Uint8Array, time: number, origin: NodeId, expiresAtMs: number, nowMs: number): void {
    this.#expiries.remove(item);
    item.isUsed = true;
    this.#bytes += value.length - item.valueBytes;
    item.valuePlace = this.#values.replace(item.valuePlace, value);
    item.valueBytes = value.length;
    item.time = time;
    item.origin = origin;
    item.expiresAtMs = expiresAtMs;
    if (this.#bytes > this.#storeBytesMax) {
      // Alone it fits, and it is not to make room for itself.
      this.#recency.remove(item);
      while (this.#bytes > this.#storeBytesMax) this.#makeRoom(nowMs);
      this.#recency.add(item);
    }
    if (expiresAtMs !== 0) this.#expiries.add(item);
    this.onChanged?.(item.key);
  }

  #makeRoom(nowMs: number): void {
    if (this.expire(nowMs, 1) > 0) return;
    const oldest = this.#recency.oldest();
    if (oldest === undefined) throw new Error('the keyspace counts bytes of entries that it does not have');
    this.#remove(oldest);
    this.#evicted += 1;
    this.#onRemoved(oldest.key);
  }

  #removeExpired(item: Item): void {
    this.#remove(item);
    if (!item.isTombstone) this.#expired += 1;
    this.#onRemoved(item.key);
  }

  #remove(item: Item): void {
    this.#items.delete(item.key);
    this.#recency.remove(item);
    this.#expiries.remove(item);
    this.#values.free(item.valuePlace);
    this.#bytes -= item.keyBytes + item.valueBytes;
    this.onChanged?.(item.key);
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
