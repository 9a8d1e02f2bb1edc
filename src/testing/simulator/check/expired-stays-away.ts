/**
 * C9: an expired value is never returned, wherever its entry has moved meanwhile (RULES T4). Values are unique, so that
 * each read tells of its own `set`; what a `touch` may have given a longer life is left out.
 */
import { isAnswered, isUncertain, showOperation } from '../../checker/operation.js';
import type { Operation } from '../../checker/operation.js';

/** `slackMs`: what entries may have spent on their way from node to node, which nobody counts. */
export const checkExpiredStaysAway = (history: readonly Operation[], slackMs: number): string[] => {
  const sets = new Map<number, Operation>();
  const changed = new Set<string>();
  for (const operation of history) {
    const { kind, key, number, ttlMs } = operation;
    if (kind === 'set' && ttlMs > 0) sets.set(number, operation);
    if (kind === 'incr' || (kind === 'touch' && (isAnswered(operation) || isUncertain(operation)))) changed.add(key);
  }
  return history.flatMap((operation) => {
    const { kind, key, outcome, invokedMs } = operation;
    if (kind !== 'get' || outcome.type !== 'value' || changed.has(key)) return [];
    const set = sets.get(outcome.value);
    if (set === undefined || set.returnedMs + set.ttlMs + slackMs >= invokedMs) return [];
    return [`${showOperation(operation)}, of ${showOperation(set)}`];
  });
};
