/** Line, tree, ring and mesh, under virtual time: every node reads every key, and what that costs in messages. */
import { describe, expect, it } from '@jest/globals';
import type { NodeId } from '../../src/store/node-id.js';
import type { Hop } from '../../src/actors/runtime/runtime.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Shape, Swarm } from '../../src/testing/index.js';
import { edgesOf } from '../../src/testing/shape.js';
import { Stranger } from './stranger.js';

/** Messages that a router gave to a link: what crosses the network. */
interface Crossing {
  readonly node: number;
  readonly link: string;
  readonly type: string;
  readonly hops: number | null;
}

class Recorder {
  crossings: Crossing[] = [];
  readonly probes: number[] = [];
  /** The homes that stores have asked, whether the question crossed a link or not. */
  readonly homes: NodeId[] = [];

  readonly trace = (hop: Hop, node: number): void => {
    if (hop.type === 'probe') this.probes.push(node);
    if ((hop.type === 'lookup' || hop.type === 'seek') && hop.from === '/node/local-store')
      this.homes.push((hop.message as unknown as { to: NodeId }).to);
    if (hop.from !== '/node/router' || !hop.to.startsWith('/node/peer-link')) return;
    // What is passed on names the hops with which it came, and may be several messages.
    const { hops, count } = hop.message as { hops?: number; count?: number };
    const isRelay = hop.type === 'relay';
    const crossing = { node, link: hop.to, type: hop.type, hops: (hops ?? 0) + (isRelay ? 1 : 0) || null };
    for (let i = 0; i < (isRelay ? (count as number) : 1); i += 1) this.crossings.push(crossing);
  };

  clear(): void {
    this.crossings = [];
    this.probes.length = 0;
    this.homes.length = 0;
  }

  count(...types: string[]): number {
    return this.crossings.filter(({ type }) => types.includes(type)).length;
  }
}

const SHAPES: readonly [string, number, Shape][] = [
  ['line', 5, 'line'],
  ['tree', 7, 'tree'],
  ['ring', 4, 'ring'],
  ['mesh', 5, 'mesh'],
];

const start = (nodes: number, topology: Shape, recorder?: Recorder): Promise<Swarm> =>
  startSwarm({
    nodes,
    topology,
    virtual: true,
    encodeEveryHop: true,
    ...(recorder === undefined ? {} : { trace: recorder.trace }),
  });

describe.each(SHAPES)('a %s of %i', (_name, nodes, topology) => {
  it('[C1] [C2] [GT1] [ST1] reads every key through every node, and sets a key where it is', async () => {
    await using swarm = await start(nodes, topology);
    const clients = await Promise.all(Array.from({ length: nodes }, (_, i) => swarm.client(i)));
    for (const [i, client] of clients.entries()) await client.set(`key-${i}`, i);
    for (const client of clients) {
      for (let i = 0; i < nodes; i += 1) expect(await client.get(`key-${i}`)).toBe(i);
    }
    for (const client of clients) await client.set('shared', clients.indexOf(client));
    for (const client of clients) expect(await client.get('shared')).toBe(nodes - 1);
    const keys = await Promise.all(
      clients.map(async (client) => ((await client.inspect('counters'))['store'] as { keys: number }).keys),
    );
    // Each key where it was first set, `shared` at node 0; nowhere twice (C1).
    expect(keys).toEqual(Array.from({ length: nodes }, (_, i) => (i === 0 ? 2 : 1)));
  });

  it('[O1] [RT3] one GET goes to a known owner and back; else first to the home and back, and to nobody if it is absent', async () => {
    const recorder = new Recorder();
    await using swarm = await start(nodes, topology, recorder);
    const clients = await Promise.all(Array.from({ length: nodes }, (_, i) => swarm.client(i)));
    const client = clients[0]!;
    const { members } = (await client.inspect('topology')) as { members: { id: NodeId; name: string; hops: number }[] };
    const toOwner = (owner: number): number => members.find(({ name }) => name === `n${owner}`)!.hops;
    const hopsFrom = await Promise.all(
      clients.map(async (one) => {
        const topology = (await one.inspect('topology')) as { members: typeof members };
        return new Map(topology.members.map(({ name, hops }) => [name, hops]));
      }),
    );
    const home = (): number => {
      expect(recorder.homes.length).toBe(1);
      return Number(members.find(({ id }) => id === recorder.homes[0])!.name.slice(1));
    };
    const toHome = (): number => hopsFrom[0]!.get(`n${home()}`)!;
    const cost = async (key: string): Promise<number> => {
      recorder.clear();
      await client.get(key);
      // Only what the request itself is made of, above all no search.
      expect(recorder.crossings.length).toBe(recorder.count('seek', 'place', 'forward', 'answer', 'relay'));
      return recorder.crossings.length;
    };
    const homes = new Set<number>();
    for (let i = 0; i < 8 * nodes; i += 1) {
      const owner = i % nodes;
      await clients[owner]!.set(`key-${i}`, i);
      const unknown = await cost(`key-${i}`);
      if (owner === 0) {
        expect([unknown, recorder.homes]).toEqual([0, []]);
        continue;
      }
      // To the home, from there to the owner, and back.
      expect(unknown).toBe(toHome() + hopsFrom[home()]!.get(`n${owner}`)! + toOwner(owner));
      homes.add(toHome());
      expect(await cost(`key-${i}`)).toBe(2 * toOwner(owner));
      expect(recorder.homes).toEqual([]);
      expect(await cost(`absent-${i}`)).toBe(2 * toHome());
    }
    // Homes were at each distance that there is.
    expect(homes).toEqual(new Set(members.map(({ hops }) => hops)));
  });

  it('[RT5] [V8] [O3] where homes can not tell: a search visits each node once, by at most two messages per link', async () => {
    const recorder = new Recorder();
    await using swarm = await start(nodes, topology, recorder);
    // One that is a member and never states what it owns: no home can tell absence without a search.
    const stranger = new Stranger('Xstranger1');
    stranger.dial(swarm, nodes - 1);
    stranger.greet(swarm);
    const { id, incarnation } = await swarm.node(nodes - 1).inspect('node');
    stranger.announce(swarm, { node: id as NodeId, incarnation: incarnation as number });
    stranger.onMessage = (message) => {
      if (message.type !== 'search') return;
      const { asker, number, clock } = message;
      const answered = [{ node: stranger.id, incarnation: 1 }];
      stranger.send({ type: 'echo', asker, number, owner: null, clock, answered });
    };
    const client = await swarm.client(0);
    await swarm.sleep(1000);
    recorder.clear();
    expect(await client.get('absent')).toBeUndefined();
    const links = edgesOf(topology, nodes).length + 1;
    expect(recorder.probes.toSorted((a, b) => a - b)).toEqual(Array.from({ length: nodes - 1 }, (_, i) => i + 1));
    // The stranger's own echo is not recorded.
    expect(recorder.count('search', 'echo')).toBeLessThanOrEqual(2 * links - 1);
    const perLink = new Map<string, number>();
    for (const { node, link, type } of recorder.crossings) {
      if (type !== 'search' && type !== 'echo') continue;
      perLink.set(`${node}${link}`, (perLink.get(`${node}${link}`) ?? 0) + 1);
    }
    // No end of a link sends more than one message for the search.
    expect(Math.max(...perLink.values())).toBe(1);
    // What the search did not find may be claimed, though the home is not settled.
    const clients = await Promise.all(Array.from({ length: nodes }, (_, i) => swarm.client(i)));
    await Promise.all(clients.map((other, i) => other.set('created', i)));
    const values = await Promise.all(clients.map((other) => other.get('created')));
    expect(new Set(values).size).toBe(1);
  });

  it('[RT3] no message outlives its hop limit; a known owner is reached on a shortest path', async () => {
    const recorder = new Recorder();
    await using swarm = await start(nodes, topology, recorder);
    const last = await swarm.client(nodes - 1);
    const first = await swarm.client(0);
    await last.set('far', 1);
    expect(await first.get('far')).toBe(1);
    const { members } = (await first.inspect('topology')) as { members: { name: string; hops: number }[] };
    const distance = members.find(({ name }) => name === `n${nodes - 1}`)?.hops ?? NaN;
    recorder.clear();
    expect(await first.get('far')).toBe(1);
    expect(recorder.count('search', 'echo')).toBe(0);
    expect(recorder.crossings.length).toBe(2 * distance);
    // There and back, each link is counted once.
    const there = Array.from({ length: distance }, (_, i) => i + 1);
    expect(recorder.crossings.map(({ hops }) => hops)).toEqual([...there, ...there]);
  });
});

it('two runs of one seed give the same trace hash, another seed gives another', async () => {
  const run = async (seed: number): Promise<string> => {
    await using swarm = await startSwarm({ nodes: 4, topology: 'ring', virtual: true, seed });
    const [a, b] = [await swarm.client(0), await swarm.client(2)];
    for (let i = 0; i < 20; i += 1) await (i % 2 === 0 ? a : b).set(`k${i % 7}`, i);
    swarm.cut(0, 1);
    await swarm.settle();
    for (let i = 0; i < 7; i += 1) await b.get(`k${i}`);
    return swarm.traceHash;
  };
  const first = await run(7);
  expect(await run(7)).toBe(first);
  expect(await run(8)).not.toBe(first);
});
