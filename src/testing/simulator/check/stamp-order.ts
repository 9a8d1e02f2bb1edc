/**
 * What was written after another write of its key had been acknowledged has the higher stamp, whichever nodes owned the
 * key, and also where the key was gone in between (RULES O7, T2). Judged while the membership is stable.
 */
import type { Window } from '../../checker/linearizable.js';
import { showOperation } from '../../checker/operation.js';
import type { Operation } from '../../checker/operation.js';

interface Write {
  readonly operation: Operation;
  readonly time: number;
}

export const checkStampOrder = (history: readonly Operation[], windows: readonly Window[]): string[] => {
  const byKey = new Map<string, Write[]>();
  for (const operation of history) {
    const { key, outcome, invokedMs, returnedMs } = operation;
    if (outcome.type !== 'stored' || outcome.time === undefined) continue;
    if (!windows.some(({ fromMs, toMs }) => invokedMs >= fromMs && returnedMs <= toMs)) continue;
    const write = { operation, time: outcome.time };
    const writes = byKey.get(key);
    if (writes === undefined) byKey.set(key, [write]);
    else writes.push(write);
  }
  return [...byKey.values()].flatMap((writes) => disorderOf(writes));
};

const disorderOf = (writes: readonly Write[]): string[] => {
  const asked = writes.toSorted((a, b) => a.operation.invokedMs - b.operation.invokedMs);
  const answered = writes.toSorted((a, b) => a.operation.returnedMs - b.operation.returnedMs);
  const found: string[] = [];
  let highest: Write | null = null;
  let next = 0;
  for (const { operation, time } of asked) {
    for (let write = answered[next]; write !== undefined; write = answered[next]) {
      if (write.operation.returnedMs >= operation.invokedMs) break;
      if (highest === null || write.time > highest.time) highest = write;
      next += 1;
    }
    if (highest !== null && highest.time >= time) {
      found.push(
        `${showOperation(operation)} is of ${time}, and ${showOperation(highest.operation)} of ${highest.time}`,
      );
    }
  }
  return found;
};
