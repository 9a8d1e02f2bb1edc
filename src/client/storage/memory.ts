/** Keeps replicas for as long as the process runs: several connections one after the other, and tests. */
import type { Bytes } from '../../transport/message.js';
import type { Kept, KeptChange, ReplicaStorage, ReplicaStore } from './storage.js';

/** What outlives the connections. */
interface Shelf {
  record: Bytes | null;
  readonly ops: Map<number, Bytes>;
  readonly states: Map<string, Bytes>;
  isUsed: boolean;
}

/** A storage in memory. Whoever opens databases with the same one, one after the other, finds what was kept. */
export function memoryStorage(): ReplicaStorage {
  const shelves = new Map<string, Shelf>();
  return {
    open(database) {
      const shelf = shelves.get(database) ?? { record: null, ops: new Map(), states: new Map(), isUsed: false };
      shelves.set(database, shelf);
      if (shelf.isUsed) {
        return Promise.reject(
          new Error(`the database ${database} is open with this storage already: close that first`),
        );
      }
      shelf.isUsed = true;
      return Promise.resolve(new MemoryStore(shelf));
    },
  };
}

class MemoryStore implements ReplicaStore {
  readonly kept: Kept;
  readonly #shelf: Shelf;

  constructor(shelf: Shelf) {
    this.#shelf = shelf;
    this.kept = {
      record: shelf.record,
      ops: [...shelf.ops].map(([number, op]) => ({ number, op })),
      states: new Map(shelf.states),
    };
  }

  write({ record, opsAdded, opsFloor, states }: KeptChange): Promise<void> {
    const shelf = this.#shelf;
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
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#shelf.isUsed = false;
    return Promise.resolve();
  }
}
