/**
 * Compaction: objects with entries below the floor to be get their state written, as it is by then; when all are, the floor
 * rises, and what lies below is dropped (RULES RH). It takes many turns, and nobody waits for it.
 */
import { ItemReader } from '../store/op.js';
import type { OpChains } from '../store/op-chain.js';
import type { ReplicaCounts } from './replica-counts.js';
import { appendTo, copyOf } from './replica-store.js';
import type { ReplicaStore } from './replica-store.js';

const OBJECTS_PER_SLICE = 256;
const ENTRIES_PER_SLICE = 8192;

interface Run {
  readonly floor: number;
  readonly objects: Iterator<string>;
  readonly chains: OpChains;
  /** The entries before this index are in `chains`. */
  index: number;
  areStatesPut: boolean;
  /** Of the write with the floor; null: not put yet. */
  number: number | null;
  readonly onDone: () => void;
}

export class ReplicaCompaction {
  readonly #store: ReplicaStore;
  readonly #counts: ReplicaCounts;
  readonly #failed: (reason: string) => void;
  readonly #reader = new ItemReader();
  #run: Run | null = null;

  constructor(store: ReplicaStore, counts: ReplicaCounts, failed: (reason: string) => void) {
    this.#store = store;
    this.#counts = counts;
    this.#failed = failed;
  }

  get isRunning(): boolean {
    return this.#run !== null;
  }

  /** False if one is running. `onDone` follows when the floor is on disk, or can't rise. */
  begin(floor: number, onDone: () => void): boolean {
    if (this.#run !== null) return false;
    const { log, floorChains } = this.#store;
    const objects = log.objectsBelow(floor);
    const chains = copyOf(floorChains);
    this.#run = { floor, objects, chains, index: log.floor, areStatesPut: false, number: null, onDone };
    return true;
  }

  /** One slice. True: there is more to do. */
  goOn(): boolean {
    const run = this.#run;
    if (run === null || run.number !== null) return false;
    if (run.floor <= this.#store.log.floor) {
      this.#end(run);
      return false;
    }
    if (run.areStatesPut ? this.#rollChains(run) : this.#putStates(run)) return this.#run !== null;
    this.#store.putFloor(run.floor, run.chains);
    run.number = this.#store.number;
    return false;
  }

  /** A write has ended, perhaps the one with the floor. */
  onWritten(): void {
    const run = this.#run;
    if (run === null || run.number === null || this.#store.writtenNumber < run.number) return;
    this.#counts.compactions += 1;
    this.#end(run);
  }

  #putStates(run: Run): boolean {
    const { log } = this.#store;
    for (let i = 0; i < OBJECTS_PER_SLICE; i += 1) {
      const next = run.objects.next();
      if (next.done === true) {
        run.areStatesPut = true;
        return true;
      }
      const object = next.value;
      const number = log.numberOf(object);
      const state = this.#store.stateOf(object);
      if (number === undefined || state === null) {
        this.#failed(`the object ${object} is of a type that is not known here, or damaged`);
        this.#end(run);
        return true;
      }
      this.#store.putState({
        object,
        index: Math.min(log.lastOf(number) + 1, this.#store.stored),
        state: state.encode(),
      });
    }
    return true;
  }

  #rollChains(run: Run): boolean {
    const { log } = this.#store;
    for (let left = ENTRIES_PER_SLICE; run.index < run.floor && left > 0; run.index += 1, left -= 1) {
      const segment = log.segmentAt(run.index);
      const start = segment?.starts[run.index - segment.index];
      if (segment === null || start === undefined || this.#reader.readAt(segment.bytes, start) !== null) {
        this.#failed(`the entry ${run.index} can't be read`);
        this.#end(run);
        return true;
      }
      const { origin, time, prevTime } = this.#reader;
      if (run.chains.verdict(origin, time, prevTime) === 'next') appendTo(run.chains, this.#reader);
    }
    return run.index < run.floor;
  }

  #end(run: Run): void {
    this.#run = null;
    this.#reader.release();
    run.onDone();
  }
}
