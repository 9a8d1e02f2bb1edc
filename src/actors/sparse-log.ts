/**
 * A log of what others cause and may cause without end, such as refused connections: the same line is written again only
 * after a while, and of different ones only so many in a minute. The next line tells how many were left out (`unsaid`).
 */
import type { LogLevel } from './runtime/env.js';
import type { Self } from './runtime/kind.js';

/** Pause before the same line is written again. */
const AGAIN_MS = 600_000;
/** Lines remembered, the oldest of which are forgotten first. */
const LINES_MAX = 256;
const MINUTE_MS = 60_000;
const LINES_PER_MINUTE_MAX = 20;

export class SparseLog {
  readonly #self: Pick<Self<never>, 'now' | 'log'>;
  /** When a line was written last, oldest first. */
  readonly #saidMs = new Map<string, number>();
  #minuteBeganMs = -Infinity;
  #inMinute = 0;
  #unsaid = 0;

  constructor(self: Pick<Self<never>, 'now' | 'log'>) {
    this.#self = self;
  }

  /** Two lines are the same if text and fields are. */
  say(level: LogLevel, text: string, fields: Readonly<Record<string, unknown>>): void {
    const nowMs = this.#self.now();
    if (nowMs - this.#minuteBeganMs >= MINUTE_MS) {
      this.#minuteBeganMs = nowMs;
      this.#inMinute = 0;
    }
    const line = JSON.stringify([text, fields]);
    const saidMs = this.#saidMs.get(line);
    if (this.#inMinute >= LINES_PER_MINUTE_MAX || (saidMs !== undefined && nowMs - saidMs < AGAIN_MS)) {
      this.#unsaid += 1;
      return;
    }
    this.#inMinute += 1;
    this.#saidMs.delete(line);
    this.#saidMs.set(line, nowMs);
    for (const oldest of this.#saidMs.keys()) {
      if (this.#saidMs.size <= LINES_MAX) break;
      this.#saidMs.delete(oldest);
    }
    this.#self.log(level, text, this.#unsaid === 0 ? fields : { ...fields, unsaid: this.#unsaid });
    this.#unsaid = 0;
  }
}
