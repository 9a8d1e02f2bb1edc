/**
 * Executes cache requests on the entries of this node: the local store decides whether a request may be executed here,
 * this file what it does to the key. Invariant: a request is executed whole or not at all, and each change has a stamp
 * above those of all former changes.
 */
import { HybridClock } from '../store/clock.js';
import { Keyspace } from '../store/keyspace.js';
import type { Entry } from '../store/keyspace.js';
import type { NodeId } from '../store/node-id.js';
import { formatStamp } from '../store/stamp.js';
import { refused } from '../transport/message.js';
import type { CacheRequest, ClientReply, MessageOf } from '../transport/message.js';
import type { Self } from './runtime/kind.js';

export class Executor {
  readonly keyspace: Keyspace;
  /** Stamps are issued from it: whoever hears a time, tells it. */
  readonly clock: HybridClock;
  readonly counts = { gets: 0, hits: 0, sets: 0, deletes: 0, overCapacity: 0 };
  readonly #node: NodeId;
  readonly #time: Pick<Self<never>, 'now' | 'wallMs'>;

  constructor(
    node: NodeId,
    limits: { readonly storeBytesMax: number; readonly keysMax: number },
    time: Pick<Self<never>, 'now' | 'wallMs'>,
  ) {
    this.keyspace = new Keyspace(limits);
    this.clock = new HybridClock(node);
    this.#node = node;
    this.#time = time;
  }

  /** Null, and nothing has been done: the key is not here, and `isFinal` does not ask for an answer all the same. */
  execute(request: CacheRequest, isFinal: boolean): ClientReply | null {
    if (request.type === 'get') return this.#get(request, isFinal);
    if (!isFinal && !this.has(request.key)) return null;
    return request.type === 'set' ? this.#set(request) : this.#delete(request);
  }

  has(key: string): boolean {
    return this.keyspace.peek(key, this.#time.now()) !== undefined;
  }

  #get(request: MessageOf<'get'>, isFinal: boolean): ClientReply | null {
    this.counts.gets += 1;
    const entry = this.keyspace.get(request.key, this.#time.now());
    if (entry === undefined) return isFinal ? { type: 'missing', id: request.id } : null;
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
    if (!this.keyspace.set(request.key, request.value, time, this.#node, expiresAtMs, nowMs)) {
      this.counts.overCapacity += 1;
      return refused(request.id, 'OVER_CAPACITY', 'the entry is larger than what this node may store', null);
    }
    const meta = request.options.meta === true ? { stamp: formatStamp({ time, origin: this.#node }) } : null;
    return { type: 'stored', id: request.id, meta };
  }

  #delete(request: MessageOf<'delete'>): ClientReply {
    this.counts.deletes += 1;
    return { type: 'deleted', id: request.id, existed: this.keyspace.delete(request.key, this.#time.now()) };
  }

  #metaOf(entry: Entry): { stamp: string; ttlMs: number | null } {
    const stamp = formatStamp({ time: entry.time, origin: entry.origin });
    const ttlMs = entry.expiresAtMs === 0 ? null : Math.ceil(entry.expiresAtMs - this.#time.now());
    return { stamp, ttlMs };
  }
}
