/**
 * Compaction: the log's floor rises over a chunk of entries after the other. The objects of a chunk get the states that
 * they have at its end; when those are on disk together with the floor, the entries below are dropped (RULES RH). It goes
 * through the log in order, takes many turns, and nobody waits for it.
 *
 * Where states of another peer have been taken over, ops that these cover may be in the log only, above the floor. They are
 * put into the kept states, too: so the kept states, all of them together, are what the chains at the floor say, and a
 * third peer that gets them lacks nothing.
 */
import type { NodeId } from '../../store/node-id.js';
import { ItemReader, objectName } from '../../store/op.js';
import type { OpChains } from '../../store/op-chain.js';
import type { LogSegment } from '../../store/oplog.js';
import type { ObjectState } from '../../store/types/object-state.js';
import { sameBytes } from '../../store/types/plain-value.js';
import type { ReplicaCounts } from './counts.js';
import { appendTo, applyTo, copyOf } from './store.js';
import type { ReplicaStore } from './store.js';

const ENTRIES_PER_SLICE = 2048;
const STATES_PER_SLICE = 512;
/** More entries than that are given up in several steps, of which each costs its objects a state. */
const ENTRIES_PER_CHUNK = 16_384;

interface ChunkState {
  readonly state: ObjectState;
  /** The kept state that it began with; null: there was none. */
  readonly from: Uint8Array | null;
  last: number;
}

interface Run {
  /** Where it ends. */
  readonly target: number;
  /** Of these ops only, and the floor stays; null: of all, and it rises. */
  readonly covered: OpChains | null;
  /** Whether it came so far. */
  readonly onDone: (isDone: boolean) => void;
  /** Where the chunk ends, and the next entry of it. */
  end: number;
  index: number;
  chains: OpChains;
  states: Map<string, ChunkState>;
  /** States that are still to be put; null: entries come first. */
  puts: Iterator<[string, ChunkState]> | null;
  /** Of the write with the floor; null: not put yet. */
  number: number | null;
}

export class Compaction {
  readonly #store: ReplicaStore;
  readonly #counts: ReplicaCounts;
  readonly #failed: (reason: string) => void;
  readonly #reader = new ItemReader();
  #run: Run | null = null;
  /** What is to begin when that one has ended. */
  #queued: (() => void)[] = [];

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
    this.#begin(floor, null, onDone);
    return true;
  }

  /**
   * Puts what those chains cover of the log into the kept states, after what is running. `onDone` follows in the turn of
   * the last states, or when an entry or a state can't be read. True: there is something to do now.
   */
  cover(chains: OpChains, onDone: (isDone: boolean) => void): boolean {
    const begin = (): void => this.#begin(this.#store.log.length, chains, onDone);
    const isFirst = this.#run === null;
    if (isFirst) begin();
    else this.#queued.push(begin);
    return isFirst;
  }

  /** One slice. True: there is more to do now. */
  goOn(): boolean {
    const run = this.#run;
    if (run === null || run.number !== null) return false;
    if (run.covered === null && run.target <= this.#store.log.floor) this.#end(run, true);
    else if (run.puts === null) this.#applySlice(run);
    else this.#putSlice(run, run.puts);
    return this.#run !== null && this.#run.number === null;
  }

  /** A write has ended. True: it was the one with the floor, and there is more to do. */
  onWritten(): boolean {
    const run = this.#run;
    if (run === null || run.number === null || this.#store.writtenNumber < run.number) return false;
    this.#counts.compactions += 1;
    run.number = null;
    run.chains = copyOf(this.#store.floorChains);
    if (run.index < run.target) this.#nextChunk(run);
    else this.#end(run, true);
    return this.#run !== null;
  }

  #begin(target: number, covered: OpChains | null, onDone: (isDone: boolean) => void): void {
    const { log, floorChains } = this.#store;
    const [index, chains] = [log.floor, copyOf(floorChains)];
    const run = { target, covered, onDone, end: index, index, chains, states: new Map(), puts: null, number: null };
    this.#nextChunk(run);
    this.#run = run;
  }

  #nextChunk(run: Run): void {
    run.puts = null;
    run.states = new Map();
    run.end = Math.min(run.target, run.index + ENTRIES_PER_CHUNK);
  }

  #applySlice(run: Run): void {
    const { log } = this.#store;
    for (let left = ENTRIES_PER_SLICE; run.index < run.end && left > 0; run.index += 1, left -= 1) {
      const segment = log.segmentAt(run.index);
      const at = run.index - (segment?.index ?? 0);
      if (segment !== null && run.covered !== null && !isCovered(segment, at, run.covered)) continue;
      const start = segment?.starts[at];
      const isRead = segment !== null && start !== undefined && this.#reader.readAt(segment.bytes, start) === null;
      if (!isRead) return this.#fail(run, `the entry ${run.index} can't be read`);
      const { origin, time, prevTime, type, id } = this.#reader;
      if (run.chains.verdict(origin, time, prevTime) === 'next') appendTo(run.chains, this.#reader);
      const name = objectName(type, id);
      let chunk = run.states.get(name);
      if (chunk === undefined) {
        const state = this.#store.keptObject(name);
        if (state === null)
          return this.#fail(run, `the object ${name} is of a type that is not known here, or damaged`);
        chunk = { state, from: this.#store.keptState(name)?.state ?? null, last: run.index };
        run.states.set(name, chunk);
      }
      applyTo(chunk.state, this.#reader);
      chunk.last = run.index;
    }
    if (run.index >= run.end) run.puts = run.states.entries();
  }

  #putSlice(run: Run, puts: Iterator<[string, ChunkState]>): void {
    for (let left = STATES_PER_SLICE; left > 0; left -= 1) {
      const next = puts.next();
      if (next.done === true) return this.#endChunk(run);
      const [object, { state, from, last }] = next.value;
      // What was taken over from another peer meanwhile has more than the log here.
      const kept = this.#store.keptState(object);
      const isOther = kept !== null && (from === null || !sameBytes(kept.state, from));
      const taken = isOther ? this.#store.keptObject(object) : null;
      if (taken !== null) state.join(taken);
      const changed = run.covered === null ? last + 1 : this.#store.log.length + 1;
      const index = taken === null ? changed : Math.max(changed, kept?.index ?? 0);
      this.#store.putState({ object, index, state: state.encode() });
    }
  }

  #endChunk(run: Run): void {
    if (run.covered === null) {
      this.#store.putFloor(run.end, run.chains);
      run.number = this.#store.number;
    } else if (run.index < run.target) this.#nextChunk(run);
    else this.#end(run, true);
  }

  #fail(run: Run, reason: string): void {
    this.#failed(reason);
    this.#end(run, false);
  }

  #end(run: Run, isDone: boolean): void {
    this.#run = null;
    this.#reader.release();
    run.onDone(isDone);
    this.#queued.shift()?.();
  }
}

const isCovered = ({ origins, times }: LogSegment, at: number, chains: OpChains): boolean =>
  (times[at] as number) <= chains.lastTime(origins[at] as NodeId);
