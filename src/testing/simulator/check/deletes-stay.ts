/**
 * What was acknowledged before a delete was asked for does not come back from wherever it was meanwhile (C6), also where
 * the delete found nothing (RULES T1). Judged where all clocks agree, so that stamps follow time; what was written in place
 * of the delete's memory and has expired leaves none.
 */
import { isUncertain, showOperation } from '../../checker/operation.js';
import type { Operation } from '../../checker/operation.js';
import type { NodeEvidence } from '../evidence.js';

export const checkDeletesStay = (
  history: readonly Operation[],
  nodes: readonly NodeEvidence[],
  /** By key: when a node last went with a copy of it, or with the memory of its delete. */
  goneWithNode: ReadonlyMap<string, number>,
): string[] => {
  const sets = new Map<number, Operation>();
  const deletes = new Map<string, Operation>();
  const counted = new Set<string>();
  /** When a write with an end was answered last. */
  const ending = new Map<string, number>();
  for (const operation of history) {
    const { kind, key, number, outcome } = operation;
    if (kind === 'set') sets.set(number, operation);
    if (kind === 'incr') counted.add(key);
    if (operation.ttlMs > 0) {
      const atMs = isUncertain(operation) ? Infinity : operation.returnedMs;
      ending.set(key, Math.max(ending.get(key) ?? 0, atMs));
    }
    if (outcome.type === 'deleted') deletes.set(key, operation);
  }
  return nodes.flatMap(({ node, entries }) =>
    [...entries].flatMap(([key, { value }]) => {
      const set = value === null || counted.has(key) ? undefined : sets.get(value);
      const last = deletes.get(key);
      if (set?.outcome.type !== 'stored' || last === undefined || set.returnedMs >= last.invokedMs) return [];
      if ((ending.get(key) ?? -Infinity) >= last.invokedMs) return [];
      if ((goneWithNode.get(key) ?? -Infinity) >= last.invokedMs) return [];
      return [`n${node} has ${showOperation(set)}, in spite of ${showOperation(last)}`];
    }),
  );
};
