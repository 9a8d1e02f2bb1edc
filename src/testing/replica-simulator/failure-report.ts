/** A failed run for people: seed, invariant, the smallest plan that fails in the same way, and its last events. */
import { EventLog } from '../simulator/event-log.js';
import { shrinkReplicaPlan } from './shrink.js';
import { simulateReplicaPlan } from './simulate.js';
import type { ReplicaResult } from './simulate.js';

const VIOLATIONS_SHOWN = 6;
const PLAN_LENGTH_MAX = 8000;

/** `isOver`: no more time to shrink the plan. `again`: the command that runs it once more. */
export const reportReplicaFailure = async (
  { plan, violations }: ReplicaResult,
  isOver: () => boolean,
  eventsShown: number,
  again: string,
): Promise<string> => {
  const invariant = violations[0]?.invariant ?? '';
  const lines = [
    `seed ${plan.seed} FAILED: ${invariant}; again: ${again}`,
    ...violations.slice(0, VIOLATIONS_SHOWN).map((violation) => `  ${violation.invariant}: ${violation.text}`),
  ];
  if (violations.length > VIOLATIONS_SHOWN) lines.push(`  and ${violations.length - VIOLATIONS_SHOWN} more`);
  if (isOver()) return lines.join('\n');
  const small = await shrinkReplicaPlan(
    plan,
    async (candidate) =>
      (await simulateReplicaPlan(candidate)).violations.some((other) => other.invariant === invariant),
    isOver,
  );
  const log = new EventLog();
  const shrunk = await simulateReplicaPlan(small, log);
  const violation = shrunk.violations.find((other) => other.invariant === invariant);
  lines.push(
    `  shrunk from ${plan.faults.length} faults and ${plan.actions.length} actions to ${small.faults.length} and ${small.actions.length}:`,
    `  ${JSON.stringify(small).slice(0, PLAN_LENGTH_MAX)}`,
    ...shrunk.violations.map((other) => `  ${other.invariant}: ${other.text}`),
    '  last events:',
    ...log.last(eventsShown, violation?.atMs ?? Infinity, null).map((line) => `    ${line}`),
  );
  return lines.join('\n');
};
