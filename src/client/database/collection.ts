/** Objects of one kind, with ids that begin alike: those that there are, and those that come. */
import type { ReplicatedObject } from './replicated-object.js';

export class Collection<Handle> implements Iterable<Handle> {
  readonly #type: string;
  readonly #prefix: string;
  readonly #handleOf: (object: ReplicatedObject) => Handle;
  readonly #handles = new Map<string, Handle>();
  readonly #listeners = new Set<(handle: Handle) => void>();

  constructor(type: string, prefix: string, handle: (object: ReplicatedObject) => Handle) {
    this.#type = type;
    this.#prefix = prefix;
    this.#handleOf = handle;
  }

  get size(): number {
    return this.#handles.size;
  }

  get(id: string): Handle | undefined {
    return this.#handles.get(id);
  }

  /** In the order in which they came to be known. */
  [Symbol.iterator](): Iterator<Handle> {
    return this.#handles.values();
  }

  /** Calls back after each change of one of them, also its coming, until the function that it gives is called. */
  subscribe(listener: (handle: Handle) => void): () => void {
    const entry = (handle: Handle): void => listener(handle);
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** For the database: takes the object in if it is one of these. */
  offer(object: ReplicatedObject): void {
    if (object.type !== this.#type || !object.id.startsWith(this.#prefix) || this.#handles.has(object.id)) return;
    this.#handles.set(object.id, this.#handleOf(object));
  }

  /** For the database: the object has changed. */
  tell(object: ReplicatedObject): void {
    const handle = object.type === this.#type ? this.#handles.get(object.id) : undefined;
    if (handle !== undefined) for (const listener of this.#listeners) listener(handle);
  }
}
