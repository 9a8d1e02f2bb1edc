/**
 * One simulated swarm, drawn from a seed: shape, latency, clients, requests and faults. It runs the real actors under
 * virtual time and checks what a swarm promises. A failing seed fails again, and the same way.
 *
 * Each key has one writer, who waits for each reply, so that what a reader may see is known: nothing older than the last
 * write acknowledged before the read began, nothing newer than the last one begun before it ended.
 */
import { seededRandom } from '../actors/runtime/virtual-time.js';
import type { Client } from '../client/client.js';
import { startSwarm } from './swarm.js';
import type { Swarm } from './swarm.js';

export interface SimulationResult {
  readonly seed: number;
  /** What went wrong, first things first; empty if nothing did. */
  readonly violations: readonly string[];
  readonly traceHash: string;
  readonly virtualMs: number;
  readonly requests: number;
  /** Requests that ended otherwise than in a result, by code. */
  readonly refused: Readonly<Record<string, number>>;
  readonly faults: number;
}

interface Plan {
  readonly nodes: number;
  readonly edges: readonly (readonly [number, number])[];
  readonly keys: number;
  readonly readers: number;
  readonly durationMs: number;
  readonly isFaulty: boolean;
}

/** What is known of one key. Values are 1, 2, 3 … in the order in which its writer sets them. */
interface KeyHistory {
  readonly key: string;
  begun: number;
  acknowledged: number;
  /** Highest value that a read returned which ended before now. */
  seen: number;
}

const PLAN_STREAM = 3_000_000;
const REQUEST_TIMEOUT_MS = 3000;
/** A refusal may come this much after the deadline: turns and one hop. */
const GRACE_MS = 100;
const SETTLE_MS = 60_000;

export const simulate = async (seed: number): Promise<SimulationResult> => {
  const random = seededRandom(seed, PLAN_STREAM);
  const plan = drawPlan(random);
  const violations: string[] = [];
  const refused: Record<string, number> = {};
  let requests = 0;
  let faults = 0;
  const settings = {
    requestTimeoutMs: REQUEST_TIMEOUT_MS,
    missedMs: 5000,
    inFlightMax: random.below(2) === 0 ? 4 : 1024,
  };
  await using swarm = await startSwarm({
    nodes: plan.nodes,
    topology: plan.edges,
    virtual: true,
    seed,
    encodeEveryHop: random.below(4) === 0,
    settings,
  });
  const startMs = nowOf(swarm);
  const endMs = startMs + plan.durationMs;

  /** Runs one request and judges when it ended. Undefined if it was refused. */
  const request = async <T>(what: string, call: () => Promise<T>): Promise<{ result: T } | undefined> => {
    requests += 1;
    const begunMs = nowOf(swarm);
    try {
      return { result: await call() };
    } catch (error) {
      const { code } = error as { code?: string };
      if (code === undefined) throw error;
      refused[code] = (refused[code] ?? 0) + 1;
      if (!plan.isFaulty && code !== 'BUSY') violations.push(`${what}: refused ${code} without any fault`);
      return undefined;
    } finally {
      const tookMs = nowOf(swarm) - begunMs;
      if (!plan.isFaulty && tookMs > REQUEST_TIMEOUT_MS + GRACE_MS) violations.push(`${what}: took ${tookMs} ms`);
    }
  };

  const write = async (client: Client, history: KeyHistory): Promise<void> => {
    history.begun += 1;
    const value = history.begun;
    if ((await request(`set ${history.key}`, () => client.set(history.key, value))) !== undefined) {
      history.acknowledged = value;
    }
  };

  const read = async (client: Client, history: KeyHistory): Promise<void> => {
    const { key } = history;
    const floor = Math.max(history.acknowledged, history.seen);
    const got = await request(`get ${key}`, () => client.get(key));
    if (got === undefined) return;
    const value = got.result === undefined ? 0 : (got.result as number);
    if (!Number.isInteger(value) || value > history.begun) violations.push(`get ${key}: ${value} was never set`);
    else if (!plan.isFaulty && value < floor) violations.push(`get ${key}: ${value} is older than ${floor}`);
    history.seen = Math.max(history.seen, value);
  };

  const histories: KeyHistory[] = Array.from({ length: plan.keys }, (_, i) => ({
    key: `key-${i}`,
    begun: 0,
    acknowledged: 0,
    seen: 0,
  }));
  const clients = await Promise.all(
    Array.from({ length: plan.keys + plan.readers }, () =>
      swarm.client(random.below(plan.nodes), { requestTimeoutMs: REQUEST_TIMEOUT_MS + 1000 }),
    ),
  );
  const writers = histories.map(async (history, i) => {
    const pace = seededRandom(seed, PLAN_STREAM + 1 + i);
    while (nowOf(swarm) < endMs) {
      await write(clients[i] as Client, history);
      await swarm.sleep(pace.below(200));
    }
  });
  const readers = clients.slice(plan.keys).map(async (client, i) => {
    const pace = seededRandom(seed, PLAN_STREAM + 1000 + i);
    while (nowOf(swarm) < endMs) {
      await read(client, histories[pace.below(histories.length)] as KeyHistory);
      await swarm.sleep(pace.below(60));
    }
  });
  const nemesis = async (): Promise<void> => {
    const chance = seededRandom(seed, PLAN_STREAM + 2000);
    const crashed: number[] = [];
    while (plan.isFaulty && nowOf(swarm) < endMs) {
      await swarm.sleep(200 + chance.below(1500));
      faults += 1;
      const edge = plan.edges[chance.below(plan.edges.length)];
      const node = chance.below(plan.nodes);
      switch (chance.below(5)) {
        case 0:
        case 1:
          if (edge !== undefined) swarm.cut(edge[0], edge[1]);
          break;
        case 2:
          swarm.heal();
          break;
        case 3:
          if (crashed.length === 0 && plan.nodes > 1) {
            swarm.crash(node);
            crashed.push(node);
          }
          break;
        case 4:
          for (const index of crashed.splice(0)) await swarm.restart(index);
          break;
      }
    }
    swarm.heal();
    for (const index of crashed) await swarm.restart(index);
  };
  await Promise.all([...writers, ...readers, nemesis()]);

  // After the faults: the swarm settles, answers, and has lost no message.
  try {
    await swarm.settle(SETTLE_MS);
  } catch (error) {
    violations.push((error as Error).message);
  }
  await swarm.sleep(settings.missedMs + 1000);
  for (let node = 0; node < plan.nodes; node += 1) {
    const client = await swarm.client(node);
    for (const { key, begun } of histories) {
      const got = await client.get(key).catch((error: { code: string }) => {
        violations.push(`get ${key} through n${node} after settling: ${error.code}`);
      });
      if (typeof got === 'number' && got > begun) violations.push(`get ${key} through n${node}: ${got} was never set`);
    }
    const { sent, processed, queued, stashed, dropped, dead } = swarm.node(node).runtime.counters;
    const accounted = processed + queued + stashed + dropped.overflow + dropped.decision + dropped.refused + dead;
    if (sent !== accounted) violations.push(`n${node}: ${sent} messages sent, ${accounted} accounted for`);
  }
  return { seed, violations, traceHash: swarm.traceHash, virtualMs: nowOf(swarm) - startMs, requests, refused, faults };
};

const nowOf = (swarm: Swarm): number => swarm.time?.nowMs ?? 0;

const drawPlan = (random: { below(limit: number): number }): Plan => {
  const nodes = 1 + random.below(9);
  const edges: [number, number][] = [];
  // A random tree, and then some: every graph is connected.
  for (let i = 1; i < nodes; i += 1) edges.push([i, random.below(i)]);
  for (let more = nodes < 3 ? 0 : random.below(nodes); more > 0; more -= 1) {
    const a = random.below(nodes);
    const b = random.below(nodes);
    if (a !== b && !edges.some(([from, to]) => (from === a && to === b) || (from === b && to === a)))
      edges.push([a, b]);
  }
  return {
    nodes,
    edges,
    keys: 1 + random.below(6),
    readers: 1 + random.below(4),
    durationMs: 10_000,
    isFaulty: random.below(3) > 0,
  };
};
