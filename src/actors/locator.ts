/**
 * The locator: `where` and `trace`. It has the finder find the key as any request would, learns the way to the owner
 * from the router and, for a trace, measures the time to each node of it and back, as traceroute does: then no two
 * clocks have to agree. Invariant: each request is answered once, at the latest a second after the finder's answer.
 */
import { parseNodeId } from '../store/node-id.js';
import type { NodeId } from '../store/node-id.js';
import { refused } from '../transport/message.js';
import type { MessageOf } from '../transport/message.js';
import type { Addresses } from './addresses.js';
import type { Count, FindPath, LocatorMessage, Path, Step } from './message.js';
import { alwaysRunning } from './runtime/always-running.js';
import { defineKind } from './runtime/kind.js';
import type { Ref, Self } from './runtime/kind.js';
import type { Identity } from './settings.js';

interface Args {
  readonly identity: Identity;
  readonly addresses: Addresses;
}

/** A request under way. */
interface Open {
  readonly request: MessageOf<'where' | 'trace'>;
  readonly session: Ref;
  readonly beganMs: number;
  readonly steps: { readonly step: string; readonly ms: number }[];
  owner: NodeId | null;
  /** When the finder had answered, in ms since the beginning. */
  foundMs: number;
  path: Path['nodes'];
  /** Round trips to the nodes of the path, in ms. Null: not heard of yet. */
  readonly trips: Map<NodeId, number | null>;
  hailedMs: number;
}

/** Requests under way at once; beyond, BUSY. */
const OPEN_MAX = 1024;
/** A node that did not answer by then is reported without a time. */
const HAIL_MS = 1000;

export class Locator {
  readonly #self: Self<LocatorMessage>;
  readonly #identity: Identity;
  readonly #addresses: Addresses;
  readonly #open = new Map<number, Open>();
  #lastNumber = 0;
  #isTicking = false;
  readonly #counts = { located: 0, traced: 0, busy: 0, hails: 0, unheard: 0 };

  constructor(self: Self<LocatorMessage>, args: Args) {
    this.#self = self;
    this.#identity = args.identity;
    this.#addresses = args.addresses;
  }

  onRequest(request: MessageOf<'where' | 'trace'>, session: Ref): void {
    if (this.#open.size >= OPEN_MAX) {
      this.#counts.busy += 1;
      const text = 'too many keys are being located';
      session.tell(refused(request.id, 'BUSY', text, { retryAfterMs: 100 }), this.#self.ref);
      return;
    }
    this.#lastNumber += 1;
    this.#open.set(this.#lastNumber, {
      request,
      session,
      beganMs: this.#self.now(),
      steps: [],
      owner: null,
      foundMs: 0,
      path: [],
      trips: new Map(),
      hailedMs: Infinity,
    });
    this.#addresses.finder.tell({ type: request.type, id: this.#lastNumber, key: request.key }, this.#self.ref);
  }

  onStep({ id, step }: Step): void {
    const open = this.#open.get(id);
    if (open !== undefined) open.steps.push({ step, ms: this.#since(open.beganMs) });
  }

  /** The finder's answer. */
  onLocated({ id, info }: MessageOf<'located'>): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    open.foundMs = this.#since(open.beganMs);
    // It comes from the owner: a claim.
    open.owner = typeof info['owner'] === 'string' ? parseNodeId(info['owner']) : null;
    if (open.owner === null) return this.#answer(id, open);
    const findPath: FindPath = { type: 'findPath', number: id, to: open.owner };
    this.#addresses.router.tell(findPath, this.#self.ref);
  }

  onRefused(refusal: MessageOf<'refused'>): void {
    const open = this.#open.get(refusal.id ?? -1);
    if (open === undefined) return;
    this.#open.delete(refusal.id as number);
    open.session.tell({ ...refusal, id: open.request.id }, this.#self.ref);
  }

  onPath({ number, nodes }: Path): void {
    const open = this.#open.get(number);
    if (open === undefined) return;
    open.path = nodes;
    if (open.request.type === 'where') return this.#answer(number, open);
    open.hailedMs = this.#self.now();
    for (const { id } of nodes) {
      if (id === this.#identity.node) continue;
      open.trips.set(id, null);
      this.#counts.hails += 1;
      this.#hail('hail', id, number);
    }
    if (open.trips.size === 0) this.#answer(number, open);
    else this.#tickLater();
  }

  /** From another node, which measures. */
  onHail({ from, number }: MessageOf<'hail'>): void {
    this.#hail('hailed', from, number);
  }

  onHailed({ from, number }: MessageOf<'hailed'>): void {
    const open = this.#open.get(number);
    if (open?.trips.get(from) !== null) return;
    open.trips.set(from, this.#since(open.hailedMs));
    if (![...open.trips.values()].includes(null)) this.#answer(number, open);
  }

  onCount(_message: Count, from: Ref): void {
    from.tell({ type: 'counters', counters: { ...this.#counts, open: this.#open.size } }, this.#self.ref);
  }

  /** Some node of a path does not answer. */
  onTick(): void {
    this.#isTicking = false;
    const nowMs = this.#self.now();
    for (const [number, open] of this.#open) {
      if (open.hailedMs + HAIL_MS > nowMs) continue;
      this.#counts.unheard += 1;
      this.#answer(number, open);
    }
    if ([...this.#open.values()].some(({ trips }) => trips.size > 0)) this.#tickLater();
  }

  #answer(number: number, open: Open): void {
    this.#open.delete(number);
    const { request, session, owner, path, foundMs } = open;
    const found = owner === null ? null : { id: owner, name: path.find(({ id }) => id === owner)?.name ?? null };
    const info =
      request.type === 'where'
        ? { owner: found, path }
        : {
            owner: found,
            steps: this.#stepsOf(open),
            ms: foundMs,
            path: path.map((node) => ({ ...node, ms: node.id === this.#identity.node ? 0 : open.trips.get(node.id) })),
          };
    if (request.type === 'where') this.#counts.located += 1;
    else this.#counts.traced += 1;
    session.tell({ type: 'located', id: request.id, info } satisfies MessageOf<'located'>, this.#self.ref);
  }

  /** The local store is asked first, and says nothing of it where it has the key. */
  #stepsOf({ owner, steps, foundMs }: Open): readonly { readonly step: string; readonly ms: number }[] {
    return steps.length === 0 && owner === this.#identity.node ? [{ step: 'here', ms: foundMs }] : steps;
  }

  #hail(type: 'hail' | 'hailed', to: NodeId, number: number): void {
    const message: MessageOf<'hail' | 'hailed'> = { type, to, from: this.#identity.node, hops: 1, number };
    this.#addresses.router.tell(message, this.#self.ref);
  }

  /** In ms, to the microsecond. */
  #since(ms: number): number {
    return Math.round((this.#self.now() - ms) * 1000) / 1000;
  }

  #tickLater(): void {
    if (this.#isTicking) return;
    this.#isTicking = true;
    this.#self.after(HAIL_MS, { type: 'tick' });
  }
}

const on = Locator.prototype;

export const locatorKind = defineKind({
  name: 'locator',
  machine: alwaysRunning,
  create: (self: Self<LocatorMessage>, args: Args) => new Locator(self, args),
  tables: {
    running: {
      where: on.onRequest,
      trace: on.onRequest,
      step: on.onStep,
      located: on.onLocated,
      refused: on.onRefused,
      path: on.onPath,
      hail: on.onHail,
      hailed: on.onHailed,
      count: on.onCount,
      tick: on.onTick,
    },
  },
  commands: {},
  mailbox: {
    capacity: 65_536,
    overflow: {
      step: 'never',
      located: 'never',
      refused: 'never',
      path: 'never',
      hail: 'dropNew',
      hailed: 'dropNew',
      count: 'never',
      tick: 'never',
    },
  },
  refusal: (message: LocatorMessage) =>
    message.type === 'where' || message.type === 'trace'
      ? refused(message.id, 'BUSY', 'this node has too much to do; try again', { retryAfterMs: 100 })
      : null,
});
