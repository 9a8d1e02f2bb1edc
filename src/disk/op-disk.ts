/**
 * What a peer keeps of one database: segments of its log, snapshots of objects, and small records by name. The interface
 * that the replica knows; lmdb-op-disk.ts keeps it in a directory, memory-op-disk.ts in memory. Writes return at once and
 * are called back later, in the order of the calls; reads are answered at once, from memory-mapped files.
 */

/** The layout of what is kept. A disk with a higher one is refused: this version can't know what it means. */
export const OP_FORMAT = 1;

/** A run of ops as it was appended, at most some 64 KiB unless one op is longer. */
export interface Segment {
  /** Index in the log of its first op. */
  readonly index: number;
  readonly count: number;
  /** The encoded ops, one behind the other. */
  readonly bytes: Uint8Array;
}

/** The state of one object at some index of the log. */
export interface KeptState {
  /** `type/id`. */
  readonly object: string;
  /** The log entries before this index are in it. */
  readonly index: number;
  /** Canonical, see store/types/object-state.ts. */
  readonly state: Uint8Array;
}

/** What is written at once: after a crash either all of it is there or nothing, and nothing before later writes (R1). */
export interface OpChanges {
  readonly segments: readonly Segment[];
  /** Each in place of a former one of its object. */
  readonly states: readonly KeptState[];
  /** The log begins here from now on: what lies wholly below is dropped. Null leaves it. */
  readonly floor: number | null;
  /** Records by name; null removes one. The bytes are the replica's business. */
  readonly records: ReadonlyMap<string, Uint8Array | null>;
}

export interface OpDisk {
  /** Index of the first op that is kept, and one above the last. */
  readonly floor: number;
  readonly length: number;
  /** The segment that holds this index, or null where there is none. Its bytes are the caller's to read, not to change. */
  segmentAt(index: number): Segment | null;
  state(object: string): KeptState | null;
  /** All objects with a state, in order of their names, from above `after` on: at most that many. */
  states(after: string, countMax: number): readonly KeptState[];
  record(name: string): Uint8Array | null;
  /** Records whose name begins so, in order. */
  records(prefix: string): ReadonlyMap<string, Uint8Array>;
  /** Called back when it is on the disk for good, or, `isRelaxed`, handed to it: null, or why nothing of it is. */
  write(changes: OpChanges, isRelaxed: boolean, written: (fault: string | null) => void): void;
  /** After all that was given to write. Nothing may be asked afterwards. */
  close(closed: (fault: string | null) => void): void;
}

/** Where a node keeps its databases. */
export interface OpDisks {
  /** Names of the databases that are there. */
  list(): readonly string[];
  /**
   * Opens the database for the one node that may use it, and makes it if it isn't there. Refused, with a line that says
   * what to do: where it has a newer format, is in use, is damaged, or can't be written.
   */
  open(database: string, opened: (disk: OpDisk) => void, refused: (reason: string) => void): void;
}
