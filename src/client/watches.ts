/**
 * The watches of a client, over all its connections: each is registered anew with the next node, and tried again while
 * that can't take it. Which of them the present node has confirmed, and by which id, is known here.
 */
import type { MessageOf } from '../transport/message.js';
import type { Read } from './call.js';
import type { Calls } from './calls.js';
import type { ErrorCode, SwarmError } from './errors.js';
import type { Timers } from './timers.js';
import type { Uplink } from './uplink.js';
import type { Watch, WatchClient } from './watch.js';

/** Pause before a watch is registered again that could not be. */
const WATCH_AGAIN_MS = 500;
/** Refusals of a watch that say nothing against it. */
const PASSING_CODES: ReadonlySet<ErrorCode> = new Set(['BUSY', 'DRAINING', 'TIMEOUT', 'UNKNOWN']);

const nothing = (): void => {};
const readAny: Read<void> = (_reply, resolve) => {
  resolve();
  return true;
};

export class Watches implements WatchClient {
  readonly #uplink: Uplink;
  readonly #calls: Calls;
  readonly #timers: Timers;
  readonly #watches = new Set<Watch>();
  /** Those that the present node has confirmed, by the id of the request. */
  readonly #open = new Map<number, Watch>();
  /** Those that the former node had confirmed. */
  #lost: readonly Watch[] = [];

  constructor(uplink: Uplink, calls: Calls, timers: Timers) {
    this.#uplink = uplink;
    this.#calls = calls;
    this.#timers = timers;
  }

  add(watch: Watch): void {
    this.#watches.add(watch);
  }

  onChange(change: MessageOf<'change'>): void {
    this.#uplink.observe(change.meta?.['stamp']);
    this.#open.get(change.id)?.take(change);
  }

  onLost(): void {
    this.#lost = [...this.#open.values()];
    this.#open.clear();
  }

  onDialling(): void {
    const lost = this.#lost;
    this.#lost = [];
    for (const watch of lost) {
      watch.lose();
      // What ends it, its reader learns.
      watch.register().catch(nothing);
    }
  }

  onClosed(error: SwarmError | null): void {
    for (const watch of this.#watches) watch.finish(error);
    this.#open.clear();
  }

  /** A lost connection, or a node that can't yet, ends no watch that was open once: it is tried for as long as it lives. */
  async register(watch: Watch, isAgain: boolean, onOpen: (id: number) => void): Promise<void> {
    const { key, prefix, values } = watch.options;
    const options = {
      ...(key === undefined ? {} : { key }),
      ...(prefix === undefined ? {} : { prefix }),
      ...(values === undefined ? {} : { values }),
    };
    for (;;) {
      try {
        await this.#calls.ask<void>(
          (id) => ({ type: 'watch', id, options }),
          (reply, resolve, { id }) => {
            if (reply.type !== 'watching') return false;
            this.#open.set(id, watch);
            onOpen(id);
            resolve();
            return true;
          },
          {},
        );
        return;
      } catch (error) {
        const { code } = error as SwarmError;
        if (!isAgain || !PASSING_CODES.has(code) || !this.#watches.has(watch)) throw error;
        await new Promise<void>((resolve) => void this.#timers.setTimeout(resolve, WATCH_AGAIN_MS));
        if (this.#uplink.status === 'closed') throw error;
      }
    }
  }

  unregister(id: number): void {
    if (!this.#open.delete(id) || this.#uplink.status !== 'open') return;
    // Whatever the answer is, nobody listens any more.
    this.#calls.ask((own) => ({ type: 'unwatch', id: own, watch: id }), readAny, {}).catch(nothing);
  }

  forget(watch: Watch): void {
    this.#watches.delete(watch);
  }
}
