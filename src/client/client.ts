/**
 * The client: promises on one side, one connection at a time on the other. All requests of one tick leave in one frame.
 * Every request ends exactly once: by its reply, by its deadline, by its signal, or with the client. While there is no
 * connection requests wait, up to a bound. After a lost connection reads are sent again; writes that were sent are not,
 * since they may have taken effect, and fail with UNKNOWN.
 */
import { CLOSE, PROTOCOL_MAX } from '../transport/message.js';
import type { ClientReply, Info, Key, MessageOf } from '../transport/message.js';
import {
  aborted,
  checkedInteger,
  checkedKey,
  checkedTtl,
  closedUnknown,
  isApplicable,
  isWrite,
  packed,
  readCount,
  readDeleted,
  readEntry,
  readKeys,
  readLocated,
  readReport,
  readStored,
  readTouched,
  readValue,
  refusalOf,
  unknown,
} from './call.js';
import type { Call, Entry, KeyPage, Location, Read, Request, Trace } from './call.js';
import { Connection } from './connection.js';
import { outcomesOf } from './outcome.js';
import type { Outcome } from './outcome.js';
import { SwarmError } from './errors.js';
import type { ErrorCode } from './errors.js';
import type { OpenSocket, SocketConstructor } from './socket.js';
import { systemTimers } from './timers.js';
import type { Timers } from './timers.js';
import { UrlList, isUrl, isUsable } from './url-list.js';
import { Watch } from './watch.js';
import type { WatchClient, WatchOptions } from './watch.js';

/**
 * `connecting`: there is no connection to a node, one is being opened; requests wait. `open`: requests are sent.
 * `closed`: for good.
 */
export type ClientStatus = 'connecting' | 'open' | 'closed';

export interface StatusChange {
  readonly status: ClientStatus;
  /** The node concerned. */
  readonly url: string | null;
  /** Why the connection was lost, or not made. Null if nothing went wrong. */
  readonly error: SwarmError | null;
}

export interface ConnectOptions {
  /** What the node asks for if it has a client token. Sent in the first message, never in the address. */
  readonly token?: string;
  /** Name of this client, for the node's logs and counters. */
  readonly name?: string;
  /** Time that a request may take, waiting for a connection included. Default 5,000, above the node's own limit. */
  readonly requestTimeoutMs?: number;
  /** Time for the first connection. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /** Pauses between attempts: a random part of a span that doubles from `minMs` (100) to `maxMs` (10,000), for ever. */
  readonly reconnect?: { readonly minMs?: number; readonly maxMs?: number };
  /** Requests that may wait while there is no connection; one more fails with BUSY. Default 10,000. */
  readonly queueMax?: number;
  /** After this long without a word the node is pinged, and given up if two pings get no answer. Default 30,000. */
  readonly pingIntervalMs?: number;
  /** Another WebSocket than the environment's. */
  readonly WebSocket?: SocketConstructor;
  /**
   * Called after each change of status and each failed attempt to connect, never from inside a call of yours. What it
   * throws is an uncaught error of yours.
   */
  readonly onStatus?: (change: StatusChange) => void;
  /** Gives up the attempt to connect: ABORTED. Without effect once connected. */
  readonly signal?: AbortSignal;
  /** For simulations: clock and timers. */
  readonly timers?: Timers;
  /** For simulations: a number from 0 to below 1. */
  readonly random?: () => number;
}

export interface CallOptions {
  /** Overrides `requestTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Ends the request with ABORTED. One that was sent may take effect all the same: `maybeApplied`. */
  readonly signal?: AbortSignal;
}

/** Conditions: where one doesn't hold, nothing is done, and the request fails with CONFLICT, `info.stamp` being the key's. */
export interface DeleteOptions extends CallOptions {
  /** Only if the key has the value of this stamp: what `getEntry` or `set` told. Makes a retry of one's own safe. */
  readonly ifStamp?: string;
}

export interface SetOptions extends DeleteOptions {
  /** The value expires after this long. Without it, it doesn't. */
  readonly ttlMs?: number;
  /** Only if the key has no value, or only if it has one. */
  readonly if?: 'absent' | 'present';
}

export interface ScanOptions extends CallOptions {
  /** Keys of a page, at most 1000. Default 100. */
  readonly limit?: number;
}

export interface IncrOptions extends CallOptions {
  /** Where the key is created, it expires after this long. One that exists keeps its expiry. */
  readonly ttlMs?: number;
}

/** What the client tells the caller who waits for `connect`: that it is open (null), or why it will never be. */
export type Connected = (error: SwarmError | null) => void;

const REQUEST_TIMEOUT_MS = 5000;
const CONNECT_TIMEOUT_MS = 5000;
const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 10_000;
const QUEUE_MAX = 10_000;
const PING_INTERVAL_MS = 30_000;
/** Pings without an answer after which the connection is given up. */
const PINGS_MAX = 2;
/** The time to connect is divided by the number of addresses, so that a silent one doesn't use it up; by at most this. */
const ATTEMPTS_MAX = 5;
/** Deadlines are looked at no more often than this. */
const SWEEP_MIN_MS = 10;
/** Longest pause that a leaving node may ask for. */
const RETRY_AFTER_MAX_MS = 3_600_000;
/** A connection that held this long was a good one. */
const SETTLED_MS = 2000;
/** Longer delays make timers fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Pause before a watch is registered again that could not be. */
const WATCH_AGAIN_MS = 500;
/** Refusals of a watch that say nothing against it. */
const PASSING_CODES: ReadonlySet<ErrorCode> = new Set(['BUSY', 'DRAINING', 'TIMEOUT', 'UNKNOWN']);

const nothing = (): void => {};
const readAny: Read<void> = (_reply, resolve) => {
  resolve();
  return true;
};

export class Client {
  readonly #openSocket: OpenSocket;
  readonly #options: ConnectOptions;
  readonly #timers: Timers;
  readonly #urls: UrlList;
  readonly #closed: Promise<SwarmError | undefined>;
  readonly #attemptTimeoutMs: number;
  readonly #requestTimeoutMs: number;
  readonly #queueMax: number;
  readonly #pingIntervalMs: number;
  readonly #connectTimer: unknown;
  #resolveClosed: (error: SwarmError | undefined) => void = nothing;
  #connected: Connected | null;

  #status: ClientStatus = 'connecting';
  #connection: Connection | null = null;
  #info: Info = {};
  #openedMs = 0;
  /** The node said goodbye: what was sent is awaited, nothing more is sent to it. */
  #isLeaving = false;
  /** Of those sent, how many the leaving node gave back. */
  #returnedCount = 0;
  #isDraining = false;
  #lastError: SwarmError | null = null;
  #dialTimer: unknown = null;

  #nextId = 1;
  /** Calls to be sent, oldest first. */
  #waiting = new Map<number, Call>();
  /** Kept between takes: a new iterator of a long map would first have to pass all that was deleted. */
  #firstWaiting: MapIterator<Call> | null = null;
  /** Calls sent and not answered, oldest first. Aborted ones stay until their reply: the node still works on them. */
  readonly #sent = new Map<number, Call>();
  readonly #watches = new Set<Watch>();
  /** Those that the present node has confirmed, by the id of the request. */
  readonly #openWatches = new Map<number, Watch>();
  #isFlushScheduled = false;
  /** Highest stamp seen. Told to each node, so that what we write next gets a higher one. */
  #clock = '';

  /** A busy node asked for a pause until then. */
  #restUntilMs = 0;
  #restTimer: unknown = null;
  #sweepTimer: unknown = null;
  #sweepMs = Infinity;
  #pingTimer: unknown = null;
  #pingedMs = 0;
  #pingsMissed = 0;

  constructor(openSocket: OpenSocket, urls: readonly string[], options: ConnectOptions, connected: Connected) {
    this.#openSocket = openSocket;
    this.#options = options;
    this.#connected = connected;
    this.#timers = options.timers ?? systemTimers;
    const { minMs = RECONNECT_MIN_MS, maxMs = RECONNECT_MAX_MS } = options.reconnect ?? {};
    this.#urls = new UrlList(urls, { minMs, maxMs }, options.random ?? Math.random);
    const connectTimeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    this.#attemptTimeoutMs = Math.ceil(connectTimeoutMs / Math.min(urls.length, ATTEMPTS_MAX));
    this.#requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
    this.#queueMax = options.queueMax ?? QUEUE_MAX;
    this.#pingIntervalMs = options.pingIntervalMs ?? PING_INTERVAL_MS;
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#connectTimer = this.#timers.setTimeout(
      () => this.#end(this.#unreachable(connectTimeoutMs)),
      connectTimeoutMs,
    );
    options.signal?.addEventListener('abort', this.#onConnectAborted, { once: true });
    this.#dial();
  }

  /** What the node told of itself and of its limits: {node, swarm, protocol, limits}. Of the last one while connecting. */
  get info(): Info {
    return this.#info;
  }

  get status(): ClientStatus {
    return this.#status;
  }

  /** Address of the node connected to, or null. */
  get url(): string | null {
    return this.#status === 'open' ? (this.#connection?.url ?? null) : null;
  }

  /** Resolves when the client is closed and its socket is gone: with what ended it, or undefined after `close`. */
  get closed(): Promise<SwarmError | undefined> {
    return this.#closed;
  }

  /** The value, or undefined if the key has none. A stored nil is null. */
  get<T = unknown>(key: Key, options: CallOptions = {}): Promise<T | undefined> {
    return this.#ask((id) => ({ type: 'get', id, key: checkedKey(key), options: {} }), readValue<T>, options);
  }

  /** The value with its stamp and the time it has left, or undefined if the key has none. */
  getEntry<T = unknown>(key: Key, options: CallOptions = {}): Promise<Entry<T> | undefined> {
    return this.#ask(
      (id) => ({ type: 'get', id, key: checkedKey(key), options: { meta: true } }),
      readEntry<T>,
      options,
    );
  }

  /**
   * Stores a value: anything that MessagePack carries, as it is at the time of the call. undefined becomes nil;
   * functions and symbols are refused with BAD_REQUEST. Resolves with the stamp of the change.
   */
  set(key: Key, value: unknown, options: SetOptions = {}): Promise<{ readonly stamp: string }> {
    const { ttlMs, if: condition, ifStamp } = options;
    return this.#ask(
      (id) => ({
        type: 'set',
        id,
        key: checkedKey(key),
        options: {
          meta: true,
          ...(ttlMs === undefined ? {} : { ttlMs: checkedTtl(ttlMs) }),
          ...(condition === undefined ? {} : { if: condition }),
          ...(ifStamp === undefined ? {} : { ifStamp }),
        },
        value: packed(value),
      }),
      readStored,
      options,
    );
  }

  /** Resolves with whether the key had a value. */
  delete(key: Key, options: DeleteOptions = {}): Promise<boolean> {
    const { ifStamp } = options;
    const given = ifStamp === undefined ? {} : { ifStamp };
    return this.#ask((id) => ({ type: 'delete', id, key: checkedKey(key), options: given }), readDeleted, options);
  }

  /** Lets the value expire after `ttlMs`, or never: 0. Resolves with whether there is one; value and stamp stay. */
  touch(key: Key, ttlMs: number, options: CallOptions = {}): Promise<boolean> {
    return this.#ask(
      (id) => ({ type: 'touch', id, key: checkedKey(key), ttlMs: ttlMs === 0 ? 0 : checkedTtl(ttlMs) }),
      readTouched,
      options,
    );
  }

  /**
   * Adds `by` to an integer within 2^53 and resolves with the sum. A key without value counts as 0. Fails with TYPE
   * where the value is no such integer, or the sum would be none.
   */
  incr(key: Key, by = 1, options: IncrOptions = {}): Promise<number> {
    const { ttlMs } = options;
    return this.#ask(
      (id) => ({
        type: 'incr',
        id,
        key: checkedKey(key),
        by: checkedInteger(by),
        options: ttlMs === undefined ? {} : { ttlMs: checkedTtl(ttlMs) },
      }),
      readCount,
      options,
    );
  }

  /** As `get`, for many keys in one frame (of more than the node takes at once, in several). One outcome for each. */
  getMany<T = unknown>(keys: Iterable<Key>, options: CallOptions = {}): Promise<Outcome<T | undefined>[]> {
    return outcomesOf(keys, (key) => this.get<T>(key, options));
  }

  /** As `set`, for many keys. The options are for all of them; of two entries with one key the later one stays. */
  setMany(
    entries: Iterable<readonly [Key, unknown]>,
    options: Omit<SetOptions, 'ifStamp'> = {},
  ): Promise<Outcome<{ readonly stamp: string }>[]> {
    const list = [...entries];
    return outcomesOf(
      list.map(([key]) => key),
      (key, i) => this.set(key, list[i]?.[1], options),
    );
  }

  /** As `delete`, for many keys. */
  deleteMany(keys: Iterable<Key>, options: CallOptions = {}): Promise<Outcome<boolean>[]> {
    return outcomesOf(keys, (key) => this.delete(key, options));
  }

  /** One page of the keys of the whole swarm that begin with the prefix; the next one by the cursor of the former. */
  scan(prefix = '', options: ScanOptions & { readonly cursor?: string } = {}): Promise<KeyPage> {
    const { cursor, limit } = options;
    const given = { ...(cursor === undefined ? {} : { cursor }), ...(limit === undefined ? {} : { limit }) };
    return this.#ask((id) => ({ type: 'scan', id, prefix, options: given }), readKeys, options);
  }

  /**
   * All keys of the swarm that begin with the prefix, page by page, in no order. Each that is there all the time comes at
   * least once. Where that can't be said, because nodes came or went meanwhile, it ends by throwing UNKNOWN.
   */
  async *keys(prefix = '', options: ScanOptions = {}): AsyncGenerator<Key, void, void> {
    let page = await this.scan(prefix, options);
    yield* page.keys;
    while (page.cursor !== null) {
      page = await this.scan(prefix, { ...options, cursor: page.cursor });
      yield* page.keys;
    }
    if (page.isIncomplete) throw new SwarmError('UNKNOWN', 'the members of the swarm changed: keys may be missing');
  }

  /**
   * The changes of one key, or of all keys with a prefix, as they happen: `for await (const change of client.watch(…))`.
   * Those of one key come with rising stamps. Where some may have been missed (a node or a connection was lost, or they
   * came faster than they were read) a change of kind `gap` says so.
   */
  watch<T = unknown>(options: WatchOptions): Watch<T> {
    const { key, prefix, signal } = options;
    if ((key === undefined) === (prefix === undefined)) {
      throw new SwarmError('BAD_REQUEST', 'either a key or a prefix is to be watched');
    }
    if (key !== undefined) checkedKey(key);
    if (signal?.aborted === true) throw aborted(signal, false);
    const watch = new Watch<T>(this.#watchClient, options);
    this.#watches.add(watch as Watch);
    return watch;
  }

  /** Which node stores the key, and over which nodes a request gets there. */
  where(key: Key, options: CallOptions = {}): Promise<Location> {
    return this.#ask((id) => ({ type: 'where', id, key: checkedKey(key) }), readLocated<Location>, options);
  }

  /** How the key is found now, step by step, and how long each node on the way takes to answer. */
  trace(key: Key, options: CallOptions = {}): Promise<Trace> {
    return this.#ask((id) => ({ type: 'trace', id, key: checkedKey(key) }), readLocated<Trace>, options);
  }

  /** Resolves with the time from here to the node and back, in milliseconds. */
  ping(options: CallOptions = {}): Promise<number> {
    const read: Read<number> = (reply, resolve, call) => {
      if (reply.type !== 'pong') return false;
      resolve(this.#timers.now() - (call.sentMs ?? 0));
      return true;
    };
    return this.#ask((id) => ({ type: 'ping', id }), read, options);
  }

  /** What the node knows of itself: `what` is `node`, `topology`, `counters` or `actors`. */
  inspect(what: string, options: CallOptions = {}): Promise<Info> {
    return this.#ask((id) => ({ type: 'inspect', id, what: checkedKey(what) }), readReport, options);
  }

  readonly #watchClient: WatchClient = {
    register: (watch, isAgain, onOpen) => this.#register(watch, isAgain, onOpen),
    unregister: (id) => {
      if (!this.#openWatches.delete(id) || this.#status !== 'open') return;
      // Whatever the answer is, nobody listens any more.
      this.#ask((own) => ({ type: 'unwatch', id: own, watch: id }), readAny, {}).catch(nothing);
    },
    forget: (watch) => void this.#watches.delete(watch),
  };

  /** Takes no more requests, waits for those that are open, then closes. */
  drain(): Promise<void> {
    this.#isDraining = true;
    this.#onProgress();
    return this.#closed.then(nothing);
  }

  /** Closes at once. Open requests fail with CLOSED; those that wait are not sent. Resolves when the socket is gone. */
  close(): Promise<void> {
    this.#end(null);
    return this.#closed.then(nothing);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** A lost connection, or a node that can't yet, ends no watch that was open once: it is tried for as long as it lives. */
  async #register(watch: Watch, isAgain: boolean, onOpen: (id: number) => void): Promise<void> {
    const { key, prefix, values } = watch.options;
    const options = {
      ...(key === undefined ? {} : { key }),
      ...(prefix === undefined ? {} : { prefix }),
      ...(values === undefined ? {} : { values }),
    };
    for (;;) {
      try {
        await this.#ask<void>(
          (id) => ({ type: 'watch', id, options }),
          (reply, resolve, { id }) => {
            if (reply.type !== 'watching') return false;
            this.#openWatches.set(id, watch);
            onOpen(id);
            resolve();
            return true;
          },
          {},
        );
        return;
      } catch (error) {
        const { code } = error as SwarmError;
        if (!isAgain || !PASSING_CODES.has(code) || !this.#watches.has(watch)) throw error;
        await new Promise<void>((resolve) => void this.#timers.setTimeout(resolve, WATCH_AGAIN_MS));
        if (this.#status === 'closed') throw error;
      }
    }
  }

  // Requests.

  #ask<T>(build: (id: number) => Request, read: Read<T>, options: CallOptions): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#checkRoom();
      const { signal, timeoutMs = this.#requestTimeoutMs } = options;
      if (!(timeoutMs > 0)) throw new SwarmError('BAD_REQUEST', 'timeoutMs must be above 0');
      if (signal?.aborted === true) throw aborted(signal, false);
      const id = this.#nextId;
      const request = build(id);
      this.#nextId += 1;
      const onAbort = (): void => this.#onAborted(call, signal as AbortSignal);
      const call: Call = {
        id,
        request,
        timeoutMs,
        deadlineMs: this.#timers.now() + timeoutMs,
        sentMs: null,
        isReturned: false,
        refusal: null,
        isSettled: false,
        answer: (reply) => read(reply, resolve, call),
        reject,
        forget: signal === undefined ? nothing : () => signal.removeEventListener('abort', onAbort),
      };
      signal?.addEventListener('abort', onAbort);
      this.#waiting.set(id, call);
      this.#sweepAt(call.deadlineMs);
      this.#scheduleFlush();
    });
  }

  #checkRoom(): void {
    if (this.#status === 'closed' || this.#isDraining) {
      const cause = this.#lastError ?? undefined;
      throw new SwarmError('CLOSED', 'the client is closed: connect again', { cause });
    }
    if (!this.#canSend() && this.#waiting.size >= this.#queueMax) {
      const message = `${this.#queueMax} requests wait for a connection already${this.#lastWords()}`;
      throw new SwarmError('BUSY', message);
    }
  }

  #onAborted(call: Call, signal: AbortSignal): void {
    this.#waiting.delete(call.id);
    this.#reject(call, aborted(signal, isApplicable(call)));
    this.#onProgress();
  }

  #reject(call: Call, error: SwarmError): void {
    call.isSettled = true;
    call.forget();
    call.reject(error);
  }

  #canSend(): boolean {
    return this.#status === 'open' && !this.#isLeaving;
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled || !this.#canSend()) return;
    this.#isFlushScheduled = true;
    queueMicrotask(() => {
      this.#isFlushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const connection = this.#connection;
    if (connection === null || !this.#canSend()) return;
    const nowMs = this.#timers.now();
    if (nowMs < this.#restUntilMs) return;
    const { inFlightMax, frameBytesMax } = connection.limits;
    while (this.#sent.size < inFlightMax && !connection.isBacklogged) {
      const call = this.#takeWaiting();
      if (call === null) break;
      if (connection.write(call.request)) {
        call.sentMs = nowMs;
        this.#sent.set(call.id, call);
      } else {
        const message = `the request is larger than the ${frameBytesMax} bytes of a frame`;
        this.#reject(call, new SwarmError('TOO_LARGE', message, { info: { max: frameBytesMax } }));
      }
    }
    connection.flush();
  }

  #takeWaiting(): Call | null {
    this.#firstWaiting ??= this.#waiting.values();
    const { value: call, done } = this.#firstWaiting.next();
    if (done === true) {
      this.#firstWaiting = null;
      return null;
    }
    this.#waiting.delete(call.id);
    return call;
  }

  #onReply(reply: ClientReply): void {
    if (reply.type === 'change') {
      this.#observe(reply.meta?.['stamp']);
      this.#openWatches.get(reply.id)?.take(reply);
      return;
    }
    const call = this.#sent.get(reply.id ?? -1);
    // An answer that nobody waits for any more.
    if (call === undefined) return;
    if (!call.isSettled && reply.type === 'refused' && this.#askLater(call, reply)) return;
    if (!call.isSettled && !this.#settle(call, reply)) {
      const message = `${this.url}: the node answered ${call.request.type} by ${reply.type}`;
      this.#connection?.fail(new SwarmError('DISCONNECTED', message), CLOSE.badFrame);
      return;
    }
    this.#sent.delete(call.id);
  }

  /**
   * A read that was refused because the node is busy is asked again when the node says so, if its deadline allows; until
   * then all requests rest. A write is not: it would take effect after later ones.
   */
  #askLater(call: Call, refusal: MessageOf<'refused'>): boolean {
    const { code, info } = refusal;
    if (code === 'DRAINING' && this.#connection !== null) {
      // Nothing was done, and all that was sent after it is refused alike: another node gets it, in the same order.
      call.isReturned = true;
      this.#returnedCount += 1;
      this.#onBye(this.#connection.url, info ?? {});
      return true;
    }
    const retryAfterMs = info?.['retryAfterMs'];
    if (code !== 'BUSY' || isWrite(call) || typeof retryAfterMs !== 'number' || !(retryAfterMs >= 0)) return false;
    const atMs = this.#timers.now() + retryAfterMs;
    if (atMs >= call.deadlineMs) return false;
    this.#sent.delete(call.id);
    call.sentMs = null;
    call.refusal = refusal;
    this.#waiting.set(call.id, call);
    if (atMs > this.#restUntilMs) {
      this.#restUntilMs = atMs;
      this.#timers.clearTimeout(this.#restTimer);
      this.#restTimer = this.#timers.setTimeout(() => this.#scheduleFlush(), Math.ceil(retryAfterMs));
    }
    return true;
  }

  /** False if the reply is none to the request. */
  #settle(call: Call, reply: ClientReply): boolean {
    if (reply.type === 'refused') {
      this.#observe(reply.info?.['stamp']);
      this.#reject(call, refusalOf(call, reply));
      return true;
    }
    try {
      if (!call.answer(reply)) return false;
    } catch (error) {
      this.#reject(call, error as SwarmError);
      return true;
    }
    call.isSettled = true;
    call.forget();
    if (reply.type === 'value' || reply.type === 'stored') this.#observe(reply.meta?.['stamp']);
    return true;
  }

  #observe(stamp: unknown): void {
    if (typeof stamp === 'string' && stamp > this.#clock) this.#clock = stamp;
  }

  /** Requests have ended: there is room for others, or nothing is left to wait for. */
  #onProgress(): void {
    if (this.#status === 'closed') return;
    if (this.#isDraining && this.#waiting.size + this.#sent.size === 0) this.#end(null);
    else if (this.#isLeaving && this.#sent.size === this.#returnedCount) this.#move();
    else if (this.#waiting.size > 0) this.#scheduleFlush();
  }

  // Deadlines: one timer for all, set for the earliest.

  #sweepAt(deadlineMs: number): void {
    if (deadlineMs >= this.#sweepMs) return;
    this.#timers.clearTimeout(this.#sweepTimer);
    this.#sweepMs = deadlineMs;
    const delayMs = Math.min(deadlineMs - this.#timers.now(), TIMER_MAX_MS);
    this.#sweepTimer = this.#timers.setTimeout(this.#sweep, Math.ceil(delayMs));
  }

  readonly #sweep = (): void => {
    const nowMs = this.#timers.now();
    let nextMs = Infinity;
    let isSilent = false;
    this.#sweepMs = Infinity;
    for (const calls of [this.#sent, this.#waiting]) {
      for (const [id, call] of calls) {
        if (call.deadlineMs > nowMs) {
          nextMs = Math.min(nextMs, call.deadlineMs);
          continue;
        }
        calls.delete(id);
        if (call.isReturned) this.#returnedCount -= 1;
        if (call.isSettled) continue;
        isSilent ||= call.sentMs !== null && call.sentMs >= (this.#connection?.receivedMs ?? Infinity);
        this.#reject(call, call.refusal === null ? this.#timeoutOf(call) : refusalOf(call, call.refusal));
      }
    }
    if (nextMs < Infinity) this.#sweepAt(Math.max(nextMs, nowMs + SWEEP_MIN_MS));
    if (isSilent && this.#pingsMissed === 0) this.#ping();
    this.#onProgress();
  };

  #timeoutOf(call: Call): SwarmError {
    const within = `no answer within ${call.timeoutMs} ms`;
    if (call.sentMs !== null) {
      return new SwarmError('TIMEOUT', within, { maybeApplied: isApplicable(call) });
    }
    return new SwarmError('TIMEOUT', `${within}: the request waited to be sent${this.#lastWords()}`);
  }

  #lastWords(): string {
    return this.#status === 'open' || this.#lastError === null ? '' : ` (${this.#lastError.message})`;
  }

  // The connection.

  #dial(): void {
    const { url, waitMs } = this.#urls.next(this.#timers.now());
    this.#dialTimer = this.#timers.setTimeout(() => this.#open(url), Math.ceil(waitMs));
  }

  #open(url: string): void {
    const { token, name } = this.#options;
    const greeting = {
      id: this.#nextId,
      options: {
        protocol: PROTOCOL_MAX,
        ...(token === undefined ? {} : { token }),
        ...(name === undefined ? {} : { client: name }),
        ...(this.#clock === '' ? {} : { clock: this.#clock }),
      },
      timeoutMs: this.#attemptTimeoutMs,
    };
    this.#nextId += 1;
    this.#connection = new Connection(this.#openSocket, url, greeting, this.#timers, {
      onWelcome: (info) => this.#onWelcome(url, info),
      onReply: (reply) => this.#onReply(reply),
      onFrameEnd: () => this.#onProgress(),
      onBye: (info) => this.#onBye(url, info),
      onLost: (error) => this.#onLost(url, error),
    });
  }

  #onWelcome(url: string, info: Info): void {
    this.#info = info;
    this.#lastError = null;
    this.#openedMs = this.#timers.now();
    this.#urls.succeed(url);
    this.#pingsMissed = 0;
    this.#pingIn(this.#pingIntervalMs);
    this.#setStatus('open', url, null);
    this.#tellConnected(null);
    this.#scheduleFlush();
  }

  #onBye(url: string, info: Info): void {
    if (this.#status !== 'open') return this.#avoid(url, info);
    if (this.#isLeaving) return;
    this.#avoid(url, info);
    this.#isLeaving = true;
  }

  /** Stays away from a node that leaves or is full, as long as it asks for. */
  #avoid(url: string, info: Info | null): void {
    const { retryAfterMs, urls } = info ?? {};
    const isSpan = typeof retryAfterMs === 'number' && retryAfterMs > 0;
    const spanMs = isSpan ? Math.min(retryAfterMs, RETRY_AFTER_MAX_MS) : 0;
    const others = Array.isArray(urls) ? urls.filter((other) => isUsable(other, url)) : [];
    this.#urls.leave(url, this.#timers.now() + spanMs, others);
  }

  /** All that the leaving node was asked is answered. */
  #move(): void {
    const url = this.#connection?.url ?? null;
    this.#connection?.close(nothing);
    this.#disconnect(url, new SwarmError('DRAINING', `${url}: the node asked its clients to leave`));
  }

  #onLost(url: string, error: SwarmError): void {
    if (error.code === 'UNAUTHENTICATED' || error.code === 'FORBIDDEN') {
      this.#connection = null;
      this.#end(error);
      return;
    }
    if (error.code === 'BUSY' || error.code === 'DRAINING') this.#avoid(url, error.info);
    this.#disconnect(url, error);
  }

  #disconnect(url: string | null, error: SwarmError): void {
    const heldMs = this.#timers.now() - this.#openedMs;
    // A node that greets and then drops us, again and again, must not be hammered.
    if (this.#status === 'open' && heldMs >= SETTLED_MS) this.#urls.settle();
    this.#connection = null;
    this.#isLeaving = false;
    this.#lastError = error;
    this.#timers.clearTimeout(this.#pingTimer);
    const resent = new Map<number, Call>();
    for (const [id, call] of this.#sent) {
      if (call.isSettled) continue;
      if (isWrite(call) && !call.isReturned) {
        this.#reject(call, unknown(error));
      } else {
        call.sentMs = null;
        call.isReturned = false;
        resent.set(id, call);
      }
    }
    this.#sent.clear();
    this.#returnedCount = 0;
    const lost = [...this.#openWatches.values()];
    this.#openWatches.clear();
    for (const [id, call] of this.#waiting) resent.set(id, call);
    this.#waiting = resent;
    this.#firstWaiting = null;
    this.#setStatus('connecting', url, error);
    this.#dial();
    for (const watch of lost) {
      watch.lose();
      // What ends it, its reader learns.
      watch.register().catch(nothing);
    }
  }

  /** The end of the client: asked for (null), or forced by the error. */
  #end(error: SwarmError | null): void {
    if (this.#status === 'closed') return;
    const connection = this.#connection;
    const reason = error ?? new SwarmError('CLOSED', 'the client was closed');
    this.#connection = null;
    this.#lastError = error;
    for (const timer of [this.#restTimer, this.#connectTimer, this.#dialTimer, this.#sweepTimer, this.#pingTimer]) {
      this.#timers.clearTimeout(timer);
    }
    for (const call of [...this.#sent.values(), ...this.#waiting.values()]) {
      if (call.isSettled) continue;
      const isClosing = error === null;
      if (!isApplicable(call)) this.#reject(call, reason);
      else this.#reject(call, isClosing ? closedUnknown() : unknown(error));
    }
    this.#sent.clear();
    this.#waiting.clear();
    this.#setStatus('closed', connection?.url ?? null, error);
    for (const watch of this.#watches) watch.finish(error);
    this.#openWatches.clear();
    this.#tellConnected(reason);
    const onGone = (): void => this.#resolveClosed(error ?? undefined);
    if (connection === null) onGone();
    else connection.close(onGone);
  }

  #tellConnected(error: SwarmError | null): void {
    this.#timers.clearTimeout(this.#connectTimer);
    this.#options.signal?.removeEventListener('abort', this.#onConnectAborted);
    this.#connected?.(error);
    this.#connected = null;
  }

  readonly #onConnectAborted = (): void => {
    this.#end(aborted(this.#options.signal as AbortSignal, false));
  };

  #unreachable(timeoutMs: number): SwarmError {
    const tried = this.#lastError?.message ?? 'no address has answered yet';
    const advice = 'Check that a node runs there (`swarmbus node` starts one) and that the address is right';
    const message = `no node could be reached within ${timeoutMs} ms: ${tried}. ${advice}`;
    return new SwarmError('UNREACHABLE', message, { cause: this.#lastError ?? undefined });
  }

  #setStatus(status: ClientStatus, url: string | null, error: SwarmError | null): void {
    this.#status = status;
    const { onStatus } = this.#options;
    if (onStatus !== undefined) queueMicrotask(() => onStatus({ status, url, error }));
  }

  // Is the node alive? A browser can't send WebSocket pings, so it is asked by message.

  #pingIn(delayMs: number): void {
    this.#timers.clearTimeout(this.#pingTimer);
    this.#pingTimer = this.#timers.setTimeout(this.#onPingTimer, Math.ceil(delayMs));
  }

  readonly #onPingTimer = (): void => {
    const connection = this.#connection;
    if (connection === null) return;
    if (connection.receivedMs >= this.#pingedMs) {
      this.#pingsMissed = 0;
      const restMs = connection.receivedMs + this.#pingIntervalMs - this.#timers.now();
      if (restMs > 0) return this.#pingIn(restMs);
    }
    if (this.#pingsMissed < PINGS_MAX) return this.#ping();
    const message = `${connection.url}: the node has not answered ${PINGS_MAX} pings`;
    connection.fail(new SwarmError('DISCONNECTED', message));
  };

  #ping(): void {
    const connection = this.#connection;
    if (connection === null || this.#status !== 'open') return;
    this.#pingsMissed += 1;
    this.#pingedMs = this.#timers.now();
    // Any answer will do, so nobody waits for this one.
    connection.write({ type: 'ping', id: this.#nextId });
    connection.flush();
    this.#nextId += 1;
    this.#pingIn(Math.min(this.#pingIntervalMs, this.#requestTimeoutMs));
  }
}

/** What `connect` of both entries does; they differ in the socket. */
export function connectBy(
  openSocket: OpenSocket,
  urls: string | readonly string[],
  options: ConnectOptions,
): Promise<Client> {
  return new Promise((resolve, reject) => {
    const { token, name, signal, WebSocket } = options;
    const list = typeof urls === 'string' ? [urls] : [...urls];
    const wrong = list.find((url): boolean => !isUrl(url));
    if (list.length === 0 || wrong !== undefined) {
      const message = wrong === undefined ? 'no address given' : `${wrong} is no address of a node`;
      throw new SwarmError('BAD_REQUEST', `${message}: one looks like ws://127.0.0.1:7101`);
    }
    if (!isText(token) || !isText(name)) {
      throw new SwarmError('BAD_REQUEST', 'token and name are texts');
    }
    if (signal?.aborted === true) throw aborted(signal, false);
    const open = WebSocket === undefined ? openSocket : (url: string) => new WebSocket(url);
    const client = new Client(open, list, options, (error) => {
      if (error === null) resolve(client);
      else reject(error);
    });
  });
}

function isText(text: unknown): boolean {
  return text === undefined || typeof text === 'string';
}
