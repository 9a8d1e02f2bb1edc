/**
 * Which node owns a key, as far as this node has learned: hints that spare a search. They may be outdated; an owner
 * that left the view is recognised by whoever asks, who then forgets the key. Bounded: the keys asked for least
 * recently make room.
 */
import { LRUCache } from 'lru-cache';
import type { NodeId } from './node-id.js';

export class OwnerTable {
  readonly #owners: LRUCache<string, NodeId> | null;

  /** With 0 it learns nothing. */
  constructor(ownersMax: number) {
    // Bounded by size, not by `max`, which would allocate all slots ahead: a generous bound costs an idle node nothing.
    this.#owners = ownersMax > 0 ? new LRUCache({ maxSize: ownersMax, sizeCalculation: () => 1 }) : null;
  }

  get count(): number {
    return this.#owners?.size ?? 0;
  }

  get(key: string): NodeId | undefined {
    return this.#owners?.get(key);
  }

  learn(key: string, owner: NodeId): void {
    this.#owners?.set(key, owner);
  }

  forget(key: string): void {
    const owners = this.#owners;
    // Deleting the only key makes lru-cache clear all slots it ever used; taking it out as the oldest does not.
    if (owners?.size === 1 && owners.has(key)) owners.pop();
    else owners?.delete(key);
  }
}
