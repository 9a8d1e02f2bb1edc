/** Keeps replicas for as long as the process runs: several connections one after the other, and tests. */
import { changeShelf, emptyShelf, keptOn } from './shelf.js';
import type { Shelf } from './shelf.js';
import type { Kept, KeptChange, ReplicaStorage, ReplicaStore } from './storage.js';

/** It outlives the connections. */
interface UsableShelf extends Shelf {
  isUsed: boolean;
}

/** A storage in memory. Whoever opens databases with the same one, one after the other, finds what was kept. */
export function memoryStorage(): ReplicaStorage {
  const shelves = new Map<string, UsableShelf>();
  return {
    open(database) {
      const shelf = shelves.get(database) ?? { ...emptyShelf(), isUsed: false };
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
  readonly #shelf: UsableShelf;

  constructor(shelf: UsableShelf) {
    this.#shelf = shelf;
    this.kept = keptOn(shelf);
  }

  write(change: KeptChange): Promise<void> {
    changeShelf(this.#shelf, change);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#shelf.isUsed = false;
    return Promise.resolve();
  }
}
