/**
 * The local store: the entries that this node owns. A request for a key that is here is executed and answered; one for
 * a key that isn't goes back to the finder, or to the node that forwarded it, unexecuted. Only `conclude` creates, and
 * only under a claim that the key's home has granted. This file is the way of each message to the part whose subject it
 * is, and what concerns several of them.
 *
 * Invariants: bytes and keys never exceed the limits; an expired value is never answered; the requests that the finder
 * sent for one key take effect in the order sent; every entry is owned under the number of a claim, and is stated to its
 * home until the entry is gone (RULES O1 to O6); no request of another node is executed twice (D1).
 */
import { keyPageOf } from '../../store/key-page.js';
import type { Keyspace } from '../../store/keyspace.js';
import type { NodeId } from '../../store/node-id.js';
import type { OwnedKeys } from '../../store/owned-keys.js';
import type { CacheRequest, ClientReply, MessageOf } from '../../transport/message.js';
import type { Addresses } from '../addresses.js';
import type { Alarm } from '../alarm.js';
import { isClaiming, isRead } from '../cache-request.js';
import type {
  Absent,
  Answered,
  Attend,
  Attending,
  Conclude,
  Concluded,
  Count,
  EntryChange,
  Keep,
  Kept,
  Loaded,
  LoadFailed,
  Locate,
  LocalStoreMessage,
  Members,
  Observe,
  PassBack,
  Probe,
  Probed,
  Recovered,
  Registered,
  Renumbered,
  Resolved,
  Retry,
} from '../message.js';
import { refuseLeaving } from '../refusal.js';
import type { Ref, Self } from '../runtime/kind.js';
import { KEYS_MAX } from '../settings.js';
import type { Contest } from './contest.js';
import type { Executor } from './executor.js';
import type { ForwardedRequests } from './forwarded-requests.js';
import type { Handover } from './handover.js';
import type { HeldRequests } from './held-requests.js';
import type { Inquiry } from './inquiry.js';
import type { KeptEntries } from './kept-entries.js';
import type { LocalStoreEvent } from './local-store-machine.js';
import type { Registration } from './registration.js';
import { createParts } from './store-parts.js';
import type { LocalStoreArgs } from './store-parts.js';
import type { Sweep } from './sweep.js';
import type { Takeover } from './takeover.js';
import type { Vacancy } from './vacancy.js';

export class LocalStore {
  readonly #self: Self<LocalStoreMessage, LocalStoreEvent>;
  readonly #node: NodeId;
  readonly #requestTimeoutMs: number;
  readonly #addresses: Addresses;
  readonly #executor: Executor;
  readonly #owned: OwnedKeys;
  readonly #registration: Registration;
  readonly #vacancy: Vacancy;
  readonly #inquiry: Inquiry;
  readonly #contest: Contest;
  readonly #handover: Handover;
  readonly #takeover: Takeover;
  readonly #held: HeldRequests;
  readonly #forwarded: ForwardedRequests;
  readonly #kept: KeptEntries | null;
  readonly #sweep: Sweep;
  readonly #alarm: Alarm<LocalStoreMessage>;
  #incarnation: number;
  #lastChange = 0;

  constructor(self: Self<LocalStoreMessage, LocalStoreEvent>, args: LocalStoreArgs) {
    const { identity, settings, addresses, disk } = args;
    this.#self = self;
    this.#node = identity.node;
    this.#requestTimeoutMs = settings.requestTimeoutMs;
    this.#addresses = addresses;
    this.#incarnation = identity.incarnation;
    const parts = createParts(self, args, {
      serve: (request, asker, dueMs) => this.#serve(request, asker, dueMs),
      passBack: (request, asker, deadlineMs) => this.#giveBack(request, asker, deadlineMs, true),
    });
    this.#executor = parts.executor;
    this.#owned = parts.owned;
    this.#registration = parts.registration;
    this.#vacancy = parts.vacancy;
    this.#inquiry = parts.inquiry;
    this.#contest = parts.contest;
    this.#handover = parts.handover;
    this.#takeover = parts.takeover;
    this.#held = parts.held;
    this.#forwarded = parts.forwarded;
    this.#kept = parts.kept;
    this.#sweep = parts.sweep;
    this.#alarm = parts.alarm;
    if (disk === null) self.signal('recovered');
  }

  /** What is stored, for checkers to look at: nothing of the actors does. */
  get keyspace(): Keyspace {
    return this.#executor.keyspace;
  }

  end(): void {
    this.#kept?.end();
  }

  // Requests

  /** From the finder, on behalf of a session: executed if the key is here. */
  onRequest(request: CacheRequest, asker: Ref): void {
    this.#serve(request, asker, null);
  }

  /** `dueMs`: when its time is over, if it has waited here before. */
  #serve(request: CacheRequest, asker: Ref, dueMs: number | null): void {
    // The finder serves clients: the homes have confirmed, or this node has found none in time.
    this.#held.endAwaiting();
    if (this.#held.isHeld(request.key)) {
      const deadlineMs = dueMs ?? this.#self.now() + this.#requestTimeoutMs;
      this.#held.hold({ request, asker, forward: null, deadlineMs, isRetry: false, isPassedBack: false });
      return;
    }
    const reply = this.#executor.execute(request, false);
    if (reply !== null) {
      this.#sweep.plan();
      if (!isRead(request)) this.#vacancy.advertise();
      asker.tell(reply, this.#self.ref);
    } else {
      this.#giveBack(request, asker, dueMs, false);
    }
  }

  /** Requests of one session for one key keep their order here too, so it waits behind those that wait. */
  onPassBack({ request, asker }: PassBack): void {
    const deadlineMs = this.#self.now() + this.#requestTimeoutMs;
    if (this.#held.isHeld(request.key) && this.#held.hasRoom) {
      this.#held.hold({ request, asker, forward: null, deadlineMs, isRetry: false, isPassedBack: true });
      return;
    }
    this.#giveBack(request, asker, null, true);
  }

  #giveBack(request: CacheRequest, asker: Ref, deadlineMs: number | null, isPassedBack: boolean): void {
    const absent: Absent = { type: 'absent', request, asker, passed: null, deadlineMs, isPassedBack };
    this.#addresses.finder.tell(absent, this.#self.ref);
  }

  /** From another node, which believes that the key is here, or is to be (RULES K1). */
  onForward(message: MessageOf<'forward'>): void {
    this.#executor.clock.observe(message.clock);
    this.#forwarded.onForward(message);
  }

  /** The finder found that the key may be here now. */
  onRetry({ request, asker, passed, deadlineMs }: Retry): void {
    if (asker !== null) this.#serve(request, asker, deadlineMs);
    else if (passed !== null && this.#held.isFixed(request.key)) {
      this.#held.hold({ request, asker, forward: passed.forward, deadlineMs, isRetry: true, isPassedBack: false });
    } else if (passed !== null) this.#forwarded.retry(passed);
  }

  onResolved({ passed, reply }: Resolved): void {
    if (reply === null && passed.deadlineMs > this.#self.now()) this.#forwarded.giveBack(passed);
    else this.#forwarded.finish(passed, reply);
    this.#forwarded.serveNext();
  }

  onLocate(message: Locate): void {
    this.#executor.clock.observe(message.clock);
    this.#inquiry.onLocate(message);
  }

  onAnswered(message: Answered): void {
    this.#inquiry.onAnswered(message);
  }

  onPlace(message: MessageOf<'place'>): void {
    this.#executor.clock.observe(message.clock);
    this.#inquiry.onPlace(message);
  }

  onConclude({ key, requests, isClaimed, clock }: Conclude): void {
    this.#executor.clock.observe(clock);
    const grant = isClaimed ? this.#inquiry.useGrant(key) : null;
    let executed = 0;
    for (const { request, asker, passed } of requests) {
      if (!this.#executor.knows(key)) {
        if (this.#isLeaving && isClaiming(request)) {
          if (asker !== null) asker.tell(refuseLeaving(request.id), this.#self.ref);
          else if (passed !== null) this.#forwarded.giveBack(passed);
          executed += 1;
          continue;
        }
        if (grant === null && isClaiming(request)) break;
      }
      const reply = this.#executor.execute(request, true) as ClientReply;
      if (asker !== null) asker.tell(reply, this.#self.ref);
      else if (passed !== null) this.#forwarded.finish(passed, reply);
      // At once: the next one may make room by removing the entry again.
      if (grant !== null && this.#owned.claimOf(key) === null && this.#executor.knows(key)) {
        this.#owned.put(key, grant.hash, grant.claim);
      }
      executed += 1;
    }
    if (grant !== null && this.#owned.claimOf(key) !== grant.claim) {
      this.#registration.release(grant.hash, grant.claim);
    }
    this.#sweep.plan();
    this.#vacancy.advertise();
    const isPresent = this.#executor.knows(key);
    this.#addresses.finder.tell({ type: 'concluded', key, executed, isPresent } satisfies Concluded, this.#self.ref);
    this.#forwarded.serveNext();
    this.#held.resume(key);
  }

  // The view, and the homes

  onMembers(message: Members): void {
    if (message.incarnation !== this.#incarnation) {
      this.#incarnation = message.incarnation;
      this.#kept?.rememberIncarnation(message.incarnation);
    }
    this.#forwarded.onMembers(message);
    if (this.#registration.onMembers(message)) this.#contest.endAll();
    this.#takeover.onMembers(message);
    this.#handover.onMembers(message);
    this.#inquiry.onPairs();
    this.#vacancy.advertise();
    // Where no member is a home there is nobody to confirm anything.
    if (this.#registration.isJoined) this.#tellJoined();
  }

  onRenumbered(message: Renumbered): void {
    if (!this.#registration.onRenumbered(message)) return;
    this.#takeover.onPairs();
    this.#inquiry.onPairs();
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

  onFreeze(message: MessageOf<'freeze'>): void {
    this.#executor.clock.observe(message.clock);
    this.#inquiry.onFreeze(message.hash);
    this.#takeover.onFreeze(message.hash);
    this.#contest.onFreeze(message);
  }

  onThaw(message: MessageOf<'thaw'>): void {
    this.#executor.clock.observe(message.clock);
    if (this.#contest.onThaw(message)) this.#vacancy.advertise();
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

  onDrain(): LocalStoreEvent {
    this.#takeover.close();
    this.#handover.start();
    return 'drain';
  }

  // The disk

  onLoaded(message: Loaded): LocalStoreEvent | void {
    if (this.#kept?.onLoaded(message) === false) return;
    this.#held.awaitHomes();
    this.#sweep.plan();
    this.#addresses.node.tell({ type: 'recovered' } satisfies Recovered, this.#self.ref);
    return 'recovered';
  }

  /** A node that would serve without the entries it is to have would deny them. */
  onLoadFailed({ fault }: LoadFailed): void {
    throw new Error(fault);
  }

  onKeep(_message: Keep): void {
    this.#kept?.onKeep();
  }

  onKept(message: Kept): void {
    this.#kept?.onKept(message);
  }

  // What others want to know

  onCollect({ from, number, prefix, part, after, limit }: MessageOf<'collect'>): void {
    const { keyspace } = this.#executor;
    const { keys, next } = keyPageOf(keyspace, prefix, { part, after }, Math.min(limit, KEYS_MAX), this.#self.now());
    const head = { type: 'collected', to: from, from: this.#node, hops: 1, number } as const;
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

  onObserve(message: Observe): void {
    this.#executor.clock.observe(message.clock);
  }

  onProbe({ asker, number, key, clock }: Probe, router: Ref): void {
    this.#executor.clock.observe(clock);
    // The next owner may have been asked before the key came to it.
    const owner = this.#executor.knows(key) ? this.#node : this.#handover.movedTo(key);
    const isPending = this.#inquiry.isClaimed(key) || this.#takeover.isIncoming(key);
    router.tell(
      { type: 'probed', asker, number, owner, isPending, clock: this.#executor.clock.last } satisfies Probed,
      this.#self.ref,
    );
  }

  onCount(_message: Count, from: Ref): void {
    const { bytes, count, evicted, expired, valueBytesHeld } = this.#executor.keyspace;
    const counters = {
      ...this.#executor.counts,
      ...this.#inquiry.counts,
      ...this.#contest.counts,
      ...this.#held.counts,
      ...this.#forwarded.counts,
      ...this.#registration.counts,
      ...this.#kept?.counts,
      ...this.#takeover.counts,
      ...this.#handover.counts,
      heldRefused: this.#held.counts.heldRefused + this.#forwarded.refusedCount,
      keys: count,
      bytes,
      valueBytesHeld,
      evicted,
      expired,
      tombstones: this.#executor.tombstoneCount,
      owned: this.#owned.count,
      incoming: this.#takeover.count,
      held: this.#held.count,
      promised: this.#vacancy.promised,
    };
    from.tell({ type: 'counters', counters }, this.#self.ref);
  }

  // Upkeep

  onTick(): void {
    this.#sweep.onTick();
    this.#vacancy.advertise();
  }

  onRemind(): void {
    this.#alarm.wentOff();
    const nowMs = this.#self.now();
    this.#registration.remind();
    this.#takeover.remind();
    this.#handover.remind();
    this.#vacancy.advertise();
    this.#forwarded.remind(nowMs);
    this.#held.resumeFreed();
    this.#contest.remind(nowMs);
    this.#held.expire(nowMs);
  }

  /** Nothing new is owned then, not even the memory of a delete: it might come when all has been handed over. */
  get #isLeaving(): boolean {
    return this.#self.status === 'draining';
  }

  #tellJoined(): void {
    this.#held.endAwaiting();
    this.#addresses.node.tell({ type: 'registeredAll' } satisfies Registered, this.#self.ref);
  }
}
