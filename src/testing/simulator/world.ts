/**
 * The simulated world: real nodes on a network in memory, under virtual time, and the faults that can befall them. It
 * makes no promise and awaits none: whatever happens, happens within a call of `advance`.
 */
import { MemoryDisk } from '../../disk/memory-disk.js';
import { MemoryOpDisks } from '../../disk/memory-op-disk.js';
import { openDisk } from '../../node.js';
import { encodeHop } from '../encode-hop.js';
import { lackOf } from '../settled.js';
import { NodeLife } from '../node-life.js';
import { TraceHash } from '../trace-hash.js';
import type { Env } from '../../actors/runtime/env.js';
import { seededRandom, VirtualTime } from '../../actors/runtime/virtual-time.js';
import type { Hop } from '../../actors/runtime/runtime.js';
import type { NodeDisk, Settings } from '../../actors/settings.js';
import { createMemoryNetwork } from '../../transport/memory-bus.js';
import type { MemoryNetwork } from '../../transport/memory-bus.js';
import { exponential } from './draw-plan.js';
import type { Life } from './evidence.js';
import { keyspaceOf } from './look.js';
import type { Edge, Plan } from './plan.js';
import { SIMULATION_SETTINGS } from './settings.js';

/** What the world needs of a plan. */
export type WorldPlan = Pick<
  Plan,
  'seed' | 'nodes' | 'edges' | 'settings' | 'encodesEveryHop' | 'latency' | 'hasDisks'
> & {
  /** Nodes may hold databases. */
  readonly hasOpDisks?: boolean;
};

export interface SimulatedNode {
  readonly index: number;
  readonly name: string;
  readonly url: string;
  /** Null before its first start. */
  life: NodeLife | null;
  /** Its disk is being opened. */
  isStarting: boolean;
  readonly disk: MemoryDisk | null;
  readonly opDisks: MemoryOpDisks | null;
  isLeaving: boolean;
  /** How far its wall clock is ahead of the others', now and in ms per second. */
  skewMs: number;
  driftRate: number;
  driftsSinceMs: number;
}

/** What happened, for whoever asks why a run failed. */
export type Watcher = (atMs: number, node: number, hop: Hop) => void;

/** `left`: what it still has are deletes that nobody was there to remember; entries it has handed over. */
export type NodeEnding = 'crash' | 'leaving' | 'left';

/** What a node says of entries that found no room, or nobody to go to. */
const NOT_HANDED_OVER = /not handed over/;
const FIRST_PORT = 7101;
const LATENCY_STREAM = 1_000_000;
/** A settled swarm is looked for this often. */
const POLL_MS = 100;
const DISK_WRITE_MS = 2;

export class World {
  readonly time: VirtualTime;
  readonly network: MemoryNetwork;
  readonly settings: Settings;
  readonly nodes: readonly SimulatedNode[];
  readonly hash = new TraceHash();
  readonly lives: Life[] = [];
  frameCount = 0;
  /** Why a node ended by itself, which it never should. */
  readonly deaths: string[] = [];
  readonly #plan: WorldPlan;
  readonly #watcher: Watcher | null;
  readonly #onEnd: (node: SimulatedNode, end: NodeEnding) => void;
  /** By edge, how many faults cut it at present, and in which directions it is dead. */
  readonly #cuts = new Map<string, number>();
  readonly #holes = new Map<string, number>();

  /** `onEnd` is called before a node goes with what it has. */
  constructor(plan: WorldPlan, watcher: Watcher | null, onEnd: (node: SimulatedNode, end: NodeEnding) => void) {
    this.#plan = plan;
    this.#watcher = watcher;
    this.#onEnd = onEnd;
    this.settings = { ...SIMULATION_SETTINGS, ...plan.settings };
    const { seed, latency } = plan;
    this.time = new VirtualTime({ seed });
    const chance = seededRandom(seed, LATENCY_STREAM);
    const defer = (delayMs: number, run: () => void): void => this.time.at(this.time.nowMs + delayMs, run);
    this.network = createMemoryNetwork({
      defer,
      latencyMs: () => latency.minMs + exponential(chance, latency.extraMs),
      onFrame: (from, to, bytes) => {
        this.frameCount += 1;
        this.hash.addTime(this.time.nowMs);
        this.hash.addWord(from);
        this.hash.addWord(to);
        this.hash.addBytes(bytes);
      },
    });
    this.nodes = Array.from({ length: plan.nodes }, (_, index) => ({
      index,
      name: `n${index}`,
      url: `ws://127.0.0.1:${FIRST_PORT + index}`,
      life: null,
      isStarting: false,
      disk: plan.hasDisks ? new MemoryDisk({ defer, writeMs: DISK_WRITE_MS }) : null,
      opDisks: plan.hasOpDisks === true ? new MemoryOpDisks({ defer, writeMs: DISK_WRITE_MS }) : null,
      isLeaving: false,
      skewMs: 0,
      driftRate: 0,
      driftsSinceMs: 0,
    }));
  }

  get nowMs(): number {
    return this.time.nowMs;
  }

  node(index: number): SimulatedNode {
    return this.nodes[index] as SimulatedNode;
  }

  /** Those whose process is there, paused ones too. */
  get living(): SimulatedNode[] {
    return this.nodes.filter(isAlive);
  }

  start(index: number): void {
    const node = this.node(index);
    if (isAlive(node) || node.isStarting) return;
    const base = this.time.env(() => {});
    const env = { ...base, wallMs: () => base.wallMs() + Math.round(this.#skewOf(node)) };
    if (node.disk === null) {
      this.#begin(node, env, null);
      return;
    }
    node.isStarting = true;
    openDisk(
      node.disk.open,
      env,
      this.settings.swarm,
      (disk) => this.#begin(node, env, disk),
      (reason) => this.deaths.push(`${node.name}: ${reason}`),
    );
  }

  #begin(node: SimulatedNode, env: Env, disk: NodeDisk | null): void {
    const { index } = node;
    node.isStarting = false;
    const links = this.#plan.edges.filter(([from]) => from === index).map(([, to]) => this.node(to).url);
    const watcher = this.#watcher;
    const life = new NodeLife({
      env,
      bus: this.network.bus(node.name),
      disk,
      opDisks: node.opDisks,
      settings: { ...this.settings, name: node.name, links, listen: [{ host: '127.0.0.1', port: FIRST_PORT + index }] },
      runtimeOptions: {
        ...(watcher === null ? {} : { trace: (hop: Hop) => watcher(hop.atMs, index, hop) }),
        ...(this.#plan.encodesEveryHop ? { onHop: encodeHop } : {}),
      },
      onListening: () => {},
      onEnd: ({ reason, exitCode }) => {
        if (node.life !== life || !life.isAlive) return;
        // Without others to hand entries over to, a node that leaves takes them along.
        if (node.isLeaving && NOT_HANDED_OVER.test(reason)) this.#onEnd(node, 'crash');
        else if (node.isLeaving && exitCode === 0) this.#onEnd(node, 'left');
        else if (exitCode !== 0) this.deaths.push(`${node.name}: ${reason}`);
      },
    });
    node.life = life;
    node.isLeaving = false;
    this.lives.push({ node: index, bornMs: this.nowMs, endedMs: Infinity });
  }

  crash(index: number): void {
    const node = this.node(index);
    if (!isAlive(node)) return;
    this.#onEnd(node, 'crash');
    this.network.crash(node.name);
    node.disk?.crash();
    node.opDisks?.crash();
    this.#end(node);
  }

  /** The node drains; `onDone` follows when its process has ended. False if it is not there, or leaves already. */
  leave(index: number, onDone: () => void): boolean {
    const node = this.node(index);
    const { life } = node;
    if (life === null || !isAlive(node) || node.isLeaving) return false;
    node.isLeaving = true;
    this.#onEnd(node, 'leaving');
    life.stop(() => {
      this.#end(node);
      this.network.crash(node.name);
      onDone();
    });
    return true;
  }

  pause(index: number): void {
    const node = this.node(index);
    if (!isAlive(node)) return;
    this.network.pause(node.name);
    node.life?.pause();
  }

  resume(index: number): void {
    const node = this.node(index);
    if (!isAlive(node) || node.life?.isPaused !== true) return;
    node.life.resume();
    this.network.resume(node.name);
  }

  jumpClock(index: number, byMs: number): void {
    this.node(index).skewMs += byMs;
  }

  driftClock(index: number, rate: number): void {
    const node = this.node(index);
    node.skewMs = this.#skewOf(node);
    node.driftsSinceMs = this.nowMs;
    node.driftRate = rate;
  }

  cut(edge: Edge): void {
    add(this.#cuts, pairOf(edge), 1);
    this.network.cut(this.node(edge[0]).name, this.node(edge[1]).name);
  }

  uncut(edge: Edge): void {
    if (add(this.#cuts, pairOf(edge), -1) === 0) this.#mend(edge);
  }

  blackhole(edge: Edge): void {
    add(this.#holes, wayOf(edge), 1);
    this.network.blackhole(this.node(edge[0]).name, this.node(edge[1]).name);
  }

  unblackhole(edge: Edge): void {
    if (add(this.#holes, wayOf(edge), -1) === 0) this.#mend(edge);
  }

  /** Lets time pass until every node sees all others that it can reach. Null, or what is lacking after `timeoutMs`. */
  settle(timeoutMs: number): string | null {
    for (const endMs = this.nowMs + timeoutMs; ;) {
      const lack = this.#lack();
      if (lack === null) return null;
      if (this.nowMs >= endMs) return lack;
      this.time.advance(POLL_MS);
    }
  }

  /** What `inspect` reports, of a node that runs; undefined if it does not answer at once. Time stands still. */
  inspect(node: SimulatedNode, what: string): Record<string, unknown> | undefined {
    let report: Record<string, unknown> | undefined;
    node.life?.inspect(what, (info) => (report = info));
    this.time.run();
    return report;
  }

  /** Whether the node remembers a delete of the key. */
  remembers({ life }: SimulatedNode, key: string): boolean {
    return life !== null && keyspaceOf(life)?.peekAny(key, this.nowMs)?.isTombstone === true;
  }

  /** Which nodes store the key now, as bits by number, and the value at the first of them. */
  holdersOf(key: string): { readonly nodes: number; readonly value: Uint8Array | null } {
    let nodes = 0;
    let value: Uint8Array | null = null;
    for (const node of this.nodes) {
      if (node.life === null || !isAlive(node)) continue;
      const keyspace = keyspaceOf(node.life);
      const entry = keyspace?.peek(key, this.nowMs);
      if (keyspace === null || entry === undefined) continue;
      nodes |= 1 << node.index;
      value ??= keyspace?.read(entry) ?? null;
    }
    return { nodes, value };
  }

  #lack(): string | null {
    const views = new Map<number, ReadonlySet<string>>();
    for (const node of this.living) {
      const topology = this.inspect(node, 'topology') as { members?: { id: string }[] } | undefined;
      if (topology?.members === undefined) return `${node.name} does not answer`;
      views.set(node.index, new Set(topology.members.map(({ id }) => id)));
    }
    const edges = this.#plan.edges.filter((edge) => (this.#cuts.get(pairOf(edge)) ?? 0) === 0);
    return lackOf(views, edges, (index) => (this.node(index).life as NodeLife).identity.node);
  }

  /** The network's own `heal` ends all faults of a pair: what else holds is put back. */
  #mend(edge: Edge): void {
    const [a, b] = [this.node(edge[0]).name, this.node(edge[1]).name];
    this.network.heal(a, b);
    if ((this.#cuts.get(pairOf(edge)) ?? 0) > 0) this.network.cut(a, b);
    if ((this.#holes.get(wayOf(edge)) ?? 0) > 0) this.network.blackhole(a, b);
    if ((this.#holes.get(wayOf([edge[1], edge[0]])) ?? 0) > 0) this.network.blackhole(b, a);
  }

  #end(node: SimulatedNode): void {
    node.life?.end();
    const last = this.lives.findLast((life) => life.node === node.index);
    if (last !== undefined) last.endedMs = this.nowMs;
  }

  #skewOf(node: SimulatedNode): number {
    return node.skewMs + (node.driftRate * (this.nowMs - node.driftsSinceMs)) / 1000;
  }
}

export const isAlive = (node: SimulatedNode): boolean => node.life?.isAlive === true;

const wayOf = ([from, to]: Edge): string => `${from} ${to}`;
const pairOf = ([a, b]: Edge): string => (a < b ? `${a} ${b}` : `${b} ${a}`);

const add = (counts: Map<string, number>, key: string, by: number): number => {
  const count = (counts.get(key) ?? 0) + by;
  counts.set(key, count);
  return count;
};
