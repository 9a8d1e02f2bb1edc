/** A stranger on the network: plays a neighbour by hand, well-behaved or not. */
import type { NodeId } from '../../src/store/node-id.js';
import type { Swarm } from '../../src/testing/index.js';
import { decodeFrame, encodeMessage } from '../../src/transport/binary-codec.js';
import { FrameWriter } from '../../src/store/frame-writer.js';
import type { Link } from '../../src/transport/link.js';
import type { Message, Relay } from '../../src/transport/message.js';

export class Stranger {
  readonly id: NodeId;
  readonly received: (Message | Relay)[] = [];
  closed: { code: number; reason: string } | null = null;
  /** For what it answers by itself. */
  onMessage: (message: Message | Relay) => void = () => {};
  #link: Link | null = null;

  constructor(id: string) {
    this.id = id as NodeId;
  }

  /** Opens a link to that node; virtual time passes. */
  dial(swarm: Swarm, node: number, name = `stranger-${this.id}`): void {
    swarm.bus(name).dial(
      swarm.node(node).url,
      {
        linkSecret: null,
        tlsCaFile: null,
        proxy: null,
        timeoutMs: 1000,
        frameBytesMax: 1 << 24,
        backlogBytesMax: 1 << 24,
      },
      (link) => {
        this.#link = link;
        return {
          onFrame: (bytes) => {
            const limits = { keyBytesMax: 4096, valueBytesMax: 1 << 20 };
            decodeFrame(bytes, limits, 'node', this.id, (message) => {
              this.received.push(message as Message);
              this.onMessage(message as Message);
            });
          },
          onWritable: () => {},
          onClosed: (code, reason) => {
            this.closed = { code, reason };
          },
        };
      },
      (reason) => {
        this.closed = { code: 0, reason };
      },
    );
    swarm.advance(50);
  }

  /** Greets and takes the link into use. */
  greet(swarm: Swarm, changes: Record<string, unknown> = {}): void {
    const wallMs = Date.UTC(2026, 0, 1);
    const info = {
      protocolMin: 1,
      protocolMax: 1,
      version: '0',
      swarm: 'test',
      id: this.id,
      name: 'stranger',
      incarnation: 1,
      wallMs,
      ...changes,
    };
    this.send({ type: 'greet', info }, { type: 'linked', protocol: 1 });
    swarm.advance(50);
  }

  /** Announces one edge, as if the stranger were a member. */
  announce(
    swarm: Swarm,
    to: { node: NodeId; incarnation: number },
    sequence = 1,
    roles: readonly string[] = ['store'],
  ): void {
    const neighbours = [[to.node, to.incarnation]];
    const info = { name: 'stranger', roles, freeBytes: 0, view: 1, neighbours };
    this.send({ type: 'links', node: this.id, incarnation: 1, sequence, info });
    swarm.advance(50);
  }

  send(...messages: (Message | Relay)[]): void {
    const writer = new FrameWriter();
    for (const message of messages) encodeMessage(message, writer);
    this.#link?.send(writer.bytes, false);
  }

  sendBytes(bytes: Uint8Array, isText = false): void {
    this.#link?.send(bytes, isText);
  }

  hangUp(): void {
    this.#link?.close(1000, 'bye');
  }
}
