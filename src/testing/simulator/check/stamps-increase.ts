/**
 * Of two copies the one with the higher stamp stays (C6), and a key's stamps increase over all its owners (RULES O7):
 * what is stored in the end is not older than any copy that was seen before and did not go with its node.
 */
import type { NodeEvidence, SeenStamp } from '../evidence.js';

export const checkStampsIncrease = (
  nodes: readonly NodeEvidence[],
  seen: ReadonlyMap<string, SeenStamp>,
  goneWithNode: ReadonlyMap<string, number>,
): string[] =>
  nodes.flatMap(({ node, entries }) =>
    [...entries].flatMap(([key, { time }]) => {
      const highest = seen.get(key);
      if (highest === undefined || highest.time <= time || (goneWithNode.get(key) ?? -1) >= highest.atMs) return [];
      return [`${key} at n${node} is of ${time}, and n${highest.node} had it of ${highest.time} before`];
    }),
  );
