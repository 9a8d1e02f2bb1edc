/**
 * The latest stamp seen of each key, to drop what comes too late. It is bounded: what was seen longest ago is forgotten,
 * and a stamp at or below a forgotten one is no longer told from a late one.
 */
import { compareStamps } from './stamp.js';
import type { Stamp } from './stamp.js';

export class LatestStamps {
  readonly #keysMax: number;
  /** The key seen last comes last. */
  readonly #stamps = new Map<string, Stamp>();
  /** The highest time that was forgotten. */
  #forgotten = -1;

  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  /** `newer`: the latest of its key. `older`: a later or the same one was seen. `unsure`: one of them, and forgotten which. */
  see(key: string, stamp: Stamp): 'newer' | 'older' | 'unsure' {
    const latest = this.#stamps.get(key);
    if (latest !== undefined && compareStamps(stamp, latest) <= 0) return 'older';
    if (latest === undefined && stamp.time <= this.#forgotten) return 'unsure';
    this.#stamps.delete(key);
    this.#stamps.set(key, stamp);
    if (this.#stamps.size > this.#keysMax) this.#forgetOldest();
    return 'newer';
  }

  #forgetOldest(): void {
    for (const [key, { time }] of this.#stamps) {
      this.#stamps.delete(key);
      this.#forgotten = Math.max(this.#forgotten, time);
      return;
    }
  }
}
