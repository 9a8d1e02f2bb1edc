/**
 * An entry's end is the one that its `set` gave it, wherever it has moved meanwhile: the remaining time to live never
 * grows by moving (RULES T4). Values are unique, so that each entry tells of its own `set`.
 */
import { isAnswered, isUncertain, showOperation } from '../../checker/operation.js';
import type { Operation } from '../../checker/operation.js';
import type { NodeEvidence } from '../evidence.js';

/** `slackMs`: what an entry may have spent on its way from node to node, which nobody counts. */
export const checkLivesEnd = (
  history: readonly Operation[],
  nodes: readonly NodeEvidence[],
  slackMs: number,
): string[] => {
  const sets = new Map<number, Operation>();
  const touched = new Set<string>();
  for (const operation of history) {
    const { kind, key, number, ttlMs, outcome } = operation;
    if (kind === 'set' && ttlMs > 0 && outcome.type === 'stored') sets.set(number, operation);
    if (kind === 'incr' || (kind === 'touch' && (isAnswered(operation) || isUncertain(operation)))) touched.add(key);
  }
  return nodes.flatMap(({ node, entries }) =>
    [...entries].flatMap(([key, { value, expiresAtMs }]) => {
      const set = value === null || touched.has(key) ? undefined : sets.get(value);
      if (set === undefined) return [];
      const endMs = set.returnedMs + set.ttlMs + slackMs;
      if (expiresAtMs > 0 && expiresAtMs <= endMs) return [];
      const end = expiresAtMs === 0 ? 'never' : `at ${expiresAtMs.toFixed(1)}`;
      return [`${key} at n${node} ends ${end}, of ${showOperation(set)}`];
    }),
  );
};
