/**
 * Runs a plan: the swarm forms, clients ask while faults happen, everything heals, the swarm settles, every key is asked
 * for through several nodes, all nodes stop. What happened comes back as evidence; nothing is judged here.
 */
import { seededRandom } from '../../actors/runtime/virtual-time.js';
import type { Hop } from '../../actors/runtime/runtime.js';
import type { Operation } from '../checker/operation.js';
import type { NodeLife } from '../node-life.js';
import { applyFault } from './apply-fault.js';
import { disturbanceOf, stableWindows } from './disturbance.js';
import type { Disturbance, Evidence, MissedCopy, NodeEvidence, SeenStamp, Watching } from './evidence.js';
import { checkDirectoryAgrees } from './check/directory-agrees.js';
import { counterOf, countersOf, lookAt } from './look-at.js';
import { keyspaceOf, topologyOf } from './look.js';
import { areDispensable } from './graph.js';
import type { Plan, PlannedRequest } from './plan.js';
import { createWatchedRules } from './rule/rules.js';
import { isAlive, World } from './world.js';
import type { NodeEnding, SimulatedNode } from './world.js';
import { WatchClient } from './watch-client.js';
import { numberIn, WorkloadClient } from './workload-client.js';
import type { Recording } from './workload-client.js';

export interface RunResult {
  readonly evidence: Evidence;
  readonly traceHash: string;
  readonly virtualMs: number;
  /** Frames on the network and messages between actors. */
  readonly events: number;
  /** Faults that happened, by kind. */
  readonly faults: ReadonlyMap<string, number>;
}

/** Sees what actors handle and which faults happen. */
export interface RunWatcher {
  onHop(atMs: number, node: number, hop: Hop): void;
  onFault(atMs: number, text: string): void;
}

const CLIENT_STREAM = 2_000_000;
const WATCHER_STREAM = 2_500_000;
const FORM_MS_MAX = 30_000;
const OPEN_DISK_MS = 100;
const FOLLOW_MS = 50;
const SETTLE_MS_MAX = 90_000;
/** Clients of the final questions, at nodes of their own. */
const AUDITORS_MAX = 5;
const PROBE_AUDITORS_MAX = 2;
const AUDIT_STEP_MS = 20;
const AUDIT_BATCH_MAX = 8;
/** Time in which clients connect. */
const CONNECT_MS = 1000;
/** What a node may take beyond its drain. */
const STOP_MARGIN_MS = 3000;
const STOP_STEP_MS = 100;
const LOOK_AGAIN_MS = 100;
const LOOKS_MAX = 30;
/** Time for links to be back, and for what is news then to be everywhere. */
const HEAL_MS_MAX = 3000;
const HEARD_MS = 300;

export const runPlan = (plan: Plan, watcher: RunWatcher | null = null): RunResult => new Run(plan, watcher).go();

class Run {
  readonly #plan: Plan;
  readonly #watcher: RunWatcher | null;
  readonly #world: World;
  readonly #history: Operation[] = [];
  readonly #recording: Recording;
  readonly #clients: WorkloadClient[];
  readonly #watchers: WatchClient[];
  readonly #watchings: Watching[] = [];
  readonly #disturbances: Disturbance[] = [];
  readonly #missedCopies: MissedCopy[] = [];
  readonly #goneWithNode = new Map<string, number>();
  readonly #seenStamps = new Map<string, SeenStamp>();
  readonly #counters = new Map<string, number>();
  readonly #faults = new Map<string, number>();
  /** Values whose `set` was acknowledged. */
  readonly #acknowledged = new Set<number>();
  /** What was stored when a `get` was asked. */
  readonly #heldAtInvoke = new Map<number, { readonly nodes: number; readonly value: number }>();
  readonly #keys: readonly string[];
  readonly #counterKeys: ReadonlySet<string>;
  readonly #ended = new Set<object>();
  readonly #rules = createWatchedRules();
  /** Of nodes that are leaving. */
  readonly #lastWords = new Map<object, ReadonlyMap<string, number>>();
  /** Nodes whose last life ended in order, among others that saw them leave. */
  readonly #hasLeft = new Set<number>();
  /** When a node first went with what it had. */
  #lossMs = Infinity;
  #processed = 0;

  constructor(plan: Plan, watcher: RunWatcher | null) {
    this.#plan = plan;
    this.#watcher = watcher;
    this.#keys = [...new Set(plan.requests.map(({ key }) => key))].sort();
    this.#counterKeys = new Set(plan.requests.flatMap(({ key, kind }) => (kind === 'incr' ? [key] : [])));
    this.#world = new World(
      plan,
      (atMs, node, hop) => this.#onHop(atMs, node, hop),
      (node, end) => this.#onNodeEnd(node, end),
    );
    this.#recording = {
      history: this.#history,
      sessionCount: 0,
      strays: [],
      onInvoke: (operation) => this.#onInvoke(operation),
      onReply: (operation) => this.#onReply(operation),
    };
    this.#clients = plan.clients.map((node, i) => this.#client(i, node));
    this.#watchers = plan.watchers.map(
      (node, i) => new WatchClient(this.#world, this.#watchings, seededRandom(plan.seed, WATCHER_STREAM + i), i, node),
    );
  }

  go(): RunResult {
    const world = this.#world;
    const plan = this.#plan;
    const late = new Set(plan.faults.flatMap((fault) => (fault.kind === 'join' ? [fault.node] : [])));
    for (const { index } of world.nodes) if (!late.has(index)) world.start(index);
    world.time.advance(OPEN_DISK_MS);
    const unformed = world.settle(FORM_MS_MAX);
    for (const client of [...this.#clients, ...this.#watchers]) client.connect();
    world.time.advance(CONNECT_MS);

    const startMs = world.nowMs;
    this.#scheduleRequests(startMs);
    for (const fault of plan.faults) world.time.at(startMs + fault.atMs, () => this.#befall(fault));
    world.time.advance(plan.durationMs);
    const missing = this.#missing(startMs);

    // Faults end by themselves; the last one may outlast the requests.
    const lastMs = Math.max(0, ...plan.faults.map((fault) => fault.atMs + ('forMs' in fault ? fault.forMs : 0)));
    world.time.advance(Math.max(0, startMs + lastMs + 1 - world.nowMs));
    for (const { index } of world.nodes) world.start(index);
    const { requestTimeoutMs, heartbeatTimeoutMs, missedMs } = world.settings;
    world.time.advance(heartbeatTimeoutMs);
    const unsettled = unformed ?? world.settle(SETTLE_MS_MAX);
    world.time.advance(Math.max(missedMs, requestTimeoutMs) + heartbeatTimeoutMs);
    const settledMs = world.nowMs;
    const auditors = this.#audit();
    const searches = this.#sum('finder', 'searches');
    const asked = this.#history.length;
    this.#askAll(auditors);
    const searchesWhenSettled = this.#sum('finder', 'searches') - searches;
    world.time.advance(requestTimeoutMs + CONNECT_MS);

    const endMs = world.nowMs;
    const nodes = this.#lookAtAll();
    for (const node of world.living) this.#collect(node);
    const watchings = this.#watchings.map((watching) => ({ ...watching, changes: [...watching.changes] }));
    for (const client of [...this.#clients, ...this.#watchers, ...auditors]) client.stop();
    const lives = world.lives.map((life) => ({ ...life }));
    // Those that end now have nobody to hand their entries over to.
    const deaths = [...world.deaths];
    const windows = stableWindows(plan, world.settings, startMs, settledMs, this.#lossMs);
    const leftBehind = this.#stopAll();
    const evidence: Evidence = {
      plan,
      settings: world.settings,
      history: this.#history,
      windows,
      endMs,
      unsettled,
      oddities: [...deaths, ...this.#recording.strays],
      lives,
      disturbances: this.#disturbances,
      missedCopies: this.#missedCopies,
      goneWithNode: this.#goneWithNode,
      seenStamps: this.#seenStamps,
      nodes,
      counters: this.#counters,
      searchesWhenSettled,
      askedWhenSettled: this.#history.slice(asked),
      watchings,
      broken: this.#rules.broken(),
      missing,
      leftBehind,
    };
    const events = world.frameCount + this.#processed;
    return { evidence, traceHash: world.hash.text, virtualMs: world.nowMs, events, faults: this.#faults };
  }

  #client(index: number, node: number): WorkloadClient {
    const random = seededRandom(this.#plan.seed, CLIENT_STREAM + index);
    return new WorkloadClient(this.#world, this.#recording, random, index, node, this.#plan.clientsStay);
  }

  #onHop(atMs: number, node: number, hop: Hop): void {
    this.#rules.onHop(node, hop, this.#world.node(node).life as NodeLife);
    this.#watcher?.onHop(atMs, node, hop);
  }

  /** Releases of what has just gone are still on their way: what disagrees for longer is evidence. */
  #lookAtAll(): NodeEvidence[] {
    const { time } = this.#world;
    for (let looks = 0; ; looks += 1) {
      const nodes = this.#world.living.flatMap((node) => lookAt(this.#world, node, this.#keys) ?? []);
      if (looks === LOOKS_MAX || checkDirectoryAgrees(nodes).length === 0) return nodes;
      time.advance(LOOK_AGAIN_MS);
    }
  }

  /** Who is missed when all faults are over, but for nodes that have left in order and were heard to. */
  #missing(startMs: number): string[] {
    const world = this.#world;
    const { faults } = this.#plan;
    const gone = world.nodes.filter((node) => !isAlive(node));
    const lives = world.nodes.map(({ life }) => life);
    const isOver = faults.every((fault) => {
      const endMs = fault.atMs + ('forMs' in fault ? fault.forMs : 0);
      return fault.kind === 'leave' || (fault.kind !== 'crash' && startMs + endMs < world.nowMs);
    });
    if (!isOver || gone.length === 0 || gone.some(({ index }) => !this.#hasLeft.has(index))) return [];
    if (!this.#isWholeWithout(new Set(gone.map(({ index }) => index)))) return [];
    if (world.settle(HEAL_MS_MAX) !== null) return [];
    world.time.advance(HEARD_MS);
    // Meanwhile others went or came back, or are about to go.
    const isAsBefore = world.nodes.every(
      (node, at) => node.life === lives[at] && isAlive(node) !== gone.includes(node),
    );
    if (!isAsBefore || world.living.some(({ isLeaving }) => isLeaving)) return [];
    return world.living.flatMap((node) => {
      const count = topologyOf(node.life as NodeLife)?.missedCount(world.nowMs) ?? 0;
      return count === 0 ? [] : [`n${node.index} misses ${count} nodes, and all that are gone have left`];
    });
  }

  /** Those who are left see each other, and each of those who have gone could say so to one of them. */
  #isWholeWithout(gone: ReadonlySet<number>): boolean {
    const { nodes, edges } = this.#plan;
    const wasHeard = (node: number): boolean =>
      edges.some(([a, b]) => (a === node && !gone.has(b)) || (b === node && !gone.has(a)));
    return areDispensable(nodes, edges, gone) && [...gone].every(wasHeard);
  }

  /** One timer at a time: requests are in the order of their times. */
  #scheduleRequests(startMs: number): void {
    const { time } = this.#world;
    const { requests } = this.#plan;
    let next = 0;
    const askDue = (): void => {
      const first = requests[next] as PlannedRequest;
      const batch = [first];
      for (next += 1; next < requests.length; next += 1) {
        const request = requests[next] as PlannedRequest;
        if (request.atMs !== first.atMs || request.client !== first.client) break;
        batch.push(request);
      }
      this.#clients[first.client]?.ask(batch);
      const following = requests[next];
      if (following !== undefined) time.at(startMs + following.atMs, askDue);
    };
    const first = requests[0];
    if (first !== undefined) time.at(startMs + first.atMs, askDue);
  }

  #befall(fault: Plan['faults'][number]): void {
    const world = this.#world;
    if (!applyFault(world, fault)) return;
    this.#faults.set(fault.kind, (this.#faults.get(fault.kind) ?? 0) + 1);
    this.#watcher?.onFault(world.nowMs, JSON.stringify(fault));
    const disturbance = disturbanceOf(fault, world.nowMs, this.#disturbances.length);
    if (disturbance === null) return;
    this.#disturbances.push(disturbance);
    world.time.at(disturbance.endedMs, () => this.#noteStamps());
  }

  /** Where a fault ends, copies of its two sides are still apart. */
  #noteStamps(): void {
    for (const key of this.#keys) this.#noteStamp(key);
  }

  /** Of an entry, or of a delete that is remembered. */
  #noteStamp(key: string): void {
    const { nowMs, nodes } = this.#world;
    for (const { index, life } of nodes) {
      if (life?.isAlive !== true) continue;
      const entry = keyspaceOf(life)?.peekAny(key, nowMs);
      if (entry === undefined || (entry.expiresAtMs !== 0 && !entry.isTombstone)) continue;
      this.#note(key, { atMs: nowMs, node: index, time: entry.time });
    }
  }

  #note(key: string, seen: SeenStamp): void {
    if ((this.#seenStamps.get(key)?.time ?? -1) < seen.time) this.#seenStamps.set(key, seen);
  }

  /** Asks for every key through several nodes, a few at a time: twice, so that the second time all is known. */
  #audit(): WorkloadClient[] {
    const living = this.#world.living;
    const most = this.#plan.about === null ? AUDITORS_MAX : PROBE_AUDITORS_MAX;
    const step = Math.max(1, Math.floor(living.length / most));
    const chosen = living.filter((_, i) => i % step === 0).slice(0, most);
    const auditors = chosen.map(({ index }, i) => this.#client(this.#clients.length + i, index));
    for (const auditor of auditors) auditor.connect();
    this.#world.time.advance(CONNECT_MS);
    this.#askAll(auditors);
    return auditors;
  }

  #askAll(auditors: readonly WorkloadClient[]): void {
    const { time, settings } = this.#world;
    const batchSize = Math.min(AUDIT_BATCH_MAX, settings.inFlightMax);
    for (let at = 0; at < this.#keys.length; at += batchSize) {
      const batch = this.#keys.slice(at, at + batchSize).map(question);
      for (const auditor of auditors) if (auditor.pendingCount === 0) auditor.ask(batch);
      time.advance(AUDIT_STEP_MS);
      for (let waits = 0; waits < 20 && auditors.some(({ pendingCount }) => pendingCount > 0); waits += 1) {
        time.advance(AUDIT_STEP_MS);
      }
    }
  }

  #onInvoke(operation: Operation): void {
    // The values of counters come again: two of them that are equal need not be one copy.
    if (operation.kind !== 'get' || this.#counterKeys.has(operation.key)) return;
    const { nodes, value } = this.#world.holdersOf(operation.key);
    if (value === null) return;
    const number = numberIn(value);
    if (this.#acknowledged.has(number)) this.#heldAtInvoke.set(operation.number, { nodes, value: number });
  }

  #onReply(operation: Operation): void {
    const { kind, number, key, outcome } = operation;
    if (outcome.type === 'stored' && kind === 'set') this.#acknowledged.add(number);
    // The word of the owner: what it stored may be gone from there when its reply arrives.
    if (outcome.type === 'stored' && outcome.time !== undefined && operation.ttlMs === 0) {
      this.#note(key, { atMs: operation.invokedMs, node: operation.node, time: outcome.time });
    }
    if (outcome.type === 'deleted') this.#noteStamp(key);
    const held = this.#heldAtInvoke.get(number);
    if (held === undefined) return;
    this.#heldAtInvoke.delete(number);
    if (outcome.type !== 'missing') return;
    const { nodes, value } = this.#world.holdersOf(key);
    // Values are unique: what is there now and was there then has been there all the time.
    if (value === null || numberIn(value) !== held.value || (nodes & held.nodes) === 0) return;
    this.#missedCopies.push({ operation, holders: nodes & held.nodes });
  }

  /** A node is about to go with all that it has, or with what it does not hand over. */
  #onNodeEnd(node: SimulatedNode, end: NodeEnding): void {
    if (end === 'crash') this.#lossMs = Math.min(this.#lossMs, this.#world.nowMs);
    if (end !== 'leaving') {
      const bit = 1 << node.index;
      for (const key of this.#keys) {
        const isHeld = end === 'crash' && (this.#world.holdersOf(key).nodes & bit) !== 0;
        if (isHeld || this.#world.remembers(node, key)) this.#goneWithNode.set(key, this.#world.nowMs);
      }
    }
    const isSeen = this.#world.living.some(({ life }) => life !== null && life !== node.life && sees(life, node.life));
    if (end === 'leaving') this.#hasLeft.delete(node.index);
    else if (end === 'left' && isSeen) this.#hasLeft.add(node.index);
    if (end === 'leaving') this.#follow(node);
    else this.#collect(node);
  }

  /** In the end a node that leaves answers no more: what it counts is read again and again. */
  #follow(node: SimulatedNode): void {
    const { life } = node;
    if (life === null || !life.isAlive || this.#ended.has(life)) return;
    const counters = countersOf(this.#world, node);
    if (counters.size > 0) this.#lastWords.set(life, counters);
    this.#world.time.at(this.#world.nowMs + FOLLOW_MS, () => this.#follow(node));
  }

  /** Adds a node's counters to the sums, once per life. */
  #collect(node: SimulatedNode): void {
    const { life } = node;
    if (life === null || this.#ended.has(life)) return;
    this.#ended.add(life);
    this.#processed += life.runtime.counters.processed;
    for (const [name, count] of this.#lastWords.get(life) ?? countersOf(this.#world, node)) {
      this.#counters.set(name, (this.#counters.get(name) ?? 0) + count);
    }
  }

  /** One counter of all living nodes together. */
  #sum(actor: string, name: string): number {
    return this.#world.living.reduce((sum, node) => sum + counterOf(this.#world, node, actor, name), 0);
  }

  /** Stops all nodes in order and says what they left behind. */
  #stopAll(): string[] {
    const world = this.#world;
    const stopping = world.living.map((node) => ({ node, life: node.life as NodeLife }));
    for (const { node } of stopping) world.leave(node.index, () => {});
    const endMs = world.nowMs + world.settings.drainMs + STOP_MARGIN_MS;
    while (world.nowMs < endMs && stopping.some(({ node }) => isAlive(node))) world.time.advance(STOP_STEP_MS);
    return stopping.flatMap(({ node, life }) => [
      ...(isAlive(node) ? [`${node.name} did not stop`] : []),
      ...life.runtime.tree().map(({ path, status }) => `${node.name}: ${path} is still ${status}`),
      ...(life.runtime.timerCount > 0 ? [`${node.name}: ${life.runtime.timerCount} timers`] : []),
    ]);
  }
}

const sees = (life: NodeLife, other: NodeLife | null): boolean =>
  other !== null && topologyOf(life)?.members.has(other.identity.node) === true;

const question = (key: string): PlannedRequest => ({
  atMs: 0,
  client: 0,
  key,
  kind: 'get',
  condition: null,
  ttlMs: 0,
  by: 0,
  padding: 0,
  retries: 0,
});
