/**
 * What a node keeps on disk: its entries, and a record of itself. The interface that the local store knows; lmdb-disk.ts
 * keeps it in a directory, memory-disk.ts in memory. Calls return at once; what they lead to is called back later, never
 * within the call, in the order of the calls.
 */
import type { NodeId } from '../store/node-id.js';

/** The layout of what is kept. A disk with a higher one is refused: this version can't know what it means. */
export const FORMAT = 1;

/** What a node must find again at its next start. */
export interface NodeRecord {
  readonly node: NodeId;
  readonly swarm: string;
  /** The highest that the node has used. */
  readonly incarnation: number;
  /** The highest time that its stamps were above (see stamp.ts). */
  readonly clock: number;
  /** All entries were handed over before the node left: none of those on disk may come back (RULES H2). */
  readonly isEmptied: boolean;
}

/** One entry as it is kept. */
export interface KeptEntry {
  readonly key: string;
  /** Encoded; null for a tombstone. */
  readonly value: Uint8Array | null;
  /** The stamp: see stamp.ts. */
  readonly time: number;
  readonly origin: NodeId;
  /** Unix time in ms; 0 = never. */
  readonly expiresAtWallMs: number;
}

/** What is written at once: after a crash either all of it is there or nothing. */
export interface Changes {
  /** Each in place of any former entry of its key. Their bytes stay as they are until the write is called back. */
  readonly puts: readonly KeptEntry[];
  /** Keys; those that aren't there are no matter. */
  readonly removes: readonly string[];
  /** In place of the former record, or null to leave that. */
  readonly record: NodeRecord | null;
}

/** A piece of what was found. */
export interface Piece {
  readonly entries: readonly KeptEntry[];
  /** Entries that have no meaning to this version; they stay where they are. */
  readonly unreadableCount: number;
  readonly isLast: boolean;
}

export interface EntryDisk {
  /** As it was found at the opening; null where no node has been before. */
  readonly record: NodeRecord | null;
  /** Entries at the opening; none after `isEmptied`. */
  readonly count: number;
  /**
   * The next piece of what was found, in no order to rely on: at most that many entries, and no further one beyond that
   * many bytes. Ask for one at a time, until the last, and before the first write. `fault`: the disk can't be read.
   */
  load(countMax: number, bytesMax: number, loaded: (piece: Piece) => void, failed: (fault: string) => void): void;
  /** Whether an entry of that key has been written and not been removed; what is being written may or may not count. */
  has(key: string): boolean;
  /**
   * Called back when it is on the disk for good: null, or why nothing of it is. A failure is nobody's end: later writes
   * are tried like the first.
   */
  write(changes: Changes, written: (fault: string | null) => void): void;
  /** After all that was given to write: null, or why some of that has not been written. Nothing may be asked afterwards. */
  close(closed: (fault: string | null) => void): void;
}

/**
 * Opens the disk for the one node that may use it. Refused, with a line that says what to do: where it holds another
 * swarm's entries or a newer format, is in use, is damaged, or can't be written.
 */
export type OpenEntryDisk = (
  swarm: string,
  opened: (disk: EntryDisk) => void,
  refused: (reason: string) => void,
) => void;

/** Why a node of that swarm and version may not use a disk with that record; null if it may. */
export const objectionTo = (
  found: { readonly format: number; readonly swarm: string },
  swarm: string,
): string | null => {
  if (found.format > FORMAT)
    return `it holds format ${found.format} and this version knows ${FORMAT}: use a newer version, or another directory`;
  if (found.swarm !== swarm) return `it belongs to the swarm ${found.swarm}, not ${swarm}: use another directory`;
  return null;
};
