/**
 * The in-process twin of listeners and dialler: the same contract, admission and limits, over a network that exists in
 * memory only, with latency and faults. It has no time and no chance of its own: all that happens, happens in calls that
 * the given scheduler makes, so that under virtual time a run is a pure function of its seed. As on TCP, the frames of a
 * direction arrive in the order in which they were sent, without a gap, up to the moment at which the link breaks.
 */
import { BlockCopier } from '../store/block-copier.js';
import { createAdmission, type Admission } from './admission.js';
import { BROKEN, closeReason, exceedsBacklog, FAULT, SLOW, TOO_LARGE } from './closing.js';
import { reportFault } from './fault.js';
import type { Accept, Bus, Dial, Link, LinkHandler, Listen, ListenOptions } from './link.js';
import { linkUrl } from './link-url.js';
import { listenFault } from './listen-fault.js';
import { CLOSE } from './message.js';

export interface MemoryNetworkOptions {
  /** Calls `run` once after `delayMs`; what is due at the same time, in the order in which it was given. */
  readonly defer: (delayMs: number, run: () => void) => void;
  /** For one way between two names; 0 if left out. */
  readonly latencyMs?: number | ((from: string, to: string) => number);
  /** Sees each frame as it is sent, lost ones too. `bytes` is borrowed for the call. */
  readonly onFrame?: (from: string, to: string, bytes: Uint8Array, isText: boolean) => void;
}

/** Nodes and clients are told apart by name; an address belongs to the node that listens there. */
export interface MemoryNetwork {
  /** The way to the network for one node, until it crashes; afterwards the name may be used again. */
  bus(name: string): Bus;
  /** Opens ws://HOST:PORT as a client does. What can't be opened is closed with 1006 and the reason. */
  connectClient(url: string, events: ClientEvents, options?: ClientOptions): ClientEnd;
  /** The same in the shape of the standard's WebSocket, as far as clients use it. */
  openSocket(url: string, options?: ClientOptions): MemorySocket;
  /** Breaks the links between two names; both ends see 1006. They may dial again at once. */
  breakLinks(one: string, other: string): void;
  /** Breaks the links and refuses new ones until `heal`. */
  cut(one: string, other: string): void;
  /** From now on nothing arrives in this direction, and nobody is told. Such links stay dead after `heal`. */
  blackhole(from: string, to: string): void;
  /** Ends `cut` and, in both directions, `blackhole`. */
  heal(one: string, other: string): void;
  /** What is on its way in either direction, or sent meanwhile, arrives only after that time. Nothing is lost. */
  clog(one: string, other: string, durationMs: number): void;
  /** The process stands still: what comes for it waits, nothing is lost, and its neighbours are not told. */
  pause(name: string): void;
  /** Ends `pause`: what has waited is delivered at once, in order. */
  resume(name: string): void;
  /** The process is gone without a word: its handlers are never called again, its neighbours see 1006. */
  crash(name: string): void;
}

export interface ClientEvents {
  onOpen(): void;
  /** A text frame as text. Bytes are borrowed for the call. */
  onFrame(data: Uint8Array | string): void;
  /** Exactly once, last. */
  onClosed(code: number, reason: string): void;
}

export interface ClientOptions {
  /** For faults and traces; numbered if left out. */
  readonly name?: string;
  /** As a browser would send it. */
  readonly origin?: string;
}

export interface ClientEnd {
  readonly bufferedBytes: number;
  /** Before `onOpen` and after the end it does nothing. */
  send(data: Uint8Array | string): void;
  close(code?: number, reason?: string): void;
}

/** Bytes arrive as ArrayBuffer, text as string. */
export interface MemorySocket {
  binaryType: string;
  readonly bufferedAmount: number;
  send(data: Uint8Array | string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: 'open', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (event: { readonly code: number; readonly reason: string }) => void): void;
  /** Never called: what went wrong is in the reason of `close`. */
  addEventListener(type: 'error', listener: (event: object) => void): void;
}

/** What a system's buffers take before bytes count as unsent. */
const WINDOW_BYTES = 262_144;
const FIRST_FREE_PORT = 49_152;
/** What was kept beyond the call that lent it turns into this. */
const POISON = 0xdd;

type Item =
  | { readonly type: 'frame'; readonly bytes: Uint8Array; readonly isText: boolean }
  | { readonly type: 'close'; readonly code: number; readonly reason: string };

interface LocalListener {
  readonly owner: string;
  readonly options: ListenOptions;
  readonly admission: Admission;
  readonly accept: Accept;
  readonly links: Set<MemoryLink>;
}

interface Opening {
  readonly from: string;
  /** Whether the process that dials is still there. */
  readonly isAlive: () => boolean;
  readonly url: URL;
  readonly authorization: string;
  readonly origin: string;
  readonly timeoutMs: number;
  readonly frameBytesMax: number;
  readonly backlogBytesMax: number;
}

export function createMemoryNetwork(options: MemoryNetworkOptions): MemoryNetwork {
  const { defer, onFrame } = options;
  const latency = options.latencyMs ?? 0;
  const latencyMs = typeof latency === 'number' ? () => latency : latency;
  const listeners = new Map<string, LocalListener>();
  const links = new Set<MemoryLink>();
  const cuts = new Set<string>();
  const blackholes = new Set<string>();
  const lives = new Map<string, { isAlive: boolean }>();
  /** Calls that wait for a process that stands still, by its name. */
  const paused = new Map<string, (() => void)[]>();
  let freePort = FIRST_FREE_PORT;
  let clientCount = 0;

  const whenAwake = (name: string, run: () => void): void => {
    const waiting = paused.size === 0 ? undefined : paused.get(name);
    if (waiting === undefined) run();
    else waiting.push(run);
  };
  const wire: Wire = {
    defer,
    latencyMs,
    onFrame: onFrame ?? (() => {}),
    copier: new BlockCopier(),
    forget: (link) => links.delete(link),
    isPaused: (name) => paused.size > 0 && paused.has(name),
    whenAwake,
  };

  const between = (one: string, other: string): MemoryLink[] =>
    [...links].filter(({ local, remote }) => pairKey(local, remote) === pairKey(one, other));

  const open = (opening: Opening, opened: (link: Link) => LinkHandler, failed: (reason: string) => void) => {
    const { from, url } = opening;
    const address = `${url.hostname}:${url.port || (url.protocol === 'ws:' ? 80 : 443)}`;
    let isSettled = false;
    const fail = (reason: string): void => {
      if (isSettled) return;
      isSettled = true;
      whenAwake(from, () => failed(reason));
    };
    const failLater = (delayMs: number, reason: string): void => defer(delayMs, () => fail(reason));
    const failSilent = (): void =>
      failLater(opening.timeoutMs, `${url.host} did not answer within ${opening.timeoutMs} ms`);
    const isLost = (source: string, target: string): boolean => {
      if (!blackholes.has(wayKey(source, target))) return false;
      failSilent();
      return true;
    };

    const arrive = (): void => {
      if (isSettled || !opening.isAlive()) return;
      const listener = listeners.get(address);
      if (listener === undefined) return fail(`${url.host} refused the connection: nothing listens there`);
      const { owner } = listener;
      if (isLost(from, owner)) return;
      if (cuts.has(pairKey(from, owner))) return fail(`${url.host} can't be reached (cut)`);
      const request = { ...opening, path: url.pathname, host: url.host, remote: from };
      const verdict = listener.admission.admit(request, listener.links.size);
      if (typeof verdict !== 'string') {
        if (isLost(owner, from)) return;
        const { status, text } = verdict;
        const secret = `link secret refused by ${url.host}`;
        return failLater(
          latencyMs(owner, from),
          status === 401 ? secret : `${url.host} refused: status ${status}: ${text}`,
        );
      }
      const { clientFrameBytesMax, linkFrameBytesMax, backlogBytesMax } = listener.options;
      const frameBytesMax = verdict === 'client' ? clientFrameBytesMax : linkFrameBytesMax;
      const answering = new MemoryLink(wire, owner, from, frameBytesMax, backlogBytesMax);
      const dialling = new MemoryLink(wire, from, owner, opening.frameBytesMax, opening.backlogBytesMax);
      answering.join(dialling);
      dialling.join(answering);
      links.add(answering).add(dialling);
      listener.links.add(answering);
      answering.whenGone(() => listener.links.delete(answering));
      dialling.whenGone(() => fail(`${url.host} closed the connection during the handshake`));
      if (isLost(owner, from)) dialling.lose();
      else {
        const answered = (): void => {
          if (isSettled) return dialling.terminate();
          isSettled = true;
          dialling.open(opened);
        };
        defer(latencyMs(owner, from), () => whenAwake(from, answered));
      }
      answering.open((link) => listener.accept(link, verdict));
    };
    const target = (): string => listeners.get(address)?.owner ?? address;
    defer(latencyMs(from, target()), () => {
      if (paused.has(target())) failSilent();
      whenAwake(target(), arrive);
    });
    return {
      cancel(): void {
        isSettled = true;
      },
    };
  };

  return {
    bus(name) {
      const life = lives.get(name) ?? { isAlive: true };
      lives.set(name, life);
      const guard =
        <Args extends unknown[]>(run: (...args: Args) => void) =>
        (...args: Args): void => {
          if (life.isAlive) run(...args);
        };

      const listen: Listen = (listenOptions, accept, _answer, listening, failed) => {
        defer(
          0,
          guard(() => {
            const { socketPath, isShared } = listenOptions;
            if (socketPath !== null || isShared) return failed('a bus in memory has no sockets, and no ports to share');
            const port = listenOptions.port === 0 ? freePort++ : listenOptions.port;
            const address = `${listenOptions.host}:${port}`;
            if (listeners.has(address)) {
              const inUse = Object.assign(new Error('address in use'), { code: 'EADDRINUSE' });
              return failed(listenFault({ ...listenOptions, port }, inUse));
            }
            const listener: LocalListener = {
              owner: name,
              options: listenOptions,
              admission: createAdmission(listenOptions),
              accept,
              links: new Set(),
            };
            listeners.set(address, listener);
            const close = (): void => {
              if (listeners.get(address) === listener) listeners.delete(address);
            };
            listening({
              host: listenOptions.host,
              port,
              kind: 'memory',
              fallbackReason: null,
              close,
              terminate() {
                close();
                for (const link of listener.links) link.terminate();
              },
            });
          }),
        );
      };

      const dial: Dial = (address, dialOptions, opened, failed) => {
        const url = linkUrl(address);
        if (typeof url === 'string') {
          let isCancelled = false;
          defer(
            0,
            guard(() => {
              if (!isCancelled) failed(url);
            }),
          );
          return { cancel: () => void (isCancelled = true) };
        }
        const authorization = dialOptions.linkSecret === null ? '' : `Bearer ${dialOptions.linkSecret}`;
        const caller = { from: name, isAlive: () => life.isAlive };
        return open({ ...dialOptions, ...caller, url, authorization, origin: '' }, opened, guard(failed));
      };
      return { listen, dial };
    },

    connectClient(address, events, { name = `client-${++clientCount}`, origin = '' } = {}) {
      return connectClient(open, address, events, name, origin);
    },
    openSocket(address, { name = `client-${++clientCount}`, origin = '' } = {}) {
      return openSocket((events) => connectClient(open, address, events, name, origin));
    },

    breakLinks(one, other) {
      for (const link of between(one, other)) link.breakOff();
    },
    cut(one, other) {
      cuts.add(pairKey(one, other));
      for (const link of between(one, other)) link.breakOff();
    },
    blackhole(from, to) {
      blackholes.add(wayKey(from, to));
      for (const link of between(from, to)) if (link.local === to) link.lose();
    },
    heal(one, other) {
      cuts.delete(pairKey(one, other));
      blackholes.delete(wayKey(one, other));
      blackholes.delete(wayKey(other, one));
    },
    clog(one, other, durationMs) {
      for (const link of between(one, other)) link.clog(durationMs);
    },
    pause(name) {
      if (!paused.has(name)) paused.set(name, []);
    },
    resume(name) {
      const waiting = paused.get(name);
      if (waiting === undefined) return;
      paused.delete(name);
      for (const run of waiting) run();
      for (const link of links) if (link.local === name) link.deliver();
    },
    crash(name) {
      paused.delete(name);
      const life = lives.get(name);
      if (life !== undefined) life.isAlive = false;
      lives.delete(name);
      for (const [address, { owner }] of listeners) if (owner === name) listeners.delete(address);
      for (const link of links) if (link.local === name) link.crash();
    },
  };
}

type Open = (
  opening: Opening,
  opened: (link: Link) => LinkHandler,
  failed: (reason: string) => void,
) => { cancel(): void };

function connectClient(open: Open, address: string, events: ClientEvents, from: string, origin: string): ClientEnd {
  const url = new URL(address);
  const unlimited = { timeoutMs: 60_000, frameBytesMax: Infinity, backlogBytesMax: Infinity };
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  let link: Link | null = null;
  let isClosed = false;
  const handler: LinkHandler = {
    onFrame: (bytes, isText) => events.onFrame(isText ? decoder.decode(bytes) : bytes),
    onWritable() {},
    onClosed: (code, reason) => events.onClosed(code, reason),
  };
  open(
    { ...unlimited, from, isAlive: () => true, url, authorization: '', origin },
    (opened) => {
      link = opened;
      if (isClosed) link.close(CLOSE.normal, '');
      else events.onOpen();
      return handler;
    },
    (reason) => events.onClosed(BROKEN, reason),
  );
  return {
    get bufferedBytes() {
      return link?.bufferedBytes ?? 0;
    },
    send(data) {
      if (typeof data === 'string') link?.send(encoder.encode(data), true);
      else link?.send(data, false);
    },
    close(code = CLOSE.normal, reason = '') {
      isClosed = true;
      link?.close(code, reason);
    },
  };
}

function openSocket(connect: (events: ClientEvents) => ClientEnd): MemorySocket {
  interface Events {
    open: undefined;
    message: { readonly data: unknown };
    close: { readonly code: number; readonly reason: string };
  }
  const listeners: { [Type in keyof Events]: ((event: Events[Type]) => void)[] } = { open: [], message: [], close: [] };
  const end = connect({
    onOpen: () => listeners.open.forEach((listener) => listener(undefined)),
    onFrame(data) {
      const event = { data: typeof data === 'string' ? data : new Uint8Array(data).buffer };
      for (const listener of listeners.message) listener(event);
    },
    onClosed: (code, reason) => listeners.close.forEach((listener) => listener({ code, reason })),
  });
  return {
    binaryType: 'arraybuffer',
    get bufferedAmount() {
      return end.bufferedBytes;
    },
    send: (data) => end.send(data),
    close: (code, reason) => end.close(code, reason),
    addEventListener(type: keyof Events | 'error', listener: (event: never) => void): void {
      if (type !== 'error') (listeners[type] as ((event: never) => void)[]).push(listener);
    },
  };
}

const pairKey = (one: string, other: string): string => (one < other ? wayKey(one, other) : wayKey(other, one));
const wayKey = (from: string, to: string): string => JSON.stringify([from, to]);

/** What a link needs of its network. */
interface Wire {
  readonly defer: (delayMs: number, run: () => void) => void;
  readonly latencyMs: (from: string, to: string) => number;
  readonly onFrame: (from: string, to: string, bytes: Uint8Array, isText: boolean) => void;
  /** Of what is on its way. */
  readonly copier: BlockCopier;
  readonly forget: (link: MemoryLink) => void;
  readonly isPaused: (name: string) => boolean;
  /** Calls `run` now, or when the process of that name goes on. */
  readonly whenAwake: (name: string, run: () => void) => void;
}

/** One end of a connection, with what is on its way to it. */
class MemoryLink implements Link {
  readonly local: string;
  readonly remote: string;
  readonly canPause = true;
  readonly #wire: Wire;
  readonly #frameBytesMax: number;
  readonly #backlogBytesMax: number;
  #peer: MemoryLink | null = null;
  #handler: LinkHandler | null = null;
  /** `opening`: the other end may send already. `closing`: closed at this end, whose handler has yet to hear of it. */
  #status: 'opening' | 'open' | 'closing' | 'closed' = 'opening';
  #onGone: () => void = () => {};
  /** Sent to this end and not yet delivered, in order; of these, the first `#dueCount` have travelled long enough. */
  #inbox: Item[] = [];
  #dueCount = 0;
  #clogCount = 0;
  #isPaused = false;
  /** Nothing arrives here any more. */
  #isLost = false;
  /** Bytes that this end has sent and the other one has not been given. */
  #undeliveredBytes = 0;
  #isChoked = false;
  /** One for all frames. */
  readonly #onDue = (): void => {
    this.#dueCount++;
    this.deliver();
  };

  constructor(wire: Wire, local: string, remote: string, frameBytesMax: number, backlogBytesMax: number) {
    this.#wire = wire;
    this.local = local;
    this.remote = remote;
    this.#frameBytesMax = frameBytesMax;
    this.#backlogBytesMax = backlogBytesMax;
  }

  join(peer: MemoryLink): void {
    this.#peer = peer;
  }

  whenGone(run: () => void): void {
    this.#onGone = run;
  }

  get bufferedBytes(): number {
    return Math.max(0, this.#undeliveredBytes - WINDOW_BYTES);
  }

  send(bytes: Uint8Array, isText: boolean): void {
    if (this.#status !== 'open') return;
    if (exceedsBacklog(this.bufferedBytes, bytes.length, this.#backlogBytesMax)) return this.close(...SLOW);
    const copy = this.#wire.copier.copy(bytes, 0, bytes.length);
    this.#undeliveredBytes += copy.length;
    if (this.bufferedBytes > 0) this.#isChoked = true;
    this.#wire.onFrame(this.local, this.remote, copy, isText);
    this.#peer?.enqueue({ type: 'frame', bytes: copy, isText });
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#wire.defer(0, () => this.deliver());
  }

  close(code: number, reason: string): void {
    if (this.#status !== 'open') return;
    this.#peer?.enqueue({ type: 'close', code, reason: closeReason(reason) });
    this.#finishLater(code, reason);
  }

  terminate(): void {
    if (this.#status === 'closing' || this.#status === 'closed') return;
    this.#peer?.enqueue({ type: 'close', code: BROKEN, reason: '' });
    this.#finishLater(BROKEN, 'cut');
  }

  /** Takes the link into use; what arrived before is delivered afterwards. */
  open(accept: (link: Link) => LinkHandler): void {
    if (this.#status !== 'opening') return;
    this.#status = 'open';
    try {
      this.#handler = accept(this);
    } catch (error) {
      this.#fail(error);
    }
    if (this.#dueCount > 0) this.#wire.defer(0, () => this.deliver());
  }

  enqueue(item: Item): void {
    if (this.#isLost || this.#status === 'closed') return;
    this.#inbox.push(item);
    this.#wire.defer(this.#wire.latencyMs(this.remote, this.local), this.#onDue);
  }

  /** The connection broke; what was on its way to this end is lost. */
  breakOff(): void {
    this.lose();
    if (this.#status !== 'closing') this.#finishLater(BROKEN, 'connection lost');
  }

  /** Nothing arrives at this end any more, and it is not told. */
  lose(): void {
    this.#isLost = true;
    this.#inbox = [];
    this.#dueCount = 0;
  }

  clog(durationMs: number): void {
    this.#clogCount++;
    this.#wire.defer(durationMs, () => {
      this.#clogCount--;
      this.deliver();
    });
  }

  /** This end is gone: its handler is never called again. The other end learns of it, if anything reaches it. */
  crash(): void {
    this.#handler = null;
    this.lose();
    this.#finish(BROKEN, '');
    if (this.#peer !== null && !this.#peer.#isLost) this.#peer.breakOff();
  }

  /** The other end has been given that much of what this one sent. */
  delivered(byteCount: number): void {
    this.#undeliveredBytes -= byteCount;
    if (!this.#isChoked || this.#status !== 'open' || this.bufferedBytes > 0) return;
    this.#isChoked = false;
    this.#wire.whenAwake(this.local, () => {
      try {
        if (this.#status === 'open') this.#handler?.onWritable();
      } catch (error) {
        this.#fail(error);
      }
    });
  }

  /** Hands over what is due, unless something holds it back. */
  deliver(): void {
    if (this.#wire.isPaused(this.local)) return;
    while (this.#dueCount > 0 && this.#clogCount === 0 && !this.#isPaused && this.#isUsed()) {
      const item = this.#inbox.shift();
      this.#dueCount--;
      if (item?.type === 'frame') this.#receive(item.bytes, item.isText);
      else if (item?.type === 'close' && this.#status === 'open') return this.#finish(item.code, item.reason);
    }
  }

  /** What still comes in while this end closes is thrown away, but counts as delivered. */
  #isUsed(): boolean {
    return this.#status === 'open' || this.#status === 'closing';
  }

  #receive(bytes: Uint8Array, isText: boolean): void {
    if (this.#status === 'open') {
      if (bytes.length > this.#frameBytesMax) this.close(...TOO_LARGE);
      else {
        try {
          this.#handler?.onFrame(bytes, isText);
        } catch (error) {
          this.#fail(error);
        }
      }
    }
    this.#peer?.delivered(bytes.length);
    bytes.fill(POISON);
  }

  /** The handler is told in a call of its own, as by a real socket. */
  #finishLater(code: number, reason: string): void {
    this.#status = 'closing';
    this.#wire.defer(0, () => this.#wire.whenAwake(this.local, () => this.#finish(code, reason)));
  }

  #finish(code: number, reason: string): void {
    if (this.#status === 'closed') return;
    this.#status = 'closed';
    this.#inbox = [];
    this.#dueCount = 0;
    this.#wire.forget(this);
    this.#onGone();
    try {
      this.#handler?.onClosed(code, reason);
    } catch (error) {
      reportFault(error);
    }
  }

  #fail(error: unknown): void {
    reportFault(error);
    this.close(...FAULT);
  }
}
