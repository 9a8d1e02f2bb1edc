/**
 * Each request gets exactly one reply or refusal, by its deadline; none is owed to a client whose connection was lost.
 */
import { showOperation } from './operation.js';
import type { Operation } from './operation.js';

/** `deadlineMs`: when the reply to the operation must have come at the latest. */
export const checkAnsweredOnce = (
  history: readonly Operation[],
  deadlineMs: (operation: Operation) => number,
  endMs: number,
): string[] => {
  const found: string[] = [];
  for (const operation of history) {
    const { outcome, replyCount, returnedMs } = operation;
    if (replyCount > 1) found.push(`${replyCount} replies: ${showOperation(operation)}`);
    const dueMs = deadlineMs(operation);
    if (outcome.type === 'open') {
      if (dueMs < endMs) found.push(`no reply: ${showOperation(operation)}`);
    } else if (outcome.type !== 'lost' && returnedMs > dueMs) {
      found.push(`late by ${(returnedMs - dueMs).toFixed(1)} ms: ${showOperation(operation)}`);
    }
  }
  return found;
};
