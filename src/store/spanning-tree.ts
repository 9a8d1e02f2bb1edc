/**
 * Over which pairs of nodes ops spread: the minimum spanning tree of the complete graph whose edges weigh as much as the
 * links between two nodes. Nodes that know the same distances compute the same tree, since ties are decided by ids.
 */
import type { NodeId } from './node-id.js';

interface Edge {
  readonly a: NodeId;
  readonly b: NodeId;
  readonly hops: number;
}

/** The nodes next to `self` in the tree. Pairs of which `hopsBetween` knows nothing have no edge. */
export function treeNeighbours(
  self: NodeId,
  nodes: readonly NodeId[],
  hopsBetween: (a: NodeId, b: NodeId) => number | undefined,
): ReadonlySet<NodeId> {
  const sorted = nodes.toSorted();
  const edges: Edge[] = [];
  for (const [i, a] of sorted.entries()) {
    for (const b of sorted.slice(i + 1)) {
      const hops = hopsBetween(a, b);
      if (hops !== undefined) edges.push({ a, b, hops });
    }
  }
  // Sorting is stable: edges of one weight stay in the order of their ends.
  edges.sort((one, other) => one.hops - other.hops);
  const roots = new Map(sorted.map((node) => [node, node]));
  const rootOf = (node: NodeId): NodeId => {
    let root = node;
    for (let above = roots.get(root); above !== undefined && above !== root; above = roots.get(root)) root = above;
    roots.set(node, root);
    return root;
  };
  const near = new Set<NodeId>();
  for (const { a, b } of edges) {
    const [rootA, rootB] = [rootOf(a), rootOf(b)];
    if (rootA === rootB) continue;
    roots.set(rootB, rootA);
    if (a === self) near.add(b);
    else if (b === self) near.add(a);
  }
  return near;
}
