/**
 * The entries that a node stores: key => value, stamp, expiry, claim. It keeps its two limits exactly at all times: the
 * sum of all keys (in UTF-8) and values in bytes, and the number of keys. What is too much is made room for by expired
 * entries first, then by the least recently used ones, unless the policy is to refuse. Keys are equal if their UTF-8 is.
 */
import { NOWHERE } from './arena.js';
import type { Place } from './arena.js';
import type { ExpiryHeap } from './expiry-heap.js';
import { IndexHash } from './index-hash.js';
import { KeyIndex, PARTS } from './key-index.js';
import type { KeyHasher } from './key-hash.js';
import type { NodeId } from './node-id.js';
import { OwnedKeys } from './owned-keys.js';
import type { Disowned } from './owned-keys.js';
import { RecencyList } from './recency-list.js';
import { Records } from './record.js';
import type { Content, Entry, Record } from './record.js';

export type { Entry } from './record.js';

/** What becomes of an entry that does not fit: others go for it (those used least recently), or it is refused. */
export type Policy = 'lru' | 'refuse';

/** With what was known of the entry, if this node owned it. */
export type OnRemoved = (key: string, owned: Disowned | null) => void;

export interface KeyspaceLimits {
  readonly storeBytesMax: number;
  readonly keysMax: number;
  readonly policy: Policy;
}

const KEY_ROOM_MIN = 256;

const utf8 = new TextEncoder();

export class Keyspace {
  /** Steps of a scan. */
  static readonly parts = PARTS;

  /** Told the key of each entry that has come, changed or gone, whatever the reason. */
  onChanged: ((key: string) => void) | null = null;

  /** Which of the entries this node owns. Who is no longer an entry is owned no longer. */
  readonly owned: OwnedKeys;

  #storeBytesMax: number;
  #keysMax: number;
  readonly #isRefusing: boolean;
  readonly #onRemoved: OnRemoved;
  readonly #hash: IndexHash;
  readonly #records = new Records();
  readonly #index = new KeyIndex(this.#records);
  readonly #recency = new RecencyList(this.#records);
  readonly #expiries: ExpiryHeap = this.#records.expiries;
  /** What was found last. */
  readonly #found: Record = this.#records.createView();
  /** For looking at others meanwhile. */
  readonly #other: Record = this.#records.createView();
  /** The key that is asked for, in UTF-8, its length, and its hash. */
  #key = new Uint8Array(KEY_ROOM_MIN);
  #keyBytes = 0;
  #keyHash = 0;
  /** The key that was looked for last, if it is the one above and nothing has moved since, and where it was found. */
  #lastKey: string | null = null;
  #lastPlace: Place = NOWHERE;
  #bytes = 0;
  #evicted = 0;
  #expired = 0;

  /**
   * With either limit at 0 it stores nothing. `seed`: two random numbers of 32 bits, see index-hash.ts. `hasher`: by
   * which homes know keys. `onRemoved`: an entry made room or had expired, and is gone.
   */
  constructor(
    limits: KeyspaceLimits,
    seed: readonly [number, number],
    hasher: KeyHasher,
    onRemoved: OnRemoved = () => {},
  ) {
    this.#onRemoved = onRemoved;
    this.#storeBytesMax = limits.storeBytesMax;
    this.#keysMax = limits.keysMax;
    this.#isRefusing = limits.policy === 'refuse';
    this.#hash = new IndexHash(seed);
    this.owned = new OwnedKeys(this.#records, hasher, (key) => this.#find(key));
  }

  /** Bytes in use, with entries that have expired and were not removed yet. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keys in use, with tombstones, and with entries that have expired and were not removed yet. */
  get count(): number {
    return this.#index.size;
  }

  /** Bytes that are left and not reserved; entries that have expired and were not removed yet take room. */
  get freeBytes(): number {
    return this.#storeBytesMax - this.#bytes;
  }

  /** Keys that are left, likewise. */
  get freeKeys(): number {
    return this.#keysMax - this.#index.size;
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
    return this.#expiries.size === 0 ? null : this.#expiries.firstMs;
  }

  /** Memory taken for entries, in bytes: what they need rounded up, and room that was freed and kept. */
  get valueBytesHeld(): number {
    return this.#records.bytesHeld;
  }

  /** The entry, which counts as used. It is valid until the next call. A tombstone is absent. */
  get(key: string, nowMs: number): Entry | undefined {
    const found = this.#present(key, nowMs);
    if (found === undefined || found.isTombstone) return undefined;
    found.markUsed();
    return found;
  }

  /** The entry, without counting as a use. It is valid until the next call. A tombstone is absent. */
  peek(key: string, nowMs: number): Entry | undefined {
    const found = this.#present(key, nowMs);
    return found === undefined || found.isTombstone ? undefined : found;
  }

  /** The entry or tombstone, without counting as a use. It is valid until the next call. */
  peekAny(key: string, nowMs: number): Entry | undefined {
    return this.#present(key, nowMs);
  }

  /** An entry's value, in bytes that stay as they are whatever becomes of the entry. Not to be written to. */
  read(entry: Entry): Uint8Array {
    return this.#records.read(entry as Record);
  }

  /** Whether so much more has room, which only expired entries make. */
  hasRoom(bytes: number, keys: number, nowMs: number): boolean {
    while (this.freeBytes < bytes || this.freeKeys < keys) if (this.expire(nowMs, 1) === 0) return false;
    return true;
  }

  /**
   * Stores the entry in place of any former one, whose claim it keeps, and makes room for it. `value` is copied. False,
   * and nothing has changed: the entry alone is larger than the limits, or, where the policy is to refuse, there is no
   * room for it.
   */
  set(key: string, value: Uint8Array, time: number, origin: NodeId, expiresAtMs: number, nowMs: number): boolean {
    return this.#put(key, { value, time, origin }, expiresAtMs, nowMs);
  }

  /** The same for a tombstone, which takes the room of its key. No entry goes for it: false if there is no room. */
  setTombstone(key: string, time: number, origin: NodeId, expiresAtMs: number, nowMs: number): boolean {
    return this.#put(key, { value: null, time, origin }, expiresAtMs, nowMs);
  }

  /** What the entry would take of the room. */
  sizeOf(key: string, value: Uint8Array | null): number {
    this.#encode(key);
    return this.#keyBytes + (value?.length ?? 0);
  }

  /**
   * Keeps room free for entries that are still to come: it counts as taken. False, and nothing has changed, if there is
   * none without removing entries that have not expired.
   */
  reserve(bytes: number, keys: number, nowMs: number): boolean {
    if (this.#storeBytesMax <= 0 || !this.hasRoom(bytes, keys, nowMs)) return false;
    this.#storeBytesMax -= bytes;
    this.#keysMax -= keys;
    return true;
  }

  /** The inverse of `reserve`. */
  unreserve(bytes: number, keys: number): void {
    this.#storeBytesMax += bytes;
    this.#keysMax += keys;
  }

  /** Changes when the entry expires; it counts as used. Whether it was there. */
  touch(key: string, expiresAtMs: number, nowMs: number): boolean {
    const place = this.#find(key);
    if (place === NOWHERE) return false;
    const found = this.#records.look(this.#found, place);
    if (found.isExpired(nowMs) || found.isTombstone) return false;
    this.#expiries.remove(place);
    found.markUsed();
    if (expiresAtMs !== 0) this.#expiries.add(place, expiresAtMs);
    this.onChanged?.(key);
    return true;
  }

  /** Removes the entry or tombstone, of which `onRemoved` does not hear. Whether there was one that had not expired. */
  delete(key: string, nowMs: number): boolean {
    const place = this.#find(key);
    if (place === NOWHERE) return false;
    const found = this.#records.look(this.#found, place);
    if (found.isExpired(nowMs)) {
      this.#removeExpired(place);
      return false;
    }
    this.#remove(place);
    return true;
  }

  /** Removes entries that have expired, at most `countMax` of them, and returns how many. */
  expire(nowMs: number, countMax: number): number {
    let count = 0;
    for (; count < countMax; count += 1) {
      if (this.#expiries.size === 0 || this.#expiries.firstMs > nowMs) break;
      this.#removeExpired(this.#expiries.first);
    }
    return count;
  }

  /**
   * One step of a scan of all entries and tombstones, from part 0 to `parts` - 1. Between steps anything may change: what
   * is there all the time is visited once. Within a step nothing may. An entry is valid until `visit` returns.
   */
  scan(part: number, nowMs: number, visit: (key: string, entry: Entry) => void): void {
    for (const place of this.#index.places(part)) {
      const other = this.#records.look(this.#other, place);
      if (!other.isExpired(nowMs)) visit(other.key, other);
    }
  }

  #present(key: string, nowMs: number): Record | undefined {
    const place = this.#find(key);
    if (place === NOWHERE) return undefined;
    const found = this.#records.look(this.#found, place);
    return found.isExpired(nowMs) ? undefined : found;
  }

  #find(key: string): Place {
    this.#encode(key);
    this.#keyHash = this.#hash.of(this.#key, 0, this.#keyBytes);
    this.#lastPlace = this.#index.find(this.#keyHash, this.#key, this.#keyBytes);
    this.#lastKey = key;
    return this.#lastPlace;
  }

  #encode(key: string): void {
    this.#lastKey = null;
    const { length } = key;
    if (3 * length > this.#key.length) this.#key = new Uint8Array(3 * length);
    const bytes = this.#key;
    for (let i = 0; i < length; i += 1) {
      const unit = key.charCodeAt(i);
      if (unit > 0x7f) {
        this.#keyBytes = utf8.encodeInto(key, bytes).written;
        return;
      }
      bytes[i] = unit;
    }
    this.#keyBytes = length;
  }

  #put(key: string, content: Content, expiresAtMs: number, nowMs: number): boolean {
    // Whoever sets a key has often looked at its entry just before.
    const former = key === this.#lastKey ? this.#lastPlace : this.#find(key);
    const hash = this.#keyHash;
    const keyBytes = this.#keyBytes;
    const size = keyBytes + (content.value === null ? 0 : content.value.length);
    if (size > this.#storeBytesMax || this.#storeBytesMax <= 0 || this.#keysMax < 1) return false;
    const isFixed = this.#isRefusing || content.value === null;
    if (former !== NOWHERE) {
      const formerSize = this.#records.look(this.#found, former).size;
      if (!this.#found.isExpired(nowMs)) {
        if (isFixed) {
          if (!this.hasRoom(size - formerSize, 0, nowMs)) return false;
          // Whoever heard of a removal may have looked for another key.
          this.#records.look(this.#found, former);
        }
        this.#expiries.remove(former);
        const place = this.#replace(former, formerSize, size, hash, content, nowMs);
        if (expiresAtMs !== 0) this.#expiries.add(place, expiresAtMs);
        this.onChanged?.(key);
        return true;
      }
      this.#removeExpired(former);
    }
    if (isFixed && !this.hasRoom(size, 1, nowMs)) return false;
    while (this.#index.size >= this.#keysMax || this.#bytes > this.#storeBytesMax - size) this.#makeRoom(nowMs);
    // Whoever heard of a removal may have asked for another key.
    this.#encode(key);
    const place = this.#records.create(this.#key, keyBytes, content);
    this.#index.add(hash, place);
    this.#recency.add(place);
    this.#bytes += size;
    if (expiresAtMs !== 0) this.#expiries.add(place, expiresAtMs);
    this.onChanged?.(key);
    return true;
  }

  /** The record's place from then on; it must not expire meanwhile. */
  #replace(former: Place, formerSize: number, size: number, hash: number, content: Content, nowMs: number): Place {
    this.#found.markUsed();
    this.#bytes += size - formerSize;
    const place = this.#records.replace(former, content);
    if (place !== former) {
      this.#lastKey = null;
      this.#index.move(hash, former, place);
      this.#recency.move(former, place);
      this.owned.move(place);
    }
    if (this.#bytes > this.#storeBytesMax) {
      // Alone it fits, and it is not to make room for itself.
      this.#recency.remove(place);
      while (this.#bytes > this.#storeBytesMax) this.#makeRoom(nowMs);
      this.#recency.add(place);
    }
    return place;
  }

  #makeRoom(nowMs: number): void {
    if (this.expire(nowMs, 1) > 0) return;
    const oldest = this.#recency.oldest();
    if (oldest === NOWHERE) throw new Error('the keyspace counts bytes of entries that it does not have');
    const { key } = this.#records.look(this.#other, oldest);
    const owned = this.#remove(oldest);
    this.#evicted += 1;
    this.#onRemoved(key, owned);
  }

  #removeExpired(place: Place): void {
    const { key, isTombstone } = this.#records.look(this.#other, place);
    const owned = this.#remove(place);
    if (!isTombstone) this.#expired += 1;
    this.#onRemoved(key, owned);
  }

  #remove(place: Place): Disowned | null {
    this.#lastKey = null;
    const owned = this.owned.disown(place);
    const other = this.#records.look(this.#other, place);
    const key = this.onChanged === null ? '' : other.key;
    this.#index.remove(other.indexHash(this.#hash), place);
    this.#recency.remove(place);
    this.#expiries.remove(place);
    this.#bytes -= other.size;
    this.#records.free(place);
    this.onChanged?.(key);
    return owned;
  }
}
