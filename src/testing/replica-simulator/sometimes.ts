/** Rare paths that many runs must have reached: counters of nodes, what befell writers, faults that happened. */
import type { ReplicaResult } from './simulate.js';

export const SOMETIMES: readonly string[] = [
  'fault.cut',
  'fault.half-open',
  'fault.crash',
  'fault.pause',
  'fault.leave',
  'fault.set-back',
  'fault.compact',
  'fault.join-peers',
  'actions.move',
  'actions.offline',
  'actions.restart',
  'writers.stuck',
  'writers.rebase',
  'writers.rebase by name',
  'writers.closed',
  'databases.waited',
  'databases.waitedInVain',
  'databases.opsKnown',
  'databases.opsMentioned',
  'databases.resends',
  'databases.woken',
  'databases.gaps',
  'databases.forks',
  'databases.statesSent',
  'databases.statesTaken',
  'databases.statesPatched',
  'databases.compactions',
  'databases.strays',
];

export class ReplicaSometimes {
  readonly #counts = new Map<string, number>(SOMETIMES.map((name) => [name, 0]));

  add({ counters, faults }: ReplicaResult): void {
    this.#addAll('', counters);
    this.#addAll('fault.', faults);
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
