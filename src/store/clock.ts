/**
 * The hybrid logical clock of one node: times that follow the wall clock where it goes forward, and that are above
 * every time the node has issued or heard, so that what follows from something also has the higher stamp.
 */
import type { NodeId } from './node-id.js';
import { timeOfMs } from './stamp.js';

/**
 * A time above is nobody's clock and is not taken note of: so much has to be left before the end of what a stamp can
 * hold that one wrong word can't stop a swarm from issuing stamps.
 */
const HEARD_MAX = Number.MAX_SAFE_INTEGER - 2 ** 40;

export class HybridClock {
  /** The origin of the stamps made from these times. */
  readonly origin: NodeId;
  #last = 0;

  constructor(origin: NodeId) {
    this.origin = origin;
  }

  /** The highest time issued or heard so far. */
  get last(): number {
    return this.#last;
  }

  /** A new time. After 4,096 of one millisecond the count carries over: the clock then runs ahead of the wall. */
  tick(wallMs: number): number {
    this.#last = Math.max(this.#last + 1, timeOfMs(wallMs));
    return this.#last;
  }

  /** Takes note of a time from elsewhere: a message, a greeting, the disk. */
  observe(time: number): void {
    if (time > this.#last && time <= HEARD_MAX) this.#last = time;
  }
}
