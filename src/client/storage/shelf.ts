/** What a storage holds of one database, in memory: what changes make of it, and what is found there. */
import type { Bytes } from '../../transport/message.js';
import type { Kept, KeptChange } from './storage.js';

export interface Shelf {
  record: Bytes | null;
  /** By rising number. */
  readonly ops: Map<number, Bytes>;
  readonly states: Map<string, Bytes>;
}

export function emptyShelf(): Shelf {
  return { record: null, ops: new Map(), states: new Map() };
}

export function changeShelf(shelf: Shelf, { record, opsAdded, opsFloor, states }: KeptChange): void {
  if (record !== null) shelf.record = record;
  for (const { number, op } of opsAdded) shelf.ops.set(number, op);
  for (const number of shelf.ops.keys()) {
    if (number >= opsFloor) break;
    shelf.ops.delete(number);
  }
  for (const [object, state] of states) {
    if (state === null) shelf.states.delete(object);
    else shelf.states.set(object, state);
  }
}

/** As it is now; later changes leave it as it is. */
export function keptOn({ record, ops, states }: Shelf): Kept {
  return { record, ops: [...ops].map(([number, op]) => ({ number, op })), states: new Map(states) };
}
