/** All that a run of a database leaves for its checkers. */
import type { NodeId } from '../../store/node-id.js';
import type { ObjectType, ReplicaPlan } from './plan.js';

/** The id of an op: `origin time`. */
export type OpId = string;

export const opIdOf = (origin: string, time: number): OpId => `${origin} ${time}`;

export interface WrittenOp {
  readonly writer: number;
  readonly type: ObjectType;
  readonly object: string;
  /** What a field is set to, what is added to a counter or a set; null: a value of a set is removed. */
  readonly value: number | null;
  /** The value that is removed. */
  readonly removed: number | null;
  readonly atMs: number;
  /** Each time that it was written, under its stamp then: more than one where it was rebased. */
  readonly ids: { readonly origin: NodeId; readonly time: number }[];
  /** The last op of each origin that the writer had seen, by its own account outside of the project. */
  readonly seen: ReadonlyMap<string, number>;
  /** The number in the outbox of the process that wrote it. */
  number: number;
  /** The process ended before it was kept: it may exist or not. */
  isUncertain: boolean;
  /** By decision: it may count twice. */
  isRebasedByName: boolean;
  /** Told to be at a second peer, and on how many disks it was then. */
  spread: { readonly atMs: number; readonly disks: number } | null;
}

/** The values that a set shows, or a text, in which each is a word `<value>`. */
export const valuesOf = (view: unknown): readonly number[] =>
  typeof view === 'string'
    ? [...view.matchAll(/<(\d+)>/g)].map(([, value]) => Number(value))
    : (view as readonly number[]);

/**
 * The field shows what that writer may have set: its process ended before it was kept, and the next one, whose clock is
 * behind what the former one had seen, stamped lower what it set.
 */
export const isStampedLater = (shown: unknown, object: string, writer: number, ops: readonly WrittenOp[]): boolean =>
  ops.some(
    (op) => op.isUncertain && op.value === shown && op.type === 'lww' && op.object === object && op.writer === writer,
  );

export interface LogEvidence {
  readonly node: number;
  readonly floor: number;
  /** From the floor on, and of each the time of the op that it follows on. */
  readonly entries: readonly OpId[];
  readonly prevTimes: readonly number[];
  /** Last times by origin, of all that is covered; and at the floor. */
  readonly last: ReadonlyMap<string, number>;
  readonly lastAtFloor: ReadonlyMap<string, number>;
  readonly chainDigest: string;
  /** Objects by name: the encoded state in hex, and what it shows. */
  readonly states: ReadonlyMap<string, { readonly encoded: string; readonly view: unknown }>;
  /** What is kept of objects by name, as snapshots: which ops they say they have, and what they show. */
  readonly snapshots: ReadonlyMap<string, { readonly vector: ReadonlyMap<string, number>; readonly view: unknown }>;
  readonly mailboxes: readonly { readonly path: string; readonly depthMax: number; readonly capacity: number }[];
}

export interface WriterEvidence {
  readonly writer: number;
  readonly status: string;
  readonly pending: number;
  readonly views: ReadonlyMap<string, unknown>;
}

export interface Granted {
  readonly writer: number;
  readonly replica: string;
  readonly fromTime: number;
  readonly untilTime: number;
}

export interface ReplicaEvidence {
  readonly plan: ReplicaPlan;
  readonly ops: readonly WrittenOp[];
  readonly logs: readonly LogEvidence[];
  readonly writers: readonly WriterEvidence[];
  readonly grants: readonly Granted[];
  /** What was noticed while it ran: `[invariant, text]`. */
  readonly noticed: readonly (readonly [string, string])[];
  readonly givenUp: readonly string[];
  /** Why not all was equal in time after all had healed; null if it was. */
  readonly unsettled: string | null;
  readonly counters: ReadonlyMap<string, number>;
}
