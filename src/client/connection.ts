/**
 * One connection to a node, from the opening of its socket to its loss: greets, packs requests into frames, hands over
 * what comes in. It never resumes; what happens after its loss is the client's decision.
 */
import { decodeFrame, encodeMessage } from '../transport/binary-codec.js';
import { FrameWriter } from '../store/frame-writer.js';
import { CLOSE } from '../transport/message.js';
import type { ClientReply, ClientRequest, Info, Limits, Malformed, MessageOf } from '../transport/message.js';
import { SwarmError, refusalCode } from './errors.js';
import { currentPage, hintFor } from './hint.js';
import type { OpenSocket, SocketLike } from './socket.js';
import type { Timers } from './timers.js';

export interface ConnectionEvents {
  onWelcome(info: Info): void;
  onReply(reply: ClientReply): void;
  /** All messages of a frame have been handed over. */
  onFrameEnd(): void;
  /** The node asks its clients to go elsewhere. It may come at any time, also before the welcome. */
  onBye(info: Info): void;
  /** The connection is lost, or never came to be. Exactly once and the last call; not after `close`. */
  onLost(error: SwarmError): void;
}

export interface Greeting {
  readonly id: number;
  readonly options: MessageOf<'hello'>['options'];
  readonly timeoutMs: number;
}

/** Unsent bytes in the socket beyond which requests wait in the client instead. */
const BACKLOG_BYTES_MAX = 4 * 1024 * 1024;
/** What a close frame has room for. */
const CLOSE_REASON_MAX = 100;
const CLOSED_ABNORMALLY = 1006;
/** A reply is the node's to limit, and a frame the socket's. */
const REPLY_LIMITS = { keyBytesMax: Infinity, valueBytesMax: Infinity };
/** Before the welcome tells the real limits, only the greeting is sent. */
const NO_LIMITS: Limits = {
  frameBytesMax: Infinity,
  keyBytesMax: 0,
  valueBytesMax: 0,
  inFlightMax: 0,
};

export class Connection {
  readonly url: string;
  readonly #events: ConnectionEvents;
  readonly #timers: Timers;
  readonly #hello: MessageOf<'hello'>;
  readonly #writer = new FrameWriter();
  readonly #timeout: unknown;
  #status: 'opening' | 'greeting' | 'open' | 'closed' = 'opening';
  #socket: SocketLike | null = null;
  #limits = NO_LIMITS;
  #receivedMs: number;
  /** What the node or the socket told before it closed. */
  #complaint = '';
  #onGone: (() => void) | null = null;

  constructor(openSocket: OpenSocket, url: string, greeting: Greeting, timers: Timers, events: ConnectionEvents) {
    this.url = url;
    this.#events = events;
    this.#timers = timers;
    this.#hello = { type: 'hello', id: greeting.id, options: greeting.options };
    this.#receivedMs = timers.now();
    this.#timeout = timers.setTimeout(() => {
      this.fail(new SwarmError('UNREACHABLE', `${url}: no answer within ${greeting.timeoutMs} ms`));
    }, greeting.timeoutMs);
    try {
      this.#listen(openSocket(url));
    } catch (error) {
      this.#complaint = error instanceof Error ? error.message : String(error);
      // A browser refuses an address by throwing; the caller learns it as it learns any other failure.
      queueMicrotask(() => this.#onClosed(CLOSED_ABNORMALLY, ''));
    }
  }

  /** When something came in last, or the time of opening. */
  get receivedMs(): number {
    return this.#receivedMs;
  }

  get limits(): Limits {
    return this.#limits;
  }

  /** The socket can't keep up. */
  get isBacklogged(): boolean {
    return this.#socket !== null && this.#socket.bufferedAmount > BACKLOG_BYTES_MAX;
  }

  /**
   * Adds a request to the frame that `flush` sends; if the two don't fit into one frame, the frame before is sent. False
   * if the request alone is larger than what the node takes.
   */
  write(request: ClientRequest): boolean {
    const writer = this.#writer;
    const { frameBytesMax } = this.#limits;
    const start = writer.length;
    encodeMessage(request, writer);
    if (writer.length <= frameBytesMax) return true;
    writer.truncate(start);
    if (start === 0) return false;
    this.flush();
    return this.write(request);
  }

  flush(): void {
    if (this.#writer.length === 0) return;
    this.#socket?.send(this.#writer.bytes as Uint8Array<ArrayBuffer>);
    this.#writer.reset();
  }

  /** Closes in good order. No event follows; `onGone` is called when the socket is closed. */
  close(onGone: () => void): void {
    const isGone = this.#status === 'closed' || this.#socket === null;
    this.#status = 'closed';
    this.#timers.clearTimeout(this.#timeout);
    if (isGone) return onGone();
    this.#onGone = onGone;
    this.#socket?.close(CLOSE.normal, '');
  }

  /** Gives the connection up, by our own judgement. `onLost` follows at once. */
  fail(error: SwarmError, code: number = CLOSE.normal): void {
    if (this.#status === 'closed') return;
    this.#socket?.close(code, code === CLOSE.normal ? '' : ascii(error.message));
    this.#lose(error);
  }

  #listen(socket: SocketLike): void {
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.addEventListener('open', () => this.#onOpen());
    socket.addEventListener('message', ({ data }) => this.#onFrame(data));
    socket.addEventListener('close', ({ code, reason }) => this.#onClosed(code, reason));
    socket.addEventListener('error', (event) => {
      this.#complaint = complaintOf(event);
    });
  }

  #onOpen(): void {
    if (this.#status !== 'opening') return;
    this.#status = 'greeting';
    encodeMessage(this.#hello, this.#writer);
    this.flush();
  }

  #onFrame(data: unknown): void {
    if (this.#status === 'closed') return;
    this.#receivedMs = this.#timers.now();
    const bytes = bytesOf(data);
    const reason =
      bytes === null ? 'a text frame' : decodeFrame(bytes, REPLY_LIMITS, 'client replies', null, this.#onMessage);
    if (reason !== null) this.#failBadly(reason);
    else if (this.#isOpen()) this.#events.onFrameEnd();
  }

  /** A message of a frame. One of the former may have ended the connection: then the rest of the frame is void. */
  readonly #onMessage = (reply: ClientReply | Malformed): void => {
    if (this.#status === 'closed') return;
    if (reply.type === 'malformed') this.#failBadly(reply.reason);
    else if (reply.type === 'bye') this.#events.onBye(reply.info);
    else if (reply.type === 'refused' && reply.id === null) this.#complaint = reply.message;
    else if (this.#status === 'open') this.#events.onReply(reply);
    else this.#onGreeted(reply);
  };

  #onGreeted(reply: ClientReply): void {
    if (reply.id !== this.#hello.id) return this.#failBadly(`${reply.type} before the welcome`);
    if (reply.type === 'refused') {
      const { code, message, info } = reply;
      return this.fail(new SwarmError(refusalCode(code), `${this.url}: ${message}`, { info }));
    }
    const limits = reply.type === 'welcome' ? limitsOf(reply.info) : null;
    if (reply.type !== 'welcome' || limits === null) {
      return this.#failBadly(`${reply.type} without limits in answer to hello`);
    }
    this.#status = 'open';
    this.#limits = limits;
    this.#timers.clearTimeout(this.#timeout);
    this.#events.onWelcome(reply.info);
  }

  #onClosed(code: number, reason: string): void {
    if (this.#onGone !== null) return this.#onGone();
    if (this.#status === 'closed') return;
    this.#lose(this.#errorOfClose(code, reason));
  }

  #errorOfClose(code: number, reason: string): SwarmError {
    const said = this.#complaint || reason;
    const why = `${this.url}: ${said || `closed with code ${code}`}`;
    switch (code) {
      case CLOSE.unauthenticated:
        return new SwarmError('UNAUTHENTICATED', why);
      case CLOSE.forbidden:
        return new SwarmError('FORBIDDEN', why);
      default: {
        if (this.#status === 'open') return new SwarmError('DISCONNECTED', why);
        const hint = code === CLOSED_ABNORMALLY ? hintFor(this.url, currentPage()) : '';
        return new SwarmError('UNREACHABLE', hint === '' ? why : `${why}. ${hint}`);
      }
    }
  }

  #failBadly(reason: string): void {
    const message = `${this.url}: the node sent what is not the protocol: ${reason}`;
    const code = this.#isOpen() ? 'DISCONNECTED' : 'UNREACHABLE';
    this.fail(new SwarmError(code, message), CLOSE.badFrame);
  }

  #lose(error: SwarmError): void {
    this.#status = 'closed';
    this.#timers.clearTimeout(this.#timeout);
    this.#events.onLost(error);
  }

  /** A method, because handing over a message may change what the compiler believes it knows. */
  #isOpen(): boolean {
    return this.#status === 'open';
  }
}

/** A frame as bytes, or null if it is text. */
function bytesOf(data: unknown): Uint8Array | null {
  if (typeof data === 'string') return null;
  // No instanceof: the buffer may come from another realm, as it does under jest.
  if (!ArrayBuffer.isView(data)) return new Uint8Array(data as ArrayBuffer);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function limitsOf(info: Info): Limits | null {
  const limits = (info['limits'] ?? {}) as Partial<Record<keyof Limits, unknown>>;
  const { frameBytesMax, keyBytesMax, valueBytesMax, inFlightMax } = limits;
  const isLimit = (n: unknown): n is number => typeof n === 'number' && n >= 1;
  const areLimits = isLimit(frameBytesMax) && isLimit(keyBytesMax) && isLimit(valueBytesMax) && isLimit(inFlightMax);
  return areLimits ? { frameBytesMax, keyBytesMax, valueBytesMax, inFlightMax } : null;
}

/** What an error event of `ws` tells; one of a browser tells nothing. */
function complaintOf(event: object): string {
  const { message, error } = event as { message?: unknown; error?: { code?: unknown } };
  if (typeof message === 'string' && message !== '') return message;
  return typeof error?.code === 'string' ? error.code : '';
}

function ascii(text: string): string {
  return text.replace(/[^ -~]/g, '?').slice(0, CLOSE_REASON_MAX);
}
