/**
 * What one key may answer, as a function of what was done to it before: the sequential meaning of the cache's commands.
 * Room and age remove entries at times that no client knows: wherever an entry may have been removed, an answer that
 * finds none is right, and ends it.
 */
import type { Operation } from './operation.js';

/** What is known of the entry. `unknown`: what came before is not in the history. */
export interface Register {
  readonly value: number | 'absent' | 'unknown';
  /** The operation from which its time to live counts, if it has one. */
  readonly expiry: Operation | null;
}

export const ABSENT: Register = { value: 'absent', expiry: null };
export const UNKNOWN: Register = { value: 'unknown', expiry: null };

/** The register after the operation, or null if the operation could not have ended as it did. */
export type Step = (register: Register, operation: Operation) => Register | null;

/** `evicts`: entries may be removed for want of room at any time. */
export const createStep = (evicts: boolean): Step => {
  const mayBeAbsent = ({ value, expiry }: Register, { returnedMs }: Operation): boolean =>
    value === 'absent' ||
    value === 'unknown' ||
    evicts ||
    (expiry !== null && expiry.invokedMs + expiry.ttlMs <= returnedMs);
  const mayBePresent = ({ value, expiry }: Register, { invokedMs }: Operation): boolean =>
    value !== 'absent' && (expiry === null || expiry.returnedMs + expiry.ttlMs > invokedMs);

  const stored = (operation: Operation): Register => ({
    value: operation.number,
    expiry: operation.ttlMs > 0 ? operation : null,
  });

  return (register, operation) => {
    const { kind, outcome, condition, by, ttlMs } = operation;
    // Uncertain operations are tried as if they had succeeded.
    const type = outcome.type === 'open' || outcome.type === 'lost' ? 'done' : outcome.type;
    switch (kind) {
      case 'get':
        if (type === 'missing') return mayBeAbsent(register, operation) ? ABSENT : null;
        if (outcome.type !== 'value' || !mayBePresent(register, operation)) return null;
        if (register.value === 'unknown') return { value: outcome.value, expiry: null };
        return register.value === outcome.value ? register : null;
      case 'set': {
        const isConflict = outcome.type === 'refused' && outcome.code === 'CONFLICT';
        if (condition === null) return isConflict ? null : stored(operation);
        const wantsAbsent = (condition === 'absent') !== isConflict;
        if (wantsAbsent ? !mayBeAbsent(register, operation) : !mayBePresent(register, operation)) return null;
        if (!isConflict) return stored(operation);
        return wantsAbsent ? ABSENT : register;
      }
      case 'delete':
        if (outcome.type !== 'deleted') return ABSENT;
        return (outcome.existed ? mayBePresent(register, operation) : mayBeAbsent(register, operation)) ? ABSENT : null;
      case 'touch':
        if (type === 'missing') return mayBeAbsent(register, operation) ? ABSENT : null;
        if (!mayBePresent(register, operation)) return null;
        return { value: register.value, expiry: ttlMs > 0 ? operation : null };
      case 'incr': {
        if (outcome.type !== 'value') {
          if (register.value === 'unknown') return register;
          return register.value === 'absent' ? { value: by, expiry: null } : sum(register, by);
        }
        if (register.value === 'unknown') return { value: outcome.value, expiry: null };
        const isSum = register.value !== 'absent' && mayBePresent(register, operation);
        if (isSum && (register.value as number) + by === outcome.value) return sum(register, by);
        return mayBeAbsent(register, operation) && outcome.value === by ? { value: by, expiry: null } : null;
      }
    }
  };
};

const sum = ({ value, expiry }: Register, by: number): Register => ({ value: (value as number) + by, expiry });
