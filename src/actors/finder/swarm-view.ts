/** Who is there, as the finder needs to know it. */
import type { NodeId } from '../../store/node-id.js';
import type { View } from '../message.js';

export class SwarmView {
  readonly #self: NodeId;
  /** With the incarnation of each; 0: nobody has told it yet. */
  #members: ReadonlyMap<NodeId, number>;
  #missed = 0;

  constructor(self: NodeId) {
    this.#self = self;
    this.#members = new Map([[self, 0]]);
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

  /** Tells one start of a member from another; 0 of a node that is not present. */
  incarnationOf(node: NodeId): number {
    return this.#members.get(node) ?? 0;
  }

  onView(view: View): void {
    this.#members = new Map(view.members.map((node, i) => [node, view.incarnations[i] as number]));
    this.#missed = view.missed;
  }
}
