/** Rules of docs/PROTOCOL.md that no other suite states: clients and links byte by byte, under virtual time. */
import { describe, expect, it } from '@jest/globals';
import { VirtualTime } from '../../src/actors/runtime/virtual-time.js';
import type { Settings } from '../../src/actors/settings.js';
import { bootNode } from '../../src/node.js';
import type { BootedNode } from '../../src/node.js';
import { parseNodeId } from '../../src/store/node-id.js';
import type { NodeId } from '../../src/store/node-id.js';
import { formatStamp, timeOfMs } from '../../src/store/stamp.js';
import { startSwarm, TEST_SETTINGS } from '../../src/testing/index.js';
import type { Swarm } from '../../src/testing/index.js';
import { decodeFrame, encodeMessage } from '../../src/transport/binary-codec.js';
import { FrameWriter } from '../../src/store/frame-writer.js';
import { createMemoryNetwork } from '../../src/transport/memory-bus.js';
import type { ClientEnd, MemoryNetwork } from '../../src/transport/memory-bus.js';
import type { ClientRequest } from '../../src/transport/message.js';
import { packValue } from '../../src/transport/msgpack.js';
import { wires } from '../../src/transport/wire.js';
import { Stranger } from './stranger.js';

type Reply = Readonly<Record<string, unknown>>;

const START_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const NO_LIMITS = { keyBytesMax: Infinity, valueBytesMax: Infinity };

/** Nodes of which each dials the one before it, and clients that are no more than a socket. */
class World {
  readonly time = new VirtualTime({ seed: 1 });
  readonly network: MemoryNetwork;
  readonly nodes: BootedNode[] = [];
  /** How each node ended, by number. */
  readonly ends = new Map<number, number>();

  constructor(count: number, settings: Partial<Settings> = {}, latencyMs = 1) {
    this.network = createMemoryNetwork({
      defer: (delayMs, run) => this.time.at(this.time.nowMs + delayMs, run),
      latencyMs,
    });
    for (let i = 0; i < count; i += 1) this.start(i, i === 0 ? [] : [i - 1], settings);
    this.time.advance(1000);
  }

  start(number: number, dialled: readonly number[], settings: Partial<Settings>): void {
    const name = `n${number}`;
    this.nodes[number] = bootNode({
      env: { ...this.time.env(() => {}), bus: this.network.bus(name), wires, disk: null, opDisks: null },
      settings: {
        ...TEST_SETTINGS,
        ...settings,
        listen: [{ host: '127.0.0.1', port: 7101 + number }],
        links: dialled.map((other) => `ws://127.0.0.1:${7101 + other}`),
        name,
      },
      clientScript: null,
      onListening: () => {},
      onRunning: () => {},
      onEnd: ({ exitCode }) => void this.ends.set(number, exitCode),
    });
  }

  client(number = 0): RawClient {
    const client = new RawClient(this, `ws://127.0.0.1:${7101 + number}`);
    this.time.advance(200);
    return client;
  }
}

class RawClient {
  /** Frames as they came: text as text, binary as the messages in it. */
  readonly frames: (string | Reply[])[] = [];
  closed: { code: number; reason: string } | null = null;
  readonly #world: World;
  readonly #end: ClientEnd;

  constructor(world: World, url: string) {
    this.#world = world;
    this.#end = world.network.connectClient(url, {
      onOpen: () => {},
      onFrame: (data) => void this.frames.push(typeof data === 'string' ? data : decoded(data)),
      onClosed: (code, reason) => void (this.closed = { code, reason }),
    });
  }

  send(data: Uint8Array | string): void {
    this.#end.send(data);
  }

  /** One binary frame. */
  sendAll(...requests: ClientRequest[]): void {
    const writer = new FrameWriter();
    for (const request of requests) encodeMessage(request, writer);
    this.send(writer.bytes.slice());
  }

  /** All replies that came so far, in order. */
  get replies(): Reply[] {
    return this.frames.flatMap((frame) =>
      typeof frame === 'string' ? [JSON.parse(frame) as Reply | Reply[]].flat() : frame,
    );
  }

  /** Asks in text; what came in answer is one frame. */
  ask(request: unknown): unknown {
    const before = this.frames.length;
    this.send(JSON.stringify(request));
    this.#world.time.advance(200);
    expect(this.frames.length).toBe(before + 1);
    return JSON.parse(this.frames.at(-1) as string);
  }
}

const decoded = (bytes: Uint8Array): Reply[] => {
  const messages: Reply[] = [];
  const reason = decodeFrame(bytes, NO_LIMITS, 'client replies', null, (message) => messages.push(message as Reply));
  expect(reason).toBeNull();
  return messages;
};

const get = (id: number, key: string): ClientRequest => ({ type: 'get', id, key, options: {} });
const set = (id: number, key: string, value: unknown): ClientRequest => ({
  type: 'set',
  id,
  key,
  options: {},
  value: packValue(value),
});

describe('hello', () => {
  it('[HS2] is optional without a token, may come late, and tells the limits', () => {
    const client = new World(1).client();
    expect(client.ask({ type: 'get', id: 1, key: 'k' })).toEqual({ type: 'missing', id: 1 });
    expect(client.ask({ type: 'hello', id: 2, options: { protocol: 1, client: 'test' } })).toMatchObject({
      type: 'welcome',
      id: 2,
      info: {
        name: 'n0',
        swarm: 'test',
        protocol: 1,
        limits: { frameBytesMax: 1_048_576, keyBytesMax: 4096, valueBytesMax: 524_288, inFlightMax: 1024 },
      },
    });
  });

  it('[HS3] comes first where there is a token', () => {
    const client = new World(1, { token: 'right' }).client();
    expect(client.ask({ type: 'get', id: 1, key: 'k' })).toMatchObject({ id: 1, code: 'UNAUTHENTICATED' });
    expect(client.ask({ type: 'ping', id: 2 })).toMatchObject({ id: 2, code: 'UNAUTHENTICATED' });
    expect(client.closed).toBeNull();
    expect(client.ask({ type: 'hello', id: 3, options: { token: 'right' } })).toMatchObject({ type: 'welcome' });
    expect(client.ask({ type: 'get', id: 4, key: 'k' })).toEqual({ type: 'missing', id: 4 });
  });

  it.each([{ token: 'wrong' }, {}])('[HS4] with %j ends the connection with 4401', (options) => {
    const client = new World(1, { token: 'right' }).client();
    expect(client.ask({ type: 'hello', id: 1, options })).toMatchObject({ id: 1, code: 'UNAUTHENTICATED' });
    expect(client.closed).toMatchObject({ code: 4401 });
  });

  it('[HS5] must come in time where there is a token, and only there', () => {
    const strict = new World(1, { token: 'right' });
    const late = strict.client();
    strict.time.advance(TEST_SETTINGS.helloTimeoutMs);
    expect(late.closed).toMatchObject({ code: 4408 });
    const open = new World(1);
    const silent = open.client();
    open.time.advance(HOUR_MS);
    expect(silent.closed).toBeNull();
  });

  it('[HS6] with an unknown protocol is refused, and the session stays', () => {
    const client = new World(1).client();
    const reply = client.ask({ type: 'hello', id: 1, options: { protocol: 2 } });
    expect(reply).toMatchObject({ id: 1, code: 'UNSUPPORTED', info: { name: 'protocol' } });
    expect(client.ask({ type: 'ping', id: 2 })).toEqual({ type: 'pong', id: 2 });
  });

  it('[HS7] [T3] with a clock makes later stamps higher; one that is none, or days ahead, is refused', () => {
    const client = new World(1).client();
    const stampIn = (ms: number): string =>
      formatStamp({ time: timeOfMs(START_MS + ms), origin: parseNodeId('Xelsewhere') as NodeId });
    const clock = stampIn(HOUR_MS);
    expect(client.ask({ type: 'hello', id: 1, options: { clock } })).toMatchObject({ type: 'welcome' });
    const stored = client.ask({ type: 'set', id: 2, key: 'k', options: { meta: true }, value: 1 });
    const { stamp } = (stored as { meta: { stamp: string } }).meta;
    expect(stamp > clock).toBe(true);
    expect(client.ask({ type: 'hello', id: 3, options: { clock: '?' } })).toMatchObject({ code: 'BAD_REQUEST' });
    expect(client.ask({ type: 'hello', id: 4, options: { clock: stampIn(48 * HOUR_MS) } })).toMatchObject({
      code: 'CLOCK',
    });
  });
});

describe('requests', () => {
  it('[FR7] are answered once each, in whatever order', () => {
    const world = new World(2);
    const client = world.client();
    client.sendAll(get(1, 'elsewhere'), { type: 'ping', id: 2 }, get(3, 'elsewhere'));
    world.time.advance(1000);
    expect(client.replies.map(({ id }) => id)).toEqual([2, 1, 3]);
  });

  it('[C3] of one session on one key take effect in the order sent, for a new key and for one far away', () => {
    const world = new World(3);
    const far = world.client(2);
    far.ask({ type: 'set', id: 1, key: 'far', value: 0 });
    for (const key of ['new', 'far']) {
      const client = world.client(0);
      client.sendAll(
        set(1, key, 'a'),
        get(2, key),
        set(3, key, 'b'),
        get(4, key),
        { type: 'delete', id: 5, key, options: {} },
        get(6, key),
        set(7, key, 'c'),
        get(8, key),
      );
      world.time.advance(2000);
      const byId = new Map(client.replies.map((reply) => [reply['id'], reply]));
      const valueOf = (id: number): unknown => byId.get(id)?.['value'];
      expect([2, 4, 8].map(valueOf)).toEqual(['a', 'b', 'c'].map(packValue));
      expect(byId.get(5)).toMatchObject({ type: 'deleted', existed: true });
      expect(byId.get(6)).toMatchObject({ type: 'missing' });
    }
  });

  it('[ST2] set without ttlMs clears an expiry; a ttlMs of 0 or less is refused', () => {
    const world = new World(1);
    const client = world.client();
    const meta = { meta: true };
    client.ask({ type: 'set', id: 1, key: 'k', options: { ttlMs: 1000 }, value: 1 });
    const { ttlMs } = (client.ask({ type: 'get', id: 2, key: 'k', options: meta }) as { meta: { ttlMs: number } }).meta;
    expect(ttlMs).toBeGreaterThan(500);
    expect(ttlMs).toBeLessThanOrEqual(1000);
    client.ask({ type: 'set', id: 3, key: 'k', value: 2 });
    world.time.advance(2000);
    expect(client.ask({ type: 'get', id: 4, key: 'k' })).toMatchObject({ value: 2 });
    for (const wrong of [0, -1]) {
      const request = { type: 'set', id: 5, key: 'k', options: { ttlMs: wrong }, value: 3 };
      expect(client.ask(request)).toMatchObject({ code: 'BAD_REQUEST' });
    }
  });

  it('[ST3] stamps of a key rise, whichever node is asked', () => {
    const world = new World(2);
    const clients = [world.client(0), world.client(1)];
    const stamps: string[] = [];
    for (let i = 0; i < 10; i += 1) {
      const request = { type: 'set', id: i, key: 'k', options: { meta: true }, value: i };
      const client = clients[i % 2] as RawClient;
      const { meta } = client.ask(request) as { meta: { stamp: string } };
      stamps.push(meta.stamp);
    }
    expect(stamps).toEqual([...new Set(stamps)].toSorted());
    const read = { type: 'get', id: 99, key: 'k', options: { meta: true } };
    expect(clients[1]?.ask(read)).toMatchObject({ meta: { stamp: stamps.at(-1), ttlMs: null } });
  });

  it('[ST4] an entry larger than the store is refused, and nothing changes', () => {
    const client = new World(1, { storeBytesMax: 100 }).client();
    client.ask({ type: 'set', id: 1, key: 'k', value: 'small' });
    const request = { type: 'set', id: 2, key: 'k', value: 'x'.repeat(200) };
    expect(client.ask(request)).toMatchObject({ code: 'OVER_CAPACITY' });
    expect(client.ask({ type: 'get', id: 3, key: 'k' })).toMatchObject({ value: 'small' });
  });

  it('[DL1] deleted tells whether there was a value', () => {
    const world = new World(2);
    const [here, there] = [world.client(0), world.client(1)];
    here.ask({ type: 'set', id: 1, key: 'k', value: null });
    expect(there.ask({ type: 'delete', id: 2, key: 'k' })).toEqual({ type: 'deleted', id: 2, existed: true });
    expect(there.ask({ type: 'delete', id: 3, key: 'k' })).toEqual({ type: 'deleted', id: 3, existed: false });
  });

  it('[IN1] inspect knows four reports', () => {
    const client = new World(1).client();
    for (const what of ['node', 'topology', 'counters', 'actors']) {
      expect(client.ask({ type: 'inspect', id: 1, what })).toMatchObject({ type: 'report', id: 1 });
    }
    expect(client.ask({ type: 'inspect', id: 1, what: 'secrets' })).toMatchObject({ code: 'BAD_REQUEST' });
  });
});

describe('text', () => {
  it('[TX1] an object is answered by an object, an array by an array', () => {
    const client = new World(1).client();
    expect(client.ask({ type: 'ping', id: 1 })).toEqual({ type: 'pong', id: 1 });
    expect(client.ask([])).toEqual([]);
    const replies = client.ask([
      { type: 'get', id: 2, key: 'k' },
      { type: 'nonsense', id: 3 },
      { type: 'ping', id: 4 },
    ]) as Reply[];
    expect(replies.toSorted((a, b) => Number(a['id']) - Number(b['id']))).toMatchObject([
      { type: 'missing', id: 2 },
      { type: 'refused', id: 3, code: 'UNSUPPORTED' },
      { type: 'pong', id: 4 },
    ]);
  });

  it.each(['nonsense', '7', '"text"', '{"type":'])('[TX3] %j is refused with id nil and closed with 4400', (text) => {
    const world = new World(1);
    const client = world.client();
    client.send(text);
    world.time.advance(200);
    expect(client.replies).toMatchObject([{ type: 'refused', id: null, code: 'BAD_REQUEST' }]);
    expect(client.closed).toMatchObject({ code: 4400 });
  });
});

describe('closing', () => {
  it('[CL1] a leaving node says bye', () => {
    const world = new World(1);
    const client = world.client();
    world.nodes[0]?.stop(() => {});
    world.time.advance(1000);
    expect(client.replies).toMatchObject([{ type: 'bye', id: null, info: { retryAfterMs: 1000 } }]);
    expect(client.closed).toMatchObject({ code: 1001 });
    expect(world.ends.get(0)).toBe(0);
  });

  it('[CL2] what is open is answered, ping too, and what is new is refused', () => {
    const world = new World(2, {}, 50);
    world.client(1).ask({ type: 'set', id: 1, key: 'k', value: 1 });
    world.time.advance(1000);
    const client = world.client(0);
    client.sendAll(get(1, 'k'));
    world.time.advance(60);
    world.nodes[0]?.stop(() => {});
    client.sendAll(get(2, 'k'), { type: 'ping', id: 3 });
    world.time.advance(1000);
    expect(client.replies).toMatchObject([
      { type: 'bye' },
      { type: 'refused', id: 2, code: 'DRAINING' },
      { type: 'pong', id: 3 },
      { type: 'value', id: 1, value: packValue(1) },
    ]);
    expect(client.closed).toMatchObject({ code: 1001 });
  });

  it('[CL3] a frame that can not be decoded ends its session only', () => {
    const world = new World(1);
    const [bad, good] = [world.client(), world.client()];
    bad.send(Uint8Array.of(0xc1));
    world.time.advance(200);
    expect(bad.replies).toMatchObject([{ type: 'refused', id: null, code: 'BAD_REQUEST' }]);
    expect(bad.closed).toMatchObject({ code: 4400 });
    expect(good.ask({ type: 'ping', id: 1 })).toEqual({ type: 'pong', id: 1 });
  });

  it('[H4] a leaving node relays until it stops', () => {
    const world = new World(3, { heartbeatTimeoutMs: 60_000 });
    world.start(3, [1], { heartbeatTimeoutMs: 60_000 });
    world.time.advance(1000);
    world.client(2).ask({ type: 'set', id: 1, key: 'k', value: 1 });
    // A request of its own client that nobody answers keeps the node in the middle from being done at once.
    world.network.blackhole('n3', 'n1');
    world.client(1).sendAll(get(1, 'absent'));
    world.time.advance(50);
    world.nodes[1]?.stop(() => {});
    world.time.advance(50);
    expect(world.client(0).ask({ type: 'get', id: 1, key: 'k' })).toMatchObject({ value: 1 });
    expect(world.ends.has(1)).toBe(false);
    world.time.advance(TEST_SETTINGS.drainMs);
    expect(world.ends.get(1)).toBe(0);
  });
});

describe('limits', () => {
  it('[LM3] more than inFlightMax open requests are BUSY', () => {
    const world = new World(2, { inFlightMax: 2 });
    const client = world.client();
    client.sendAll(get(1, 'a'), get(2, 'b'), get(3, 'c'));
    world.time.advance(1000);
    const codes = new Map(client.replies.map(({ id, type, code }) => [id, code ?? type]));
    expect([1, 2, 3].map((id) => codes.get(id))).toEqual(['missing', 'missing', 'BUSY']);
  });

  it('[LM2] a node with narrower limits than the one that was asked loses no link by that', () => {
    const world = new World(1);
    world.start(1, [0], { valueBytesMax: 100, keyBytesMax: 10 });
    world.time.advance(1000);
    const [wide, narrow] = [world.client(0), world.client(1)];
    const key = 'a longer key';
    wide.sendAll(set(1, key, 'x'.repeat(1000)));
    narrow.sendAll(set(1, 'k', 1));
    world.time.advance(500);
    wide.sendAll(set(2, 'k', 'x'.repeat(1000)), get(3, key));
    world.time.advance(5000);
    const types = new Map(wide.replies.map(({ id, type }) => [id, type]));
    expect([1, 2, 3].map((id) => types.get(id))).toEqual(['stored', 'stored', 'value']);
    expect(narrow.ask({ type: 'inspect', id: 2, what: 'counters' })).toMatchObject({ info: { links: { lost: 0 } } });
  });

  it('[LM7] what can not be answered in time is TIMEOUT at the deadline', () => {
    const world = new World(2, { heartbeatTimeoutMs: 60_000 });
    const client = world.client();
    world.network.blackhole('n1', 'n0');
    // Some keys have their home here, and are answered at once; the others would have to be asked for.
    client.sendAll(...Array.from({ length: 16 }, (_, id) => get(id, `k${id}`)));
    world.time.advance(TEST_SETTINGS.requestTimeoutMs - 100);
    const answered = client.replies.length;
    expect(client.replies.every(({ type }) => type === 'missing')).toBe(true);
    expect(answered).toBeLessThan(16);
    world.time.advance(300);
    expect(client.replies).toHaveLength(16);
    expect(client.replies.slice(answered).every((reply) => 'code' in reply && reply.code === 'TIMEOUT')).toBe(true);
  });
});

describe('nodes', () => {
  const counter = async (swarm: Swarm, node: number, actor: string, name: string): Promise<number> =>
    ((await swarm.node(node).inspect('counters'))[actor] as Record<string, number>)[name] as number;

  it('[RT6] [O6] a learned owner that has lost the key makes no missing', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'line', virtual: true });
    const [a, b, c] = [await swarm.client(0), await swarm.client(1), await swarm.client(2)];
    await c.set('k', 1, { ttlMs: 500 });
    expect(await a.get('k')).toBe(1);
    await swarm.sleep(600);
    await b.set('k', 2);
    expect(await a.get('k')).toBe(2);
    expect(await counter(swarm, 0, 'finder', 'notMine')).toBe(1);
  });

  it('[GT3] a read whose way is cut is asked again by another', async () => {
    const topology = [
      [0, 1],
      [1, 2],
      [0, 3],
      [3, 4],
      [4, 2],
    ] as const;
    await using swarm = await startSwarm({ nodes: 5, topology, virtual: true, latencyMs: 20 });
    const [a, c] = [await swarm.client(0), await swarm.client(2)];
    await c.set('k', 1);
    expect(await a.get('k')).toBe(1);
    const read = a.get('k');
    // On its way from 1 to 2.
    swarm.advance(50);
    swarm.cut(1, 2);
    expect(await read).toBe(1);
    expect(await counter(swarm, 0, 'finder', 'resent')).toBeGreaterThan(0);
  });

  it('[C6] each side of a split serves what it stores', async () => {
    await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true });
    const [a, b] = [await swarm.client(0), await swarm.client(1)];
    await a.set('left', 1);
    await b.set('right', 2);
    swarm.cut(0, 1);
    await swarm.settle();
    expect(await a.get('left')).toBe(1);
    expect(await b.get('right')).toBe(2);
    swarm.heal();
    await swarm.settle();
    expect(await b.get('left')).toBe(1);
    expect(await a.get('right')).toBe(2);
  });

  it('[LK1] a link that was lost is dialled again, also when its node starts anew', async () => {
    await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true });
    swarm.crash(0);
    swarm.advance(60_000);
    await swarm.restart(0);
    await swarm.settle();
    await (await swarm.client(0)).set('k', 1);
    expect(await (await swarm.client(1)).get('k')).toBe(1);
  });

  it('[LK2] a link that is one too many is dialled again every ten seconds', async () => {
    const twice = [
      [0, 1],
      [0, 1],
    ] as const;
    await using swarm = await startSwarm({ nodes: 2, topology: twice, virtual: true });
    const before = await counter(swarm, 0, 'links', 'dials');
    swarm.advance(60_000);
    const dials = (await counter(swarm, 0, 'links', 'dials')) - before;
    expect(dials).toBeGreaterThanOrEqual(4);
    expect(dials).toBeLessThanOrEqual(7);
  });

  it('[LK4] an unknown message of a neighbour is ignored', async () => {
    await using swarm = await startSwarm({ nodes: 1, virtual: true });
    const stranger = new Stranger('Xstranger2');
    stranger.dial(swarm, 0);
    stranger.greet(swarm);
    // The array [150].
    stranger.sendBytes(Uint8Array.of(0x91, 0xcc, 150));
    swarm.advance(50);
    expect(stranger.closed).toBeNull();
  });
});

describe('watches', () => {
  const big = packValue('x'.repeat(100_000));
  const setAll = (world: World, writer: RawClient, count: number): void => {
    for (let id = 0; id < count; id += 1) {
      writer.sendAll({ type: 'set', id, key: `k${id}`, options: {}, value: big });
      world.time.advance(20);
    }
  };

  it('[WT6] who does not take the changes in time gets a gap for them, and is closed after ten seconds', () => {
    const world = new World(1, { backlogBytesMax: 64 * 1024 * 1024 });
    const watcher = world.client();
    const writer = world.client();
    watcher.sendAll({ type: 'watch', id: 1, options: { prefix: '', values: true } });
    world.time.advance(600);
    expect(watcher.replies).toEqual([{ type: 'watching', id: 1 }]);
    world.network.clog('client-1', 'n0', 3000);
    setAll(world, writer, 40);
    world.time.advance(4000);
    const kinds = watcher.replies.slice(1).map(({ kind }) => kind);
    expect(kinds.length).toBeGreaterThan(9);
    expect(kinds.length).toBeLessThan(20);
    expect(kinds.indexOf('gap')).toBe(kinds.length - 1);
    writer.sendAll({ type: 'delete', id: 99, key: 'k0', options: {} });
    world.time.advance(100);
    expect(watcher.replies.at(-1)).toMatchObject({ type: 'change', id: 1, kind: 'delete', key: 'k0' });

    world.network.clog('client-1', 'n0', 12_000);
    setAll(world, writer, 40);
    world.time.advance(13_000);
    expect(watcher.closed).toMatchObject({ code: 1013 });
    expect(writer.closed).toBeNull();
  });
});

describe('links without room', () => {
  const big = packValue('x'.repeat(100_000));
  const BACKLOG_BYTES = 2_000_000;
  const COUNT = 40;
  const setting = (id: number): ClientRequest => ({ type: 'set', id, key: 'k', options: {}, value: big });
  const ids = Array.from({ length: COUNT }, (_, i) => i + 1);
  const codesOf = (replies: readonly Reply[]): unknown[] =>
    replies.map((reply) => (reply['type'] === 'refused' ? reply['code'] : reply['type']));
  const count = (all: readonly unknown[], one: string): number => all.filter((each) => each === one).length;

  /** A line whose last node has the key, and a client at the first. */
  const start = (nodes: number): { world: World; client: RawClient; linksOf(number: number): Reply } => {
    const world = new World(nodes, { backlogBytesMax: BACKLOG_BYTES, requestTimeoutMs: 2000 });
    const writer = world.client(nodes - 1);
    writer.sendAll(setting(1));
    world.time.advance(100);
    const client = world.client();
    client.sendAll(get(0, 'k'));
    world.time.advance(100);
    expect(client.replies).toMatchObject([{ type: 'value' }]);
    client.frames.length = 0;
    const linksOf = (number: number): Reply => {
      const asker = world.client(number);
      const { info } = asker.ask({ type: 'inspect', id: 1, what: 'counters' }) as { info: { links: Reply } };
      return info.links;
    };
    return { world, client, linksOf };
  };

  it('[LM9] refuse early what they would have to keep, and stay', () => {
    const { world, client, linksOf } = start(2);
    world.network.clog('n0', 'n1', 1000);
    for (const id of ids) client.sendAll(setting(id));
    world.time.advance(50);
    // Half of the backlog and what the network itself takes are kept.
    const early = codesOf(client.replies);
    expect(new Set(early)).toEqual(new Set(['BUSY']));
    expect(early.length).toBeGreaterThan(COUNT / 2 - 5);
    expect(early.length).toBeLessThan(COUNT);
    expect(client.replies[0]).toMatchObject({ info: { retryAfterMs: 100 } });
    world.time.advance(1500);
    const all = codesOf(client.replies);
    expect(all.length).toBe(COUNT);
    expect(count(all, 'stored')).toBe(COUNT - early.length);
    expect(linksOf(0)).toMatchObject({ lost: 0, congested: early.length });
    client.sendAll(setting(99));
    world.time.advance(50);
    expect(client.replies.at(-1)).toMatchObject({ type: 'stored', id: 99 });
  });

  it('[LM9] refuse values for others likewise', () => {
    const { world, client, linksOf } = start(2);
    client.sendAll(...ids.map((id) => get(id, 'k')));
    // The questions have passed, the answers have not.
    world.time.advance(2);
    world.network.clog('n0', 'n1', 1000);
    world.time.advance(1500);
    expect(client.replies.length).toBe(COUNT);
    const busy = client.replies.filter(({ message }) => String(message).startsWith('the way from the node'));
    expect(busy.length).toBeGreaterThan(COUNT / 4);
    expect(busy.length).toBeLessThan(COUNT);
    expect(linksOf(1)).toMatchObject({ lost: 0, congested: busy.length });
  });

  it('[LM9] drop what only passes through, which ends at its deadline', () => {
    const { world, client, linksOf } = start(3);
    world.network.clog('n1', 'n2', 1000);
    for (const id of ids) {
      client.sendAll(setting(id));
      // As fast as the first link takes them.
      world.time.advance(5);
    }
    world.time.advance(3000);
    const all = codesOf(client.replies);
    expect(all.length).toBe(COUNT);
    expect(count(all, 'TIMEOUT')).toBeGreaterThan(COUNT / 4);
    expect(count(all, 'stored')).toBe(COUNT - count(all, 'TIMEOUT'));
    expect(linksOf(0)).toMatchObject({ lost: 0, congested: 0 });
    expect(linksOf(1)).toMatchObject({ lost: 0, congested: count(all, 'TIMEOUT') });
  });
});
