/** A swarm that has settled answers: no key is left out of reach by what happened before. */
import { isAnswered, showOperation } from '../../checker/operation.js';
import type { Operation } from '../../checker/operation.js';

export const checkAnswersWhenSettled = (asked: readonly Operation[]): string[] =>
  asked
    .filter((operation) => !isAnswered(operation))
    .map((operation) => `in a settled swarm: ${showOperation(operation)}`);
