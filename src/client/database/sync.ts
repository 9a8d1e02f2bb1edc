/**
 * How a database of a client stays in step with a peer, over whatever connection there is: opens the database, takes up
 * each interest page by page until it is live, submits what was written, one batch at a time, and begins anew with the
 * next connection. Knows the protocol, and neither objects nor storage.
 */
import { encodeItems } from '../../store/op.js';
import { formatTime, msOfTime, parseTime } from '../../store/stamp.js';
import type { ClientReply, MessageOf } from '../../transport/message.js';
import { refusalCode, SwarmError } from '../errors.js';
import type { Timers } from '../timers.js';
import { readGrant, readTime } from './outbox.js';
import type { Outbox, Rewriter } from './outbox.js';
import type { Upstream, UpstreamConnection, UpstreamUser } from './upstream.js';

/** Which objects are wanted. Without `object` and `prefix`, all of a type. */
export interface Filter {
  readonly type: string;
  readonly object?: string;
  readonly prefix?: string;
}

/** A filter, and how far it has been followed. */
export interface Interest {
  readonly filter: Filter;
  /** In the log of the peer that the database was last opened at; null: from the beginning. */
  position: string | null;
  /** It is up to date, and told of what changes. */
  isLive: boolean;
  /**
   * It was so at some time, if only in an earlier run, at a peer that had all that was written here before: what is written
   * since is in its objects.
   */
  hasBeenLive: boolean;
}

/** `offline`: there is no connection. `live`: the database is open at a peer. `stuck`: see `SyncHost.onStuck`. */
export type SyncStatus = 'offline' | 'opening' | 'live' | 'stuck' | 'closed';

/** Whose database it is. */
export interface SyncHost {
  readonly outbox: Outbox;
  /** All that is wanted now. What is added while the database is open is told by `add`. */
  readonly interests: Iterable<Interest>;
  /** The peer that the positions are from; null: none. */
  readonly peer: string | null;
  wallMs(): number;
  readonly rewriter: Rewriter;
  /** The types of all that waits are known well enough for it. */
  readonly canRewrite: boolean;
  /** The clock of the peer, when it opened the database. */
  onPeerTime(wallMs: number): void;
  /** Open at this peer. If it is another one, positions mean nothing any more. */
  onOpened(peer: string): void;
  /** Names and versions of what is held of this interest, for another peer (RULES RG): nil, or as `subscribe` wants it. */
  have(interest: Interest): Uint8Array;
  /** Items for this interest, whose position has moved. An error: they can't be read. */
  onItems(interest: Interest, items: Uint8Array): string | null;
  onLive(interest: Interest): void;
  /** Ops up to these times have been stored, and stored by a second peer. */
  onAcked(storedTime: number, spreadTime: number): void;
  /** The peer has the ops up to this time of the replica that was the client's before. */
  onStoredBefore(time: number): void;
  /** Ops that were waiting have new stamps, and the objects have to forget the old ones. */
  onRebased(): void;
  /** The peer will never take the ops that wait, as they are. They are kept. */
  onStuck(error: SwarmError): void;
  onStatus(status: SyncStatus): void;
  /** The database can't be opened, and never will be, as it was asked for. */
  onRefused(error: SwarmError): void;
}

/** What is asked of a peer when a database is opened. */
export interface SyncOptions {
  readonly database: string;
  readonly client: string | null;
  readonly isReadOnly: boolean;
}

/** Bytes of ops in one `submit`. */
const SUBMIT_BYTES_MAX = 64 * 1024;
/** Interests that catch up at once. */
const CATCHING_UP_MAX = 32;
const RETRY_MS = 200;
const RETRY_MS_MAX = 10_000;
/** Refusals that hold only for now. */
const PASSING: ReadonlySet<string> = new Set(['BUSY', 'DRAINING', 'TIMEOUT', 'UNKNOWN', 'OVER_CAPACITY']);
/** Name of the refusal where the database is no longer open: word of that is still on its way. */
const NOT_OPEN = 'wrong scope';
/** Name of the refusal where the peer lacks what the ops follow on, and how often it may say so before it is told. */
const GAP = 'gap';
const GAPS_MAX = 5;
/** Name of the refusal where another process has written under the same replica what this one has forgotten. */
const FORKED = 'forked';
/** Names of refusals after which the same changes may be submitted under new stamps. */
const STALE: ReadonlySet<string> = new Set(['interval', 'clock']);
const STALES_MAX = 2;
/** Name of the refusal where the client has no other id to go on under. */
const NO_GRANT = 'no grant';

export class Sync implements UpstreamUser {
  readonly #host: SyncHost;
  readonly #upstream: Upstream;
  readonly #options: SyncOptions;
  readonly #timers: Timers;
  #status: SyncStatus = 'offline';
  #connection: UpstreamConnection | null = null;
  /** Id of `openDatabase`, as long as it is open or being opened. */
  #open: number | null = null;
  /** Ops with numbers below follow on what was seen before the database was opened at this peer: it may not have that. */
  #toldBelow = 0;
  #storedHere = 0;
  #gaps = 0;
  /** Refusals of stamps, one after the other. */
  #stales = 0;
  /**
   * The ops that wait are to be written again, under another replica: `givenUp`, by decision, also where what they follow on
   * is lost; `forked`, because another op follows on the same one (RULES RE); `discarded`, because one before them was given
   * up; `stale`, because their stamps are not taken (RJ). Under the same one they would hide in the states here what its
   * author had written before.
   */
  #rebasing: 'no' | 'givenUp' | 'forked' | 'discarded' | 'stale' = 'no';
  /** With `#rebasing`: the present peer has no op of the replica that is given up. */
  #hasNothing = false;
  /** What waits can't be written anew yet. */
  #waitsForTypes = false;
  /** Of the op that the peer would not take; null: of the first one that waits. */
  #refusedTime: number | null = null;
  #isSubmitting = false;
  readonly #subscriptions = new Map<Interest, number>();
  /** Interests whose turn has not come. */
  readonly #waiting = new Set<Interest>();
  #catchingUp = 0;
  #retryTimer: unknown;
  #retryMs = RETRY_MS;

  constructor(host: SyncHost, upstream: Upstream, options: SyncOptions, timers: Timers) {
    this.#host = host;
    this.#upstream = upstream;
    this.#options = options;
    this.#timers = timers;
  }

  get status(): SyncStatus {
    return this.#status;
  }

  /** Time of the last op that the present peer is known to have of the present replica; 0: of none. */
  get storedHere(): number {
    return this.#storedHere;
  }

  start(): void {
    this.#upstream.attach(this);
  }

  /** What the node has for this client matters no more. */
  stop(): void {
    this.#reset();
    this.#close();
    this.#upstream.detach(this);
    this.#setStatus('closed');
  }

  /** There are ops to send. */
  proceed(): void {
    this.#submit();
  }

  /** One more interest. */
  add(interest: Interest): void {
    if (this.#status !== 'live' && this.#status !== 'stuck') return;
    this.#waiting.add(interest);
    this.#subscribe();
  }

  /** An interest is wanted no more. */
  drop(interest: Interest): void {
    this.#waiting.delete(interest);
    const id = this.#subscriptions.get(interest);
    if (id === undefined) return;
    this.#endCatchUp(interest);
    this.#subscriptions.delete(interest);
    this.#connection?.forget(id);
    this.#ask({ type: 'unsubscribe', subscription: id }, nothing);
  }

  /** Ops that the peer would not take are submitted again, by another replica: of this one the chain is broken. */
  rebase(): void {
    this.#rebasing = 'givenUp';
    this.#renew();
  }

  /** Somebody has asked for objects of one more type. */
  onTypeKnown(): void {
    if (this.#waitsForTypes && this.#host.canRewrite) this.#renew();
  }

  /** By decision: the op that the peer would not take is waited for no longer, nor those that follow on it. */
  discard(): { readonly type: string; readonly id: string } | null {
    const discarded = this.#host.outbox.discard(this.#refusedTime);
    this.#rebasing = 'discarded';
    this.#renew();
    return discarded;
  }

  // From the client

  onConnected(connection: UpstreamConnection): void {
    this.#connection = connection;
    this.#openNow();
  }

  onLost(): void {
    this.#connection = null;
    this.#open = null;
    this.#storedHere = 0;
    this.#hasNothing = false;
    this.#reset();
    this.#setStatus('offline');
  }

  onClosed(): void {
    this.#connection = null;
    this.#reset();
    this.#setStatus('closed');
  }

  // Opening

  #openNow(): void {
    const { outbox } = this.#host;
    const { database, client, isReadOnly } = this.#options;
    const isOther = this.#rebasing !== 'no';
    const replica = isReadOnly || (isOther && this.#hasNothing) ? null : (outbox.grant?.replica ?? null);
    // Who has forgotten all is given another id where the peer has anything of this one, and told what that is.
    const last = isOther ? 0 : outbox.lastTime;
    const options = {
      ...(replica === null ? {} : { replica, last: formatTime(last) }),
      ...(client === null ? {} : { client }),
      ...(isReadOnly ? { readOnly: true } : {}),
    };
    this.#setStatus('opening');
    this.#open = this.#ask({ type: 'openDatabase', database, options }, (reply) => this.#onOpenReply(reply));
  }

  #onOpenReply(reply: ClientReply): void {
    switch (reply.type) {
      case 'opened':
        return this.#onOpened(reply);
      case 'acked':
        return this.#onAcked(reply);
      case 'closed':
        this.#forgetOpen();
        return this.#retry(null);
      case 'refused': {
        this.#forgetOpen();
        const error = new SwarmError(refusalCode(reply.code), reply.message, { info: reply.info });
        // Where it was once, it may be again; but a name that nobody knows may be misspelt.
        const isUnheard = reply.info?.['name'] === 'no database' && this.#host.peer === null;
        if (PASSING.has(reply.code) && !isUnheard) return this.#retry(reply.info?.['retryAfterMs']);
        // Of a client with one id for ever, stamps wait until the peer's clock has come to them.
        if (this.#rebasing === 'stale' && reply.info?.['name'] === NO_GRANT) {
          this.#rebasing = 'no';
          this.#hasNothing = false;
          return this.#retry(RETRY_MS_MAX);
        }
        this.#host.onRefused(error);
        return this.stop();
      }
      default:
        this.#connection?.fail(`${reply.type} in answer to openDatabase`);
    }
  }

  #onOpened({ info }: MessageOf<'opened'>): void {
    const { outbox } = this.#host;
    const grant = readGrant(info, outbox.grant);
    const storedTime = readTime(info['storedTime']);
    const spreadTime = readTime(info['spreadTime']);
    const formerTime = readTime(info['formerTime']);
    const { peer } = info;
    const areTimes = storedTime !== null && spreadTime !== null && formerTime !== null;
    if (grant === undefined || !areTimes || typeof peer !== 'string') {
      return this.#connection?.fail('opened without what it has to tell');
    }
    this.#retryMs = RETRY_MS;
    const peerTime = readTime(info['clock']);
    if (peerTime !== null && peerTime > 0) this.#host.onPeerTime(msOfTime(peerTime));
    const former = outbox.grant?.replica ?? null;
    if (grant !== null) {
      const isOther = former !== null && former !== grant.replica;
      if (this.#rebasing !== 'no' && former !== null && !isOther) {
        // It has nothing of the chain, and so nothing is written twice that is written anew.
        this.#hasNothing = true;
        return this.#renew();
      }
      // What the peer has of the former chain is not to be written twice.
      if (isOther) this.#host.onStoredBefore(Math.max(formerTime, this.#storedHere));
      const isGivenUp = this.#rebasing === 'givenUp';
      outbox.admit(grant, storedTime, isGivenUp);
      // Under another id the ops that wait are none of this chain.
      if (isOther && outbox.pending.length > 0) {
        outbox.rebase(this.#host.wallMs(), isGivenUp, this.#host.rewriter);
        this.#host.onRebased();
      } else this.#host.onAcked(storedTime, spreadTime);
    }
    this.#rebasing = 'no';
    this.#hasNothing = false;
    this.#storedHere = storedTime;
    this.#toldBelow = outbox.nextNumber + 1;
    this.#host.onOpened(peer);
    this.#setStatus('live');
    for (const interest of this.#host.interests) this.#waiting.add(interest);
    this.#subscribe();
    this.#submit();
  }

  /** After a while, and longer after each time. */
  #retry(afterMs: unknown): void {
    this.#reset();
    this.#close();
    this.#setStatus('opening');
    const delayMs = typeof afterMs === 'number' && afterMs >= 0 ? Math.min(afterMs, RETRY_MS_MAX) : this.#retryMs;
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
    this.#retryTimer = this.#timers.setTimeout(() => {
      if (this.#connection !== null) this.#openNow();
    }, delayMs);
  }

  #close(): void {
    if (this.#open === null) return;
    this.#ask({ type: 'closeDatabase', open: this.#open }, nothing);
    this.#forgetOpen();
  }

  #forgetOpen(): void {
    if (this.#open !== null) this.#connection?.forget(this.#open);
    this.#open = null;
  }

  // Interests

  #subscribe(): void {
    for (const interest of this.#waiting) {
      if (this.#catchingUp >= CATCHING_UP_MAX) return;
      this.#waiting.delete(interest);
      this.#follow(interest);
    }
  }

  #follow(interest: Interest): void {
    const { type, object, prefix } = interest.filter;
    const options = {
      type,
      ...(object === undefined ? {} : { object }),
      ...(prefix === undefined ? {} : { prefix }),
      ...(interest.position === null ? {} : { position: interest.position }),
    };
    const open = this.#open as number;
    const id = this.#ask({ type: 'subscribe', open, options, have: this.#host.have(interest) }, (reply) =>
      this.#onPatch(interest, reply),
    );
    if (id === null) return;
    this.#subscriptions.set(interest, id);
    this.#catchingUp += 1;
  }

  #onPatch(interest: Interest, reply: ClientReply): void {
    const subscription = this.#subscriptions.get(interest);
    // What was dropped meanwhile is no matter.
    if (subscription === undefined) return;
    if (reply.type === 'refused') {
      const error = new SwarmError(refusalCode(reply.code), reply.message, { info: reply.info });
      if (isPassing(reply)) return this.#retry(reply.info?.['retryAfterMs']);
      this.#host.onRefused(error);
      return this.stop();
    }
    if (reply.type !== 'patch') return this.#connection?.fail(`${reply.type} in answer to subscribe`);
    interest.position = reply.position;
    const objection = this.#host.onItems(interest, reply.items);
    if (objection !== null) return this.#connection?.fail(objection);
    if (interest.isLive) return;
    if (!reply.isLive) {
      this.#ask({ type: 'next', subscription }, (page) => {
        // A page of a former subscription says nothing of the present one.
        if (this.#subscriptions.get(interest) === subscription) this.#onPatch(interest, page);
      });
      return;
    }
    this.#endCatchUp(interest);
    interest.isLive = true;
    this.#host.onLive(interest);
    this.#subscribe();
  }

  #endCatchUp(interest: Interest): void {
    if (!interest.isLive) this.#catchingUp -= 1;
  }

  // Ops

  #submit(): void {
    const { outbox } = this.#host;
    if (this.#isSubmitting || this.#status !== 'live' || !outbox.hasUnsent) return;
    const ops = outbox.take(SUBMIT_BYTES_MAX, this.#toldBelow);
    const open = this.#open as number;
    const id = this.#ask({ type: 'submit', open, ops: encodeItems(ops) }, (reply) => {
      this.#isSubmitting = false;
      this.#onSubmitted(reply);
    });
    if (id === null) return this.#beStuck(new SwarmError('TOO_LARGE', 'an op is larger than a frame of the node'));
    this.#isSubmitting = true;
  }

  #onSubmitted(reply: ClientReply): void {
    if (reply.type === 'acked') {
      this.#gaps = this.#stales = 0;
      this.#onAcked(reply);
      return this.#submit();
    }
    if (reply.type !== 'refused') return this.#connection?.fail(`${reply.type} in answer to submit`);
    this.#host.outbox.rewind();
    const name = reply.info?.['name'];
    this.#gaps = name === GAP ? this.#gaps + 1 : 0;
    if (isPassing(reply) && this.#gaps < GAPS_MAX) return this.#retry(reply.info?.['retryAfterMs']);
    const isAnew = name === FORKED || (typeof name === 'string' && STALE.has(name));
    if (isAnew && !this.#host.canRewrite) {
      // Until somebody has asked for objects of the types of what waits.
      this.#waitsForTypes = true;
      this.#beStuck(new SwarmError(refusalCode(reply.code), reply.message, { info: reply.info }));
      this.#retryTimer = this.#timers.setTimeout(() => this.#renew(), RETRY_MS_MAX);
      return;
    }
    if (typeof name === 'string' && STALE.has(name)) {
      this.#stales += 1;
      // New stamps that are no better will not be so at once; and what another peer has is not to be written twice.
      const isElsewhere = this.#host.outbox.storedTime > this.#storedHere;
      if (this.#stales > STALES_MAX || isElsewhere) return this.#retry(RETRY_MS_MAX);
      this.#rebasing = 'stale';
      return this.#renew();
    }
    if (name === FORKED) {
      this.#rebasing = 'forked';
      return this.#renew();
    }
    this.#beStuck(new SwarmError(refusalCode(reply.code), reply.message, { info: reply.info }));
    // What is missing may come all the same, with a peer that is not there now.
    if (name === GAP) this.#retryTimer = this.#timers.setTimeout(() => this.#renew(), RETRY_MS_MAX);
  }

  /** Under another id, or with what has come to the peer meanwhile, it can go on. */
  #renew(): void {
    this.#reset();
    this.#close();
    if (this.#connection !== null) this.#openNow();
  }

  #beStuck(error: SwarmError): void {
    const { stamp } = error.info ?? {};
    this.#refusedTime = typeof stamp === 'string' ? parseTime(stamp.split(/[-+]/)[0] as string) : null;
    this.#setStatus('stuck');
    this.#host.onStuck(error);
  }

  #onAcked({ stored, spread }: MessageOf<'acked'>): void {
    const storedTime = readTime(stored);
    const spreadTime = readTime(spread);
    if (storedTime === null || spreadTime === null) return this.#connection?.fail('acked without times');
    this.#storedHere = Math.max(this.#storedHere, storedTime);
    this.#host.onAcked(storedTime, spreadTime);
  }

  // Common

  #ask(request: Parameters<UpstreamConnection['send']>[0], onReply: (reply: ClientReply) => void): number | null {
    return this.#connection?.send(request, onReply) ?? null;
  }

  /** Nothing is open or under way any more. */
  #reset(): void {
    this.#timers.clearTimeout(this.#retryTimer);
    for (const [interest, id] of this.#subscriptions) {
      this.#connection?.forget(id);
      interest.isLive = false;
    }
    this.#subscriptions.clear();
    this.#waiting.clear();
    this.#catchingUp = 0;
    this.#isSubmitting = false;
    this.#waitsForTypes = false;
    this.#host.outbox.rewind();
  }

  #setStatus(status: SyncStatus): void {
    if (this.#status === status || this.#status === 'closed') return;
    this.#status = status;
    this.#host.onStatus(status);
  }
}

/** Whether what was asked of an open database may succeed when it is asked again. */
const isPassing = ({ code, info }: MessageOf<'refused'>): boolean => PASSING.has(code) || info?.['name'] === NOT_OPEN;

function nothing(): void {}
