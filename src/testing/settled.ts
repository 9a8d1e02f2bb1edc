/** When a swarm is settled: every node sees all nodes that it can reach, and no others. */
import { reachOf } from './shape.js';

/** What is missing until all is settled; null if nothing. `views`: by live node, the ids of the nodes that it sees. */
export const lackOf = (
  views: ReadonlyMap<number, ReadonlySet<string>>,
  edges: readonly (readonly [number, number])[],
  idOf: (node: number) => string,
): string | null => {
  for (const [node, reach] of reachOf([...views.keys()], edges)) {
    const seen = views.get(node) as ReadonlySet<string>;
    const due = [...reach].map(idOf);
    if (seen.size !== due.length || due.some((id) => !seen.has(id))) {
      return `n${node} sees ${seen.size} nodes, ${due.length} are in its reach`;
    }
  }
  return null;
};
