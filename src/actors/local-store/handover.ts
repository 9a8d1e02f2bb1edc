/**
 * The side of the node that leaves (RULES H1, H2): it gives its entries to the nearest others that store, batch by batch.
 * An entry that is being given is frozen: requests for it wait. The other node makes its copy active when the key's home
 * has switched the key to it, and says so; then the entry is dropped here, and requests for it are sent on. What was not
 * taken is free again, and given once more. A part of the local store, not an actor of its own.
 *
 * Until this node has heard that the other copy is active it keeps its own and states it to the homes (O1). If the other
 * node vanishes before the time for leaving is over, it takes the key back under a new number, so that what still comes of
 * the former attempt does not count (O4).
 */
import { copyBytesMax, encodeCopies } from '../../store/entry-copy.js';
import type { EntryCopy } from '../../store/entry-copy.js';
import { BUCKETS } from '../../store/key-hash.js';
import type { NodeId } from '../../store/node-id.js';
import type { OwnedKeys } from '../../store/owned-keys.js';
import { TAKING } from '../../store/taking.js';
import type { Key, MessageOf } from '../../transport/message.js';
import type { Emptied, Members } from '../message.js';
import type { Log } from '../runtime/env.js';
import type { StoreHost } from './store-host.js';
import type { ReplyRecord } from './takeover.js';

/** What a hand-over needs of the store that it is a part of. */
export interface HandoverHost extends StoreHost {
  readonly log: Log;
  /** Null: the entry is gone, or its home compares it with another one. */
  copyOf(key: Key, claim: number): EntryCopy | null;
  recordsOf(keys: { has(key: Key): boolean }): ReplyRecord[];
  /** The key is owned here again, under a new number. */
  claimAnew(key: Key): void;
  /** The key has another owner: what is here of it goes. */
  drop(key: Key): void;
  /** Copies from others that are not active here yet. */
  incomingCount(): number;
  /** Entries with a value. */
  entryCount(): number;
  emptied(end: Emptied): void;
}

/** Entries that were sent to a node at once. */
interface Batch {
  readonly number: number;
  readonly target: NodeId;
  readonly keys: readonly Key[];
  /** Those whose fate is not known yet. */
  readonly open: Set<Key>;
  readonly bytes: number;
  readonly records: readonly ReplyRecord[];
  /** Null: they have arrived. */
  copies: Uint8Array | null;
  sentAtMs: number;
}

interface Target {
  readonly node: NodeId;
  hops: number;
  /** Batches under way to it. */
  batchCount: number;
  /** Until then it is not asked again, in monotonic ms: it had no room, or took nothing. */
  restsUntilMs: number;
  hasRoom: boolean;
}

const BATCH_BYTES = 256 * 1024;
const BATCH_KEYS_MAX = 512;
/** Batches under way to one node: it works on one while the other travels. More of them only make requests wait longer. */
const TARGET_BATCHES_MAX = 2;
/** Nodes that get entries at one time. */
const TARGETS_MAX = 3;
/** Bytes under way in all, beyond one entry: much less than what a link may hold back. */
const BYTES_MAX = 4 * 1024 * 1024;
/** Batches sent in one turn, so that it stays a short one. */
const TURN_BATCHES_MAX = 4;
const AGAIN_MS = 500;
/** Pause before what was not taken is given once more. */
const PASS_AGAIN_MS = 50;
/** Pause before a node without room is asked again. */
const REST_MS = 500;
/** Share of `drainMs` after which no more is waited for: the node has to say farewell as well. */
const DEADLINE_SHARE = 0.9;
const PROGRESS_MS = 1000;
const BATCHES_PER_MS = 1024;

export class Handover {
  readonly #host: HandoverHost;
  readonly #owned: OwnedKeys;
  readonly #drainMs: number;
  readonly #targets = new Map<NodeId, Target>();
  /** Nodes that could have taken entries and vanished meanwhile, without leaving. They may come back. */
  readonly #vanished = new Set<NodeId>();
  readonly #batches = new Map<number, Batch>();
  /** Keys that are frozen because they are being given. */
  readonly #given = new Map<Key, Batch>();
  /** Who has got the keys that were here. */
  readonly #moved = new Map<Key, NodeId>();
  #bytes = 0;
  #lastBatch: number;
  #status: 'idle' | 'giving' | 'ended' = 'idle';
  #startedMs = 0;
  #deadlineMs = Infinity;
  #toldMs = 0;
  #fault: string | null = null;
  /** The bucket whose keys are next, and those of the one before that are still to be given. */
  #bucket = BUCKETS;
  #queue: { readonly key: Key; readonly claim: number }[] = [];
  #passAtMs = 0;
  readonly counts = { handedOver: 0, handoversRefused: 0, handoversUndone: 0, handoversCrossed: 0 };

  constructor(host: HandoverHost, owned: OwnedKeys, drainMs: number, incarnation: number) {
    this.#host = host;
    this.#owned = owned;
    this.#drainMs = drainMs;
    this.#lastBatch = incarnation * BATCHES_PER_MS;
  }

  get isGiving(): boolean {
    return this.#given.size > 0;
  }

  isGiven(key: Key): boolean {
    return this.#given.has(key);
  }

  /** Who has got the key from here; null: it was not handed over. */
  movedTo(key: Key): NodeId | null {
    return this.#moved.size === 0 ? null : (this.#moved.get(key) ?? null);
  }

  start(): void {
    const nowMs = this.#host.now();
    this.#status = 'giving';
    this.#startedMs = this.#toldMs = nowMs;
    this.#deadlineMs = nowMs + this.#drainMs * DEADLINE_SHARE;
    this.#host.remindWithin(this.#drainMs * DEADLINE_SHARE);
    this.remind();
  }

  /** The entry made room, its time came, or its home has decided for another copy. */
  forget(key: Key): void {
    const batch = this.#given.get(key);
    if (batch === undefined) return;
    this.#given.delete(key);
    batch.open.delete(key);
    if (batch.open.size === 0) this.#endBatch(batch);
  }

  onMembers({ members }: Members): void {
    // The view changes while copies are on their way.
    if (this.#batches.size > 0) this.counts.handoversCrossed += 1;
    const stores = new Map(members.map((member) => [member.node, member]));
    for (const { node, isStore, hops } of members) {
      if (!isStore || node === this.#host.node) continue;
      const target = this.#targets.get(node);
      this.#vanished.delete(node);
      if (target !== undefined) target.hops = hops;
      else this.#targets.set(node, { node, hops, batchCount: 0, restsUntilMs: 0, hasRoom: true });
    }
    for (const { node } of this.#targets.values()) {
      const member = stores.get(node);
      if (member?.isStore === true) continue;
      this.#targets.delete(node);
      if (member === undefined && this.#status === 'giving') this.#vanished.add(node);
    }
    // When its time is over this node goes, its links before the store: whom it sees no more may have the copies, and may
    // serve them from now on.
    if (this.#status === 'ended') return;
    for (const batch of this.#batches.values()) if (!stores.has(batch.target)) this.#takeBack(batch);
    if (this.#status === 'giving') this.#host.remindWithin(1);
  }

  onTaken({ from, number, states }: MessageOf<'taken'>): void {
    const batch = this.#batches.get(number);
    if (batch === undefined || batch.target !== from) return;
    if (states.length !== batch.keys.length) {
      // It does not know of the batch.
      if (states.length === 0) this.#send(batch);
      return;
    }
    batch.copies = null;
    const target = this.#targets.get(from);
    const nowMs = this.#host.now();
    for (const [i, key] of batch.keys.entries()) {
      if (states[i] === TAKING.waiting || !batch.open.delete(key)) continue;
      this.#given.delete(key);
      if (states[i] === TAKING.active) {
        this.counts.handedOver += 1;
        this.#moved.set(key, from);
        this.#host.drop(key);
      } else {
        this.counts.handoversRefused += 1;
        if (target !== undefined) {
          if (states[i] === TAKING.noRoom) target.hasRoom = false;
          target.restsUntilMs = nowMs + (states[i] === TAKING.noRoom ? REST_MS : PASS_AGAIN_MS);
        }
      }
      this.#host.resume(key);
    }
    if (batch.open.size === 0) this.#endBatch(batch);
    // In a turn of its own: the answers of several nodes may be here already.
    this.#host.remindWithin(1);
  }

  /** Gives what may be given now, asks after what was not answered, and notices the end. */
  remind(): void {
    const nowMs = this.#host.now();
    if (this.#status !== 'giving') return;
    for (const batch of this.#batches.values()) if (nowMs - batch.sentAtMs >= AGAIN_MS) this.#send(batch);
    const isWaiting = this.#fill(nowMs);
    if (this.#isDone(nowMs)) {
      this.#end();
      return;
    }
    if (nowMs - this.#toldMs >= PROGRESS_MS) {
      this.#toldMs = nowMs;
      this.#host.log('info', 'handing entries over', { handed: this.counts.handedOver, left: this.#owned.count });
    }
    this.#host.remindWithin(isWaiting ? PASS_AGAIN_MS : this.#batches.size > 0 ? AGAIN_MS : PASS_AGAIN_MS);
  }

  /** Whether there is something to give that has to wait for time to pass, or for the next turn. */
  #fill(nowMs: number): boolean {
    for (let count = 0; count < TURN_BATCHES_MAX; count += 1) {
      if (this.#bytes >= BYTES_MAX) return false;
      const target = this.#nextTarget(nowMs);
      if (target === null) return true;
      const copies = this.#nextCopies(nowMs);
      if (copies.length === 0) return true;
      this.#give(target, copies);
    }
    this.#host.remindWithin(1);
    return true;
  }

  /** Of the nearest that may be asked the one with the fewest batches under way. */
  #nextTarget(nowMs: number): Target | null {
    const awake = [...this.#targets.values()]
      .filter(({ restsUntilMs }) => restsUntilMs <= nowMs)
      .toSorted((a, b) => a.hops - b.hops || (a.node < b.node ? -1 : 1))
      .slice(0, TARGETS_MAX);
    let best: Target | null = null;
    for (const target of awake) {
      if (target.batchCount < TARGET_BATCHES_MAX && target.batchCount < (best?.batchCount ?? Infinity)) best = target;
    }
    return best;
  }

  #nextCopies(nowMs: number): EntryCopy[] {
    const copies: EntryCopy[] = [];
    let bytes = 0;
    while (copies.length < BATCH_KEYS_MAX && bytes < BATCH_BYTES) {
      const owned = this.#queue.pop();
      if (owned === undefined) {
        // A pass ends with its last batch: the keys of that one are not known as given yet.
        if ((this.#bucket === BUCKETS && copies.length > 0) || !this.#nextBucket(nowMs)) break;
        continue;
      }
      if (this.#given.has(owned.key)) continue;
      const copy = this.#host.copyOf(owned.key, owned.claim);
      if (copy === null) continue;
      const size = copyBytesMax(copy);
      if (copies.length > 0 && bytes + size > BATCH_BYTES) {
        this.#queue.push(owned);
        break;
      }
      copies.push(copy);
      bytes += size;
    }
    return copies;
  }

  /** False: a pass over all buckets has ended, and the next one has not begun. */
  #nextBucket(nowMs: number): boolean {
    if (this.#bucket === BUCKETS) {
      if (nowMs < this.#passAtMs || this.#owned.count <= this.#given.size) return false;
      this.#bucket = 0;
      this.#passAtMs = nowMs + PASS_AGAIN_MS;
    }
    this.#queue = this.#owned.entriesOf(this.#bucket);
    this.#bucket += 1;
    return true;
  }

  #give(target: Target, copies: readonly EntryCopy[]): void {
    this.#lastBatch += 1;
    const keys = copies.map(({ key }) => key);
    const open = new Set(keys);
    const bytes = encodeCopies(copies);
    const batch: Batch = {
      number: this.#lastBatch,
      target: target.node,
      keys,
      open,
      bytes: bytes.length,
      records: this.#host.recordsOf(open),
      copies: bytes,
      sentAtMs: 0,
    };
    this.#batches.set(batch.number, batch);
    for (const key of keys) this.#given.set(key, batch);
    this.#bytes += batch.bytes;
    target.batchCount += 1;
    this.#send(batch);
  }

  #send(batch: Batch): void {
    batch.sentAtMs = this.#host.now();
    const { number, target, records, copies } = batch;
    const head = { to: target, from: this.#host.node, hops: 1, clock: this.#host.clock(), number };
    let floor = this.#lastBatch;
    for (const other of this.#batches.values()) if (other.target === target) floor = Math.min(floor, other.number);
    if (copies !== null) {
      for (const { asker, incarnation: askerIncarnation, floor: lowest, number: asked, key, result } of records) {
        const content = { asker, askerIncarnation, floor: lowest, asked, key, message: result };
        this.#host.send({ type: 'record', ...head, ...content });
      }
    }
    this.#host.send({ type: 'take', ...head, floor, records: records.length, copies: copies ?? new Uint8Array(0) });
  }

  /** The node vanished: whatever it did with its copies, these are the ones that are here. */
  #takeBack(batch: Batch): void {
    for (const key of batch.open) {
      this.#given.delete(key);
      this.counts.handoversUndone += 1;
      this.#host.claimAnew(key);
      this.#host.resume(key);
    }
    this.#endBatch(batch);
  }

  #endBatch(batch: Batch): void {
    if (!this.#batches.delete(batch.number)) return;
    this.#bytes -= batch.bytes;
    const target = this.#targets.get(batch.target);
    if (target !== undefined) target.batchCount -= 1;
  }

  #isDone(nowMs: number): boolean {
    const isAlone = this.#targets.size === 0 && this.#vanished.size === 0;
    // What is still to become active here would go unsaid.
    if ((isAlone || this.#owned.count === 0) && this.#host.incomingCount() === 0) return true;
    if (nowMs < this.#deadlineMs) return false;
    this.#fault = this.#describeFault();
    return true;
  }

  #describeFault(): string {
    if (this.#targets.size === 0) return 'the others have vanished';
    for (const { hasRoom } of this.#targets.values()) if (hasRoom) return `${this.#drainMs} ms were not enough`;
    return 'the others have no room';
  }

  #end(): void {
    this.#status = 'ended';
    const left = this.#host.entryCount();
    const handed = this.counts.handedOver;
    const fault = left === 0 ? null : this.#fault;
    if (handed > 0 || left > 0) {
      const tookMs = Math.round(this.#host.now() - this.#startedMs);
      const because = fault ?? (left > 0 ? 'no other node stores' : undefined);
      this.#host.log(left > 0 ? 'warn' : 'info', 'entries handed over', { handed, left, tookMs, because });
    }
    this.#host.emptied({ type: 'emptied', handed, left, fault });
  }
}
