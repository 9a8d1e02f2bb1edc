/**
 * The finder: a cache request of this node's clients, from question to answer. Asked in this order: the local store, the
 * owner learned for the key, the swarm (a search through the router). Where nobody has the key, the local store
 * concludes.
 *
 * Invariants: every request ends in exactly one reply or refusal by its deadline; `missing` only follows a complete
 * search; requests for one key are executed in the order in which they came: all of them pass the store, which gives
 * back in order what waits in the key's lookup, and only those that come while the store concludes do not overtake it.
 */
import { HybridClock } from '../store/clock.js';
import type { NodeId } from '../store/node-id.js';
import { OwnerTable } from '../store/owner-table.js';
import { refused } from '../transport/message.js';
import type { CacheRequest, Key, MessageOf } from '../transport/message.js';
import type { Addresses } from './addresses.js';
import { finderMachine } from './finder-machine.js';
import type { FinderEvent } from './finder-machine.js';
import { refuseLeaving } from './leaving.js';
import type {
  Absent,
  Conclude,
  Concluded,
  Count,
  Find,
  FinderMessage,
  Observe,
  Searched,
  Unrouted,
  View,
} from './message.js';
import { defineKind, drop, refuse } from './runtime/kind.js';
import type { Ref, Self, TimerId } from './runtime/kind.js';
import { LEARNED_OWNERS_MAX, OPEN_REQUESTS_MAX } from './settings.js';
import type { Identity, Settings } from './settings.js';

interface Args {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
}

/** A request that the local store could not answer: it waits in a lookup, or for an owner's answer. */
interface Open {
  readonly number: number;
  readonly request: CacheRequest;
  readonly asker: Ref;
  readonly deadlineMs: number;
  /** The owner it was sent to; null while it waits in a lookup. */
  owner: NodeId | null;
  /** The search now running began after this request had come, so that its answer holds for it. */
  isCovered: boolean;
  /** Answered or refused; what is left of it in a lookup is skipped. */
  isSettled: boolean;
}

interface Lookup {
  readonly key: Key;
  /** In the order of their numbers. */
  waiting: Open[];
  status: 'searching' | 'pausing' | 'concluding';
  /** When `pausing`: monotonic ms at which the search is repeated. */
  againAtMs: number;
  /** When `concluding`: requests that the store has not yet reported. */
  concluding: number;
  /** When `concluding`: what came since. What the store was asked before, it gives back before it concludes. */
  later: { readonly request: CacheRequest; readonly asker: Ref }[];
}

/** The reply that a request asks for, beside `refused`. An owner never tells of absence (RULES O6). */
const REPLY_OF = { get: 'value', set: 'stored', delete: 'deleted' } as const;

/** Pause before an incomplete search is repeated: time for the view to settle. */
const SEARCH_AGAIN_MS = 50;

export class Finder {
  readonly #self: Self<FinderMessage, FinderEvent>;
  readonly #identity: Identity;
  readonly #settings: Settings;
  readonly #addresses: Addresses;
  readonly #clock: HybridClock;
  readonly #owners = new OwnerTable(LEARNED_OWNERS_MAX);
  /** Insertion order is deadline order: all requests have the same time. */
  readonly #open = new Map<number, Open>();
  readonly #lookups = new Map<Key, Lookup>();
  /** Running searches, by number. */
  readonly #searches = new Map<number, Lookup>();
  #members: ReadonlySet<NodeId>;
  #missed = 0;
  #lastNumber = 0;
  /** When the one timer fires, in monotonic ms; infinite without one. */
  #tickAtMs = Infinity;
  #timer: TimerId | null = null;
  #toldClock = 0;
  readonly #counts = {
    remote: 0,
    searches: 0,
    searchesRepeated: 0,
    notMine: 0,
    timeouts: 0,
    unknown: 0,
    busy: 0,
    lateAnswers: 0,
    misfits: 0,
    resent: 0,
  };

  constructor(self: Self<FinderMessage, FinderEvent>, args: Args) {
    this.#self = self;
    this.#identity = args.identity;
    this.#settings = args.settings;
    this.#addresses = args.addresses;
    this.#clock = new HybridClock(args.identity.node);
    this.#members = new Set([args.identity.node]);
  }

  onRequest(request: CacheRequest, asker: Ref): void {
    const lookup = this.#lookups.size === 0 ? undefined : this.#lookups.get(request.key);
    if (lookup?.status === 'concluding') lookup.later.push({ request, asker });
    else this.#askStore(request, asker);
  }

  /** Before the swarm is joined, "not here" would be an answer about one node only (RULES V3). */
  onRequestTooEarly(request: CacheRequest, asker: Ref): void {
    this.#counts.busy += 1;
    asker.tell(
      refused(request.id, 'BUSY', 'this node is still joining its swarm', { retryAfterMs: 200 }),
      this.#self.ref,
    );
  }

  onRequestDraining(request: CacheRequest, asker: Ref): void {
    asker.tell(refuseLeaving(request.id), this.#self.ref);
  }

  /** The store does not have the key. */
  onAbsent({ request, asker }: Absent): void {
    const lookup = this.#lookups.get(request.key);
    if (lookup !== undefined) return this.#wait(lookup, request, asker);
    const open = this.#begin(request, asker);
    if (open === null) return;
    const owner = this.#owners.get(request.key);
    if (owner !== undefined && owner !== this.#identity.node && this.#members.has(owner)) this.#forward(open, owner);
    else this.#search(request.key, [open]);
  }

  onSearched({ number, owner, isComplete, clock }: Searched): void {
    this.#clock.observe(clock);
    const lookup = this.#searches.get(number);
    this.#searches.delete(number);
    if (lookup === undefined || this.#lookups.get(lookup.key) !== lookup) return;
    if (owner !== null && owner !== this.#identity.node && this.#members.has(owner)) {
      this.#owners.learn(lookup.key, owner);
      this.#lookups.delete(lookup.key);
      for (const open of lookup.waiting) if (!open.isSettled) this.#forward(open, owner);
    } else if (owner === null && isComplete) {
      this.#conclude(lookup);
    } else {
      // Also for an owner that can't be asked (yet): without the pause, search and refusal would chase each other.
      this.#counts.searchesRepeated += 1;
      lookup.status = 'pausing';
      lookup.againAtMs = this.#self.now() + SEARCH_AGAIN_MS;
      this.#tickBy(lookup.againAtMs);
    }
  }

  /** The store has executed all that a lookup gave it; who came meanwhile is next. */
  onConcluded({ key, isPresent }: Concluded): void {
    const lookup = this.#lookups.get(key);
    if (lookup === undefined || lookup.status !== 'concluding') return;
    lookup.concluding -= 1;
    if (lookup.concluding > 0) return;
    this.#lookups.delete(key);
    const { waiting, later } = lookup;
    if (isPresent) {
      for (const open of waiting) if (this.#take(open)) this.#askStore(open.request, open.asker);
      for (const { request, asker } of later) this.#askStore(request, asker);
      return;
    }
    for (const { request, asker } of later) this.#wait(lookup, request, asker);
    lookup.waiting = waiting.filter((open) => !open.isSettled);
    if (lookup.waiting.length > 0) this.#search(key, lookup.waiting);
  }

  onAnswer(message: MessageOf<'answer'>): void {
    this.#clock.observe(message.clock);
    const open = this.#open.get(message.number);
    if (open === undefined) {
      this.#counts.lateAnswers += 1;
      return;
    }
    // What another node says is a claim: the client gets what it asked for, from whom it was asked for, or nothing.
    const { request, owner } = open;
    const reply = message.message;
    const isFit = (reply.type === REPLY_OF[request.type] || reply.type === 'refused') && reply.id === request.id;
    if (!isFit || owner !== message.from) {
      this.#counts.misfits += 1;
      return;
    }
    this.#take(open);
    if (reply.type === 'deleted') this.#owners.forget(request.key);
    else this.#owners.learn(request.key, owner);
    open.asker.tell(reply, this.#self.ref);
  }

  /** A learned owner was wrong: nothing was executed, and absence is not proven (RULES O6). */
  onNotMine(message: MessageOf<'notMine'>): void {
    this.#clock.observe(message.clock);
    const open = this.#open.get(message.number);
    if (open === undefined || open.owner !== message.from) return;
    this.#counts.notMine += 1;
    this.#lookUpAgain(open);
  }

  onUnrouted(message: Unrouted): void {
    const open = this.#open.get(message.number);
    if (open !== undefined && open.owner !== null) this.#lookUpAgain(open);
  }

  onView(message: View): void {
    this.#members = new Set(message.members);
    this.#missed = message.missed;
    const overtaken = this.#overtaken();
    for (const open of this.#open.values()) {
      if (open.owner === null) continue;
      const isGone = !this.#members.has(open.owner);
      if (open.request.type === 'get') {
        if (!isGone && overtaken.has(open)) continue;
        // Reads may be asked twice: the question or its answer may have been on a link that broke.
        this.#counts.resent += 1;
        if (isGone) this.#lookUpAgain(open);
        else this.#forward(open, open.owner);
      } else if (isGone) {
        this.#refuseUnknown(
          open,
          'the node that stores the key vanished before it answered; the change may have been made',
        );
      }
    }
  }

  onObserve(message: Observe): void {
    this.#clock.observe(message.clock);
    this.#tellClock();
  }

  onServe(): FinderEvent {
    return 'serve';
  }

  onDrain(): FinderEvent {
    return 'drain';
  }

  onCount(_message: Count, from: Ref): void {
    const counters = { ...this.#counts, open: this.#open.size, lookups: this.#lookups.size };
    from.tell({ type: 'counters', counters }, this.#self.ref);
  }

  /** Deadlines, and searches that are to be repeated. */
  onTick(): void {
    this.#timer = null;
    this.#tickAtMs = Infinity;
    const nowMs = this.#self.now();
    for (const open of this.#open.values()) {
      if (open.deadlineMs > nowMs) {
        this.#tickBy(open.deadlineMs);
        break;
      }
      this.#take(open);
      this.#counts.timeouts += 1;
      const text =
        open.owner === null || open.request.type === 'get'
          ? 'no answer in time'
          : 'no answer in time from the node that stores the key; the change may have been made';
      open.asker.tell(refused(open.request.id, 'TIMEOUT', text, null), this.#self.ref);
    }
    for (const lookup of this.#lookups.values()) {
      if (lookup.status === 'concluding') continue;
      if (lookup.waiting.every((open) => open.isSettled)) this.#lookups.delete(lookup.key);
      else if (lookup.status === 'pausing' && lookup.againAtMs <= nowMs) this.#search(lookup.key, lookup.waiting);
      else if (lookup.status === 'pausing') this.#tickBy(lookup.againAtMs);
    }
  }

  #askStore(request: CacheRequest, asker: Ref): void {
    // The store answers the asker itself, so that a request for a key that is here passes the finder once.
    this.#addresses.store.tell(request, asker);
  }

  #begin(request: CacheRequest, asker: Ref): Open | null {
    if (this.#open.size >= OPEN_REQUESTS_MAX) {
      this.#counts.busy += 1;
      const text = 'too many requests wait for other nodes';
      asker.tell(refused(request.id, 'BUSY', text, { retryAfterMs: 100 }), this.#self.ref);
      return null;
    }
    this.#counts.remote += 1;
    this.#lastNumber += 1;
    const timeoutMs = this.#settings.requestTimeoutMs;
    const open: Open = {
      number: this.#lastNumber,
      request,
      asker,
      deadlineMs: this.#self.now() + timeoutMs,
      owner: null,
      isCovered: false,
      isSettled: false,
    };
    this.#open.set(open.number, open);
    this.#tickBy(open.deadlineMs);
    return open;
  }

  /** Ends a request's waiting. False if it had ended before. */
  #take(open: Open): boolean {
    if (open.isSettled) return false;
    open.isSettled = true;
    this.#open.delete(open.number);
    return true;
  }

  /** Reads after which their session sent a write of the key that is under way: asked again, they could see it. */
  #overtaken(): ReadonlySet<Open> {
    const overtaken = new Set<Open>();
    const written = new Set<string>();
    for (const open of [...this.#open.values()].reverse()) {
      const { request, asker } = open;
      if (request.type !== 'get') written.add(`${asker.path} ${request.key}`);
      else if (written.size > 0 && written.has(`${asker.path} ${request.key}`)) overtaken.add(open);
    }
    return overtaken;
  }

  #wait(lookup: Lookup, request: CacheRequest, asker: Ref): void {
    const open = this.#begin(request, asker);
    if (open !== null) lookup.waiting.push(open);
  }

  #lookUpAgain(open: Open): void {
    this.#owners.forget(open.request.key);
    open.owner = null;
    open.isCovered = false;
    const lookup = this.#lookups.get(open.request.key);
    if (lookup === undefined) return this.#search(open.request.key, [open]);
    // It came before some that wait already.
    const before = lookup.waiting.findLastIndex((other) => other.number < open.number);
    lookup.waiting.splice(before + 1, 0, open);
  }

  #forward(open: Open, owner: NodeId): void {
    open.owner = owner;
    const budgetMs = Math.max(1, Math.ceil(open.deadlineMs - this.#self.now()));
    const message: MessageOf<'forward'> = {
      type: 'forward',
      to: owner,
      from: this.#identity.node,
      hops: 1,
      number: open.number,
      budgetMs,
      clock: this.#clock.last,
      message: open.request,
    };
    this.#addresses.router.tell(message, this.#self.ref);
  }

  #search(key: Key, waiting: Open[]): void {
    this.#counts.searches += 1;
    const lookup: Lookup = { key, waiting, status: 'searching', againAtMs: 0, concluding: 0, later: [] };
    this.#lookups.set(key, lookup);
    let deadlineMs = 0;
    for (const open of waiting) {
      open.isCovered = true;
      deadlineMs = Math.max(deadlineMs, open.deadlineMs);
    }
    this.#lastNumber += 1;
    this.#searches.set(this.#lastNumber, lookup);
    const budgetMs = Math.max(1, Math.ceil(deadlineMs - this.#self.now()));
    const find: Find = { type: 'find', number: this.#lastNumber, key, budgetMs, clock: this.#clock.last };
    this.#addresses.router.tell(find, this.#self.ref);
  }

  /** Nobody has the key. What came before the search began is decided here; later ones, by another search. */
  #conclude(lookup: Lookup): void {
    lookup.status = 'concluding';
    let at = 0;
    for (; at < lookup.waiting.length; at += 1) {
      const open = lookup.waiting[at] as Open;
      if (!open.isSettled && !open.isCovered) break;
      if (open.isSettled) continue;
      if (this.#missed > 0 && open.request.type !== 'set') {
        // It may be at a member that vanished; a plain set is stored, and merged when that member returns (C4, C6).
        this.#refuseUnknown(open, 'not found, but a member of the swarm is missing and may have it');
        continue;
      }
      this.#take(open);
      const conclude: Conclude = {
        type: 'conclude',
        request: open.request,
        asker: open.asker,
        clock: this.#clock.last,
      };
      this.#addresses.store.tell(conclude, this.#self.ref);
      lookup.concluding += 1;
      this.#toldClock = this.#clock.last;
    }
    lookup.waiting = lookup.waiting.slice(at);
    if (lookup.concluding > 0) return;
    this.#lookups.delete(lookup.key);
    if (lookup.waiting.some((open) => !open.isSettled)) this.#search(lookup.key, lookup.waiting);
  }

  #refuseUnknown(open: Open, text: string): void {
    if (!this.#take(open)) return;
    this.#counts.unknown += 1;
    open.asker.tell(refused(open.request.id, 'UNKNOWN', text, null), this.#self.ref);
  }

  #tellClock(): void {
    if (this.#clock.last <= this.#toldClock) return;
    this.#toldClock = this.#clock.last;
    this.#addresses.store.tell({ type: 'observe', clock: this.#clock.last } satisfies Observe, this.#self.ref);
  }

  #tickBy(atMs: number): void {
    if (atMs >= this.#tickAtMs) return;
    if (this.#timer !== null) this.#self.cancel(this.#timer);
    this.#tickAtMs = atMs;
    this.#timer = this.#self.after(Math.max(1, atMs - this.#self.now()), { type: 'tick' });
  }
}

const on = Finder.prototype;
const common = {
  absent: on.onAbsent,
  concluded: on.onConcluded,
  searched: on.onSearched,
  unrouted: on.onUnrouted,
  answer: on.onAnswer,
  notMine: on.onNotMine,
  view: on.onView,
  observe: on.onObserve,
  count: on.onCount,
  tick: on.onTick,
} as const;

export const finderKind = defineKind({
  name: 'finder',
  machine: finderMachine,
  create: (self: Self<FinderMessage, FinderEvent>, args: Args) => new Finder(self, args),
  tables: {
    joining: {
      ...common,
      get: on.onRequestTooEarly,
      set: on.onRequestTooEarly,
      delete: on.onRequestTooEarly,
      serve: on.onServe,
      drain: on.onDrain,
    },
    serving: { ...common, get: on.onRequest, set: on.onRequest, delete: on.onRequest, serve: drop, drain: on.onDrain },
    draining: {
      ...common,
      get: on.onRequestDraining,
      set: on.onRequestDraining,
      delete: on.onRequestDraining,
      serve: drop,
      drain: drop,
    },
    closed: {
      get: refuse,
      set: refuse,
      delete: refuse,
      absent: drop,
      concluded: drop,
      searched: drop,
      unrouted: drop,
      answer: drop,
      notMine: drop,
      view: drop,
      observe: drop,
      serve: drop,
      drain: drop,
      count: drop,
      tick: drop,
    },
  },
  commands: {},
  mailbox: {
    capacity: 1 << 20,
    overflow: {
      absent: 'never',
      concluded: 'never',
      searched: 'never',
      unrouted: 'never',
      answer: 'never',
      notMine: 'never',
      view: 'never',
      observe: 'never',
      serve: 'never',
      drain: 'never',
      count: 'never',
      tick: 'never',
    },
  },
  refusal: (message: FinderMessage) =>
    'id' in message
      ? refused(message.id, 'BUSY', 'this node has too much to do; try again', { retryAfterMs: 100 })
      : null,
});
