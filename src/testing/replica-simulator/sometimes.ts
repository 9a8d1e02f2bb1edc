/** Rare paths that many runs must have reached: counters of nodes, what befell writers, faults that happened. */
import { RarePaths } from '../rare-paths.js';
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

/** Sums over runs. */
export const sometimes = (): RarePaths => new RarePaths(SOMETIMES);

export const noteRun = (paths: RarePaths, { counters, faults }: ReplicaResult): void => {
  paths.addAll('', counters);
  paths.addAll('fault.', faults);
};
