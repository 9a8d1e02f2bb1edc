/**
 * A peer's databases as LMDB files, `NAME.mdb` in one folder: one file for each, so that each is copied, restored,
 * compacted and full by itself. One transaction is under way at a time, and takes along all that was given meanwhile:
 * under load few syncs serve many writes, and a write never is on the disk without those before it.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { adviceOn } from './data-folder.js';
import { openEnvironment, textOf } from './lmdb-environment.js';
import type { LmdbEnvironment, Operation, Table } from './lmdb-environment.js';
import {
  decodeRecord,
  decodeSegment,
  decodeSegmentKey,
  decodeState,
  encodeRecord,
  encodeSegmentKey,
  encodeState,
  endOfSegmentKeys,
} from './op-bytes.js';
import { OP_FORMAT, RELAXED_MS, objectionToChanges, objectionToFound, objectionToName } from './op-disk.js';
import type { KeptState, OpChanges, OpDisk, OpDisks, Segment } from './op-disk.js';

/** What stands in the file beside the ops, as JSON: what all versions must understand are format and database. */
interface Stored {
  readonly format: number;
  readonly database: string;
  readonly floor: number;
}

interface Waiting {
  readonly changes: OpChanges;
  readonly bytes: number;
  readonly isRelaxed: boolean;
  readonly written: (fault: string | null) => void;
}

const SUFFIX = '.mdb';
const RESTORE = 'restore it, or move it away to start without it';
const DAMAGED = `its record of itself is damaged: ${RESTORE}`;
const STORED_KEY = Buffer.from('database');
/** A transaction takes no further write beyond that. */
const GROUP_BYTES_MAX = 4 * 1024 * 1024;
/** Segments below the floor that one transaction drops: what is left is dropped by the next ones. */
const DROPPED_MAX = 256;

/** The folder is made if it isn't there. */
export const lmdbOpDisks = (folder: string): OpDisks => ({
  list: () => listOf(folder),
  open: (database, opened, refused) => {
    const refuse = (reason: string): void => refused(`the database ${database} in ${folder} can't be used: ${reason}`);
    const objection = objectionToName(database);
    if (objection !== null) return void setImmediate(refuse, objection);
    openEnvironment(
      join(folder, database + SUFFIX),
      (environment) => {
        const stored = readStored(environment.about.get(STORED_KEY));
        const found = stored === null ? null : objectionToFound(stored, database);
        return found ?? new LmdbOpDisk(database, environment, stored);
      },
      opened,
      refuse,
    );
  },
});

const listOf = (folder: string): readonly string[] => {
  let files: readonly string[];
  try {
    files = readdirSync(folder);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return [];
    throw new Error(`the databases in ${folder} can't be listed: ${adviceOn(error)}`, { cause: error });
  }
  return files
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .filter((database) => objectionToName(database) === null)
    .sort();
};

class LmdbOpDisk implements OpDisk {
  readonly #database: string;
  readonly #environment: LmdbEnvironment;
  readonly #segments: Table;
  readonly #states: Table;
  readonly #records: Table;
  #floor: number;
  #length: number;
  /** The file says whose it is. */
  #isNamed: boolean;
  /** Segments below the floor may be left. */
  #isDropping = true;
  /** The last transaction did. */
  #isFailing = false;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** Of those that wait. */
  #urgentCount = 0;
  #isWriting = false;
  /** Set while only relaxed ones wait. */
  #timer: NodeJS.Timeout | null = null;
  #closed: ((fault: string | null) => void) | null = null;
  #fault: string | null = null;

  /** Throws where what it finds makes no sense. */
  constructor(database: string, environment: LmdbEnvironment, stored: Stored | null) {
    this.#database = database;
    this.#environment = environment;
    this.#segments = environment.table('segments');
    this.#states = environment.table('states');
    this.#records = environment.table('records');
    this.#isNamed = stored !== null;
    this.#floor = stored?.floor ?? 0;
    this.#length = this.#floor;
    try {
      for (const key of this.#segments.getKeys({ reverse: true, limit: 1 })) {
        const { index, count } = decodeSegmentKey(key);
        this.#length = Math.max(index + count, this.#floor);
      }
      if (this.#length > this.#floor) this.#find(this.#floor);
    } catch (error) {
      throw new Error(`its log is damaged (${textOf(error)}): ${RESTORE}`, { cause: error });
    }
  }

  get floor(): number {
    return this.#floor;
  }

  get length(): number {
    return this.#length;
  }

  segmentAt(index: number): Segment | null {
    if (index < this.#floor || index >= this.#length) return null;
    return this.#read(() => this.#find(index));
  }

  state(object: string): KeptState | null {
    return this.#read(() => {
      const key = Buffer.from(object);
      const value = this.#states.get(key);
      return value === undefined ? null : decodeState(key, value);
    });
  }

  states(after: string, countMax: number): readonly KeptState[] {
    if (countMax < 1) return [];
    const range = after === '' ? {} : { start: Buffer.from(after), exclusiveStart: true };
    return this.#read(() => {
      const found: KeptState[] = [];
      for (const { key, value } of this.#states.getRange({ ...range, limit: countMax }))
        found.push(decodeState(key, value));
      return found;
    });
  }

  record(name: string): Uint8Array | null {
    return this.#read(() => {
      const key = Buffer.from(name);
      const value = this.#records.get(key);
      return value === undefined ? null : decodeRecord(key, value);
    });
  }

  records(prefix: string): ReadonlyMap<string, Uint8Array> {
    return this.#read(() => {
      const found = new Map<string, Uint8Array>();
      for (const { key, value } of this.#records.getRange(prefix === '' ? {} : { start: Buffer.from(prefix) })) {
        const name = String(key);
        if (!name.startsWith(prefix)) break;
        found.set(name, decodeRecord(key, value));
      }
      return found;
    });
  }

  write(changes: OpChanges, isRelaxed: boolean, written: (fault: string | null) => void): void {
    const bytes = bytesOf(changes);
    this.#waiting.push({ changes, bytes, isRelaxed, written });
    this.#waitingBytes += bytes;
    if (!isRelaxed) this.#urgentCount += 1;
    this.#goOn();
  }

  close(closed: (fault: string | null) => void): void {
    this.#closed = closed;
    this.#goOn();
  }

  #goOn(): void {
    if (this.#isWriting) return;
    if (this.#isFailing && this.#waiting.length > 0) this.#letGo();
    else if (this.#waiting.length === 0) {
      if (this.#closed !== null) this.#end(this.#closed);
      else if (this.#isDropping && this.#isNamed && !this.#isFailing) this.#writeGroup();
    } else if (this.#urgentCount > 0 || this.#waitingBytes >= GROUP_BYTES_MAX || this.#closed !== null)
      this.#writeGroup();
    else this.#timer ??= setTimeout(() => this.#writeGroup(), RELAXED_MS);
  }

  #end(closed: (fault: string | null) => void): void {
    this.#closed = null;
    this.#environment.close((fault) => closed(this.#fault ?? fault));
  }

  /**
   * A small transaction, after one that failed. What a transaction frees is used again only by the next but one, so on a
   * full disk a large write would fail for ever, though all that it needs has been dropped.
   */
  #letGo(): void {
    this.#isWriting = true;
    this.#environment.write([this.#storedOperation(this.#floor)], () => {
      this.#isFailing = false;
      this.#isWriting = false;
      this.#goOn();
    });
  }

  #writeGroup(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#isWriting = true;
    const operations: Operation[] = [];
    const log = { floor: this.#floor, length: this.#length };
    const outcomes: { readonly written: Waiting['written']; readonly objection: string | null }[] = [];
    let bytes = 0;
    for (const waiting of this.#waiting) {
      if (bytes >= GROUP_BYTES_MAX) break;
      bytes += waiting.bytes;
      if (!waiting.isRelaxed) this.#urgentCount -= 1;
      const objection = objectionToChanges(waiting.changes, log);
      if (objection === null) this.#addTo(operations, waiting.changes, log);
      outcomes.push({ written: waiting.written, objection });
    }
    this.#waiting.splice(0, outcomes.length);
    this.#waitingBytes -= bytes;
    const isRaised = log.floor > this.#floor;
    if (isRaised || (operations.length > 0 && !this.#isNamed)) {
      operations.push(this.#storedOperation(log.floor));
    }
    let droppedCount = 0;
    let damage: string | null = null;
    try {
      if (isRaised || this.#isDropping) droppedCount = this.#dropBelow(log.floor, operations);
    } catch (error) {
      damage = textOf(error);
    }
    this.#environment.write(damage === null ? operations : [], (writeFault) => {
      const fault = damage ?? writeFault;
      this.#isFailing = fault !== null;
      if (fault === null) {
        this.#floor = log.floor;
        this.#length = log.length;
        this.#isNamed ||= operations.length > 0;
        this.#isDropping = isRaised || droppedCount === DROPPED_MAX;
      }
      for (const { written, objection } of outcomes) {
        if (this.#closed !== null) this.#fault ??= objection ?? fault;
        written(objection ?? fault);
      }
      this.#isWriting = false;
      this.#goOn();
    });
  }

  /** Of an index that is in the log: throws where it isn't all the same. */
  #find(index: number): Segment {
    for (const { key, value } of this.#segments.getRange({ start: endOfSegmentKeys(index), reverse: true, limit: 1 })) {
      const segment = decodeSegment(key, value);
      if (index < segment.index + segment.count) return segment;
    }
    throw new Error(`the op at ${index} is missing`);
  }

  #storedOperation(floor: number): Operation {
    const stored: Stored = { format: OP_FORMAT, database: this.#database, floor };
    return { table: this.#environment.about, key: STORED_KEY, value: Buffer.from(JSON.stringify(stored)) };
  }

  /** Moves `log` on. */
  #addTo(
    operations: Operation[],
    { segments, states, floor, records }: OpChanges,
    log: { floor: number; length: number },
  ): void {
    for (const segment of segments) {
      operations.push({ table: this.#segments, key: encodeSegmentKey(segment), value: segment.bytes });
      log.length = segment.index + segment.count;
    }
    for (const state of states) {
      const key = Buffer.from(state.object);
      operations.push({ table: this.#states, key, value: encodeState(key, state) });
    }
    for (const [name, bytes] of records) {
      const key = Buffer.from(name);
      operations.push({ table: this.#records, key, value: bytes === null ? null : encodeRecord(key, bytes) });
    }
    if (floor === null) return;
    log.floor = floor;
    log.length = Math.max(log.length, floor);
  }

  /** The lowest of those that are there and lie wholly below; tells how many. */
  #dropBelow(floor: number, operations: Operation[]): number {
    return this.#read(() => {
      let count = 0;
      for (const key of this.#segments.getKeys({ limit: DROPPED_MAX })) {
        const span = decodeSegmentKey(key);
        if (span.index + span.count > floor) break;
        operations.push({ table: this.#segments, key: Buffer.from(key), value: null });
        count += 1;
      }
      return count;
    });
  }

  #read<Found>(read: () => Found): Found {
    try {
      return read();
    } catch (error) {
      throw new Error(`the database ${this.#database} can't be read: ${adviceOn(error)}`, { cause: error });
    }
  }
}

const bytesOf = ({ segments, states, records }: OpChanges): number => {
  let sum = 0;
  for (const { bytes } of segments) sum += bytes.length;
  for (const { state } of states) sum += state.length;
  for (const bytes of records.values()) sum += bytes?.length ?? 0;
  return sum;
};

/** Throws for what no version writes. */
const readStored = (bytes: Buffer | undefined): Stored | null => {
  if (bytes === undefined) return null;
  let stored: { readonly [Name in keyof Stored]?: unknown };
  try {
    stored = { ...(JSON.parse(bytes.toString()) as typeof stored) };
  } catch {
    throw new Error(DAMAGED);
  }
  const { format, database, floor } = stored;
  const isSound = typeof format === 'number' && typeof database === 'string';
  if (!isSound || (format <= OP_FORMAT && !(Number.isSafeInteger(floor) && (floor as number) >= 0)))
    throw new Error(DAMAGED);
  return stored as Stored;
};
