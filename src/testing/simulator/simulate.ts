/** One simulated swarm, drawn from a seed, run and judged. A failing seed fails again, and in the same way. */
import { drawPlan } from './draw-plan.js';
import { judge } from './invariants.js';
import type { Violation } from './invariants.js';
import { metBy } from './met.js';
import type { Plan } from './plan.js';
import { runPlan } from './run-plan.js';
import type { RunWatcher } from './run-plan.js';

export interface SimulationResult {
  readonly plan: Plan;
  readonly violations: readonly Violation[];
  readonly traceHash: string;
  readonly virtualMs: number;
  readonly events: number;
  readonly requests: number;
  readonly faults: ReadonlyMap<string, number>;
  /** Requests that ended otherwise than in a result, by code. */
  readonly refusals: ReadonlyMap<string, number>;
  readonly counters: ReadonlyMap<string, number>;
  /** What the checkers met. */
  readonly met: ReadonlyMap<string, number>;
  readonly undecided: number;
}

export const simulate = (seed: number): SimulationResult => simulatePlan(drawPlan(seed));

export const simulatePlan = (plan: Plan, watcher: RunWatcher | null = null): SimulationResult => {
  const { evidence, traceHash, virtualMs, events, faults } = runPlan(plan, watcher);
  const { violations, undecided } = judge(evidence);
  const refusals = new Map<string, number>();
  for (const { outcome } of evidence.history) {
    const name = outcome.type === 'refused' ? outcome.code : outcome.type === 'lost' ? 'lost' : null;
    if (name !== null) refusals.set(name, (refusals.get(name) ?? 0) + 1);
  }
  const requests = evidence.history.length;
  const { counters } = evidence;
  const met = metBy(evidence);
  return { plan, violations, traceHash, virtualMs, events, requests, faults, refusals, counters, met, undecided };
};
