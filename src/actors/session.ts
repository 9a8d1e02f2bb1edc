/**
 * A client's session: identity, limits, and the way of its requests to the finder and of the replies back.
 * Invariants: each request is answered once, in the form in which it was asked, by one frame a turn; a client that does
 * not read costs at most its backlog and is then closed with a reason; what one client sends disturbs no other.
 */
import { parseTime, timeOfMs } from '../store/stamp.js';
import {
  CLOSE,
  forCacheRequests,
  forDatabaseReplies,
  forDatabaseRequests,
  forRequests,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  refused,
} from '../transport/message.js';
import type {
  CacheRequest,
  ClientReply,
  ClientRequest,
  DatabaseRequest,
  Malformed,
  MessageOf,
  RequestId,
} from '../transport/message.js';
import type { Link, LinkHandler } from '../transport/link.js';
import type { ClientWire, Wires } from '../transport/wire.js';
import type { Addresses } from './addresses.js';
import { faultOf } from './cache-request.js';
import { adviceOn, refuseLeaving } from './refusal.js';
import type { BadFrame, DatabaseNotice, Drain, Gap, Observe, SessionMessage } from './message.js';
import { defineKind, drop, stash } from './runtime/kind.js';
import type { Ref, Self } from './runtime/kind.js';
import { sessionMachine } from './session-machine.js';
import type { SessionEvent } from './session-machine.js';
import { SKEW_MS_MAX } from './settings.js';
import type { Identity, Settings } from './settings.js';

export interface SessionArgs {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
  readonly wires: Wires;
  readonly link: Link;
  /** Compares a presented token with the node's, in constant time. Null: no token is required. */
  readonly isToken: ((token: string) => boolean) | null;
  /** Takes the handler of the connection, before `spawn` returns. */
  readonly handle: (handler: LinkHandler) => void;
  readonly counts: SessionCounts;
}

/** Counted by all sessions of a node together; they come and go. */
export interface SessionCounts {
  /** Connections that did not become sessions. */
  turnedAway: number;
  requests: number;
  malformed: number;
  badFrames: number;
  unauthenticated: number;
  tooMany: number;
  /** Connections closed because of more requests than could be refused. */
  flooded: number;
  /** Values refused because those before them had not been taken. */
  untaken: number;
  slow: number;
  slowClosed: number;
  /** Changes that a client did not take in time, and was told of by a gap. */
  gaps: number;
}

/** Replies not yet taken by the client beyond which no more of its requests are begun. */
const SLOW_BYTES = 1024 * 1024;
const SLOW_MS_MAX = 10_000;
/** Requests without room in the mailbox that are refused one by one; beyond, the connection is closed. */
const OVERFLOWING_MAX = 4096;
/** Part of the backlog up to which values are sent: many large ones asked for at once must not look like deafness. */
const VALUE_BACKLOG_SHARE = 1 / 8;
/** After `bye` a client has this long for what is open. */
const DRAIN_MS_MAX = 5000;
/** For how long a client that was told to leave is still heard. It may close earlier. */
const BYE_LINGER_MS = 500;
/** How long a client that was refused for too many requests should wait. */
const RETRY_AFTER_MS = 50;

export class Session {
  readonly #self: Self<SessionMessage, SessionEvent>;
  readonly #args: SessionArgs;
  readonly #wire: ClientWire;
  /** Requests passed on and not yet answered. */
  #inFlight = 0;
  /** Watches whose changes were dropped and that have not been told so. */
  #gapped: Set<RequestId> | null = null;
  /** The watches, subscriptions and open databases that open requests are to end, by the id of the request. */
  #ending: Map<RequestId, RequestId> | null = null;
  /** Requests for which the mailbox had no room since the last flush. */
  #overflowing = 0;
  #isFlooded = false;
  #isGone = false;
  #isHungUp = false;
  #hasLingered = false;
  /** Where a leaving node sends its clients. */
  #urls: readonly string[] = [];
  #closing: { code: number; reason: string } = { code: CLOSE.goingAway, reason: 'the node stops' };

  constructor(self: Self<SessionMessage, SessionEvent>, args: SessionArgs) {
    this.#self = self;
    this.#args = args;
    const { keyBytesMax, valueBytesMax, backlogBytesMax } = args.settings;
    this.#wire = args.wires.client(args.link, { keyBytesMax, valueBytesMax }, backlogBytesMax, {
      onMessage: (message) => this.#onMessage(message),
      onBadFrame: (reason) => void self.ref.tell({ type: 'badFrame', reason }, self.ref),
      onWritable: () => self.signal('relieved'),
      onClosed: (code, reason) => void self.ref.tell({ type: 'gone', code, reason }, self.ref),
    });
    args.handle(this.#wire);
    self.signal(args.isToken === null ? 'admit' : 'challenge');
  }

  get helloTimeoutMs(): number {
    return this.#args.settings.helloTimeoutMs;
  }

  // From the client

  onHello({ id, options }: MessageOf<'hello'>): SessionEvent | void {
    const { identity, settings, isToken } = this.#args;
    if (options.protocol !== undefined && (options.protocol < PROTOCOL_MIN || options.protocol > PROTOCOL_MAX)) {
      const text = `this node speaks the protocols ${PROTOCOL_MIN} to ${PROTOCOL_MAX}`;
      return this.#send(refused(id, 'UNSUPPORTED', text, { name: 'protocol' }));
    }
    if (isToken !== null && !isToken(options.token ?? '')) {
      this.#args.counts.unauthenticated += 1;
      this.#send(refused(id, 'UNAUTHENTICATED', 'the token is missing or wrong', null));
      this.#closing = { code: CLOSE.unauthenticated, reason: 'the token is missing or wrong' };
      return 'fault';
    }
    if (options.clock !== undefined) {
      const clock = parseTime(options.clock.split(/[-+]/)[0] as string);
      if (clock === null) return this.#send(refused(id, 'BAD_REQUEST', 'options.clock is no stamp', null));
      if (clock > timeOfMs(this.#self.wallMs() + SKEW_MS_MAX)) {
        return this.#send(refused(id, 'CLOCK', 'options.clock is too far ahead of this node', null));
      }
      this.#args.addresses.finder.tell({ type: 'observe', clock } satisfies Observe, this.#self.ref);
    }
    if (options.client !== undefined)
      this.#self.log('debug', 'client', { client: options.client, remote: this.#wire.remote });
    const info = {
      node: identity.node,
      name: identity.name,
      swarm: identity.swarm,
      version: identity.version,
      protocol: PROTOCOL_MAX,
      limits: {
        frameBytesMax: settings.frameBytesMax,
        keyBytesMax: settings.keyBytesMax,
        valueBytesMax: settings.valueBytesMax,
        inFlightMax: settings.inFlightMax,
      },
    };
    this.#send({ type: 'welcome', id, info });
    return this.#self.status === 'greeting' ? 'welcome' : undefined;
  }

  onCacheRequest(request: CacheRequest): void {
    if (this.#inFlight >= this.#args.settings.inFlightMax) return this.#refuseTooMany(request);
    const fault = faultOf(request);
    if (fault !== null) return this.#send(refused(request.id, 'BAD_REQUEST', fault, null));
    this.#inFlight += 1;
    this.#args.counts.requests += 1;
    this.#args.addresses.finder.tell(request, this.#self.ref);
  }

  onLocate(request: MessageOf<'where' | 'trace'>): void {
    this.#pass(request, this.#args.addresses.locator);
  }

  onWatch(request: MessageOf<'watch'>): void {
    this.#pass(request, this.#args.addresses.watcher);
  }

  onUnwatch(request: MessageOf<'unwatch'>): void {
    if (this.#pass(request, this.#args.addresses.watcher)) this.#endWith(request.id, request.watch);
  }

  onScan(request: MessageOf<'scan'>): void {
    this.#pass(request, this.#args.addresses.scanner);
  }

  onDatabaseRequest(request: DatabaseRequest): void {
    if (!this.#pass(request, this.#args.addresses.databases)) return;
    if (request.type === 'closeDatabase') this.#endWith(request.id, request.open);
    else if (request.type === 'unsubscribe') this.#endWith(request.id, request.subscription);
  }

  onPing({ id }: MessageOf<'ping'>): void {
    this.#send({ type: 'pong', id });
  }

  onInspect(request: MessageOf<'inspect'>): void {
    this.#pass(request, this.#args.addresses.node);
  }

  onMalformed({ id, code, reason, info }: Malformed): void {
    this.#args.counts.malformed += 1;
    this.#send(refused(id, code, reason, info));
  }

  onBadFrame({ reason }: BadFrame): SessionEvent {
    this.#args.counts.badFrames += 1;
    this.#send(refused(null, 'BAD_REQUEST', reason, null));
    this.#closing = { code: CLOSE.badFrame, reason };
    return 'fault';
  }

  onUnauthenticated(request: ClientRequest | Malformed): void {
    this.#args.counts.unauthenticated += 1;
    this.#send(refused(request.id, 'UNAUTHENTICATED', 'say hello with the token first', null));
  }

  onDrainingRequest({ id }: ClientRequest): void {
    this.#send(refuseLeaving(id, this.#urls));
  }

  onGone(): SessionEvent {
    this.#isGone = true;
    return 'gone';
  }

  // From the node's other actors

  onReply(reply: ClientReply, from: Ref): SessionEvent | void {
    if (
      reply.type === 'value' &&
      this.#wire.bufferedBytes + this.#wire.heldLength > this.#args.settings.backlogBytesMax * VALUE_BACKLOG_SHARE
    ) {
      this.#args.counts.untaken += 1;
      const text = 'values are asked for faster than they are taken';
      this.#send(refused(reply.id, 'BUSY', text, { retryAfterMs: RETRY_AFTER_MS }));
    } else this.#send(reply);
    // What the session tells itself (a full mailbox) had not been passed on.
    if (from !== this.#self.ref) this.#inFlight -= 1;
    if (this.#hasLingered && this.#inFlight === 0) return 'finished';
  }

  /** The end of what notices came from. */
  onEnded(reply: MessageOf<'unwatched' | 'unsubscribed' | 'closed'>, from: Ref): SessionEvent | void {
    const ended = this.#ending?.get(reply.id);
    if (ended !== undefined) {
      this.#wire.endStream(ended);
      this.#gapped?.delete(ended);
    }
    this.#ending?.delete(reply.id);
    return this.onReply(reply, from);
  }

  onRefused(reply: MessageOf<'refused'>, from: Ref): SessionEvent | void {
    const { id, code } = reply;
    if (id !== null) this.#ending?.delete(id);
    // Whoever refused it knows nothing of other addresses.
    if (id !== null && code === 'DRAINING' && this.#urls.length > 0)
      return this.onReply(refuseLeaving(id, this.#urls), from);
    return this.onReply(reply, from);
  }

  /** Of an open database or a subscription. Whoever does not take what it gets is closed at the bound of the backlog. */
  onDatabaseNotice({ notice }: DatabaseNotice): void {
    this.#wire.sendNotice(notice);
    this.#self.flushLater();
    if (notice.type === 'closed') this.#wire.endStream(notice.id);
  }

  /** Of a watch. A client that does not take what it has is told only that there was more. */
  onChange(change: MessageOf<'change'>): void {
    if (this.#wire.bufferedBytes > SLOW_BYTES) this.#missChange(change.id);
    else this.#send(change);
  }

  onGap({ id }: Gap): void {
    this.#missChange(id);
    if (this.#wire.bufferedBytes <= SLOW_BYTES) this.#tellGaps();
  }

  onDrain({ urls }: Drain): SessionEvent {
    this.#urls = urls;
    return 'drain';
  }

  /** What the client had sent before it heard `bye` has arrived and is answered. */
  onTick(): SessionEvent | void {
    this.#hasLingered = true;
    return this.#inFlight === 0 ? 'finished' : undefined;
  }

  // Commands

  sayBye(): void {
    this.#send({ type: 'bye', id: null, info: { reason: 'the node is leaving', ...adviceOn(this.#urls) } });
    this.#closing = { code: CLOSE.goingAway, reason: 'the node is leaving' };
    this.#self.after(BYE_LINGER_MS, { type: 'tick' });
  }

  blameSilence(): void {
    this.#closing = { code: CLOSE.helloTimeout, reason: 'no hello in time' };
  }

  blameSlowness(): void {
    this.#args.counts.slowClosed += 1;
    this.#closing = { code: CLOSE.slow, reason: 'the client reads too slowly' };
  }

  pauseReading(): void {
    this.#args.counts.slow += 1;
    this.#wire.pause();
  }

  resumeReading(): void {
    this.#wire.resume();
    this.#tellGaps();
  }

  hangUp(): void {
    this.#isHungUp = true;
    if (!this.#isGone) this.#wire.close(this.#closing.code, this.#closing.reason);
  }

  flush(): void {
    this.#overflowing = 0;
    this.#wire.flush();
    if (this.#wire.bufferedBytes > SLOW_BYTES && this.#self.status === 'open') this.#self.signal('congested');
  }

  /** However it ends, the connection does not outlive the session. */
  end(): void {
    if (!this.#isGone && !this.#isHungUp) this.#wire.close(CLOSE.internal, 'the session failed');
  }

  /** One frame may hold more requests than there is room for. Refusing them costs more than asking did. */
  #onMessage(message: ClientRequest | Malformed): void {
    if (this.#isFlooded || this.#self.ref.tell(message, this.#self.ref) !== 'full') return;
    this.#overflowing += 1;
    if (this.#overflowing <= OVERFLOWING_MAX) return;
    this.#isFlooded = true;
    this.#args.counts.flooded += 1;
    this.#wire.close(CLOSE.tooMany, 'more requests at once than can be refused');
  }

  /** To whoever answers it. False: it was refused. */
  #pass(request: ClientRequest, to: Ref): boolean {
    if (this.#inFlight >= this.#args.settings.inFlightMax) {
      this.#refuseTooMany(request);
      return false;
    }
    this.#inFlight += 1;
    this.#args.counts.requests += 1;
    to.tell(request, this.#self.ref);
    return true;
  }

  #endWith(id: RequestId, ended: RequestId): void {
    this.#ending ??= new Map();
    this.#ending.set(id, ended);
  }

  #send(reply: ClientReply): void {
    this.#wire.send(reply);
    this.#self.flushLater();
  }

  #missChange(watch: RequestId): void {
    this.#args.counts.gaps += 1;
    this.#gapped ??= new Set();
    this.#gapped.add(watch);
    // What is sent next may be what is waited for to be taken.
    this.#self.flushLater();
  }

  #tellGaps(): void {
    for (const id of this.#gapped ?? []) {
      this.#send({ type: 'change', id, kind: 'gap', key: null, meta: null, value: null });
    }
    this.#gapped = null;
  }

  #refuseTooMany({ id }: ClientRequest): void {
    this.#args.counts.tooMany += 1;
    const text = `more than ${this.#args.settings.inFlightMax} requests in flight`;
    this.#send(refused(id, 'BUSY', text, { retryAfterMs: RETRY_AFTER_MS }));
  }
}

const on = Session.prototype;
const replies = {
  welcome: drop,
  value: on.onReply,
  missing: on.onReply,
  stored: on.onReply,
  deleted: on.onReply,
  keys: on.onReply,
  watching: on.onReply,
  change: on.onChange,
  gap: on.onGap,
  unwatched: on.onEnded,
  located: on.onReply,
  pong: drop,
  report: on.onReply,
  bye: drop,
  refused: on.onRefused,
  ...forDatabaseReplies(on.onReply),
  closed: on.onEnded,
  unsubscribed: on.onEnded,
  databaseNotice: on.onDatabaseNotice,
} as const;
const always = { ...replies, badFrame: on.onBadFrame, gone: on.onGone, drain: on.onDrain, tick: on.onTick } as const;

export const sessionKind = defineKind({
  name: 'session',
  machine: sessionMachine,
  create: (self: Self<SessionMessage, SessionEvent>, args: SessionArgs) => new Session(self, args),
  tables: {
    starting: {
      ...always,
      ...forRequests(stash),
      malformed: stash,
    },
    greeting: {
      ...always,
      ...forRequests(on.onUnauthenticated),
      hello: on.onHello,
      malformed: on.onUnauthenticated,
    },
    open: {
      ...always,
      hello: on.onHello,
      ...forCacheRequests(on.onCacheRequest),
      where: on.onLocate,
      trace: on.onLocate,
      scan: on.onScan,
      watch: on.onWatch,
      unwatch: on.onUnwatch,
      ...forDatabaseRequests(on.onDatabaseRequest),
      ping: on.onPing,
      inspect: on.onInspect,
      malformed: on.onMalformed,
    },
    slow: {
      ...always,
      ...forRequests(stash),
      malformed: stash,
    },
    draining: {
      ...always,
      ...forRequests(on.onDrainingRequest),
      ping: on.onPing,
      malformed: on.onMalformed,
      drain: drop,
    },
    closed: {
      ...forRequests(drop),
      malformed: drop,
      ...forDatabaseReplies(drop),
      databaseNotice: drop,
      welcome: drop,
      value: drop,
      missing: drop,
      stored: drop,
      deleted: drop,
      keys: drop,
      watching: drop,
      change: drop,
      gap: drop,
      unwatched: drop,
      located: drop,
      pong: drop,
      report: drop,
      bye: drop,
      refused: drop,
      badFrame: drop,
      gone: drop,
      drain: drop,
      tick: drop,
    },
  },
  commands: {
    hangUp: on.hangUp,
    blameSilence: on.blameSilence,
    blameSlowness: on.blameSlowness,
    sayBye: on.sayBye,
    pauseReading: on.pauseReading,
    resumeReading: on.resumeReading,
  },
  delays: {
    helloTimeout: (session: Session) => session.helloTimeoutMs,
    slowTimeout: SLOW_MS_MAX,
    drainTimeout: DRAIN_MS_MAX,
  },
  mailbox: {
    // More than may be in flight, and little enough that what a slow client sends meanwhile stays bounded.
    capacity: 4096,
    overflow: {
      value: 'never',
      missing: 'never',
      stored: 'never',
      deleted: 'never',
      keys: 'never',
      watching: 'never',
      change: 'dropNew',
      gap: 'never',
      unwatched: 'never',
      located: 'never',
      report: 'never',
      refused: 'never',
      ...forDatabaseReplies('never'),
      databaseNotice: 'never',
      badFrame: 'never',
      gone: 'never',
      drain: 'never',
      tick: 'never',
    },
  },
  refusal: (message: SessionMessage) =>
    'id' in message ? refused(message.id, 'BUSY', 'too many requests at once', { retryAfterMs: RETRY_AFTER_MS }) : null,
  onFlush: on.flush,
  onEnd: on.end,
});
