/**
 * The watcher: who wants to hear of which changes. On the side of those who watch it makes every member of the view know
 * what this node's clients are interested in, and hands what the members tell to the sessions. On the other side it
 * tells other nodes what changes here. The store tells it of changes only while there is any interest.
 *
 * Invariants (RULES W1, W2): `watching` follows when every member has confirmed the interest; of one key a watch gets
 * changes with rising stamps; each change is delivered or covered by a `gap`. What a member sends is counted, and the
 * count is compared again and again, so that nothing is lost unnoticed.
 */
import { InterestTable } from '../../store/interest-table.js';
import type { Interest } from '../../store/interest-table.js';
import { LatestStamps } from '../../store/latest-stamps.js';
import type { NodeId } from '../../store/node-id.js';
import { formatStamp } from '../../store/stamp.js';
import { CHANGE_KINDS, refused } from '../../transport/message.js';
import type { ChangeKind, MessageOf, RequestId } from '../../transport/message.js';
import type { Addresses } from '../addresses.js';
import type { Attend, Attending, Count, EntryChange, Gap, Observe, View, WatcherMessage } from '../message.js';
import type { Ref, Self, Terminated } from '../runtime/kind.js';
import type { ServingEvent } from '../serving-machine.js';
import { WATCHED_KEYS_MAX, WATCHES_MAX, WATCHES_PER_SESSION_MAX } from '../settings.js';
import type { Identity, Settings } from '../settings.js';
import { Listeners } from './listeners.js';
import type { Change } from './listeners.js';

export interface WatcherArgs {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
}

/** A client's watch. */
interface Watch {
  readonly session: Ref;
  readonly id: RequestId;
  readonly subject: Subject;
  readonly values: boolean;
  readonly deadlineMs: number;
  /** `watching` was said. */
  isOpen: boolean;
  /** The session had no room for a change, and has been told of a gap. */
  isGapped: boolean;
}

/** What one or more watches of this node are about, under the number by which the members know it. */
interface Subject extends Interest {
  readonly number: number;
  readonly values: boolean;
  readonly watches: Set<Watch>;
}

/** Another member, as one that tells this node of changes. */
interface Source {
  /** Null: it has not answered yet. */
  epoch: number | null;
  received: number;
  /** Numbers that it has confirmed, and those that it is to forget. */
  readonly confirmed: Set<number>;
  readonly ended: Set<number>;
  askedMs: number;
  /** It was there when the first of the watches was opened, so that what it did before does not matter to any. */
  isKnown: boolean;
  /** What it did was not told for a while. A gap covers that once it has confirmed all interests, and not before. */
  owesGap: boolean;
}

const TICK_MS = 250;
/** What was not confirmed by then is said again. */
const AGAIN_MS = 500;
/** Counts are compared at least this often while somebody watches. */
const COMPARE_MS = 5000;
/** Number 0: the member is only to answer. */
const NO_SUBJECT = { number: 0, text: '', isPrefix: false, values: false };

export class Watcher {
  readonly #self: Self<WatcherMessage, ServingEvent>;
  readonly #identity: Identity;
  readonly #settings: Settings;
  readonly #addresses: Addresses;

  // Those who watch here
  readonly #sessions = new Map<Ref, Map<RequestId, Watch>>();
  readonly #pending = new Set<Watch>();
  readonly #subjects = new Map<string, Subject>();
  readonly #watches = new InterestTable<Watch>();
  readonly #latest = new LatestStamps(WATCHED_KEYS_MAX);
  readonly #sources = new Map<NodeId, Source>();
  #watchCount = 0;
  #lastNumber = 0;

  /** What the store has been asked for, how often it has not yet answered, and whether it tells of changes. */
  #isAttending = false;
  #attendsOpen = 0;
  #hasAttention = false;
  #lastChange = 0;
  #isFresh = false;
  #comparedMs = 0;
  #isTicking = false;
  readonly #listeners: Listeners;
  readonly #counts = {
    changes: 0,
    told: 0,
    received: 0,
    delivered: 0,
    older: 0,
    gaps: 0,
    overflows: 0,
    refused: 0,
    timeouts: 0,
    interestsRefused: 0,
  };

  constructor(self: Self<WatcherMessage, ServingEvent>, args: WatcherArgs) {
    this.#self = self;
    this.#identity = args.identity;
    this.#settings = args.settings;
    this.#addresses = args.addresses;
    this.#listeners = new Listeners({
      identity: args.identity,
      counts: this.#counts,
      send: (message) => this.#send(message),
      hasAttention: () => this.#hasAttention,
      isFresh: () => this.#hasAttention && this.#isFresh,
      attend: () => this.#attend(),
    });
  }

  // From sessions

  onWatch(request: MessageOf<'watch'>, session: Ref): void {
    const { id, options } = request;
    const { key, prefix, values = false } = options;
    if ((key === undefined) === (prefix === undefined) || key === '') {
      return this.#refuse(session, id, 'BAD_REQUEST', 'either a key or a prefix is to be watched');
    }
    const { keyBytesMax } = this.#settings;
    const text = key ?? prefix ?? '';
    // UTF-8 takes a byte at least for each unit.
    if (text.length > keyBytesMax)
      return this.#refuse(session, id, 'TOO_LARGE', 'longer than any key', { max: keyBytesMax });
    const mine = this.#sessions.get(session);
    if (mine?.has(id) === true) return this.#refuse(session, id, 'BAD_REQUEST', 'a watch with this id is open');
    if ((mine?.size ?? 0) >= WATCHES_PER_SESSION_MAX || this.#watchCount >= WATCHES_MAX) {
      this.#counts.refused += 1;
      const max = (mine?.size ?? 0) >= WATCHES_PER_SESSION_MAX ? WATCHES_PER_SESSION_MAX : WATCHES_MAX;
      return this.#refuse(session, id, 'BUSY', `at most ${max} watches can be open`, { max });
    }
    const subject = this.#subjectOf({ text, isPrefix: key === undefined }, values);
    const deadlineMs = this.#self.now() + this.#settings.requestTimeoutMs;
    const watch: Watch = { session, id, subject, values, deadlineMs, isOpen: false, isGapped: false };
    if (mine === undefined) {
      this.#sessions.set(session, new Map([[id, watch]]));
      this.#self.watch(session);
    } else mine.set(id, watch);
    this.#watchCount += 1;
    subject.watches.add(watch);
    this.#pending.add(watch);
    this.#tickLater();
    this.#openPending();
  }

  onWatchTooEarly({ id }: MessageOf<'watch'>, session: Ref): void {
    this.#refuse(session, id, 'BUSY', 'this node is still joining its swarm', { retryAfterMs: 200 });
  }

  onUnwatch({ id, watch: watchId }: MessageOf<'unwatch'>, session: Ref): void {
    const watch = this.#sessions.get(session)?.get(watchId);
    if (watch === undefined) return this.#refuse(session, id, 'BAD_REQUEST', 'no watch with this id is open');
    if (!watch.isOpen) this.#refuse(session, watchId, 'BAD_REQUEST', 'ended before it was open');
    this.#end(watch);
    session.tell({ type: 'unwatched', id } satisfies MessageOf<'unwatched'>, this.#self.ref);
  }

  onTerminated({ who }: Terminated): void {
    for (const watch of this.#sessions.get(who)?.values() ?? []) this.#end(watch);
    this.#sessions.delete(who);
  }

  // From the store

  onAttending({ number, isFresh }: Attending): void {
    this.#attendsOpen -= 1;
    // Only the answer to the last word says how it is now.
    if (!this.#isAttending || this.#attendsOpen > 0) return;
    if (!this.#hasAttention) {
      this.#hasAttention = true;
      this.#isFresh = isFresh;
      this.#lastChange = number;
      this.#listeners.onAttention();
      this.#openPending();
    } else if (number > this.#lastChange) {
      this.#lastChange = number;
      this.#tellGap();
    }
  }

  onEntryChange(change: EntryChange): void {
    if (!this.#hasAttention) return;
    this.#counts.changes += 1;
    this.#isFresh = false;
    if (change.number > this.#lastChange + 1) this.#tellGap();
    this.#lastChange = change.number;
    this.#listeners.tell(change);
    this.#deliver(change);
  }

  // From other nodes, of what they want to hear

  onInterest(message: MessageOf<'interest'>): void {
    this.#listeners.onInterest(message);
  }

  onDisinterest(message: MessageOf<'disinterest'>): void {
    this.#listeners.onDisinterest(message);
  }

  // From other nodes, of what happened there

  onInterested({ from, number, epoch, sequence, isFresh }: MessageOf<'interested'>): void {
    const source = this.#sources.get(from);
    if (source === undefined) return;
    if (source.epoch !== epoch) {
      // It has begun to keep what this node wants, or has begun anew: what happened before, nobody has told.
      const isLate = source.epoch !== null || (!source.isKnown && !isFresh);
      source.confirmed.clear();
      source.ended.clear();
      source.epoch = epoch;
      source.received = sequence;
      source.isKnown = true;
      source.owesGap ||= isLate;
      // The first answer to an interest is one; any other says that all have to be said again.
      if (number === 0 || isLate) this.#askFor(from, source);
    } else if (sequence > source.received) {
      source.received = sequence;
      this.#missed();
    }
    source.ended.delete(number);
    if (number > 0) source.confirmed.add(number);
    if (source.owesGap && [...this.#subjects.values()].every((subject) => source.confirmed.has(subject.number))) {
      source.owesGap = false;
      this.#missed();
    }
    this.#openPending();
  }

  onChanged({ from, epoch, sequence, kind, key, time, origin, value }: MessageOf<'changed'>): void {
    const source = this.#sources.get(from);
    if (source === undefined || source.epoch !== epoch || sequence <= source.received) return;
    this.#counts.received += 1;
    this.#addresses.finder.tell({ type: 'observe', clock: time } satisfies Observe, this.#self.ref);
    if (sequence > source.received + 1) this.#missed();
    source.received = sequence;
    // What another node says is a claim.
    if (!isKind(kind)) return;
    if (kind === 'gap' || key === null || origin === null) this.#missed();
    else this.#deliver({ kind, key, time, origin, value });
  }

  onView({ members }: View): void {
    const isEmpty = this.#subjects.size === 0;
    this.#listeners.onView(members);
    let isLost = false;
    for (const node of this.#sources.keys()) {
      if (members.includes(node)) continue;
      this.#sources.delete(node);
      isLost = true;
    }
    for (const node of members) {
      if (node === this.#identity.node || this.#sources.has(node)) continue;
      this.#sources.set(node, newSource(isEmpty));
    }
    if (isEmpty) return;
    if (isLost) this.#missed();
    // What was under way may have been on a link that broke.
    for (const [node, source] of this.#sources) this.#askFor(node, source, true);
    this.#openPending();
  }

  // Upkeep

  onServe(): ServingEvent {
    return 'serve';
  }

  onCount(_message: Count, from: Ref): void {
    const counters = {
      ...this.#counts,
      watches: this.#watchCount,
      pending: this.#pending.size,
      interests: this.#subjects.size,
      heard: this.#listeners.heardCount,
    };
    from.tell({ type: 'counters', counters }, this.#self.ref);
  }

  onTick(): void {
    this.#isTicking = false;
    const nowMs = this.#self.now();
    for (const watch of this.#pending) {
      if (watch.deadlineMs > nowMs) break;
      this.#counts.timeouts += 1;
      this.#refuse(watch.session, watch.id, 'TIMEOUT', 'not all nodes have confirmed the watch in time');
      this.#end(watch);
    }
    const isComparing = nowMs - this.#comparedMs >= COMPARE_MS;
    if (isComparing) {
      this.#comparedMs = nowMs;
      if (this.#isAttending) this.#tellStore(true);
    }
    for (const [node, source] of this.#sources) {
      if (source.askedMs + AGAIN_MS <= nowMs) this.#askFor(node, source, isComparing && this.#subjects.size > 0);
    }
    this.#tickLater();
  }

  // Watches

  #subjectOf({ text, isPrefix }: Interest, values: boolean): Subject {
    const name = `${isPrefix ? 'p' : 'k'}${values ? 'v' : ''} ${text}`;
    const present = this.#subjects.get(name);
    if (present !== undefined) return present;
    if (this.#subjects.size === 0) {
      // What the members did before the first watch is nobody's concern.
      for (const source of this.#sources.values()) source.isKnown = true;
      this.#comparedMs = this.#self.now();
    }
    this.#lastNumber += 1;
    const subject: Subject = { number: this.#lastNumber, text, isPrefix, values, watches: new Set() };
    this.#subjects.set(name, subject);
    this.#attend();
    for (const [node, source] of this.#sources) this.#sayInterest(node, source, subject);
    return subject;
  }

  #openPending(): void {
    if (!this.#hasAttention) return;
    for (const watch of this.#pending) {
      const { subject, session, id } = watch;
      if (![...this.#sources.values()].every(({ confirmed }) => confirmed.has(subject.number))) continue;
      this.#pending.delete(watch);
      watch.isOpen = true;
      this.#watches.add(subject, watch);
      session.tell({ type: 'watching', id } satisfies MessageOf<'watching'>, this.#self.ref);
    }
  }

  #end(watch: Watch): void {
    const { session, id, subject } = watch;
    if (this.#sessions.get(session)?.delete(id) !== true) return;
    this.#watchCount -= 1;
    this.#pending.delete(watch);
    this.#watches.remove(subject, watch);
    subject.watches.delete(watch);
    if (subject.watches.size > 0) return;
    const { number, text, isPrefix, values } = subject;
    this.#subjects.delete(`${isPrefix ? 'p' : 'k'}${values ? 'v' : ''} ${text}`);
    for (const [node, source] of this.#sources) {
      source.confirmed.delete(number);
      source.ended.add(number);
      this.#sayEnd(node, source, number);
    }
    this.#attend();
  }

  #refuse(
    session: Ref,
    id: RequestId,
    code: 'BAD_REQUEST' | 'TOO_LARGE' | 'BUSY' | 'TIMEOUT',
    text: string,
    info: Readonly<Record<string, unknown>> | null = null,
  ): void {
    session.tell(refused(id, code, text, info), this.#self.ref);
  }

  #deliver({ kind, key, time, origin, value }: Change): void {
    if (this.#watches.count === 0) return;
    // A merge tells of the copy that was dropped, whose stamp is the lower one.
    const order = kind === 'merge' ? 'newer' : this.#latest.see(key, { time, origin });
    if (order === 'older') {
      this.#counts.older += 1;
      return;
    }
    const meta = { stamp: formatStamp({ time, origin }) };
    this.#watches.match(key, (watch) => {
      if (order === 'unsure') return this.#tellGapTo(watch);
      const { id, values } = watch;
      this.#tellChange(watch, { type: 'change', id, kind, key, meta, value: values ? value : null });
    });
  }

  /** Something was lost on the way here, of whatever key. */
  #missed(): void {
    for (const mine of this.#sessions.values()) {
      for (const watch of mine.values()) if (watch.isOpen) this.#tellGapTo(watch);
    }
  }

  #tellGapTo(watch: Watch): void {
    this.#counts.gaps += 1;
    this.#tellChange(watch, { type: 'change', id: watch.id, kind: 'gap', key: null, meta: null, value: null });
  }

  #tellChange(watch: Watch, change: MessageOf<'change'>): void {
    if (watch.session.tell(change, this.#self.ref) !== 'full') {
      this.#counts.delivered += 1;
      watch.isGapped = false;
      return;
    }
    this.#counts.overflows += 1;
    if (watch.isGapped) return;
    watch.isGapped = true;
    watch.session.tell({ type: 'gap', id: watch.id } satisfies Gap, this.#self.ref);
  }

  /** Says to a member all that it has not confirmed; `isAsking`: at least that its count is wanted. */
  #askFor(node: NodeId, source: Source, isAsking = false): void {
    let count = 0;
    for (const subject of this.#subjects.values()) {
      if (source.confirmed.has(subject.number)) continue;
      count += 1;
      this.#sayInterest(node, source, subject);
    }
    for (const number of source.ended) {
      count += 1;
      this.#sayEnd(node, source, number);
    }
    if (count === 0 && isAsking) this.#sayInterest(node, source, NO_SUBJECT);
  }

  #sayInterest(node: NodeId, source: Source, subject: Interest & Pick<Subject, 'number' | 'values'>): void {
    const { number, text, isPrefix, values } = subject;
    source.askedMs = this.#self.now();
    this.#send({ type: 'interest', ...this.#headTo(node), number, text, isPrefix, values });
  }

  #sayEnd(node: NodeId, source: Source, number: number): void {
    source.askedMs = this.#self.now();
    this.#send({ type: 'disinterest', ...this.#headTo(node), number });
  }

  #headTo(node: NodeId): { to: NodeId; from: NodeId; hops: number; incarnation: number } {
    return { to: node, from: this.#identity.node, hops: 1, incarnation: this.#identity.incarnation };
  }

  /** Changes of this node were dropped on the way from the store. */
  #tellGap(): void {
    this.#listeners.tellGap();
    this.#missed();
  }

  /** The store is to tell of changes while anybody wants to hear of any. */
  #attend(): void {
    const isWanted = this.#subjects.size > 0 || this.#listeners.heardCount > 0;
    if (isWanted === this.#isAttending) return;
    this.#isAttending = isWanted;
    this.#hasAttention = false;
    this.#tellStore(isWanted);
    this.#tickLater();
  }

  #tellStore(isOn: boolean): void {
    this.#attendsOpen += 1;
    this.#addresses.store.tell({ type: 'attend', isOn } satisfies Attend, this.#self.ref);
  }

  #send(message: MessageOf<'interest' | 'disinterest' | 'interested' | 'changed'>): void {
    this.#addresses.router.tell(message, this.#self.ref);
  }

  #tickLater(): void {
    if (this.#isTicking) return;
    const isOwed = [...this.#sources.values()].some(({ ended }) => ended.size > 0);
    if (!this.#isAttending && this.#pending.size === 0 && !isOwed) return;
    this.#isTicking = true;
    this.#self.after(TICK_MS, { type: 'tick' });
  }
}

const newSource = (isKnown: boolean): Source => ({
  epoch: null,
  received: 0,
  confirmed: new Set(),
  ended: new Set(),
  askedMs: -Infinity,
  isKnown,
  owesGap: false,
});

const isKind = (kind: string): kind is ChangeKind => (CHANGE_KINDS as readonly string[]).includes(kind);
