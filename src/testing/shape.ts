/** Shapes of swarms, as pairs of node numbers: the first of a pair dials the second. */
export type Shape = 'line' | 'ring' | 'star' | 'tree' | 'mesh' | readonly (readonly [number, number])[];

export const edgesOf = (shape: Shape, nodes: number): (readonly [number, number])[] => {
  if (typeof shape !== 'string') return [...shape];
  const all = Array.from({ length: nodes }, (_, i) => i);
  switch (shape) {
    case 'line':
      return all.slice(1).map((i) => [i, i - 1] as const);
    case 'ring':
      // Two nodes are a line, not two links between the same ends.
      return nodes < 3 ? edgesOf('line', nodes) : all.map((i) => [i, (i + 1) % nodes] as const);
    case 'star':
      return all.slice(1).map((i) => [i, 0] as const);
    case 'tree':
      return all.slice(1).map((i) => [i, (i - 1) >> 1] as const);
    case 'mesh':
      return all.flatMap((i) => all.slice(0, i).map((j) => [i, j] as const));
  }
};

/** For each node, the nodes that it can reach over the edges, itself included. */
export const reachOf = (
  nodes: readonly number[],
  edges: readonly (readonly [number, number])[],
): Map<number, Set<number>> => {
  const reach = new Map<number, Set<number>>();
  for (const start of nodes) {
    const seen = new Set([start]);
    for (const at of seen) {
      for (const [a, b] of edges) {
        if (a === at && nodes.includes(b)) seen.add(b);
        if (b === at && nodes.includes(a)) seen.add(a);
      }
    }
    reach.set(start, seen);
  }
  return reach;
};
