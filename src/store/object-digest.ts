/**
 * A version of an object in short: how many origins have written it, and a digest of its vector. Since each origin's ops
 * are stored without gaps, the vector says exactly which ops of the object are there (RULES RG).
 */
import { ByteHash } from './byte-hash.js';
import { formatTime } from './stamp.js';
import type { Held } from './subscription.js';
import type { ObjectState } from './types/object-state.js';

const hash = new ByteHash();

export function digestOfState({ vector }: Pick<ObjectState, 'vector'>): Held {
  hash.begin();
  for (const [origin, time] of [...vector].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    hash.addText(`${formatTime(time)}-${origin}`);
  }
  return { count: vector.size, digest: hash.value };
}
