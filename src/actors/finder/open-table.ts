/**
 * The requests that are open, in the order in which they came, with their numbers and deadlines. Invariant: each is
 * answered or refused once, at its deadline at the latest. The lowest number without an answer is the floor up to which
 * owners may forget what they executed for this node (RULES D1).
 */
import { TransientMap } from '../../store/transient-map.js';
import type { NodeId } from '../../store/node-id.js';
import { refused } from '../../transport/message.js';
import type { ClientReply, Key } from '../../transport/message.js';
import type { Addresses } from '../addresses.js';
import type { Alarm } from '../alarm.js';
import { isRead } from '../cache-request.js';
import type { Asked, FinderMessage, Resolved, Step } from '../message.js';
import type { Self } from '../runtime/kind.js';
import { OPEN_REQUESTS_MAX } from '../settings.js';
import type { Open } from './open-request.js';
import type { PassingOn } from './passing-on.js';

export class OpenTable {
  readonly #self: Self<FinderMessage>;
  readonly #addresses: Addresses;
  readonly #alarm: Alarm<FinderMessage>;
  readonly #passingOn: PassingOn;
  readonly #requestTimeoutMs: number;
  /** Insertion order is deadline order: all requests have the same time. */
  readonly #open = new TransientMap<number, Open>();
  /** By key: the last one that was sent to an owner and is not back. */
  readonly #sent = new TransientMap<Key, Open>();
  /** Of this node's, those that had waited before, and have less time than others. */
  readonly #hasty = new Set<Open>();
  #lastNumber = 0;
  readonly counts = { remote: 0, timeouts: 0, unknown: 0, busy: 0 };

  constructor(
    self: Self<FinderMessage>,
    addresses: Addresses,
    alarm: Alarm<FinderMessage>,
    passingOn: PassingOn,
    requestTimeoutMs: number,
  ) {
    this.#self = self;
    this.#addresses = addresses;
    this.#alarm = alarm;
    this.#passingOn = passingOn;
    this.#requestTimeoutMs = requestTimeoutMs;
  }

  get size(): number {
    return this.#open.size;
  }

  /** In the order of their numbers. */
  values(): IterableIterator<Open> {
    return this.#open.values();
  }

  get(number: number): Open | undefined {
    return this.#open.get(number);
  }

  /** The lowest number without an answer (RULES D1). */
  get floor(): number {
    for (const number of this.#open.keys()) return number;
    return this.#lastNumber + 1;
  }

  /** A number for a request, or for a search. */
  nextNumber(): number {
    this.#lastNumber += 1;
    return this.#lastNumber;
  }

  /** Null: too many are open, and this one has been refused. */
  begin({ request, asker, passed }: Asked, dueMs: number | null): Open | null {
    if (this.#open.size >= OPEN_REQUESTS_MAX) {
      this.counts.busy += 1;
      const text = 'too many requests wait for other nodes';
      this.reply({ request, asker, passed }, refused(request.id, 'BUSY', text, { retryAfterMs: 100 }));
      return null;
    }
    this.counts.remote += 1;
    const open: Open = {
      number: this.nextNumber(),
      request,
      asker,
      passed,
      deadlineMs: passed?.deadlineMs ?? dueMs ?? this.#self.now() + this.#requestTimeoutMs,
      owner: null,
      ownerIncarnation: 0,
      isFollowed: false,
      isResent: false,
      claim: 0,
      learned: null,
      follows: 0,
      passing: null,
      isCovered: false,
      isSettled: false,
    };
    this.#open.set(open.number, open);
    if (dueMs !== null) this.#hasty.add(open);
    this.#alarm.setBy(open.deadlineMs);
    return open;
  }

  /** Ends a request's waiting. False if it had ended before. */
  take(open: Open): boolean {
    if (open.isSettled) return false;
    open.isSettled = true;
    if (this.#hasty.size > 0) this.#hasty.delete(open);
    this.#open.delete(open.number);
    this.#arrive(open);
    return true;
  }

  /** It is sent to the owner, for the first time or again. */
  send(open: Open, owner: NodeId, incarnation: number, claim: number): void {
    const { key } = open.request;
    if (open.owner !== owner) {
      const last = this.#sent.size === 0 ? undefined : this.#sent.get(key);
      const isAfter = last === undefined || last.number < open.number;
      open.follows = last !== undefined && isAfter && last.owner === owner ? last.number : 0;
      if (isAfter) this.#sent.set(key, open);
      open.owner = owner;
      open.ownerIncarnation = incarnation;
      if (!isRead(open.request)) this.#follow(open);
    }
    open.claim = claim;
  }

  /** By how much its number is above that of the open one that the owner has to take before it; 0: there is none. */
  behind({ number, follows }: Open): number {
    return follows > 0 && this.#open.get(follows) !== undefined ? number - follows : 0;
  }

  /** The last one for the key that is on its way to an owner or back. */
  lastSent(key: Key): Open | undefined {
    return this.#sent.size === 0 ? undefined : this.#sent.get(key);
  }

  /** It was sent, and is to be sent anew, or waits. */
  takeBack(open: Open): void {
    this.#arrive(open);
    open.owner = null;
    open.ownerIncarnation = 0;
    open.isFollowed = false;
    open.claim = 0;
    open.isCovered = false;
  }

  /** The store answers other nodes, since it keeps the record of what was executed for them. */
  reply({ asker, passed }: Asked, reply: ClientReply | null): void {
    if (asker !== null && reply !== null) asker.tell(reply, this.#self.ref);
    if (passed === null) return;
    this.#addresses.store.tell({ type: 'resolved', passed, reply } satisfies Resolved, this.#self.ref);
  }

  /** Who traces a key is told how it is being found. */
  note(open: Open, step: Step['step']): void {
    if (open.request.type !== 'trace') return;
    open.asker?.tell({ type: 'step', id: open.request.id, step } satisfies Step, this.#self.ref);
  }

  refuseUnknown(open: Open, text: string): void {
    if (!this.take(open)) return;
    this.counts.unknown += 1;
    this.reply(open, refused(open.request.id, 'UNKNOWN', text, null));
  }

  /** A request that was passed here has less time than those of this node, whose order the clock follows. */
  isOver(open: Open): boolean {
    if (open.passed === null || open.deadlineMs > this.#self.now()) return false;
    this.#expire(open);
    return true;
  }

  /** Ends those whose time is over. */
  expire(nowMs: number): void {
    for (const open of this.#hasty) {
      if (open.deadlineMs > nowMs) this.#alarm.setBy(open.deadlineMs);
      else this.#expire(open);
    }
    for (const open of this.#open.values()) {
      if (open.deadlineMs > nowMs) {
        this.#alarm.setBy(open.deadlineMs);
        break;
      }
      this.#expire(open);
    }
  }

  /** Back among the open ones, which are in the order of their numbers. */
  reopen(opens: readonly Open[]): void {
    if (opens.length === 0) return;
    for (const open of opens) {
      open.isSettled = false;
      open.isCovered = false;
      this.#hasty.add(open);
      this.#open.set(open.number, open);
    }
    const ordered = [...this.#open.values()].toSorted((a, b) => a.number - b.number);
    this.#open.clear();
    for (const open of ordered) this.#open.set(open.number, open);
    this.#alarm.setBy((ordered[0] as Open).deadlineMs);
  }

  /** What was passed here and has not been sent on goes back to who passed it. */
  giveBack(): void {
    for (const open of this.#open.values()) {
      if (open.passed !== null && open.owner === null && this.take(open)) this.reply(open, null);
    }
  }

  /** What was sent before it must not be answered as if it came after it (C3). A former write has marked what is before that. */
  #follow({ follows }: Open): void {
    let before = this.#open.get(follows);
    while (before !== undefined && !before.isFollowed) {
      before.isFollowed = true;
      before = this.#open.get(before.follows);
    }
  }

  /** It is on its way no longer. */
  #arrive(open: Open): void {
    this.#passingOn.end(open);
    this.#leave(open);
    if (open.learned === null) return;
    open.learned.sentCount -= 1;
    open.learned = null;
  }

  /** What comes next follows those that are still on their way. */
  #leave(open: Open): void {
    const { key } = open.request;
    if (this.#sent.size === 0 || this.#sent.get(key) !== open) return;
    const before = open.follows === 0 ? undefined : this.#open.get(open.follows);
    if (before !== undefined && before.owner !== null) this.#sent.set(key, before);
    else this.#sent.delete(key);
  }

  /** The time of the request is over. The node that passed it here knows that by itself (RULES D3). */
  #expire(open: Open): void {
    if (!this.take(open)) return;
    this.counts.timeouts += 1;
    const text =
      open.owner === null || isRead(open.request)
        ? 'no answer in time'
        : 'no answer in time from the node that stores the key; the change may have been made';
    this.reply(open, open.passed === null ? refused(open.request.id, 'TIMEOUT', text, null) : null);
  }
}
