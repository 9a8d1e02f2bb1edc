/** What faults disturb. Which of them leave the membership of a swarm as it is, so that C3 holds through them, and when the others do not. */
import type { Settings } from '../../actors/settings.js';
import type { Window } from '../checker/linearizable.js';
import type { Disturbance } from './evidence.js';
import { areDispensable, isSameEdge } from './graph.js';
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
      return fault.forMs > harmlessMs(settings) || overlaps(fault, fault.forMs, plan.faults.filter(standsStill));
    case 'reset':
      return !isWhole(plan, fault);
    case 'clock-jump':
    case 'clock-drift':
      return false;
    case 'join':
      return startsAlone(plan, fault.node);
    case 'leave': {
      // Small stores may have no room for what the leaving node has.
      const isTight = plan.settings.keysMax !== undefined || plan.settings.storeBytesMax !== undefined;
      return isTight || startsAlone(plan, fault.node) || !isWhole(plan, fault);
    }
    default:
      return true;
  }
};

/** A node that dials nobody is a swarm of its own, and serves as such, until somebody dials it (RULES V4). */
const startsAlone = ({ edges }: Plan, node: number): boolean => !edges.some(([from]) => from === node);

const standsStill = ({ kind }: PlannedFault): boolean => kind === 'clog' || kind === 'pause';

/**
 * Whether all that is there at that time hangs together without what such faults take away for a while. A node that has
 * just joined, or is about to go, has to be reached by the others, and can't be counted on.
 */
const isWhole = (plan: Plan, fault: PlannedFault): boolean => {
  const late = lateAt(plan, fault.atMs);
  const own = fault.kind === 'leave' ? [fault.node] : [];
  const passing = new Set<number>();
  let { edges } = plan;
  for (const other of plan.faults) {
    if (other !== fault && !overlaps(fault, 0, [other])) continue;
    if (other.kind === 'reset') edges = edges.filter((edge) => !isSameEdge(edge, other.edge));
    if ((other.kind === 'leave' || other.kind === 'join') && !late.has(other.node)) passing.add(other.node);
  }
  for (const node of own) passing.delete(node);
  const isConnected = (gone: Iterable<number>): boolean =>
    areDispensable(plan.nodes, edges, new Set([...late, ...own, ...gone]));
  if (!isConnected([]) || !isConnected(passing)) return false;
  return [...passing].every((node) => isConnected([...passing].filter((other) => other !== node)));
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
  /** When a node first went with what it had. */
  lossMs: number,
): Window[] => {
  const disturbing = plan.faults.filter((fault) => disturbs(fault, plan, settings));
  const toMs = Math.min(lossMs, ...disturbing.map(({ atMs }) => startMs + atMs));
  if (toMs === Infinity) return [{ fromMs: 0, toMs, startsEmpty: true }];
  return [
    { fromMs: 0, toMs, startsEmpty: true },
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
