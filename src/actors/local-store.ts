/**
 * The local store: the entries that this node owns. A request for a key that is here is executed and answered; one for
 * a key that isn't goes back to the finder, or to the node that forwarded it, unexecuted. Only `conclude` creates.
 * Invariant: bytes and keys never exceed the limits, an expired value is never answered, and the requests that the
 * finder sent for one key take effect in the order sent.
 */
import type { HybridClock } from '../store/clock.js';
import type { Keyspace } from '../store/keyspace.js';
import { refused } from '../transport/message.js';
import type { CacheRequest, ClientReply, MessageOf } from '../transport/message.js';
import type { Addresses } from './addresses.js';
import { Executor } from './executor.js';
import { refuseLeaving } from './leaving.js';
import { localStoreMachine } from './local-store-machine.js';
import type { LocalStoreEvent } from './local-store-machine.js';
import type { Absent, Conclude, Concluded, Count, LocalStoreMessage, Observe, Probe, Probed } from './message.js';
import { defineKind, drop, refuse, stash } from './runtime/kind.js';
import type { Ref, Self } from './runtime/kind.js';
import type { Identity, Settings } from './settings.js';

interface Args {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
}

/** Expired entries are removed at most this long after their time; until then they take room, but are never answered. */
const SWEEP_MS = 1000;
/** Entries that one sweep removes at most, so that it stays a short turn. */
const SWEEP_COUNT_MAX = 5000;
/** Pause after a sweep that left some. */
const SWEEP_AGAIN_MS = 20;

export class LocalStore {
  readonly #self: Self<LocalStoreMessage, LocalStoreEvent>;
  readonly #identity: Identity;
  readonly #addresses: Addresses;
  readonly #executor: Executor;
  readonly #keyspace: Keyspace;
  readonly #clock: HybridClock;
  readonly #counts = { forwarded: 0, notMine: 0 };
  #isSweeping = false;

  constructor(self: Self<LocalStoreMessage, LocalStoreEvent>, args: Args) {
    this.#self = self;
    this.#identity = args.identity;
    this.#addresses = args.addresses;
    this.#executor = new Executor(args.identity.node, args.settings, self);
    this.#keyspace = this.#executor.keyspace;
    this.#clock = this.#executor.clock;
    self.signal('recovered');
  }

  /** From the finder, on behalf of a session: executed if the key is here. */
  onRequest(request: CacheRequest, asker: Ref): void {
    const reply = this.#execute(request, false);
    if (reply !== null) asker.tell(reply, this.#self.ref);
    else this.#addresses.finder.tell({ type: 'absent', request, asker } satisfies Absent, this.#self.ref);
  }

  /** From another node, which believes that the key is here. */
  onForward(message: MessageOf<'forward'>, router: Ref): void {
    this.#clock.observe(message.clock);
    this.#counts.forwarded += 1;
    const reply = this.#execute(message.message as CacheRequest, false);
    const head = { to: message.from, from: this.#identity.node, hops: 1, number: message.number };
    if (reply === null) {
      this.#counts.notMine += 1;
      router.tell({ type: 'notMine', ...head, clock: this.#clock.last } satisfies MessageOf<'notMine'>, this.#self.ref);
    } else {
      const answer = {
        type: 'answer',
        ...head,
        clock: this.#clock.last,
        message: reply,
      } satisfies MessageOf<'answer'>;
      router.tell(answer, this.#self.ref);
    }
  }

  onConclude({ request, asker, clock }: Conclude, finder: Ref): void {
    this.#clock.observe(clock);
    asker.tell(this.#execute(request, true) as ClientReply, this.#self.ref);
    const isPresent = this.#executor.has(request.key);
    finder.tell({ type: 'concluded', key: request.key, isPresent } satisfies Concluded, this.#self.ref);
  }

  /** While draining nothing new is created: it would be lost. */
  onConcludeDraining(message: Conclude, finder: Ref): void {
    if (message.request.type !== 'set') return this.onConclude(message, finder);
    message.asker.tell(refuseLeaving(message.request.id), this.#self.ref);
    finder.tell({ type: 'concluded', key: message.request.key, isPresent: false } satisfies Concluded, this.#self.ref);
  }

  onObserve(message: Observe): void {
    this.#clock.observe(message.clock);
  }

  onProbe({ asker, number, key, clock }: Probe, router: Ref): void {
    this.#clock.observe(clock);
    const isPresent = this.#executor.has(key);
    router.tell({ type: 'probed', asker, number, isPresent, clock: this.#clock.last } satisfies Probed, this.#self.ref);
  }

  onDrain(): LocalStoreEvent {
    return 'drain';
  }

  onCount(_message: Count, from: Ref): void {
    const { bytes, count, evicted, expired, valueBytesHeld } = this.#keyspace;
    const counters = {
      ...this.#executor.counts,
      ...this.#counts,
      keys: count,
      bytes,
      valueBytesHeld,
      evicted,
      expired,
    };
    from.tell({ type: 'counters', counters }, this.#self.ref);
  }

  onTick(): void {
    this.#isSweeping = false;
    const count = this.#keyspace.expire(this.#self.now(), SWEEP_COUNT_MAX);
    this.#sweepLater(count === SWEEP_COUNT_MAX ? SWEEP_AGAIN_MS : SWEEP_MS);
  }

  #execute(request: CacheRequest, isFinal: boolean): ClientReply | null {
    const reply = this.#executor.execute(request, isFinal);
    if (request.type === 'set') this.#sweepLater();
    return reply;
  }

  #sweepLater(delayMs = SWEEP_MS): void {
    if (this.#isSweeping || this.#keyspace.nextExpiryMs === null) return;
    this.#isSweeping = true;
    this.#self.after(delayMs, { type: 'tick' });
  }
}

const on = LocalStore.prototype;
const serving = {
  get: on.onRequest,
  set: on.onRequest,
  delete: on.onRequest,
  forward: on.onForward,
  conclude: on.onConclude,
  observe: on.onObserve,
  probe: on.onProbe,
  drain: on.onDrain,
  count: on.onCount,
  tick: on.onTick,
} as const;

export const localStoreKind = defineKind({
  name: 'local-store',
  machine: localStoreMachine,
  create: (self: Self<LocalStoreMessage, LocalStoreEvent>, args: Args) => new LocalStore(self, args),
  tables: {
    recovering: {
      get: stash,
      set: stash,
      delete: stash,
      forward: stash,
      conclude: stash,
      observe: on.onObserve,
      probe: stash,
      drain: stash,
      count: on.onCount,
      tick: drop,
    },
    ready: serving,
    draining: { ...serving, conclude: on.onConcludeDraining, drain: drop },
    closed: {
      get: refuse,
      set: refuse,
      delete: refuse,
      forward: drop,
      conclude: drop,
      observe: drop,
      probe: drop,
      drain: drop,
      count: drop,
      tick: drop,
    },
  },
  commands: {},
  mailbox: {
    capacity: 1 << 20,
    overflow: {
      forward: 'dropNew',
      conclude: 'never',
      observe: 'never',
      probe: 'dropNew',
      drain: 'never',
      count: 'never',
      tick: 'never',
    },
  },
  refusal: (message: LocalStoreMessage) =>
    'id' in message
      ? refused(message.id, 'BUSY', 'the store has too much to do; try again', { retryAfterMs: 100 })
      : null,
});
