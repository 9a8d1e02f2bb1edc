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
import { HybridClock } from '../../store/clock.js';
import type { NodeId } from '../../store/node-id.js';
import { OwnerTable } from '../../store/owner-table.js';
import type { LearnedOwner } from '../../store/owner-table.js';
import { TransientMap } from '../../store/transient-map.js';
import { refused } from '../../transport/message.js';
import type { CacheRequest, ClientReply, Key, MessageOf } from '../../transport/message.js';
import type { Addresses } from '../addresses.js';
import { Alarm } from '../alarm.js';
import { isRead } from '../cache-request.js';
import type {
  Absent,
  Concluded,
  Congested,
  Count,
  FinderMessage,
  Located,
  Observe,
  PassBack,
  Rooms,
  Searched,
  Unrouted,
  View,
} from '../message.js';
import { refuseLeaving } from '../refusal.js';
import type { Ref, Self } from '../runtime/kind.js';
import { LEARNED_OWNERS_MAX } from '../settings.js';
import type { Identity, Settings } from '../settings.js';
import type { FinderEvent } from './finder-machine.js';
import { Lookups } from './lookups.js';
import type { Open, Passing } from './open-request.js';
import { OpenTable } from './open-table.js';
import { PassingOn, passesOnArrival } from './passing-on.js';
import { SwarmView } from './swarm-view.js';

export interface FinderArgs {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
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

/** Pause before the key of a request that could not be sent is looked up: time for the view to settle. */
const REROUTE_PAUSE_MS = 20;
/** Pause before an owner that holds nothing is asked for again: time for its release to arrive. */
const RELEASE_PAUSE_MS = 10;

export class Finder {
  readonly #self: Self<FinderMessage, FinderEvent>;
  readonly #identity: Identity;
  readonly #addresses: Addresses;
  readonly #clock: HybridClock;
  readonly #alarm: Alarm<FinderMessage>;
  readonly #view: SwarmView;
  readonly #owners = new OwnerTable(LEARNED_OWNERS_MAX);
  readonly #passingOn: PassingOn;
  readonly #opens: OpenTable;
  readonly #lookups: Lookups;
  /** Requests that the store is about to give back, by key. */
  readonly #passedBack = new TransientMap<Key, number>();
  readonly #counts = { notMine: 0, tooEarly: 0, lateAnswers: 0, misfits: 0, passedOn: 0, resent: 0, congested: 0 };

  constructor(self: Self<FinderMessage, FinderEvent>, { identity, settings, addresses }: FinderArgs) {
    this.#self = self;
    this.#identity = identity;
    this.#addresses = addresses;
    this.#clock = new HybridClock(identity.node);
    this.#alarm = new Alarm<FinderMessage>(self, { type: 'tick' });
    this.#view = new SwarmView(identity.node);
    this.#passingOn = new PassingOn(self, this.#view, settings);
    this.#opens = new OpenTable(self, addresses, this.#alarm, this.#passingOn, settings.requestTimeoutMs);
    this.#lookups = new Lookups({
      self,
      addresses,
      clock: this.#clock,
      alarm: this.#alarm,
      opens: this.#opens,
      owners: this.#owners,
      passingOn: this.#passingOn,
      view: this.#view,
      forward: (open, learned, claim) => this.#forward(open, learned.node, claim, learned),
      pass: (open, way) => this.#pass(open, way),
    });
  }

  onRequest(request: CacheRequest, asker: Ref): void {
    if (this.#lookups.waitForConclusion(request, asker)) return;
    // The key may come to this node while others of the session are on their way: it takes their way, behind those that
    // the store is about to give back (C3).
    const { key } = request;
    const passedBack = this.#passedBack.size === 0 ? undefined : this.#passedBack.get(key);
    if (passedBack !== undefined || this.#lookups.has(key) || this.#opens.lastSent(key) !== undefined) {
      this.#passedBack.set(key, (passedBack ?? 0) + 1);
      this.#addresses.store.tell({ type: 'passBack', request, asker } satisfies PassBack, this.#self.ref);
      return;
    }
    // The store answers the asker itself, so that a request for a key that is here passes the finder once.
    this.#addresses.store.tell(request, asker);
  }

  /** Before the swarm is joined, "not here" would be an answer about one node only (RULES V3). */
  onRequestTooEarly(request: CacheRequest, asker: Ref): void {
    this.#counts.tooEarly += 1;
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
    if (absent.isPassedBack) this.#returned(absent.request.key);
    if (this.#lookups.join(absent, absent.deadlineMs)) return;
    const before = this.#opens.lastSent(absent.request.key);
    const open = this.#opens.begin(absent, absent.deadlineMs);
    if (open === null) return;
    const way = this.#passingOn.wayOf(open);
    if (way !== null) return this.#pass(open, way);
    if (before !== undefined && before.passing === null && before.owner !== null && this.#view.hasOther(before.owner)) {
      this.#opens.note(open, 'learned');
      return this.#forward(open, before.owner, 0, before.learned);
    }
    const learned = this.#owners.get(open.request.key);
    if (learned !== undefined && this.#view.hasOther(learned.node)) {
      this.#opens.note(open, 'learned');
      this.#forward(open, learned.node, 0, learned);
    } else this.#lookups.begin(open);
  }

  onLocated(message: Located): void {
    this.#clock.observe(message.clock);
    this.#lookups.onLocated(message);
  }

  onSearched(message: Searched): void {
    this.#clock.observe(message.clock);
    this.#lookups.onSearched(message);
  }

  onConcluded(message: Concluded): void {
    this.#lookups.onConcluded(message);
  }

  onAnswer(message: MessageOf<'answer'>): void {
    this.#clock.observe(message.clock);
    const open = this.#opens.get(message.number);
    if (open === undefined) {
      this.#counts.lateAnswers += 1;
      return;
    }
    // What another node says is a claim: the client gets what it asked for, from whom it was asked for, or nothing.
    const { request, owner } = open;
    const reply = message.message;
    const isFit =
      reply.id === request.id && (reply.type === 'refused' || REPLIES_OF[request.type].includes(reply.type));
    if (isFit && owner === null && this.#lookups.isHanded(open)) {
      this.#opens.take(open);
      this.#opens.reply(open, reply as ClientReply);
      this.#lookups.onHandedAnswer(open, message.from);
      return;
    }
    if (!isFit || owner !== message.from) {
      this.#counts.misfits += 1;
      return;
    }
    // The owner had nothing for a write of its session before it either, which will be executed first.
    if (reply.type === 'missing' && this.#lookups.hasWriteBefore(open)) {
      this.#lookups.resume(open, RELEASE_PAUSE_MS);
      return;
    }
    // Who answers what was passed on need not be the owner: it may have passed it on in turn.
    if (open.passing === null) this.#owners.learn(request.key, owner);
    this.#opens.take(open);
    this.#opens.reply(open, reply as ClientReply);
  }

  /** The owner was wrong: nothing was executed, and absence is not proven (RULES O6). */
  onNotMine(message: MessageOf<'notMine'>): void {
    this.#clock.observe(message.clock);
    const open = this.#opens.get(message.number);
    if (open === undefined) return;
    if (open.owner === null && this.#lookups.isHanded(open)) {
      this.#counts.notMine += 1;
      this.#lookups.onHandedBack(open, RELEASE_PAUSE_MS);
      return;
    }
    if (open.owner !== message.from) return;
    this.#counts.notMine += 1;
    const pauseMs = open.claim > 0 ? RELEASE_PAUSE_MS : 0;
    this.#lookups.resume(open, open.passing !== null ? REROUTE_PAUSE_MS : pauseMs);
  }

  onUnrouted(message: Unrouted): void {
    const open = this.#opens.get(message.number);
    if (open === undefined || open.owner === null) return;
    // The owner may have executed it when it was sent before: the view that follows tells what became of him (RULES D2).
    if (mayBeExecuted(open)) return;
    this.#lookups.resume(open, REROUTE_PAUSE_MS);
  }

  /** What has not been executed is refused early; what was sent before may have been, and its answer may yet come. */
  onCongested({ number }: Congested): void {
    const open = this.#opens.get(number);
    if (open === undefined || mayBeExecuted(open) || !this.#opens.take(open)) return;
    this.#counts.congested += 1;
    const text = 'the way to the node that stores the key is full; try again';
    this.#opens.reply(open, refused(open.request.id, 'BUSY', text, { retryAfterMs: 100 }));
  }

  onView(message: View): void {
    this.#view.onView(message);
    for (const open of this.#opens.values()) {
      const { owner, request } = open;
      if (owner === null) continue;
      // One that was started again unnoticed knows nothing of what it has executed.
      if (this.#view.incarnationOf(owner) !== open.ownerIncarnation) {
        if (isRead(request) && !open.isFollowed) {
          this.#counts.resent += 1;
          this.#lookups.resume(open, 0);
        } else {
          const text = 'the node that stores the key vanished before it answered; the change may have been made';
          this.#opens.refuseUnknown(open, text);
        }
        continue;
      }
      // The question or its answer may have been on a link that broke. The owner executes a write once (RULES D1), one
      // that it has not seen before what was sent after it, and no read after a later change (C3).
      this.#counts.resent += 1;
      open.isResent = true;
      this.#forward(open, owner, open.claim, open.learned);
    }
  }

  onRooms(message: Rooms): void {
    this.#passingOn.onRooms(message);
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
    this.#opens.giveBack();
    return 'drain';
  }

  onCount(_message: Count, from: Ref): void {
    const { tooEarly, ...counts } = this.#counts;
    const counters = {
      ...counts,
      ...this.#opens.counts,
      ...this.#lookups.counts,
      busy: tooEarly + this.#opens.counts.busy,
      open: this.#opens.size,
      lookups: this.#lookups.size,
      passing: this.#passingOn.size,
    };
    from.tell({ type: 'counters', counters }, this.#self.ref);
  }

  /** Deadlines, and questions that are to be repeated. */
  onTick(): void {
    this.#alarm.wentOff();
    const nowMs = this.#self.now();
    this.#opens.expire(nowMs);
    this.#lookups.remind(nowMs);
  }

  #returned(key: Key): void {
    const left = (this.#passedBack.get(key) ?? 1) - 1;
    if (left === 0) this.#passedBack.delete(key);
    else this.#passedBack.set(key, left);
  }

  #pass(open: Open, way: Passing): void {
    if (this.#opens.isOver(open)) return;
    this.#counts.passedOn += 1;
    this.#passingOn.begin(open, way);
    this.#forward(open, way.to, 0, null);
  }

  #forward(open: Open, owner: NodeId, claim: number, learned: LearnedOwner | null): void {
    if (this.#opens.isOver(open)) return;
    this.#opens.send(open, owner, this.#view.incarnationOf(owner), claim);
    if (learned !== null && open.learned === null) {
      open.learned = learned;
      learned.sentCount += 1;
    }
    const budgetMs = Math.max(1, Math.ceil(open.deadlineMs - this.#self.now()));
    const message: MessageOf<'forward'> = {
      type: 'forward',
      to: owner,
      from: this.#identity.node,
      hops: 1,
      number: open.number,
      behind: this.#opens.behind(open),
      // Reads may be executed twice, so that nobody keeps results for them.
      floor: isRead(open.request) ? 0 : this.#opens.floor,
      incarnation: this.#identity.incarnation,
      claim,
      passes: passesOnArrival(open),
      budgetMs,
      clock: this.#clock.last,
      message: open.request,
    };
    this.#addresses.router.tell(message, this.#self.ref);
  }
}

/** A write of which it is not known what became of it when it was sent before. */
const mayBeExecuted = ({ isResent, request }: Open): boolean => isResent && !isRead(request);
