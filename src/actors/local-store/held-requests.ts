/**
 * Which keys are not free, and the requests that wait until they are: while the key's home compares two copies of it
 * (RULES P1), while it is on its way to or from another node (H1), and while it is from the disk and no home has
 * confirmed it (H3). Requests for one key keep their order, and each waits until its deadline at most. A part of the
 * local store, not an actor of its own.
 */
import { refused } from '../../transport/message.js';
import type { CacheRequest, Key, MessageOf } from '../../transport/message.js';
import type { Ref } from '../runtime/kind.js';
import { HELD_REQUESTS_MAX } from '../settings.js';
import type { Contest } from './contest.js';
import type { Executor } from './executor.js';
import type { Handover } from './handover.js';
import type { StoreHost } from './store-host.js';
import type { Takeover } from './takeover.js';

export interface Held {
  readonly request: CacheRequest;
  /** Who gets the reply of a local request; null for one that another node forwarded. */
  readonly asker: Ref | null;
  readonly forward: MessageOf<'forward'> | null;
  /** In monotonic ms. */
  readonly deadlineMs: number;
  /** The finder has had it in its hands, so that it is not to wait for itself. */
  readonly isRetry: boolean;
  /** It goes back to the finder, which has earlier requests for the key. */
  readonly isPassedBack: boolean;
}

export interface HeldHost extends StoreHost {
  serve(held: Held): void;
  /** The request does not wait, or no longer. */
  refuse(held: Held, refusal: MessageOf<'refused'>): void;
}

/** The parts of the store that may keep a key. */
interface Parts {
  readonly executor: Executor;
  readonly contest: Contest;
  readonly handover: Handover;
  readonly takeover: Takeover;
}

export class HeldRequests {
  readonly #host: HeldHost;
  readonly #executor: Executor;
  readonly #contest: Contest;
  readonly #handover: Handover;
  readonly #takeover: Takeover;
  readonly #waiting = new Map<Key, Held[]>();
  /** Keys that requests waited for, and that are gone. */
  readonly #freed = new Set<Key>();
  #count = 0;
  /** There are entries from the disk, and no home has confirmed them: another node may have written the keys since. */
  #awaitsHomes = false;
  readonly counts = { heldRefused: 0, heldExpired: 0, heldCompared: 0, heldIncoming: 0 };

  constructor(host: HeldHost, { executor, contest, handover, takeover }: Parts) {
    this.#host = host;
    this.#executor = executor;
    this.#contest = contest;
    this.#handover = handover;
    this.#takeover = takeover;
  }

  get count(): number {
    return this.#count;
  }

  /** A request for the key has to wait: the key is not free, or one that came before waits. */
  isHeld(key: Key): boolean {
    return this.#isAnyFixed && (this.#waiting.has(key) || this.isFixed(key));
  }

  /** Its home compares it, or it is on its way to or from another node, or from the disk and not confirmed (RULES H3). */
  isFixed(key: Key): boolean {
    if (this.#awaitsHomes && this.#executor.knows(key)) return true;
    return this.#contest.isFrozen(key) || this.#handover.isGiven(key) || this.#takeover.isIncoming(key);
  }

  /** What came from the disk is not served before its homes have confirmed it. */
  awaitHomes(): void {
    this.#awaitsHomes = this.#executor.keyspace.count > 0;
  }

  /** What came from the disk is served from now on. */
  endAwaiting(): void {
    if (!this.#awaitsHomes) return;
    this.#awaitsHomes = false;
    // What has to wait anew is not met again.
    const keys = [...this.#waiting.keys()];
    for (const key of keys) this.resume(key);
  }

  get hasRoom(): boolean {
    return this.#count < HELD_REQUESTS_MAX;
  }

  hold(held: Held): void {
    if (!this.hasRoom) {
      this.counts.heldRefused += 1;
      const text = 'too many requests wait for keys to be free';
      this.#host.refuse(held, refused(held.request.id, 'BUSY', text, { retryAfterMs: 100 }));
      return;
    }
    const { key } = held.request;
    if (this.#contest.isFrozen(key)) this.counts.heldCompared += 1;
    if (this.#takeover.isIncoming(key)) this.counts.heldIncoming += 1;
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) this.#waiting.set(key, [held]);
    else waiting.push(held);
    this.#count += 1;
    this.#host.remindBy(held.deadlineMs);
  }

  /** The key may be free again: what waited for it is served in its order, up to what has to wait anew. */
  resume(key: Key): void {
    const waiting = this.#count === 0 ? undefined : this.#waiting.get(key);
    if (waiting === undefined || this.isFixed(key)) return;
    this.#waiting.delete(key);
    this.#count -= waiting.length;
    const nowMs = this.#host.now();
    for (const held of waiting) {
      if (held.deadlineMs <= nowMs) this.#expire(held);
      else if (this.isHeld(key) && !(held.isRetry && held.forward !== null)) this.hold(held);
      else this.#host.serve(held);
    }
  }

  /** The entry has gone in the middle of something else: whoever waits for it is served in a turn of its own. */
  resumeLater(key: Key): void {
    if (!this.#waiting.has(key)) return;
    this.#freed.add(key);
    this.#host.remindBy(this.#host.now());
  }

  resumeFreed(): void {
    for (const key of this.#freed) {
      this.#freed.delete(key);
      this.resume(key);
    }
  }

  expire(nowMs: number): void {
    for (const [key, waiting] of this.#waiting) {
      const left = waiting.filter((held) => held.deadlineMs > nowMs);
      this.#count -= waiting.length - left.length;
      if (left.length === 0) this.#waiting.delete(key);
      else {
        this.#waiting.set(key, left);
        this.#host.remindBy((left[0] as Held).deadlineMs);
      }
      // What waited behind one that expires may go on.
      for (const held of waiting) if (held.deadlineMs <= nowMs) this.#expire(held);
    }
  }

  /** Some key is not free, so that it is worth asking which. */
  get #isAnyFixed(): boolean {
    return (
      this.#contest.isOpen ||
      this.#count > 0 ||
      this.#awaitsHomes ||
      this.#handover.isGiving ||
      this.#takeover.count > 0
    );
  }

  #expire(held: Held): void {
    this.counts.heldExpired += 1;
    this.#host.refuse(held, refused(held.request.id, 'TIMEOUT', 'the key was not free in time', null));
  }
}
