/**
 * The id of a node: a 60-bit number drawn at random, written in Base64x64. It is the origin of the stamps that the
 * node issues. Text here and in process; on node links it travels as an unsigned 64-bit integer.
 */
import { decodeBase64x64, encodeBase64x64 } from './base64x64.js';

export type NodeId = string & { readonly nodeId: true };

/** A member of the swarm at one of its starts. */
export interface NodeRef {
  readonly node: NodeId;
  /** Unix time in ms at the start, or above what others remember of it. */
  readonly incarnation: number;
}

/** Texts with a meaning of their own in Swarm's notation: nothing, never, error. They name no node. */
const RESERVED: ReadonlySet<string> = new Set(['0', '~', '~~~~~~~~~~']);

/** A new id. Two draws differ, for practical purposes: 60 bits of chance. */
export function drawNodeId(random: { uint32(): number }): NodeId {
  for (;;) {
    const id = parseNodeId(encodeBase64x64(random.uint32() >>> 2, random.uint32() >>> 2));
    if (id !== null) return id;
  }
}

/** The text as an id, or null if it is not canonical Base64x64 or is reserved. */
export function parseNodeId(text: string): NodeId | null {
  return decodeBase64x64(text) === null || RESERVED.has(text) ? null : (text as NodeId);
}
