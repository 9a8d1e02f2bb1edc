/**
 * One object in a client's hands: its state, as far as it is known here, with all that was written here. Whoever asks for
 * its state gets the same frozen value until it changes, as React's useSyncExternalStore wants it.
 *
 * Invariant: a state has all ops of an author up to the last one. So as long as it is not known what this client has
 * written to the object before, what it writes now is kept apart from what is heard of peers: else it would hide that.
 */
import type { NodeId } from '../../store/node-id.js';
import type { Stamp } from '../../store/stamp.js';
import { decodeState, ObjectState } from '../../store/types/object-state.js';
import type { ReplicatedType, Rewriting } from '../../store/types/replicated-type.js';
import type { Bytes } from '../../transport/message.js';
import type { ObjectKind, Writable } from './object-kind.js';

/** What an object needs of its database. */
export interface ObjectHost {
  /** Who writes here; null: nobody may. */
  readonly author: NodeId | null;
  /** The same; throws SwarmError where nobody may. */
  assertAuthor(): NodeId;
  /** Gives the payload a stamp and a place in the outbox, and applies it to the object. Throws SwarmError. */
  write(object: ReplicatedObject, payload: Bytes): void;
}

/** One op or snapshot has a state that is none: the peer speaks another version of the type. */
export const BAD_STATE = 'a state that this version of the type does not know';

export class ReplicatedObject<Body = unknown, View = unknown, Payloads = unknown> implements Writable<Body> {
  readonly id: string;
  readonly #host: ObjectHost;
  readonly #type: ReplicatedType<Body, View, Payloads>;
  /** What is shown, if nothing was heard since. */
  #state: ObjectState<Body, View, Payloads>;
  /** What has been heard, until all of it has been heard once; the same as what is shown where nothing was written here. */
  #heard: ObjectState<Body, View, Payloads> | null;
  /** What was written here meanwhile. */
  #own: { readonly stamp: Stamp; readonly payload: Bytes }[] = [];
  #isStale = false;
  #view: View | undefined;
  #isViewed = false;
  readonly #listeners = new Set<() => void>();
  readonly #readers = new Set<() => void>();

  constructor(host: ObjectHost, type: ReplicatedType<Body, View, Payloads>, id: string) {
    this.#host = host;
    this.#type = type;
    this.id = id;
    this.#state = new ObjectState(type);
    // Texts are written by those who follow them only, and editors hold on to the document that they were given.
    this.#heard = type.asksForBody ? null : this.#state;
  }

  get type(): string {
    return this.#type.name;
  }

  get body(): Body {
    return this.#shown.body;
  }

  /** Of what is shown. */
  get vector(): ReadonlyMap<string, number> {
    return this.#shown.vector;
  }

  /** What is here with all before it: others need not tell it. */
  get heldVector(): ReadonlyMap<string, number> {
    return (this.#heard ?? this.#state).vector;
  }

  get view(): View {
    if (!this.#isViewed) {
      this.#view = this.#shown.view();
      this.#isViewed = true;
    }
    return this.#view as View;
  }

  write(payload: Bytes): void {
    this.#host.write(this as unknown as ReplicatedObject, payload);
  }

  get origin(): NodeId | null {
    return this.#host.author;
  }

  author(): NodeId {
    return this.#host.assertAuthor();
  }

  /** Calls back after each change, until the function that it gives is called. */
  subscribe(listener: () => void): () => void {
    // Each subscription is one of its own, also of the same function.
    const entry = (): void => listener();
    this.#listeners.add(entry);
    return () => void this.#listeners.delete(entry);
  }

  /** The state now, and after each change; of changes that nobody waited for, only the last. */
  async *changes(signal?: AbortSignal): AsyncGenerator<View, void> {
    let wake: () => void = nothing;
    let isChanged = true;
    const onChange = (): void => {
      isChanged = true;
      wake();
    };
    const end = this.subscribe(onChange);
    this.#readers.add(onChange);
    signal?.addEventListener('abort', onChange, { once: true });
    try {
      while (signal?.aborted !== true) {
        if (isChanged) {
          isChanged = false;
          yield this.view;
        } else {
          if (!this.#readers.has(onChange)) return;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      end();
      this.#readers.delete(onChange);
      signal?.removeEventListener('abort', onChange);
    }
  }

  // For the database

  /** Null, or why the op, which was heard of, can't be applied. */
  apply(stamp: Stamp, payload: Bytes): string | null {
    const objection = this.#type.objectionTo(payload);
    if (objection !== null) return objection;
    this.#hear().apply(stamp, payload);
    return null;
  }

  /** An op that was written here, after all others of this client. */
  applyOwn(stamp: Stamp, payload: Bytes): void {
    if (this.#heard === null) this.#state.apply(stamp, payload);
    else if (!this.#heard.covers(stamp)) {
      this.#own.push({ stamp, payload });
      this.#isStale = true;
    }
  }

  join(encoded: Bytes): string | null {
    const other = decodeState(this.#type, encoded);
    if (other === null) return BAD_STATE;
    this.#hear().join(other);
    return null;
  }

  /** All that was written here before has been heard. Whether that changes what is shown. */
  settle(): boolean {
    const heard = this.#heard;
    if (heard === null) return false;
    const isChanged = this.#own.length > 0;
    for (const { stamp, payload } of this.#own) heard.apply(stamp, payload);
    this.#state = heard;
    this.#heard = null;
    this.#own = [];
    this.#isStale = false;
    return isChanged;
  }

  /** Forgets all. `isUsed`: the present author's id was another one's before, who may have written to it. */
  clear(isUsed: boolean): void {
    this.#state = new ObjectState(this.#type);
    this.#heard = isUsed && !this.#type.asksForBody ? this.#state : null;
    this.#own = [];
    this.#isStale = false;
  }

  rewriting(next: NodeId): Rewriting {
    return this.#type.rewriting(this.#state.body, next);
  }

  /** To be kept: what was written here is kept by itself. */
  encode(): Bytes {
    return (this.#heard ?? this.#state).encode();
  }

  /** Where what is heard of goes. */
  #hear(): ObjectState<Body, View, Payloads> {
    if (this.#own.length > 0) this.#isStale = true;
    return this.#heard ?? this.#state;
  }

  get #shown(): ObjectState<Body, View, Payloads> {
    const heard = this.#heard;
    if (!this.#isStale || heard === null) return this.#state;
    this.#isStale = false;
    this.#state = decodeState(this.#type, heard.encode()) ?? new ObjectState(this.#type);
    for (const { stamp, payload } of this.#own) this.#state.apply(stamp, payload);
    return this.#state;
  }

  /** Tells all who want to hear of it that it has changed. */
  tell(): void {
    this.#isViewed = false;
    this.#view = undefined;
    for (const listener of this.#listeners) listener();
  }

  /** Ends the loops over its changes. */
  end(): void {
    const readers = [...this.#readers];
    this.#readers.clear();
    for (const wake of readers) wake();
  }
}

/** What a caller has in hand. */
export type ObjectHandle<View, Writers> = Writers & {
  readonly id: string;
  readonly type: string;
  /** Anybody has written to it, as far as it is known here. */
  readonly exists: boolean;
  /** Frozen; the same value until it changes. */
  readonly state: View;
  /** For React: useSyncExternalStore(todo.subscribe, todo.getSnapshot). */
  readonly subscribe: (listener: () => void) => () => void;
  readonly getSnapshot: () => View;
  readonly [Symbol.asyncIterator]: () => AsyncGenerator<View, void>;
};

export function handleOf<Body, View, Payloads, Writers extends object>(
  object: ReplicatedObject<Body, View, Payloads>,
  kind: ObjectKind<Body, View, Payloads, Writers>,
): ObjectHandle<View, Writers> {
  const handle = {
    id: object.id,
    type: object.type,
    get exists(): boolean {
      return object.vector.size > 0;
    },
    get state(): View {
      return object.view;
    },
    subscribe: (listener: () => void) => object.subscribe(listener),
    getSnapshot: () => object.view,
    [Symbol.asyncIterator]: () => object.changes(),
  };
  return Object.defineProperties(handle, Object.getOwnPropertyDescriptors(kind.writersOf(object))) as ObjectHandle<
    View,
    Writers
  >;
}

function nothing(): void {}
