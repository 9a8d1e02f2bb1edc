/** Who is there, as the finder needs to know it. */
import type { NodeId } from '../../store/node-id.js';
import type { View } from '../message.js';

export class SwarmView {
  readonly #self: NodeId;
  #members: ReadonlySet<NodeId>;
  #missed = 0;

  constructor(self: NodeId) {
    this.#self = self;
    this.#members = new Set([self]);
  }

  /** Members that vanished without leaving and are still missed (C4). */
  get missed(): number {
    return this.#missed;
  }

  has(node: NodeId): boolean {
    return this.#members.has(node);
  }

  /** A member that can be asked: it is present, and not this node. */
  hasOther(node: NodeId): boolean {
    return node !== this.#self && this.#members.has(node);
  }

  onView(view: View): void {
    this.#members = new Set(view.members);
    this.#missed = view.missed;
  }
}
