/**
 * Of two copies the one with the higher stamp stays (C6), and a key's stamps increase over all its owners (RULES O7):
 * what is stored in the end is not older than any copy that was seen before and did not go with its node. An entry that
 * expired leaves no memory, so that an older copy may come back from another part of the swarm (T1).
 */
import type { NodeEvidence, SeenStamp } from '../evidence.js';

export const checkStampsIncrease = (
  nodes: readonly NodeEvidence[],
  seen: ReadonlyMap<string, SeenStamp>,
  goneWithNode: ReadonlyMap<string, number>,
  /** Keys that had a time to live while parts of the swarm were apart. */
  expiring: ReadonlySet<string>,
): string[] =>
  nodes.flatMap(({ node, entries }) =>
    [...entries].flatMap(([key, { time }]) => {
      const highest = seen.get(key);
      if (
        expiring.has(key) ||
        highest === undefined ||
        highest.time <= time ||
        (goneWithNode.get(key) ?? -1) >= highest.atMs
      )
        return [];
      return [`${key} at n${node} is of ${time}, and n${highest.node} had it of ${highest.time} before`];
    }),
  );
