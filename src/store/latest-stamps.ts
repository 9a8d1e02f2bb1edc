/**
 * The latest stamp seen of each key, to drop what comes too late. It is bounded: what was seen longest ago is forgotten,
 * and a stamp at or below a forgotten one is no longer told from a late one.
 */
import { LRUCache } from 'lru-cache';
import { compareStamps } from './stamp.js';
import type { Stamp } from './stamp.js';

export class LatestStamps {
  readonly #keysMax: number;
  /** Takes memory for all keys at once: null until there is one. */
  #stamps: LRUCache<string, Stamp> | null = null;
  /** The highest time that was forgotten. */
  #forgotten = -1;

  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  /** `newer`: the latest of its key. `older`: a later or the same one was seen. `unsure`: one of them, and forgotten which. */
  see(key: string, stamp: Stamp): 'newer' | 'older' | 'unsure' {
    // What is looked at is not thereby seen: only a newer stamp makes a key the one seen last.
    const latest = this.#stamps?.peek(key);
    if (latest !== undefined && compareStamps(stamp, latest) <= 0) return 'older';
    if (latest === undefined && stamp.time <= this.#forgotten) return 'unsure';
    this.#stamps ??= this.#create();
    this.#stamps.set(key, stamp);
    return 'newer';
  }

  #create(): LRUCache<string, Stamp> {
    return new LRUCache({
      max: this.#keysMax,
      dispose: ({ time }, _key, reason) => {
        if (reason === 'evict') this.#forgotten = Math.max(this.#forgotten, time);
      },
    });
  }
}
