/** What once went wrong: hostile or unlucky inputs, each under the rule that it broke. Virtual time, byte by byte. */
import { describe, expect, it } from '@jest/globals';
import type { ActorReport } from '../../src/actors/runtime/kind.js';
import type { NodeId } from '../../src/store/node-id.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm } from '../../src/testing/index.js';
import { decodeFrame, encodeMessage } from '../../src/transport/binary-codec.js';
import { FrameWriter } from '../../src/store/frame-writer.js';
import type { ClientEnd } from '../../src/transport/memory-bus.js';
import type { Link } from '../../src/transport/link.js';
import { refused } from '../../src/transport/message.js';
import type { ClientReply, ClientRequest, MessageOf } from '../../src/transport/message.js';
import { packValue, unpackValue } from '../../src/transport/msgpack.js';
import { wires } from '../../src/transport/wire.js';
import { Stranger } from './stranger.js';

const NO_LIMITS = { keyBytesMax: Infinity, valueBytesMax: Infinity };
const CLOCK_MAX = Number.MAX_SAFE_INTEGER;

/** A client that is no more than a socket. */
class RawClient {
  readonly replies: ClientReply[] = [];
  readonly texts: string[] = [];
  closed: { code: number; reason: string } | null = null;
  readonly #end: ClientEnd;

  constructor(swarm: Swarm, node: number) {
    this.#end = swarm.connect(node, {
      onOpen: () => {},
      onFrame: (data) => {
        if (typeof data === 'string') this.texts.push(data);
        else decodeFrame(data, NO_LIMITS, 'client replies', null, (reply) => this.replies.push(reply as ClientReply));
      },
      onClosed: (code, reason) => {
        this.closed = { code, reason };
      },
    });
    swarm.advance(50);
  }

  send(data: Uint8Array | string): void {
    this.#end.send(data);
  }

  sendAll(requests: readonly ClientRequest[]): void {
    const writer = new FrameWriter();
    for (const request of requests) encodeMessage(request, writer);
    this.send(writer.bytes.slice());
  }
}

const get = (id: number, key: string): ClientRequest => ({ type: 'get', id, key, options: {} });
const set = (id: number, key: string, value: unknown): ClientRequest => ({
  type: 'set',
  id,
  key,
  options: {},
  value: packValue(value),
});

const stampsOf = (client: RawClient): Map<number, string> =>
  new Map(
    client.replies.flatMap((reply) => (reply.type === 'stored' ? [[reply.id, String(reply.meta?.['stamp'])]] : [])),
  );
const byStamp = (a: readonly [number, string], b: readonly [number, string]): number => (a[1] < b[1] ? -1 : 1);

interface Topology {
  readonly self: NodeId;
  readonly members: readonly {
    readonly id: string;
    readonly incarnation: number;
    readonly neighbours: readonly string[];
  }[];
}
const topologyOf = async (swarm: Swarm, node: number): Promise<Topology> =>
  (await swarm.node(node).inspect('topology')) as unknown as Topology;
const neighboursOf = async (swarm: Swarm, node: number): Promise<readonly string[]> => {
  const { self, members } = await topologyOf(swarm, node);
  return members.find(({ id }) => id === self)?.neighbours ?? [];
};

const actorsOf = (swarm: Swarm, node: number, kind: string): ActorReport[] => {
  const all: ActorReport[] = [];
  const walk = (reports: readonly ActorReport[]): void => {
    for (const report of reports) {
      if (report.kind === kind) all.push(report);
      walk(report.children);
    }
  };
  walk(swarm.node(node).runtime.tree());
  return all;
};

const countersOf = async (swarm: Swarm, node: number, part: string): Promise<Record<string, number>> =>
  (await swarm.node(node).inspect('counters'))[part] as Record<string, number>;

describe('the order of one session', () => {
  it('[C3] holds for hundreds of requests at once for a new key', async () => {
    await using swarm = await startSwarm({ nodes: 1, virtual: true });
    const client = new RawClient(swarm, 0);
    const count = 500;
    const requests = Array.from({ length: count }, (_, id) => ({ ...set(id, 'k', id), options: { meta: true } }));
    client.sendAll(requests as ClientRequest[]);
    swarm.advance(500);
    const stamps = stampsOf(client);
    expect(stamps.size).toBe(count);
    expect([...stamps].toSorted(byStamp).map(([id]) => id)).toEqual(requests.map(({ id }) => id));
  });

  it('[C3] holds for a key that another node has', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'line', virtual: true });
    await (await swarm.client(2)).set('k', -1);
    const client = new RawClient(swarm, 0);
    const requests = Array.from({ length: 500 }, (_, id) => ({ ...set(id, 'k', id), options: { meta: true } }));
    client.sendAll(requests.slice(0, 250) as ClientRequest[]);
    swarm.advance(3);
    client.sendAll(requests.slice(250) as ClientRequest[]);
    swarm.advance(500);
    const stamps = stampsOf(client);
    expect(stamps.size).toBe(500);
    expect([...stamps].toSorted(byStamp).map(([id]) => id)).toEqual(requests.map(({ id }) => id));
  });

  it('[C3] holds for a read that is asked again because its answer was lost', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'ring', virtual: true });
    await (await swarm.client(1)).set('k', 'before');
    const client = new RawClient(swarm, 0);
    client.sendAll([get(1, 'k')]);
    swarm.advance(50);
    expect(client.replies).toMatchObject([{ type: 'value', id: 1 }]);
    swarm.blackhole(1, 0);
    client.sendAll([get(2, 'k'), set(3, 'k', 'after')]);
    swarm.advance(5000);
    const [, ...replies] = client.replies;
    expect(replies).toHaveLength(2);
    for (const reply of replies) if (reply.type === 'value') expect(unpackValue(reply.value)).toBe('before');
  });
});

describe('a link that is given up while the router is asked', () => {
  it.each(['bad frame', 'closed', 'greeted twice'])('[CL4] %s: nobody goes on counting on it', async (how) => {
    await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true });
    const before = await neighboursOf(swarm, 0);
    const stranger = new Stranger('Stranger');
    stranger.dial(swarm, 0);
    const greet = (id: string): MessageOf<'greet'> => ({
      type: 'greet',
      info: {
        protocolMin: 1,
        protocolMax: 1,
        version: '0',
        swarm: 'test',
        id,
        name: `stranger-${id}`,
        incarnation: 1,
        wallMs: Date.UTC(2026, 0, 1),
      },
    });
    const writer = new FrameWriter();
    encodeMessage(greet('Stranger'), writer);
    encodeMessage({ type: 'linked', protocol: 1 }, writer);
    if (how === 'bad frame') writer.raw(Uint8Array.of(0xc1));
    if (how === 'greeted twice') {
      encodeMessage(greet('Another'), writer);
      encodeMessage({ type: 'linked', protocol: 1 }, writer);
    }
    stranger.sendBytes(writer.bytes.slice());
    if (how === 'closed') stranger.hangUp();
    swarm.advance(100);
    if (how === 'greeted twice') stranger.hangUp();
    swarm.advance(100);
    expect(await neighboursOf(swarm, 0)).toEqual(before);
    // A neighbour that never answers would keep every search from its end.
    expect(await (await swarm.client(1)).get('absent')).toBeUndefined();
    expect(await (await swarm.client(0)).get('absent')).toBeUndefined();
  });
});

describe('a hostile neighbour', () => {
  const member = async (swarm: Swarm): Promise<Stranger> => {
    const stranger = new Stranger('Stranger');
    stranger.dial(swarm, 0);
    stranger.greet(swarm);
    const { self, members } = await topologyOf(swarm, 0);
    const own = members.find(({ id }) => id === self);
    stranger.announce(swarm, { node: self, incarnation: own?.incarnation ?? 0 });
    return stranger;
  };
  const last = <T extends string>(stranger: Stranger, type: T): MessageOf<T & 'search'> =>
    stranger.received.filter((message) => message.type === type).at(-1) as MessageOf<T & 'search'>;
  const idOf = async (swarm: Swarm): Promise<NodeId> => (await topologyOf(swarm, 0)).self;

  it('[T2] a clock at the end of time takes no node down and stops no stamp', async () => {
    await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true });
    const stranger = await member(swarm);
    const search: MessageOf<'search'> = {
      type: 'search',
      asker: stranger.id,
      number: 1,
      hops: 1,
      budgetMs: 1000,
      clock: CLOCK_MAX,
      visited: [],
      key: 'k',
    };
    stranger.send(search);
    swarm.advance(100);
    stranger.hangUp();
    swarm.advance(100);
    for (const node of [0, 1]) {
      const client = new RawClient(swarm, node);
      const request = { ...set(1, `k${node}`, 1), options: { meta: true } } as ClientRequest;
      client.sendAll([request, { ...request, id: 2 } as ClientRequest]);
      swarm.advance(200);
      const stamps = client.replies.map((reply) =>
        reply.type === 'stored' ? String(reply.meta?.['stamp']) : reply.type,
      );
      expect(stamps).toHaveLength(2);
      expect(stamps[0]?.localeCompare(stamps[1] as string) !== 0).toBe(true);
    }
  });

  it('[FR7] an answer that does not fit the request is no reply', async () => {
    await using swarm = await startSwarm({ nodes: 1, virtual: true });
    const stranger = await member(swarm);
    const node = await idOf(swarm);
    const client = new RawClient(swarm, 0);
    client.sendAll([get(7, 'k')]);
    swarm.advance(300);
    const search = last(stranger, 'search');
    stranger.send({
      type: 'echo',
      asker: search.asker,
      number: search.number,
      owner: stranger.id,
      clock: 0,
      answered: [{ node: stranger.id, incarnation: 1 }],
    });
    swarm.advance(20);
    const forward = stranger.received.find(({ type }) => type === 'forward') as unknown as MessageOf<'forward'>;
    const head = { type: 'answer', to: node, from: stranger.id, hops: 1, number: forward.number, clock: 0 } as const;
    stranger.send({ ...head, message: { type: 'missing', id: 8 } });
    stranger.send({ ...head, message: { type: 'stored', id: 7, meta: null } });
    stranger.send({ ...head, message: { type: 'bye', id: null, info: {} } });
    stranger.send({ ...head, message: get(7, 'other') as MessageOf<'get'> });
    stranger.send({ ...head, from: 'Another' as NodeId, message: { type: 'missing', id: 7 } });
    swarm.advance(50);
    expect(client.replies).toEqual([]);
    stranger.send({ ...head, message: { type: 'value', id: 7, meta: null, value: packValue(1) } });
    swarm.advance(50);
    expect(client.replies).toMatchObject([{ type: 'value', id: 7 }]);
  });

  it.each(['itself', 'nobody'])('[LM7] an owner that is %s is asked for in no endless loop', async (who) => {
    await using swarm = await startSwarm({ nodes: 1, virtual: true });
    const stranger = await member(swarm);
    const node = await idOf(swarm);
    const client = new RawClient(swarm, 0);
    client.sendAll([get(7, 'k')]);
    let answered = 0;
    for (let i = 0; i < 4000; i += 1) {
      swarm.advance(1);
      for (; answered < stranger.received.length; answered += 1) {
        const message = stranger.received[answered];
        if (message?.type === 'search') {
          const owner = who === 'itself' ? node : ('Nobody' as NodeId);
          const { asker, number } = message;
          stranger.send({ type: 'echo', asker, number, owner, clock: 0, answered: [] });
        } else if (i % 200 === 0) stranger.send({ type: 'beat' });
      }
      if (i % 200 === 0) stranger.send({ type: 'beat' });
    }
    expect(client.replies).toMatchObject([{ type: 'refused', id: 7, code: 'TIMEOUT' }]);
    expect((await countersOf(swarm, 0, 'finder'))['searches']).toBeLessThan(100);
  });

  it('[HS1] an incarnation that nobody accepts in an announcement is no greeting', async () => {
    await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true });
    const stranger = new Stranger('Stranger');
    stranger.dial(swarm, 0);
    stranger.greet(swarm, { incarnation: Number.MAX_SAFE_INTEGER });
    swarm.advance(100);
    expect(stranger.closed).toMatchObject({ code: 4400 });
    expect((await countersOf(swarm, 1, 'router'))['linksMalformed']).toBe(0);
  });

  it('[HS1] what comes before the greeting is not kept', async () => {
    await using swarm = await startSwarm({ nodes: 1, virtual: true });
    const stranger = new Stranger('Stranger');
    stranger.dial(swarm, 0);
    const info = { name: 'x', roles: [], freeBytes: 0, view: 1, neighbours: [] };
    const links = Array.from({ length: 1000 }, (_, sequence) => ({
      type: 'links' as const,
      node: stranger.id,
      incarnation: 1,
      sequence,
      info,
    }));
    stranger.send(...links);
    swarm.advance(20);
    expect(actorsOf(swarm, 0, 'peer-link').reduce((sum, { stashed }) => sum + stashed, 0)).toBe(0);
    swarm.advance(100);
    expect(stranger.closed).toMatchObject({ code: 4400 });
  });

  it('[GT3] an announcement that changes no route asks nothing again', async () => {
    await using swarm = await startSwarm({ nodes: 1, virtual: true });
    const stranger = await member(swarm);
    const { self, members } = await topologyOf(swarm, 0);
    const incarnation = members.find(({ id }) => id === self)?.incarnation ?? 0;
    const client = new RawClient(swarm, 0);
    client.sendAll([get(7, 'k')]);
    swarm.advance(300);
    const { asker, number } = last(stranger, 'search');
    stranger.send({ type: 'echo', asker, number, owner: stranger.id, clock: 0, answered: [] });
    swarm.advance(20);
    for (let sequence = 2; sequence < 50; sequence += 1) {
      const neighbours = [[self, incarnation]];
      const info = { name: 'stranger', roles: ['store'], freeBytes: sequence, view: 1, neighbours };
      stranger.send({ type: 'links', node: stranger.id, incarnation: 1, sequence, info });
      swarm.advance(2);
    }
    expect(stranger.received.filter(({ type }) => type === 'forward')).toHaveLength(1);
  });
});

it('what expires in masses makes room within seconds', async () => {
  await using swarm = await startSwarm({ nodes: 1, virtual: true });
  const client = new RawClient(swarm, 0);
  for (let batch = 0; batch < 6; batch += 1) {
    const requests = Array.from({ length: 1000 }, (_, id) => ({
      ...set(id, `k${batch}-${id}`, 1),
      options: { ttlMs: 500 },
    }));
    client.sendAll(requests as ClientRequest[]);
    swarm.advance(20);
  }
  expect((await countersOf(swarm, 0, 'store'))['sets']).toBe(6000);
  swarm.advance(1300);
  expect((await countersOf(swarm, 0, 'store'))['keys']).toBe(0);
});

it('[CL1] bye is no answer to a text request without an id', () => {
  const frames: string[] = [];
  const link = { send: (bytes: Uint8Array) => void frames.push(new TextDecoder().decode(bytes)) } as unknown as Link;
  const wire = wires.client(link, NO_LIMITS, 1000, {
    onMessage: () => {},
    onBadFrame: () => {},
    onWritable: () => {},
    onClosed: () => {},
  });
  wire.onFrame(new TextEncoder().encode('[{"type": "nonsense"}]'), true);
  wire.send({ type: 'bye', id: null, info: {} });
  wire.send(refused(null, 'BAD_REQUEST', 'no such type'));
  expect(frames.map((frame) => JSON.parse(frame) as unknown)).toMatchObject([{ type: 'bye' }, [{ type: 'refused' }]]);
});

describe('a hostile client', () => {
  it('[LM5] answers to one text frame are bounded as any backlog is', async () => {
    const backlogBytesMax = 4 * 1024 * 1024;
    await using swarm = await startSwarm({ nodes: 1, virtual: true, settings: { backlogBytesMax } });
    const client = new RawClient(swarm, 0);
    client.sendAll([set(1, 'k', 'x'.repeat(500_000))]);
    swarm.advance(50);
    client.send(JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ type: 'get', id, key: 'k' }))));
    swarm.advance(500);
    const answers = JSON.parse(client.texts[0] as string) as { readonly type: string; readonly code?: string }[];
    expect(answers).toHaveLength(200);
    for (const { type, code } of answers) if (type !== 'value') expect(code).toBe('BUSY');
    expect(answers[0]?.type).toBe('value');
    expect(client.texts[0]?.length).toBeLessThan(backlogBytesMax);
  });

  it('[LM3] a flood of tiny requests in one frame costs a bounded mailbox', async () => {
    await using swarm = await startSwarm({ nodes: 1, virtual: true });
    const client = new RawClient(swarm, 0);
    client.send(new Uint8Array(300_000).map((_, i) => [0x92, 12, 1][i % 3] as number));
    swarm.advance(100);
    const [session] = actorsOf(swarm, 0, 'session');
    expect(session?.depthMax ?? 0).toBeLessThan(20_000);
    swarm.advance(1000);
    expect(client.closed).toMatchObject({ code: 4429 });
  });
});

it('[CL2] [FR7] a node that leaves refuses what it would have to create, each request once', async () => {
  await using swarm = await startSwarm({ nodes: 3, topology: 'line', virtual: true, latencyMs: 20 });
  const client = new RawClient(swarm, 0);
  // Two for each key, so that each lookup holds several. Their homes answer when the node is leaving already.
  client.sendAll(Array.from({ length: 24 }, (_, id) => set(id, `new-${id >> 1}`, id)));
  swarm.advance(25);
  const left = swarm.leave(0);
  await left;
  const ids = client.replies.filter(({ type }) => type !== 'bye').map(({ id }) => id);
  expect(ids.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 24 }, (_, id) => id));
  const refusals = client.replies.filter((reply) => reply.type === 'refused' && reply.code === 'DRAINING');
  expect(refusals.length).toBeGreaterThan(3);
});

it('[C3] a read does not hear of absence before the write of its session that was sent to the same owner', async () => {
  await using swarm = await startSwarm({ nodes: 3, topology: 'line', virtual: true, latencyMs: 10 });
  const [a, , c] = await Promise.all([0, 1, 2].map((node) => swarm.client(node)));
  for (let i = 0; i < 60; i += 1) {
    // Its owner has nothing left, and its home does not know yet.
    await c?.set(`k${i}`, 'old', { ttlMs: 30 });
    await swarm.sleep(31);
    const set = a?.set(`k${i}`, 'new');
    await swarm.sleep(i / 4);
    expect([await a?.get(`k${i}`), await set]).toEqual(['new', expect.anything()]);
  }
});
