/**
 * In a settled swarm the directory is the inverse of the stores, both ways (RULES O1 to O6): whatever a node owns its
 * home knows under the same number, and whatever a home knows its owner has.
 */
import type { NodeEvidence } from '../evidence.js';

export const checkDirectoryAgrees = (nodes: readonly NodeEvidence[]): string[] => {
  const found: string[] = [];
  const known = new Map<string, string>();
  for (const { node, directory } of nodes) {
    for (const [key, { owner, claim }] of directory) {
      const former = known.get(key);
      if (former !== undefined) found.push(`${key}: n${node} is its home, and so is another node`);
      known.set(key, claimText(owner, claim));
    }
  }
  const owned = new Map<string, string>();
  for (const { node, id, owned: claims } of nodes) {
    for (const [key, claim] of claims) {
      owned.set(key, claimText(id, claim));
      const text = known.get(key);
      if (text === undefined) found.push(`${key}: n${node} owns it, and no home knows`);
      else if (text !== claimText(id, claim))
        found.push(`${key}: n${node} owns it under ${claim}, its home knows ${text}`);
    }
  }
  for (const [key, text] of known)
    if (!owned.has(key)) found.push(`${key}: its home knows ${text}, and nobody owns it`);
  return found;
};

const claimText = (owner: string, claim: number): string => `${owner} under ${claim}`;
