/**
 * The neighbours of this node: one live link to each. Where there are two, both ends come to the same decision about which
 * of them stays, without asking each other. A part of the router, not an actor of its own.
 */
import type { NodeId, NodeRef } from '../../store/node-id.js';
import { NEIGHBOURS_MAX } from '../../store/topology.js';
import type { Topology } from '../../store/topology.js';
import type { LinkUp } from '../message.js';
import type { Ref } from '../runtime/kind.js';

export interface Neighbour {
  readonly link: Ref;
  readonly incarnation: number;
  readonly isDialled: boolean;
}

export class Neighbours {
  readonly #node: NodeId;
  readonly #topology: Topology;
  readonly #byNode = new Map<NodeId, Neighbour>();
  readonly counts = { duplicates: 0, crowded: 0, ghosts: 0 };

  constructor(node: NodeId, topology: Topology) {
    this.#node = node;
    this.#topology = topology;
  }

  get size(): number {
    return this.#byNode.size;
  }

  /** In the order in which they came. */
  get nodes(): NodeId[] {
    return [...this.#byNode.keys()];
  }

  all(): Iterable<Neighbour> {
    return this.#byNode.values();
  }

  linkTo(node: NodeId): Ref | null {
    return this.#byNode.get(node)?.link ?? null;
  }

  nodeOf(link: Ref): NodeId | null {
    for (const [node, neighbour] of this.#byNode) if (neighbour.link === link) return node;
    return null;
  }

  /** Under the highest incarnation that is known of it, from its greeting or its announcements. */
  refOf(node: NodeId): NodeRef {
    const greeted = this.#byNode.get(node)?.incarnation ?? 0;
    return { node, incarnation: Math.max(greeted, this.#topology.stateOf(node)?.incarnation ?? 0) };
  }

  /** What is to become of a link: it is `taken`, or `better` than the one that there is; else why it is not. */
  judge(message: LinkUp, link: Ref): 'taken' | 'better' | 'duplicate' | 'full' {
    const old = this.#byNode.get(message.node);
    if (old !== undefined && old.link !== link) {
      if (!this.#isBetter(message, old)) {
        this.counts.duplicates += 1;
        return 'duplicate';
      }
      if (message.incarnation > old.incarnation) this.counts.ghosts += 1;
      else this.counts.duplicates += 1;
      return 'better';
    }
    if (old === undefined && this.#byNode.size >= NEIGHBOURS_MAX) {
      // One more, and nobody would accept this node's announcements any longer.
      this.counts.crowded += 1;
      return 'full';
    }
    return 'taken';
  }

  add({ node, incarnation, isDialled }: LinkUp, link: Ref): void {
    this.#byNode.set(node, { link, incarnation, isDialled });
  }

  /** False: the link is not in use (any more). */
  remove(node: NodeId, link: Ref): boolean {
    return this.#byNode.get(node)?.link === link && this.#byNode.delete(node);
  }

  #isBetter(link: LinkUp, old: Neighbour): boolean {
    if (link.incarnation !== old.incarnation) return link.incarnation > old.incarnation;
    // Both ends dialled: the link that the lower id dialled stays.
    if (link.isDialled !== old.isDialled) return link.isDialled === this.#node < link.node;
    // The dialling end knows of all the links that it dialled: its second is one too many, whereas a second one that
    // it takes into use tells the listening end that the first is dead.
    return !link.isDialled;
  }
}
