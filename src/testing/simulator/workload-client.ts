/**
 * A client as the simulator needs it: frames in and out, no promises, and a record of all that it asked and was told.
 * When its connection is lost it asks elsewhere; what nobody answered it asks anew, as another request.
 */
import type { Random } from '../../actors/runtime/env.js';
import { parseStamp } from '../../store/stamp.js';
import type { Stamp } from '../../store/stamp.js';
import { decodeFrame, encodeMessage } from '../../transport/binary-codec.js';
import { FrameWriter } from '../../store/frame-writer.js';
import type { ClientEnd } from '../../transport/memory-bus.js';
import type { ClientReply, ClientRequest, Malformed } from '../../transport/message.js';
import { packValue, unpackValue } from '../../transport/msgpack.js';
import type { Operation, Outcome } from '../checker/operation.js';
import type { PlannedRequest } from './plan.js';
import { isAlive } from './world.js';
import type { World } from './world.js';

/** What all clients of a run write into. */
export interface Recording {
  readonly history: Operation[];
  sessionCount: number;
  /** A reply that answers nothing that was asked. */
  readonly strays: string[];
  onInvoke(operation: Operation): void;
  onReply(operation: Operation): void;
}

const NO_LIMITS = { keyBytesMax: Infinity, valueBytesMax: Infinity };
const RECONNECT_MS = 100;
/** Of those who stay. */
const RECONNECT_STAYING_MS = 10;
const RETRY_MS = 50;
/** Attempts at one node before another one is tried. */
const ATTEMPTS = 3;

const writer = new FrameWriter();

export class WorkloadClient {
  readonly #world: World;
  readonly #recording: Recording;
  readonly #random: Random;
  readonly #name: string;
  readonly #stays: boolean;
  readonly #pending = new Map<number, { readonly operation: Operation; readonly request: PlannedRequest }>();
  #end: ClientEnd | null = null;
  #node: number;
  #session = 0;
  #isOpen = false;
  #failures = 0;
  #isStopped = false;

  /** `stays`: it comes back to its node, however long that is away. */
  constructor(world: World, recording: Recording, random: Random, index: number, node: number, stays: boolean) {
    this.#world = world;
    this.#recording = recording;
    this.#random = random;
    this.#name = `client-${index}`;
    this.#stays = stays;
    this.#node = node;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Requests without a reply. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  connect(): void {
    if (this.#isStopped) return;
    const node = this.#world.node(this.#node);
    this.#recording.sessionCount += 1;
    this.#session = this.#recording.sessionCount;
    this.#end = this.#world.network.connectClient(
      node.url,
      {
        onOpen: () => {
          this.#isOpen = true;
          this.#failures = 0;
        },
        onFrame: (data) => {
          const reason = decodeFrame(data as Uint8Array, NO_LIMITS, 'client replies', null, (reply) =>
            this.#onReply(reply),
          );
          if (reason !== null) this.#recording.strays.push(`${this.#name}: a frame that can't be decoded: ${reason}`);
        },
        onClosed: () => this.#onClosed(),
      },
      { name: this.#name },
    );
  }

  /** One frame with all of them; those that come while there is no connection are not asked. */
  ask(requests: readonly PlannedRequest[]): void {
    if (!this.#isOpen || this.#end === null) return;
    for (const request of requests) {
      const operation = this.#begin(request);
      this.#pending.set(operation.number, { operation, request });
      encodeMessage(messageOf(operation, request), writer);
    }
    this.#end.send(writer.bytes);
    writer.reset();
  }

  stop(): void {
    this.#isStopped = true;
    this.#end?.close();
  }

  #begin({ key, kind, condition, ttlMs, by }: PlannedRequest): Operation {
    const { history } = this.#recording;
    const operation: Operation = {
      number: history.length + 1,
      session: this.#session,
      node: this.#node,
      key,
      kind,
      condition,
      ttlMs,
      by,
      invokedMs: this.#world.nowMs,
      returnedMs: Infinity,
      outcome: { type: 'open' },
      replyCount: 0,
    };
    history.push(operation);
    this.#recording.onInvoke(operation);
    return operation;
  }

  #onReply(reply: ClientReply | Malformed): void {
    if (reply.type === 'bye') return;
    const operation = reply.id === null ? undefined : this.#recording.history[reply.id - 1];
    const outcome = outcomeOf(reply);
    if (operation === undefined || operation.session !== this.#session || outcome === null) {
      this.#recording.strays.push(`${this.#name}: ${reply.type} ${reply.id} answers nothing`);
      return;
    }
    operation.replyCount += 1;
    const pending = this.#pending.get(operation.number);
    if (pending === undefined) return;
    this.#pending.delete(operation.number);
    operation.returnedMs = this.#world.nowMs;
    operation.outcome = outcome;
    this.#recording.onReply(operation);
    if (outcome.type === 'refused') this.#retry(pending.request);
  }

  #onClosed(): void {
    this.#isOpen = false;
    this.#failures += 1;
    const lost = [...this.#pending.values()];
    this.#pending.clear();
    for (const { operation } of lost) operation.outcome = { type: 'lost' };
    if (this.#isStopped) return;
    if (!this.#stays && (this.#failures % ATTEMPTS === 0 || !isAlive(this.#world.node(this.#node)))) {
      this.#node = this.#random.below(this.#world.nodes.length);
    }
    const reconnectMs = this.#stays ? RECONNECT_STAYING_MS : RECONNECT_MS;
    this.#later(reconnectMs + this.#random.below(reconnectMs), () => this.connect());
    for (const { request } of lost) this.#retry(request);
  }

  #retry(request: PlannedRequest): void {
    if (request.retries === 0) return;
    const again = { ...request, retries: request.retries - 1 };
    this.#later(RETRY_MS * (1 + this.#random.below(8)), () => this.ask([again]));
  }

  #later(delayMs: number, run: () => void): void {
    this.#world.time.at(this.#world.nowMs + delayMs, () => {
      if (!this.#isStopped) run();
    });
  }
}

const messageOf = ({ number, key }: Operation, request: PlannedRequest): ClientRequest => {
  const { kind, ttlMs, padding, condition, by } = request;
  switch (kind) {
    case 'set':
      return {
        type: 'set',
        id: number,
        key,
        options: { meta: true, ...(ttlMs > 0 ? { ttlMs } : {}), ...(condition === null ? {} : { if: condition }) },
        value: packValue(padding === 0 ? number : `${number}:${'.'.repeat(padding)}`),
      };
    case 'touch':
      return { type: 'touch', id: number, key, ttlMs };
    case 'incr':
      return { type: 'incr', id: number, key, by, options: {} };
    case 'get':
    case 'delete':
      return { type: kind, id: number, key, options: {} };
  }
};

const outcomeOf = (reply: ClientReply | Malformed): Outcome | null => {
  switch (reply.type) {
    case 'value':
      return { type: 'value', value: numberIn(reply.value) };
    case 'missing':
      return { type: 'missing' };
    case 'stored': {
      const stamp = stampIn(reply.meta);
      return { type: 'stored', ...(stamp === null ? {} : { time: stamp.time }) };
    }
    case 'deleted':
      return { type: 'deleted', existed: reply.existed };
    case 'refused':
      return { type: 'refused', code: reply.code };
    default:
      return null;
  }
};

/** What a reply or a change carries. */
export const stampIn = (meta: Readonly<Record<string, unknown>> | null): Stamp | null =>
  typeof meta?.['stamp'] === 'string' ? parseStamp(meta['stamp']) : null;

/** The number that a value stands for; NaN for one that no client of ours wrote. */
export const numberIn = (value: Uint8Array): number => {
  const unpacked = unpackValue(value);
  return typeof unpacked === 'number' ? unpacked : Number.parseInt(String(unpacked), 10);
};
