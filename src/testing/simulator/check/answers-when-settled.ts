/**
 * A swarm that has settled answers: no key is left out of reach by what happened before. Links of a plan may be so slow
 * that a way there and back takes longer than the plan's time-out now and then: such time-outs say nothing.
 */
import { isAnswered, showOperation } from '../../checker/operation.js';
import type { Operation } from '../../checker/operation.js';

/** `isTimely`: the time-out is longer than any way there and back takes. */
export const checkAnswersWhenSettled = (asked: readonly Operation[], isTimely: boolean): string[] =>
  asked
    .filter((operation) => !isAnswered(operation) && (isTimely || !isTimeout(operation)))
    .map((operation) => `in a settled swarm: ${showOperation(operation)}`);

const isTimeout = ({ outcome }: Operation): boolean => outcome.type === 'refused' && outcome.code === 'TIMEOUT';
