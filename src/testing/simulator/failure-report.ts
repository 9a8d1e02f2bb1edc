/** A failed run for people: seed, invariant, the smallest plan that fails in the same way, and its last events. */
import { EventLog } from './event-log.js';
import type { Plan } from './plan.js';
import { shrinkPlan } from './shrink.js';
import { simulatePlan } from './simulate.js';
import type { SimulationResult } from './simulate.js';

const VIOLATIONS_SHOWN = 5;
const EVENTS_SHOWN = 60;
const PLAN_LENGTH_MAX = 8000;

/** `isOver`: no more time to shrink the plan. */
export const reportFailure = (result: SimulationResult, isOver: () => boolean): string => {
  const { plan, violations } = result;
  const invariant = violations[0]?.invariant ?? '';
  const lines = [
    `seed ${plan.seed} FAILED: ${invariant}; again: make sim ${plan.about === null ? '' : `OF=probes PROBE=${plan.about} `}SEED=${plan.seed} RUNS=1`,
    ...violations.slice(0, VIOLATIONS_SHOWN).map((violation) => `  ${violation.invariant}: ${violation.text}`),
  ];
  if (violations.length > VIOLATIONS_SHOWN) lines.push(`  and ${violations.length - VIOLATIONS_SHOWN} more`);
  const isSame = (candidate: Plan): boolean =>
    simulatePlan(candidate).violations.some((violation) => violation.invariant === invariant);
  const small = shrinkPlan(plan, isSame, isOver);
  const log = new EventLog();
  const again = simulatePlan(small, log);
  const violation = again.violations.find((other) => other.invariant === invariant);
  const { faults, requests, nodes } = small;
  lines.push(
    `  shrunk from ${showSize(plan)} to ${showSize({ faults, requests, nodes })}:`,
    `  ${JSON.stringify(small).slice(0, PLAN_LENGTH_MAX)}`,
    `  ${violation?.invariant}: ${violation?.text}`,
    '  last events:',
    ...log.last(EVENTS_SHOWN, violation?.atMs ?? Infinity, violation?.key ?? null).map((line) => `    ${line}`),
  );
  return lines.join('\n');
};

const showSize = ({ nodes, faults, requests }: Pick<Plan, 'nodes' | 'faults' | 'requests'>): string =>
  `${nodes} nodes, ${faults.length} faults, ${requests.length} requests`;
