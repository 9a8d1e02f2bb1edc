/**
 * No acknowledged write is lost without a crash of its owner: a key that was set, and that nobody can have removed
 * since, is stored somewhere when all has settled.
 */
import { isAnswered, isUncertain, showOperation } from '../../checker/operation.js';
import type { Operation } from '../../checker/operation.js';
import type { NodeEvidence } from '../evidence.js';

export interface LostWriteContext {
  readonly nodes: readonly NodeEvidence[];
  /** By key: when a node last went with a copy of it. */
  readonly goneWithNode: ReadonlyMap<string, number>;
  /** From then on the swarm may have been in parts; infinite if it never was. */
  readonly partsFromMs: number;
}

export const checkNoLostWrite = (
  history: readonly Operation[],
  { nodes, goneWithNode, partsFromMs }: LostWriteContext,
): string[] => {
  const stored = new Set<string>();
  for (const { entries } of nodes) for (const [key, { value }] of entries) if (value !== null) stored.add(key);
  const kept = new Map<string, Operation>();
  for (const operation of history) {
    if (operation.kind === 'set' && operation.outcome.type === 'stored') {
      if ((kept.get(operation.key)?.invokedMs ?? -Infinity) < operation.invokedMs) kept.set(operation.key, operation);
    }
  }
  // What gives an entry an end may have come after the write, whenever it was asked for.
  for (const operation of history) {
    const write = kept.get(operation.key);
    if (write === undefined) continue;
    // Between parts stamps decide, and a clock that was ahead lets an earlier delete win (C6).
    if (operation.returnedMs < write.invokedMs && write.invokedMs < partsFromMs) continue;
    if (mayRemove(operation)) kept.delete(operation.key);
  }
  return [...kept.values()]
    .filter(({ key, invokedMs }) => !stored.has(key) && (goneWithNode.get(key) ?? -Infinity) < invokedMs)
    .map((write) => `${write.key} is nowhere: ${showOperation(write)}`);
};

const mayRemove = (operation: Operation): boolean =>
  (operation.kind === 'delete' || operation.ttlMs > 0) && (isAnswered(operation) || isUncertain(operation));
