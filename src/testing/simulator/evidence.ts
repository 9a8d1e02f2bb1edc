/** All that a run leaves for its checkers to judge. Times are those of the world, in ms. */
import type { Settings } from '../../actors/settings.js';
import type { Stamp } from '../../store/stamp.js';
import type { Window } from '../checker/linearizable.js';
import type { Operation } from '../checker/operation.js';
import type { Edge, Plan } from './plan.js';

export interface Evidence {
  readonly plan: Plan;
  readonly settings: Settings;
  readonly history: readonly Operation[];
  /** In which the membership was stable. */
  readonly windows: readonly Window[];
  readonly endMs: number;
  /** Why the swarm did not settle after all faults had ended; null if it did. */
  readonly unsettled: string | null;
  /** Nodes that ended by themselves, replies to nothing, and what could not be read. */
  readonly oddities: readonly string[];
  readonly lives: readonly Life[];
  readonly disturbances: readonly Disturbance[];
  /** `missing` answered while a node had an acknowledged copy all the time. */
  readonly missedCopies: readonly MissedCopy[];
  /** By key: when a node last went with a copy of it. */
  readonly goneWithNode: ReadonlyMap<string, number>;
  /** By key: the latest stamp of a copy without expiry, seen whenever a fault ended. */
  readonly seenStamps: ReadonlyMap<string, SeenStamp>;
  /** The nodes that live at the end. */
  readonly nodes: readonly NodeEvidence[];
  /** Sums over all lives, `finder.searches` and the like. */
  readonly counters: ReadonlyMap<string, number>;
  /** Searches begun while the settled swarm was asked for keys that it had been asked for before. */
  readonly searchesWhenSettled: number;
  /** What it was asked then. */
  readonly askedWhenSettled: readonly Operation[];
  readonly watchings: readonly Watching[];
  /** Messages that a rule forbids, by invariant. */
  readonly broken: readonly Broken[];
  /** Nodes that miss others although all that are gone have left in order. */
  readonly missing: readonly string[];
  /** What was still there after all nodes had stopped. */
  readonly leftBehind: readonly string[];
}

export interface Broken {
  readonly invariant: string;
  readonly texts: readonly string[];
}

export interface Life {
  readonly node: number;
  readonly bornMs: number;
  /** Infinite while it lasts. */
  endedMs: number;
}

/** Something stood still or was cut off; links need time to come back afterwards. */
export interface Disturbance {
  readonly fromMs: number;
  /** When the fault ended. */
  readonly endedMs: number;
  /** When its consequences had ended as well. */
  readonly toMs: number;
  readonly nodes: readonly number[];
  readonly edges: readonly Edge[];
  /** The node that stood still, if that was the fault. */
  readonly pausedNode: number | null;
}

export interface MissedCopy {
  readonly operation: Operation;
  /** As bits by number: the nodes that had the copy throughout. */
  readonly holders: number;
}

export interface StoredEntry {
  /** Null for a tombstone. */
  readonly value: number | null;
  /** Of its stamp. */
  readonly time: number;
  readonly bytes: number;
  /** 0: never. */
  readonly expiresAtMs: number;
}

/** One watch of all keys, from its opening to the end of its connection. */
export interface Watching {
  readonly node: number;
  readonly fromMs: number;
  /** Infinite while it lasts. */
  toMs: number;
  readonly changes: ToldChange[];
}

export interface ToldChange {
  readonly atMs: number;
  readonly kind: 'set' | 'delete' | 'expire' | 'evict' | 'merge' | 'gap';
  /** Null with a gap. */
  readonly key: string | null;
  readonly stamp: Stamp | null;
}

export interface SeenStamp {
  readonly atMs: number;
  readonly node: number;
  readonly time: number;
}

export interface NodeEvidence {
  readonly node: number;
  readonly id: string;
  /** What is stored, by key, with the bytes that it counts for. */
  readonly entries: ReadonlyMap<string, StoredEntry>;
  /** By key: the number of the claim under which it is owned. */
  readonly owned: ReadonlyMap<string, number>;
  /** What the node knows as a home of these keys. */
  readonly directory: ReadonlyMap<string, { readonly owner: string; readonly claim: number }>;
  /** What the store says of itself. */
  readonly keyCount: number;
  readonly byteCount: number;
  /** Requests for which something still waits. */
  readonly open: number;
  readonly lookups: number;
  readonly messages: {
    readonly sent: number;
    readonly accounted: number;
  };
  readonly mailboxes: readonly { readonly path: string; readonly depthMax: number; readonly capacity: number }[];
}
