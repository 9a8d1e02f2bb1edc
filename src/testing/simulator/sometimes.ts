/**
 * Rare paths that must have been reached over many runs: a check that never met what it is for proves nothing. Each has
 * a name and is a counter of a node (`finder.notMine`), a fault that happened, or what a checker met.
 */
import { RarePaths } from '../rare-paths.js';
import type { SimulationResult } from './simulate.js';

/** In plans and in probes. */
const IN_BOTH: readonly string[] = [
  'finder.notMine',
  'finder.searchesRepeated',
  'finder.resent',
  'finder.passedOn',
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
  'store.evicted',
  'store.expired',
];

const SOMETIMES: readonly string[] = [
  ...IN_BOTH,
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
  'finder.lateAnswers',
  'finder.noRoom',
  'links.silent',
  'links.lost',
  'router.duplicates',
  'router.unrouted',
  'router.searchesExpired',
  'sessions.tooMany',
  'refused.CONFLICT',
  'checker.uncertain write was read',
  'checker.window after faults',
  'checker.window through faults',
  'checker.requests of one session overlapped',
];

/** What probes are there for. */
const SOMETIMES_IN_PROBES: readonly string[] = [
  ...IN_BOTH,
  'store.dangling',
  'store.early',
  'store.repeated',
  'store.late',
];

/** Sums over runs. */
export const sometimes = (areProbes: boolean): RarePaths => new RarePaths(areProbes ? SOMETIMES_IN_PROBES : SOMETIMES);

export const noteRun = (paths: RarePaths, { counters, faults, refusals, met }: SimulationResult): void => {
  paths.addAll('', counters);
  paths.addAll('fault.', faults);
  paths.addAll('refused.', refusals);
  paths.addAll('checker.', met);
};
