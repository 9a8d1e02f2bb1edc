/**
 * Which node owns a key, as far as this node has learned: hints that spare a question to the key's home. They may be
 * outdated; an owner that left the view is recognised by whoever asks, who then forgets the key. Bounded: there are two
 * generations, and a key that is asked for comes into the younger one; when that is full, the older one is dropped. So
 * asking costs one search, and what was asked for lately stays.
 */
import type { NodeId } from './node-id.js';

export class OwnerTable {
  readonly #generationMax: number;
  #young = new Map<string, NodeId>();
  #old = new Map<string, NodeId>();

  /** With 0 it learns nothing. */
  constructor(ownersMax: number) {
    this.#generationMax = Math.ceil(ownersMax / 2);
  }

  /** Hints that are kept, of which a key may have two. */
  get count(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): NodeId | undefined {
    const owner = this.#young.get(key);
    if (owner !== undefined || this.#old.size === 0) return owner;
    const known = this.#old.get(key);
    if (known !== undefined) this.learn(key, known);
    return known;
  }

  learn(key: string, owner: NodeId): void {
    if (this.#generationMax === 0) return;
    this.#young.set(key, owner);
    if (this.#young.size < this.#generationMax) return;
    this.#old = this.#young;
    this.#young = new Map();
  }

  forget(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }
}
