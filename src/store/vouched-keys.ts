/**
 * Keys whose home has switched them to a new owner, for as long as the former owner may still state them (RULES H1):
 * it keeps its copy, and vouches for the key, until it has heard that the new owner's is active. If the new owner states
 * what it owns and leaves such a key out, the key is not nobody's, but the former owner's still; if the former one states
 * it, there are not two copies to be compared.
 */
import { textOf } from './key-hash.js';
import type { KeyHash } from './key-hash.js';
import type { NodeId } from './node-id.js';

interface Vouch {
  /** The former owner, and the number of its claim. */
  readonly giver: NodeId;
  readonly given: number;
  readonly claim: number;
  /** The number of the message by which the new owner asked for the key. */
  readonly number: number;
}

interface Owner {
  /** By the text of the hash, oldest first. */
  readonly vouches: Map<string, Vouch>;
  /** What it asked for by lower numbers is active, or asked for anew. */
  floor: number;
}

/** Keys of one owner that are remembered when they are active: a statement of the former owner may be on its way. */
const ACTIVE_MAX = 4096;

export class VouchedKeys {
  readonly #owners = new Map<NodeId, Owner>();

  put(owner: NodeId, hash: KeyHash, vouch: Vouch): void {
    const { vouches } = this.#of(owner);
    const text = textOf(hash);
    vouches.delete(text);
    vouches.set(text, vouch);
  }

  /** Who owns a key that is known to be that owner's under that number, as long as that is not active; or null. */
  voucherOf(owner: NodeId, hash: KeyHash, claim: number): Pick<Vouch, 'giver' | 'given'> | null {
    const known = this.#owners.get(owner);
    const vouch = known?.vouches.get(textOf(hash));
    return known === undefined || vouch?.claim !== claim || vouch.number < known.floor ? null : vouch;
  }

  /** Whether that owner has the key, under that number, from the other node, which had it under the number `given`. */
  isFrom(giver: NodeId, given: number, owner: NodeId, hash: KeyHash, claim: number): boolean {
    const vouch = this.#owners.get(owner)?.vouches.get(textOf(hash));
    return vouch?.claim === claim && vouch.giver === giver && vouch.given === given;
  }

  /** Nothing more is to come of what the owner asked for by messages of lower numbers. */
  raiseFloor(owner: NodeId, floor: number): void {
    const known = this.#of(owner);
    known.floor = Math.max(known.floor, floor);
    const { vouches } = known;
    for (const [text, { number }] of vouches) {
      if (vouches.size <= ACTIVE_MAX || number >= known.floor) break;
      vouches.delete(text);
    }
  }

  /** The node is gone, as an owner and as one who vouches. */
  forget(node: NodeId): void {
    this.#owners.delete(node);
    for (const { vouches } of this.#owners.values()) {
      for (const [text, { giver }] of vouches) if (giver === node) vouches.delete(text);
    }
  }

  #of(owner: NodeId): Owner {
    let known = this.#owners.get(owner);
    if (known === undefined) this.#owners.set(owner, (known = { vouches: new Map(), floor: 0 }));
    return known;
  }
}
