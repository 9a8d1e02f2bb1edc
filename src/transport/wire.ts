/**
 * A connection as an actor sees it: messages in, messages out. Incoming frames are decoded while they are borrowed and
 * delivered message by message; outgoing messages are encoded at once into the frame that `flush` sends, so that a turn
 * sends one frame for all that it has for a connection.
 */
import type { NodeId } from '../store/node-id.js';
import { decodeFrame, encodeMessage } from './binary-codec.js';
import type { DecodeLimits } from './binary-codec.js';
import { FrameWriter } from '../store/frame-writer.js';
import type { Link, LinkHandler } from './link.js';
import { CLOSE } from './message.js';
import type { ClientReply, ClientRequest, LinkMessage, Malformed, Relay, RequestId, RoutedMessage } from './message.js';
import { decodeText, encodeText } from './text-codec.js';

/** Past this size a frame is sent before the turn ends: a frame never exceeds it by more than one message. */
const FRAME_BYTES_TARGET = 256 * 1024;
const LINK_FRAME_BYTES_TARGET = 1024 * 1024;
/** Writers kept for reuse, so that an idle connection holds no buffer. */
const SPARE_WRITERS_MAX = 64;

/** What a wire tells the actor that holds it. */
export interface WireEvents<M> {
  onMessage(message: M): void;
  /** The frame can't be decoded; what preceded the fault has been delivered. */
  onBadFrame(reason: string): void;
  onWritable(): void;
  onClosed(code: number, reason: string): void;
}

/** The part that both ends of a node have in common. */
export interface Wire<Out> {
  readonly remote: string;
  /** Bytes sent and not yet gone, without those that wait for `flush`. */
  readonly bufferedBytes: number;
  send(message: Out): void;
  flush(): void;
  /** Flushes, then closes. */
  close(code: number, reason: string): void;
}

const spare: FrameWriter[] = [];
const takeWriter = (): FrameWriter => spare.pop() ?? new FrameWriter();
const giveWriter = (writer: FrameWriter): void => {
  writer.reset();
  if (spare.length < SPARE_WRITERS_MAX) spare.push(writer);
};

/** The binary half: one frame under construction. */
class FrameSender {
  readonly #link: Link;
  readonly #bytesTarget: number;
  #writer: FrameWriter | null = null;

  constructor(link: Link, bytesTarget: number) {
    this.#link = link;
    this.#bytesTarget = bytesTarget;
  }

  send(message: ClientReply | LinkMessage | RoutedMessage | Relay): void {
    const writer = (this.#writer ??= takeWriter());
    encodeMessage(message, writer);
    if (writer.length >= this.#bytesTarget) this.flush();
  }

  flush(): void {
    const writer = this.#writer;
    if (writer === null) return;
    this.#writer = null;
    this.#link.send(writer.bytes, false);
    giveWriter(writer);
  }
}

/** A connection between two nodes. */
export type NodeWire = Wire<LinkMessage | RoutedMessage | Relay>;

export const openNodeWire = (
  link: Link,
  self: NodeId,
  limits: DecodeLimits,
  events: WireEvents<LinkMessage | RoutedMessage | Relay | Malformed>,
): { wire: NodeWire; handler: LinkHandler } => {
  const sender = new FrameSender(link, LINK_FRAME_BYTES_TARGET);
  const deliver = (message: unknown): void => {
    events.onMessage(message as LinkMessage | RoutedMessage | Relay | Malformed);
  };
  return {
    wire: {
      remote: link.remote,
      get bufferedBytes() {
        return link.bufferedBytes;
      },
      send: (message) => sender.send(message),
      flush: () => sender.flush(),
      close(code, reason) {
        sender.flush();
        link.close(code, reason);
      },
    },
    handler: {
      onFrame(bytes, isText) {
        const reason = isText ? 'text frame on a node link' : decodeFrame(bytes, limits, 'node', self, deliver);
        if (reason !== null) events.onBadFrame(reason);
      },
      onWritable: () => events.onWritable(),
      onClosed: (code, reason) => events.onClosed(code, reason),
    },
  };
};

/** Requests that came in one text frame: they are answered by one text frame. */
interface TextBatch {
  readonly isArray: boolean;
  readonly replies: string[];
  length: number;
  /** Replies still to come. */
  awaited: number;
}

/** Requests after whose reply notices with their id follow. */
const STREAMING: ReadonlySet<string> = new Set(['watch', 'openDatabase', 'subscribe']);

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder('utf-8', { fatal: true });

/** A client's connection. Each request is answered in the form in which it was asked, binary or text. */
export class ClientWire implements Wire<ClientReply>, LinkHandler {
  readonly #link: Link;
  readonly #limits: DecodeLimits;
  readonly #events: WireEvents<ClientRequest | Malformed>;
  readonly #sender: FrameSender;
  readonly #deliver: (message: unknown) => void;
  /** Null until the first text frame; most sessions never see one. */
  #batches: Map<RequestId | null, TextBatch[]> | null = null;
  #lastIsText = false;
  /** What was asked for in text and goes on after its reply: its notices are text, too. */
  #textStreams: Set<RequestId> | null = null;
  #heldLength = 0;
  readonly #pausedBytesMax: number;
  #isPaused = false;
  #pausedBytes = 0;

  /** `pausedBytesMax`: what a client may send while it is paused, where the link can't be kept from reading it. */
  constructor(link: Link, limits: DecodeLimits, pausedBytesMax: number, events: WireEvents<ClientRequest | Malformed>) {
    this.#link = link;
    this.#limits = limits;
    this.#pausedBytesMax = pausedBytesMax;
    this.#events = events;
    this.#sender = new FrameSender(link, FRAME_BYTES_TARGET);
    this.#deliver = (message) => events.onMessage(message as ClientRequest | Malformed);
  }

  get remote(): string {
    return this.#link.remote;
  }

  get bufferedBytes(): number {
    return this.#link.bufferedBytes;
  }

  /** Length of the replies that wait for others to one text frame; `flush` can't send them. */
  get heldLength(): number {
    return this.#heldLength;
  }

  send(reply: ClientReply): void {
    if (reply.type === 'change') return this.sendNotice(reply);
    if ((this.#lastIsText || this.#batches !== null) && this.#answerText(reply)) return;
    this.#sender.send(reply);
  }

  /** What answers no request, but follows from the one with its id. */
  sendNotice(notice: ClientReply): void {
    if (notice.id !== null && this.#textStreams?.has(notice.id) === true) this.#sendText(encodeText(notice));
    else this.#sender.send(notice);
  }

  /** No more notices with this id follow. */
  endStream(id: RequestId): void {
    this.#textStreams?.delete(id);
  }

  flush(): void {
    this.#sender.flush();
  }

  close(code: number, reason: string): void {
    this.#sender.flush();
    this.#link.close(code, reason);
  }

  /** Reads no more, or at least not without bound. */
  pause(): void {
    this.#isPaused = true;
    this.#pausedBytes = 0;
    if (this.#link.canPause) this.#link.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#link.canPause) this.#link.resume();
  }

  onFrame(bytes: Uint8Array, isText: boolean): void {
    if (this.#isPaused) {
      this.#pausedBytes += bytes.length;
      if (this.#pausedBytes > this.#pausedBytesMax) return this.close(CLOSE.slow, 'sends on without reading');
    }
    this.#lastIsText = isText;
    const reason = isText
      ? this.#onText(bytes)
      : decodeFrame(bytes, this.#limits, 'client requests', null, this.#deliver);
    if (reason !== null) this.#events.onBadFrame(reason);
  }

  onWritable(): void {
    this.#events.onWritable();
  }

  onClosed(code: number, reason: string): void {
    this.#events.onClosed(code, reason);
  }

  #onText(bytes: Uint8Array): string | null {
    let text: string;
    try {
      text = fromUtf8.decode(bytes);
    } catch {
      return 'a text frame must be UTF-8';
    }
    const requests: (ClientRequest | Malformed)[] = [];
    const { reason, isArray } = decodeText(text, this.#limits, (message) => requests.push(message));
    if (requests.length > 0) {
      this.#batches ??= new Map();
      const batch: TextBatch = { isArray, replies: [], length: 0, awaited: requests.length };
      for (const request of requests) {
        if (STREAMING.has(request.type) && request.id !== null) (this.#textStreams ??= new Set()).add(request.id);
        const waiting = this.#batches.get(request.id);
        if (waiting === undefined) this.#batches.set(request.id, [batch]);
        else waiting.push(batch);
      }
      for (const request of requests) this.#deliver(request);
    } else if (reason === null) {
      // An empty array asks nothing and is answered alike.
      this.#sendText('[]');
    }
    return reason;
  }

  /** True if the reply went into a text frame. */
  #answerText(reply: ClientReply): boolean {
    // `bye` answers nothing, not even a request whose id could not be read.
    const waiting = reply.type === 'bye' ? undefined : this.#batches?.get(reply.id);
    if (waiting === undefined) {
      if (reply.id !== null || !this.#lastIsText) return false;
      this.#sendText(encodeText(reply));
      return true;
    }
    if (reply.type === 'refused' && reply.id !== null) this.endStream(reply.id);
    const batch = waiting.shift() as TextBatch;
    if (waiting.length === 0) this.#batches?.delete(reply.id);
    const text = encodeText(reply);
    batch.replies.push(text);
    batch.length += text.length;
    this.#heldLength += text.length;
    batch.awaited -= 1;
    if (batch.awaited === 0) {
      this.#heldLength -= batch.length;
      this.#sendText(batch.isArray ? `[${batch.replies.join(',')}]` : (batch.replies[0] as string));
    }
    return true;
  }

  #sendText(text: string): void {
    // What was answered before in binary goes out before it.
    this.#sender.flush();
    this.#link.send(utf8.encode(text), true);
  }
}

/** Opens wires; what a node's actors are given, so that they need no codec. */
export interface Wires {
  client(
    link: Link,
    limits: DecodeLimits,
    pausedBytesMax: number,
    events: WireEvents<ClientRequest | Malformed>,
  ): ClientWire;
  node: typeof openNodeWire;
}
export const wires: Wires = {
  client: (link, limits, pausedBytesMax, events) => new ClientWire(link, limits, pausedBytesMax, events),
  node: openNodeWire,
};
