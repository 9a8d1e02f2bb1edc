/** A digest of all objects of a replica: equal where the same ops are (R5, RULES RI). It takes many turns. */
import { StateDigest } from '../store/state-digest.js';
import type { ReplicaStore } from './replica-store.js';

const OBJECTS_PER_SLICE = 512;
const ASKED_MAX = 16;

interface Run {
  readonly digest: StateDigest;
  /** The kept object that was looked at last; null: all have been. */
  after: string | null;
  /** Number of the next object of the log. */
  object: number;
  readonly asked: readonly ((digest: string) => void)[];
}

export class ReplicaDigests {
  readonly #store: ReplicaStore;
  #run: Run | null = null;
  #next: ((digest: string) => void)[] = [];

  constructor(store: ReplicaStore) {
    this.#store = store;
  }

  get isFull(): boolean {
    return this.#next.length >= ASKED_MAX;
  }

  /** True: `goOn` is to be called. Who asks while a run is under way waits for the next one. */
  ask(answer: (digest: string) => void): boolean {
    this.#next.push(answer);
    if (this.#run !== null) return false;
    this.#begin();
    return true;
  }

  /** One slice. True: there is more to do. */
  goOn(): boolean {
    const run = this.#run;
    if (run === null) return false;
    if (this.#addSlice(run)) return true;
    this.#run = null;
    for (const answer of run.asked) answer(run.digest.value);
    if (this.#next.length > 0) this.#begin();
    return this.#run !== null;
  }

  #begin(): void {
    this.#run = { digest: new StateDigest(), after: '', object: 0, asked: this.#next };
    this.#next = [];
  }

  #addSlice(run: Run): boolean {
    const { log } = this.#store;
    if (run.after !== null) {
      const kept = this.#store.keptStates(run.after, OBJECTS_PER_SLICE);
      for (const { object } of kept) this.#add(run, object);
      run.after = kept.length < OBJECTS_PER_SLICE ? null : (kept.at(-1)?.object ?? null);
      return true;
    }
    for (let left = OBJECTS_PER_SLICE; left > 0 && run.object < log.objectNumbers; left -= 1, run.object += 1) {
      const name = log.nameAt(run.object);
      if (name !== null) this.#add(run, name);
    }
    return run.object < log.objectNumbers;
  }

  #add({ digest }: Run, name: string): void {
    const state = this.#store.stateOf(name);
    if (state !== null) digest.put(name, state.encode());
  }
}
