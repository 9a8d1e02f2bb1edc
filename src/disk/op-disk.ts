/**
 * What a peer keeps of one database: segments of its log, states of objects, and small records by name. The interface
 * that the replica knows; lmdb-op-disk.ts keeps it in a directory, memory-op-disk.ts in memory. Writes return at once and
 * are called back later, in the order of the calls; reads are answered at once. A read sees all that was called back as
 * written, may or may not see what is being written, and throws, with a line that says why, where the disk is damaged.
 * What it returns is a copy: the caller's for good.
 *
 * Names (of objects and records) are 1 to `NAME_BYTES_MAX` bytes of UTF-8, and in the order of those bytes.
 */

/** The layout of what is kept. A disk with a higher one is refused: this version can't know what it means. */
export const OP_FORMAT = 1;

export const NAME_BYTES_MAX = 1024;

/** How long a relaxed write may wait for others to share a transaction with. */
export const RELAXED_MS = 100;

/** A run of ops as it was appended, at most some 64 KiB unless one op is longer. */
export interface Segment {
  /** Index in the log of its first op. */
  readonly index: number;
  /** At least one, fewer than 2^32. */
  readonly count: number;
  /** The encoded ops, one behind the other. */
  readonly bytes: Uint8Array;
}

/** The state of one object, beside the ops that the log has of it. */
export interface KeptState {
  /** `type/id`. */
  readonly object: string;
  /** Positions in the log below this index do not include it. */
  readonly index: number;
  /** Canonical, see store/types/object-state.ts. */
  readonly state: Uint8Array;
}

/**
 * What is written at once: after a crash either all of it is there or nothing, and never without all that was written
 * before (R1). The bytes stay as they are until it is called back.
 */
export interface OpChanges {
  /** The first goes on where the log ends then, each further one where the one before it ends. */
  readonly segments: readonly Segment[];
  /** Each in place of a former one of its object. */
  readonly states: readonly KeptState[];
  /**
   * The log begins here from now on, and never again below: segments that lie wholly below are dropped. Above the end of
   * the log, that ends here too. Null leaves it.
   */
  readonly floor: number | null;
  /** Records by name; null removes one. The bytes are the replica's business. */
  readonly records: ReadonlyMap<string, Uint8Array | null>;
}

export interface OpDisk {
  /** Index of the first op that is kept, and one above the last, by all that was called back as written. */
  readonly floor: number;
  readonly length: number;
  /** The segment that holds this index, though it may begin below the floor; null below the floor and at the end. */
  segmentAt(index: number): Segment | null;
  state(object: string): KeptState | null;
  /** The states of objects whose names come after that one, in order: at most so many. */
  states(after: string, countMax: number): readonly KeptState[];
  record(name: string): Uint8Array | null;
  /** Records whose names begin so, in order. */
  records(prefix: string): ReadonlyMap<string, Uint8Array>;
  /**
   * Called back when it is on the disk for good: null, or why nothing of it is. After a failure those behind it whose
   * segments no longer go on where the log ends fail too; the first is to be given again, in whole or in part.
   *
   * A relaxed one may wait up to `RELAXED_MS` for others, as long as none that isn't relaxed is behind it. It is called
   * back like the others: who acknowledges before that may lose so much more than what was acknowledged after.
   */
  write(changes: OpChanges, isRelaxed: boolean, written: (fault: string | null) => void): void;
  /** After all that was given to write: null, or why some of that has not been written. Nothing may be asked afterwards. */
  close(closed: (fault: string | null) => void): void;
}

/** Where a node keeps its databases. */
export interface OpDisks {
  /** Names of the databases that are there, in order. Throws, with a line that says why, where they can't be listed. */
  list(): readonly string[];
  /**
   * Opens the database for the one node that may use it, and makes it if it isn't there. Refused, with a line that says
   * what to do: where it has a newer format, is in use, is damaged, or can't be written. Never called back within the call.
   */
  open(database: string, opened: (disk: OpDisk) => void, refused: (reason: string) => void): void;
}

/** Why that can't be the name of a database; null if it can. */
export const objectionToName = (database: string): string | null =>
  /^[\w.-]{1,64}$/.test(database) ? null : 'the name of a database is 1 to 64 of A-Z, a-z, 0-9, ".", "_" and "-"';

/** Why a disk that holds a database of that name and format may not be used for `database`; null if it may. */
export const objectionToFound = (
  found: { readonly format: number; readonly database: string },
  database: string,
): string | null => {
  if (found.format > OP_FORMAT)
    return `it holds format ${found.format} and this version knows ${OP_FORMAT}: use a newer version, or another directory`;
  if (found.database !== database) return `it holds the database ${found.database}: give it that name again`;
  return null;
};

/** Why the changes can't be written where the log is so; null if they can. */
export const objectionToChanges = (
  { segments, states, floor, records }: OpChanges,
  log: { readonly floor: number; readonly length: number },
): string | null => {
  let end = log.length;
  for (const { index, count } of segments) {
    if (index !== end) return `the log ends at ${end}: a segment at ${index} does not go on there`;
    if (count >>> 0 !== count || count === 0) return `a segment can't have ${count} ops`;
    end += count;
  }
  if (floor !== null && !(Number.isSafeInteger(floor) && floor >= log.floor))
    return `the log begins at ${log.floor}: it can't begin at ${floor}`;
  for (const { object } of states) if (!isName(object)) return `an object has no name, or one that is too long`;
  for (const name of records.keys()) if (!isName(name)) return `a record has no name, or one that is too long`;
  return null;
};

const isName = (name: string): boolean =>
  // Three bytes is the most that a unit of text takes, which spares most names the counting.
  name !== '' && (3 * name.length <= NAME_BYTES_MAX || Buffer.byteLength(name) <= NAME_BYTES_MAX);
