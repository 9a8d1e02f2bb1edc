/**
 * Which node owns a key, as far as this node has learned: hints that spare a question to the key's home. They may be
 * outdated; an owner that left the view is recognised by whoever asks, who then forgets the key. Bounded: there are two
 * generations, and a key that is asked for comes into the younger one; when that is full, the older one is dropped. So
 * asking costs one search, and what was asked for lately stays.
 */
import type { NodeId } from './node-id.js';

export interface LearnedOwner {
  readonly node: NodeId;
  /** Requests for the key that were sent to it and have not come back, as whoever sends them counts. */
  sentCount: number;
}

export class OwnerTable {
  readonly #generationMax: number;
  #young = new Map<string, LearnedOwner>();
  #old = new Map<string, LearnedOwner>();

  /** With 0 it learns nothing. */
  constructor(ownersMax: number) {
    this.#generationMax = Math.ceil(ownersMax / 2);
  }

  /** Hints that are kept, of which a key may have two. */
  get count(): number {
    return this.#young.size + this.#old.size;
  }

  get(key: string): LearnedOwner | undefined {
    const owner = this.#young.get(key);
    if (owner !== undefined || this.#old.size === 0) return owner;
    const known = this.#old.get(key);
    if (known !== undefined) this.#keep(key, known);
    return known;
  }

  learn(key: string, node: NodeId): LearnedOwner {
    const known = this.get(key);
    if (known?.node === node) return known;
    const learned = { node, sentCount: 0 };
    this.#keep(key, learned);
    return learned;
  }

  forget(key: string): void {
    this.#young.delete(key);
    this.#old.delete(key);
  }

  #keep(key: string, learned: LearnedOwner): void {
    if (this.#generationMax === 0) return;
    this.#young.set(key, learned);
    if (this.#young.size < this.#generationMax) return;
    this.#old = this.#young;
    this.#young = new Map();
  }
}
