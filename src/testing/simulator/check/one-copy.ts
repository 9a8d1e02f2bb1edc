/** C1: in a settled swarm each key is stored, or remembered as deleted, at one node at most. */
import type { NodeEvidence } from '../evidence.js';

export const checkOneCopy = (nodes: readonly NodeEvidence[]): string[] => {
  const holders = new Map<string, string[]>();
  for (const { node, entries } of nodes) {
    for (const [key, { value }] of entries) {
      const copy = `${value ?? 'tombstone'} at n${node}`;
      const known = holders.get(key);
      if (known === undefined) holders.set(key, [copy]);
      else known.push(copy);
    }
  }
  return [...holders].filter(([, at]) => at.length > 1).map(([key, at]) => `${key}: ${at.join(', ')}`);
};
