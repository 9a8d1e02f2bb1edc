/** What became of each of many requests, so that one refusal does not hide what the others got. */
import type { Key } from '../transport/message.js';
import type { SwarmError } from './errors.js';

/** Of one key: its value, or the error. Told apart by `error`, which is null where there is a value. */
export type Outcome<T> =
  | { readonly key: Key; readonly value: T; readonly error: null }
  | { readonly key: Key; readonly value: undefined; readonly error: SwarmError };

/**
 * Asks for each key, all within one tick. Resolves when all have ended, in the order of the keys; rejects only for what
 * no key is to blame for: an option that does not exist.
 */
export function outcomesOf<T>(keys: Iterable<Key>, ask: (key: Key, at: number) => Promise<T>): Promise<Outcome<T>[]> {
  return Promise.all(
    Array.from(keys, (key, at) =>
      ask(key, at).then(
        (value): Outcome<T> => ({ key, value, error: null }),
        (error: SwarmError): Outcome<T> => {
          if (typeof error.code !== 'string') throw error;
          return { key, value: undefined, error };
        },
      ),
    ),
  );
}
