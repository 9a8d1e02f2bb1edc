/**
 * Whole swarms inside one process, for tests: the real actors, over memory or real sockets, in real time or in virtual
 * time. In virtual time a run is a pure function of its seed, and hours pass in seconds.
 */
import type { NodeEnd } from '../actors/node.js';
import { nodeEnv } from '../actors/runtime/env-node.js';
import { seededRandom, VirtualTime } from '../actors/runtime/virtual-time.js';
import type { Log } from '../actors/runtime/env.js';
import type { Hop, Runtime } from '../actors/runtime/runtime.js';
import { DEFAULT_SETTINGS } from '../actors/settings.js';
import type { NodeDisk, Settings } from '../actors/settings.js';
import type { Client } from '../client/client.js';
import type { ConnectOptions } from '../client/client-options.js';
import { connectBy } from '../client/connect.js';
import { checkOptions } from '../client/option-names.js';
import { MemoryDisk } from '../disk/memory-disk.js';
import { MemoryOpDisks } from '../disk/memory-op-disk.js';
import { openNodeSocket } from '../client/socket-node.js';
import type { SocketLike } from '../client/socket.js';
import { dial } from '../transport/dial.js';
import type { Bus, Link } from '../transport/link.js';
import { createListen } from '../transport/listen.js';
import { createMemoryNetwork } from '../transport/memory-bus.js';
import type { ClientEnd, ClientEvents, MemoryNetwork } from '../transport/memory-bus.js';
import { encodeHop } from './encode-hop.js';
import { openDisk } from '../node.js';
import { NodeLife } from './node-life.js';
import { lackOf } from './settled.js';
import { edgesOf } from './shape.js';
import type { Shape } from './shape.js';
import { TraceHash } from './trace-hash.js';
import { timersOf } from './virtual-timers.js';

export interface SwarmOptions {
  /** Default 3. */
  readonly nodes?: number;
  /** Default 'ring'. Pairs of node numbers make any other graph. */
  readonly topology?: Shape;
  /** Default n0, n1, … */
  readonly names?: readonly string[];
  /** 'memory' (default), or real sockets on free ports of 127.0.0.1. */
  readonly transport?: 'memory' | 'uws' | 'ws';
  /** Virtual time, over memory only. The seed decides all chance; default 1. */
  readonly virtual?: boolean;
  readonly seed?: number;
  /** One way, in memory; default 1, in virtual time a random 0.5 to 2. */
  readonly latencyMs?: number;
  /** Gives each node a disk in memory, which outlives its crashes without what it was not done writing. */
  readonly disk?: boolean;
  /** Encodes and decodes each message between actors, as if each were a process. */
  readonly encodeEveryHop?: boolean;
  /** Bounds and time-outs of the nodes, beside the defaults. */
  readonly settings?: Partial<Settings>;
  /** The same for single nodes, by number. */
  readonly settingsOf?: (node: number) => Partial<Settings>;
  readonly log?: Log;
  /** Called for each message that an actor handles. */
  readonly trace?: (hop: Hop, node: number) => void;
}

export interface SwarmNode {
  readonly id: string;
  readonly name: string;
  /** Where clients connect. */
  readonly url: string;
  readonly isAlive: boolean;
  readonly runtime: Runtime;
  /** Resolves when the node ends by itself, with the reason. */
  readonly ended: Promise<NodeEnd>;
  /** What `inspect` reports. */
  inspect(what: 'node' | 'topology' | 'counters' | 'actors'): Promise<Record<string, unknown>>;
}

export interface Swarm {
  readonly size: number;
  node(index: number): SwarmNode;
  /** A client of that node; closed with the swarm. */
  client(index: number, options?: ConnectOptions): Promise<Client>;
  /** A further edge: the first dials the second. */
  link(a: number, b: number): void;
  /** Breaks the edge, and keeps it broken until `heal`. Memory only. */
  cut(a: number, b: number): void;
  /** From now on nothing arrives in this direction, and nobody is told: a half-open link. Memory only. */
  blackhole(from: number, to: number): void;
  /** Mends one edge, or all. */
  heal(a?: number, b?: number): void;
  /** The node is gone without a word, with all that it stored and has not on disk. */
  crash(index: number): void;
  /** The node stands still, as a process that was sent SIGSTOP: no turn, nothing is read. Memory only. */
  pause(index: number): void;
  /** Ends `pause`. */
  resume(index: number): void;
  /** The node leaves in order, as on SIGTERM. */
  leave(index: number): Promise<void>;
  /** Starts a node that crashed or left again, under its name, with what is on its disk. */
  restart(index: number): Promise<void>;
  /** What the node has on disk, and a way to fill it up. Needs `{ disk: true }`. */
  disk(index: number): MemoryDisk;
  /** The databases that the node keeps, to fill their disk up, or to set it back. Needs `{ disk: true }`. */
  opDisks(index: number): MemoryOpDisks;
  /** Resolves when every node sees all nodes that it can reach, and no others, and knows who owns what; rejects after `timeoutMs` (20,000). */
  settle(timeoutMs?: number): Promise<void>;
  /** Opens a client's connection to that node without the client: for what it would never send. Memory only. */
  connect(index: number, events: ClientEvents): ClientEnd;
  /** The way to the network for a stranger of that name: to play a node, or an enemy. Memory only. */
  bus(name: string): Bus;
  /** Lets virtual time pass. */
  advance(ms: number): void;
  /** Resolves after that time, virtual or real. */
  sleep(ms: number): Promise<void>;
  readonly time: VirtualTime | null;
  /** Digest of all that was handled so far: equal for equal seeds in virtual time. */
  readonly traceHash: string;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Settings that suit tests: quick to notice what is gone, patient with slow machines. */
export const TEST_SETTINGS: Settings = {
  ...DEFAULT_SETTINGS,
  listen: [],
  swarm: 'test',
  storeBytesMax: 64 * 1024 * 1024,
  keysMax: 100_000,
  heartbeatMs: 250,
  heartbeatTimeoutMs: 1500,
  aloneAfterMs: 3000,
  drainMs: 2000,
};

const OPTIONS: readonly (keyof SwarmOptions)[] = [
  'nodes',
  'topology',
  'names',
  'transport',
  'virtual',
  'seed',
  'latencyMs',
  'disk',
  'encodeEveryHop',
  'settings',
  'settingsOf',
  'log',
  'trace',
];
const SETTLE_TIMEOUT_MS = 20_000;
const POLL_MS = 10;
const DISK_WRITE_MS = 2;
/** In memory, where ports are free. */
const FIRST_PORT = 7101;
/** Streams of chance, apart from those of the nodes, which are numbered from 1. */
const LATENCY_STREAM = 1_000_000;
const CLIENT_STREAM = 2_000_000;

/** One node and what belongs to it. */
interface Slot {
  readonly index: number;
  readonly name: string;
  readonly disk: MemoryDisk | null;
  /** Outlives the node where there is a disk. */
  opDisks: MemoryOpDisks;
  url: string;
  life: Life | null;
}

interface Life {
  readonly node: NodeLife;
  /** What it dialled over real sockets. */
  readonly links: ReadonlySet<Link>;
  readonly ended: Promise<NodeEnd>;
}

/** An option that does not exist is refused with a TypeError. */
export const startSwarm = async (options: SwarmOptions = {}): Promise<Swarm> => {
  checkOptions('startSwarm', options, OPTIONS);
  const swarm = new EmbeddedSwarm(options);
  await swarm.start();
  return swarm;
};

class EmbeddedSwarm implements Swarm {
  readonly size: number;
  readonly time: VirtualTime | null;
  readonly #options: SwarmOptions;
  readonly #slots: Slot[];
  readonly #edges: (readonly [number, number])[];
  readonly #cuts = new Set<string>();
  readonly #network: MemoryNetwork | null;
  readonly #defer: (delayMs: number, run: () => void) => void;
  readonly #hash = new TraceHash();
  readonly #clients: Client[] = [];
  /** Promises of clients that wait for virtual time to pass. */
  #awaited = 0;
  #isPumping = false;
  #isStopped = false;

  constructor(options: SwarmOptions) {
    this.#options = options;
    this.size = options.nodes ?? 3;
    const isMemory = (options.transport ?? 'memory') === 'memory';
    if (options.virtual === true && !isMemory) throw new Error('virtual time needs the transport "memory"');
    const seed = options.seed ?? 1;
    this.time = options.virtual === true ? new VirtualTime({ seed }) : null;
    const { time } = this;
    const latency = seededRandom(seed, LATENCY_STREAM);
    const defer = (delayMs: number, run: () => void): void =>
      void (time === null ? setTimeout(run, delayMs) : time.at(time.nowMs + delayMs, run));
    this.#defer = defer;
    this.#network = isMemory
      ? createMemoryNetwork({
          defer,
          latencyMs: options.latencyMs ?? (time === null ? 1 : () => 0.5 + latency.below(1500) / 1000),
        })
      : null;
    this.#edges = edgesOf(options.topology ?? 'ring', this.size);
    this.#slots = Array.from({ length: this.size }, (_, index) => ({
      index,
      name: options.names?.[index] ?? `n${index}`,
      disk: options.disk === true ? new MemoryDisk({ defer, writeMs: DISK_WRITE_MS }) : null,
      opDisks: new MemoryOpDisks({ defer, writeMs: DISK_WRITE_MS }),
      url: `ws://127.0.0.1:${isMemory ? FIRST_PORT + index : 0}`,
      life: null,
    }));
  }

  get traceHash(): string {
    return this.#hash.text;
  }

  async start(): Promise<void> {
    for (const slot of this.#slots) await this.#boot(slot);
    // Real ports are known only now.
    if (this.#network === null) for (const [from, to] of this.#edges) this.#life(from).node.dial(this.#slot(to).url);
    await this.settle();
  }

  node(index: number): SwarmNode {
    const slot = this.#slot(index);
    const life = this.#life(index);
    const track = <T>(promise: Promise<T>): Promise<T> => this.#track(promise);
    return {
      id: life.node.identity.node,
      name: slot.name,
      url: slot.url,
      isAlive: life.node.isAlive,
      runtime: life.node.runtime,
      get ended() {
        return track(life.ended);
      },
      inspect: (what) => this.#track(this.#inspect(life, what)),
    };
  }

  async client(index: number, options: ConnectOptions = {}): Promise<Client> {
    const { url } = this.#slot(index);
    const { time } = this;
    const network = this.#network;
    const open =
      network === null ? openNodeSocket : (address: string): SocketLike => network.openSocket(address) as SocketLike;
    const random = seededRandom(this.#options.seed ?? 1, CLIENT_STREAM + this.#clients.length);
    const client = await this.#track(
      connectBy(open, url, {
        random: () => random.uint32() / 0x1_0000_0000,
        ...options,
        ...(time === null ? {} : { timers: timersOf(time) }),
      }),
    );
    this.#clients.push(client);
    return time === null ? client : this.#tracked(client);
  }

  link(a: number, b: number): void {
    this.#edges.push([a, b]);
    this.#life(a).node.dial(this.#slot(b).url);
  }

  cut(a: number, b: number): void {
    this.#cuts.add(edgeKey(a, b));
    this.#memory('cut').cut(this.#slot(a).name, this.#slot(b).name);
  }

  blackhole(from: number, to: number): void {
    this.#memory('blackhole').blackhole(this.#slot(from).name, this.#slot(to).name);
  }

  heal(a?: number, b?: number): void {
    for (const [from, to] of this.#edges) {
      if (a !== undefined && b !== undefined && edgeKey(from, to) !== edgeKey(a, b)) continue;
      this.#cuts.delete(edgeKey(from, to));
      this.#memory('heal').heal(this.#slot(from).name, this.#slot(to).name);
    }
  }

  crash(index: number): void {
    this.#network?.crash(this.#slot(index).name);
    this.#slot(index).disk?.crash();
    this.#slot(index).opDisks.crash();
    endLife(this.#life(index));
  }

  pause(index: number): void {
    this.#memory('pause').pause(this.#slot(index).name);
    this.#life(index).node.pause();
  }

  resume(index: number): void {
    this.#life(index).node.resume();
    this.#memory('resume').resume(this.#slot(index).name);
  }

  async leave(index: number): Promise<void> {
    const life = this.#life(index);
    await this.#track(new Promise<void>((resolve) => life.node.stop(resolve)));
    endLife(life);
  }

  async restart(index: number): Promise<void> {
    if (this.#life(index).node.isAlive) throw new Error(`node ${index} runs; crash it first`);
    await this.#boot(this.#slot(index));
  }

  disk(index: number): MemoryDisk {
    const { disk } = this.#slot(index);
    if (disk === null) throw new Error('disk needs { disk: true }');
    return disk;
  }

  opDisks(index: number): MemoryOpDisks {
    if (this.#options.disk !== true) throw new Error('opDisks needs { disk: true }');
    return this.#slot(index).opDisks;
  }

  async settle(timeoutMs = SETTLE_TIMEOUT_MS): Promise<void> {
    const startMs = this.#nowMs();
    for (;;) {
      const views = await this.#track(this.#views());
      const lacks = this.#lacking(views);
      if (lacks === null) return;
      if (this.#nowMs() - startMs > timeoutMs) throw new Error(`the swarm did not settle in ${timeoutMs} ms: ${lacks}`);
      if (this.time !== null) this.time.advance(POLL_MS);
      else await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  connect(index: number, events: ClientEvents): ClientEnd {
    return this.#memory('connect').connectClient(this.#slot(index).url, events);
  }

  bus(name: string): Bus {
    return this.#memory('bus').bus(name);
  }

  advance(ms: number): void {
    if (this.time === null) throw new Error('advance needs { virtual: true }');
    this.time.advance(ms);
  }

  sleep(ms: number): Promise<void> {
    const { time } = this;
    return this.#track(
      new Promise((resolve) => {
        if (time === null) setTimeout(resolve, ms);
        else time.at(time.nowMs + ms, resolve);
      }),
    );
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    for (const client of this.#clients) await this.#track(Promise.resolve(client.close()));
    const lives = this.#slots.flatMap(({ life }) => (life?.node.isAlive === true ? [life] : []));
    await this.#track(Promise.all(lives.map(({ node }) => new Promise<void>((resolve) => node.stop(resolve)))));
    for (const life of lives) endLife(life);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #slot(index: number): Slot {
    const slot = this.#slots[index];
    if (slot === undefined) throw new Error(`there is no node ${index}: the swarm has ${this.size}`);
    return slot;
  }

  #life(index: number): Life {
    const { life } = this.#slot(index);
    if (life === null) throw new Error(`node ${index} has not started`);
    return life;
  }

  #memory(what: string): MemoryNetwork {
    if (this.#network === null) throw new Error(`${what} needs the transport "memory"`);
    return this.#network;
  }

  #nowMs(): number {
    return this.time?.nowMs ?? performance.now();
  }

  #urlsOf(slot: Slot): string[] {
    return this.#edges.flatMap(([from, to]) => (from === slot.index ? [this.#slot(to).url] : []));
  }

  #boot(slot: Slot): Promise<void> {
    const links = new Set<Link>();
    const log: Log = this.#options.log ?? (() => {});
    const env = this.time?.env(log) ?? nodeEnv({ log });
    const { settings: common, settingsOf } = this.#options;
    const settings: Settings = { ...TEST_SETTINGS, ...common, ...settingsOf?.(slot.index) };
    if (slot.disk === null) slot.opDisks = new MemoryOpDisks({ defer: this.#defer, writeMs: DISK_WRITE_MS });
    let resolveEnded!: (end: NodeEnd) => void;
    const ended = new Promise<NodeEnd>((resolve) => {
      resolveEnded = resolve;
    });
    return this.#track(
      new Promise<void>((resolve, reject) => {
        const start = (disk: NodeDisk | null): void => {
          const node = new NodeLife({
            env,
            disk,
            opDisks: slot.opDisks,
            bus: this.#network?.bus(slot.name) ?? trackedBus(this.#options.transport === 'ws' ? 'ws' : 'uws', links),
            settings: {
              ...settings,
              listen: [{ host: '127.0.0.1', port: Number(new URL(slot.url).port) }],
              links: this.#network === null && slot.life === null ? [] : this.#urlsOf(slot),
              name: slot.name,
            },
            runtimeOptions: {
              trace: (hop) => this.#trace(hop, slot.index),
              ...(this.#options.encodeEveryHop === true ? { onHop: encodeHop } : {}),
            },
            onListening: (listeners) => {
              slot.url = `ws://127.0.0.1:${listeners[0]?.port}`;
              resolve();
            },
            onEnd: (end) => {
              resolveEnded(end);
              reject(new Error(end.reason));
            },
          });
          slot.life = { node, links, ended };
        };
        if (slot.disk === null) start(null);
        else openDisk(slot.disk.open, env, settings.swarm, start, (reason) => reject(new Error(reason)));
      }),
    );
  }

  #trace(hop: Hop, node: number): void {
    if (this.time !== null) {
      this.#hash.addTime(hop.atMs);
      for (const word of [this.#slot(node).name, hop.from, hop.to, hop.type]) this.#hash.addWord(word);
    }
    this.#options.trace?.(hop, node);
  }

  #inspect(life: Life, what: string): Promise<Record<string, unknown>> {
    return new Promise((resolve) => life.node.inspect(what, resolve));
  }

  /** Live nodes by number, with the ids that each sees. Nobody is seen by a node that is not ready. */
  async #views(): Promise<Map<number, Set<string>>> {
    const views = new Map<number, Set<string>>();
    for (const { index, life } of this.#slots) {
      if (life?.node.isAlive !== true) continue;
      const { members } = (await this.#inspect(life, 'topology')) as { members: { id: string }[] };
      views.set(index, new Set((await this.#isReady(life)) ? members.map(({ id }) => id) : []));
    }
    return views;
  }

  /** It serves clients, and all members of its view are registered with it (RULES O1, V3). */
  async #isReady(life: Life): Promise<boolean> {
    const { status } = await this.#inspect(life, 'node');
    if (status === 'starting' || status === 'joining') return false;
    const { directory } = (await this.#inspect(life, 'counters')) as { directory: { unregistered: number } | null };
    return directory?.unregistered === 0;
  }

  /** What is missing until all is settled; null if nothing. */
  #lacking(views: ReadonlyMap<number, ReadonlySet<string>>): string | null {
    const edges = this.#edges.filter(([a, b]) => !this.#cuts.has(edgeKey(a, b)));
    return lackOf(views, edges, (index) => this.#life(index).node.identity.node);
  }

  /** Lets virtual time pass until the promise is settled. */
  #track<T>(promise: Promise<T>): Promise<T> {
    if (this.time === null) return promise;
    this.#awaited += 1;
    this.#pump();
    return promise.finally(() => {
      this.#awaited -= 1;
    });
  }

  /** One instant a turn of the real event loop, so that promises between instants are kept in their order. */
  #pump(): void {
    const { time } = this;
    if (this.#isPumping || time === null) return;
    this.#isPumping = true;
    const turn = (): void => {
      if (this.#awaited === 0) {
        this.#isPumping = false;
        return;
      }
      time.advance((time.nextAtMs ?? time.nowMs) - time.nowMs);
      setImmediate(turn);
    };
    setImmediate(turn);
  }

  /** The same client, but virtual time passes while one of its promises is awaited. */
  #tracked<T extends object>(client: T): T {
    return new Proxy(client, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]): unknown => {
          const result: unknown = value.apply(target, args);
          if (result instanceof Promise) return this.#track(result);
          return isAsyncIterable(result) ? this.#tracked(result) : result;
        };
      },
    });
  }
}

const isAsyncIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value;

const endLife = ({ node, links }: Life): void => {
  node.end();
  for (const link of links) link.terminate();
};

const edgeKey = (a: number, b: number): string => (a < b ? `${a} ${b}` : `${b} ${a}`);

/** Real sockets, with a list of the links that were dialled, so that a crash can cut them. */
const trackedBus = (kind: 'uws' | 'ws', links: Set<Link>): Bus => ({
  listen: createListen(kind),
  dial: (url, options, opened, failed) =>
    dial(
      url,
      options,
      (link) => {
        links.add(link);
        const handler = opened(link);
        return {
          onFrame: (bytes, isText) => handler.onFrame(bytes, isText),
          onWritable: () => handler.onWritable(),
          onClosed(code, reason) {
            links.delete(link);
            handler.onClosed(code, reason);
          },
        };
      },
      failed,
    ),
});
