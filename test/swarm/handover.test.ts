/** Nodes that leave: their entries go to others, and nobody misses them. Under virtual time. */
import { describe, expect, it } from '@jest/globals';
import type { NodeEnd } from '../../src/actors/node.js';
import type { NodeId } from '../../src/store/node-id.js';
import type { Client } from '../../src/client/client.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm } from '../../src/testing/index.js';
import type { Message, Relay } from '../../src/transport/message.js';
import { Stranger } from './stranger.js';

type Counts = Record<string, number>;

const countersOf = async (swarm: Swarm, node: number): Promise<Record<'store' | 'finder' | 'directory', Counts>> =>
  (await swarm.node(node).inspect('counters')) as Record<'store' | 'finder' | 'directory', Counts>;

const sum = async (swarm: Swarm, actor: 'store' | 'finder' | 'directory', name: string): Promise<number> => {
  let total = 0;
  for (let node = 0; node < swarm.size; node += 1) {
    if (swarm.node(node).isAlive) total += (await countersOf(swarm, node))[actor][name] ?? NaN;
  }
  return total;
};

/** Each key is known to one home as its owner's, and the other way round; nothing is on its way any more. */
const expectInverse = async (swarm: Swarm): Promise<void> => {
  expect(await sum(swarm, 'directory', 'keys')).toBe(await sum(swarm, 'store', 'owned'));
  expect(await sum(swarm, 'store', 'keys')).toBe(await sum(swarm, 'store', 'owned'));
  expect(await sum(swarm, 'store', 'incoming')).toBe(0);
};

/** Sets `${prefix}0`, … to 0, …, many at a time. */
const load = async (client: Client, count: number, prefix = 'k'): Promise<void> => {
  for (let first = 0; first < count; first += 500) {
    const part = Array.from({ length: Math.min(500, count - first) }, (_, i) => first + i);
    await Promise.all(part.map((i) => client.set(`${prefix}${i}`, i)));
  }
};

const readAll = (client: Client, count: number, prefix = 'k'): Promise<unknown[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => client.get(`${prefix}${i}`)));

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** What a reader may see of a key is known: one client writes it, and waits for each reply. */
interface History {
  readonly key: string;
  begun: number;
  acknowledged: number;
  /** The highest value that a read has returned. */
  seen: number;
}

/** Writers and readers, from now until `stop`, which tells what went wrong. */
const workload = (
  swarm: Swarm,
  histories: readonly History[],
  clientOf: (i: number) => Client,
): { stop(): Promise<{ violations: string[]; requests: number }> } => {
  const violations: string[] = [];
  let isOver = false;
  let requests = 0;
  /** A node that is leaving or joining says so, and the request is made once more, at another one. */
  const attempt = async <T>(what: string, call: () => Promise<T>): Promise<T | undefined> => {
    requests += 1;
    for (let tries = 0; ; tries += 1) {
      try {
        return await call();
      } catch (error) {
        const { code } = error as { code: string };
        if (tries === 0 && (code === 'DRAINING' || code === 'BUSY')) continue;
        violations.push(`${what}: ${code}`);
        return undefined;
      }
    }
  };
  const write = async (history: History, i: number): Promise<void> => {
    for (let turn = 0; !isOver; turn += 1) {
      history.begun += 1;
      const value = history.begun;
      const outcome = await attempt(`set ${history.key}`, () => clientOf(i + turn).set(history.key, value));
      if (outcome !== undefined) history.acknowledged = value;
      await swarm.sleep(3 + (i % 5));
    }
  };
  const read = async (history: History, i: number): Promise<void> => {
    for (let turn = 0; !isOver; turn += 1) {
      const floor = Math.max(history.acknowledged, history.seen);
      const value = await attempt(`get ${history.key}`, () => clientOf(i + turn).get(history.key));
      if (value === undefined) violations.push(`get ${history.key}: missing`);
      else if ((value as number) < floor) violations.push(`get ${history.key}: ${value as number} after ${floor}`);
      else if ((value as number) > history.begun)
        violations.push(`get ${history.key}: ${value as number} from nowhere`);
      history.seen = Math.max(history.seen, (value as number | undefined) ?? 0);
      await swarm.sleep(2 + (i % 3));
    }
  };
  const all = histories.flatMap((history, i) => [write(history, i), read(history, i), read(history, i + 1)]);
  return {
    async stop() {
      isOver = true;
      await Promise.all(all);
      return { violations, requests };
    },
  };
};

const historiesOf = (count: number): History[] =>
  numbers(count).map((i) => ({ key: `h${i}`, begun: 0, acknowledged: 0, seen: 0 }));

/** Lets the node leave, and tells how it ended. */
const leave = async (swarm: Swarm, node: number): Promise<NodeEnd> => {
  const { ended } = swarm.node(node);
  await swarm.leave(node);
  return ended;
};

const IN_ORDER = { reason: 'stopped', exitCode: 0 };

describe('a node that leaves', () => {
  it.each([
    ['line', 4],
    ['ring', 5],
    ['mesh', 4],
  ] as const)('[C8] [H1] [O5] in a %s of %i hands over all it has', async (topology, nodes) => {
    await using swarm = await startSwarm({ nodes, topology, virtual: true, encodeEveryHop: topology === 'ring' });
    const [leaving, other] = [await swarm.client(0), await swarm.client(nodes - 1)];
    await load(leaving, 1200);
    await other.set('there', 1);
    expect(await leave(swarm, 0)).toEqual(IN_ORDER);
    await swarm.settle();
    expect(await readAll(other, 1200)).toEqual(numbers(1200));
    expect(await sum(swarm, 'store', 'takenOver')).toBe(1200);
    expect(await sum(swarm, 'store', 'keys')).toBe(1201);
    await expectInverse(swarm);
  });

  it.each([1, 2])('[C3] [C8] [H1] [D2] is not noticed by those who ask others (seed %i)', async (seed) => {
    await using swarm = await startSwarm({ nodes: 4, topology: 'ring', virtual: true, seed });
    const leaving = await swarm.client(0);
    const clients = await Promise.all([1, 2, 3].map((node) => swarm.client(node)));
    await load(leaving, 2000);
    const histories = historiesOf(10);
    for (const history of histories) await leaving.set(history.key, 0);
    const { stop } = workload(swarm, histories, (i) => clients[i % 3] as Client);
    await swarm.sleep(50);
    expect(await leave(swarm, 0)).toEqual(IN_ORDER);
    await swarm.sleep(100);
    const { violations, requests } = await stop();
    expect(violations).toEqual([]);
    expect(requests).toBeGreaterThan(1000);
    await swarm.settle();
    expect(await readAll(clients[0] as Client, 2000)).toEqual(numbers(2000));
    await expectInverse(swarm);
  });

  it.each([1, 2, 3])('[H1] [O2] [O4] loses nothing when the view changes meanwhile (seed %i)', async (seed) => {
    await using swarm = await startSwarm({
      nodes: 5,
      topology: 'mesh',
      virtual: true,
      seed,
      latencyMs: 3,
      settings: { missedMs: 1000 },
    });
    swarm.crash(4);
    await swarm.sleep(3000);
    const leaving = await swarm.client(0);
    const clients = await Promise.all([1, 2, 3].map((node) => swarm.client(node)));
    await load(leaving, 1500);
    const histories = historiesOf(6);
    for (const history of histories) await leaving.set(history.key, 0);
    const { stop } = workload(swarm, histories, (i) => clients[i % 3] as Client);
    const left = leave(swarm, 0);
    // The messages of a hand-over take from 3 to some 20 ms: a node joins and links break among them.
    await swarm.sleep(6 * seed - 4);
    await swarm.restart(4);
    await swarm.sleep(3);
    swarm.cut(0, 1 + (seed % 3));
    await swarm.sleep(3);
    swarm.cut(1, 2);
    await swarm.sleep(50);
    swarm.heal();
    expect(await left).toEqual(IN_ORDER);
    await swarm.sleep(200);
    expect((await stop()).violations).toEqual([]);
    await swarm.settle();
    await swarm.sleep(1000);
    expect(await readAll(clients[0] as Client, 1500)).toEqual(numbers(1500));
    await expectInverse(swarm);
  });

  it.each([5, 10, 15])('[H1] takes back what a node that crashes after %i ms had not confirmed', async (ms) => {
    const settings = { missedMs: 500, heartbeatTimeoutMs: 500 };
    await using swarm = await startSwarm({ nodes: 3, topology: 'mesh', virtual: true, latencyMs: 3, settings });
    const leaving = await swarm.client(0);
    await load(leaving, 1500);
    await leaving.close();
    const left = leave(swarm, 0);
    await swarm.sleep(ms);
    const handedOver = async (): Promise<number> => (await countersOf(swarm, 0)).store['handedOver'] as number;
    const confirmed = await handedOver();
    swarm.crash(1);
    expect(await left).toEqual(IN_ORDER);
    await swarm.settle();
    await swarm.sleep(1000);
    const other = await swarm.client(2);
    const got = await readAll(other, 1500);
    const lost = got.filter((value) => value === undefined).length;
    // What was confirmed was the crashed node's, and went with it.
    expect(lost).toBeLessThanOrEqual(confirmed);
    expect(got.every((value, i) => value === undefined || value === i)).toBe(true);
    await expectInverse(swarm);
  });

  it('[H1] [H2] gives each key once, however long it takes', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'ring', virtual: true, latencyMs: 30 });
    const leaving = await swarm.client(0);
    await load(leaving, 5000);
    await leaving.close();
    expect(await leave(swarm, 0)).toEqual(IN_ORDER);
    await swarm.settle();
    expect(await sum(swarm, 'store', 'takenOver')).toBe(5000);
    expect(await sum(swarm, 'store', 'takeoversRefused')).toBe(0);
    expect(await sum(swarm, 'directory', 'contests')).toBe(0);
    expect(await sum(swarm, 'store', 'keys')).toBe(5000);
    await expectInverse(swarm);
  });

  it('[H1] that crashes itself leaves behind what it had sent', async () => {
    const settings = { missedMs: 500, heartbeatTimeoutMs: 500 };
    await using swarm = await startSwarm({ nodes: 3, topology: 'mesh', virtual: true, latencyMs: 3, settings });
    const leaving = await swarm.client(0);
    await load(leaving, 200);
    await leaving.close();
    swarm.node(0).runtime.shutdown(() => {});
    // The copies have arrived, the homes have not answered yet.
    await swarm.sleep(5);
    swarm.crash(0);
    await swarm.settle();
    await swarm.sleep(1000);
    expect(await readAll(await swarm.client(1), 200)).toEqual(numbers(200));
    await expectInverse(swarm);
  });

  it('[C4] that vanishes before it has handed all over is missed', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'mesh', virtual: true, latencyMs: 3 });
    const [leaving, other] = [await swarm.client(0), await swarm.client(1)];
    await leaving.set('k', 1);
    await leaving.close();
    swarm.node(0).runtime.shutdown(() => {});
    // That it is leaving has been heard; the copy is still on its way.
    swarm.blackhole(0, 1);
    swarm.blackhole(0, 2);
    await swarm.sleep(2);
    swarm.crash(0);
    await swarm.settle();
    await expect(other.get('k')).rejects.toMatchObject({ code: 'UNKNOWN' });
  });

  it('[K3] [H2] [C7] [C8] counts what found no room, and nothing is evicted for it', async () => {
    const logged: string[] = [];
    await using swarm = await startSwarm({
      nodes: 2,
      topology: 'line',
      virtual: true,
      settings: { keysMax: 100 },
      log: (level, text, fields) => void logged.push(`${level} ${text} ${JSON.stringify(fields)}`),
    });
    const [leaving, other] = [await swarm.client(0), await swarm.client(1)];
    await load(other, 70, 'other');
    await load(leaving, 90);
    expect(await leave(swarm, 0)).toEqual({
      reason: '60 entries were not handed over: the others have no room',
      exitCode: 1,
    });
    expect(logged.filter((line) => line.startsWith('warn entries handed over'))).toEqual([
      expect.stringContaining('"handed":30,"left":60'),
    ]);
    await swarm.settle();
    const { store } = await countersOf(swarm, 1);
    expect(store).toMatchObject({ keys: 100, evicted: 0, takenOver: 30, incoming: 0 });
    expect(await readAll(other, 70, 'other')).toEqual(numbers(70));
    await expectInverse(swarm);
  });

  it('[H2] with a disk comes back without what it has handed over', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'ring', virtual: true, disk: true });
    const [leaving, other] = [await swarm.client(0), await swarm.client(1)];
    await load(leaving, 300);
    await swarm.sleep(2000);
    expect(await leave(swarm, 0)).toEqual(IN_ORDER);
    await other.delete('k0');
    await other.set('k1', 'changed');
    await swarm.restart(0);
    await swarm.settle();
    expect((await countersOf(swarm, 0)).store['keys']).toBe(0);
    const back = await swarm.client(0);
    expect(await readAll(back, 300)).toEqual([undefined, 'changed', ...numbers(300).slice(2)]);
    await expectInverse(swarm);
  });

  it.each([1, 2, 3])('[H1] [C8] owns nothing new, not even what is deleted through it (seed %i)', async (seed) => {
    const created: string[] = [];
    let isLeaving = false;
    let ownQuestions = 0;
    await using swarm = await startSwarm({
      nodes: 5,
      topology: 'ring',
      virtual: true,
      seed,
      latencyMs: 0.1,
      trace(hop, node) {
        if (node !== 0) return;
        if (hop.type === 'seek' && hop.to === '/node/directory') ownQuestions += 1;
        if (hop.to !== '/node/local-store') return;
        if (hop.type === 'drain') isLeaving = true;
        if (isLeaving && hop.type === 'conclude') created.push((hop.message as unknown as { key: string }).key);
      },
    });
    const [leaver, other] = [await swarm.client(0), await swarm.client(2)];
    // With a key whose home is node 0 it would have something to hand over, which takes time.
    const keys: string[] = [];
    for (const key of numbers(60).map((i) => `k${i}`)) {
      const before = ownQuestions;
      await leaver.get(key);
      if (ownQuestions === before) keys.push(key);
    }
    const deletes = keys.map((key) => leaver.delete(key).catch(() => {}));
    // They have arrived, and the answers of their homes have not.
    await swarm.sleep(0.15);
    const left = leave(swarm, 0);
    await Promise.all(deletes);
    expect(created.length).toBeGreaterThan(0);
    await Promise.all(keys.map((key) => other.set(key, key)));
    expect(await left).toEqual(IN_ORDER);
    await swarm.settle();
    for (const key of keys) expect(await other.get(key)).toBe(key);
  });

  it('[H2] alone, or with others that store nothing, does not wait', async () => {
    await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true, settings: { drainMs: 60_000 } });
    const client = await swarm.client(0);
    await load(client, 10);
    await client.close();
    // One that is gone already is not waited for either.
    swarm.crash(1);
    await swarm.settle();
    const beganMs = swarm.time?.nowMs ?? NaN;
    expect(await leave(swarm, 0)).toEqual({
      reason: 'stopped; 10 entries were not handed over: no other node stores',
      exitCode: 0,
    });
    expect((swarm.time?.nowMs ?? NaN) - beganMs).toBeLessThan(1000);
  });

  it('[T1] [T4] [ST3] hands over stamps, tombstones, and the time to live that is left', async () => {
    await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true });
    const [leaving, other] = [await swarm.client(0), await swarm.client(1)];
    const { stamp } = await leaving.set('kept', { a: 1 });
    await leaving.set('short', 1, { ttlMs: 6000 });
    await leaving.set('deleted', 1);
    await leaving.delete('deleted');
    await swarm.sleep(2000);
    await leave(swarm, 0);
    expect(await sum(swarm, 'store', 'tombstones')).toBe(1);
    expect(await other.getEntry('kept')).toMatchObject({ value: { a: 1 }, stamp, ttlMs: null });
    expect(await other.get('deleted')).toBeUndefined();
    const { ttlMs } = (await other.getEntry('short')) as { ttlMs: number };
    expect(ttlMs).toBeLessThanOrEqual(4000);
    expect(ttlMs).toBeGreaterThan(2500);
    expect((await other.set('kept', 2)).stamp > stamp).toBe(true);
    await swarm.sleep(ttlMs + 1);
    expect(await other.get('short')).toBeUndefined();
  });

  it('[D1] [H1] hands over what it has executed: a write that comes again at the next owner is not', async () => {
    await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true });
    const [leaving, other] = [await swarm.client(0), await swarm.client(1)];
    await leaving.incr('n', 1);
    const stranger = new Stranger('Xstranger1');
    stranger.dial(swarm, 1);
    stranger.greet(swarm);
    const [first, second] = [0, 1].map((node) => swarm.node(node).id as NodeId) as [NodeId, NodeId];
    const { incarnation } = (await swarm.node(1).inspect('node')) as { incarnation: number };
    stranger.announce(swarm, { node: second, incarnation }, 1, []);
    const incr = (to: NodeId, number: number): Message => ({
      type: 'forward',
      to,
      from: stranger.id,
      hops: 1,
      number,
      behind: 0,
      floor: 1,
      incarnation: 1,
      claim: 0,
      passes: 0,
      budgetMs: 1000,
      clock: 0,
      message: { type: 'incr', id: 1, key: 'n', by: 1, options: {} },
    });
    const answers = (): (Message | Relay)[] => stranger.received.filter(({ type }) => type === 'answer');
    stranger.send(incr(first, 1));
    swarm.advance(20);
    await leave(swarm, 0);
    stranger.send(incr(second, 1), incr(second, 2));
    swarm.advance(20);
    const [before, again, next] = answers() as Extract<Message, { type: 'answer' }>[];
    expect(again?.message).toEqual(before?.message);
    expect(next?.message).not.toEqual(before?.message);
    expect(await other.get('n')).toBe(3);
  });
});

describe('a rolling restart', () => {
  it('[C8] [H1] [H4] [C2] of a loaded ring loses nothing, and the others answer', async () => {
    await using swarm = await startSwarm({ nodes: 5, topology: 'ring', virtual: true });
    let clients = await Promise.all([0, 1, 2, 3, 4].map((node) => swarm.client(node)));
    for (const [node, client] of clients.entries()) await load(client, 400, `k${node}-`);
    const histories = historiesOf(5);
    for (const [i, history] of histories.entries()) await (clients[i] as Client).set(history.key, 0);
    const { stop } = workload(swarm, histories, (i) => clients[i % clients.length] as Client);
    for (let node = 0; node < 5; node += 1) {
      const all = clients;
      // Its clients have heard `bye`.
      clients = all.filter((_, i) => i !== node);
      await swarm.sleep(10);
      expect(await leave(swarm, node)).toEqual(IN_ORDER);
      await swarm.restart(node);
      await swarm.settle();
      const fresh = await swarm.client(node);
      clients = all.map((client, i) => (i === node ? fresh : client));
      await swarm.sleep(50);
    }
    const { violations, requests } = await stop();
    expect(violations).toEqual([]);
    expect(requests).toBeGreaterThan(1000);
    for (let node = 0; node < 5; node += 1) {
      expect(await readAll(clients[(node + 1) % 5] as Client, 400, `k${node}-`)).toEqual(numbers(400));
    }
    expect(await sum(swarm, 'store', 'keys')).toBe(2005);
    await expectInverse(swarm);
  });
});
