/** A client that watches all keys, wherever it is connected, and records what it is told and when. */
import type { Random } from '../../actors/runtime/env.js';
import { decodeFrame, encodeMessage } from '../../transport/binary-codec.js';
import { FrameWriter } from '../../store/frame-writer.js';
import type { ClientEnd } from '../../transport/memory-bus.js';
import type { ClientReply, Malformed } from '../../transport/message.js';
import type { ToldChange, Watching } from './evidence.js';
import { stampIn } from './workload-client.js';
import { isAlive } from './world.js';
import type { World } from './world.js';

const NO_LIMITS = { keyBytesMax: Infinity, valueBytesMax: Infinity };
const RECONNECT_MS = 100;
const WATCH_ID = 1;

const writer = new FrameWriter();

export class WatchClient {
  readonly #world: World;
  readonly #random: Random;
  readonly #watchings: Watching[];
  readonly #name: string;
  #node: number;
  #end: ClientEnd | null = null;
  #watching: Watching | null = null;
  #isStopped = false;

  /** `watchings`: where each watch that was opened is recorded. */
  constructor(world: World, watchings: Watching[], random: Random, index: number, node: number) {
    this.#world = world;
    this.#watchings = watchings;
    this.#random = random;
    this.#name = `watcher-${index}`;
    this.#node = node;
  }

  connect(): void {
    if (this.#isStopped) return;
    this.#end = this.#world.network.connectClient(
      this.#world.node(this.#node).url,
      {
        onOpen: () => this.#watch(),
        onFrame: (data) =>
          void decodeFrame(data as Uint8Array, NO_LIMITS, 'client replies', null, (reply) => this.#onReply(reply)),
        onClosed: () => this.#onClosed(),
      },
      { name: this.#name },
    );
  }

  stop(): void {
    this.#isStopped = true;
    this.#end?.close();
  }

  #watch(): void {
    encodeMessage({ type: 'watch', id: WATCH_ID, options: { prefix: '', values: true } }, writer);
    this.#end?.send(writer.bytes);
    writer.reset();
  }

  #onReply(reply: ClientReply | Malformed): void {
    const { nowMs } = this.#world;
    if (reply.type === 'watching') {
      this.#watching = { node: this.#node, fromMs: nowMs, toMs: Infinity, changes: [] };
      this.#watchings.push(this.#watching);
    } else if (reply.type === 'change') {
      const { kind, key } = reply;
      const stamp = stampIn(reply.meta);
      this.#watching?.changes.push({ atMs: nowMs, kind: kind as ToldChange['kind'], key, stamp });
    } else if (reply.type === 'refused') this.#later(() => this.#watch());
  }

  #onClosed(): void {
    if (this.#watching !== null) this.#watching.toMs = this.#world.nowMs;
    this.#watching = null;
    if (this.#isStopped) return;
    if (!isAlive(this.#world.node(this.#node))) this.#node = this.#random.below(this.#world.nodes.length);
    this.#later(() => this.connect());
  }

  #later(run: () => void): void {
    this.#world.time.at(this.#world.nowMs + RECONNECT_MS + this.#random.below(RECONNECT_MS), () => {
      if (!this.#isStopped) run();
    });
  }
}
