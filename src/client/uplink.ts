/**
 * The client's way into the swarm: one connection at a time. It dials one address after the other, leaves a node that
 * asks for it, and says what became of a connection; what becomes of the requests is not its business. Invariant: once
 * closed, for good.
 */
import { PROTOCOL_MAX } from '../transport/message.js';
import type { ClientReply, Info } from '../transport/message.js';
import { aborted } from './call.js';
import type { ClientStatus, ConnectOptions } from './client-options.js';
import { Connection } from './connection.js';
import { SwarmError } from './errors.js';
import { Heartbeat } from './heartbeat.js';
import type { OpenSocket } from './socket.js';
import type { Timers } from './timers.js';
import { UrlList, isUsable } from './url-list.js';

/** What the client tells the caller who waits for `connect`: that it is open (null), or why it will never be. */
export type Connected = (error: SwarmError | null) => void;

export interface UplinkEvents {
  onReply(reply: ClientReply): void;
  /** All messages of a frame have been handed over. */
  onFrameEnd(): void;
  /** Requests may be sent. */
  onOpen(): void;
  /** What was sent will not be answered; `onDialling` follows when the next connection is under way. */
  onLost(error: SwarmError): void;
  onDialling(): void;
  /** The end of all: asked for (null), or forced by the error; `reason` is for whoever waits for something. */
  onEnd(error: SwarmError | null, reason: SwarmError): void;
  onClosed(error: SwarmError | null): void;
}

const CONNECT_TIMEOUT_MS = 5000;
const RECONNECT_MIN_MS = 100;
const RECONNECT_MAX_MS = 10_000;
const PING_INTERVAL_MS = 30_000;
/** The time to connect is divided by the number of addresses, so that a silent one doesn't use it up; by at most this. */
const ATTEMPTS_MAX = 5;
/** Longest pause that a leaving node may ask for. */
const RETRY_AFTER_MAX_MS = 3_600_000;
/** A connection that held this long was a good one. */
const SETTLED_MS = 2000;

const nothing = (): void => {};

export class Uplink {
  readonly #openSocket: OpenSocket;
  readonly #options: ConnectOptions;
  readonly #timers: Timers;
  readonly #events: UplinkEvents;
  readonly #urls: UrlList;
  readonly #heartbeat: Heartbeat;
  readonly #attemptTimeoutMs: number;
  readonly #connectTimer: unknown;
  #connected: Connected | null;
  /** Resolves when the client is closed and its socket is gone: with what ended it, or undefined after `end(null)`. */
  readonly closed: Promise<SwarmError | undefined>;
  #resolveClosed: (error: SwarmError | undefined) => void = nothing;
  #status: ClientStatus = 'connecting';
  #connection: Connection | null = null;
  #info: Info = {};
  #openedMs = 0;
  /** The node said goodbye: what was sent is awaited, nothing more is sent to it. */
  #isLeaving = false;
  #lastError: SwarmError | null = null;
  #dialTimer: unknown = null;
  #nextId = 1;
  /** Highest stamp seen. Told to each node, so that what we write next gets a higher one. */
  #clock = '';

  constructor(
    openSocket: OpenSocket,
    urls: readonly string[],
    options: ConnectOptions,
    timers: Timers,
    requestTimeoutMs: number,
    connected: Connected,
    events: UplinkEvents,
  ) {
    this.#openSocket = openSocket;
    this.#options = options;
    this.#timers = timers;
    this.#events = events;
    this.#connected = connected;
    const { minMs = RECONNECT_MIN_MS, maxMs = RECONNECT_MAX_MS } = options.reconnect ?? {};
    this.#urls = new UrlList(urls, { minMs, maxMs }, options.random ?? Math.random);
    this.#heartbeat = new Heartbeat({
      timers,
      intervalMs: options.pingIntervalMs ?? PING_INTERVAL_MS,
      answerMs: requestTimeoutMs,
      connection: () => (this.#status === 'open' ? this.#connection : null),
      takeId: () => this.takeId(),
    });
    const connectTimeoutMs = options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    this.#attemptTimeoutMs = Math.ceil(connectTimeoutMs / Math.min(urls.length, ATTEMPTS_MAX));
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#connectTimer =
      options.offline === true
        ? null
        : timers.setTimeout(() => this.end(this.#unreachable(connectTimeoutMs)), connectTimeoutMs);
    options.signal?.addEventListener('abort', this.#onConnectAborted, { once: true });
    this.#dial();
  }

  get info(): Info {
    return this.#info;
  }

  get status(): ClientStatus {
    return this.#status;
  }

  get url(): string | null {
    return this.#status === 'open' ? (this.#connection?.url ?? null) : null;
  }

  /** Null between two connections. */
  get connection(): Connection | null {
    return this.#connection;
  }

  get canSend(): boolean {
    return this.#status === 'open' && !this.#isLeaving;
  }

  get isLeaving(): boolean {
    return this.#isLeaving;
  }

  /** What went wrong last, or null. */
  get lastError(): SwarmError | null {
    return this.#lastError;
  }

  /** Of a request, unique in this client. */
  takeId(): number {
    this.#nextId += 1;
    return this.#nextId - 1;
  }

  observe(stamp: unknown): void {
    if (typeof stamp === 'string' && stamp > this.#clock) this.#clock = stamp;
  }

  /** The node is silent: see heartbeat.ts. */
  suspect(): void {
    this.#heartbeat.suspect();
  }

  /** The node has said that it leaves. */
  leave(info: Info): void {
    if (this.#connection !== null) this.#onBye(this.#connection.url, info);
  }

  /** All that the leaving node was asked is answered. */
  move(): void {
    const url = this.#connection?.url ?? null;
    this.#connection?.close(nothing);
    this.#disconnect(url, new SwarmError('DRAINING', `${url}: the node asked its clients to leave`));
  }

  /** The end of the client: asked for (null), or forced by the error. */
  end(error: SwarmError | null): void {
    if (this.#status === 'closed') return;
    const connection = this.#connection;
    const reason = error ?? new SwarmError('CLOSED', 'the client was closed');
    this.#connection = null;
    this.#lastError = error;
    this.#timers.clearTimeout(this.#connectTimer);
    this.#timers.clearTimeout(this.#dialTimer);
    this.#heartbeat.stop();
    this.#events.onEnd(error, reason);
    this.#setStatus('closed', connection?.url ?? null, error);
    this.#events.onClosed(error);
    this.#tellConnected(reason);
    const onGone = (): void => this.#resolveClosed(error ?? undefined);
    if (connection === null) onGone();
    else connection.close(onGone);
  }

  #dial(): void {
    const { url, waitMs } = this.#urls.next(this.#timers.now());
    this.#dialTimer = this.#timers.setTimeout(() => this.#open(url), Math.ceil(waitMs));
  }

  #open(url: string): void {
    const { token, name } = this.#options;
    const greeting = {
      id: this.takeId(),
      options: {
        protocol: PROTOCOL_MAX,
        ...(token === undefined ? {} : { token }),
        ...(name === undefined ? {} : { client: name }),
        ...(this.#clock === '' ? {} : { clock: this.#clock }),
      },
      timeoutMs: this.#attemptTimeoutMs,
    };
    this.#connection = new Connection(this.#openSocket, url, greeting, this.#timers, {
      onWelcome: (info) => this.#onWelcome(url, info),
      onReply: (reply) => this.#events.onReply(reply),
      onFrameEnd: () => this.#events.onFrameEnd(),
      onBye: (info) => this.#onBye(url, info),
      onLost: (error) => this.#onLost(url, error),
    });
  }

  #onWelcome(url: string, info: Info): void {
    this.#info = info;
    this.#lastError = null;
    this.#openedMs = this.#timers.now();
    this.#urls.succeed(url);
    this.#heartbeat.start();
    this.#setStatus('open', url, null);
    this.#tellConnected(null);
    this.#events.onOpen();
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

  #onLost(url: string, error: SwarmError): void {
    if (error.code === 'UNAUTHENTICATED' || error.code === 'FORBIDDEN') {
      this.#connection = null;
      this.end(error);
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
    this.#heartbeat.stop();
    this.#events.onLost(error);
    this.#setStatus('connecting', url, error);
    this.#dial();
    this.#events.onDialling();
  }

  #tellConnected(error: SwarmError | null): void {
    this.#timers.clearTimeout(this.#connectTimer);
    this.#options.signal?.removeEventListener('abort', this.#onConnectAborted);
    this.#connected?.(error);
    this.#connected = null;
  }

  readonly #onConnectAborted = (): void => {
    this.end(aborted(this.#options.signal as AbortSignal, false));
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
}
