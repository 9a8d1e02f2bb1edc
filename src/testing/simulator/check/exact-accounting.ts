/** C7: what a store says of its keys and bytes is what it has, and never more than it may have. */
import type { NodeEvidence } from '../evidence.js';

export const checkExactAccounting = (
  nodes: readonly NodeEvidence[],
  limits: { readonly keysMax: number; readonly storeBytesMax: number },
): string[] => {
  const found: string[] = [];
  for (const { node, entries, keyCount, byteCount } of nodes) {
    let bytes = 0;
    for (const entry of entries.values()) bytes += entry.bytes;
    if (keyCount !== entries.size) found.push(`n${node} counts ${keyCount} keys and has ${entries.size}`);
    if (byteCount !== bytes) found.push(`n${node} counts ${byteCount} bytes and has ${bytes}`);
    if (entries.size > limits.keysMax) found.push(`n${node} has ${entries.size} keys, above ${limits.keysMax}`);
    if (bytes > limits.storeBytesMax) found.push(`n${node} has ${bytes} bytes, above ${limits.storeBytesMax}`);
  }
  return found;
};
