/**
 * The local store: the entries that this node owns. A request for a key that is here is executed and answered; one for
 * a key that isn't goes back to the finder, or to the node that forwarded it, unexecuted. Only `conclude` creates, and
 * only under a claim that the key's home has granted.
 *
 * Invariants: bytes and keys never exceed the limits; an expired value is never answered; the requests that the finder
 * sent for one key take effect in the order sent; every entry is owned under the number of a claim, and is stated to its
 * home until the entry is gone (RULES O1 to O6); no request of another node is executed twice (D1).
 */
import type { KeptEntry } from '../disk/entry-disk.js';
import { keyPageOf } from '../store/key-page.js';
import { ExecutionRecord } from '../store/execution-record.js';
import { KeyHasher, sameHash } from '../store/key-hash.js';
import type { KeyHash } from '../store/key-hash.js';
import type { Keyspace } from '../store/keyspace.js';
import type { NodeId } from '../store/node-id.js';
import { OwnedKeys } from '../store/owned-keys.js';
import { forCacheRequests, refused } from '../transport/message.js';
import type { CacheRequest, ClientReply, Key, MessageOf, RoutedMessage } from '../transport/message.js';
import type { Addresses } from './addresses.js';
import { isCacheRequest, isClaiming, isRead } from './cache-request.js';
import { Executor } from './executor.js';
import { Handover } from './handover.js';
import { refuseLeaving } from './leaving.js';
import { localStoreMachine } from './local-store-machine.js';
import type { LocalStoreEvent } from './local-store-machine.js';
import type {
  Absent,
  Attend,
  Attending,
  Conclude,
  Concluded,
  Count,
  Keep,
  Kept,
  Loaded,
  LoadFailed,
  EntryChange,
  Locate,
  Located,
  LocalStoreMessage,
  Members,
  Observe,
  Passed,
  Probe,
  Probed,
  Recovered,
  Registered,
  Renumbered,
  Resolved,
  Retry,
  Room,
} from './message.js';
import { PassedLine } from './passed-line.js';
import { Recovery } from './recovery.js';
import type { Fate } from './recovery.js';
import { Registration, samePair } from './registration.js';
import type { Pair } from './registration.js';
import { defineKind, drop, refuse, stash } from './runtime/kind.js';
import type { Ref, Self, TimerId } from './runtime/kind.js';
import { HELD_REQUESTS_MAX, KEYS_MAX } from './settings.js';
import type { Identity, NodeDisk, Settings } from './settings.js';
import { Takeover } from './takeover.js';
import { Vacancy } from './vacancy.js';
import { WriteBehind } from './write-behind.js';

interface Args {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
  /** Where entries are kept; null: nowhere. */
  readonly disk: NodeDisk | null;
}

/** A question to a home that is under way, or a claim that was granted and waits for `conclude`. */
interface Ask {
  readonly number: number;
  readonly hash: KeyHash;
  /** If nobody owns the key, the finder wants it here. */
  readonly isClaim: boolean;
  /** The number under which the key is claimed, 0 for a mere question: nothing is to be claimed, or has no room here. */
  readonly claim: number;
  /** Room that is kept for the entry; 0: none. */
  readonly bytes: number;
  readonly home: NodeId;
  readonly pair: Pair;
  isGranted: boolean;
}

/** A request that waits until its key is free again. */
interface Held {
  readonly request: CacheRequest;
  /** Who gets the reply of a local request; null for one that another node forwarded. */
  readonly asker: Ref | null;
  readonly forward: MessageOf<'forward'> | null;
  readonly deadlineMs: number;
  /** The finder has had it in its hands, so that it is not to wait for itself. */
  readonly isRetry: boolean;
}

/** An entry whose home compares it with another node's (RULES P1). */
interface Freeze {
  readonly home: NodeId;
  readonly contest: number;
}

/** Expired entries are removed at most this long after their time; until then they take room, but are never answered. */
const SWEEP_MS = 1000;
/** Entries that one sweep removes at most, so that it stays a short turn. */
const SWEEP_COUNT_MAX = 5000;
/** Pause after a sweep that left some. */
const SWEEP_AGAIN_MS = 20;
/** A frozen entry's stamp is told again after this time without a word from the home. */
const FROZEN_AGAIN_MS = 500;
/** Longer than requests are on their way, and as many as a home compares at once, and more. */
const YIELDED_MS = 10_000;
const YIELDED_MAX = 65_536;
/** Claims of one incarnation are numbered from its start on, so that no number of a former one comes again (RULES O4). */
const CLAIMS_PER_MS = 1024;

export class LocalStore {
  readonly #self: Self<LocalStoreMessage, LocalStoreEvent>;
  readonly #identity: Identity;
  readonly #settings: Settings;
  readonly #addresses: Addresses;
  readonly #executor: Executor;
  readonly #hasher: KeyHasher;
  readonly #owned: OwnedKeys;
  readonly #registration: Registration;
  readonly #recovery: Recovery | null = null;
  /** There are entries from the disk, and no home has confirmed them: another node may have written the keys since. */
  #awaitsHomes = false;
  readonly #writeBehind: WriteBehind | null = null;
  readonly #takeover: Takeover;
  readonly #handover: Handover;
  readonly #record = new ExecutionRecord<ClientReply>();
  readonly #asks = new Map<Key, Ask>();
  /** The key of each question, by its number. */
  readonly #askedKeys = new Map<number, Key>();
  readonly #frozen = new Map<Key, Freeze>();
  /** Keys whose copy here was dropped for another node's, oldest first, and when that may be forgotten. */
  readonly #yielded = new Map<Key, number>();
  readonly #held = new Map<Key, Held[]>();
  /** Keys that requests waited for, and that are gone. */
  readonly #freed = new Set<Key>();
  readonly #vacancy: Vacancy;
  readonly #line = new PassedLine(HELD_REQUESTS_MAX);
  /** Requests that were passed here and whose turn has come. */
  #next: Passed[] = [];
  #heldCount = 0;
  #lastAsk = 0;
  #lastChange = 0;
  #lastClaim: number;
  #incarnation: number;
  #isSweeping = false;
  #isRecovered = false;
  #remindAtMs = Infinity;
  #reminder: TimerId | null = null;
  #frozenToldMs = 0;
  readonly #counts = {
    forwarded: 0,
    passedHere: 0,
    noRoom: 0,
    notMine: 0,
    claims: 0,
    claimsDiscarded: 0,
    dangling: 0,
    misfits: 0,
    repeated: 0,
    late: 0,
    merged: 0,
    frozen: 0,
    heldRefused: 0,
    heldExpired: 0,
  };

  constructor(self: Self<LocalStoreMessage, LocalStoreEvent>, { identity, settings, addresses, disk }: Args) {
    this.#self = self;
    this.#identity = identity;
    this.#settings = settings;
    this.#addresses = addresses;
    this.#hasher = new KeyHasher(identity.hashSecret);
    this.#owned = new OwnedKeys(this.#hasher);
    this.#executor = new Executor(identity.node, settings, self, (key) => this.#onRemoved(key));
    this.#incarnation = identity.incarnation;
    this.#lastClaim = identity.incarnation * CLAIMS_PER_MS;
    const { clock, keyspace } = this.#executor;
    const host = {
      node: identity.node,
      now: () => self.now(),
      clock: () => clock.last,
      send: (message: RoutedMessage) => void addresses.router.tell(message, self.ref),
      remindWithin: (ms: number) => this.#remindBy(self.now() + ms),
      resume: (key: Key) => this.#resume(key),
    };
    this.#registration = new Registration(host, this.#owned);
    this.#takeover = new Takeover(
      {
        ...host,
        hash: (key) => this.#hasher.hash(key),
        nextClaim: (above) => this.#nextClaim(above),
        isUnknown: (key) => !this.#executor.knows(key) && (this.#asks.get(key)?.claim ?? 0) === 0,
        sizeOf: ({ key, value }) => keyspace.sizeOf(key, value),
        reserve: (bytes) => this.#vacancy.has(bytes) && keyspace.reserve(bytes, 1, self.now()),
        unreserve: (bytes) => keyspace.unreserve(bytes, 1),
        activate: ({ copy, hash, claim, expiresAtMs }, records) => {
          const { key, value, time, origin } = copy;
          clock.observe(time);
          this.#executor.restore(key, value, { time, origin }, expiresAtMs);
          if (this.#executor.knows(key)) this.#owned.put(key, hash, claim);
          // Its time has come, or there are too many tombstones.
          else this.#registration.release(hash, claim);
          for (const record of records) this.#record.adopt(record);
          this.#sweepLater();
        },
      },
      this.#registration,
    );
    this.#handover = new Handover(
      {
        ...host,
        log: self.log,
        copyOf: (key, claim) =>
          this.#frozen.has(key) || this.#owned.claimOf(key) !== claim ? null : this.#executor.copyOf(key, claim),
        recordsOf: (keys) => this.#record.recordsOf(keys),
        claimAnew: (key) => this.#owned.put(key, this.#hasher.hash(key), this.#nextClaim()),
        drop: (key) => {
          // The home's table names the other owner already: there is nothing to release.
          this.#owned.remove(key);
          this.#executor.giveUp(key);
          this.#frozen.delete(key);
        },
        incomingCount: () => this.#takeover.count,
        entryCount: () => keyspace.count - this.#executor.tombstoneCount,
        emptied: (end) => void addresses.node.tell(end, self.ref),
      },
      this.#owned,
      settings.drainMs,
      identity.incarnation,
    );
    this.#vacancy = new Vacancy(
      {
        now: () => self.now(),
        advertise: (freeBytes, freeKeys) =>
          void addresses.router.tell({ type: 'room', freeBytes, freeKeys } satisfies Room, self.ref),
        remindWithin: (ms) => this.#remindBy(self.now() + ms),
      },
      this.#executor.keyspace,
      settings,
    );
    if (disk === null) {
      self.signal('recovered');
      return;
    }
    clock.observe(disk.record.clock);
    this.#writeBehind = new WriteBehind(disk.entries, disk.record, this, self, settings.lossWindowMs);
    this.#executor.keyspace.onChanged = (key) => this.#writeBehind?.changed(key);
    this.#recovery = new Recovery(disk.entries, self, (entry) => this.#recover(entry));
    this.#recovery.begin();
  }

  // What the disk is to have

  entryOf(key: Key): KeptEntry | null {
    const nowMs = this.#self.now();
    const { keyspace } = this.#executor;
    const entry = keyspace.peekAny(key, nowMs);
    if (entry === undefined) return null;
    const { time, origin, expiresAtMs, isTombstone } = entry;
    // Expiry counts on the monotonic clock, which means nothing to another start (RULES T4).
    const expiresAtWallMs = expiresAtMs === 0 ? 0 : this.#self.wallMs() + expiresAtMs - nowMs;
    return { key, value: isTombstone ? null : keyspace.read(entry), time, origin, expiresAtWallMs };
  }

  has(key: Key): boolean {
    return this.#executor.knows(key);
  }

  get clock(): number {
    return this.#executor.clock.last;
  }

  /** Gives the disk all that it does not have yet; that the node is empty (RULES H2) only if its entries were here. */
  end(): void {
    this.#writeBehind?.end(this.#isRecovered && this.#executor.keyspace.count === 0);
  }

  // The disk

  onLoaded(message: Loaded): LocalStoreEvent | void {
    if (this.#recovery?.onLoaded(message) === false) return;
    this.#isRecovered = true;
    this.#awaitsHomes = this.#executor.keyspace.count > 0;
    this.#sweepLater();
    this.#addresses.node.tell({ type: 'recovered' } satisfies Recovered, this.#self.ref);
    return 'recovered';
  }

  /** A node that would serve without the entries it is to have would deny them. */
  onLoadFailed({ fault }: LoadFailed): void {
    throw new Error(fault);
  }

  onKeep(_message: Keep): void {
    this.#writeBehind?.onKeep();
  }

  onKept(message: Kept): void {
    this.#writeBehind?.onKept(message);
  }

  /** The one way in for an entry from disk: it is owned under a claim of this start, and stated to its home as such. */
  #recover({ key, value, time, origin, expiresAtWallMs }: KeptEntry): Fate {
    // Stamps issued from now on are above all that were (RULES T2), also of what does not come back.
    this.#executor.clock.observe(time);
    const leftMs = expiresAtWallMs === 0 ? Infinity : expiresAtWallMs - this.#self.wallMs();
    const expiresAtMs = expiresAtWallMs === 0 ? 0 : this.#self.now() + leftMs;
    if (leftMs > 0 && this.#executor.restore(key, value, { time, origin }, expiresAtMs)) {
      if (this.#executor.knows(key)) {
        this.#owned.put(key, this.#hasher.hash(key), this.#nextClaim());
        this.#writeBehind?.unchanged(key);
      }
      return 'recovered';
    }
    this.#writeBehind?.changed(key);
    return leftMs > 0 ? 'noRoom' : 'expired';
  }

  /** What is stored, for checkers to look at: nothing of the actors does. */
  get keyspace(): Keyspace {
    return this.#executor.keyspace;
  }

  // Requests

  /** From the finder, on behalf of a session: executed if the key is here. */
  onRequest(request: CacheRequest, asker: Ref): void {
    // The finder serves clients: the homes have confirmed, or this node has found none in time.
    if (this.#awaitsHomes) this.#endAwaiting();
    if (this.#isBusy && this.#isHeld(request.key)) {
      const deadlineMs = this.#self.now() + this.#settings.requestTimeoutMs;
      this.#hold({ request, asker, forward: null, deadlineMs, isRetry: false });
      return;
    }
    const reply = this.#executor.execute(request, false);
    if (reply !== null) {
      this.#afterExecution(request);
      asker.tell(reply, this.#self.ref);
    } else {
      const absent: Absent = { type: 'absent', request, asker, passed: null };
      this.#addresses.finder.tell(absent, this.#self.ref);
    }
  }

  /** From another node, which believes that the key is here, or is to be (RULES K1). */
  onForward(message: MessageOf<'forward'>, _router: Ref): void {
    this.#executor.clock.observe(message.clock);
    this.#counts.forwarded += 1;
    // What another node says is a claim: a reply, or a request about a database, has no owner.
    if (!isCacheRequest(message.message)) {
      this.#counts.misfits += 1;
      return;
    }
    this.#judgeForward(message, this.#self.now() + Math.min(message.budgetMs, this.#settings.requestTimeoutMs));
  }

  /** A request that waited is judged again: it may have come twice meanwhile, or have been executed elsewhere. */
  #judgeForward(message: MessageOf<'forward'>, deadlineMs: number): void {
    const request = message.message as CacheRequest;
    if (!isRead(request)) {
      const judged = this.#record.judge(message.from, message.incarnation, message.floor, message.number);
      if (judged.kind === 'late') {
        this.#counts.late += 1;
        return;
      }
      if (judged.kind === 'known') {
        this.#counts.repeated += 1;
        this.#reply(message, judged.result);
        return;
      }
      if (judged.kind === 'begun') {
        this.#counts.repeated += 1;
        return;
      }
    }
    if (this.#isBusy && this.#isHeld(request.key)) {
      this.#hold({ request, asker: null, forward: message, deadlineMs, isRetry: false });
    } else if (message.passes > 0) this.#servePassed({ forward: message, deadlineMs }, request);
    else this.#serveForward(message, request, deadlineMs);
  }

  /** The finder found that the key of a request that was passed here may be here now. */
  onRetry({ passed }: Retry): void {
    const { forward, deadlineMs } = passed;
    const request = forward.message as CacheRequest;
    if (this.#isFixed(request.key)) {
      this.#hold({ request, asker: null, forward, deadlineMs, isRetry: true });
    } else this.#retry(passed, request);
  }

  onResolved({ passed, reply }: Resolved): void {
    if (reply === null && passed.deadlineMs > this.#self.now()) this.#giveBack(passed);
    else this.#finish(passed, reply);
    this.#serveNext();
  }

  onLocate({ key, isClaim, valueBytes, isSearched, clock }: Locate): void {
    this.#executor.clock.observe(clock);
    const hash = this.#hasher.hash(key);
    if (this.#executor.knows(key) || this.#takeover.isIncoming(key)) return this.#tellLocated(key, 'here');
    const home = this.#registration.homeOf(hash);
    if (home === null) return this.#tellLocated(key, 'homeless');
    const pair = this.#registration.pairFor(hash);
    if (pair === null) return this.#tellLocated(key, 'again');
    const former = this.#asks.get(key);
    // A question that is repeated keeps its numbers: an answer to either will do.
    let ask = former !== undefined && former.isClaim === isClaim && this.#holds(former) ? former : null;
    if (ask === null) {
      this.#forgetAsk(key);
      const bytes = isClaim && valueBytes !== null ? this.#executor.keyspace.sizeOf(key, null) + valueBytes : 0;
      const isShort = bytes > 0 && !this.#vacancy.promise(bytes);
      if (isShort) this.#counts.noRoom += 1;
      if (isShort && isSearched) return this.#tellLocated(key, 'noRoom');
      const claim = isClaim && !isShort ? this.#nextClaim() : 0;
      ask = this.#ask(key, { hash, isClaim, claim, bytes: isShort ? 0 : bytes, home, pair });
    }
    const { number, claim } = ask;
    const head = { to: home, from: this.#identity.node, hops: 1, clock: this.#executor.clock.last };
    this.#addresses.router.tell(
      { type: 'lookup', ...head, ...pair, number, claim, hash, isSearched } satisfies MessageOf<'lookup'>,
      this.#self.ref,
    );
  }

  /** The home's answer. */
  onPlace(message: MessageOf<'place'>): void {
    this.#executor.clock.observe(message.clock);
    const key = this.#askedKeys.get(message.number);
    const ask = key === undefined ? undefined : this.#asks.get(key);
    if (key === undefined || ask === undefined) {
      // Of a question that was given up. What the home has granted is not used.
      if (message.outcome === 'granted' && !this.#owns(message.hash, message.claim)) {
        this.#registration.release(message.hash, message.claim);
      }
      return;
    }
    if (ask.isGranted) return;
    switch (message.outcome) {
      case 'granted':
        if (!this.#holds(ask)) {
          this.#counts.claimsDiscarded += 1;
          this.#endAsk(key);
          return this.#tellLocated(key, 'again');
        }
        ask.isGranted = true;
        return this.#tellLocated(key, 'mine');
      case 'owned': {
        this.#endAsk(key);
        if (message.owner !== this.#identity.node) return this.#tellLocated(key, 'owned', message.owner, message.claim);
        if (this.#executor.knows(key) || this.#takeover.isIncoming(key)) return this.#tellLocated(key, 'here');
        if (this.#isElsewhere(key)) return this.#tellLocated(key, 'again');
        // Named by the home and holding nothing (RULES O6): what this node has released.
        this.#counts.dangling += 1;
        this.#registration.release(ask.hash, message.claim);
        return this.#tellLocated(key, outcomeOfAbsence(ask));
      }
      case 'absent':
        this.#endAsk(key);
        return this.#tellLocated(key, outcomeOfAbsence(ask));
      case 'unsettled':
      case 'full':
        this.#endAsk(key);
        return this.#tellLocated(key, message.outcome);
      default:
        this.#endAsk(key);
        return this.#tellLocated(key, 'again');
    }
  }

  onConclude({ key, requests, isClaimed, clock }: Conclude): void {
    this.#executor.clock.observe(clock);
    const ask = isClaimed ? this.#asks.get(key) : undefined;
    const claim = ask?.isGranted === true && this.#holds(ask) ? ask : null;
    if (isClaimed) this.#forgetAsk(key);
    let executed = 0;
    for (const { request, asker, passed } of requests) {
      if (!this.#executor.knows(key)) {
        if (this.#isLeaving && isClaiming(request)) {
          if (asker !== null) asker.tell(refuseLeaving(request.id), this.#self.ref);
          else if (passed !== null) this.#giveBack(passed);
          executed += 1;
          continue;
        }
        if (claim === null && isClaiming(request)) break;
      }
      const reply = this.#executor.execute(request, true) as ClientReply;
      if (asker !== null) asker.tell(reply, this.#self.ref);
      else if (passed !== null) this.#finish(passed, reply);
      // At once: the next one may make room by removing the entry again.
      if (claim !== null && this.#owned.claimOf(key) === null && this.#executor.knows(key)) {
        this.#owned.put(key, claim.hash, claim.claim);
      }
      executed += 1;
    }
    if (claim !== null && this.#owned.claimOf(key) !== claim.claim) {
      this.#registration.release(claim.hash, claim.claim);
    }
    this.#sweepLater();
    this.#vacancy.advertise();
    const isPresent = this.#executor.knows(key);
    this.#addresses.finder.tell({ type: 'concluded', key, executed, isPresent } satisfies Concluded, this.#self.ref);
    this.#serveNext();
    this.#resume(key);
  }

  // The view, and the homes

  onMembers(message: Members): void {
    if (message.incarnation !== this.#incarnation) {
      this.#incarnation = message.incarnation;
      // The next start must be above it.
      this.#writeBehind?.remember({ incarnation: message.incarnation });
    }
    for (const node of this.#record.origins()) {
      if (!message.members.some((member) => member.node === node)) this.#record.forget(node);
    }
    // Nobody waits any more for the word of a home of the former view: the entries are stated anew.
    if (this.#registration.onMembers(message)) for (const key of this.#frozen.keys()) this.#unfreeze(key);
    this.#takeover.onMembers(message);
    this.#handover.onMembers(message);
    this.#discardAsks();
    this.#vacancy.advertise();
    // Where no member is a home there is nobody to confirm anything.
    if (this.#registration.isJoined) this.#tellJoined();
  }

  onRenumbered(message: Renumbered): void {
    if (!this.#registration.onRenumbered(message)) return;
    this.#takeover.onPairs();
    this.#discardAsks();
  }

  onCompare(message: MessageOf<'compare'>): void {
    this.#executor.clock.observe(message.clock);
    this.#registration.onCompare(message);
  }

  onWanted(message: MessageOf<'wanted'>): void {
    this.#executor.clock.observe(message.clock);
    this.#registration.onWanted(message);
  }

  onRegistered(message: MessageOf<'registered'>): void {
    this.#executor.clock.observe(message.clock);
    if (this.#registration.onRegistered(message)) this.#tellJoined();
  }

  onReleased(message: MessageOf<'released'>): void {
    this.#executor.clock.observe(message.clock);
    this.#registration.onReleased(message);
  }

  // Keys that pass from a leaving node to another (RULES H1)

  onTake(message: MessageOf<'take'>): void {
    this.#executor.clock.observe(message.clock);
    this.#takeover.onTake(message);
    this.#vacancy.advertise();
  }

  onTaken(message: MessageOf<'taken'>): void {
    this.#executor.clock.observe(message.clock);
    this.#handover.onTaken(message);
  }

  onRecord(message: MessageOf<'record'>): void {
    this.#executor.clock.observe(message.clock);
    this.#takeover.onRecord(message);
  }

  onTransferred(message: MessageOf<'transferred'>): void {
    this.#executor.clock.observe(message.clock);
    this.#takeover.onTransferred(message);
    this.#vacancy.advertise();
  }

  // Two copies of a key (RULES P1)

  /** Two nodes own the key: the entry stays as it is until the home has decided. */
  onFreeze({ from, clock, contest, hash }: MessageOf<'freeze'>): void {
    this.#executor.clock.observe(clock);
    for (const [key, ask] of this.#asks) {
      // What the home decides now, it decides without this claim.
      if (ask.claim > 0 && sameHash(ask.hash, hash)) {
        this.#counts.claimsDiscarded += 1;
        this.#endAsk(key);
        if (!ask.isGranted) this.#tellLocated(key, 'again');
      }
    }
    this.#takeover.onFreeze(hash);
    const key = this.#owned.find(hash);
    if (key !== null) {
      if (!this.#frozen.has(key)) this.#counts.frozen += 1;
      this.#frozen.set(key, { home: from, contest });
      this.#remindBy(this.#self.now() + FROZEN_AGAIN_MS);
    }
    this.#tellFrozen(from, contest, hash, key);
  }

  onThaw({ from, clock, contest, hash, isKept }: MessageOf<'thaw'>): void {
    this.#executor.clock.observe(clock);
    const key = this.#owned.find(hash);
    const freeze = key === null ? undefined : this.#frozen.get(key);
    if (key === null || freeze === undefined || freeze.home !== from || freeze.contest !== contest) return;
    if (!isKept) {
      // The home's table names the other owner already: there is nothing to release.
      this.#owned.remove(key);
      this.#executor.discard(key);
      this.#yield(key);
      this.#handover.forget(key);
      this.#counts.merged += 1;
    }
    this.#unfreeze(key);
    this.#vacancy.advertise();
  }

  onCollect({ from, number, prefix, part, after, limit }: MessageOf<'collect'>): void {
    const { keyspace } = this.#executor;
    const { keys, next } = keyPageOf(keyspace, prefix, { part, after }, Math.min(limit, KEYS_MAX), this.#self.now());
    const head = { type: 'collected', to: from, from: this.#identity.node, hops: 1, number } as const;
    this.#addresses.router.tell(
      { ...head, keys, part: next?.part ?? null, after: next?.after ?? null } satisfies MessageOf<'collected'>,
      this.#self.ref,
    );
  }

  /** Only while somebody watches does a change cost more than a comparison. */
  onAttend({ isOn }: Attend, watcher: Ref): void {
    this.#executor.attend(
      isOn
        ? (kind, key, { time, origin }, value) => {
            this.#lastChange += 1;
            const change: EntryChange = {
              type: 'entryChange',
              number: this.#lastChange,
              kind,
              key,
              time,
              origin,
              value,
            };
            watcher.tell(change, this.#self.ref);
          }
        : null,
    );
    const attending: Attending = { type: 'attending', number: this.#lastChange, isFresh: this.#executor.isFresh };
    watcher.tell(attending, this.#self.ref);
  }

  // Upkeep

  onObserve(message: Observe): void {
    this.#executor.clock.observe(message.clock);
  }

  onProbe({ asker, number, key, clock }: Probe, router: Ref): void {
    this.#executor.clock.observe(clock);
    // The next owner may have been asked before the key came to it.
    const owner = this.#executor.knows(key) ? this.#identity.node : this.#handover.movedTo(key);
    const isPending = (this.#asks.get(key)?.claim ?? 0) > 0 || this.#takeover.isIncoming(key);
    router.tell(
      { type: 'probed', asker, number, owner, isPending, clock: this.#executor.clock.last } satisfies Probed,
      this.#self.ref,
    );
  }

  onDrain(): LocalStoreEvent {
    this.#takeover.close();
    this.#handover.start();
    return 'drain';
  }

  onCount(_message: Count, from: Ref): void {
    const { bytes, count, evicted, expired, valueBytesHeld } = this.#executor.keyspace;
    const counters = {
      ...this.#executor.counts,
      ...this.#counts,
      ...this.#registration.counts,
      ...this.#recovery?.counts,
      ...this.#writeBehind?.counts,
      ...this.#takeover.counts,
      ...this.#handover.counts,
      keys: count,
      bytes,
      valueBytesHeld,
      evicted,
      expired,
      tombstones: this.#executor.tombstoneCount,
      owned: this.#owned.count,
      incoming: this.#takeover.count,
      held: this.#heldCount,
      passed: this.#line.openCount,
      passedWaiting: this.#line.waitingCount,
      promised: this.#vacancy.promised,
      records: this.#record.count,
    };
    from.tell({ type: 'counters', counters }, this.#self.ref);
  }

  onTick(): void {
    this.#isSweeping = false;
    const count = this.#executor.keyspace.expire(this.#self.now(), SWEEP_COUNT_MAX);
    this.#sweepLater(count === SWEEP_COUNT_MAX ? SWEEP_AGAIN_MS : SWEEP_MS);
    this.#vacancy.advertise();
  }

  onRemind(): void {
    this.#reminder = null;
    this.#remindAtMs = Infinity;
    const nowMs = this.#self.now();
    this.#registration.remind();
    this.#takeover.remind();
    this.#handover.remind();
    this.#vacancy.advertise();
    for (const key of this.#freed) {
      this.#freed.delete(key);
      this.#resume(key);
    }
    if (this.#frozen.size > 0) {
      if (nowMs - this.#frozenToldMs >= FROZEN_AGAIN_MS) {
        for (const [key, { home, contest }] of this.#frozen) {
          this.#tellFrozen(home, contest, this.#hasher.hash(key), key);
        }
      }
      this.#remindBy(nowMs + FROZEN_AGAIN_MS);
    }
    this.#expireHeld(nowMs);
  }

  /** Nothing new is owned then, not even the memory of a delete: it might come when all has been handed over. */
  get #isLeaving(): boolean {
    return this.#self.status === 'draining';
  }

  /** Some key is not free, so that it is worth asking which. */
  get #isBusy(): boolean {
    return (
      this.#frozen.size > 0 ||
      this.#heldCount > 0 ||
      this.#awaitsHomes ||
      this.#handover.isGiving ||
      this.#takeover.count > 0
    );
  }

  /** Its requests wait, or one that came before does. */
  #isHeld(key: Key): boolean {
    return this.#held.has(key) || this.#isFixed(key);
  }

  /** Its home compares it, or it is on its way to or from another node, or from the disk and not confirmed (RULES H3). */
  #isFixed(key: Key): boolean {
    if (this.#awaitsHomes && this.#executor.knows(key)) return true;
    return this.#frozen.has(key) || this.#handover.isGiven(key) || this.#takeover.isIncoming(key);
  }

  #serveForward(message: MessageOf<'forward'>, request: CacheRequest, deadlineMs: number): void {
    const reply = this.#executor.execute(request, false);
    if (reply !== null) {
      if (!isRead(request)) this.#record.record(message.from, message.number, request.key, reply);
      this.#afterExecution(request);
      this.#reply(message, reply);
      return;
    }
    if ((this.#asks.get(request.key)?.claim ?? 0) > 0) {
      // The home may have named this node for a claim that is about to be used (RULES O6).
      this.#hold({ request, asker: null, forward: message, deadlineMs, isRetry: false });
      return;
    }
    if (message.claim > 0 && !this.#isElsewhere(request.key)) {
      this.#counts.dangling += 1;
      this.#registration.release(this.#hasher.hash(request.key), message.claim);
      if (request.type === 'get') return this.#reply(message, { type: 'missing', id: request.id });
    }
    this.#tellNotMine(message);
  }

  /** The sender has no room for the key: if it is not here, the finder does what it does for clients of this node. */
  #servePassed(passed: Passed, request: CacheRequest): void {
    const { forward, deadlineMs } = passed;
    if (this.#isLeaving) return this.#serveForward(forward, request, deadlineMs);
    const place = this.#line.join(passed);
    if (place === 'full') {
      this.#counts.heldRefused += 1;
      this.#reply(forward, refused(request.id, 'BUSY', 'too many requests wait for room', { retryAfterMs: 100 }));
    }
    if (place !== 'free') return;
    const reply = this.#executor.execute(request, false);
    if (reply !== null) {
      if (!isRead(request)) this.#record.record(forward.from, forward.number, request.key, reply);
      this.#afterExecution(request);
      this.#reply(forward, reply);
      return;
    }
    this.#counts.passedHere += 1;
    if (!isRead(request)) this.#record.begin(forward.from, forward.number);
    this.#line.open(passed);
    this.#tellAbsent(passed, request);
  }

  /** A request that was passed here and came back from the finder. */
  #retry(passed: Passed, request: CacheRequest): void {
    const reply = this.#executor.execute(request, false);
    if (reply === null) {
      this.#tellAbsent(passed, request);
      return;
    }
    this.#afterExecution(request);
    this.#finish(passed, reply);
    this.#serveNext();
  }

  #tellAbsent(passed: Passed, request: CacheRequest): void {
    this.#addresses.finder.tell({ type: 'absent', request, asker: null, passed } satisfies Absent, this.#self.ref);
  }

  /** The end of a request that was passed here; without a reply it may have been executed elsewhere, and is not again. */
  #finish(passed: Passed, reply: ClientReply | null): void {
    const { forward } = passed;
    this.#next.push(...this.#line.close(passed));
    if (reply === null) return;
    const request = forward.message as CacheRequest;
    if (!isRead(request)) this.#record.record(forward.from, forward.number, request.key, reply);
    this.#reply(forward, reply);
  }

  /** An end likewise: it was not executed, and whoever passed it here is to find another place. */
  #giveBack(passed: Passed): void {
    const { forward } = passed;
    this.#record.withdraw(forward.from, forward.number);
    this.#tellNotMine(forward);
    this.#finish(passed, null);
  }

  /** Not before what the former ones did is complete. */
  #serveNext(): void {
    const next = this.#next;
    if (next.length === 0) return;
    this.#next = [];
    const nowMs = this.#self.now();
    for (const { forward, deadlineMs } of next) if (deadlineMs > nowMs) this.#judgeForward(forward, deadlineMs);
  }

  #tellNotMine(message: MessageOf<'forward'>): void {
    this.#counts.notMine += 1;
    const head = { to: message.from, from: this.#identity.node, hops: 1, number: message.number };
    this.#addresses.router.tell(
      { type: 'notMine', ...head, clock: this.#executor.clock.last } satisfies MessageOf<'notMine'>,
      this.#self.ref,
    );
  }

  /** Who comes from the key's home, sent before that knew better, is not to hear that nobody has it. */
  #isElsewhere(key: Key): boolean {
    return this.#handover.movedTo(key) !== null || (this.#yielded.get(key) ?? 0) > this.#self.now();
  }

  #yield(key: Key): void {
    const nowMs = this.#self.now();
    this.#yielded.delete(key);
    this.#yielded.set(key, nowMs + YIELDED_MS);
    for (const [oldest, untilMs] of this.#yielded) {
      if (untilMs > nowMs && this.#yielded.size <= YIELDED_MAX) break;
      this.#yielded.delete(oldest);
    }
  }

  #reply(message: MessageOf<'forward'>, reply: ClientReply): void {
    const head = { to: message.from, from: this.#identity.node, hops: 1, number: message.number };
    const answer = { type: 'answer', ...head, clock: this.#executor.clock.last, message: reply } as const;
    this.#addresses.router.tell(answer satisfies MessageOf<'answer'>, this.#self.ref);
  }

  /** What came from the disk is served from now on. */
  #endAwaiting(): void {
    this.#awaitsHomes = false;
    // What has to wait anew is not met again.
    const keys = [...this.#held.keys()];
    for (const key of keys) this.#resume(key);
  }

  #tellJoined(): void {
    if (this.#awaitsHomes) this.#endAwaiting();
    this.#addresses.node.tell({ type: 'registeredAll' } satisfies Registered, this.#self.ref);
  }

  // Claims

  #nextClaim(above = 0): number {
    this.#counts.claims += 1;
    this.#lastClaim = Math.max(this.#lastClaim, above) + 1;
    return this.#lastClaim;
  }

  #ask(key: Key, question: Omit<Ask, 'number' | 'isGranted'>): Ask {
    this.#lastAsk += 1;
    const ask: Ask = { number: this.#lastAsk, ...question, isGranted: false };
    this.#asks.set(key, ask);
    this.#askedKeys.set(ask.number, key);
    return ask;
  }

  #forgetAsk(key: Key): void {
    const ask = this.#asks.get(key);
    if (ask === undefined) return;
    this.#asks.delete(key);
    this.#askedKeys.delete(ask.number);
    if (ask.bytes > 0) this.#vacancy.redeem(ask.bytes);
  }

  #endAsk(key: Key): void {
    this.#forgetAsk(key);
    this.#resume(key);
  }

  /** Whether a claim made then may be used now (RULES O2). */
  #holds({ hash, home, pair }: Ask): boolean {
    const present = this.#registration.homeOf(hash) === home ? this.#registration.pairFor(hash) : null;
    return present !== null && samePair(present, pair);
  }

  /** Ends the questions and claims that another view has overtaken. */
  #discardAsks(): void {
    for (const [key, ask] of this.#asks) {
      if (this.#holds(ask)) continue;
      if (ask.claim > 0) this.#counts.claimsDiscarded += 1;
      this.#endAsk(key);
      // After `mine` the finder concludes, and hears then that the claim does not hold.
      if (!ask.isGranted) this.#tellLocated(key, 'again');
    }
  }

  #owns(hash: KeyHash, claim: number): boolean {
    const key = this.#owned.find(hash);
    return key !== null && this.#owned.claimOf(key) === claim;
  }

  #tellLocated(key: Key, outcome: Located['outcome'], owner: NodeId | null = null, claim = 0): void {
    const located: Located = { type: 'located', key, outcome, owner, claim, clock: this.#executor.clock.last };
    this.#addresses.finder.tell(located, this.#self.ref);
  }

  // Keys that are not free

  #hold(held: Held): void {
    if (this.#heldCount >= HELD_REQUESTS_MAX) {
      this.#counts.heldRefused += 1;
      this.#answerHeld(held, 'BUSY', 'too many requests wait for keys to be free');
      return;
    }
    const { key } = held.request;
    const waiting = this.#held.get(key);
    if (waiting === undefined) this.#held.set(key, [held]);
    else waiting.push(held);
    this.#heldCount += 1;
    this.#remindBy(held.deadlineMs);
  }

  /** The key may be free again: what waited for it is served in its order, up to what has to wait anew. */
  #resume(key: Key): void {
    const waiting = this.#heldCount === 0 ? undefined : this.#held.get(key);
    if (waiting === undefined || this.#isFixed(key)) return;
    this.#held.delete(key);
    this.#heldCount -= waiting.length;
    const nowMs = this.#self.now();
    for (const held of waiting) {
      if (held.deadlineMs <= nowMs) this.#expire(held);
      else if (held.isRetry && held.forward !== null) {
        this.#retry({ forward: held.forward, deadlineMs: held.deadlineMs }, held.request);
      } else if (this.#isBusy && this.#isHeld(key)) this.#hold(held);
      else if (held.forward !== null) this.#judgeForward(held.forward, held.deadlineMs);
      else this.onRequest(held.request, held.asker as Ref);
    }
  }

  #expireHeld(nowMs: number): void {
    for (const [key, waiting] of this.#held) {
      const left = waiting.filter((held) => held.deadlineMs > nowMs);
      this.#heldCount -= waiting.length - left.length;
      if (left.length === 0) this.#held.delete(key);
      else {
        this.#held.set(key, left);
        this.#remindBy((left[0] as Held).deadlineMs);
      }
      // What waited behind one that expires may go on.
      for (const held of waiting) if (held.deadlineMs <= nowMs) this.#expire(held);
    }
  }

  #expire(held: Held): void {
    this.#counts.heldExpired += 1;
    this.#answerHeld(held, 'TIMEOUT', 'the key was not free in time');
  }

  /** A node that forwarded a request has a deadline of its own for it (RULES D3). */
  #answerHeld({ request, asker, forward, deadlineMs, isRetry }: Held, code: 'BUSY' | 'TIMEOUT', text: string): void {
    const reply = refused(request.id, code, text, code === 'BUSY' ? { retryAfterMs: 100 } : null);
    if (asker !== null) asker.tell(reply, this.#self.ref);
    else if (isRetry && forward !== null) {
      this.#finish({ forward, deadlineMs }, code === 'BUSY' ? reply : null);
      this.#serveNext();
    } else if (forward !== null && code === 'BUSY') this.#reply(forward, reply);
  }

  #unfreeze(key: Key): void {
    this.#frozen.delete(key);
    this.#resume(key);
  }

  #tellFrozen(to: NodeId, contest: number, hash: KeyHash, key: Key | null): void {
    this.#frozenToldMs = this.#self.now();
    const stamp = key === null ? null : this.#executor.stampOf(key);
    const claim = key === null ? 0 : (this.#owned.claimOf(key) ?? 0);
    this.#addresses.router.tell(
      {
        type: 'frozen',
        to,
        from: this.#identity.node,
        hops: 1,
        clock: this.#executor.clock.last,
        contest,
        hash,
        time: stamp?.time ?? 0,
        origin: stamp?.origin ?? null,
        claim,
      } satisfies MessageOf<'frozen'>,
      this.#self.ref,
    );
  }

  /** An entry made room, or its time had come. */
  #onRemoved(key: Key): void {
    const owned = this.#owned.remove(key);
    if (owned !== null) this.#registration.release(owned.hash, owned.claim);
    this.#frozen.delete(key);
    this.#handover.forget(key);
    if (!this.#held.has(key)) return;
    // Whoever waits for it is served in a turn of its own, not in the middle of what made it go.
    this.#freed.add(key);
    this.#remindBy(this.#self.now());
  }

  #remindBy(atMs: number): void {
    if (atMs >= this.#remindAtMs) return;
    if (this.#reminder !== null) this.#self.cancel(this.#reminder);
    this.#remindAtMs = atMs;
    this.#reminder = this.#self.after(Math.max(1, atMs - this.#self.now()), { type: 'remind' });
  }

  #afterExecution(request: CacheRequest): void {
    this.#sweepLater();
    if (!isRead(request)) this.#vacancy.advertise();
  }

  #sweepLater(delayMs = SWEEP_MS): void {
    if (this.#isSweeping || this.#executor.keyspace.nextExpiryMs === null) return;
    this.#isSweeping = true;
    this.#self.after(delayMs, { type: 'tick' });
  }
}

/** Nobody owns the key of the question. */
function outcomeOfAbsence({ isClaim, claim }: Ask): 'absent' | 'noRoom' {
  return isClaim && claim === 0 ? 'noRoom' : 'absent';
}

const on = LocalStore.prototype;
const serving = {
  ...forCacheRequests(on.onRequest),
  forward: on.onForward,
  collect: on.onCollect,
  attend: on.onAttend,
  locate: on.onLocate,
  place: on.onPlace,
  conclude: on.onConclude,
  retry: on.onRetry,
  resolved: on.onResolved,
  members: on.onMembers,
  renumbered: on.onRenumbered,
  compare: on.onCompare,
  wanted: on.onWanted,
  registered: on.onRegistered,
  released: on.onReleased,
  freeze: on.onFreeze,
  thaw: on.onThaw,
  take: on.onTake,
  taken: on.onTaken,
  record: on.onRecord,
  transferred: on.onTransferred,
  observe: on.onObserve,
  probe: on.onProbe,
  loaded: drop,
  loadFailed: drop,
  keep: on.onKeep,
  kept: on.onKept,
  drain: on.onDrain,
  count: on.onCount,
  remind: on.onRemind,
  tick: on.onTick,
} as const;

export const localStoreKind = defineKind({
  name: 'local-store',
  machine: localStoreMachine,
  create: (self: Self<LocalStoreMessage, LocalStoreEvent>, args: Args) => new LocalStore(self, args),
  tables: {
    recovering: {
      ...forCacheRequests(stash),
      forward: stash,
      collect: stash,
      attend: stash,
      locate: stash,
      place: stash,
      conclude: stash,
      retry: stash,
      resolved: stash,
      members: stash,
      renumbered: stash,
      compare: stash,
      wanted: stash,
      registered: stash,
      released: stash,
      freeze: stash,
      thaw: stash,
      take: stash,
      taken: stash,
      record: stash,
      transferred: stash,
      observe: on.onObserve,
      probe: stash,
      loaded: on.onLoaded,
      loadFailed: on.onLoadFailed,
      keep: on.onKeep,
      kept: on.onKept,
      drain: stash,
      count: on.onCount,
      remind: drop,
      tick: drop,
    },
    ready: serving,
    draining: { ...serving, drain: drop },
    closed: {
      ...forCacheRequests(refuse),
      forward: drop,
      collect: drop,
      attend: drop,
      locate: drop,
      place: drop,
      conclude: drop,
      retry: drop,
      resolved: drop,
      members: drop,
      renumbered: drop,
      compare: drop,
      wanted: drop,
      registered: drop,
      released: drop,
      freeze: drop,
      thaw: drop,
      take: drop,
      taken: drop,
      record: drop,
      transferred: drop,
      observe: drop,
      probe: drop,
      loaded: drop,
      loadFailed: drop,
      keep: drop,
      kept: drop,
      drain: drop,
      count: drop,
      remind: drop,
      tick: drop,
    },
  },
  commands: {},
  onEnd: on.end,
  mailbox: {
    capacity: 1 << 20,
    overflow: {
      forward: 'dropNew',
      collect: 'dropNew',
      attend: 'never',
      locate: 'never',
      place: 'never',
      conclude: 'never',
      retry: 'never',
      resolved: 'never',
      members: 'never',
      renumbered: 'never',
      compare: 'dropNew',
      wanted: 'dropNew',
      registered: 'dropNew',
      released: 'dropNew',
      freeze: 'dropNew',
      thaw: 'dropNew',
      take: 'dropNew',
      taken: 'dropNew',
      record: 'dropNew',
      transferred: 'dropNew',
      observe: 'never',
      probe: 'dropNew',
      loaded: 'never',
      loadFailed: 'never',
      keep: 'never',
      kept: 'never',
      drain: 'never',
      count: 'never',
      remind: 'never',
      tick: 'never',
    },
  },
  refusal: (message: LocalStoreMessage) =>
    'id' in message
      ? refused(message.id, 'BUSY', 'the store has too much to do; try again', { retryAfterMs: 100 })
      : null,
});
