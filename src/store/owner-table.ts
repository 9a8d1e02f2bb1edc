/**
 * Which node owns a key, as far as this node has learned: hints that spare a search. They may be outdated; an owner
 * that left the view is recognised by whoever asks, who then forgets the key. Bounded: the keys asked for least
 * recently make room.
 */
import type { NodeId } from './node-id.js';
import { RecentMap } from './recent-map.js';

export class OwnerTable {
  readonly #owners: RecentMap<NodeId> | null;

  /** With 0 it learns nothing. */
  constructor(ownersMax: number) {
    this.#owners = ownersMax > 0 ? new RecentMap(ownersMax) : null;
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
    this.#owners?.delete(key);
  }
}
