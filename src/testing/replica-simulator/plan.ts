/**
 * What one simulated run of a database is: a swarm, its peers, those who write, and what befalls them, as plain data, so
 * that a run can be made smaller by leaving things out.
 */
import type { Edge, PlannedFault } from '../simulator/plan.js';
import type { WorldPlan } from '../simulator/world.js';

export type ObjectType = 'lww' | 'counter' | 'set' | 'text';

/** What a writer does, or what befalls it. Times count from the start of the actions. */
export type PlannedAction = { readonly atMs: number; readonly writer: number } & (
  | { readonly kind: 'write'; readonly type: ObjectType; readonly object: number; readonly padding: number }
  /** Takes away one of the values of a set (default) or a text, whoever added it. */
  | { readonly kind: 'remove'; readonly object: number; readonly type?: 'set' | 'text' }
  /** From now on at another node. */
  | { readonly kind: 'move'; readonly node: number }
  /** Its connection breaks, and another one at once. */
  | { readonly kind: 'reconnect' }
  | { readonly kind: 'offline'; readonly forMs: number }
  /** Its process ends, in order or without a word, and begins anew with what its storage has. */
  | { readonly kind: 'restart'; readonly isCrash: boolean; readonly forMs: number }
  | { readonly kind: 'turn-clock'; readonly byMs: number }
);

export type ReplicaFault =
  | PlannedFault
  | ({ readonly atMs: number; readonly node: number } & (
      | { readonly kind: 'compact' }
      /** The node becomes a peer. */
      | { readonly kind: 'join-peers' }
      /** The node crashes, and returns with its databases as they were that much earlier; null: without them. */
      | { readonly kind: 'set-back'; readonly byMs: number | null; readonly forMs: number }
    ));

export interface ReplicaPlan extends WorldPlan {
  readonly edges: readonly Edge[];
  /** The nodes that hold the database from the beginning. */
  readonly peers: readonly number[];
  readonly isRelaxed: boolean;
  readonly scheme: string;
  /** 0: by command only. */
  readonly compactAfterMs: number;
  /** The node that each writer begins at. */
  readonly writers: readonly number[];
  /** How far the clock of each writer is ahead. */
  readonly writerSkewsMs: readonly number[];
  /** Writers go on writing when the time that they were granted is over, as another client may. */
  readonly isHeedless: boolean;
  /** How long a writer's storage takes for a write. */
  readonly storageMs: number;
  readonly actions: readonly PlannedAction[];
  readonly faults: readonly ReplicaFault[];
  readonly durationMs: number;
}
