/**
 * Which member is home to which bucket of keys: rendezvous hashing (Thaler and Ravishankar, 1998). Of all members that
 * may be homes the one with the highest weight for a bucket has it, so that a member that comes or goes moves only the
 * buckets that become or were its own. Nodes that see the same members compute the same homes.
 */
import { BUCKETS } from './key-hash.js';
import type { NodeId } from './node-id.js';

const NONE = new Uint16Array(0);

export class HomeMap {
  /** The homes, with the number from which their weights follow. */
  #homes = new Map<NodeId, number>();
  readonly #winners: (NodeId | null)[] = Array<NodeId | null>(BUCKETS).fill(null);
  readonly #weights = new Uint32Array(BUCKETS);
  /** 1: by the update under way. */
  readonly #hasMoved = new Uint8Array(BUCKETS);
  readonly #moved = new Uint16Array(BUCKETS);

  /** Null: no member may be a home. */
  homeOf(bucket: number): NodeId | null {
    return this.#winners[bucket] ?? null;
  }

  get homes(): Iterable<NodeId> {
    return this.#homes.keys();
  }

  /** Replaces the homes. Returns the buckets that have another home than before, in their order. */
  update(homes: Iterable<NodeId>): Uint16Array {
    const former = this.#homes;
    this.#homes = new Map(Array.from(homes, (node) => [node, seedOf(node)]));
    const came = [...this.#homes].filter(([node]) => !former.has(node));
    let hasLost = false;
    for (const node of former.keys()) hasLost ||= !this.#homes.has(node);
    if (came.length === 0 && !hasLost) return NONE;
    this.#hasMoved.fill(0);
    if (hasLost) this.#replaceLost();
    for (const [node, seed] of came) this.#offer(node, seed, 0, BUCKETS);
    let count = 0;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      if (this.#hasMoved[bucket] === 1) this.#moved[count++] = bucket;
    }
    return this.#moved.slice(0, count);
  }

  /** Buckets whose home is gone get another one of those that there are. */
  #replaceLost(): void {
    const homes = [...this.#homes];
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      const winner = this.#winners[bucket] ?? null;
      if (winner === null || this.#homes.has(winner)) continue;
      this.#winners[bucket] = null;
      this.#hasMoved[bucket] = 1;
      for (const [node, seed] of homes) this.#offer(node, seed, bucket, bucket + 1);
    }
  }

  /** Gives the node those of the buckets for which its weight is the highest. */
  #offer(node: NodeId, seed: number, from: number, to: number): void {
    for (let bucket = from; bucket < to; bucket += 1) {
      const weight = mix(seed ^ Math.imul(bucket + 1, 0x9e3779b1));
      const winner = this.#winners[bucket] ?? null;
      const highest = this.#weights[bucket] as number;
      if (winner !== null && (weight < highest || (weight === highest && node < winner))) continue;
      this.#winners[bucket] = node;
      this.#weights[bucket] = weight;
      this.#hasMoved[bucket] = 1;
    }
  }
}

/** A number that depends on every character of the id. */
function seedOf(node: NodeId): number {
  let seed = 0x811c9dc5;
  for (let i = 0; i < node.length; i += 1) seed = mix(Math.imul(seed ^ node.charCodeAt(i), 0x01000193));
  return seed;
}

/** The last steps of MurmurHash3 (Appleby): each bit of the argument changes half of the result's. */
function mix(value: number): number {
  let mixed = value;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
