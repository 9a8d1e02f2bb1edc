/**
 * The finder: a cache request of this node's clients, from question to answer. Asked in this order: the local store, the
 * owner learned for the key, the key's home (through the store), and while that can't tell, the swarm (a search through
 * the router). Where nobody has the key, the local store concludes, under a claim if something is to be created.
 *
 * Invariants: every request ends in exactly one reply or refusal by its deadline; `missing` only follows the word of a
 * settled home, of the owner, or a complete search; a request for a key that is nowhere and has no room here is passed
 * on to a node that advertises room, at most twice (RULES K1); requests for one key are executed in the order in which
 * they came: all of them pass the store, which gives back in order what waits in the key's lookup, and only those that
 * come while the store concludes do not overtake it.
 */
import { HybridClock } from '../store/clock.js';
import type { NodeId } from '../store/node-id.js';
import { OwnerTable } from '../store/owner-table.js';
import { forCacheRequests, refused } from '../transport/message.js';
import type { CacheRequest, ClientReply, Key, MessageOf } from '../transport/message.js';
import type { Addresses } from './addresses.js';
import { isClaiming, isCreating, isPlainSet, isRead, valueBytesOf } from './cache-request.js';
import { finderMachine } from './finder-machine.js';
import type { FinderEvent } from './finder-machine.js';
import type {
  Absent,
  Asked,
  Conclude,
  Concluded,
  Count,
  Find,
  FinderMessage,
  Locate,
  Located,
  Observe,
  Passed,
  Resolved,
  Retry,
  Rooms,
  Searched,
  Step,
  Unrouted,
  View,
} from './message.js';
import { refuseForRoom, refuseLeaving } from './refusal.js';
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
  /** The session that gets the reply; null for a request that another node passed here. */
  readonly asker: Ref | null;
  readonly passed: Passed | null;
  readonly deadlineMs: number;
  /** The owner it was sent to; null while it waits in a lookup. */
  owner: NodeId | null;
  /** The number under which the home named that owner; 0 for a learned owner. */
  claim: number;
  /** It was sent there to be created; else null. */
  passing: Passing | null;
  /** The question now under way began after this request had come, so that its answer holds for it. */
  isCovered: boolean;
  /** Answered or refused; what is left of it in a lookup is skipped. */
  isSettled: boolean;
}

interface Lookup {
  readonly key: Key;
  /** In the order of their numbers. */
  waiting: Open[];
  status: 'locating' | 'searching' | 'pausing' | 'concluding';
  /** When `locating` or `pausing`: monotonic ms at which the home is asked again. */
  againAtMs: number;
  /** How often in a row the home could not tell. */
  tries: number;
  /** A complete search has found nothing. */
  isSearched: boolean;
  /** When `concluding`: what the store was given. */
  concluding: Open[];
  /** When `concluding`: what came since. What the store was asked before, it gives back before it concludes. */
  later: { readonly request: CacheRequest; readonly asker: Ref }[];
}

/** Requests for a key that are on their way to the node that is to create it: what comes after them takes their way. */
interface Passing {
  readonly to: NodeId;
  /** By how much this counts against the bound on passing on. */
  readonly passes: number;
  count: number;
}

/** Another node that stores entries: what room it advertised last, without what was passed to it since. */
interface Store {
  readonly node: NodeId;
  readonly toldBytes: number;
  readonly toldKeys: number;
  bytes: number;
  keys: number;
  /** Since when that is counted, in monotonic ms. */
  sinceMs: number;
}

/** The replies that a request may have, beside `refused`. */
const REPLIES_OF: { readonly [T in CacheRequest['type']]: readonly string[] } = {
  get: ['value', 'missing'],
  set: ['stored'],
  delete: ['deleted'],
  touch: ['stored', 'missing'],
  incr: ['value'],
  where: ['located'],
  trace: ['located'],
};

/** Pause before a home is asked again that could not tell: time for the view to settle. */
const LOCATE_PAUSE_MS = 20;
/** Pause before an owner that holds nothing is asked for again: time for its release to arrive. */
const RELEASE_PAUSE_MS = 10;
/** A home that has not answered is asked again. */
const LOCATE_AGAIN_MS = 500;
/** So often in a row a home may be unable to tell before the swarm is searched. */
const TRIES_MAX = 5;
/** So often is a request passed on; then it is decided where it is (RULES K1). */
const PASSES_MAX = 2;
/** What was passed to a node longer ago than this, it has told if it matters: see vacancy.ts. */
const ADVERT_AGE_MS = 2000;
/** Pause before an incomplete search is repeated. */
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
  readonly #passing = new Map<Key, Passing>();
  readonly #isStore: boolean;
  /** The nearest first. */
  #stores: Store[] = [];
  /** The largest room that one of them advertised. */
  #roomBytesMax = 0;
  #members: ReadonlySet<NodeId>;
  #missed = 0;
  #lastNumber = 0;
  /** When the one timer fires, in monotonic ms; infinite without one. */
  #tickAtMs = Infinity;
  #timer: TimerId | null = null;
  /** The highest number of a write that an owner has answered, by owner. */
  readonly #answered = new Map<NodeId, number>();
  readonly #counts = {
    remote: 0,
    lookedUp: 0,
    searches: 0,
    searchesRepeated: 0,
    notMine: 0,
    timeouts: 0,
    unknown: 0,
    busy: 0,
    lateAnswers: 0,
    misfits: 0,
    directoryFull: 0,
    passedOn: 0,
    noRoom: 0,
    resent: 0,
  };

  constructor(self: Self<FinderMessage, FinderEvent>, args: Args) {
    this.#self = self;
    this.#identity = args.identity;
    this.#settings = args.settings;
    this.#addresses = args.addresses;
    this.#clock = new HybridClock(args.identity.node);
    this.#members = new Set([args.identity.node]);
    this.#isStore = args.settings.storeBytesMax > 0 && args.settings.keysMax > 0;
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
  onAbsent(absent: Absent): void {
    const { request } = absent;
    const lookup = this.#lookups.get(request.key);
    if (lookup !== undefined) return this.#wait(lookup, absent);
    const open = this.#begin(absent);
    if (open === null) return;
    // What was passed here comes one by one, and goes its own way.
    const isFollowing = this.#passing.size > 0 && open.passed === null;
    const passing = isFollowing ? this.#passing.get(request.key) : undefined;
    if (passing !== undefined) return this.#pass(open, passing);
    const owner = this.#owners.get(request.key);
    if (owner !== undefined && owner !== this.#identity.node && this.#members.has(owner)) {
      this.#note(open, 'learned');
      this.#forward(open, owner, 0);
    } else this.#lookUp(request.key, [open]);
  }

  /** The store's word from the key's home. */
  onLocated({ key, outcome, owner, claim, clock }: Located): void {
    this.#clock.observe(clock);
    const lookup = this.#lookups.get(key);
    if (lookup?.status !== 'locating') {
      // Nobody needs the claim any more: it is given back.
      if (outcome === 'mine') this.#tellConclude(key, [], true);
      return;
    }
    switch (outcome) {
      case 'owned':
        if (owner !== null && owner !== this.#identity.node && this.#members.has(owner)) {
          this.#forwardAll(lookup, owner, claim);
        } else this.#pause(lookup, LOCATE_PAUSE_MS);
        return;
      case 'here':
        this.#lookups.delete(key);
        for (const open of lookup.waiting) if (this.#take(open)) this.#askAgain(open);
        return;
      case 'noRoom':
        this.#findRoom(lookup);
        return;
      case 'mine':
        this.#conclude(lookup, true);
        return;
      case 'absent':
        this.#conclude(lookup, false);
        return;
      case 'homeless':
      case 'full':
        this.#refuseCreation(lookup);
        if (outcome === 'homeless') this.#conclude(lookup, false);
        else this.#again(lookup);
        return;
      case 'unsettled':
      case 'again':
        lookup.tries += 1;
        if (lookup.tries > TRIES_MAX) this.#search(lookup);
        else this.#pause(lookup, LOCATE_PAUSE_MS);
    }
  }

  onSearched({ number, owner, isComplete, clock }: Searched): void {
    this.#clock.observe(clock);
    const lookup = this.#searches.get(number);
    this.#searches.delete(number);
    if (lookup === undefined || this.#lookups.get(lookup.key) !== lookup || lookup.status !== 'searching') return;
    if (owner !== null && owner !== this.#identity.node && this.#members.has(owner)) {
      this.#forwardAll(lookup, owner, 0);
    } else if (owner === null && isComplete) {
      // Only a home can tell who of several may create the key (RULES O3).
      if (lookup.waiting.some((open) => open.isCovered && !open.isSettled && isClaiming(open.request))) {
        this.#locate(lookup, true);
      } else this.#conclude(lookup, false);
    } else {
      // Also for an owner that can't be asked (yet): without the pause, search and refusal would chase each other.
      this.#counts.searchesRepeated += 1;
      this.#pause(lookup, SEARCH_AGAIN_MS);
    }
  }

  /** The store has executed what a lookup gave it, or what it could of that; who came meanwhile is next. */
  onConcluded({ key, executed, isPresent }: Concluded): void {
    const lookup = this.#lookups.get(key);
    if (lookup === undefined || lookup.status !== 'concluding') return;
    const { later } = lookup;
    this.#reopen(lookup.concluding.slice(executed));
    lookup.waiting = [...lookup.concluding.slice(executed), ...lookup.waiting];
    lookup.concluding = [];
    lookup.later = [];
    if (isPresent) {
      this.#lookups.delete(key);
      for (const open of lookup.waiting) if (this.#take(open)) this.#askAgain(open);
      for (const { request, asker } of later) this.#askStore(request, asker);
      return;
    }
    for (const { request, asker } of later) this.#wait(lookup, { request, asker, passed: null });
    this.#again(lookup);
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
    const isFit =
      reply.id === request.id && (reply.type === 'refused' || REPLIES_OF[request.type].includes(reply.type));
    if (!isFit || owner !== message.from) {
      this.#counts.misfits += 1;
      return;
    }
    // The owner had nothing for a write of its session before it either, which will be executed first.
    if (reply.type === 'missing' && this.#hasWriteBefore(open)) return this.#lookUpAgain(open, RELEASE_PAUSE_MS);
    // Who answers what was passed on need not be the owner: it may have passed it on in turn.
    if (open.passing === null) this.#owners.learn(request.key, owner);
    this.#take(open);
    if (!isRead(request)) this.#answered.set(owner, Math.max(open.number, this.#answered.get(owner) ?? 0));
    this.#reply(open, reply as ClientReply);
  }

  /** The owner was wrong: nothing was executed, and absence is not proven (RULES O6). */
  onNotMine(message: MessageOf<'notMine'>): void {
    this.#clock.observe(message.clock);
    const open = this.#open.get(message.number);
    if (open === undefined || open.owner !== message.from) return;
    this.#counts.notMine += 1;
    const pauseMs = open.claim > 0 ? RELEASE_PAUSE_MS : 0;
    this.#lookUpAgain(open, open.passing !== null ? LOCATE_PAUSE_MS : pauseMs);
  }

  onUnrouted(message: Unrouted): void {
    const open = this.#open.get(message.number);
    if (open !== undefined && open.owner !== null) this.#lookUpAgain(open, LOCATE_PAUSE_MS);
  }

  onView(message: View): void {
    this.#members = new Set(message.members);
    this.#missed = message.missed;
    for (const owner of this.#answered.keys()) if (!this.#members.has(owner)) this.#answered.delete(owner);
    const overtaken = this.#overtaken();
    for (const open of this.#open.values()) {
      const { owner, request } = open;
      if (owner === null) continue;
      if (!this.#members.has(owner)) {
        if (isRead(request)) {
          this.#counts.resent += 1;
          this.#lookUpAgain(open, 0);
        } else {
          const text = 'the node that stores the key vanished before it answered; the change may have been made';
          this.#refuseUnknown(open, text);
        }
        continue;
      }
      // The question or its answer may have been on a link that broke. The owner executes a write once (RULES D1), yet
      // one that it has not seen must not follow what was sent after it.
      if (overtaken.has(open)) continue;
      if (!isRead(request) && open.number < (this.#answered.get(owner) ?? 0)) continue;
      this.#counts.resent += 1;
      this.#forward(open, owner, open.claim);
    }
  }

  onRooms({ stores }: Rooms): void {
    const former = new Map(this.#stores.map((store) => [store.node, store]));
    this.#stores = stores.map(({ node, freeBytes, freeKeys }) => {
      const known = former.get(node);
      if (known?.toldBytes === freeBytes && known.toldKeys === freeKeys) return known;
      return { node, toldBytes: freeBytes, toldKeys: freeKeys, bytes: freeBytes, keys: freeKeys, sinceMs: 0 };
    });
    this.#roomBytesMax = 0;
    for (const { freeBytes, freeKeys } of stores) {
      if (freeKeys > 0 && freeBytes > this.#roomBytesMax) this.#roomBytesMax = freeBytes;
    }
  }

  onObserve(message: Observe): void {
    this.#clock.observe(message.clock);
    this.#addresses.store.tell(message, this.#self.ref);
  }

  onServe(): FinderEvent {
    return 'serve';
  }

  onDrain(): FinderEvent {
    // What was passed here is not to be created here any more.
    for (const open of this.#open.values()) {
      if (open.passed !== null && open.owner === null && this.#take(open)) this.#reply(open, null);
    }
    return 'drain';
  }

  onCount(_message: Count, from: Ref): void {
    const counters = {
      ...this.#counts,
      open: this.#open.size,
      lookups: this.#lookups.size,
      passing: this.#passing.size,
    };
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
      this.#expire(open);
    }
    for (const lookup of this.#lookups.values()) {
      if (lookup.status === 'concluding') continue;
      if (lookup.waiting.every((open) => open.isSettled)) this.#lookups.delete(lookup.key);
      else if (lookup.status === 'searching') continue;
      else if (lookup.againAtMs <= nowMs) this.#locate(lookup, false);
      else this.#tickBy(lookup.againAtMs);
    }
  }

  #askStore(request: CacheRequest, asker: Ref): void {
    // The store answers the asker itself, so that a request for a key that is here passes the finder once.
    this.#addresses.store.tell(request, asker);
  }

  #askAgain({ request, asker, passed }: Asked): void {
    if (asker !== null) this.#askStore(request, asker);
    else if (passed !== null) this.#addresses.store.tell({ type: 'retry', passed } satisfies Retry, this.#self.ref);
  }

  /** The store answers other nodes, since it keeps the record of what was executed for them. */
  #reply({ asker, passed }: Asked, reply: ClientReply | null): void {
    if (asker !== null && reply !== null) asker.tell(reply, this.#self.ref);
    if (passed === null) return;
    this.#addresses.store.tell({ type: 'resolved', passed, reply } satisfies Resolved, this.#self.ref);
  }

  #begin({ request, asker, passed }: Asked): Open | null {
    if (this.#open.size >= OPEN_REQUESTS_MAX) {
      this.#counts.busy += 1;
      const text = 'too many requests wait for other nodes';
      this.#reply({ request, asker, passed }, refused(request.id, 'BUSY', text, { retryAfterMs: 100 }));
      return null;
    }
    this.#counts.remote += 1;
    this.#lastNumber += 1;
    const open: Open = {
      number: this.#lastNumber,
      request,
      asker,
      passed,
      deadlineMs: passed?.deadlineMs ?? this.#self.now() + this.#settings.requestTimeoutMs,
      owner: null,
      claim: 0,
      passing: null,
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
    this.#endPassing(open);
    return true;
  }

  /** The time of the request is over. The node that passed it here knows that by itself (RULES D3). */
  #expire(open: Open): void {
    if (!this.#take(open)) return;
    this.#counts.timeouts += 1;
    const text =
      open.owner === null || isRead(open.request)
        ? 'no answer in time'
        : 'no answer in time from the node that stores the key; the change may have been made';
    this.#reply(open, open.passed === null ? refused(open.request.id, 'TIMEOUT', text, null) : null);
  }

  /** A request that was passed here has less time than those of this node, whose order the clock follows. */
  #isOver(open: Open): boolean {
    if (open.passed === null || open.deadlineMs > this.#self.now()) return false;
    this.#expire(open);
    return true;
  }

  /** Back among the open ones, which are in the order of their numbers. */
  #reopen(opens: readonly Open[]): void {
    if (opens.length === 0) return;
    for (const open of opens) {
      open.isSettled = false;
      open.isCovered = false;
      this.#open.set(open.number, open);
    }
    const ordered = [...this.#open.values()].toSorted((a, b) => a.number - b.number);
    this.#open.clear();
    for (const open of ordered) this.#open.set(open.number, open);
    this.#tickBy((ordered[0] as Open).deadlineMs);
  }

  /** Requests after which their session sent a write of the key that is under way: asked again, they would follow it. */
  #overtaken(): ReadonlySet<Open> {
    const overtaken = new Set<Open>();
    const written = new Set<string>();
    for (const open of [...this.#open.values()].reverse()) {
      const { request, asker, passed } = open;
      const name = `${asker?.path ?? passed?.forward.from} ${request.key}`;
      if (written.has(name)) overtaken.add(open);
      else if (!isRead(request)) written.add(name);
    }
    return overtaken;
  }

  /** A write of the key waits that came before the request. */
  #hasWriteBefore({ number, request }: Open): boolean {
    const lookup = this.#lookups.get(request.key);
    const isBefore = (other: Open): boolean => other.number < number && !isRead(other.request);
    return lookup !== undefined && (lookup.waiting.some(isBefore) || lookup.concluding.some(isBefore));
  }

  #wait(lookup: Lookup, asked: Asked): void {
    const open = this.#begin(asked);
    if (open !== null) lookup.waiting.push(open);
  }

  #lookUpAgain(open: Open, pauseMs: number): void {
    const { key } = open.request;
    this.#owners.forget(key);
    this.#endPassing(open);
    open.owner = null;
    open.claim = 0;
    open.isCovered = false;
    let lookup = this.#lookups.get(key);
    if (lookup === undefined) {
      lookup = this.#newLookup(key, [open]);
      if (pauseMs > 0) this.#pause(lookup, pauseMs);
      else this.#locate(lookup, false);
      return;
    }
    // It came before some that wait already.
    const before = lookup.waiting.findLastIndex((other) => other.number < open.number);
    lookup.waiting.splice(before + 1, 0, open);
  }

  #forwardAll(lookup: Lookup, owner: NodeId, claim: number): void {
    this.#owners.learn(lookup.key, owner);
    this.#lookups.delete(lookup.key);
    for (const open of lookup.waiting) if (!open.isSettled) this.#forward(open, owner, claim);
  }

  // Room (RULES K1)

  /** Nobody has the key, and here is no room for it: whoever advertises room is to create it, or the policy decides. */
  #findRoom(lookup: Lookup): void {
    const creating = lookup.waiting.filter(
      (open) => open.isCovered && !open.isSettled && !this.#isOver(open) && isCreating(open.request),
    );
    const [first] = creating;
    if (first === undefined) return this.#again(lookup);
    const bytes = lookup.key.length + valueBytesOf(first.request);
    const others = this.#stores.filter(
      ({ node }) => this.#members.has(node) && !creating.some(({ passed }) => passed?.forward.from === node),
    );
    const roomy = others.find((store) => this.#hasRoom(store, bytes));
    // A node that stores nothing leaves the decision to the nearest one that does.
    const target = roomy ?? (this.#isStore ? undefined : others[0]);
    const isPassable = (open: Open): boolean => target !== undefined && passesOf(open) < PASSES_MAX;
    if (target !== undefined && creating.every(isPassable)) {
      target.bytes = Math.max(0, target.bytes - bytes);
      target.keys = Math.max(0, target.keys - 1);
      return this.#passAll(lookup, { to: target.node, passes: roomy === undefined ? PASSES_MAX : 1, count: 0 });
    }
    // Where others go for it, there is room for what they leave; a node that stores nothing has none to go.
    if (this.#isStore && this.#settings.policy === 'lru') return this.#locate(lookup, lookup.isSearched, true);
    for (const open of creating) {
      if (isPassable(open) || !this.#take(open)) continue;
      this.#counts.noRoom += 1;
      this.#reply(open, refuseForRoom(open.request.id));
    }
    this.#again(lookup);
  }

  #hasRoom(store: Store, bytes: number): boolean {
    const nowMs = this.#self.now();
    if (nowMs - store.sinceMs >= ADVERT_AGE_MS) {
      store.sinceMs = nowMs;
      store.bytes = store.toldBytes;
      store.keys = store.toldKeys;
    }
    return store.bytes >= bytes && store.keys > 0;
  }

  /** Nobody advertises room, and the policy is to make it. */
  #isRoomMade(bytes: number): boolean {
    return this.#isStore && this.#settings.policy === 'lru' && bytes > this.#roomBytesMax;
  }

  /** All of them, whether they are covered or not: the next node asks anew. */
  #passAll(lookup: Lookup, passing: Passing): void {
    this.#lookups.delete(lookup.key);
    for (const open of lookup.waiting) if (!open.isSettled) this.#pass(open, passing);
  }

  #pass(open: Open, passing: Passing): void {
    if (this.#isOver(open)) return;
    this.#counts.passedOn += 1;
    passing.count += 1;
    this.#passing.set(open.request.key, passing);
    open.passing = passing;
    this.#forward(open, passing.to, 0);
  }

  #endPassing(open: Open): void {
    const { passing } = open;
    if (passing === null) return;
    open.passing = null;
    passing.count -= 1;
    const { key } = open.request;
    if (passing.count === 0 && this.#passing.get(key) === passing) this.#passing.delete(key);
  }

  #forward(open: Open, owner: NodeId, claim: number): void {
    if (this.#isOver(open)) return;
    open.owner = owner;
    open.claim = claim;
    const budgetMs = Math.max(1, Math.ceil(open.deadlineMs - this.#self.now()));
    const message: MessageOf<'forward'> = {
      type: 'forward',
      to: owner,
      from: this.#identity.node,
      hops: 1,
      number: open.number,
      // Reads may be executed twice, so that nobody keeps results for them.
      floor: isRead(open.request) ? 0 : this.#floor(),
      incarnation: this.#identity.incarnation,
      claim,
      passes: open.passing === null ? 0 : Math.min(PASSES_MAX, passesOf(open) + open.passing.passes),
      budgetMs,
      clock: this.#clock.last,
      message: open.request,
    };
    this.#addresses.router.tell(message, this.#self.ref);
  }

  /** The lowest number without an answer (RULES D1). */
  #floor(): number {
    for (const number of this.#open.keys()) return number;
    return this.#lastNumber + 1;
  }

  #newLookup(key: Key, waiting: Open[]): Lookup {
    const begun = { status: 'pausing', againAtMs: 0, tries: 0, isSearched: false } as const;
    const lookup: Lookup = { key, waiting, ...begun, concluding: [], later: [] };
    this.#lookups.set(key, lookup);
    return lookup;
  }

  #lookUp(key: Key, waiting: Open[]): void {
    this.#locate(this.#newLookup(key, waiting), false);
  }

  /** Goes on with those of a lookup that wait still, or ends it. */
  #again(lookup: Lookup): void {
    lookup.waiting = lookup.waiting.filter((open) => !open.isSettled);
    if (lookup.waiting.length === 0) this.#lookups.delete(lookup.key);
    else this.#locate(lookup, false);
  }

  #pause(lookup: Lookup, pauseMs: number): void {
    lookup.status = 'pausing';
    lookup.againAtMs = this.#self.now() + pauseMs;
    this.#tickBy(lookup.againAtMs);
  }

  /** Asks the key's home, by way of the store, which knows how it stands with it. */
  #locate(lookup: Lookup, isSearched: boolean, isForced = false): void {
    this.#counts.lookedUp += 1;
    lookup.status = 'locating';
    lookup.isSearched = isSearched;
    let isClaim = false;
    let valueBytes: number | null = null;
    for (const open of lookup.waiting) {
      if (open.isSettled) continue;
      this.#note(open, 'home');
      // After a search only those that it covered: the home grants to them what it could not grant without it.
      if (!isSearched) open.isCovered = true;
      isClaim ||= open.isCovered && isClaiming(open.request);
      if (isForced || valueBytes !== null || !open.isCovered || !isCreating(open.request)) continue;
      const bytes = valueBytesOf(open.request);
      if (this.#isRoomMade(lookup.key.length + bytes)) isForced = true;
      else valueBytes = bytes;
    }
    lookup.againAtMs = this.#self.now() + LOCATE_AGAIN_MS;
    this.#tickBy(lookup.againAtMs);
    const { key } = lookup;
    const locate: Locate = { type: 'locate', key, isClaim, valueBytes, isSearched, clock: this.#clock.last };
    this.#addresses.store.tell(locate, this.#self.ref);
  }

  #search(lookup: Lookup): void {
    this.#counts.searches += 1;
    lookup.status = 'searching';
    let deadlineMs = 0;
    for (const open of lookup.waiting) {
      this.#note(open, 'search');
      open.isCovered = true;
      deadlineMs = Math.max(deadlineMs, open.deadlineMs);
    }
    this.#lastNumber += 1;
    this.#searches.set(this.#lastNumber, lookup);
    const budgetMs = Math.max(1, Math.ceil(deadlineMs - this.#self.now()));
    const find: Find = { type: 'find', number: this.#lastNumber, key: lookup.key, budgetMs, clock: this.#clock.last };
    this.#addresses.router.tell(find, this.#self.ref);
  }

  /** Nobody has the key. What came before the question is decided here; later ones, by another question. */
  #conclude(lookup: Lookup, isClaimed: boolean): void {
    const covered: Open[] = [];
    let at = 0;
    for (; at < lookup.waiting.length; at += 1) {
      const open = lookup.waiting[at] as Open;
      if (open.isSettled || this.#isOver(open)) continue;
      if (!open.isCovered) break;
      if (this.#missed > 0 && !isPlainSet(open.request)) {
        // It may be at a member that vanished; a plain set is stored, and merged when that member returns (C4, C6).
        this.#refuseUnknown(open, 'not found, but a member of the swarm is missing and may have it');
        continue;
      }
      this.#take(open);
      covered.push(open);
    }
    lookup.waiting = lookup.waiting.slice(at);
    if (covered.length === 0 && !isClaimed) {
      this.#again(lookup);
      return;
    }
    lookup.status = 'concluding';
    lookup.concluding = covered;
    this.#tellConclude(lookup.key, covered, isClaimed);
  }

  #tellConclude(key: Key, opens: readonly Open[], isClaimed: boolean): void {
    const requests = opens.map(({ request, asker, passed }) => ({ request, asker, passed }));
    const conclude: Conclude = { type: 'conclude', key, requests, isClaimed, clock: this.#clock.last };
    this.#addresses.store.tell(conclude, this.#self.ref);
  }

  /** There is no home, or none with room, that could keep two nodes from creating the key. */
  #refuseCreation(lookup: Lookup): void {
    for (const open of lookup.waiting) {
      if (!open.isCovered || !isClaiming(open.request) || !this.#take(open)) continue;
      this.#counts.directoryFull += 1;
      const text = 'the directory has no room for the key';
      this.#reply(open, refused(open.request.id, 'OVER_CAPACITY', text, { where: 'directory' }));
    }
  }

  /** Who traces a key is told how it is being found. */
  #note(open: Open, step: Step['step']): void {
    if (open.request.type !== 'trace') return;
    open.asker?.tell({ type: 'step', id: open.request.id, step } satisfies Step, this.#self.ref);
  }

  #refuseUnknown(open: Open, text: string): void {
    if (!this.#take(open)) return;
    this.#counts.unknown += 1;
    this.#reply(open, refused(open.request.id, 'UNKNOWN', text, null));
  }

  #tickBy(atMs: number): void {
    if (atMs >= this.#tickAtMs) return;
    if (this.#timer !== null) this.#self.cancel(this.#timer);
    this.#tickAtMs = atMs;
    this.#timer = this.#self.after(Math.max(1, atMs - this.#self.now()), { type: 'tick' });
  }
}

/** How often a request had been passed on when it came here. */
function passesOf({ passed }: Open): number {
  return passed?.forward.passes ?? 0;
}

const on = Finder.prototype;
const common = {
  absent: on.onAbsent,
  located: on.onLocated,
  concluded: on.onConcluded,
  searched: on.onSearched,
  unrouted: on.onUnrouted,
  answer: on.onAnswer,
  notMine: on.onNotMine,
  view: on.onView,
  rooms: on.onRooms,
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
      ...forCacheRequests(on.onRequestTooEarly),
      serve: on.onServe,
      drain: on.onDrain,
    },
    serving: { ...common, ...forCacheRequests(on.onRequest), serve: drop, drain: on.onDrain },
    draining: {
      ...common,
      ...forCacheRequests(on.onRequestDraining),
      serve: drop,
      drain: drop,
    },
    closed: {
      ...forCacheRequests(refuse),
      absent: drop,
      located: drop,
      concluded: drop,
      searched: drop,
      unrouted: drop,
      answer: drop,
      notMine: drop,
      view: drop,
      rooms: drop,
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
      located: 'never',
      concluded: 'never',
      searched: 'never',
      unrouted: 'never',
      answer: 'never',
      notMine: 'never',
      view: 'never',
      rooms: 'never',
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
