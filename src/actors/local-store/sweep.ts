/** Removes entries whose time has come, some at a time. A part of the local store, not an actor of its own. */
import type { Keyspace } from '../../store/keyspace.js';
import type { Tick } from '../message.js';
import type { Self } from '../runtime/kind.js';

/** Expired entries are removed at most this long after their time; until then they take room, but are never answered. */
const SWEEP_MS = 1000;
/** Entries that one sweep removes at most, so that it stays a short turn. */
const SWEEP_COUNT_MAX = 5000;
/** Pause after a sweep that left some. */
const SWEEP_AGAIN_MS = 20;

export class Sweep {
  readonly #self: Self<Tick>;
  readonly #keyspace: Keyspace;
  #isDue = false;

  constructor(self: Self<Tick>, keyspace: Keyspace) {
    this.#self = self;
    this.#keyspace = keyspace;
  }

  /** There may be entries that expire now: sees to it that they will be removed. */
  plan(delayMs = SWEEP_MS): void {
    if (this.#isDue || this.#keyspace.nextExpiryMs === null) return;
    this.#isDue = true;
    this.#self.after(delayMs, { type: 'tick' });
  }

  onTick(): void {
    this.#isDue = false;
    const count = this.#keyspace.expire(this.#self.now(), SWEEP_COUNT_MAX);
    this.plan(count === SWEEP_COUNT_MAX ? SWEEP_AGAIN_MS : SWEEP_MS);
  }
}
