/**
 * Keys that two nodes own, while their home compares the two copies (RULES P1): the entry here is frozen, stays as it is
 * and is not served, until the home has decided which copy stays. Owns which entries are frozen, and which were dropped
 * for another node's a moment ago. A part of the local store, not an actor of its own.
 */
import type { KeyHash, KeyHasher } from '../../store/key-hash.js';
import type { NodeId } from '../../store/node-id.js';
import type { OwnedKeys } from '../../store/owned-keys.js';
import type { Key, MessageOf } from '../../transport/message.js';
import type { Executor } from './executor.js';
import type { StoreHost } from './store-host.js';

/** An entry whose home compares it with another node's. */
interface Freeze {
  readonly home: NodeId;
  readonly contest: number;
}

export interface ContestHost extends StoreHost {
  /** The copy here was dropped. */
  dropped(key: Key): void;
}

/** A frozen entry's stamp is told again after this time without a word from the home. */
const FROZEN_AGAIN_MS = 500;
/** Longer than requests are on their way, and as many as a home compares at once, and more. */
const YIELDED_MS = 10_000;
const YIELDED_MAX = 65_536;

export class Contest {
  readonly #host: ContestHost;
  readonly #executor: Executor;
  readonly #owned: OwnedKeys;
  readonly #hasher: KeyHasher;
  readonly #frozen = new Map<Key, Freeze>();
  /** Keys whose copy here was dropped for another node's, oldest first, and when that may be forgotten. */
  readonly #yielded = new Map<Key, number>();
  #toldMs = 0;
  /** `stopped`: copies that a remembered delete kept from coming back. */
  readonly counts = { merged: 0, frozen: 0, stopped: 0 };

  constructor(host: ContestHost, executor: Executor, owned: OwnedKeys, hasher: KeyHasher) {
    this.#host = host;
    this.#executor = executor;
    this.#owned = owned;
    this.#hasher = hasher;
  }

  get isOpen(): boolean {
    return this.#frozen.size > 0;
  }

  isFrozen(key: Key): boolean {
    return this.#frozen.has(key);
  }

  /** The copy here was dropped for another node's, so lately that this may not be known everywhere. */
  isYielded(key: Key): boolean {
    return (this.#yielded.get(key) ?? 0) > this.#host.now();
  }

  /** Two nodes own the key: the entry stays as it is until the home has decided. */
  onFreeze({ from, contest, hash }: MessageOf<'freeze'>): void {
    const key = this.#owned.find(hash);
    if (key !== null) {
      if (!this.#frozen.has(key)) this.counts.frozen += 1;
      this.#frozen.set(key, { home: from, contest });
      this.#host.remindBy(this.#host.now() + FROZEN_AGAIN_MS);
    }
    this.#tell(from, contest, hash, key);
  }

  /** False: the home speaks of another comparison than the present one. */
  onThaw({ from, contest, hash, isKept }: MessageOf<'thaw'>): boolean {
    const key = this.#owned.find(hash);
    const freeze = key === null ? undefined : this.#frozen.get(key);
    if (key === null || freeze === undefined || freeze.home !== from || freeze.contest !== contest) return false;
    if (!isKept) {
      // The home's table names the other owner already: there is nothing to release.
      this.#owned.remove(key);
      this.#executor.discard(key);
      this.#yield(key);
      this.#host.dropped(key);
      this.counts.merged += 1;
    } else if (this.#executor.remembers(key)) this.counts.stopped += 1;
    this.#end(key);
    return true;
  }

  /** Nobody waits any more for the word of a home of the former view: the entries are stated anew. */
  endAll(): void {
    for (const key of this.#frozen.keys()) this.#end(key);
  }

  /** The entry is gone. */
  forget(key: Key): void {
    this.#frozen.delete(key);
  }

  /** Tells the homes again what is frozen, if they have not been told for a while. */
  remind(nowMs: number): void {
    if (this.#frozen.size === 0) return;
    if (nowMs - this.#toldMs >= FROZEN_AGAIN_MS) {
      for (const [key, { home, contest }] of this.#frozen) this.#tell(home, contest, this.#hasher.hash(key), key);
    }
    this.#host.remindBy(nowMs + FROZEN_AGAIN_MS);
  }

  #end(key: Key): void {
    this.#frozen.delete(key);
    this.#host.resume(key);
  }

  #yield(key: Key): void {
    const nowMs = this.#host.now();
    this.#yielded.delete(key);
    this.#yielded.set(key, nowMs + YIELDED_MS);
    for (const [oldest, untilMs] of this.#yielded) {
      if (untilMs > nowMs && this.#yielded.size <= YIELDED_MAX) break;
      this.#yielded.delete(oldest);
    }
  }

  #tell(to: NodeId, contest: number, hash: KeyHash, key: Key | null): void {
    this.#toldMs = this.#host.now();
    const stamp = key === null ? null : this.#executor.stampOf(key);
    const claim = key === null ? 0 : (this.#owned.claimOf(key) ?? 0);
    this.#host.send({
      type: 'frozen',
      to,
      from: this.#host.node,
      hops: 1,
      clock: this.#host.clock(),
      contest,
      hash,
      time: stamp?.time ?? 0,
      origin: stamp?.origin ?? null,
      claim,
    });
  }
}
