/** A client of databases that is no more than a socket: it speaks the binary protocol by hand. */
import type { NodeId } from '../../src/store/node-id.js';
import { encodeItems, encodeOp, encodeOpWithSeen, ItemReader } from '../../src/store/op.js';
import { formatStamp, formatTime, parseTime } from '../../src/store/stamp.js';
import type { Stamp } from '../../src/store/stamp.js';
import type { Swarm } from '../../src/testing/index.js';
import { decodeFrame, encodeMessage } from '../../src/transport/binary-codec.js';
import { FrameWriter } from '../../src/store/frame-writer.js';
import type { ClientEnd } from '../../src/transport/memory-bus.js';
import type { ClientReply, ClientRequest, Malformed, MessageOf } from '../../src/transport/message.js';
import { packValue } from '../../src/transport/msgpack.js';

type Unnumbered = ClientRequest extends infer R ? (R extends { id: number } ? Omit<R, 'id'> : never) : never;
type Reply = ClientReply | Malformed;

export const NIL: Uint8Array = Uint8Array.of(0xc0);

export class ReplicaClient {
  readonly received: Reply[] = [];
  closed: { code: number; reason: string } | null = null;
  readonly #swarm: Swarm;
  readonly #end: ClientEnd;
  #lastId = 0;

  constructor(swarm: Swarm, node: number) {
    this.#swarm = swarm;
    this.#end = swarm.connect(node, {
      onOpen: () => {},
      onFrame: (data) => {
        const limits = { keyBytesMax: 4096, valueBytesMax: 1 << 24 };
        decodeFrame(data as Uint8Array, limits, 'client replies', null, (reply) => this.received.push(reply));
      },
      onClosed: (code, reason) => void (this.closed = { code, reason }),
    });
    swarm.advance(10);
  }

  /** The id of the request. */
  send(request: Unnumbered): number {
    this.#lastId += 1;
    const writer = new FrameWriter();
    encodeMessage({ ...request, id: this.#lastId } as ClientRequest, writer);
    this.#end.send(writer.bytes.slice());
    return this.#lastId;
  }

  /** Takes the first thing that came with that id; virtual time passes until it is there. */
  take(id: number, withinMs = 5000): Reply {
    for (let ms = 0; ; ms += 5) {
      const at = this.received.findIndex((reply) => reply.id === id);
      if (at >= 0) return this.received.splice(at, 1)[0] as Reply;
      if (ms >= withinMs) throw new Error(`nothing came with the id ${id}`);
      this.#swarm.advance(5);
    }
  }

  ask(request: Unnumbered, withinMs?: number): Reply {
    return this.take(this.send(request), withinMs);
  }

  /** What the request is answered by, or the test fails. */
  expect<T extends Reply['type']>(type: T, request: Unnumbered): Extract<Reply, { type: T }> {
    const reply = this.ask(request);
    if (reply.type !== type) throw new Error(`${type} was expected, ${JSON.stringify(reply)} came`);
    return reply as Extract<Reply, { type: T }>;
  }

  create(database = 'db', options: MessageOf<'createDatabase'>['options'] = {}): Record<string, unknown> {
    return this.expect('databaseInfo', { type: 'createDatabase', database, options }).info;
  }

  inspect(database = 'db', digests = false): Record<string, unknown> {
    return this.expect('databaseInfo', { type: 'inspectDatabase', database, options: { digests } }).info;
  }

  open(options: MessageOf<'openDatabase'>['options'] = {}, database = 'db'): Writer {
    const id = this.send({ type: 'openDatabase', database, options });
    const reply = this.take(id);
    if (reply.type !== 'opened') throw new Error(`opened was expected, ${JSON.stringify(reply)} came`);
    return new Writer(this, id, reply.info);
  }

  disconnect(): void {
    this.#end.close(1000, '');
    this.#swarm.advance(10);
  }
}

/** An open database, and the chain of its replica. */
export class Writer {
  readonly client: ReplicaClient;
  readonly open: number;
  readonly info: Record<string, unknown>;
  readonly origin: NodeId;
  lastTime: number;
  #clock: number;

  constructor(client: ReplicaClient, open: number, info: Readonly<Record<string, unknown>>) {
    this.client = client;
    this.open = open;
    this.info = info;
    this.origin = info['replica'] as NodeId;
    this.lastTime = timeIn(info['storedTime']);
    this.#clock = Math.max(timeIn(info['clock']), timeIn(info['fromTime']));
  }

  /** The next op of the chain, encoded. */
  op(
    object: string,
    value: unknown,
    over: { type?: string; prev?: number; time?: number; seen?: Stamp[] } = {},
  ): Uint8Array {
    this.#clock = over.time ?? Math.max(this.#clock, this.lastTime) + 1;
    const op = encodeOp({
      stamp: { time: this.#clock, origin: this.origin },
      prevTime: over.prev ?? this.lastTime,
      type: over.type ?? 'lww',
      id: object,
      payload: packValue(value),
    });
    this.lastTime = this.#clock;
    return over.seen === undefined ? op : encodeOpWithSeen(op, over.seen);
  }

  submit(...ops: Uint8Array[]): Reply {
    return this.client.ask({ type: 'submit', open: this.open, ops: encodeItems(ops) });
  }

  set(object: string, value: unknown): Reply {
    return this.submit(this.op(object, { value }));
  }

  /** Subscribes and reads all pages; the items, and the position when live. */
  read(options: MessageOf<'subscribe'>['options'] = { all: true }, have = NIL): Followed {
    const id = this.client.send({ type: 'subscribe', open: this.open, options, have });
    let page = this.client.take(id);
    const items: string[] = [];
    let pages = 0;
    for (;;) {
      if (page.type !== 'patch') throw new Error(`a patch was expected, ${JSON.stringify(page)} came`);
      items.push(...itemsOf(page.items));
      pages += 1;
      if (page.isLive) return { id, items, position: page.position, pages };
      page = this.client.ask({ type: 'next', subscription: id });
    }
  }
}

export interface Followed {
  readonly id: number;
  readonly items: string[];
  readonly position: string;
  readonly pages: number;
}

/** Each item in short: `op stamp type/id` or `snapshot type/id`. */
export function itemsOf(bytes: Uint8Array): string[] {
  const reader = new ItemReader();
  const count = reader.open(bytes);
  const items: string[] = [];
  for (let i = 0; i < count; i += 1) {
    const objection = reader.next();
    if (objection !== null) throw new Error(objection);
    const name = `${reader.type}/${reader.id}`;
    items.push(
      reader.kind === 'op'
        ? `op ${formatStamp({ time: reader.time, origin: reader.origin })} ${name}`
        : `${reader.kind} ${name}`,
    );
  }
  return items;
}

export const timeIn = (text: unknown): number => (typeof text === 'string' ? (parseTime(text) ?? 0) : 0);

export const textOf = formatTime;
