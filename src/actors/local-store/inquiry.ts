/**
 * What this node asks the homes: whose key is it, and may it be owned here? A question is repeated, by the finder, until
 * its home has answered. A claim that was granted waits until the finder concludes, and is used only while the pair
 * under which it was asked for is the present one (RULES O2). Owns the questions under way, the numbers of claims (O4),
 * and the room that is promised to them. A part of the local store, not an actor of its own.
 */
import { sameHash } from '../../store/key-hash.js';
import type { KeyHash, KeyHasher } from '../../store/key-hash.js';
import type { NodeId } from '../../store/node-id.js';
import type { OwnedKeys } from '../../store/owned-keys.js';
import { TransientMap } from '../../store/transient-map.js';
import type { Key, MessageOf } from '../../transport/message.js';
import type { Answered, Locate, Located, Read } from '../message.js';
import { samePair } from '../pair.js';
import type { Pair } from '../pair.js';
import type { Executor } from './executor.js';
import type { Registration } from './registration.js';
import type { StoreHost } from './store-host.js';
import type { Vacancy } from './vacancy.js';

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

/** A claim that may be used. */
export type Grant = Pick<Ask, 'hash' | 'claim'>;

export interface InquiryHost extends StoreHost {
  /** To the finder. */
  tellLocated(located: Located): void;
  /** A copy of the key is on its way to here. */
  isIncoming(key: Key): boolean;
  /** Who comes from the key's home, sent before that knew better, is not to hear that nobody has it. */
  isElsewhere(key: Key): boolean;
}

/** The parts of the store that it asks and tells. */
interface Parts {
  readonly executor: Executor;
  readonly owned: OwnedKeys;
  readonly hasher: KeyHasher;
  readonly registration: Registration;
  readonly vacancy: Vacancy;
}

/** Claims of one incarnation are numbered from its start on, so that no number of a former one comes again (RULES O4). */
const CLAIMS_PER_MS = 1024;

export class Inquiry {
  readonly #host: InquiryHost;
  readonly #executor: Executor;
  readonly #owned: OwnedKeys;
  readonly #hasher: KeyHasher;
  readonly #registration: Registration;
  readonly #vacancy: Vacancy;
  readonly #asks = new TransientMap<Key, Ask>();
  /** The key of each question, by its number. */
  readonly #askedKeys = new TransientMap<number, Key>();
  #lastAsk = 0;
  #lastClaim: number;
  readonly counts = { noRoom: 0, claims: 0, claimsDiscarded: 0, dangling: 0 };

  constructor(host: InquiryHost, parts: Parts, incarnation: number) {
    this.#host = host;
    this.#executor = parts.executor;
    this.#owned = parts.owned;
    this.#hasher = parts.hasher;
    this.#registration = parts.registration;
    this.#vacancy = parts.vacancy;
    this.#lastClaim = incarnation * CLAIMS_PER_MS;
  }

  /** A number for a claim, above that one. */
  nextClaim(above = 0): number {
    this.counts.claims += 1;
    this.#lastClaim = Math.max(this.#lastClaim, above) + 1;
    return this.#lastClaim;
  }

  /** A claim of the key is under way, or about to be used. */
  isClaimed(key: Key): boolean {
    return (this.#asks.get(key)?.claim ?? 0) > 0;
  }

  onLocate({ key, isClaim, valueBytes, isSearched, read }: Locate): void {
    const hash = this.#hasher.hash(key);
    if (this.#executor.knows(key) || this.#host.isIncoming(key)) return this.#tell(key, 'here');
    const home = this.#registration.homeOf(hash);
    if (home === null) return this.#tell(key, 'homeless');
    const pair = this.#registration.pairFor(hash);
    if (pair === null) return this.#tell(key, 'again');
    const former = this.#asks.get(key);
    // A question that is repeated keeps its numbers: an answer to either will do.
    let ask = former !== undefined && former.isClaim === isClaim && this.#holds(former) ? former : null;
    if (ask === null) {
      this.#forget(key);
      const bytes = isClaim && valueBytes !== null ? this.#executor.keyspace.sizeOf(key, null) + valueBytes : 0;
      const isShort = bytes > 0 && !this.#vacancy.promise(bytes);
      if (isShort) this.counts.noRoom += 1;
      if (isShort && isSearched) return this.#tell(key, 'noRoom');
      const claim = isClaim && !isShort ? this.nextClaim() : 0;
      ask = this.#begin(key, { hash, isClaim, claim, bytes: isShort ? 0 : bytes, home, pair });
    }
    const { number, claim } = ask;
    if (read !== null) return this.#seek(ask, read);
    // Written out: each new key asks, and spreading objects takes several times longer.
    this.#host.send({
      type: 'lookup',
      to: home,
      from: this.#host.node,
      hops: 1,
      homeIncarnation: pair.homeIncarnation,
      homeView: pair.homeView,
      incarnation: pair.incarnation,
      view: pair.view,
      clock: this.#host.clock(),
      number,
      claim,
      hash,
      isSearched,
    });
  }

  /**
   * The owner has answered what was asked: no answer of the home will follow. Or nobody waits for one: a claim whose grant
   * is lost would be under way for ever, and requests for the key with it. What was granted is about to be used or released.
   */
  onAnswered({ key, isOver }: Answered): void {
    const ask = this.#asks.get(key);
    if (ask === undefined || ask.claim === 0 || (isOver && !ask.isGranted)) this.#end(key);
  }

  /** The home's answer. */
  onPlace(message: MessageOf<'place'>): void {
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
          this.counts.claimsDiscarded += 1;
          this.#end(key);
          return this.#tell(key, 'again');
        }
        ask.isGranted = true;
        return this.#tell(key, 'mine');
      case 'owned': {
        this.#end(key);
        if (message.owner !== this.#host.node) return this.#tell(key, 'owned', message.owner, message.claim);
        if (this.#executor.knows(key) || this.#host.isIncoming(key)) return this.#tell(key, 'here');
        if (this.#host.isElsewhere(key)) return this.#tell(key, 'again');
        this.releaseDangling(ask.hash, message.claim);
        return this.#tell(key, outcomeOfAbsence(ask));
      }
      case 'absent':
        this.#end(key);
        return this.#tell(key, outcomeOfAbsence(ask));
      case 'unsettled':
      case 'full':
        this.#end(key);
        return this.#tell(key, message.outcome);
      default:
        this.#end(key);
        return this.#tell(key, 'again');
    }
  }

  /** The claim of the key that was granted, if it counts still. It is to be used now, or released. */
  useGrant(key: Key): Grant | null {
    const ask = this.#asks.get(key);
    const grant = ask?.isGranted === true && this.#holds(ask) ? ask : null;
    this.#forget(key);
    return grant;
  }

  /** The home compares copies of the key: what it decides now, it decides without a claim of this node. */
  onFreeze(hash: KeyHash): void {
    for (const [key, ask] of this.#asks.entries()) {
      if (ask.claim > 0 && sameHash(ask.hash, hash)) this.#discard(key, ask);
    }
  }

  /** Ends the questions and claims that another view has overtaken. */
  onPairs(): void {
    for (const [key, ask] of this.#asks.entries()) if (!this.#holds(ask)) this.#discard(key, ask);
  }

  /** Named by the home and holding nothing (RULES O6): what this node has released. */
  releaseDangling(hash: KeyHash, claim: number): void {
    this.counts.dangling += 1;
    this.#registration.release(hash, claim);
  }

  #seek({ number, hash, home, pair }: Ask, read: Read): void {
    this.#host.send({
      type: 'seek',
      to: home,
      from: this.#host.node,
      hops: 1,
      homeIncarnation: pair.homeIncarnation,
      homeView: pair.homeView,
      incarnation: pair.incarnation,
      view: pair.view,
      clock: this.#host.clock(),
      number,
      hash,
      read: read.number,
      budgetMs: read.budgetMs,
      message: read.request,
    });
  }

  #begin(key: Key, question: Omit<Ask, 'number' | 'isGranted'>): Ask {
    this.#lastAsk += 1;
    const ask: Ask = { number: this.#lastAsk, ...question, isGranted: false };
    this.#asks.set(key, ask);
    this.#askedKeys.set(ask.number, key);
    return ask;
  }

  #forget(key: Key): void {
    const ask = this.#asks.get(key);
    if (ask === undefined) return;
    this.#asks.delete(key);
    this.#askedKeys.delete(ask.number);
    if (ask.bytes > 0) this.#vacancy.redeem(ask.bytes);
  }

  #end(key: Key): void {
    this.#forget(key);
    this.#host.resume(key);
  }

  #discard(key: Key, ask: Ask): void {
    if (ask.claim > 0) this.counts.claimsDiscarded += 1;
    this.#end(key);
    // After `mine` the finder concludes, and hears then that the claim does not hold.
    if (!ask.isGranted) this.#tell(key, 'again');
  }

  /** Whether a claim made then may be used now (RULES O2). */
  #holds({ hash, home, pair }: Ask): boolean {
    const present = this.#registration.homeOf(hash) === home ? this.#registration.pairFor(hash) : null;
    return present !== null && samePair(present, pair);
  }

  #owns(hash: KeyHash, claim: number): boolean {
    const key = this.#owned.find(hash);
    return key !== null && this.#owned.claimOf(key) === claim;
  }

  #tell(key: Key, outcome: Located['outcome'], owner: NodeId | null = null, claim = 0): void {
    this.#host.tellLocated({ type: 'located', key, outcome, owner, claim, clock: this.#host.clock() });
  }
}

/** Nobody owns the key of the question. */
function outcomeOfAbsence({ isClaim, claim }: Ask): 'absent' | 'noRoom' {
  return isClaim && claim === 0 ? 'noRoom' : 'absent';
}
