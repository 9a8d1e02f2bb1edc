/**
 * One watch: the changes of a key, or of all keys with a prefix, for as long as the caller reads them. It outlives
 * connections: after each it is registered again, and a `gap` says that changes may have been missed.
 */
import { CHANGE_KINDS } from '../transport/message.js';
import type { Bytes, ChangeKind, Key, MessageOf } from '../transport/message.js';
import { unpacked } from './call.js';
import type { SwarmError } from './errors.js';

export interface WatchOptions {
  /** Either the one key, or what the keys begin with; the empty text is all keys. */
  readonly key?: Key;
  readonly prefix?: string;
  /** Bring the new value with each change. Default false. */
  readonly values?: boolean;
  /** Ends the watch, as breaking out of the loop does. */
  readonly signal?: AbortSignal;
}

export interface Change<T = unknown> {
  /**
   * `set` (also by `incr`), `delete`, `expire`, `evict` (to make room); `merge`: after a split, this copy was dropped for
   * a later one; `gap`: changes may have been missed, so read again what matters.
   */
  readonly kind: ChangeKind;
  /** Null for a gap. */
  readonly key: Key | null;
  /** Those of a key rise, but for `merge`. Null for a gap. */
  readonly stamp: string | null;
  /** Of `set` and `merge` if `values` were asked for. */
  readonly value: T | undefined;
}

/** What a watch needs of its client. */
export interface WatchClient {
  /** Registers, and calls `onOpen` at once when the node has said so; rejects if it won't. `isAgain`: if it never will. */
  register(watch: Watch, isAgain: boolean, onOpen: (id: number) => void): Promise<void>;
  /** Ends it at the node. */
  unregister(id: number): void;
  /** It has ended. */
  forget(watch: Watch): void;
}

/** Changes that wait to be read, beyond which they become one gap. */
const CHANGES_MAX = 10_000;
const GAP: Change<never> = { kind: 'gap', key: null, stamp: null, value: undefined };

export class Watch<T = unknown> implements AsyncIterableIterator<Change<T>> {
  readonly options: WatchOptions;
  /** Resolves when all nodes know of the watch: what changes from then on is told. Rejects with what ended it before. */
  readonly ready: Promise<void>;
  readonly #client: WatchClient;
  readonly #signal: AbortSignal | undefined;
  #changes: Change<T>[] = [];
  /** Read so far of `#changes`. */
  #at = 0;
  #readers: { resolve(result: IteratorResult<Change<T>, undefined>): void; reject(error: unknown): void }[] = [];
  /** Null: not registered now. */
  #id: number | null = null;
  #wasOpen = false;
  #end: { readonly error: SwarmError | null } | null = null;

  constructor(client: WatchClient, options: WatchOptions) {
    this.#client = client;
    this.options = options;
    this.#signal = options.signal;
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.ready = this.register();
    // Who does not wait for it learns of the failure by reading.
    this.ready.catch(() => {});
  }

  next(): Promise<IteratorResult<Change<T>, undefined>> {
    const change = this.#changes[this.#at];
    if (change !== undefined) {
      this.#at += 1;
      if (this.#at === this.#changes.length) this.#drop();
      return Promise.resolve({ done: false, value: change });
    }
    if (this.#end?.error === null) return Promise.resolve({ done: true, value: undefined });
    if (this.#end !== null) {
      const { error } = this.#end;
      // The loop ends by it, once.
      this.#end = { error: null };
      return Promise.reject(error as SwarmError);
    }
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  /** What leaving a `for await` loop calls. */
  return(): Promise<IteratorResult<Change<T>, undefined>> {
    this.close();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the watch; changes that were not read are dropped. */
  close(): void {
    this.#drop();
    if (this.#id !== null) this.#client.unregister(this.#id);
    this.finish(null);
  }

  /** Called by the client: now, and after each lost connection. */
  async register(): Promise<void> {
    try {
      await this.#client.register(this as Watch, this.#wasOpen, (id) => this.#onOpen(id));
    } catch (error) {
      this.finish(error as SwarmError);
      throw error;
    }
  }

  /** Called by the client: the connection is lost. */
  lose(): void {
    this.#id = null;
  }

  /** Called by the client: the node says what has changed. */
  take({ kind, key, meta, value }: MessageOf<'change'>): void {
    if (this.#end !== null) return;
    const known = CHANGE_KINDS.find((one) => one === kind) ?? 'gap';
    if (known === 'gap') return this.#push(GAP);
    const stamp = meta?.['stamp'];
    try {
      this.#push({
        kind: known,
        key,
        stamp: typeof stamp === 'string' ? stamp : null,
        value: this.#read(known, value),
      });
    } catch (error) {
      if (this.#id !== null) this.#client.unregister(this.#id);
      this.finish(error as SwarmError);
    }
  }

  /** Called by the client: it is over. Null if that was asked for. */
  finish(error: SwarmError | null): void {
    if (this.#end !== null) return;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#id = null;
    this.#end = { error };
    this.#client.forget(this as Watch);
    const readers = this.#readers;
    this.#readers = [];
    for (const reader of readers) this.next().then(reader.resolve, reader.reject);
  }

  #onOpen(id: number): void {
    if (this.#end !== null) return this.#client.unregister(id);
    this.#id = id;
    if (this.#wasOpen) this.#push(GAP);
    this.#wasOpen = true;
  }

  #push(change: Change<T>): void {
    const reader = this.#readers.shift();
    if (reader !== undefined) return reader.resolve({ done: false, value: change });
    if (this.#changes.length - this.#at < CHANGES_MAX) {
      this.#changes.push(change);
      return;
    }
    this.#drop();
    this.#changes.push(GAP);
  }

  /** A nil value of a message is none, or a nil that was stored. */
  #read(kind: ChangeKind, value: Bytes | null): T | undefined {
    if (this.options.values !== true || (kind !== 'set' && kind !== 'merge')) return undefined;
    return value === null ? (null as T) : unpacked<T>(value);
  }

  #drop(): void {
    this.#changes = [];
    this.#at = 0;
  }

  readonly #onAbort = (): void => this.close();
}
