/**
 * Finding keys whose owner is not known: by asking the key's home, through the store, and while that can't tell, the
 * swarm, by a search through the router. Of a key there is one lookup, in which its requests wait in their order. It ends
 * with an owner to send them to, with word that the key is here, or with the store's conclusion that nobody has it.
 */
import type { HybridClock } from '../../store/clock.js';
import type { NodeId } from '../../store/node-id.js';
import type { LearnedOwner, OwnerTable } from '../../store/owner-table.js';
import { TransientMap } from '../../store/transient-map.js';
import { refused } from '../../transport/message.js';
import type { CacheRequest, Key } from '../../transport/message.js';
import type { Addresses } from '../addresses.js';
import type { Alarm } from '../alarm.js';
import { isClaiming, isCreating, isPlainSet, isRead, valueBytesOf } from '../cache-request.js';
import type {
  Answered,
  Asked,
  Conclude,
  Concluded,
  Find,
  FinderMessage,
  Locate,
  Located,
  Retry,
  Searched,
} from '../message.js';
import { refuseForRoom } from '../refusal.js';
import type { Ref, Self } from '../runtime/kind.js';
import type { Open, Passing } from './open-request.js';
import type { OpenTable } from './open-table.js';
import type { PassingOn } from './passing-on.js';
import type { SwarmView } from './swarm-view.js';

interface Lookup {
  readonly key: Key;
  /** In the order of their numbers. */
  waiting: Open[];
  status: 'locating' | 'searching' | 'pausing' | 'concluding';
  /** When `locating` or `pausing`: monotonic ms at which the home is asked again. */
  againAtMs: number;
  /** Where requests were sent before, while some of them may not have come back; else null. */
  former: LearnedOwner | null;
  /** How often in a row the home could not tell. */
  tries: number;
  /** A complete search has found nothing. */
  isSearched: boolean;
  /** When `locating`: the read that the home may hand on to the owner, who then answers it. */
  handed: Open | null;
  /** The home named an owner who had nothing: it is asked to name him, and nothing more. */
  isNamed: boolean;
  /** When `concluding`: what the store was given. */
  concluding: Open[];
  /** When `concluding`: what came since. What the store was asked before, it gives back before it concludes. */
  later: { readonly request: CacheRequest; readonly asker: Ref }[];
}

/** What it needs of the finder. */
export interface LookupsHost {
  readonly self: Self<FinderMessage>;
  readonly addresses: Addresses;
  readonly clock: HybridClock;
  readonly alarm: Alarm<FinderMessage>;
  readonly opens: OpenTable;
  readonly owners: OwnerTable;
  readonly passingOn: PassingOn;
  readonly view: SwarmView;
  /** Sends the request to the owner, under the number by which the home named it; 0: another one did. */
  forward(open: Open, owner: LearnedOwner, claim: number): void;
  /** Sends it to where it is to be created. */
  pass(open: Open, way: Passing): void;
}

/** Pause before a home is asked again that could not tell: time for the view to settle. */
const LOCATE_PAUSE_MS = 20;
/** Pause before it is seen whether what was sent to a former owner has come back. */
const RETURN_PAUSE_MS = 10;
/** A home that has not answered is asked again. */
const LOCATE_AGAIN_MS = 500;
/** So often in a row a home may be unable to tell before the swarm is searched. */
const TRIES_MAX = 5;
/** Pause before an incomplete search is repeated. */
const SEARCH_AGAIN_MS = 50;

export class Lookups {
  readonly #host: LookupsHost;
  readonly #self: Self<FinderMessage>;
  readonly #addresses: Addresses;
  readonly #clock: HybridClock;
  readonly #alarm: Alarm<FinderMessage>;
  readonly #opens: OpenTable;
  readonly #owners: OwnerTable;
  readonly #passingOn: PassingOn;
  readonly #view: SwarmView;
  readonly #lookups = new TransientMap<Key, Lookup>();
  /** Running searches, by number. */
  readonly #searches = new Map<number, Lookup>();
  readonly counts = { lookedUp: 0, searches: 0, searchesRepeated: 0, directoryFull: 0, noRoom: 0 };

  constructor(host: LookupsHost) {
    this.#host = host;
    this.#self = host.self;
    this.#addresses = host.addresses;
    this.#clock = host.clock;
    this.#alarm = host.alarm;
    this.#opens = host.opens;
    this.#owners = host.owners;
    this.#passingOn = host.passingOn;
    this.#view = host.view;
  }

  get size(): number {
    return this.#lookups.size;
  }

  /** False: nothing is concluded about the key now; else the request follows what is. */
  waitForConclusion(request: CacheRequest, asker: Ref): boolean {
    const lookup = this.#lookups.size === 0 ? undefined : this.#lookups.get(request.key);
    if (lookup?.status !== 'concluding') return false;
    lookup.later.push({ request, asker });
    return true;
  }

  /** The key is being looked up. */
  has(key: Key): boolean {
    return this.#lookups.size > 0 && this.#lookups.get(key) !== undefined;
  }

  /** False: the key is not being looked up; else the request waits with those before it. */
  join(asked: Asked, dueMs: number | null): boolean {
    const lookup = this.#lookups.get(asked.request.key);
    if (lookup === undefined) return false;
    this.#wait(lookup, asked, dueMs);
    return true;
  }

  /** Nothing is known of the request's key. */
  begin(open: Open): void {
    this.#locate(this.#newLookup(open.request.key, [open]), false);
  }

  /** What the request was sent to was not the owner, or can't be reached: its key is looked up, after a pause. */
  resume(open: Open, pauseMs: number): void {
    const { learned } = open;
    const { key } = open.request;
    this.#owners.forget(key);
    this.#opens.takeBack(open);
    let lookup = this.#lookups.get(key);
    if (lookup === undefined) {
      lookup = this.#newLookup(key, [open]);
      lookup.former = learned;
      if (pauseMs > 0) this.#pause(lookup, pauseMs);
      else this.#locate(lookup, false);
      return;
    }
    // It came before some that wait already.
    const before = lookup.waiting.findLastIndex((other) => other.number < open.number);
    lookup.waiting.splice(before + 1, 0, open);
  }

  /** The home of the request's key may have handed it on. */
  isHanded(open: Open): boolean {
    return this.#lookups.get(open.request.key)?.handed === open;
  }

  /** The owner has answered a read that the home handed on to him: what waits behind it goes to him as well. */
  onHandedAnswer({ request: { key } }: Open, owner: NodeId): void {
    const lookup = this.#lookups.get(key);
    if (lookup === undefined) return;
    this.#endQuestion(lookup);
    if (this.#view.hasOther(owner)) this.#forwardAll(lookup, owner, 0);
    else this.#again(lookup);
  }

  /** Whom the home named has nothing. */
  onHandedBack({ request: { key } }: Open, pauseMs: number): void {
    const lookup = this.#lookups.get(key);
    if (lookup === undefined) return;
    lookup.isNamed = true;
    this.#endQuestion(lookup);
    this.#pause(lookup, pauseMs);
  }

  /** A write of the key waits that came before the request. */
  hasWriteBefore({ number, request }: Open): boolean {
    const lookup = this.#lookups.get(request.key);
    const isBefore = (other: Open): boolean => other.number < number && !isRead(other.request);
    return lookup !== undefined && (lookup.waiting.some(isBefore) || lookup.concluding.some(isBefore));
  }

  /** The store's word from the key's home. */
  onLocated({ key, outcome, owner, claim }: Located): void {
    const lookup = this.#lookups.get(key);
    if (lookup !== undefined) lookup.handed = null;
    if (lookup?.status !== 'locating') {
      // Nobody needs the claim any more: it is given back.
      if (outcome === 'mine') this.#tellConclude(key, [], true);
      return;
    }
    switch (outcome) {
      case 'owned':
        if (owner !== null && this.#view.hasOther(owner)) {
          this.#forwardAll(lookup, owner, claim);
        } else this.#pause(lookup, LOCATE_PAUSE_MS);
        return;
      case 'here':
        this.#lookups.delete(key);
        for (const open of lookup.waiting) if (this.#opens.take(open)) this.#askAgain(open);
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
        // A node alone has searched at once: without the pause, search and refusal would chase each other.
        if (lookup.tries > TRIES_MAX && !lookup.isSearched) this.#search(lookup);
        else this.#pause(lookup, LOCATE_PAUSE_MS);
    }
  }

  onSearched({ number, owner, isComplete }: Searched): void {
    const lookup = this.#searches.get(number);
    this.#searches.delete(number);
    if (lookup === undefined || this.#lookups.get(lookup.key) !== lookup || lookup.status !== 'searching') return;
    if (owner !== null && this.#view.hasOther(owner)) {
      this.#forwardAll(lookup, owner, 0);
    } else if (owner === null && isComplete) {
      // Only a home can tell who of several may create the key (RULES O3).
      if (lookup.waiting.some((open) => open.isCovered && !open.isSettled && isClaiming(open.request))) {
        this.#locate(lookup, true);
      } else this.#conclude(lookup, false);
    } else {
      // Also for an owner that can't be asked (yet): without the pause, search and refusal would chase each other.
      this.counts.searchesRepeated += 1;
      this.#pause(lookup, SEARCH_AGAIN_MS);
    }
  }

  /** The store has executed what a lookup gave it, or what it could of that; who came meanwhile is next. */
  onConcluded({ key, executed, isPresent }: Concluded): void {
    const lookup = this.#lookups.get(key);
    if (lookup === undefined || lookup.status !== 'concluding') return;
    const { later } = lookup;
    this.#opens.reopen(lookup.concluding.slice(executed));
    lookup.waiting = [...lookup.concluding.slice(executed), ...lookup.waiting];
    lookup.concluding = [];
    lookup.later = [];
    if (isPresent) {
      this.#lookups.delete(key);
      for (const open of lookup.waiting) if (this.#opens.take(open)) this.#askAgain(open);
      for (const { request, asker } of later) this.#addresses.store.tell(request, asker);
      return;
    }
    for (const { request, asker } of later) this.#wait(lookup, { request, asker, passed: null }, null);
    this.#again(lookup);
  }

  /** Repeats questions that are to be repeated. */
  remind(nowMs: number): void {
    for (const lookup of this.#lookups.values()) {
      if (lookup.status === 'concluding') continue;
      if (lookup.waiting.every((open) => open.isSettled)) {
        this.#endQuestion(lookup, true);
        this.#lookups.delete(lookup.key);
      } else if (lookup.status === 'searching') continue;
      else if (lookup.againAtMs <= nowMs) this.#locate(lookup, false);
      else this.#alarm.setBy(lookup.againAtMs);
    }
  }

  #newLookup(key: Key, waiting: Open[]): Lookup {
    const begun = { status: 'pausing', againAtMs: 0, former: null, tries: 0, isSearched: false } as const;
    const lookup: Lookup = { key, waiting, ...begun, handed: null, isNamed: false, concluding: [], later: [] };
    this.#lookups.set(key, lookup);
    return lookup;
  }

  #wait(lookup: Lookup, asked: Asked, dueMs: number | null): void {
    const open = this.#opens.begin(asked, dueMs);
    if (open !== null) lookup.waiting.push(open);
  }

  /** Asks the key's home, by way of the store, which knows how it stands with it. */
  #locate(lookup: Lookup, isSearched: boolean, isForced = false): void {
    if (lookup.former !== null) {
      // What comes back from there came before what waits here, and must not follow it to the next owner.
      if (lookup.former.sentCount > 0) return this.#pause(lookup, RETURN_PAUSE_MS);
      lookup.former = null;
    }
    this.counts.lookedUp += 1;
    lookup.status = 'locating';
    lookup.isSearched = isSearched;
    let isClaim = false;
    let valueBytes: number | null = null;
    for (const open of lookup.waiting) {
      if (open.isSettled) continue;
      this.#opens.note(open, 'home');
      // After a search only those that it covered: the home grants to them what it could not grant without it.
      if (!isSearched) open.isCovered = true;
      isClaim ||= open.isCovered && isClaiming(open.request);
      if (isForced || valueBytes !== null || !open.isCovered || !isCreating(open.request)) continue;
      const bytes = valueBytesOf(open.request);
      if (this.#passingOn.isRoomMade(lookup.key.length + bytes)) isForced = true;
      else valueBytes = bytes;
    }
    lookup.againAtMs = this.#self.now() + LOCATE_AGAIN_MS;
    this.#alarm.setBy(lookup.againAtMs);
    const { key } = lookup;
    const read = isSearched ? null : this.#readOf(lookup);
    const locate: Locate = { type: 'locate', key, isClaim, valueBytes, isSearched, read, clock: this.#clock.last };
    this.#addresses.store.tell(locate, this.#self.ref);
  }

  /** A get that is alone may go on from the home to the owner: nothing can come before or after it on another way. */
  #readOf(lookup: Lookup): Locate['read'] {
    const [open] = lookup.waiting;
    const isAlone = lookup.waiting.length === 1 && open?.request.type === 'get' && open.passed === null;
    const isHanded = isAlone && !open.isSettled && !lookup.isNamed && this.#opens.lastSent(lookup.key) === undefined;
    lookup.handed = isHanded ? open : null;
    if (lookup.handed === null) return null;
    const { number, request, deadlineMs } = lookup.handed;
    return { number, request, budgetMs: Math.max(1, Math.ceil(deadlineMs - this.#self.now())) };
  }

  /** The home has nothing more to say. */
  #endQuestion(lookup: Lookup, isOver = false): void {
    lookup.handed = null;
    this.#addresses.store.tell({ type: 'answered', key: lookup.key, isOver } satisfies Answered, this.#self.ref);
  }

  #search(lookup: Lookup): void {
    this.counts.searches += 1;
    lookup.status = 'searching';
    let deadlineMs = 0;
    for (const open of lookup.waiting) {
      this.#opens.note(open, 'search');
      open.isCovered = true;
      deadlineMs = Math.max(deadlineMs, open.deadlineMs);
    }
    const number = this.#opens.nextNumber();
    this.#searches.set(number, lookup);
    const budgetMs = Math.max(1, Math.ceil(deadlineMs - this.#self.now()));
    const find: Find = { type: 'find', number, key: lookup.key, budgetMs, clock: this.#clock.last };
    this.#addresses.router.tell(find, this.#self.ref);
  }

  /** Nobody has the key. What came before the question is decided here; later ones, by another question. */
  #conclude(lookup: Lookup, isClaimed: boolean): void {
    const covered: Open[] = [];
    let at = 0;
    for (; at < lookup.waiting.length; at += 1) {
      const open = lookup.waiting[at] as Open;
      if (open.isSettled || this.#opens.isOver(open)) continue;
      if (!open.isCovered) break;
      if (this.#view.missed > 0 && !isPlainSet(open.request)) {
        // It may be at a member that vanished; a plain set is stored, and merged when that member returns (C4, C6).
        this.#opens.refuseUnknown(open, 'not found, but a member of the swarm is missing and may have it');
        continue;
      }
      this.#opens.take(open);
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

  #pause(lookup: Lookup, pauseMs: number): void {
    lookup.status = 'pausing';
    lookup.againAtMs = this.#self.now() + pauseMs;
    this.#alarm.setBy(lookup.againAtMs);
  }

  /** Goes on with those of a lookup that wait still, or ends it. */
  #again(lookup: Lookup): void {
    lookup.waiting = lookup.waiting.filter((open) => !open.isSettled);
    if (lookup.waiting.length === 0) this.#lookups.delete(lookup.key);
    else this.#locate(lookup, false);
  }

  #forwardAll(lookup: Lookup, owner: NodeId, claim: number): void {
    const learned = this.#owners.learn(lookup.key, owner);
    this.#lookups.delete(lookup.key);
    for (const open of lookup.waiting) if (!open.isSettled) this.#host.forward(open, learned, claim);
  }

  /** All of them, whether they are covered or not: the next node asks anew. */
  #passAll(lookup: Lookup, passing: Passing): void {
    this.#lookups.delete(lookup.key);
    for (const open of lookup.waiting) if (!open.isSettled) this.#host.pass(open, passing);
  }

  /** Nobody has the key, and here is no room for it: whoever advertises room is to create it, or the policy decides. */
  #findRoom(lookup: Lookup): void {
    const creating = lookup.waiting.filter(
      (open) => open.isCovered && !open.isSettled && !this.#opens.isOver(open) && isCreating(open.request),
    );
    const [first] = creating;
    if (first === undefined) return this.#again(lookup);
    const { way, stuck } = this.#passingOn.findWay(creating, lookup.key.length + valueBytesOf(first.request));
    if (way !== null) return this.#passAll(lookup, way);
    if (this.#passingOn.makesRoom) return this.#locate(lookup, lookup.isSearched, true);
    for (const open of stuck) {
      if (!this.#opens.take(open)) continue;
      this.counts.noRoom += 1;
      this.#opens.reply(open, refuseForRoom(open.request.id));
    }
    this.#again(lookup);
  }

  /** There is no home, or none with room, that could keep two nodes from creating the key. */
  #refuseCreation(lookup: Lookup): void {
    for (const open of lookup.waiting) {
      if (!open.isCovered || !isClaiming(open.request) || !this.#opens.take(open)) continue;
      this.counts.directoryFull += 1;
      const text = 'the directory has no room for the key';
      this.#opens.reply(open, refused(open.request.id, 'OVER_CAPACITY', text, { where: 'directory' }));
    }
  }

  /** With the time that it has left. */
  #askAgain({ request, asker, passed, deadlineMs }: Open): void {
    const retry: Retry = { type: 'retry', request, asker, passed, deadlineMs };
    this.#addresses.store.tell(retry, this.#self.ref);
  }
}
