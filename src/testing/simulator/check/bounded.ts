/** Nothing grows without bound: mailboxes stay within their capacity, and what waits for a reply ends with it. */
import type { NodeEvidence } from '../evidence.js';

export const checkBounded = (nodes: readonly NodeEvidence[]): string[] =>
  nodes.flatMap(({ node, open, lookups, mailboxes }) => [
    ...mailboxes
      .filter(({ depthMax, capacity }) => depthMax > capacity)
      .map(({ path, depthMax, capacity }) => `n${node}: ${depthMax} messages waited for ${path}, above ${capacity}`),
    ...(open === 0 ? [] : [`n${node}: ${open} requests are pending, and nobody waits for them`]),
    ...(lookups === 0 ? [] : [`n${node}: ${lookups} look-ups go on, and nobody waits for them`]),
  ]);
