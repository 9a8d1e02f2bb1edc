/** A WebSocket in the hand of the test: opens by itself, is welcomed, and sends nothing anywhere. */
import { decodeFrame, encodeMessage } from '../../src/transport/binary-codec.js';
import { FrameWriter } from '../../src/store/frame-writer.js';
import type { ClientReply } from '../../src/transport/message.js';
import { LIMITS } from './fake-node.js';

type Listener = (event: { data: unknown; code: number; reason: string }) => void;

export class HeldSocket {
  static last: HeldSocket;
  binaryType = 'blob';
  readonly bufferedAmount = 0;
  closeCode = 0;
  readonly #listeners = new Map<string, Listener>();

  constructor() {
    HeldSocket.last = this;
    queueMicrotask(() => this.#emit('open'));
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, listener);
  }

  send(frame: Uint8Array): void {
    decodeFrame(frame, LIMITS, 'client requests', null, ({ type, id }) => {
      if (type !== 'hello') return;
      const welcome = encoded({ type: 'welcome', id, info: { limits: LIMITS } } as ClientReply);
      queueMicrotask(() => this.receive(welcome));
    });
  }

  close(code = 1005): void {
    this.closeCode ||= code;
    queueMicrotask(() => this.#emit('close', null, code));
  }

  receive(data: unknown): void {
    this.#emit('message', data);
  }

  #emit(type: string, data: unknown = null, code = 0): void {
    this.#listeners.get(type)?.({ data, code, reason: '' });
  }
}

/** A frame of messages. */
export function encoded(...replies: readonly ClientReply[]): Uint8Array {
  const writer = new FrameWriter();
  for (const reply of replies) encodeMessage(reply, writer);
  return writer.copy();
}
