/**
 * An edge counts if both of its ends announce it with each other's present incarnation; the view is what can be reached
 * over such edges, by what the node itself knows of the announcements (RULES V1).
 */
import type { Hop } from '../../../actors/runtime/runtime.js';
import type { NodeId } from '../../../store/node-id.js';
import type { LinkState, Topology } from '../../../store/topology.js';
import type { NodeLife } from '../../node-life.js';
import { topologyOf } from '../look.js';
import { ACTOR } from './rule-watch.js';
import type { RuleWatch } from './rule-watch.js';

export class ViewEdges implements RuleWatch {
  readonly invariant = 'edges have two ends';
  readonly types = ['view'];
  readonly #found: string[] = [];

  onStart(): void {}

  onHop(node: number, { to, type, atMs }: Hop, life: NodeLife): void {
    if (type !== 'view' || to !== ACTOR.finder) return;
    const topology = topologyOf(life);
    if (topology === null) return;
    const reached = reachedFrom(topology);
    for (const member of topology.members.keys()) {
      if (!reached.has(member))
        this.#found.push(`n${node} saw ${member} at ${atMs.toFixed(1)} over an edge of one end`);
    }
  }

  found(): readonly string[] {
    return this.#found;
  }
}

const reachedFrom = (topology: Topology): ReadonlySet<NodeId> => {
  const reached = new Set([topology.own.node]);
  for (const node of reached) {
    const state = topology.stateOf(node) as LinkState;
    for (const { node: other, incarnation } of state.neighbours) {
      const far = topology.stateOf(other);
      const isMutual = far?.neighbours.some((back) => back.node === node && back.incarnation === state.incarnation);
      if (far?.incarnation === incarnation && isMutual === true) reached.add(other);
    }
  }
  return reached;
};
