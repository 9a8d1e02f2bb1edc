/**
 * A TCP proxy of our own for one link between two nodes, which does to it what networks do: delay, jam, reset, go
 * silent with both ends open, cut in the middle of a frame. What chance decides is drawn from a seed.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** One direction of one connection. */
interface Pipe {
  readonly from: Socket;
  readonly to: Socket;
}

export type LinkState =
  | 'through'
  /** Nothing is read any more: what the ends send piles up in the kernel, then in them. */
  | 'jammed'
  /** What comes is swallowed, and the end of one side is not told to the other. New connections end nowhere. */
  | 'silent'
  /** Nothing comes through, and new connections are reset. */
  | 'cut';

export class FaultProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #random: () => number;
  readonly #pipes = new Set<Pipe>();
  /** All that is open, also what is connected to nothing yet. */
  readonly #sockets = new Set<Socket>();
  /** Their other end is gone, of which they are not told. */
  readonly #orphans = new Set<Socket>();
  #state: LinkState = 'through';
  #latencyMs = 0;
  #jitterMs = 0;
  #cutAfterBytes: number | null = null;
  /** Connections that came in so far. */
  connectionCount = 0;

  static async start(targetPort: number, seed: number): Promise<FaultProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FaultProxy(server, targetPort, seed);
  }

  private constructor(server: Server, targetPort: number, seed: number) {
    this.#server = server;
    this.#random = seeded(seed);
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (near) => this.#onConnection(near, targetPort));
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  get state(): LinkState {
    return this.#state;
  }

  /** Connections that lead through at this moment. */
  get openCount(): number {
    return this.#pipes.size / 2;
  }

  /** Each chunk comes later by that much, and by a random part of the jitter; in order all the same. */
  delay(latencyMs: number, jitterMs = 0): void {
    this.#latencyMs = latencyMs;
    this.#jitterMs = jitterMs;
  }

  jam(): void {
    this.#state = 'jammed';
    for (const { from } of this.#pipes) from.pause();
  }

  silence(): void {
    this.#state = 'silent';
  }

  cut(): void {
    this.#state = 'cut';
    this.reset();
  }

  /** From here on as if nothing had been; connections that were open while it was silent are reset. */
  heal(): void {
    const wasSilent = this.#state === 'silent';
    this.#state = 'through';
    if (wasSilent) this.reset();
    for (const { from } of this.#pipes) from.resume();
  }

  /** Resets all that is open; both ends see it at once. */
  reset(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  /** Resets only the end that dialled, or only the one that listens; the other hears nothing of it, nor later. */
  resetOneEnd(end: 'near' | 'far'): void {
    for (const { from, to } of this.#pipes) {
      if (isNear(from, this.port) !== (end === 'near')) continue;
      this.#orphans.add(to);
      from.resetAndDestroy();
    }
  }

  /** Lets a random few bytes of a later chunk through, then resets: some frame is left unfinished. */
  cutMidFrame(): void {
    this.#cutAfterBytes = 1 + Math.floor(this.#random() * 20);
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #onConnection(near: Socket, targetPort: number): void {
    this.connectionCount += 1;
    this.#keep(near);
    if (this.#state === 'cut') return void near.resetAndDestroy();
    if (this.#state === 'silent') return void near.on('data', () => {});
    const far = connect({ host: '127.0.0.1', port: targetPort });
    this.#keep(far);
    far.once('connect', () => {
      for (const socket of [near, far]) socket.setNoDelay(true);
      for (const pipe of [
        { from: near, to: far },
        { from: far, to: near },
      ])
        this.#open(pipe);
    });
    far.once('error', () => near.resetAndDestroy());
    near.once('close', () => this.#endOther(far));
    far.once('close', () => this.#endOther(near));
  }

  #open(pipe: Pipe): void {
    const { from, to } = pipe;
    this.#pipes.add(pipe);
    let lastMs = 0;
    from.on('data', (bytes: Buffer) => {
      if (this.#state === 'silent') return;
      if (this.#cutAfterBytes !== null && bytes.length > this.#cutAfterBytes) {
        to.write(bytes.subarray(0, this.#cutAfterBytes), () => {
          from.resetAndDestroy();
          to.resetAndDestroy();
        });
        this.#cutAfterBytes = null;
        return;
      }
      const write = (): void => {
        if (this.#state === 'silent' || !to.writable) return;
        if (to.write(bytes)) return;
        from.pause();
        to.once('drain', () => this.#state !== 'jammed' && from.resume());
      };
      const delayMs = this.#latencyMs + this.#random() * this.#jitterMs;
      if (delayMs === 0 && lastMs === 0) return write();
      // Later chunks never overtake earlier ones.
      const nowMs = performance.now();
      lastMs = Math.max(lastMs, nowMs + delayMs);
      setTimeout(write, lastMs - nowMs);
    });
    from.once('close', () => this.#pipes.delete(pipe));
    if (this.#state === 'jammed') from.pause();
  }

  /** While the link is silent, the other end must not learn of it. */
  #endOther(socket: Socket): void {
    if (this.#state !== 'silent' && !this.#orphans.has(socket)) socket.destroy();
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#orphans.delete(socket);
    });
  }
}

const isNear = (socket: Socket, port: number): boolean => socket.localPort === port;

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
