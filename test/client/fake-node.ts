/** A node that does what the test says: speaks the codec over real sockets, keeps the frames, answers by a function. */
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';
import { decodeFrame, encodeMessage } from '../../src/transport/binary-codec.js';
import { FrameWriter } from '../../src/store/frame-writer.js';
import type { Bytes, ClientReply, ClientRequest, Limits, MessageOf } from '../../src/transport/message.js';

export const LIMITS: Limits = {
  frameBytesMax: 1_000_000,
  keyBytesMax: 1024,
  valueBytesMax: 500_000,
  inFlightMax: 1000,
};

/** What to send back at once, or null: the test answers later, or never. */
export type Answer = (request: ClientRequest, session: Session) => ClientReply | null;

export class Session {
  readonly socket: WebSocket;

  constructor(socket: WebSocket) {
    this.socket = socket;
  }

  /** All replies in one frame. */
  send(...replies: readonly ClientReply[]): void {
    const writer = new FrameWriter();
    for (const reply of replies) encodeMessage(reply, writer);
    if (writer.length > 0) this.socket.send(writer.bytes);
  }
}

export class FakeNode {
  readonly url: string;
  readonly sessions: Session[] = [];
  readonly hellos: MessageOf<'hello'>[] = [];
  /** Requests but `hello`, frame by frame. */
  readonly frames: ClientRequest[][] = [];
  answer: Answer;
  limits = LIMITS;
  /** Answers `hello`; null sends nothing. */
  greet: (hello: MessageOf<'hello'>, session: Session) => ClientReply | null = (hello) => this.welcome(hello);
  readonly #server: WebSocketServer;

  static async start(answer: Answer = storeAnswer()): Promise<FakeNode> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await new Promise((resolve) => server.once('listening', resolve));
    return new FakeNode(server, answer);
  }

  constructor(server: WebSocketServer, answer: Answer) {
    this.#server = server;
    this.answer = answer;
    this.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => this.#accept(socket));
  }

  get requests(): ClientRequest[] {
    return this.frames.flat();
  }

  /** The session of the last connection. */
  get session(): Session {
    return this.sessions.at(-1) as Session;
  }

  welcome(hello: MessageOf<'hello'>): ClientReply {
    const info = { node: 'fake', swarm: 'test', protocol: 1, limits: this.limits };
    return { type: 'welcome', id: hello.id, info };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.sessions) socket.terminate();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(socket: WebSocket): void {
    const session = new Session(socket);
    this.sessions.push(session);
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer) => this.#onFrame(data, session));
  }

  #onFrame(data: Buffer, session: Session): void {
    const frame: ClientRequest[] = [];
    const reason = decodeFrame(data, LIMITS, 'client requests', null, (message) => {
      // What is decoded is lent: a value has to be copied to be kept.
      const request = message as ClientRequest;
      frame.push(request.type === 'set' ? { ...request, value: request.value.slice() } : request);
    });
    if (reason !== null) throw new Error(`the client sent a bad frame: ${reason}`);
    const replies: ClientReply[] = [];
    const requests = frame.filter((request) => request.type !== 'hello');
    if (requests.length > 0) this.frames.push(requests);
    for (const request of frame) {
      if (request.type === 'hello') this.hellos.push(request);
      const reply = request.type === 'hello' ? this.greet(request, session) : this.answer(request, session);
      if (reply !== null) replies.push(reply);
    }
    session.send(...replies);
  }
}

/** A cache, as far as one node with one client is one. */
export function storeAnswer(): Answer {
  const entries = new Map<string, { value: Bytes; stamp: string; ttlMs: number | null }>();
  let time = 0;
  return (request) => {
    const { id } = request;
    switch (request.type) {
      case 'get': {
        const entry = entries.get(request.key);
        if (entry === undefined) return { type: 'missing', id };
        const { stamp, ttlMs } = entry;
        const meta = request.options.meta === true ? { stamp, ttlMs } : null;
        return { type: 'value', id, meta, value: entry.value };
      }
      case 'set': {
        time += 1;
        const stamp = `1Ab${String(time).padStart(4, '0')}z-fake`;
        entries.set(request.key, {
          value: request.value,
          stamp,
          ttlMs: request.options.ttlMs ?? null,
        });
        return { type: 'stored', id, meta: request.options.meta === true ? { stamp } : null };
      }
      case 'delete':
        return { type: 'deleted', id, existed: entries.delete(request.key) };
      case 'ping':
        return { type: 'pong', id };
      case 'inspect':
        return { type: 'report', id, info: { what: request.what } };
      default:
        return null;
    }
  };
}

/** Resolves when the condition holds; the test's own time limit ends the wait. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
}
