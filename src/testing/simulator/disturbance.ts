/** What faults disturb. Which of them leave the membership of a swarm as it is, so that C3 holds through them, and when the others do not. */
import type { Settings } from '../../actors/settings.js';
import type { Window } from '../checker/linearizable.js';
import type { Disturbance } from './evidence.js';
import { areDispensable, isRedundant } from './graph.js';
import type { Plan, PlannedFault } from './plan.js';

/** Part of the heartbeat time-out for which a link or a node may stand still and not be taken for dead. */
const HARMLESS_SHARE = 0.4;

export const harmlessMs = ({ heartbeatTimeoutMs }: Pick<Settings, 'heartbeatTimeoutMs'>): number =>
  heartbeatTimeoutMs * HARMLESS_SHARE;

/** The fault may change who sees whom, or what is stored. */
export const disturbs = (fault: PlannedFault, plan: Plan, settings: Pick<Settings, 'heartbeatTimeoutMs'>): boolean => {
  switch (fault.kind) {
    case 'clog':
    case 'pause':
      // Two at once may add up.
      return fault.forMs > harmlessMs(settings) || overlaps(fault, fault.forMs, plan.faults);
    case 'reset':
      return (
        !isRedundant(plan.nodes, plan.edges, fault.edge, lateAt(plan, fault.atMs)) || overlaps(fault, 0, plan.faults)
      );
    case 'clock-jump':
    case 'clock-drift':
    case 'join':
      return false;
    case 'leave': {
      const isDispensable = areDispensable(plan.nodes, plan.edges, lateAt(plan, fault.atMs).add(fault.node));
      // Small stores may have no room for what the leaving node has.
      const isTight = plan.settings.keysMax !== undefined || plan.settings.storeBytesMax !== undefined;
      return !isDispensable || isTight || overlaps(fault, fault.forMs, plan.faults);
    }
    default:
      return true;
  }
};

/** The nodes that have not joined by then. */
const lateAt = (plan: Plan, atMs: number): Set<number> =>
  new Set(plan.faults.flatMap((fault) => (fault.kind === 'join' && fault.atMs >= atMs ? [fault.node] : [])));

/** Windows of a run in which the membership is stable, in ms of the run; the second is there once it has settled. */
export const stableWindows = (
  plan: Plan,
  settings: Pick<Settings, 'heartbeatTimeoutMs'>,
  startMs: number,
  settledMs: number,
): Window[] => {
  const firstMs = Math.min(...plan.faults.filter((fault) => disturbs(fault, plan, settings)).map(({ atMs }) => atMs));
  if (firstMs === Infinity) return [{ fromMs: 0, toMs: Infinity, startsEmpty: true }];
  return [
    { fromMs: 0, toMs: startMs + firstMs, startsEmpty: true },
    { fromMs: settledMs, toMs: Infinity, startsEmpty: false },
  ];
};

/** Time that a link needs to heal after a fault: a backed-off dial, and what follows. */
const AFTERMATH_MS = 12_000;

/** Another fault lasts, or its aftermath, while this one does. */
const overlaps = (fault: PlannedFault, forMs: number, all: readonly PlannedFault[]): boolean =>
  all.some((other) => {
    const lastsMs = other === fault ? 0 : durationMs(other);
    return lastsMs > 0 && fault.atMs <= other.atMs + lastsMs && other.atMs <= fault.atMs + forMs;
  });

const durationMs = (fault: PlannedFault): number => {
  switch (fault.kind) {
    case 'clock-jump':
    case 'clock-drift':
      return 0;
    case 'clog':
    case 'pause':
      return fault.forMs;
    case 'join':
    case 'reset':
      return AFTERMATH_MS;
    default:
      return fault.forMs + AFTERMATH_MS;
  }
};

/** What stands still or is cut off by a fault, until all has come back. `earlier`: disturbances before it. */
export const disturbanceOf = (fault: PlannedFault, nowMs: number, earlier: number): Disturbance | null => {
  const lastsMs = durationMs(fault);
  if (lastsMs === 0) return null;
  // What vanishes again and again is let in again later and later (RULES V7).
  const toMs = nowMs + lastsMs + (earlier + 1) * READMISSION_MS;
  const edges = 'edge' in fault ? [fault.edge] : 'edges' in fault ? fault.edges : [];
  return {
    fromMs: nowMs,
    endedMs: nowMs + ('forMs' in fault ? fault.forMs : 0),
    toMs,
    nodes: 'node' in fault ? [fault.node] : [],
    edges,
    pausedNode: fault.kind === 'pause' ? fault.node : null,
  };
};

const READMISSION_MS = 5000;
