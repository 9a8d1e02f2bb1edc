/**
 * What was acknowledged before a delete was asked for does not come back from wherever it was meanwhile (C6), also where
 * the delete found nothing (RULES T1). Judged where all clocks agree, so that stamps follow time.
 */
import { showOperation } from '../../checker/operation.js';
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
  for (const operation of history) {
    const { kind, key, number, outcome } = operation;
    if (kind === 'set') sets.set(number, operation);
    if (kind === 'incr') counted.add(key);
    if (outcome.type === 'deleted') deletes.set(key, operation);
  }
  return nodes.flatMap(({ node, entries }) =>
    [...entries].flatMap(([key, { value }]) => {
      const set = value === null || counted.has(key) ? undefined : sets.get(value);
      const last = deletes.get(key);
      if (set?.outcome.type !== 'stored' || last === undefined || set.returnedMs >= last.invokedMs) return [];
      if ((goneWithNode.get(key) ?? -Infinity) >= last.invokedMs) return [];
      return [`n${node} has ${showOperation(set)}, in spite of ${showOperation(last)}`];
    }),
  );
};
