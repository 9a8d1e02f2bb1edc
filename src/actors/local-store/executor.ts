/**
 * Executes cache requests on the entries of this node: the local store decides whether a request may be executed here,
 * this file what it does to the key. Invariant: a request is executed whole or not at all, and each change has a stamp
 * above those of all former changes.
 */
import { HybridClock } from '../../store/clock.js';
import type { EntryCopy } from '../../store/entry-copy.js';
import { Keyspace } from '../../store/keyspace.js';
import type { Entry, KeyspaceLimits, OnRemoved } from '../../store/keyspace.js';
import type { KeyHasher } from '../../store/key-hash.js';
import type { NodeId } from '../../store/node-id.js';
import { decodeInteger, encodeInteger } from '../../store/integer-value.js';
import { compareStamps, formatStamp, parseStamp } from '../../store/stamp.js';
import type { Stamp } from '../../store/stamp.js';
import { refused } from '../../transport/message.js';
import type { CacheRequest, ClientReply, MessageOf, RequestId } from '../../transport/message.js';
import type { EntryChange } from '../message.js';
import { refuseForRoom } from '../refusal.js';
import type { Self } from '../runtime/kind.js';

interface Limits extends KeyspaceLimits {
  /** How long and how many deletes are remembered. */
  readonly tombstoneMs: number;
  readonly tombstonesMax: number;
}

/** An entry has changed: with its new value, if it has one, or in a merge with the one that was dropped. */
type OnChange = (kind: EntryChange['kind'], key: string, stamp: Stamp, value: Uint8Array | null) => void;

/** Pause between two lines of the log on entries that made room. */
const EVICTED_AGAIN_MS = 60_000;

const OTHER_STAMP = 'the key has another stamp';

export class Executor {
  readonly keyspace: Keyspace;
  /** Stamps are issued from it: whoever hears a time, tells it. */
  readonly clock: HybridClock;
  readonly counts = {
    gets: 0,
    hits: 0,
    sets: 0,
    deletes: 0,
    touches: 0,
    incrs: 0,
    conflicts: 0,
    overCapacity: 0,
    unburied: 0,
  };
  readonly #node: NodeId;
  readonly #limits: Limits;
  readonly #onRemoved: OnRemoved;
  #onChange: OnChange | null = null;
  /** Entries that had been evicted when one was removed last. */
  #evicted = 0;
  /** Of them, how many the log was told of, and when. */
  #evictedTold = 0;
  #evictedToldMs = -Infinity;
  /** Keys whose delete is remembered, oldest first. */
  readonly #tombstones = new Set<string>();
  readonly #time: Pick<Self<never>, 'now' | 'wallMs' | 'log'>;

  /** `onRemoved` hears of each entry that made room or whose time had come, after it is gone. */
  constructor(
    node: NodeId,
    limits: Limits,
    time: Pick<Self<never>, 'now' | 'wallMs' | 'random' | 'log'>,
    hasher: KeyHasher,
    onRemoved: OnRemoved,
  ) {
    this.#limits = limits;
    this.#onRemoved = (key, owned) => {
      const { evicted } = this.keyspace;
      const kind = evicted > this.#evicted ? 'evict' : 'expire';
      this.#evicted = evicted;
      if (kind === 'evict') this.#tellEvicted();
      const isTombstone = this.#tombstones.delete(key);
      onRemoved(key, owned);
      // Watchers expect stamps that rise, and none has been issued for this.
      if (this.#onChange !== null && !isTombstone) {
        this.#onChange(kind, key, { time: this.clock.tick(time.wallMs()), origin: node }, null);
      }
    };
    this.keyspace = new Keyspace(limits, [time.random.uint32(), time.random.uint32()], hasher, this.#onRemoved);
    this.clock = new HybridClock(node);
    this.#node = node;
    this.#time = time;
  }

  /** Null, and nothing has been done: the key is not here, and `isFinal` does not ask for an answer all the same. */
  execute(request: CacheRequest, isFinal: boolean): ClientReply | null {
    if (request.type === 'get') return this.#get(request, isFinal);
    const nowMs = this.#time.now();
    const known = this.keyspace.peekAny(request.key, nowMs);
    if (known === undefined && !isFinal) {
      this.#clear(request.key);
      return null;
    }
    const entry = known?.isTombstone === true ? undefined : known;
    switch (request.type) {
      case 'set':
        return this.#set(request, entry, nowMs);
      case 'delete':
        return this.#delete(request, entry, nowMs);
      case 'touch':
        return this.#touch(request, nowMs);
      case 'incr':
        return this.#incr(request, entry, nowMs);
      case 'where':
      case 'trace':
        return { type: 'located', id: request.id, info: { owner: entry === undefined ? null : this.#node } };
    }
  }

  /** Whether this node can say what became of the key: there is an entry, or the memory of a delete. */
  knows(key: string): boolean {
    return this.keyspace.peekAny(key, this.#time.now()) !== undefined;
  }

  /** Whether a delete of the key is remembered. */
  remembers(key: string): boolean {
    return this.#tombstones.has(key);
  }

  /** The stamp of the entry, or of the delete that is remembered. */
  stampOf(key: string): Stamp | null {
    const entry = this.keyspace.peekAny(key, this.#time.now());
    return entry === undefined ? null : { time: entry.time, origin: entry.origin };
  }

  /**
   * Takes in what was stored before, an entry or the memory of a delete (no value), with its own stamp. `expiresAtMs`: 0
   * = never. False, and nothing is known of the key: there is no room for it.
   */
  restore(key: string, value: Uint8Array | null, stamp: Stamp, expiresAtMs: number): boolean {
    const nowMs = this.#time.now();
    if (value === null) return this.#bury(key, stamp, expiresAtMs, nowMs);
    if (!this.keyspace.set(key, value, stamp.time, stamp.origin, expiresAtMs, nowMs)) return false;
    this.#tombstones.delete(key);
    return true;
  }

  /** The entry or tombstone as it is now, for another owner; null if there is none. */
  copyOf(key: string, given: number): EntryCopy | null {
    const nowMs = this.#time.now();
    const entry = this.keyspace.peekAny(key, nowMs);
    if (entry === undefined) return null;
    const { time, origin, expiresAtMs } = entry;
    const ttlMs = expiresAtMs === 0 ? 0 : expiresAtMs - nowMs;
    return { key, value: entry.isTombstone ? null : this.keyspace.read(entry), time, origin, ttlMs, given };
  }

  get tombstoneCount(): number {
    return this.#tombstones.size;
  }

  /** Nothing that anybody could have watched has happened here. */
  get isFresh(): boolean {
    const { sets, deletes, incrs } = this.counts;
    return this.keyspace.count === 0 && sets + deletes + incrs === 0;
  }

  /** Whom to tell of changes from now on; null for nobody. */
  attend(onChange: OnChange | null): void {
    this.#onChange = onChange;
  }

  /** The first of them at once, so that whoever wonders where entries went finds out. */
  #tellEvicted(): void {
    const nowMs = this.#time.now();
    if (nowMs - this.#evictedToldMs < EVICTED_AGAIN_MS) return;
    this.#time.log('info', 'the store is full: entries make room for others', {
      evicted: this.#evicted - this.#evictedTold,
      entries: this.keyspace.count,
    });
    this.#evictedTold = this.#evicted;
    this.#evictedToldMs = nowMs;
  }

  /** Removes what is known of the key without remembering it: another node's copy stays. */
  discard(key: string): void {
    const entry = this.#onChange === null ? undefined : this.keyspace.peek(key, this.#time.now());
    if (entry !== undefined) this.#onChange?.('merge', key, stampOf(entry), this.keyspace.read(entry));
    this.giveUp(key);
  }

  /** Removes what another node owns from now on: for whoever watches the key nothing has changed. */
  giveUp(key: string): void {
    this.#tombstones.delete(key);
    this.keyspace.delete(key, this.#time.now());
  }

  /**
   * Removes an entry whose time has come: it is to be told of before another node creates the key, under an earlier stamp
   * than what comes in its place.
   */
  #clear(key: string): void {
    const nowMs = this.#time.now();
    if ((this.keyspace.nextExpiryMs ?? Infinity) <= nowMs) this.keyspace.delete(key, nowMs);
  }

  #get(request: MessageOf<'get'>, isFinal: boolean): ClientReply | null {
    this.counts.gets += 1;
    const entry = this.keyspace.get(request.key, this.#time.now());
    if (entry === undefined) {
      if (isFinal || this.knows(request.key)) return { type: 'missing', id: request.id };
      this.#clear(request.key);
      return null;
    }
    this.counts.hits += 1;
    const meta = request.options.meta === true ? this.#metaOf(entry) : null;
    return { type: 'value', id: request.id, meta, value: this.keyspace.read(entry) };
  }

  #set(request: MessageOf<'set'>, entry: Entry | undefined, nowMs: number): ClientReply {
    this.counts.sets += 1;
    const { id, key, value, options } = request;
    const { ttlMs, if: condition, ifStamp } = options;
    if (condition === 'absent' && entry !== undefined) return this.#conflict(id, entry, 'the key has a value');
    if (condition === 'present' && entry === undefined) return this.#conflict(id, entry, 'the key has no value');
    if (ifStamp !== undefined && !isStampOf(ifStamp, entry)) return this.#conflict(id, entry, OTHER_STAMP);
    const time = this.#store(key, value, ttlMs === undefined ? 0 : nowMs + ttlMs, nowMs);
    if (time === null) return this.#overCapacity(id);
    return { type: 'stored', id, meta: options.meta === true ? { stamp: this.#stampOf(time) } : null };
  }

  #delete(request: MessageOf<'delete'>, entry: Entry | undefined, nowMs: number): ClientReply {
    this.counts.deletes += 1;
    const { id, key, options } = request;
    const { ifStamp } = options;
    if (ifStamp !== undefined && !isStampOf(ifStamp, entry)) return this.#conflict(id, entry, OTHER_STAMP);
    const existed = entry !== undefined;
    // Also where there was nothing: a copy that comes back from a partition or a disk is older (RULES T1).
    const stamp = { time: this.clock.tick(this.#time.wallMs()), origin: this.#node };
    this.#bury(key, stamp, nowMs + this.#limits.tombstoneMs, nowMs);
    if (existed && this.#onChange !== null) this.#onChange('delete', key, stamp, null);
    return { type: 'deleted', id, existed };
  }

  /** Remembers a delete, and forgets the oldest if there are too many. False: there is no room for it. */
  #bury(key: string, { time, origin }: Stamp, expiresAtMs: number, nowMs: number): boolean {
    this.#tombstones.delete(key);
    if (!this.keyspace.setTombstone(key, time, origin, expiresAtMs, nowMs)) {
      this.counts.unburied += 1;
      return false;
    }
    this.#tombstones.add(key);
    if (this.#tombstones.size > this.#limits.tombstonesMax) this.#forgetOldest(nowMs);
    return true;
  }

  #forgetOldest(nowMs: number): void {
    for (const oldest of this.#tombstones) {
      const owned = this.keyspace.owned.remove(oldest);
      this.keyspace.delete(oldest, nowMs);
      this.#onRemoved(oldest, owned);
      return;
    }
  }

  /** The stamp stays: it is the id of the change that stored the value. */
  #touch({ id, key, ttlMs }: MessageOf<'touch'>, nowMs: number): ClientReply {
    this.counts.touches += 1;
    const isPresent = this.keyspace.touch(key, ttlMs === 0 ? 0 : nowMs + ttlMs, nowMs);
    return isPresent ? { type: 'stored', id, meta: null } : { type: 'missing', id };
  }

  /** An absent key counts as 0. What is there keeps its expiry. */
  #incr(request: MessageOf<'incr'>, entry: Entry | undefined, nowMs: number): ClientReply {
    this.counts.incrs += 1;
    const { id, key, by, options } = request;
    const { ttlMs } = options;
    const former = entry === undefined ? 0 : decodeInteger(this.keyspace.read(entry));
    if (former === null) return refused(id, 'TYPE', 'the value is no integer within 2^53', null);
    const sum = former + by;
    if (!Number.isSafeInteger(sum)) return refused(id, 'TYPE', 'the sum is no integer within 2^53', null);
    const value = encodeInteger(sum);
    const expiresAtMs = entry?.expiresAtMs ?? (ttlMs === undefined ? 0 : nowMs + ttlMs);
    if (this.#store(key, value, expiresAtMs, nowMs) === null) return this.#overCapacity(id);
    return { type: 'value', id, meta: null, value };
  }

  /** The time of the change, or null: there is no room for the entry, and none may be made. */
  #store(key: string, value: Uint8Array, expiresAtMs: number, nowMs: number): number | null {
    // What had expired is told of before what comes in its place, under an earlier stamp.
    if (this.#onChange !== null && this.keyspace.peekAny(key, nowMs) === undefined) this.keyspace.delete(key, nowMs);
    const time = this.clock.tick(this.#time.wallMs());
    if (!this.keyspace.set(key, value, time, this.#node, expiresAtMs, nowMs)) return null;
    if (this.#tombstones.size > 0) this.#tombstones.delete(key);
    if (this.#onChange !== null) this.#onChange('set', key, { time, origin: this.#node }, value);
    return time;
  }

  #conflict(id: RequestId, entry: Entry | undefined, text: string): ClientReply {
    this.counts.conflicts += 1;
    return refused(id, 'CONFLICT', text, { stamp: entry === undefined ? null : formatStamp(stampOf(entry)) });
  }

  #overCapacity(id: RequestId): ClientReply {
    this.counts.overCapacity += 1;
    return refuseForRoom(id);
  }

  #stampOf(time: number): string {
    return formatStamp({ time, origin: this.#node });
  }

  #metaOf(entry: Entry): { stamp: string; ttlMs: number | null } {
    const stamp = formatStamp(stampOf(entry));
    const ttlMs = entry.expiresAtMs === 0 ? null : Math.ceil(entry.expiresAtMs - this.#time.now());
    return { stamp, ttlMs };
  }
}

const stampOf = ({ time, origin }: Entry): Stamp => ({ time, origin });

/** A stamp that can't be read is nobody's. */
function isStampOf(text: string, entry: Entry | undefined): boolean {
  const stamp = parseStamp(text);
  return stamp !== null && entry !== undefined && compareStamps(stamp, stampOf(entry)) === 0;
}
