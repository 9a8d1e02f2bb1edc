/** One simulated database, run and judged. */
import type { Violation } from '../simulator/invariants.js';
import { judgeReplicas } from './invariants.js';
import type { ReplicaPlan } from './plan.js';
import { runReplicaPlan } from './run-plan.js';
import type { ReplicaWatcher } from './run-plan.js';

export interface ReplicaResult {
  readonly plan: ReplicaPlan;
  readonly violations: readonly Violation[];
  readonly traceHash: string;
  readonly virtualMs: number;
  readonly ops: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly counters: ReadonlyMap<string, number>;
}

export const simulateReplicaPlan = async (
  plan: ReplicaPlan,
  watcher: ReplicaWatcher | null = null,
): Promise<ReplicaResult> => {
  const { evidence, traceHash, virtualMs, faults } = await runReplicaPlan(plan, watcher);
  const { ops, counters } = evidence;
  return { plan, violations: judgeReplicas(evidence), traceHash, virtualMs, ops: ops.length, faults, counters };
};
