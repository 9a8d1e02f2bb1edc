/**
 * A digest of all objects of a replica: equal where the same ops are (R5, RULES RI). It goes through the log in order,
 * once for each group of objects, so that no more than those are in memory at once; it takes many turns.
 */
import { ItemReader, partsOfName } from '../../store/op.js';
import { StateDigest } from '../../store/state-digest.js';
import type { ObjectState } from '../../store/types/object-state.js';
import { applyTo } from './store.js';
import type { ReplicaStore } from './store.js';

const KEPT_PER_SLICE = 512;
const ENTRIES_PER_SLICE = 4096;
const STATES_PER_SLICE = 512;
const OBJECTS_PER_GROUP = 16_384;
const ASKED_MAX = 16;

interface Run {
  readonly digest: StateDigest;
  /** The kept object that was looked at last; null: all have been. */
  after: string | null;
  /** The first object's number of the group, the next entry of the log, and what it ends with. */
  group: number;
  index: number;
  readonly end: number;
  readonly states: Map<number, ObjectState>;
  /** The states of the group that are complete and not in the digest yet; null: entries are looked at. */
  left: Iterator<[number, ObjectState]> | null;
  readonly asked: readonly ((digest: string) => void)[];
}

export class Digests {
  readonly #store: ReplicaStore;
  readonly #reader = new ItemReader();
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
    if (this.#addSome(run)) return true;
    this.#run = null;
    this.#reader.release();
    for (const answer of run.asked) answer(run.digest.value);
    if (this.#next.length > 0) this.#begin();
    return this.#run !== null;
  }

  #begin(): void {
    const { log, stored } = this.#store;
    const digest = new StateDigest();
    this.#run = {
      digest,
      after: '',
      group: 0,
      index: log.floor,
      end: stored,
      states: new Map(),
      left: null,
      asked: this.#next,
    };
    this.#next = [];
  }

  #addSome(run: Run): boolean {
    if (run.after !== null) return this.#addKept(run, run.after);
    return run.left === null ? this.#addEntries(run) : this.#addStates(run, run.left);
  }

  /** Objects that have no entries above the floor are as they were kept. */
  #addKept(run: Run, after: string): boolean {
    const kept = this.#store.keptStates(after, KEPT_PER_SLICE);
    for (const { object, state } of kept) run.digest.put(object, state);
    run.after = kept.length < KEPT_PER_SLICE ? null : (kept.at(-1)?.object ?? null);
    return true;
  }

  #addEntries(run: Run): boolean {
    const { log } = this.#store;
    // The floor may have risen: then what is below is in what the states begin with.
    run.index = Math.max(run.index, log.floor);
    for (let left = ENTRIES_PER_SLICE; run.index < run.end && left > 0; run.index += 1, left -= 1) {
      const object = log.objectAt(run.index);
      if (object < run.group || object >= run.group + OBJECTS_PER_GROUP) continue;
      const segment = log.segmentAt(run.index);
      const start = segment?.starts[run.index - segment.index];
      if (segment === null || start === undefined || this.#reader.readAt(segment.bytes, start) !== null) continue;
      let state = run.states.get(object) ?? null;
      if (state === null) {
        state = this.#store.keptObject(log.nameOf(object));
        if (state === null) continue;
        run.states.set(object, state);
      }
      applyTo(state, this.#reader);
    }
    if (run.index >= run.end) run.left = run.states.entries();
    return true;
  }

  /** The objects of a group, each with all of its ops. */
  #addStates(run: Run, left: NonNullable<Run['left']>): boolean {
    const { log } = this.#store;
    for (let count = 0; count < STATES_PER_SLICE; count += 1) {
      const next = left.next();
      if (next.done === true) {
        run.states.clear();
        run.left = null;
        run.group += OBJECTS_PER_GROUP;
        run.index = log.floor;
        return run.group < log.objectNumbers;
      }
      const [object, state] = next.value;
      const name = log.nameAt(object);
      if (name !== null && partsOfName(name).type === state.type.name) run.digest.put(name, state.encode());
    }
    return true;
  }
}
