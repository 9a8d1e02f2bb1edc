/**
 * What a replica keeps: its log, the chains of its origins, the states of its objects, and small records; in memory what
 * is worked with, on disk all of it. What has been put here goes to the disk at the end of the turn, as one write, and
 * the next one when that is there: what comes meanwhile goes together.
 *
 * Invariants (R1): what is written together with or after an op never reaches the disk without it; nothing counts as
 * stored before it is on the disk, or handed to it where the database is relaxed. A write that fails is repeated.
 */
import type { KeptState, OpDisk } from '../../disk/op-disk.js';
import type { NodeId } from '../../store/node-id.js';
import { ItemReader, objectName, partsOfName } from '../../store/op.js';
import { OpChains } from '../../store/op-chain.js';
import type { Verdict } from '../../store/op-chain.js';
import { OpLog } from '../../store/oplog.js';
import { typeNamed } from '../../store/types/index.js';
import { decodeState, ObjectState } from '../../store/types/object-state.js';
import type { ReplicaCounts } from './counts.js';

/** States of objects that are kept in memory because they were asked for. */
const STATES_MAX = 1024;
const FORKED_MAX = 4096;
const SEGMENTS_PER_SEARCH = 256;
/** Name of the record with the chains as they are at the floor. */
export const CHAINS_RECORD = 'chains';

interface CachedState {
  readonly state: ObjectState;
  /** The log entries before this index are in it. */
  upTo: number;
}

export interface ReplicaStoreHooks {
  /** A write has ended; to be told to the actor, which calls `onWritten`. */
  readonly written: (fault: string | null) => void;
}

export class ReplicaStore {
  readonly log: OpLog;
  /** With all ops of the log, stored or not. */
  readonly chains: OpChains;
  readonly #disk: OpDisk;
  readonly #isRelaxed: boolean;
  readonly #counts: ReplicaCounts;
  readonly #hooks: ReplicaStoreHooks;
  readonly #reader = new ItemReader();
  readonly #cache = new Map<string, CachedState>();
  /** The same with ops that are not stored. */
  readonly #currents = new Map<string, CachedState>();
  /** The op that was asked about last and may be written, and what it is written on. */
  #checked: {
    readonly origin: NodeId;
    readonly time: number;
    readonly object: CachedState;
    readonly payload: Uint8Array;
  } | null = null;
  /** The object in whose `together` we are. */
  #together: CachedState | null = null;
  #stored: number;
  /** The chains at the floor. */
  #floorChains: OpChains;

  /** Origins with two branches: what follows on the other one is no gap. */
  readonly #forked = new Set<NodeId>();

  /** For the next write. */
  #records = new Map<string, Uint8Array | null>();
  #states = new Map<string, KeptState>();
  #floor: number | null = null;
  /** Under way to the disk; null: nothing is. */
  #writing: {
    readonly records: ReadonlyMap<string, Uint8Array | null>;
    readonly states: ReadonlyMap<string, KeptState>;
    readonly floor: number | null;
    readonly end: number;
  } | null = null;
  #number = 1;
  #isFailing = false;

  constructor(disk: OpDisk, isRelaxed: boolean, counts: ReplicaCounts, hooks: ReplicaStoreHooks) {
    this.#disk = disk;
    this.#isRelaxed = isRelaxed;
    this.#counts = counts;
    this.#hooks = hooks;
    this.log = new OpLog(disk.floor, (index) => disk.segmentAt(index));
    const kept = disk.record(CHAINS_RECORD);
    this.#floorChains = (kept === null ? null : OpChains.decode(kept)) ?? new OpChains();
    this.chains = copyOf(this.#floorChains);
    this.#stored = disk.floor;
  }

  /** One above the last entry that counts as stored. Only those may be relayed and acknowledged. */
  get stored(): number {
    return this.#stored;
  }

  /** What has been put so far is on the disk when `writtenNumber` has reached this. */
  get number(): number {
    const isWaiting =
      this.log.unwrittenBytes > this.log.takenBytes ||
      this.#records.size > 0 ||
      this.#states.size > 0 ||
      this.#floor !== null;
    return isWaiting ? this.#number : this.#number - 1;
  }

  get writtenNumber(): number {
    return this.#number - (this.#writing === null ? 1 : 2);
  }

  /** The disk refused the last write. */
  get isFailing(): boolean {
    return this.#isFailing;
  }

  get floorChains(): OpChains {
    return this.#floorChains;
  }

  // Recovery

  /** Takes in what is on disk, some entries more; false when it was the last. Throws what the disk throws. */
  recover(entriesMax: number): boolean {
    const end = Math.min(this.log.length + entriesMax, this.#disk.length);
    while (this.log.length < end) {
      const segment = this.#disk.segmentAt(this.log.length);
      const objection =
        segment === null
          ? `the entry ${this.log.length} is missing`
          : this.log.load(segment, (op) => {
              // What a state of another peer covers may be in the log, too.
              if (this.judge(op) === 'next') appendTo(this.chains, op);
            });
      if (objection !== null) throw new Error(`the log is damaged: ${objection}`);
    }
    this.#stored = this.log.length;
    return this.log.length < this.#disk.length;
  }

  record(name: string): Uint8Array | null {
    return this.#disk.record(name);
  }

  records(prefix: string): ReadonlyMap<string, Uint8Array> {
    return this.#disk.records(prefix);
  }

  // What goes to the disk at the end of the turn

  /** What the chains say of the op that was read. */
  judge({ origin, time, prevTime }: ItemReader): Verdict {
    const verdict = this.chains.verdict(origin, time, prevTime);
    if (verdict === 'forked') {
      if (this.#forked.size < FORKED_MAX) this.#forked.add(origin);
    } else if (verdict === 'gap' && this.#forked.has(origin)) return 'forked';
    return verdict === 'next' && !this.chains.hasRoomFor(origin) ? 'gap' : verdict;
  }

  covers(origin: NodeId, time: number): boolean {
    return time <= this.chains.lastTime(origin);
  }

  /** Appends an op that is the next one of its chain. Returns its index. */
  append(op: ItemReader): number {
    appendTo(this.chains, op);
    const index = this.log.append(op);
    const checked = this.#checked;
    this.#checked = null;
    if (checked !== null && checked.time === op.time && checked.origin === op.origin) {
      // It was found to follow on all that is there, so it need not be read from the log again.
      checked.object.state.apply({ time: op.time, origin: op.origin }, checked.payload);
      checked.object.upTo = index + 1;
    }
    return index;
  }

  putRecord(name: string, bytes: Uint8Array | null): void {
    this.#records.set(name, bytes);
  }

  putState(state: KeptState): void {
    this.#states.set(state.object, state);
    this.#cache.delete(state.object);
    this.#currents.delete(state.object);
  }

  /** What lies below is in states that were put before. */
  putFloor(floor: number, chains: OpChains): void {
    this.#floor = floor;
    this.putChains(chains);
  }

  /** Other chains at the floor: what the states cover that were put before. */
  putChains(chains: OpChains): void {
    this.#floorChains = chains;
    this.#records.set(CHAINS_RECORD, chains.encode());
  }

  /** Begins a write if there is anything to write and none is under way. */
  flush(): void {
    if (this.#isRelaxed) {
      this.log.close();
      this.#stored = this.log.length;
    }
    if (this.#writing !== null || this.#isFailing) return;
    const segments = this.log.take(Infinity);
    const [records, states, floor] = [this.#records, this.#states, this.#floor];
    if (segments.length === 0 && records.size === 0 && states.size === 0 && floor === null) return;
    const last = segments.at(-1);
    const end = last === undefined ? this.#stored : last.index + last.count;
    this.#records = new Map();
    this.#states = new Map();
    this.#floor = null;
    this.#writing = { records, states, floor, end };
    this.#number += 1;
    this.#counts.writes += 1;
    const raw = segments.map(({ index, count, bytes }) => ({ index, count, bytes }));
    this.#disk.write(
      { segments: raw, states: [...states.values()], floor, records },
      this.#isRelaxed,
      this.#hooks.written,
    );
  }

  /** False: it failed, and is to be tried again by `retry` after a while. */
  onWritten(fault: string | null): boolean {
    const writing = this.#writing;
    if (writing === null) return true;
    this.#writing = null;
    if (fault === null) {
      this.log.written();
      this.#stored = Math.max(this.#stored, writing.end);
      if (writing.floor !== null) this.log.raiseFloor(writing.floor);
      return true;
    }
    this.#counts.writesFailed += 1;
    this.#isFailing = true;
    this.#number -= 1;
    this.log.untake();
    this.#records = new Map([...writing.records, ...this.#records]);
    this.#states = new Map([...writing.states, ...this.#states]);
    this.#floor ??= writing.floor;
    return false;
  }

  retry(): void {
    this.#isFailing = false;
    this.flush();
  }

  /** Nothing is under way to the disk, and nothing waits. */
  get isIdle(): boolean {
    return (
      this.#writing === null &&
      this.log.unwrittenBytes === 0 &&
      this.#records.size === 0 &&
      this.#states.size === 0 &&
      this.#floor === null
    );
  }

  close(closed: (fault: string | null) => void): void {
    this.#disk.close(closed);
  }

  // Objects

  /** The state that was kept last, on disk or on its way there. */
  keptState(name: string): KeptState | null {
    return this.#states.get(name) ?? this.#writing?.states.get(name) ?? this.#disk.state(name);
  }

  /** States that were kept last, on disk or on their way there, in the order of their names. */
  keptStates(after: string, countMax: number): readonly KeptState[] {
    const found = this.#disk.states(after, countMax);
    const waiting = [...(this.#writing?.states ?? []), ...this.#states].filter(([name]) => byBytes(name, after) > 0);
    if (waiting.length === 0) return found;
    const merged = new Map([...found.map((state) => [state.object, state] as const), ...waiting]);
    return [...merged.values()].toSorted((a, b) => byBytes(a.object, b.object)).slice(0, countMax);
  }

  /** The object with all ops that are stored. Null: nobody here knows its type, or what is kept of it is damaged. */
  stateOf(name: string): ObjectState | null {
    const cached = this.#cache.get(name);
    const found = cached ?? this.#readState(name);
    if (found === null) return null;
    this.#cache.delete(name);
    this.#cache.set(name, found);
    if (this.#cache.size > STATES_MAX) {
      for (const oldest of this.#cache.keys()) {
        this.#cache.delete(oldest);
        break;
      }
    }
    return this.#catchUp(name, found, this.#stored) ? found.state : null;
  }

  /**
   * The state of another peer together with the one that is kept here, without what is only in the log: kept states are of
   * one moment, all of them together. Null if it is none, or what is kept here is damaged.
   */
  joined(name: string, bytes: Uint8Array): ObjectState | null {
    const type = typeNamed(partsOfName(name).type);
    const theirs = type === null ? null : decodeState(type, bytes);
    if (theirs === null) return null;
    const ours = this.keptObject(name);
    ours?.join(theirs);
    return ours;
  }

  /** States have been put with all that those chains cover, whatever is in the log. */
  cover(chains: Uint8Array): void {
    this.chains.adopt(chains);
    this.#floorChains.adopt(chains);
    this.putChains(this.#floorChains);
  }

  /** The entry is there, and older. */
  isOlder(index: number, time: number): boolean {
    const segment = index < this.#stored ? this.log.segmentAt(index) : null;
    return segment !== null && (segment.times[index - segment.index] as number) < time;
  }

  /** The first entry that isn't older than that, or where the search was given up for now. */
  firstSince(time: number): number {
    let index = this.log.floor;
    for (let segments = 0; segments < SEGMENTS_PER_SEARCH && index < this.#stored; segments += 1) {
      const segment = this.log.segmentAt(index);
      if (segment === null) return index;
      const end = Math.min(segment.index + segment.count, this.#stored);
      for (; index < end; index += 1) if ((segment.times[index - segment.index] as number) >= time) return index;
    }
    return index;
  }

  /**
   * Why the op that was read may not be written by its author on what is here, stored or not; null if it may: then it is
   * to be appended next. `payload`: that of the op. Only types that ask for the state cost one.
   */
  objectionToWriting(op: ItemReader, payload: Uint8Array): string | null {
    const { time, origin } = op;
    this.#checked = null;
    if (typeNamed(op.type)?.asksForBody !== true) return null;
    const object = this.#together ?? this.#current(objectName(op.type, op.id));
    if (object === null) return 'what is kept of the object is damaged';
    const objection = object.state.objectionToWriting({ time, origin }, payload);
    if (objection === null) this.#checked = { origin, time, object, payload };
    return objection;
  }

  /** Runs `work`, in which ops of that object and of no other are written: as one change, where that is cheaper. */
  together(type: string, id: string, work: () => void): void {
    const object = typeNamed(type)?.asksForBody === true ? this.#current(objectName(type, id)) : null;
    if (object === null) return work();
    this.#together = object;
    try {
      object.state.type.together(object.state.body, work);
    } finally {
      this.#together = null;
    }
  }

  /** The object with all ops of the log: for nobody outside to see. */
  #current(name: string): CachedState | null {
    const cached = this.#currents.get(name) ?? this.#readState(name);
    if (cached === null) return null;
    const object = this.log.numberOf(name);
    const isBehind = object !== undefined && this.log.lastOf(object) >= cached.upTo;
    if (isBehind && this.log.lastOf(object) >= this.#stored) this.log.close();
    this.#currents.delete(name);
    this.#currents.set(name, cached);
    if (this.#currents.size > STATES_MAX) {
      for (const oldest of this.#currents.keys()) {
        this.#currents.delete(oldest);
        break;
      }
    }
    return !isBehind || this.#catchUp(name, cached, this.log.length) ? cached : null;
  }

  /** The object as it was kept last, to be changed by the caller. Null: its type is unknown here, or it is damaged. */
  keptObject(name: string): ObjectState | null {
    const type = typeNamed(partsOfName(name).type);
    if (type === null) return null;
    const kept = this.keptState(name);
    return kept === null ? new ObjectState(type) : decodeState(type, kept.state);
  }

  #readState(name: string): CachedState | null {
    const state = this.keptObject(name);
    return state === null ? null : { state, upTo: 0 };
  }

  #catchUp(name: string, cached: CachedState, end: number): boolean {
    const object = this.log.numberOf(name);
    if (object === undefined) return true;
    const entries = this.log.entriesOf(object, Math.max(cached.upTo, this.log.floor));
    let isRead = true;
    const { type, body } = cached.state;
    type.together(body, () => {
      for (const index of entries) if (index < end) isRead &&= this.#applyEntry(cached.state, index);
    });
    if (isRead) cached.upTo = end;
    return isRead;
  }

  /** False if it can't be read. */
  #applyEntry(state: ObjectState, index: number): boolean {
    const reader = this.#reader;
    const segment = this.log.segmentAt(index);
    if (segment === null) return false;
    if (reader.readAt(segment.bytes, segment.starts[index - segment.index] as number) !== null) return false;
    applyTo(state, reader);
    return true;
  }
}

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

export const copyOf = (chains: OpChains): OpChains => OpChains.decode(chains.encode()) ?? new OpChains();

/** What came from another peer may have a payload that is none: it changes nothing, anywhere. */
export function applyTo(state: ObjectState, op: ItemReader): void {
  const { payload } = op;
  if (state.type.objectionTo(payload) === null) state.apply({ time: op.time, origin: op.origin }, payload);
}

/** All that the other ones have is in these. */
export function includes(chains: OpChains, others: OpChains): boolean {
  for (const origin of others.origins()) if (others.lastTime(origin) > chains.lastTime(origin)) return false;
  return true;
}

/** The head's byte is left out of the digest: with a `seen` behind it it is another one. */
export const appendTo = (chains: OpChains, op: ItemReader): void =>
  chains.append(op.origin, op.time, op.prevTime, op.bytes, op.start + 1, op.payloadEnd);
