/**
 * Rare paths that must have been reached over many runs: a check that never met what it is for proves nothing. Each has
 * a name and is a counter of a node (`finder.notMine`), a fault that happened, or what a checker met.
 */
import type { SimulationResult } from './simulate.js';

export const SOMETIMES: readonly string[] = [
  'fault.clog',
  'fault.reset',
  'fault.cut',
  'fault.half-open',
  'fault.crash',
  'fault.pause',
  'fault.clock-jump',
  'fault.clock-drift',
  'fault.leave',
  'fault.join',
  'refused.BUSY',
  'refused.TIMEOUT',
  'refused.UNKNOWN',
  'refused.DRAINING',
  'refused.OVER_CAPACITY',
  'refused.lost',
  'finder.notMine',
  'finder.searchesRepeated',
  'finder.resent',
  'finder.lateAnswers',
  'finder.passedOn',
  'finder.noRoom',
  'links.silent',
  'links.lost',
  'router.duplicates',
  'router.unrouted',
  'router.searchesExpired',
  'sessions.tooMany',
  'refused.CONFLICT',
  'directory.contests',
  'directory.returnedUnnoticed',
  'directory.releasesIgnored',
  'directory.stale',
  'directory.unsettled',
  'store.claimsDiscarded',
  'store.merged',
  'store.stopped',
  'store.heldCompared',
  'store.heldIncoming',
  'store.handoversCrossed',
  'store.recovered',
  'store.passedHere',
  'store.late',
  'store.evicted',
  'store.expired',
  'checker.uncertain write was read',
  'checker.window after faults',
  'checker.window through faults',
  'checker.requests of one session overlapped',
];

/** Sums over runs. */
export class Sometimes {
  readonly #counts = new Map<string, number>(SOMETIMES.map((name) => [name, 0]));

  add({ counters, faults, refusals, met }: SimulationResult): void {
    this.#addAll('', counters);
    this.#addAll('fault.', faults);
    this.#addAll('refused.', refusals);
    this.#addAll('checker.', met);
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** What no run has reached. */
  get never(): string[] {
    return [...this.#counts].filter(([, count]) => count === 0).map(([name]) => name);
  }

  #addAll(prefix: string, counts: ReadonlyMap<string, number>): void {
    for (const [name, count] of counts) {
      const known = this.#counts.get(prefix + name);
      if (known !== undefined) this.#counts.set(prefix + name, known + count);
    }
  }
}
