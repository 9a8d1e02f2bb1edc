/**
 * Requests and their fate. All requests of one tick leave in one frame. Each ends exactly once: by its reply, by its
 * deadline, by its signal, or with the client. While there is no connection requests wait, up to a bound. After a lost
 * connection reads are sent again; writes that were sent are not, since they may have taken effect, and fail with
 * UNKNOWN.
 */
import { CLOSE } from '../transport/message.js';
import type { ClientReply, MessageOf } from '../transport/message.js';
import { aborted, closedUnknown, isApplicable, isWrite, refusalOf, unknown } from './call.js';
import type { Call, Read, Request } from './call.js';
import type { CallOptions } from './client-options.js';
import { SwarmError } from './errors.js';
import { checkRequestOptions } from './option-names.js';
import type { Timers } from './timers.js';
import type { Uplink } from './uplink.js';

/** Deadlines are looked at no more often than this. */
const SWEEP_MIN_MS = 10;
/** Longer delays make timers fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;

const nothing = (): void => {};

export class Calls {
  readonly #uplink: Uplink;
  readonly #timers: Timers;
  readonly #requestTimeoutMs: number;
  readonly #queueMax: number;
  /** Calls to be sent, oldest first. */
  #waiting = new Map<number, Call>();
  /** Kept between takes: a new iterator of a long map would first have to pass all that was deleted. */
  #firstWaiting: MapIterator<Call> | null = null;
  /** Calls sent and not answered, oldest first. Aborted ones stay until their reply: the node still works on them. */
  readonly #sent = new Map<number, Call>();
  /** Of those sent, how many the leaving node gave back. */
  #returnedCount = 0;
  #isDraining = false;
  #isFlushScheduled = false;
  /** A busy node asked for a pause until then. */
  #restUntilMs = 0;
  #restTimer: unknown = null;
  #sweepTimer: unknown = null;
  #sweepMs = Infinity;

  constructor(uplink: Uplink, timers: Timers, requestTimeoutMs: number, queueMax: number) {
    this.#uplink = uplink;
    this.#timers = timers;
    this.#requestTimeoutMs = requestTimeoutMs;
    this.#queueMax = queueMax;
  }

  /** Settles with what `read` makes of the reply. */
  ask<T>(build: (id: number) => Request, read: Read<T>, options: CallOptions): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#checkRoom();
      const { signal, timeoutMs = this.#requestTimeoutMs } = options;
      if (!(timeoutMs > 0)) throw new SwarmError('BAD_REQUEST', 'timeoutMs must be above 0');
      if (signal?.aborted === true) throw aborted(signal, false);
      const id = this.#uplink.takeId();
      const request = build(id);
      checkRequestOptions(request.type, options);
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

  /** Takes no more requests, and ends the client when those that are open have ended. */
  drain(): void {
    this.#isDraining = true;
    this.onProgress();
  }

  // What the uplink tells.

  onOpen(): void {
    this.#scheduleFlush();
  }

  onReply(reply: ClientReply): void {
    const call = this.#sent.get(reply.id ?? -1);
    // An answer that nobody waits for any more.
    if (call === undefined) return;
    if (!call.isSettled && reply.type === 'refused' && this.#askLater(call, reply)) return;
    if (!call.isSettled && !this.#settle(call, reply)) {
      const message = `${this.#uplink.url}: the node answered ${call.request.type} by ${reply.type}`;
      this.#uplink.connection?.fail(new SwarmError('DISCONNECTED', message), CLOSE.badFrame);
      return;
    }
    this.#sent.delete(call.id);
  }

  /** The connection is gone: reads go to the next one, before what waits; writes may have taken effect. */
  onLost(error: SwarmError): void {
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
    for (const [id, call] of this.#waiting) resent.set(id, call);
    this.#waiting = resent;
    this.#firstWaiting = null;
  }

  /** The client ends, as asked for (null) or for the error. */
  onEnd(error: SwarmError | null, reason: SwarmError): void {
    this.#timers.clearTimeout(this.#restTimer);
    this.#timers.clearTimeout(this.#sweepTimer);
    for (const call of [...this.#sent.values(), ...this.#waiting.values()]) {
      if (call.isSettled) continue;
      const isClosing = error === null;
      if (!isApplicable(call)) this.#reject(call, reason);
      else this.#reject(call, isClosing ? closedUnknown() : unknown(error));
    }
    this.#sent.clear();
    this.#waiting.clear();
  }

  /** Requests have ended: there is room for others, or nothing is left to wait for. */
  onProgress(): void {
    if (this.#uplink.status === 'closed') return;
    if (this.#isDraining && this.#waiting.size + this.#sent.size === 0) this.#uplink.end(null);
    else if (this.#uplink.isLeaving && this.#sent.size === this.#returnedCount) this.#uplink.move();
    else if (this.#waiting.size > 0) this.#scheduleFlush();
  }

  #checkRoom(): void {
    if (this.#uplink.status === 'closed' || this.#isDraining) {
      const cause = this.#uplink.lastError ?? undefined;
      throw new SwarmError('CLOSED', 'the client is closed: connect again', { cause });
    }
    if (!this.#uplink.canSend && this.#waiting.size >= this.#queueMax) {
      const message = `${this.#queueMax} requests wait for a connection already${this.#lastWords()}`;
      throw new SwarmError('BUSY', message);
    }
  }

  #onAborted(call: Call, signal: AbortSignal): void {
    this.#waiting.delete(call.id);
    this.#reject(call, aborted(signal, isApplicable(call)));
    this.onProgress();
  }

  #reject(call: Call, error: SwarmError): void {
    call.isSettled = true;
    call.forget();
    call.reject(error);
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled || !this.#uplink.canSend) return;
    this.#isFlushScheduled = true;
    queueMicrotask(() => {
      this.#isFlushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const connection = this.#uplink.connection;
    if (connection === null || !this.#uplink.canSend) return;
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

  /**
   * A read that was refused because the node is busy is asked again when the node says so, if its deadline allows; until
   * then all requests rest. A write is not: it would take effect after later ones.
   */
  #askLater(call: Call, refusal: MessageOf<'refused'>): boolean {
    const { code, info } = refusal;
    if (code === 'DRAINING' && this.#uplink.connection !== null) {
      // Nothing was done, and all that was sent after it is refused alike: another node gets it, in the same order.
      call.isReturned = true;
      this.#returnedCount += 1;
      this.#uplink.leave(info ?? {});
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
      this.#uplink.observe(reply.info?.['stamp']);
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
    if (reply.type === 'value' || reply.type === 'stored') this.#uplink.observe(reply.meta?.['stamp']);
    return true;
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
        isSilent ||= call.sentMs !== null && call.sentMs >= (this.#uplink.connection?.receivedMs ?? Infinity);
        this.#reject(call, call.refusal === null ? this.#timeoutOf(call) : refusalOf(call, call.refusal));
      }
    }
    if (nextMs < Infinity) this.#sweepAt(Math.max(nextMs, nowMs + SWEEP_MIN_MS));
    if (isSilent) this.#uplink.suspect();
    this.onProgress();
  };

  #timeoutOf(call: Call): SwarmError {
    const within = `no answer within ${call.timeoutMs} ms`;
    if (call.sentMs !== null) {
      return new SwarmError('TIMEOUT', within, { maybeApplied: isApplicable(call) });
    }
    return new SwarmError('TIMEOUT', `${within}: the request waited to be sent${this.#lastWords()}`);
  }

  #lastWords(): string {
    return this.#uplink.status === 'open' || this.#uplink.lastError === null
      ? ''
      : ` (${this.#uplink.lastError.message})`;
  }
}
