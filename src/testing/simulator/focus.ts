/**
 * What a run is about. Some paths are reached only where several rare things come together: a node leaves while others
 * do, a key is deleted on one side of a partition and written on the other. In such runs they happen again and again, in
 * small swarms, on few keys; in all others anything may happen.
 */
import type { Random } from '../../actors/runtime/env.js';
import type { Settings } from '../../actors/settings.js';
import type { FaultKind } from './plan.js';

export interface Focus {
  /** What may happen; what stands here more often happens more often. */
  readonly faults: readonly FaultKind[];
  readonly faultsMin: number;
  /** Half of the faults come so soon after the one before. */
  readonly pairedWithinMs: number;
  /** How long a node is gone, or a link cut, at most. */
  readonly lastsMsMax: number;
  readonly settings: Partial<Settings>;
  /** Of latencies, which are spread exponentially: what is sent first then often comes last. */
  readonly extraMsMax: number;
  readonly coldKeysMax: number;
  /** Keys are used for so long, then others: what became of them is seen in the end. */
  readonly keysLastMs: number;
  readonly expires: boolean;
  readonly ttlMsMax: number;
  /** In percent. */
  readonly readsMax: number;
  readonly deletesMax: number;
}

const FOCUSES = {
  /** Entries move from node to node, and the view changes while they do. */
  leaving: {
    faults: ['leave', 'leave', 'leave', 'join', 'clog', 'reset'],
    faultsMin: 12,
    pairedWithinMs: 250,
    lastsMsMax: 1500,
    settings: {},
    extraMsMax: 40,
    coldKeysMax: 20,
    keysLastMs: 10_000,
    expires: true,
    ttlMsMax: 3000,
    readsMax: 30,
    deletesMax: 18,
  },
  /** Parts of the swarm write the same keys, and meet again. */
  parting: {
    faults: ['cut', 'cut', 'reset', 'half-open', 'leave'],
    faultsMin: 8,
    pairedWithinMs: 1500,
    lastsMsMax: 5000,
    settings: { missedMs: 800, heartbeatMs: 150, heartbeatTimeoutMs: 700 },
    extraMsMax: 40,
    coldKeysMax: 10,
    keysLastMs: 7000,
    expires: false,
    ttlMsMax: 5000,
    readsMax: 20,
    deletesMax: 30,
  },
  /** Nodes are back before they are missed, and links before anybody heard of it. */
  flapping: {
    faults: ['crash', 'crash', 'reset', 'clog', 'pause', 'cut'],
    faultsMin: 10,
    pairedWithinMs: 300,
    lastsMsMax: 700,
    settings: {},
    extraMsMax: 25,
    coldKeysMax: 30,
    keysLastMs: 8000,
    expires: false,
    ttlMsMax: 5000,
    readsMax: 40,
    deletesMax: 18,
  },
  /** Keys come and go at nodes whose clocks differ. */
  passing: {
    faults: ['clock-jump', 'clock-jump', 'clock-drift', 'clog', 'join'],
    faultsMin: 8,
    pairedWithinMs: 200,
    lastsMsMax: 2000,
    settings: { keysMax: 4 },
    extraMsMax: 15,
    coldKeysMax: 8,
    keysLastMs: 60_000,
    expires: true,
    ttlMsMax: 150,
    readsMax: 20,
    deletesMax: 12,
  },
} as const satisfies Record<string, Focus>;

/** Null: anything may happen. */
export const drawFocus = (random: Random): Focus | null => {
  const all: readonly Focus[] = Object.values(FOCUSES);
  return random.below(2) === 0 ? null : (all[random.below(all.length)] as Focus);
};
