/**
 * How much room the store has for further entries: it keeps it for entries whose claim is under way, and tells the others
 * about it. What it tells are hints (RULES K1), so that it is told seldom: when half of what was told is gone, when much
 * is free again, and at once when nothing is left. A part of the local store, not an actor of its own.
 */
import type { Keyspace, KeyspaceLimits } from '../../store/keyspace.js';

/** What the store tells it, and hears from it. */
export interface VacancyHost {
  now(): number;
  /** Tells the others. */
  advertise(freeBytes: number, freeKeys: number): void;
  /** Calls `advertise` of the vacancy after that time at the latest. */
  remindWithin(ms: number): void;
}

/** Between two adverts, but for the one that nothing is left. */
const ADVERT_PAUSE_MS = 1000;
/** More room is told when this share of a limit has become free. */
const RISE_SHARE = 1 / 16;

export class Vacancy {
  readonly #host: VacancyHost;
  readonly #keyspace: Keyspace;
  readonly #limits: KeyspaceLimits;
  #promisedBytes = 0;
  #promisedKeys = 0;
  /** The share of the limits that was free when the others were told. */
  #toldShare = 0;
  #nextMs = 0;

  constructor(host: VacancyHost, keyspace: Keyspace, limits: KeyspaceLimits) {
    this.#host = host;
    this.#keyspace = keyspace;
    this.#limits = limits;
  }

  /** Entries for which room is kept. */
  get promised(): number {
    return this.#promisedKeys;
  }

  /** Whether one entry more has room beside those for which it is kept. Only expired ones go for it. */
  has(bytes: number): boolean {
    return this.#keyspace.hasRoom(this.#promisedBytes + bytes, this.#promisedKeys + 1, this.#host.now());
  }

  /** Keeps room for one entry. False: there is none, unless entries went for it. */
  promise(bytes: number): boolean {
    if (!this.has(bytes)) return false;
    this.#promisedBytes += bytes;
    this.#promisedKeys += 1;
    return true;
  }

  /** The inverse of `promise`: the entry is to take its room now, or will not come. */
  redeem(bytes: number): void {
    this.#promisedBytes -= bytes;
    this.#promisedKeys -= 1;
  }

  /** Tells the others what room there is, if that is worth telling. */
  advertise(): void {
    const bytes = Math.max(0, this.#keyspace.freeBytes - this.#promisedBytes);
    const keys = Math.max(0, this.#keyspace.freeKeys - this.#promisedKeys);
    const share =
      bytes === 0 || keys === 0 ? 0 : Math.min(bytes / this.#limits.storeBytesMax, keys / this.#limits.keysMax);
    const told = this.#toldShare;
    if (share === told) return;
    const nowMs = this.#host.now();
    if (share > 0) {
      if (2 * share > told && share < told + RISE_SHARE) return;
      if (nowMs < this.#nextMs) return this.#host.remindWithin(this.#nextMs - nowMs);
    }
    this.#toldShare = share;
    this.#nextMs = nowMs + ADVERT_PAUSE_MS;
    this.#host.advertise(bytes, keys);
  }
}
