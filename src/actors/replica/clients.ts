/**
 * Those who have the database open: the sessions of clients at this node, or joined to it through a tunnel, each with its
 * opens and subscriptions. What a single one submits is open-database.ts, what it hears of objects patches.ts.
 *
 * Invariants: an id of a session is released when nothing is open under it any more; `opened` is said once the grant is on
 * disk, in the order of the requests; each open is flushed once at the end of a turn in which there was something for it.
 */
import { parsePosition } from '../../store/log-position.js';
import type { NodeId } from '../../store/node-id.js';
import { parseVersions } from '../../store/object-version.js';
import { formatTime, timeOfMs } from '../../store/stamp.js';
import { Subscription } from '../../store/subscription.js';
import type { MessageOf, RefusalCode, RequestId } from '../../transport/message.js';
import type { ReplicaMessage } from '../message.js';
import type { Ref, Self } from '../runtime/kind.js';
import { OPENS_MAX, OPENS_PER_SESSION_MAX, SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_PER_SESSION_MAX } from '../settings.js';
import type { Identity, Settings } from '../settings.js';
import type { ReplicaCounts } from './counts.js';
import { Grants } from './grants.js';
import { OpenDatabase } from './open-database.js';
import type { ClientReplica } from './open-database.js';
import { ClientSubscription } from './patches.js';
import type { Patches } from './patches.js';
import type { Records } from './records.js';
import type { Replies } from './replies.js';
import type { ReplicaStore } from './store.js';
import type { Uncovered } from './uncovered.js';

/** What they need of the replica that they are a part of. */
export interface ClientsHost {
  readonly self: Self<ReplicaMessage>;
  readonly identity: Identity;
  readonly settings: Settings;
  readonly counts: ReplicaCounts;
  readonly store: ReplicaStore;
  readonly records: Records;
  readonly patches: Patches;
  readonly replies: Replies;
  readonly uncovered: Uncovered;
  readonly peers: {
    /** Entries below that index are at another peer, or there is none. */
    spread(): number;
    hasAny(): boolean;
  };
  /** `tick` is called soon, again and again while somebody waits. */
  tickLater(): void;
}

/** What one session has here. */
interface SessionHere {
  readonly opens: Map<RequestId, OpenDatabase>;
  readonly subscriptions: Map<RequestId, OpenDatabase>;
}

/** An `opened` that waits for the grant to be on disk. */
interface Opening {
  readonly open: OpenDatabase;
  readonly number: number;
  readonly info: Readonly<Record<string, unknown>>;
}

export class Clients {
  readonly #host: ClientsHost;
  readonly #self: Self<ReplicaMessage>;
  readonly #store: ReplicaStore;
  readonly #records: Records;
  readonly #patches: Patches;
  readonly #replies: Replies;
  readonly #forOpens: ClientReplica;
  #grants: Grants;
  readonly #sessions = new Map<Ref, SessionHere>();
  #openCount = 0;
  #subscriptionCount = 0;
  readonly #byOrigin = new Map<NodeId, Set<OpenDatabase>>();
  #openings: Opening[] = [];
  /** Open databases with ops that wait, with ops not stored, not spread, with something to be told after the turn. */
  readonly #waiting = new Set<OpenDatabase>();
  readonly #unanswered = new Set<OpenDatabase>();
  readonly #unspread = new Set<OpenDatabase>();
  readonly #touched = new Set<OpenDatabase>();

  constructor(host: ClientsHost) {
    this.#host = host;
    this.#self = host.self;
    this.#store = host.store;
    this.#records = host.records;
    this.#patches = host.patches;
    this.#replies = host.replies;
    this.#grants = this.#grantsOf();
    this.#forOpens = this.#opensReplica();
  }

  get openCount(): number {
    return this.#openCount;
  }

  get subscriptionCount(): number {
    return this.#subscriptionCount;
  }

  /** Somebody waits for what may come from other peers. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** This peer has another id: ids under the former one are another peer's to grant. */
  onPeerId(): void {
    this.#grants = this.#grantsOf();
  }

  onOpen(request: MessageOf<'openDatabase'>, session: Ref): void {
    const { id, options } = request;
    const { meta, logName } = this.#records;
    if (meta.isJoining) {
      this.#replies.release(session, [id]);
      return this.#replies.refuse(session, id, 'BUSY', 'this peer does not have all of the database yet', {
        retryAfterMs: 500,
      });
    }
    const here = this.#sessions.get(session);
    if (this.#openCount >= OPENS_MAX || (here?.opens.size ?? 0) >= OPENS_PER_SESSION_MAX) {
      this.#replies.release(session, [id]);
      return this.#replies.refuse(session, id, 'BUSY', 'too many open databases', { max: OPENS_PER_SESSION_MAX });
    }
    const granted = options.readOnly === true ? null : this.#grants.open(options, this.#self.wallMs());
    if (granted !== null && 'refusal' in granted) {
      this.#replies.release(session, [id]);
      return this.#replies.refuse(session, id, 'FORBIDDEN', granted.refusal, { name: granted.name });
    }
    const open = new OpenDatabase(this.#forOpens, session, id, granted?.replica ?? null);
    this.#addOpen(open);
    const former = options.replica !== undefined && options.replica !== open.origin ? options.replica : null;
    const info = {
      replica: open.origin,
      // What is here of the chain that the client can't go on with.
      formerTime: former === null ? null : textOf(this.#store.chains.lastTime(former as NodeId)),
      scheme: meta.options.scheme,
      isShared: meta.options.isShared,
      types: meta.options.types,
      fromTime: textOf(granted?.fromTime ?? 0),
      untilTime: textOf(granted?.untilTime ?? 0),
      peer: meta.peer,
      node: this.#host.identity.node,
      log: logName,
    };
    this.#openings.push({ open, number: this.#store.number, info });
    if (granted === null) this.sayOpened();
    this.#self.flushLater();
  }

  onClose({ id, open: openId }: MessageOf<'closeDatabase'>, session: Ref): void {
    const open = this.#sessions.get(session)?.opens.get(openId);
    if (open === undefined) return this.#replies.refuseScope(session, id);
    this.#replies.release(session, [openId, ...open.subscriptions.keys()]);
    this.#removeOpen(open);
    this.#replies.tell(session, { type: 'closed', id, reason: null }, false);
  }

  onSubmit(request: MessageOf<'submit'>, session: Ref): void {
    const open = this.#sessions.get(session)?.opens.get(request.open);
    if (open === undefined) return this.#replies.refuseScope(session, request.id);
    open.onSubmit(request);
    if (open.isWaiting) this.#waiting.add(open);
    this.#host.tickLater();
    this.#touch(open);
  }

  onSubscribe(request: MessageOf<'subscribe'>, session: Ref): void {
    const { id, options, have } = request;
    const here = this.#sessions.get(session);
    const open = here?.opens.get(request.open);
    if (here === undefined || open === undefined) {
      this.#replies.release(session, [id]);
      return this.#replies.refuseScope(session, id);
    }
    const refuseAs = (code: RefusalCode, text: string, info: Readonly<Record<string, unknown>> | null = null): void => {
      this.#replies.release(session, [id]);
      this.#replies.refuse(session, id, code, text, info);
    };
    if (here.subscriptions.size >= SUBSCRIPTIONS_PER_SESSION_MAX || this.#subscriptionCount >= SUBSCRIPTIONS_MAX) {
      return refuseAs('BUSY', 'too many subscriptions', { max: SUBSCRIPTIONS_PER_SESSION_MAX });
    }
    const filter = Subscription.of(options);
    if (typeof filter === 'string') return refuseAs('BAD_REQUEST', filter);
    const held = parseVersions(have);
    if (held === 'bad')
      return refuseAs('BAD_REQUEST', 'have: nil or an array of [type, id, count, digest] is expected');
    const position = options.position === undefined ? null : parsePosition(options.position);
    if (position === null && options.position !== undefined)
      return refuseAs('BAD_REQUEST', 'position: log:index is expected');
    // States of another peer that are being taken in have no place in the log yet: whoever comes meanwhile gets all.
    const isWhole = position === null || this.#records.absorbing !== null;
    const index = isWhole ? null : this.#records.resolve(position);
    // A position of this peer says all; what the client names object by object is for those that come from elsewhere.
    const start = { index, held: index === null ? held : null };
    const subscription = new ClientSubscription(open, id, filter, start, this.#store);
    here.subscriptions.set(id, open);
    open.subscriptions.set(id, subscription);
    this.#subscriptionCount += 1;
    this.#patches.sendPage(subscription, id);
  }

  onNext({ id, subscription: of }: MessageOf<'next'>, session: Ref): void {
    const subscription = this.#sessions.get(session)?.subscriptions.get(of)?.subscriptions.get(of);
    if (subscription === undefined) return this.#replies.refuseScope(session, id);
    this.#patches.sendPage(subscription, id);
  }

  onUnsubscribe({ id, subscription: of }: MessageOf<'unsubscribe'>, session: Ref): void {
    const here = this.#sessions.get(session);
    const subscription = here?.subscriptions.get(of)?.subscriptions.get(of);
    if (here !== undefined && subscription !== undefined) {
      this.#patches.end(subscription);
      here.subscriptions.get(of)?.subscriptions.delete(of);
      here.subscriptions.delete(of);
      this.#subscriptionCount -= 1;
      this.#replies.release(session, [of]);
    }
    this.#replies.tell(session, { type: 'unsubscribed', id }, false);
  }

  /** The session has ended. */
  forget(session: Ref): void {
    const here = this.#sessions.get(session);
    if (here === undefined) return;
    for (const open of here.opens.values()) this.#removeOpen(open);
    this.#sessions.delete(session);
  }

  closeAll(reason: string): void {
    for (const { opens } of this.#sessions.values()) {
      for (const open of opens.values())
        this.#replies.tell(open.session, { type: 'closed', id: open.id, reason }, true);
    }
    this.#sessions.clear();
  }

  // In the course of turns

  /** What they wait for may be here: ops of other peers have come. */
  goOn(): void {
    for (const open of this.#waiting) this.#goOn(open);
  }

  tick(nowMs: number): void {
    for (const open of this.#waiting) {
      open.tick(nowMs);
      this.#goOn(open);
    }
  }

  /** More may be stored than they were told. */
  onStored(): void {
    for (const open of this.#unanswered) {
      open.onStored();
      if (!open.hasUnanswered) this.#unanswered.delete(open);
      this.#touched.add(open);
    }
  }

  /** Ops of that origin up to that time are at another peer. */
  onSpread(origin: NodeId, time: number): void {
    for (const open of this.#byOrigin.get(origin) ?? []) {
      open.onSpread(time);
      this.#touched.add(open);
    }
  }

  /** Another peer has more of the log, or there is none any more. */
  onConfirmed(): void {
    for (const open of this.#unspread) {
      open.onConfirmed();
      if (!open.isUnspread) this.#unspread.delete(open);
      this.#touched.add(open);
    }
    this.#self.flushLater();
  }

  /** To those whose grant is on disk. */
  sayOpened(): void {
    const { writtenNumber } = this.#store;
    let count = 0;
    for (const { open, number, info } of this.#openings) {
      if (open.origin !== null && number > writtenNumber) break;
      count += 1;
      const times = {
        storedTime: textOf(open.storedTime),
        spreadTime: textOf(Math.min(open.storedTime, open.spreadTime)),
      };
      const clock = formatTime(timeOfMs(this.#self.wallMs()));
      if (this.#sessions.get(open.session)?.opens.get(open.id) !== open) continue;
      this.#replies.tell(open.session, { type: 'opened', id: open.id, info: { ...info, ...times, clock } }, false);
    }
    if (count > 0) this.#openings.splice(0, count);
  }

  /** At the end of a turn. */
  flush(): void {
    for (const open of this.#touched) open.flush();
    this.#touched.clear();
  }

  #addOpen(open: OpenDatabase): void {
    const { session, id, origin } = open;
    const here = this.#sessions.get(session);
    if (here === undefined) {
      this.#sessions.set(session, { opens: new Map([[id, open]]), subscriptions: new Map() });
      this.#self.watch(session);
    } else here.opens.set(id, open);
    this.#openCount += 1;
    if (open.isUnspread) this.#unspread.add(open);
    if (origin === null) return;
    const same = this.#byOrigin.get(origin);
    if (same === undefined) this.#byOrigin.set(origin, new Set([open]));
    else same.add(open);
  }

  #removeOpen(open: OpenDatabase): void {
    const { session, id, origin, subscriptions } = open;
    const here = this.#sessions.get(session);
    here?.opens.delete(id);
    this.#openCount -= 1;
    for (const [of, subscription] of subscriptions) {
      this.#patches.end(subscription);
      here?.subscriptions.delete(of);
      this.#subscriptionCount -= 1;
    }
    open.end();
    for (const opens of [this.#waiting, this.#unanswered, this.#unspread, this.#touched]) opens.delete(open);
    const same = origin === null ? undefined : this.#byOrigin.get(origin);
    if (origin === null || same === undefined || !same.delete(open)) return;
    if (same.size === 0) this.#byOrigin.delete(origin);
  }

  #touch(open: OpenDatabase): void {
    this.#touched.add(open);
    if (open.hasUnanswered) this.#unanswered.add(open);
    if (open.isUnspread) this.#unspread.add(open);
    this.#self.flushLater();
  }

  #goOn(open: OpenDatabase): void {
    open.onProgress();
    if (!open.isWaiting) this.#waiting.delete(open);
    this.#touch(open);
  }

  #opensReplica(): ClientReplica {
    const { counts, settings, peers, uncovered } = this.#host;
    return {
      counts,
      uncovered,
      requestTimeoutMs: settings.requestTimeoutMs,
      store: this.#store,
      options: this.#records.meta.options,
      spread: () => peers.spread(),
      hasPeers: () => peers.hasAny(),
      nowMs: () => this.#self.now(),
      wallMs: () => this.#self.wallMs(),
      objectionToTime: (origin, time) => this.#grants.objectionTo(origin, time),
      tell: (session, reply, isNotice) => this.#replies.tell(session, reply, isNotice),
    };
  }

  #grantsOf(): Grants {
    const { meta } = this.#records;
    return new Grants(this.#store, meta.options, meta.peer, this.#host.counts, this.#self.random);
  }
}

const textOf = (time: number): string | null => (time === 0 ? null : formatTime(time));
