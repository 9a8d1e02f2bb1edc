/**
 * Whether the node is alive: after some silence it is asked, and after two questions without a word it is given up. A
 * browser can't send WebSocket pings, so it is asked by message.
 */
import type { Connection } from './connection.js';
import { SwarmError } from './errors.js';
import type { Timers } from './timers.js';

export interface HeartbeatHost {
  readonly timers: Timers;
  /** Silence after which the node is asked, in ms. */
  readonly intervalMs: number;
  /** Time for its answer. */
  readonly answerMs: number;
  /** The one that is open, or null. */
  connection(): Connection | null;
  takeId(): number;
}

/** Pings without an answer after which the connection is given up. */
const PINGS_MAX = 2;

export class Heartbeat {
  readonly #host: HeartbeatHost;
  #timer: unknown = null;
  #askedMs = 0;
  #missed = 0;

  constructor(host: HeartbeatHost) {
    this.#host = host;
  }

  /** There is a connection. */
  start(): void {
    this.#missed = 0;
    this.#setIn(this.#host.intervalMs);
  }

  stop(): void {
    this.#host.timers.clearTimeout(this.#timer);
  }

  /** A request was not answered in time, and nothing else came since: the node is asked at once, if it isn't already. */
  suspect(): void {
    if (this.#missed === 0) this.#ask();
  }

  readonly #onTimer = (): void => {
    const { timers, intervalMs } = this.#host;
    const connection = this.#host.connection();
    if (connection === null) return;
    if (connection.receivedMs >= this.#askedMs) {
      this.#missed = 0;
      const restMs = connection.receivedMs + intervalMs - timers.now();
      if (restMs > 0) return this.#setIn(restMs);
    }
    if (this.#missed < PINGS_MAX) return this.#ask();
    const message = `${connection.url}: the node has not answered ${PINGS_MAX} pings`;
    connection.fail(new SwarmError('DISCONNECTED', message));
  };

  #ask(): void {
    const connection = this.#host.connection();
    if (connection === null) return;
    this.#missed += 1;
    this.#askedMs = this.#host.timers.now();
    // Any answer will do, so nobody waits for this one.
    connection.write({ type: 'ping', id: this.#host.takeId() });
    connection.flush();
    this.#setIn(Math.min(this.#host.intervalMs, this.#host.answerMs));
  }

  #setIn(delayMs: number): void {
    this.#host.timers.clearTimeout(this.#timer);
    this.#timer = this.#host.timers.setTimeout(this.#onTimer, Math.ceil(delayMs));
  }
}
