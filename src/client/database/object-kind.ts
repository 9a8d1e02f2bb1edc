/** A type of objects as a caller uses it: the type itself, and what can be written to one of its objects. */
import type { NodeId } from '../../store/node-id.js';
import type { ReplicatedType } from '../../store/types/replicated-type.js';
import type { Bytes } from '../../transport/message.js';

/** What an object offers to those who write to it. */
export interface Writable<Body> {
  /** As it is now; not to be changed. */
  readonly body: Body;
  /** Who writes; null: nobody may. */
  readonly origin: NodeId | null;
  /** The same; throws SwarmError where nobody may. */
  author(): NodeId;
  /** One more op, applied at once. Throws SwarmError. */
  write(payload: Bytes): void;
}

export interface ObjectKind<Body, View, Payloads, Writers> {
  readonly type: ReplicatedType<Body, View, Payloads>;
  writersOf(object: Writable<Body>): Writers;
}
