/**
 * Runs a plan of a database: the swarm forms, its peers are made, writers write while faults happen, everything heals, all
 * becomes equal or does not. The library makes promises: between two instants they are all kept, in their order, so that
 * a run is a function of its plan.
 */
import type { Client } from '../../client/client.js';
import { connectBy } from '../../client/connect.js';
import type { SocketLike } from '../../client/socket.js';
import type { MemoryOpDisksCopy } from '../../disk/memory-op-disk.js';
import { objectName } from '../../store/op.js';
import type { Hop } from '../../actors/runtime/runtime.js';
import { applyFault } from '../simulator/apply-fault.js';
import { countersOf } from '../simulator/look-at.js';
import type { PlannedFault } from '../simulator/plan.js';
import { isAlive, World } from '../simulator/world.js';
import type { SimulatedNode } from '../simulator/world.js';
import { checkWritersEqual } from './check/equal.js';
import type { Granted, LogEvidence, ReplicaEvidence, WriterEvidence, WrittenOp } from './evidence.js';
import { DATABASE, entriesOf, isOnDisk, keptOf, lackAt, logOf } from './look.js';
import type { ReplicaFault, ReplicaPlan } from './plan.js';
import { timersOf } from '../virtual-timers.js';
import { OBJECTS_MAX, Writer } from './writer.js';
import type { Record } from './writer.js';

export interface ReplicaRun {
  readonly evidence: ReplicaEvidence;
  readonly traceHash: string;
  readonly virtualMs: number;
  readonly faults: ReadonlyMap<string, number>;
}

export interface ReplicaWatcher {
  onHop(atMs: number, node: number, hop: Hop): void;
  onFault(atMs: number, text: string): void;
}

const OPEN_DISK_MS = 100;
const FORM_MS_MAX = 30_000;
const SETTLE_MS_MAX = 60_000;
/** All is equal so soon after the swarm has settled. */
const CONVERGE_MS_MAX = 60_000;
const LOOK_MS = 500;
const OPERATE_MS_MAX = 12_000;
const JOIN_ATTEMPTS = 8;
const JOIN_AGAIN_MS = 500;
const NAMES = ['lww', 'counter', 'set', 'text'].flatMap((type) =>
  Array.from({ length: OBJECTS_MAX }, (_, i) => objectName(type, `o${i}`)),
);

export const runReplicaPlan = (plan: ReplicaPlan, watcher: ReplicaWatcher | null = null): Promise<ReplicaRun> =>
  new Run(plan, watcher).go();

class Run {
  readonly #plan: ReplicaPlan;
  readonly #world: World;
  readonly #watcher: ReplicaWatcher | null;
  readonly #ops: WrittenOp[] = [];
  readonly #grants: Granted[] = [];
  readonly #noticed: (readonly [string, string])[] = [];
  readonly #givenUp: string[] = [];
  readonly #counters = new Map<string, number>();
  readonly #faults = new Map<string, number>();
  readonly #writers: readonly Writer[];
  readonly #operators = new Set<Client>();
  /** Nodes that hold the database, or held it before their disk was lost. */
  readonly #peers: Set<number>;
  /** By incarnation of a log: its entries, as far as they were seen. */
  readonly #entries = new Map<string, string[]>();

  constructor(plan: ReplicaPlan, watcher: ReplicaWatcher | null) {
    this.#plan = plan;
    this.#watcher = watcher;
    this.#peers = new Set(plan.peers);
    const onHop = watcher === null ? null : watcher.onHop.bind(watcher);
    const world = new World(plan, onHop, (node) => this.#onNodeEnd(node));
    this.#world = world;
    const record: Record = {
      ops: this.#ops,
      grants: this.#grants,
      noticed: this.#noticed,
      givenUp: this.#givenUp,
      disksWith: (origin, time) =>
        world.nodes.filter(({ opDisks }) => opDisks !== null && isOnDisk(opDisks, origin, time)).length,
      lackAt: ({ log, index }, covers, held) => {
        const kept = world.nodes.map(keptOf).find((other) => other?.table.last?.log === log);
        return kept === undefined || kept === null ? null : lackAt(kept, index, covers, held);
      },
      count: (name) => this.#count(`writers.${name}`, 1),
    };
    this.#writers = plan.writers.map((_, i) => new Writer(this.#world, record, plan, i));
  }

  async go(): Promise<ReplicaRun> {
    const world = this.#world;
    const plan = this.#plan;
    for (const { index } of world.nodes) world.start(index);
    await this.#advance(OPEN_DISK_MS);
    const unformed = world.settle(FORM_MS_MAX);
    for (const peer of plan.peers) await this.#during(this.#join(peer), OPERATE_MS_MAX);
    await this.#advance(1000);
    for (const writer of this.#writers) writer.start();
    await this.#advance(1000);

    const startMs = world.nowMs;
    for (const action of plan.actions) {
      world.time.at(startMs + action.atMs, () => {
        if (action.kind !== 'write' && action.kind !== 'remove') this.#watcher?.onFault(world.nowMs, show(action));
        this.#count(`actions.${action.kind}`, 1);
        this.#writers[action.writer]?.act(action);
      });
    }
    for (const fault of plan.faults) this.#schedule(fault, startMs);
    for (const endMs = startMs + plan.durationMs; world.nowMs < endMs;) {
      await this.#advance(LOOK_MS);
      this.#look();
    }
    const lastMs = Math.max(0, ...plan.faults.map((fault) => fault.atMs + ('forMs' in fault ? fault.forMs : 0)));
    await this.#advance(Math.max(0, startMs + lastMs + 1 - world.nowMs));
    for (const { index } of world.nodes) world.start(index);
    for (const writer of this.#writers) writer.goOnline();
    await this.#advance(world.settings.heartbeatTimeoutMs);
    const unsettled = unformed ?? (await this.#settle());
    for (const peer of this.#peers) {
      if (keptOf(world.node(peer)) === null) await this.#during(this.#join(peer), OPERATE_MS_MAX);
    }
    const unequal = unsettled ?? (await this.#converge());

    const logs = this.#logs();
    this.#look();
    const writers = this.#views();
    for (const node of world.living) this.#collect(node);
    for (const death of world.deaths) this.#noticed.push(['nothing unexpected', death]);
    for (const writer of this.#writers) writer.stop();
    for (const operator of this.#operators) void operator.close();
    await this.#advance(100);
    const evidence: ReplicaEvidence = {
      plan,
      ops: this.#ops,
      logs,
      writers,
      grants: this.#grants,
      noticed: this.#noticed,
      givenUp: this.#givenUp,
      unsettled: unequal,
      counters: this.#counters,
    };
    for (const node of world.living) world.crash(node.index);
    return { evidence, traceHash: world.hash.text, virtualMs: world.nowMs, faults: this.#faults };
  }

  // Time

  /** Instant by instant, each with all promises that follow from it. */
  async #advance(ms: number): Promise<void> {
    const { time } = this.#world;
    for (const endMs = time.nowMs + ms; ;) {
      time.run();
      const nextMs = time.nextAtMs;
      if (nextMs === null || nextMs > endMs) {
        time.advance(endMs - time.nowMs);
        await promisesKept();
        return;
      }
      time.advance(nextMs - time.nowMs);
      await promisesKept();
    }
  }

  /** Lets time pass until the promise is kept or broken, or so long. */
  async #during(promise: Promise<unknown>, msMax: number): Promise<void> {
    let isDone = false;
    const end = (): void => void (isDone = true);
    promise.then(end, end);
    for (let ms = 0; !isDone && ms < msMax; ms += 20) await this.#advance(20);
  }

  async #settle(): Promise<string | null> {
    let lack: string | null = null;
    for (let ms = 0; ms < SETTLE_MS_MAX; ms += LOOK_MS) {
      lack = this.#world.settle(0);
      if (lack === null) return null;
      await this.#advance(LOOK_MS);
    }
    return lack;
  }

  /** A writer may be live, and hear only after a while that its tunnel leads nowhere. */
  async #converge(): Promise<string | null> {
    let lack: string | null = null;
    for (let ms = 0; ms < CONVERGE_MS_MAX; ms += LOOK_MS) {
      await this.#advance(LOOK_MS);
      lack = this.#lack();
      if (lack === null && checkWritersEqual(this.#logs(), this.#views(), this.#ops).length === 0) return null;
    }
    return lack;
  }

  #logs(): LogEvidence[] {
    return this.#world.living.flatMap((node) => {
      const kept = keptOf(node);
      return kept === null ? [] : [logOf(node, kept, NAMES)];
    });
  }

  #views(): WriterEvidence[] {
    return this.#writers.map((writer) => writer.look());
  }

  #lack(): string | null {
    const digests = new Map<string, number>();
    for (const peer of this.#peers) {
      const kept = keptOf(this.#world.node(peer));
      if (kept === null) return `n${peer} does not hold the database`;
      digests.set(kept.store.chains.digest(), peer);
      if (kept.store.stored < kept.store.log.length) return `n${peer} has ops that are not stored`;
    }
    if (digests.size > 1) return `the chains differ: ${[...digests].map(([d, p]) => `n${p} ${d}`).join(', ')}`;
    for (const [i, writer] of this.#writers.entries()) {
      if (!writer.isCurrent)
        return `writer ${i} at n${writer.node} is ${writer.status}, ${writer.pendingCount} pending`;
    }
    return null;
  }

  // Peers

  /** With the options also where it is there already: it may not be for all. */
  async #join(node: number): Promise<void> {
    const { scheme, isRelaxed, compactAfterMs } = this.#plan;
    const options = { scheme, isRelaxed, ...(compactAfterMs === 0 ? {} : { compactAfterMs }) };
    for (let left = JOIN_ATTEMPTS; left > 0; left -= 1) {
      const isDone = await this.#operate(node, (client) => client.createDatabase(DATABASE, options)).catch(() => false);
      if (isDone) return;
      await new Promise<void>((resolve) => this.#world.time.at(this.#world.nowMs + JOIN_AGAIN_MS, resolve));
    }
  }

  async #operate(node: number, act: (client: Client) => Promise<unknown>): Promise<boolean> {
    const world = this.#world;
    const client = await connectBy(
      (url) => world.network.openSocket(url, { name: `operator-${node}` }) as SocketLike,
      world.node(node).url,
      { timers: timersOf(world.time), wallMs: () => world.time.wallMs, random: () => 0.5, connectTimeoutMs: 2000 },
    );
    this.#operators.add(client);
    try {
      await act(client);
      return true;
    } catch (error) {
      this.#count(`operators.${(error as { code?: string }).code ?? String(error)}`, 1);
      return false;
    } finally {
      this.#operators.delete(client);
      void client.close();
    }
  }

  // Faults

  #schedule(fault: ReplicaFault, startMs: number): void {
    const world = this.#world;
    const atMs = startMs + fault.atMs;
    if (fault.kind !== 'set-back') return world.time.at(atMs, () => this.#befall(fault));
    const { node, byMs, forMs } = fault;
    let copy: MemoryOpDisksCopy = new Map();
    if (byMs !== null) world.time.at(atMs - byMs, () => (copy = world.node(node).opDisks?.copy() ?? copy));
    world.time.at(atMs, () => {
      if (!isAlive(world.node(node))) return;
      this.#note(fault);
      world.crash(node);
      world.node(node).opDisks?.restore(copy);
      world.time.at(atMs + forMs, () => world.start(node));
    });
  }

  #befall(fault: Exclude<ReplicaFault, { kind: 'set-back' }>): void {
    switch (fault.kind) {
      case 'compact':
        this.#note(fault);
        return void this.#operate(fault.node, (client) => client.compactDatabase(DATABASE)).catch(nothing);
      case 'join-peers':
        this.#note(fault);
        return void this.#join(fault.node)
          .then(() => this.#peers.add(fault.node))
          .catch(nothing);
      default:
        if (applyFault(this.#world, fault as PlannedFault)) this.#note(fault);
    }
  }

  #note(fault: ReplicaFault): void {
    this.#faults.set(fault.kind, (this.#faults.get(fault.kind) ?? 0) + 1);
    this.#watcher?.onFault(this.#world.nowMs, show(fault));
  }

  // Looking

  #look(): void {
    for (const node of this.#world.living) this.#lookAtLog(node);
    for (const writer of this.#writers) writer.checkOwn();
  }

  /** A position names one op for ever. */
  #lookAtLog(node: SimulatedNode): void {
    const kept = keptOf(node);
    const log = kept?.table.last?.log;
    if (kept === null || log === undefined) return;
    const known = this.#entries.get(log) ?? [];
    this.#entries.set(log, known);
    const { floor } = kept.store.log;
    for (const [i, id] of entriesOf(kept, floor).entries()) {
      const former = known[floor + i];
      known[floor + i] = id;
      if (former === undefined || former === id) continue;
      this.#noticed.push(['a position names one op', `n${node.index} ${log}:${floor + i} was ${former}, is ${id}`]);
    }
  }

  #onNodeEnd(node: SimulatedNode): void {
    this.#lookAtLog(node);
    this.#collect(node);
  }

  #collect(node: SimulatedNode): void {
    for (const [name, count] of countersOf(this.#world, node)) {
      if (Number.isFinite(count)) this.#count(name, count);
    }
  }

  #count(name: string, by: number): void {
    this.#counters.set(name, (this.#counters.get(name) ?? 0) + by);
  }
}

const show = (happening: object): string => JSON.stringify(happening);

/** Turns of the queue of promises: more than one follows on another in the library. A turn of the event loop costs more. */
const PROMISE_TURNS = 16;

const promisesKept = async (): Promise<void> => {
  for (let turn = 0; turn < PROMISE_TURNS; turn += 1) await Promise.resolve();
};

function nothing(): void {}
