/**
 * Requests that other nodes passed here, waiting for the one before them: of those that one node passed for one key, one
 * at a time is in the hands of the finder, so that they keep their order. Those that had been passed on before come from
 * sessions of other nodes than those that had not, and do not wait for each other: then no circle of nodes, each without
 * room, can wait for itself (RULES K1).
 */
import type { CacheRequest } from '../../transport/message.js';
import type { Passed } from '../message.js';

export class PassedLine {
  readonly #waiting = new Map<string, Passed[]>();
  readonly #waitingMax: number;
  #waitingCount = 0;

  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax;
  }

  /** Requests in the hands of the finder. */
  get openCount(): number {
    return this.#waiting.size;
  }

  get waitingCount(): number {
    return this.#waitingCount;
  }

  /** The request is in the hands of the finder from now on. */
  open(passed: Passed): void {
    this.#waiting.set(nameOf(passed), []);
  }

  /** `free`: none is before it. `waits`: until that one is closed. `full`: too many wait. */
  join(passed: Passed): 'free' | 'waits' | 'full' {
    const waiting = this.#waiting.size === 0 ? undefined : this.#waiting.get(nameOf(passed));
    if (waiting === undefined) return 'free';
    if (this.#waitingCount >= this.#waitingMax) return 'full';
    waiting.push(passed);
    this.#waitingCount += 1;
    return 'waits';
  }

  /** The request has ended: those that waited for it, in their order. */
  close(passed: Passed): Passed[] {
    const waiting = this.#waiting.get(nameOf(passed)) ?? [];
    this.#waiting.delete(nameOf(passed));
    this.#waitingCount -= waiting.length;
    return waiting;
  }
}

function nameOf({ forward: { from, passes, message } }: Passed): string {
  return `${from} ${passes} ${(message as CacheRequest).key}`;
}
