/** Random connected graphs, and what partitions can do to them. */
import type { Random } from '../../actors/runtime/env.js';
import { edgesOf, reachOf } from '../shape.js';
import type { Edge } from './plan.js';

/** Up to 25 nodes, most often few: more find no more, and cost more. */
export const drawNodeCount = (random: Random): number => {
  const kind = random.below(10);
  if (kind === 0) return 1 + random.below(2);
  if (kind < 7) return 3 + random.below(4);
  if (kind < 9) return 7 + random.below(6);
  return 13 + random.below(13);
};

export const drawEdges = (random: Random, nodes: number): Edge[] => {
  const edges = drawShape(random, nodes).map(([a, b]): Edge => (random.below(2) === 0 ? [a, b] : [b, a]));
  // Here and there both ends dial.
  return [...edges, ...edges.filter(() => random.below(6) === 0).map(([a, b]): Edge => [b, a])];
};

const drawShape = (random: Random, nodes: number): readonly Edge[] => {
  switch (random.below(7)) {
    case 0:
      return edgesOf('line', nodes);
    case 1:
      return edgesOf('ring', nodes);
    case 2:
      return edgesOf('star', nodes);
    case 3:
      return edgesOf('tree', nodes);
    case 4:
      return edgesOf(nodes <= 8 ? 'mesh' : 'ring', nodes);
    case 5:
      return islands(random, nodes);
    default:
      return randomGraph(random, nodes, random.below(nodes));
  }
};

const randomGraph = (random: Random, nodes: number, extra: number): Edge[] => {
  const edges: Edge[] = [];
  for (let i = 1; i < nodes; i += 1) edges.push([i, random.below(i)]);
  for (let left = extra; left > 0; left -= 1) {
    const a = random.below(nodes);
    const b = random.below(nodes);
    if (a !== b && !edges.some((edge) => isSameEdge(edge, [a, b]))) edges.push([a, b]);
  }
  return edges;
};

/** Two rings and a bridge. */
const islands = (random: Random, nodes: number): Edge[] => {
  const half = nodes >> 1;
  if (half < 2) return edgesOf('line', nodes).map(([a, b]): Edge => [a, b]);
  const right = edgesOf('ring', nodes - half).map(([a, b]): Edge => [a + half, b + half]);
  return [...edgesOf('ring', half), ...right, [random.below(half), half + random.below(nodes - half)]];
};

/** Links on the longest of the shortest ways between two nodes of a connected graph. */
export const diameterOf = (edges: readonly Edge[], nodes: number): number => {
  const neighbours = Array.from({ length: nodes }, (_, node) =>
    edges.flatMap(([a, b]) => (a === node ? b : b === node ? a : [])),
  );
  let diameter = 0;
  for (let start = 0; start < nodes; start += 1) {
    const reached = new Set([start]);
    let border = [start];
    for (let hops = 0; border.length > 0; hops += 1) {
      diameter = Math.max(diameter, hops);
      border = border
        .flatMap((node) => neighbours[node] ?? [])
        .filter((node) => !reached.has(node) && reached.add(node));
    }
  }
  return diameter;
};

export const isSameEdge = ([a, b]: Edge, [c, d]: Edge): boolean => (a === c && b === d) || (a === d && b === c);

/** The edges whose loss makes a partition: halves, one node alone, or all but those of a bridge of one node. */
export const drawPartition = (random: Random, nodes: number, edges: readonly Edge[]): Edge[] => {
  const alone = random.below(nodes);
  const sides = Array.from({ length: nodes }, () => random.below(2));
  switch (random.below(3)) {
    case 0:
      return edges.filter(([a, b]) => sides[a] !== sides[b]);
    case 1:
      return edges.filter((edge) => edge.includes(alone));
    default:
      return edges.filter(([a, b]) => sides[a] !== sides[b] && a !== alone && b !== alone);
  }
};

/** Whether the nodes that are there stay connected without that edge. */
export const isRedundant = (
  nodes: number,
  edges: readonly Edge[],
  edge: Edge,
  absent: ReadonlySet<number> = new Set(),
): boolean =>
  areDispensable(
    nodes,
    edges.filter((other) => !isSameEdge(other, edge)),
    absent,
  );

/** Whether the other nodes stay connected without those. */
export const areDispensable = (nodes: number, edges: readonly Edge[], gone: ReadonlySet<number>): boolean =>
  isConnected(
    edges,
    Array.from({ length: nodes }, (_, i) => i).filter((node) => !gone.has(node)),
  );

const isConnected = (edges: readonly Edge[], nodes: readonly number[]): boolean => {
  const [first] = nodes;
  return first !== undefined && reachOf(nodes, edges).get(first)?.size === nodes.length;
};
