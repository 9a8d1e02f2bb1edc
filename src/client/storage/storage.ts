/**
 * What a client keeps of one database between its runs: who it is, its ops that are not yet safe elsewhere, the objects it
 * holds. Three implementations: memory.ts, file.ts (Node) and indexeddb.ts (browsers), with one contract suite.
 */
import type { Bytes } from '../../transport/message.js';

/** An op that the client wrote, under a number that rises by one with each. */
export interface KeptOp {
  readonly number: number;
  readonly op: Bytes;
}

/** What was found at the opening. */
export interface Kept {
  /** The client's own record, or null: it has never been here. */
  readonly record: Bytes | null;
  /** By rising number. */
  readonly ops: readonly KeptOp[];
  /** By the object's name. */
  readonly states: ReadonlyMap<string, Bytes>;
}

/** What is written at once: after a crash either all of it is there or nothing. */
export interface KeptChange {
  /** In place of the former one; null leaves that. */
  readonly record: Bytes | null;
  readonly opsAdded: readonly KeptOp[];
  /** Ops with numbers below are safe elsewhere, and dropped. */
  readonly opsFloor: number;
  /** Each in place of the former one of its object; null drops it. */
  readonly states: ReadonlyMap<string, Bytes | null>;
}

export interface ReplicaStore {
  readonly kept: Kept;
  /** Resolves when it is kept for good. Changes are kept in the order given; rejects where one can't be. */
  write(change: KeptChange): Promise<void>;
  /** After all that was given to write. */
  close(): Promise<void>;
}

export interface ReplicaStorage {
  /**
   * Opens what is kept of that database for its one user: a replica that writes at two places at once would write two
   * ops under one stamp. Rejects with a line that says what to do where it is in use, or can't be read.
   */
  open(database: string): Promise<ReplicaStore>;
}
