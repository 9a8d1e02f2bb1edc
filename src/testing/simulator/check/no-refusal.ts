/**
 * Where nothing went wrong, nothing is refused but what is too much. In a swarm that is full, a request may follow a key
 * from owner to owner until its time is over: each makes room for others before it arrives.
 */
import { showOperation } from '../../checker/operation.js';
import type { Operation } from '../../checker/operation.js';

const TOO_MUCH = new Set(['BUSY', 'OVER_CAPACITY', 'CONFLICT', 'TYPE']);

export const checkNoRefusal = (history: readonly Operation[], evicts: boolean): string[] => {
  const isDue = (code: string): boolean => TOO_MUCH.has(code) || (evicts && code === 'TIMEOUT');
  return history
    .filter(({ outcome }) => outcome.type === 'lost' || (outcome.type === 'refused' && !isDue(outcome.code)))
    .map((operation) => `without any fault: ${showOperation(operation)}`);
};
