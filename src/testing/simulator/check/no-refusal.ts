/** Where nothing went wrong, nothing is refused but what is too much. */
import { showOperation } from '../../checker/operation.js';
import type { Operation } from '../../checker/operation.js';

const TOO_MUCH = new Set(['BUSY', 'OVER_CAPACITY', 'CONFLICT', 'TYPE']);

export const checkNoRefusal = (history: readonly Operation[]): string[] =>
  history
    .filter(({ outcome }) => outcome.type === 'lost' || (outcome.type === 'refused' && !TOO_MUCH.has(outcome.code)))
    .map((operation) => `without any fault: ${showOperation(operation)}`);
