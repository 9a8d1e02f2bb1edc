/**
 * One open database of one session: its client's ops are checked, each against the chain of its origin and what its author
 * had seen, appended, and acknowledged: `stored` when they are, `spread` when another peer has them too (RULES RA, RC, RD).
 *
 * Invariants: ops of a client are stored in the order in which they were submitted; a submit is answered once, after all
 * its ops are stored or the first of them is refused; what waits is bounded, in number, bytes and time.
 */
import type { NodeId } from '../../store/node-id.js';
import { ItemReader } from '../../store/op.js';
import { formatStamp, formatTime, timeOfMs } from '../../store/stamp.js';
import type { Stamp } from '../../store/stamp.js';
import { typeNamed } from '../../store/types/index.js';
import { refused } from '../../transport/message.js';
import type { DatabaseReply, MessageOf, RefusalCode, RequestId } from '../../transport/message.js';
import type { DatabaseOptions } from '../database-options.js';
import type { Ref } from '../runtime/kind.js';
import { OP_SKEW_MS_MAX } from '../settings.js';
import type { ReplicaCounts } from './counts.js';
import type { ClientSubscription, Subscriber } from './patches.js';
import type { ReplicaStore } from './store.js';
import type { Uncovered } from './uncovered.js';

/** What an open database knows of its replica. */
export interface ClientReplica {
  readonly store: ReplicaStore;
  readonly uncovered: Uncovered;
  readonly options: DatabaseOptions;
  readonly counts: ReplicaCounts;
  readonly requestTimeoutMs: number;
  /** Entries below that index are at another peer, or there is none. */
  spread(): number;
  /** Other peers are there, from which what is missing may come. */
  hasPeers(): boolean;
  nowMs(): number;
  wallMs(): number;
  /** Null if the origin may write an op of that time here. */
  objectionToTime(origin: NodeId, time: number): string | null;
  tell(session: Ref, reply: DatabaseReply, isNotice: boolean): void;
}

/** An op that is refused: under which name, and what to say. */
interface Refusal {
  readonly code: RefusalCode;
  readonly name: string;
  readonly text: string;
  readonly stamp: string | null;
}

interface Waiting {
  readonly id: RequestId;
  readonly ops: Uint8Array;
  /** So many of them have been taken. */
  done: number;
  /** Of the last of those. */
  time: number;
  readonly deadlineMs: number;
}

interface Unanswered {
  readonly id: RequestId;
  /** To be answered when so much of the log is stored: then ops of the client up to that time are. */
  readonly length: number;
  readonly time: number;
  readonly refusal: Refusal | null;
}

/** When the entries before an index have spread, ops up to a time have. */
interface SpreadMark {
  readonly index: number;
  readonly time: number;
}

const WAITING_MAX = 64;
const WAITING_BYTES_MAX = 4 * 1024 * 1024;
/** Beyond, spread is told in larger steps. */
const MARKS_MAX = 256;
/** Bytes of ops on their way to the disk beyond which no more are taken from clients. */
const UNWRITTEN_BYTES_MAX = 16 * 1024 * 1024;
const RETRY_AFTER_MS = 50;

const CODES: Readonly<Record<string, RefusalCode>> = {
  'wrong origin': 'FORBIDDEN',
  'op replay': 'CONFLICT',
  'no state push': 'BAD_REQUEST',
  gap: 'CONFLICT',
  forked: 'CONFLICT',
  interval: 'FORBIDDEN',
  clock: 'CLOCK',
  'unknown type': 'UNSUPPORTED',
  'bad payload': 'TYPE',
  'read only': 'FORBIDDEN',
};

const reader = new ItemReader();

export class OpenDatabase implements Subscriber {
  readonly session: Ref;
  readonly id: RequestId;
  /** The replica id of the client; null: it only reads. */
  readonly origin: NodeId | null;
  readonly subscriptions = new Map<RequestId, ClientSubscription>();
  hasSeenUncovered = false;
  readonly #replica: ClientReplica;
  /** Times of the last ops of the origin that are stored, and spread; 0: none. */
  #storedTime: number;
  #spreadTime: number;
  #toldSpread: number;
  /** Time of the client's last op when it came, and of the last one that it was told of since. */
  readonly #openedTime: number;
  #ackedTime = 0;
  #marks: SpreadMark[] = [];
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #unanswered: Unanswered[] = [];

  constructor(replica: ClientReplica, session: Ref, id: RequestId, origin: NodeId | null) {
    this.#replica = replica;
    this.session = session;
    this.id = id;
    this.origin = origin;
    const { store } = replica;
    this.#openedTime = origin === null ? 0 : store.chains.lastTime(origin);
    this.#storedTime = this.#openedTime;
    // Of ops that came in an earlier session of the client it is known only where all before the log's end has spread.
    if (origin !== null && this.#storedTime > 0) this.#marks.push({ index: store.log.length, time: this.#storedTime });
    this.#spreadTime = 0;
    this.onConfirmed();
    this.#toldSpread = this.#spreadTime;
  }

  get storedTime(): number {
    return this.#storedTime;
  }

  get spreadTime(): number {
    return this.#spreadTime;
  }

  get hasUnanswered(): boolean {
    return this.#unanswered.length > 0;
  }

  get isUnspread(): boolean {
    return this.#marks.length > 0;
  }

  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  onSubmit({ id, ops }: MessageOf<'submit'>): void {
    const { store, requestTimeoutMs } = this.#replica;
    if (store.isFailing)
      return this.#refuse(id, 'OVER_CAPACITY', 'the disk of the peer takes no ops now', { where: 'disk' });
    const isFull = this.#waiting.length >= WAITING_MAX || this.#waitingBytes + ops.length > WAITING_BYTES_MAX;
    if (isFull || store.log.unwrittenBytes > UNWRITTEN_BYTES_MAX) {
      return this.#refuse(id, 'BUSY', 'ops come faster than they are stored', { retryAfterMs: RETRY_AFTER_MS });
    }
    const waiting: Waiting = { id, ops, done: 0, time: 0, deadlineMs: this.#replica.nowMs() + requestTimeoutMs };
    if (this.#waiting.length === 0 && this.#take(waiting)) return;
    if (this.#waiting.length === 0) this.#replica.counts.waited += 1;
    this.#waiting.push(waiting);
    this.#waitingBytes += ops.length;
  }

  /** Other ops have come: what waits may go on. */
  onProgress(): void {
    let first = this.#waiting[0];
    while (first !== undefined && this.#take(first)) {
      this.#waiting.shift();
      this.#waitingBytes -= first.ops.length;
      first = this.#waiting[0];
    }
  }

  /** More of the log is stored. */
  onStored(): void {
    const { store } = this.#replica;
    let count = 0;
    this.onConfirmed();
    for (const { id, length, time, refusal } of this.#unanswered) {
      if (length > store.stored) break;
      count += 1;
      if (time > this.#storedTime) this.#storedTime = time;
      if (refusal === null) this.#acknowledge(id, false);
      else this.#refuse(id, refusal.code, refusal.text, { name: refusal.name, stamp: refusal.stamp });
    }
    if (count > 0) this.#unanswered.splice(0, count);
  }

  /** More of the log is at another peer. */
  onConfirmed(): void {
    const spread = this.#replica.spread();
    let count = 0;
    while (count < this.#marks.length && (this.#marks[count] as SpreadMark).index <= spread) count += 1;
    if (count === 0) return;
    this.onSpread((this.#marks[count - 1] as SpreadMark).time);
    this.#marks.splice(0, count);
  }

  /** Ops of the client up to that time are at another peer. */
  onSpread(time: number): void {
    if (time > this.#spreadTime) this.#spreadTime = time;
  }

  /** Tells what has spread, at the end of a turn. */
  flush(): void {
    if (Math.min(this.#spreadTime, this.#storedTime) > this.#toldSpread) this.#acknowledge(this.id, true);
  }

  tick(nowMs: number): void {
    const first = this.#waiting[0];
    if (first === undefined || first.deadlineMs > nowMs) return;
    this.#replica.counts.waitedInVain += 1;
    this.#waiting.shift();
    this.#waitingBytes -= first.ops.length;
    // Where nobody is there from whom it may come, waiting has no end; but others may be there soon.
    const [code, text] = this.#replica.hasPeers()
      ? (['TIMEOUT', 'the peer does not have in time what these ops follow on; submit them again'] as const)
      : (['CONFLICT', 'gap: what these ops follow on is not here, and no other peer is'] as const);
    this.#refuse(first.id, code, text, { name: 'gap', stamp: this.#stampOf(first) });
    this.onProgress();
  }

  /** What waits has no one to be answered to. */
  end(): void {
    this.#waiting = [];
    this.#unanswered = [];
  }

  /** Takes the ops of a submit. False: the next one has to wait, and so do those behind it. */
  #take(waiting: Waiting): boolean {
    const { store, counts } = this.#replica;
    const { id, ops } = waiting;
    const count = reader.open(ops);
    if (count < 0) {
      this.#answer(id, 0, {
        code: 'BAD_REQUEST',
        name: 'bad op',
        text: 'ops: an array of ops is expected',
        stamp: null,
      });
      return true;
    }
    let at = 0;
    let outcome: 'wait' | Refusal | null = null;
    const readNext = (): void => {
      const fault = at < count ? reader.next() : null;
      if (fault !== null) outcome = { code: 'BAD_REQUEST', name: 'bad op', text: fault, stamp: null };
    };
    const latest = timeOfMs(this.#replica.wallMs() + OP_SKEW_MS_MAX);
    const lengthBefore = store.log.length;
    readNext();
    while (at < count && outcome === null) {
      const { type, id: object } = reader;
      const takeSome = (): void => {
        do {
          if (at >= waiting.done) outcome = this.#takeOp(waiting, latest);
          at += 1;
          if (outcome === null) readNext();
        } while (at < count && outcome === null && reader.id === object && reader.type === type);
      };
      store.together(type, object, takeSome);
    }
    reader.release();
    if (store.log.length > lengthBefore) this.#mark(store.chains.lastTime(this.origin as NodeId));
    if (outcome === 'wait') return false;
    if (outcome !== null) counts.opsRefused += 1;
    this.#answer(id, waiting.time, outcome);
    return true;
  }

  /** Takes the op that was read. Null, or what becomes of it and those behind it instead. */
  #takeOp(waiting: Waiting, latest: number): 'wait' | Refusal | null {
    const { store, counts } = this.#replica;
    const verdict = this.#judge(latest);
    if (verdict === 'next') {
      store.append(reader);
      counts.submitted += 1;
    } else if (verdict === 'seen') counts.seen += 1;
    else return verdict;
    waiting.done += 1;
    waiting.time = reader.time;
    return null;
  }

  /** What is to become of the op that was read. `latest`: the last time that it may have. */
  #judge(latest: number): 'next' | 'seen' | 'wait' | Refusal {
    const { store, options } = this.#replica;
    if (this.origin === null) return this.#refusal('read only', 'this client only reads');
    if (reader.kind !== 'op') return this.#refusal('no state push', 'only ops can be submitted', false);
    if (reader.origin !== this.origin) return this.#refusal('wrong origin', `ops of ${this.origin} are expected`);
    const verdict = store.judge(reader);
    if (verdict === 'seen') {
      // Once more is no fault where the client can't know; where it was told, it is.
      const isReplay = reader.time > this.#openedTime && reader.time <= this.#ackedTime;
      return isReplay ? this.#refusal('op replay', 'the op was acknowledged before') : 'seen';
    }
    if (verdict === 'forked') return this.#refusal('forked', 'another op follows on the same one');
    if (verdict === 'gap') return 'wait';
    const { payload } = reader;
    const objection = this.#objectionToOp(options, latest, payload);
    if (objection !== null) return objection;
    if (reader.seenCount > 0 && !this.#hasSeen()) return 'wait';
    if (this.hasSeenUncovered && this.#replica.uncovered.isAny) return 'wait';
    this.hasSeenUncovered = false;
    // It may name what its author had seen, so not before all of that is here.
    const fault = store.objectionToWriting(reader, payload);
    return fault === null ? 'next' : this.#refusal('bad payload', fault);
  }

  #objectionToOp(options: DatabaseOptions, latest: number, payload: Uint8Array): Refusal | null {
    const { time, type: typeName, origin } = reader;
    // What follows on an op that is here must be stamped above it, however far ahead its author's peer was.
    if (time > latest && time > this.#replica.store.chains.highestTime + 1) {
      return this.#refusal('clock', 'the stamp is too far ahead of the peer');
    }
    const objection = this.#replica.objectionToTime(origin, time);
    if (objection !== null) return this.#refusal('interval', objection);
    const type = typeNamed(typeName);
    if (type === null || (options.types.length > 0 && !options.types.includes(typeName))) {
      return this.#refusal('unknown type', `objects of the type ${typeName} have no place here`);
    }
    const fault = type.objectionTo(payload);
    return fault === null ? null : this.#refusal('bad payload', fault);
  }

  /** All that the author had seen is here (RULES RC). */
  #hasSeen(): boolean {
    const { store } = this.#replica;
    return reader.takeSeen().every(({ origin, time }: Stamp) => origin === this.origin || store.covers(origin, time));
  }

  /** Of the op that a submit waits with. */
  #stampOf({ ops, done }: Waiting): string | null {
    const count = reader.open(ops);
    for (let i = 0; i <= done && i < count; i += 1) if (reader.next() !== null) break;
    const stamp = formatStamp({ time: reader.time, origin: reader.origin });
    reader.release();
    return stamp;
  }

  #refusal(name: string, text: string, hasStamp = true): Refusal {
    const stamp = hasStamp ? formatStamp({ time: reader.time, origin: reader.origin }) : null;
    return { code: CODES[name] ?? 'BAD_REQUEST', name, text: `${name}: ${text}`, stamp };
  }

  #mark(time: number): void {
    const mark: SpreadMark = { index: this.#replica.store.log.length, time };
    if (this.#marks.length >= MARKS_MAX) this.#marks[MARKS_MAX - 1] = mark;
    else this.#marks.push(mark);
  }

  #answer(id: RequestId, time: number, refusal: Refusal | null): void {
    this.#unanswered.push({ id, length: this.#replica.store.log.length, time, refusal });
    this.onStored();
  }

  #acknowledge(id: RequestId, isNotice: boolean): void {
    const spread = Math.min(this.#spreadTime, this.#storedTime);
    this.#toldSpread = spread;
    // By a notice the client may hear of it after it has submitted the op again.
    if (!isNotice) this.#ackedTime = this.#storedTime;
    const acked = { type: 'acked', id, stored: textOf(this.#storedTime), spread: textOf(spread) } as const;
    this.#replica.tell(this.session, acked, isNotice);
  }

  #refuse(id: RequestId, code: RefusalCode, text: string, info: Readonly<Record<string, unknown>>): void {
    this.#replica.tell(this.session, refused(id, code, text, info), false);
  }
}

const textOf = (time: number): string | null => (time === 0 ? null : formatTime(time));
