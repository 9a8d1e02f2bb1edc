/**
 * The ops that a client has written and that are not yet safe: each under the stamp that makes it the next of its
 * author's chain (RULES RA), with what the author had seen since the op before (RULES RC), until a second peer has it
 * (R4). Knows neither connections nor storage.
 */
import { HybridClock } from '../../store/clock.js';
import { parseNodeId } from '../../store/node-id.js';
import type { NodeId } from '../../store/node-id.js';
import { encodeOp, encodeOpWithSeen, ItemReader, objectName, SEEN_MAX } from '../../store/op.js';
import { parseTime } from '../../store/stamp.js';
import type { Stamp } from '../../store/stamp.js';
import type { Rewriting } from '../../store/types/replicated-type.js';
import type { Bytes } from '../../transport/message.js';
import { SwarmError } from '../errors.js';
import type { KeptOp } from '../storage/storage.js';

/** Who writes, as a peer granted it. */
export interface Grant {
  readonly replica: NodeId;
  /** Times that stamps may have: from the first to before the second (RULES RF). */
  readonly fromTime: number;
  readonly untilTime: number;
}

/** How ops on that object are written anew by that replica. */
export type Rewriter = (type: string, id: string, next: NodeId) => Rewriting;

export interface PendingOp {
  /** Rises by one with each op of this outbox. */
  readonly number: number;
  readonly time: number;
  readonly type: string;
  readonly id: string;
  readonly payload: Bytes;
  /** As it is kept: with what its author had seen. */
  readonly op: Bytes;
}

export class Outbox {
  #clock: HybridClock | null = null;
  #grant: Grant | null = null;
  #pending: PendingOp[] = [];
  #nextNumber = 1;
  /** Time of the last op that does not wait, where one after it was given up: what follows goes on under another id. */
  #brokenAt: number | null = null;
  /** Number of the first op that is not to be sent yet. */
  #heldFrom = Infinity;
  /** Of the pending ops, so many are on their way to the present peer. */
  #sentCount = 0;
  /** Time of the last op of the chain, 0 before the first. */
  #lastTime = 0;
  #heardTime = 0;
  /** Time of the last op of the chain that some peer has. */
  #storedTime = 0;
  /** What was seen since the last op: origin => time. */
  #seen = new Map<NodeId, number>();
  readonly #reader = new ItemReader();

  get grant(): Grant | null {
    return this.#grant;
  }

  get pending(): readonly PendingOp[] {
    return this.#pending;
  }

  /** The number of the first op that is kept, or of the next. */
  get floor(): number {
    return this.#pending[0]?.number ?? this.#nextNumber;
  }

  get lastTime(): number {
    return this.#lastTime;
  }

  /** Time of the last op of the chain that some peer has, as far as this process knows; 0 for none. */
  get storedTime(): number {
    return this.#storedTime;
  }

  /** What was seen since the last op: it has to be kept, or what follows would not say what it follows on. */
  get seen(): ReadonlyMap<NodeId, number> {
    return this.#seen;
  }

  /** The number of the next op. */
  get nextNumber(): number {
    return this.#nextNumber;
  }

  /** Time of the last op that does not wait; 0 for none. */
  get settledTime(): number {
    if (this.#brokenAt !== null) return this.#brokenAt;
    const first = this.#pending[0];
    if (first === undefined) return this.#lastTime;
    return this.#reader.readAt(first.op, 0) === null ? this.#reader.prevTime : 0;
  }

  get hasUnsent(): boolean {
    return (this.#pending[this.#sentCount]?.number ?? Infinity) < this.#heldFrom;
  }

  /**
   * Nothing from that number on is sent before it is released: what a process forgets when it ends, another peer must not
   * have, or the next process would write once more what follows on the same op, and peers would differ for ever.
   */
  hold(number: number): void {
    this.#heldFrom = Math.min(this.#heldFrom, number);
  }

  /** All up to that number is kept. Whether that is news. */
  release(number: number): boolean {
    if (number < this.#heldFrom) return false;
    this.#heldFrom = number + 1 < this.#nextNumber ? number + 1 : Infinity;
    return true;
  }

  /** Goes on where a former run stopped. Ops that can't be read are left out. */
  restore(grant: Grant, lastTime: number, seen: ReadonlyMap<NodeId, number>, ops: readonly KeptOp[]): void {
    this.#adopt(grant);
    this.#lastTime = lastTime;
    this.#seen = new Map(seen);
    for (const { number, op } of ops) {
      if (this.#reader.readAt(op, 0) !== null || this.#reader.kind !== 'op') continue;
      const { time, type, id } = this.#reader;
      this.#pending.push({ number, time, type, id, payload: this.#reader.copyPayload(), op });
      this.#nextNumber = number + 1;
      this.#lastTime = Math.max(this.#lastTime, time);
    }
    this.#clock?.observe(this.#lastTime);
  }

  /**
   * A peer has granted, or confirmed, a replica: `storedTime` is the time of its last op there. The same replica goes on
   * with its chain; a new one begins behind what its id was used for, and follows on what was written under the former
   * one, unless a part of that is given up.
   */
  admit(grant: Grant, storedTime: number, isGivenUp = false): void {
    const former = this.#grant;
    const isSame = former?.replica === grant.replica;
    const ownTime = this.settledTime;
    if (former !== null && !isSame && !isGivenUp && ownTime > 0) this.#seen.set(former.replica, ownTime);
    this.#adopt(grant);
    if (!isSame) {
      this.#lastTime = this.#storedTime = storedTime;
      this.#brokenAt = null;
    }
    this.#clock?.observe(Math.max(this.#heardTime, this.#lastTime, storedTime));
    this.#sentCount = 0;
  }

  /** One more op. Throws SwarmError where nothing may be written. */
  write(type: string, id: string, payload: Bytes, wallMs: number): PendingOp {
    const grant = this.#grant;
    const clock = this.#clock;
    if (grant === null || clock === null) {
      throw new SwarmError('FORBIDDEN', 'the database is open for reading only, or has never been opened yet');
    }
    // A clock that is behind the grant still writes within it.
    clock.observe(grant.fromTime);
    const time = clock.tick(wallMs);
    if (time >= grant.untilTime) {
      throw new SwarmError('CLOCK', 'the replica has not been at a peer for too long: connect, and write then');
    }
    const prevTime = this.#lastTime;
    const bare = encodeOp({ stamp: { time, origin: grant.replica }, prevTime, type, id, payload });
    const seen = [...this.#seen].slice(0, SEEN_MAX).map(([origin, seenTime]) => ({ origin, time: seenTime }));
    const op = encodeOpWithSeen(bare, seen);
    const pending = { number: this.#nextNumber, time, type, id, payload, op };
    this.#nextNumber += 1;
    this.#lastTime = time;
    this.#seen.clear();
    this.#pending.push(pending);
    return pending;
  }

  /** An op of another author, or of this one from a former run, has been seen. */
  observe(origin: NodeId, time: number): void {
    this.#heardTime = Math.max(this.#heardTime, time);
    this.#clock?.observe(time);
    if (origin === this.#grant?.replica) {
      this.#lastTime = Math.max(this.#lastTime, time);
      return;
    }
    if (time > (this.#seen.get(origin) ?? 0)) this.#seen.set(origin, time);
  }

  /**
   * The next ops to send, oldest first: at least one if there is one, and no more beyond that many bytes. What their
   * author had seen goes along with those below that number: the peer may not have it.
   */
  take(bytesMax: number, toldBelow: number): Bytes[] {
    const taken: Bytes[] = [];
    let length = 0;
    for (; this.#sentCount < this.#pending.length; this.#sentCount += 1) {
      const { number, op: kept } = this.#pending[this.#sentCount] as PendingOp;
      if (number >= this.#heldFrom) break;
      const op = number < toldBelow ? kept : this.#bare(kept);
      if (taken.length > 0 && length + op.length > bytesMax) break;
      taken.push(op);
      length += op.length;
    }
    return taken;
  }

  /** What was sent has to be sent again. */
  rewind(): void {
    this.#sentCount = 0;
  }

  /** A peer has the ops up to this time. */
  noteStored(time: number): void {
    this.#storedTime = Math.max(this.#storedTime, time);
  }

  /** Ops up to this time are safe. Whether there were any. */
  drop(spreadTime: number): boolean {
    let count = 0;
    while (count < this.#pending.length && (this.#pending[count] as PendingOp).time <= spreadTime) count += 1;
    if (count === 0) return false;
    this.#pending = this.#pending.slice(count);
    this.#sentCount = Math.max(0, this.#sentCount - count);
    return true;
  }

  /** Gives up the op of that time, null: the first one, and the later ones on its object. Which object that is. */
  discard(time: number | null): { readonly type: string; readonly id: string } | null {
    const refused = this.#pending.find((op) => op.time === time) ?? this.#pending[0];
    if (refused === undefined) return null;
    const { number: from, type, id } = refused;
    this.#brokenAt = this.settledTime;
    this.#pending = this.#pending.filter((op) => op.number < from || op.type !== type || op.id !== id);
    this.#sentCount = 0;
    return { type, id };
  }

  /**
   * Gives all pending ops new stamps, as if they were written now by the present replica (RULES RD). The new ones.
   * `isGivenUp`: what they followed on may be lost, and is waited for no longer. `rewriter`: for what their payloads say of
   * each other.
   */
  rebase(wallMs: number, isGivenUp: boolean, rewriter: Rewriter): readonly PendingOp[] {
    const former = this.#pending;
    const [lastTime, seen] = [this.#lastTime, new Map(this.#seen)];
    this.#pending = [];
    // The first of them is to follow on all that any of them followed on.
    if (isGivenUp) this.#seen.clear();
    else for (const { op } of former) this.#seeAgain(op);
    try {
      this.#writeAnew(former, wallMs, rewriter);
    } catch (error) {
      // All of them or none.
      [this.#pending, this.#lastTime, this.#seen] = [former, lastTime, seen];
      throw error;
    }
    this.#sentCount = 0;
    return this.#pending;
  }

  /** Writes them once more. */
  #writeAnew(former: readonly PendingOp[], wallMs: number, rewriter: Rewriter): void {
    const [first] = former;
    const grant = this.#grant;
    if (first === undefined || grant === null) return;
    const isRead = this.#reader.readAt(first.op, 0) === null;
    const [origin, prevTime] = isRead ? [this.#reader.origin, this.#reader.prevTime] : [null, 0];
    const times = new Map<number, number>();
    const renamed = (stamp: Stamp): readonly Stamp[] => {
      const time = stamp.origin === origin ? times.get(stamp.time) : undefined;
      if (time === undefined) return [stamp];
      const anew = { time, origin: grant.replica };
      // What the former replica had written before stays its own.
      return prevTime === 0 ? [anew] : [{ time: prevTime, origin: stamp.origin }, anew];
    };
    const rewritings = new Map<string, Rewriting>();
    for (const { time, type, id, payload } of former) {
      const name = objectName(type, id);
      const rewriting = rewritings.get(name) ?? rewriter(type, id, grant.replica);
      rewritings.set(name, rewriting);
      times.set(time, this.write(type, id, rewriting(payload, renamed), wallMs).time);
    }
  }

  #seeAgain(op: Bytes): void {
    if (this.#reader.readAt(op, 0) !== null || this.#reader.seenCount <= 0) return;
    for (const { origin, time } of this.#reader.takeSeen()) {
      if (origin !== this.#grant?.replica && time > (this.#seen.get(origin) ?? 0)) this.#seen.set(origin, time);
    }
  }

  #bare(op: Bytes): Bytes {
    return this.#reader.readAt(op, 0) === null ? this.#reader.copyOp() : op;
  }

  #adopt(grant: Grant): void {
    if (this.#grant?.replica !== grant.replica) this.#clock = new HybridClock(grant.replica);
    this.#grant = grant;
  }
}

/**
 * The grant in the info of `opened`; null: for reading only. Undefined: it is none. A peer knows no interval for an id that
 * another one has granted: then the former one holds.
 */
export function readGrant(info: Readonly<Record<string, unknown>>, former: Grant | null): Grant | null | undefined {
  const { replica, fromTime, untilTime } = info;
  if (replica === null) return null;
  const id = typeof replica === 'string' ? parseNodeId(replica) : null;
  const from = readTime(fromTime);
  const until = readTime(untilTime);
  if (id === null || from === null || until === null) return undefined;
  if (until > 0) return { replica: id, fromTime: from, untilTime: until };
  return former?.replica === id ? former : undefined;
}

/** Times travel as text; nil is none. */
export function readTime(text: unknown): number | null {
  if (text === null || text === undefined) return 0;
  return typeof text === 'string' ? parseTime(text) : null;
}
