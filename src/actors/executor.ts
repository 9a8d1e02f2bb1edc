/**
 * Executes cache requests on the entries of this node: the local store decides whether a request may be executed here,
 * this file what it does to the key. Invariant: a request is executed whole or not at all, and each change has a stamp
 * above those of all former changes.
 */
import { HybridClock } from '../store/clock.js';
import { Keyspace } from '../store/keyspace.js';
import type { Entry, KeyspaceLimits } from '../store/keyspace.js';
import type { NodeId } from '../store/node-id.js';
import { formatStamp } from '../store/stamp.js';
import type { Stamp } from '../store/stamp.js';
import { refused } from '../transport/message.js';
import type { CacheRequest, ClientReply, MessageOf } from '../transport/message.js';
import type { Self } from './runtime/kind.js';

interface Limits extends KeyspaceLimits {
  /** How long and how many deletes are remembered. */
  readonly tombstoneMs: number;
  readonly tombstonesMax: number;
}

export class Executor {
  readonly keyspace: Keyspace;
  /** Stamps are issued from it: whoever hears a time, tells it. */
  readonly clock: HybridClock;
  readonly counts = { gets: 0, hits: 0, sets: 0, deletes: 0, overCapacity: 0 };
  readonly #node: NodeId;
  readonly #limits: Limits;
  readonly #onRemoved: (key: string) => void;
  /** Keys whose delete is remembered, oldest first. */
  readonly #tombstones = new Set<string>();
  readonly #time: Pick<Self<never>, 'now' | 'wallMs'>;

  /** `onRemoved` hears of each entry that made room or whose time had come, after it is gone. */
  constructor(
    node: NodeId,
    limits: Limits,
    time: Pick<Self<never>, 'now' | 'wallMs'>,
    onRemoved: (key: string) => void,
  ) {
    this.#limits = limits;
    this.#onRemoved = (key) => {
      this.#tombstones.delete(key);
      onRemoved(key);
    };
    this.keyspace = new Keyspace(limits, this.#onRemoved);
    this.clock = new HybridClock(node);
    this.#node = node;
    this.#time = time;
  }

  /** Null, and nothing has been done: the key is not here, and `isFinal` does not ask for an answer all the same. */
  execute(request: CacheRequest, isFinal: boolean): ClientReply | null {
    if (request.type === 'get') return this.#get(request, isFinal);
    if (!isFinal && !this.knows(request.key)) return null;
    return request.type === 'set' ? this.#set(request) : this.#delete(request);
  }

  /** Whether this node can say what became of the key: there is an entry, or the memory of a delete. */
  knows(key: string): boolean {
    return this.keyspace.peekAny(key, this.#time.now()) !== undefined;
  }

  /** The stamp of the entry, or of the delete that is remembered. */
  stampOf(key: string): Stamp | null {
    const entry = this.keyspace.peekAny(key, this.#time.now());
    return entry === undefined ? null : { time: entry.time, origin: entry.origin };
  }

  get tombstoneCount(): number {
    return this.#tombstones.size;
  }

  /** Removes what is known of the key without remembering it: another node's copy stays. */
  discard(key: string): void {
    this.#tombstones.delete(key);
    this.keyspace.delete(key, this.#time.now());
  }

  #get(request: MessageOf<'get'>, isFinal: boolean): ClientReply | null {
    this.counts.gets += 1;
    const entry = this.keyspace.get(request.key, this.#time.now());
    if (entry === undefined) return isFinal || this.knows(request.key) ? { type: 'missing', id: request.id } : null;
    this.counts.hits += 1;
    const meta = request.options.meta === true ? this.#metaOf(entry) : null;
    return { type: 'value', id: request.id, meta, value: this.keyspace.read(entry) };
  }

  #set(request: MessageOf<'set'>): ClientReply {
    this.counts.sets += 1;
    const { ttlMs } = request.options;
    const nowMs = this.#time.now();
    const time = this.clock.tick(this.#time.wallMs());
    const expiresAtMs = ttlMs === undefined ? 0 : nowMs + ttlMs;
    if (this.#tombstones.size > 0) this.#tombstones.delete(request.key);
    if (!this.keyspace.set(request.key, request.value, time, this.#node, expiresAtMs, nowMs)) {
      this.counts.overCapacity += 1;
      return refused(request.id, 'OVER_CAPACITY', 'the entry is larger than what this node may store', null);
    }
    const meta = request.options.meta === true ? { stamp: formatStamp({ time, origin: this.#node }) } : null;
    return { type: 'stored', id: request.id, meta };
  }

  #delete(request: MessageOf<'delete'>): ClientReply {
    this.counts.deletes += 1;
    const nowMs = this.#time.now();
    const existed = this.keyspace.peek(request.key, nowMs) !== undefined;
    // Also where there was nothing: a copy that comes back from a partition or a disk is older (RULES T1).
    const time = this.clock.tick(this.#time.wallMs());
    this.#bury(request.key, time, nowMs);
    return { type: 'deleted', id: request.id, existed };
  }

  #bury(key: string, time: number, nowMs: number): void {
    this.#tombstones.delete(key);
    if (!this.keyspace.setTombstone(key, time, this.#node, nowMs + this.#limits.tombstoneMs, nowMs)) return;
    this.#tombstones.add(key);
    if (this.#tombstones.size <= this.#limits.tombstonesMax) return;
    for (const oldest of this.#tombstones) {
      this.#tombstones.delete(oldest);
      this.keyspace.delete(oldest, nowMs);
      this.#onRemoved(oldest);
      return;
    }
  }

  #metaOf(entry: Entry): { stamp: string; ttlMs: number | null } {
    const stamp = formatStamp({ time: entry.time, origin: entry.origin });
    const ttlMs = entry.expiresAtMs === 0 ? null : Math.ceil(entry.expiresAtMs - this.#time.now());
    return { stamp, ttlMs };
  }
}
