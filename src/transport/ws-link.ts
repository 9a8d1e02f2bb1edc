/**
 * A link over a socket of the `ws` package: the same for the listener and the dialler. That package keeps a reference
 * to what it sends until it has left, so borrowed bytes are copied here, once.
 *
 * Memory outside the heap costs more than the copy: the engine marks the whole heap whenever so much of it has been
 * allocated, once a second at a busy relay. So what frames were copied to is used again.
 */
import { BROKEN, closeReason, exceedsBacklog, FAULT, LINGER_MS, lingerMs, SLOW, TOO_LARGE } from './closing.js';
import { reportFault } from './fault.js';
import type { Link, LinkHandler } from './link.js';

/** The part of the package's socket that is used here. */
export interface WsSocket {
  readonly bufferedAmount: number;
  send(bytes: Uint8Array, options: { binary: boolean }, sent: (error?: Error | null) => void): void;
  close(code: number, reason: string): void;
  terminate(): void;
  ping(): void;
  pause(): void;
  resume(): void;
  on(event: 'message', listener: (bytes: Uint8Array, isBinary: boolean) => void): unknown;
  on(event: 'close', listener: (code: number, reason: Uint8Array) => void): unknown;
  on(event: 'error', listener: (error: NodeJS.ErrnoException) => void): unknown;
  on(event: 'ping' | 'pong', listener: () => void): unknown;
}

/** Frames of up to so many bytes are copied to blocks of that size. */
const BLOCK_BYTES = 131_072;
/** Smaller ones share the memory of others anyway. */
const BLOCKED_BYTES_MIN = 4096;
/** Of all links together. */
const SPARE_BLOCKS_MAX = 8;
const spareBlocks: Buffer[] = [];

export class WsLink implements Link {
  readonly remote: string;
  readonly canPause = true;
  readonly #socket: WsSocket;
  readonly #backlogBytesMax: number;
  #handler: LinkHandler | null = null;
  #status: 'open' | 'closing' | 'closed' = 'open';
  #isChoked = false;
  #ownClose: readonly [code: number, reason: string] | null = null;
  #silentRounds = 0;

  /** The socket is open, and nothing of what it receives has been delivered yet. */
  constructor(socket: WsSocket, remote: string, backlogBytesMax: number) {
    this.remote = remote;
    this.#socket = socket;
    this.#backlogBytesMax = backlogBytesMax;
    socket.on('message', (bytes, isBinary) => this.#receive(bytes, !isBinary));
    socket.on('ping', () => (this.#silentRounds = 0));
    socket.on('pong', () => (this.#silentRounds = 0));
    socket.on('error', (error) => this.#broken(error));
    socket.on('close', (code, reason) => this.#closed(code, Buffer.from(reason).toString()));
  }

  get bufferedBytes(): number {
    return this.#status === 'closed' ? 0 : this.#socket.bufferedAmount;
  }

  send(bytes: Uint8Array, isText: boolean): void {
    if (this.#status !== 'open') return;
    if (this.#isChoked && exceedsBacklog(this.#socket.bufferedAmount, bytes.length, this.#backlogBytesMax)) {
      return this.close(...SLOW);
    }
    const { length } = bytes;
    // What has to wait takes no more room than it has bytes.
    if (this.#isChoked || length < BLOCKED_BYTES_MIN || length > BLOCK_BYTES)
      this.#socket.send(Buffer.from(bytes), { binary: !isText }, this.#onSent);
    else {
      const block = spareBlocks.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
      block.set(bytes);
      this.#socket.send(block.subarray(0, length), { binary: !isText }, (error) => {
        if (!(error instanceof Error) && spareBlocks.length < SPARE_BLOCKS_MAX) spareBlocks.push(block);
        this.#onSent();
      });
    }
    if (this.#socket.bufferedAmount > 0) this.#isChoked = true;
  }

  pause(): void {
    if (this.#status === 'open') this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  close(code: number, reason: string): void {
    if (this.#status !== 'open') return;
    this.#status = 'closing';
    this.#ownClose = [code, reason];
    // A paused socket would not notice that the other end agrees.
    this.#socket.resume();
    this.#socket.close(code, closeReason(reason));
    const patienceMs = lingerMs(code);
    // Longer ones are the library's own.
    if (patienceMs < LINGER_MS) setTimeout(() => this.terminate(), patienceMs).unref();
  }

  terminate(): void {
    if (this.#status === 'closed') return;
    this.#status = 'closing';
    this.#ownClose ??= [BROKEN, 'cut'];
    this.#socket.terminate();
  }

  /** Asks for the handler; until then nothing can come in, since the socket delivers in later turns. */
  open(accept: (link: Link) => LinkHandler): void {
    try {
      this.#handler = accept(this);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Called at the end of each idle round: pings after one in which nothing came in, pongs included, cuts after two. */
  endRound(): void {
    if (this.#silentRounds === 2) this.terminate();
    else if (this.#silentRounds === 1 && this.#status === 'open') this.#socket.ping();
    this.#silentRounds++;
  }

  /** One function for all frames: the socket's own `drain` tells only of backlogs beyond its high-water mark. */
  readonly #onSent = (): void => {
    if (!this.#isChoked || this.#status !== 'open' || this.#socket.bufferedAmount > 0) return;
    this.#isChoked = false;
    try {
      this.#handler?.onWritable();
    } catch (error) {
      this.#fail(error);
    }
  };

  #receive(bytes: Uint8Array, isText: boolean): void {
    this.#silentRounds = 0;
    if (this.#status !== 'open') return;
    try {
      this.#handler?.onFrame(bytes, isText);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The package closes by itself after an error; it only remains to remember why. */
  #broken(error: NodeJS.ErrnoException): void {
    if (this.#status !== 'open') return;
    this.#status = 'closing';
    const isTooLarge = error.code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH';
    this.#ownClose = isTooLarge ? TOO_LARGE : [BROKEN, error.message];
  }

  #closed(code: number, reason: string): void {
    this.#status = 'closed';
    const [ownCode, ownReason] = this.#ownClose ?? [code, reason];
    try {
      this.#handler?.onClosed(ownCode, ownReason);
    } catch (error) {
      reportFault(error);
    }
  }

  #fail(error: unknown): void {
    reportFault(error);
    this.close(...FAULT);
  }
}
