/** What the parts of the local store have in common: who they are, what time it is, whom they can tell. */
import type { NodeId } from '../../store/node-id.js';
import type { Key, RoutedMessage } from '../../transport/message.js';

export interface StoreHost {
  readonly node: NodeId;
  /** Monotonic ms. */
  now(): number;
  /** The store's clock, which goes with every message between nodes (RULES O7). */
  clock(): number;
  send(message: RoutedMessage): void;
  /** The store calls `remind` of its parts after that time, or at that time, at the latest. */
  remindWithin(ms: number): void;
  remindBy(atMs: number): void;
  /** The key is free, or not here any more: what waits for it goes on. */
  resume(key: Key): void;
}
