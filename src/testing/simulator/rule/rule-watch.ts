/**
 * Rules of single messages, which no client notices when one of them is broken: another rule covers it, or it takes a
 * second fault to do harm. A rule watch sees each message of its types that an actor of the swarm is about to handle, and
 * says which ones should not have been sent.
 */
import type { Hop } from '../../../actors/runtime/runtime.js';
import { decodeCopies } from '../../../store/entry-copy.js';
import type { NodeLife } from '../../node-life.js';

export interface RuleWatch {
  readonly invariant: string;
  /** The types of messages that it looks at. */
  readonly types: readonly string[];
  /** A node has started: what was known of its former life does not count any more. */
  onStart(node: number, life: NodeLife): void;
  onHop(node: number, hop: Hop, life: NodeLife): void;
  /** What was wrong, at the end of the run. */
  found(): readonly string[];
}

/** Actors of a node, as hops name them. */
export const ACTOR = {
  node: '/node',
  store: '/node/local-store',
  router: '/node/router',
  finder: '/node/finder',
  directory: '/node/directory',
} as const;

/** The keys of a batch that is handed over; none for a question about one. */
export const keysOfCopies = (copies: Uint8Array): string[] => (decodeCopies(copies) ?? []).map(({ key }) => key);
