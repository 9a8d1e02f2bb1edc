/**
 * What one simulated run is: a swarm, its clients' requests and its faults, as plain data. All is decided beforehand, so
 * that a run can be made smaller by leaving things out: what is left happens as it would have.
 */
import type { Settings } from '../../actors/settings.js';
import type { Operation } from '../checker/operation.js';

/** The first dials the second. An edge may be there both ways: then both ends dial. */
export type Edge = readonly [number, number];

export interface PlannedRequest {
  /** Counted from the start of the requests, as all times of a plan. */
  readonly atMs: number;
  readonly client: number;
  readonly key: string;
  readonly kind: Operation['kind'];
  readonly condition: Operation['condition'];
  readonly ttlMs: number;
  readonly by: number;
  /** Characters beside the number in the value of a `set`; 0 stores a bare number. */
  readonly padding: number;
  /** How often it is asked anew, as another request, if nobody tells what became of it. */
  readonly retries: number;
}

/** A fault ends by itself after `forMs`, or when the run heals. */
export type PlannedFault = { readonly atMs: number } & (
  | { readonly kind: 'clog'; readonly edge: Edge; readonly forMs: number }
  | { readonly kind: 'reset'; readonly edge: Edge }
  /** All of them at once: a partition of any shape. */
  | { readonly kind: 'cut'; readonly edges: readonly Edge[]; readonly forMs: number }
  /** Nothing arrives any more in one direction, or in both, and nobody is told. */
  | { readonly kind: 'half-open'; readonly edge: Edge; readonly isBoth: boolean; readonly forMs: number }
  /** The node is gone with all that it stored, and started again empty. */
  | { readonly kind: 'crash'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'pause'; readonly node: number; readonly forMs: number }
  | { readonly kind: 'clock-jump'; readonly node: number; readonly byMs: number }
  /** The wall clock gains that many ms per second. */
  | { readonly kind: 'clock-drift'; readonly node: number; readonly rate: number }
  /** The node leaves in order, and is started again. */
  | { readonly kind: 'leave'; readonly node: number; readonly forMs: number }
  /** The node's first start; before, the swarm has never seen it. */
  | { readonly kind: 'join'; readonly node: number }
);
export type FaultKind = PlannedFault['kind'];

export interface Plan {
  /** The kind of probe that it is; null: anything may happen in it. */
  readonly about: string | null;
  readonly seed: number;
  readonly nodes: number;
  readonly edges: readonly Edge[];
  /** Of all nodes, beside what suits a simulation. */
  readonly settings: Partial<Settings>;
  readonly encodesEveryHop: boolean;
  /** One way: at least `minMs`, and `extraMs` more in the mean, spread exponentially. */
  readonly latency: { readonly minMs: number; readonly extraMs: number };
  /** The node that each client asks as long as it can. */
  readonly clients: readonly number[];
  /** Clients come back to their node at once and again and again, however long it is away. */
  readonly clientsStay: boolean;
  /** The node that each client asks that watches all keys. */
  readonly watchers: readonly number[];
  /** Nodes have disks, which outlive their crashes. */
  readonly hasDisks: boolean;
  readonly requests: readonly PlannedRequest[];
  readonly faults: readonly PlannedFault[];
  readonly durationMs: number;
}
