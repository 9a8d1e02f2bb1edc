/**
 * What a simulated writer keeps: as memory.ts keeps it, but each write takes its time, and what is under way when the
 * process ends without a word is lost. A former process that still writes changes nothing.
 */
import type { Kept, KeptChange, ReplicaStorage, ReplicaStore } from '../../client/storage/storage.js';
import type { Bytes } from '../../transport/message.js';

interface Shelf {
  record: Bytes | null;
  readonly ops: Map<number, Bytes>;
  readonly states: Map<string, Bytes>;
}

export class WriterStorage implements ReplicaStorage {
  readonly #defer: (delayMs: number, run: () => void) => void;
  readonly #writeMs: number;
  readonly #shelf: Shelf = { record: null, ops: new Map(), states: new Map() };
  #user: object | null = null;

  constructor(defer: (delayMs: number, run: () => void) => void, writeMs: number) {
    this.#defer = defer;
    this.#writeMs = writeMs;
  }

  get states(): ReadonlyMap<string, Bytes> {
    return this.#shelf.states;
  }

  open(): Promise<ReplicaStore> {
    const shelf = this.#shelf;
    const user = {};
    this.#user = user;
    const kept: Kept = {
      record: shelf.record,
      ops: [...shelf.ops].map(([number, op]) => ({ number, op })),
      states: new Map(shelf.states),
    };
    return Promise.resolve({
      kept,
      write: (change) =>
        new Promise((resolve) => {
          const apply = (): void => {
            if (this.#user !== user) return;
            keep(shelf, change);
            resolve();
          };
          if (this.#writeMs === 0) apply();
          else this.#defer(this.#writeMs, apply);
        }),
      close: () => Promise.resolve(),
    });
  }

  crash(): void {
    this.#user = null;
  }
}

const keep = (shelf: Shelf, { record, opsAdded, opsFloor, states }: KeptChange): void => {
  if (record !== null) shelf.record = record;
  for (const { number, op } of opsAdded) shelf.ops.set(number, op);
  for (const number of shelf.ops.keys()) if (number < opsFloor) shelf.ops.delete(number);
  for (const [object, state] of states) {
    if (state === null) shelf.states.delete(object);
    else shelf.states.set(object, state);
  }
};
