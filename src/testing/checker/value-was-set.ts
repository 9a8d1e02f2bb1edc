/**
 * A value that is read was set before, for that key, by a request that was not refused: nothing is made up, mixed up, or
 * known in advance.
 */
import { isAnswered, isUncertain, showOperation } from './operation.js';
import type { Operation } from './operation.js';

export const checkValueWasSet = (history: readonly Operation[]): string[] => {
  const sets = new Map<number, Operation>();
  const counted = new Set<string>();
  for (const operation of history) {
    if (operation.kind === 'set') sets.set(operation.number, operation);
    if (operation.kind === 'incr') counted.add(operation.key);
  }
  return history
    .filter((operation) => {
      const { kind, key, outcome, returnedMs } = operation;
      if (kind !== 'get' || outcome.type !== 'value' || counted.has(key)) return false;
      const set = sets.get(outcome.value);
      if (set === undefined || set.key !== key || set.invokedMs > returnedMs) return true;
      return !isAnswered(set) && !isUncertain(set);
    })
    .map((operation) => `never set: ${showOperation(operation)}`);
};
