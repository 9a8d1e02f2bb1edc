/** What clients may ask of databases, and what becomes of what they should not. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { parseNodeId } from '../../src/store/node-id.js';
import type { NodeId } from '../../src/store/node-id.js';
import { versionOf } from '../../src/store/object-version.js';
import { encodeItems, encodeOp, encodeSnapshot, encodeVector } from '../../src/store/op.js';
import { OpChains } from '../../src/store/op-chain.js';
import { lww } from '../../src/store/types/lww.js';
import { ObjectState } from '../../src/store/types/object-state.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm, SwarmOptions } from '../../src/testing/index.js';
import type { MessageOf } from '../../src/transport/message.js';
import { packValue } from '../../src/transport/msgpack.js';
import { itemsOf, ReplicaClient, timeIn } from './replica-client.js';
import { Stranger } from './stranger.js';
import { TextClient } from './text-client.js';

let swarm: Swarm;
afterEach(() => swarm?.stop());

const start = async (over: SwarmOptions = {}): Promise<ReplicaClient> => {
  swarm = await startSwarm({ nodes: 1, topology: [], virtual: true, disk: true, ...over });
  return new ReplicaClient(swarm, 0);
};

const counters = async (node = 0): Promise<Record<string, number>> =>
  ((await swarm.node(node).inspect('counters')) as { databases: Record<string, number> }).databases;

describe('a database', () => {
  it('[DB1] is made once; who asks for another one of that name is refused', async () => {
    const client = await start({ nodes: 2, topology: [[0, 1]] });
    expect(client.create('db', { types: 'lww', compactAfterMs: 5000 })).toMatchObject({
      options: { scheme: '0262', types: ['lww'], compactAfterMs: 5000, isRelaxed: false },
    });
    expect(client.create('db', { scheme: '0262' })).toMatchObject({ database: 'db' });
    swarm.advance(100);
    const other = new ReplicaClient(swarm, 1);
    for (const [asked, options] of [
      [client, { relaxed: true }],
      [other, { scheme: '0163' }],
    ] as const) {
      const reply = asked.ask({ type: 'createDatabase', database: 'db', options });
      expect(reply).toMatchObject({ type: 'refused', code: 'CONFLICT' });
    }
    for (const [database, options] of [
      ['db/2', {}],
      ['d', { scheme: '0333' }],
      ['d', { types: 'nix' }],
      ['d', { compactAfterMs: -1 }],
      ['d', { peer: 'abcdef' }],
    ] as const) {
      expect(client.ask({ type: 'createDatabase', database, options })).toMatchObject({
        type: 'refused',
        code: 'BAD_REQUEST',
      });
    }
    expect(other.create()).toMatchObject({ options: { types: ['lww'], compactAfterMs: 5000 } });
    swarm.advance(1000);
    const { info } = client.expect('databaseInfo', { type: 'databases' });
    expect(info['databases']).toMatchObject([{ name: 'db', isHere: true, peers: [{}, {}] }]);
    expect(await counters(1)).toMatchObject({ joined: 1, databases: 1 });
  });

  it('[DB1] is made at the sibling that holds them for a node, if there is one', async () => {
    const settingsOf = (node: number): object => (node < 2 ? { databasesAt: 'node-0' } : {});
    await start({
      nodes: 3,
      topology: [
        [0, 1],
        [1, 2],
      ],
      settingsOf,
      names: ['node-0', 'node-1', 'node-2'],
    });
    const sibling = new ReplicaClient(swarm, 1);
    expect(sibling.create('db', { compactAfterMs: 5000 })).toMatchObject({ options: { compactAfterMs: 5000 } });
    expect(sibling.create('db')).toMatchObject({ database: 'db' });
    sibling.open().set('a', 1);
    swarm.advance(1000);
    const { info } = sibling.expect('databaseInfo', { type: 'databases' });
    expect(info['databases']).toMatchObject([{ name: 'db', isHere: false, peers: [{ name: 'node-0' }] }]);
    expect([(await counters(0))['created'], (await counters(1))['databases']]).toEqual([1, 0]);

    swarm.crash(0);
    swarm.advance(10_000);
    const reply = sibling.ask({ type: 'createDatabase', database: 'other', options: {} });
    expect(reply).toMatchObject({ type: 'refused', code: 'BUSY', info: { retryAfterMs: 200 } });
  });

  it('[DB1] is one, too, if two nodes make it at once, even under one peer id', async () => {
    const client = await start({ nodes: 2, topology: [[0, 1]] });
    const other = new ReplicaClient(swarm, 1);
    const ids = [client, other].map((each) =>
      each.send({ type: 'createDatabase', database: 'db', options: { peer: 'X' } }),
    );
    expect([client.take(ids[0]!).type, other.take(ids[1]!).type]).toEqual(['databaseInfo', 'databaseInfo']);
    swarm.advance(2000);
    client.open().set('a', 1);
    other.open().set('b', 2);
    swarm.advance(2000);
    const [here, there] = [client.inspect('db', true), other.inspect('db', true)];
    expect(here).toMatchObject({ length: 2, chainDigest: there['chainDigest'], stateDigest: there['stateDigest'] });
    expect(here['peer']).not.toBe(there['peer']);
    expect([here['peer'], there['peer']]).toContain('X');
    swarm.crash(1);
    await swarm.restart(1);
    await swarm.settle();
    expect(new ReplicaClient(swarm, 1).inspect()).toMatchObject({ peer: there['peer'] });
  });

  it('[DB2] is open under an id that stays taken until it is closed', async () => {
    const client = await start();
    client.create();
    const writer = client.open();
    const again = { type: 'submit', id: 0, open: writer.open, ops: encodeItems([writer.op('a', { v: 1 })]) } as const;
    expect(client.ask(again)).toMatchObject({ type: 'acked' });
    expect(client.ask({ type: 'closeDatabase', open: writer.open })).toMatchObject({ type: 'closed' });
    for (const request of [
      { type: 'submit', open: writer.open, ops: encodeItems([]) },
      { type: 'closeDatabase', open: writer.open },
      { type: 'subscribe', open: 4711, options: { all: true }, have: Uint8Array.of(0xc0) },
      { type: 'next', subscription: 4711 },
    ] as const) {
      expect(client.ask(request)).toMatchObject({ type: 'refused', code: 'FORBIDDEN', info: { name: 'wrong scope' } });
    }
    expect(client.ask({ type: 'unsubscribe', subscription: 4711 })).toMatchObject({ type: 'unsubscribed' });
    client.disconnect();
    swarm.advance(1000);
    expect(await counters()).toMatchObject({ sessions: 0 });
    expect(new ReplicaClient(swarm, 0).inspect()).toMatchObject({ opens: 0, subscriptions: 0 });
  });

  it('[R7] refuses ops by name while its disk is full, and goes on when it is not', async () => {
    const client = await start();
    client.create();
    const writer = client.open();
    writer.set('a', 1);
    swarm.opDisks(0).isFull = true;
    const waiting = client.send({ type: 'submit', open: writer.open, ops: encodeItems([writer.op('a', { v: 2 })]) });
    swarm.advance(100);
    const refused = client.ask({ type: 'submit', open: writer.open, ops: encodeItems([writer.op('a', { v: 3 })]) });
    expect(refused).toMatchObject({ type: 'refused', code: 'OVER_CAPACITY', info: { where: 'disk' } });
    expect(client.open({ readOnly: true }).read().items.length).toBe(1);
    expect(client.received).toEqual([]);
    swarm.opDisks(0).isFull = false;
    expect(client.take(waiting)).toMatchObject({ type: 'acked' });
    expect(client.inspect()).toMatchObject({ length: 2 });
  });

  it('[R7] acknowledges before the disk where it is relaxed, and keeps what was written', async () => {
    const client = await start();
    client.create('db', { relaxed: true });
    const writer = client.open();
    for (let i = 0; i < 50; i += 1) writer.set(`o${i % 7}`, i);
    swarm.advance(1000);
    swarm.crash(0);
    await swarm.restart(0);
    await swarm.settle();
    expect(new ReplicaClient(swarm, 0).inspect()).toMatchObject({ length: 50 });
  });
});

it('[R8] keeps disk and memory bounded under endless overwriting', async () => {
  const client = await start();
  client.create('db', { compactAfterMs: 20_000 });
  const writer = client.open();
  let lengthMax = 0;
  for (let round = 0; round < 60; round += 1) {
    writer.submit(...Array.from({ length: 20 }, (_, i) => writer.op(`o${i}`, { round })));
    swarm.advance(3000);
    const { length, floor } = client.inspect() as { length: number; floor: number };
    lengthMax = Math.max(lengthMax, length - floor);
  }
  expect(client.inspect()).toMatchObject({ length: 1200, origins: 1 });
  expect(lengthMax).toBeLessThan(400);
  const { compactions } = await counters();
  expect(compactions).toBeGreaterThan(2);
  expect(compactions).toBeLessThan(40);
  expect(client.open({ readOnly: true }).read().items.length).toBeLessThan(420);
});

describe('ops', () => {
  it('[OP1] that are not what they should be are refused by name, and those before them stored', async () => {
    const client = await start();
    client.create('db', { types: 'lww,counter' });
    const writer = client.open();
    const other = client.open();
    const now = timeIn(writer.info['clock']);
    const cases: readonly [name: string, ops: () => Uint8Array[]][] = [
      ['wrong origin', () => [other.op('a', { v: 1 })]],
      ['unknown type', () => [writer.op('a', 1, { type: 'set' })]],
      ['unknown type', () => [writer.op('a', 1, { type: 'nix' })]],
      ['bad payload', () => [writer.op('a', 'no map')]],
      ['no state push', () => [encodeSnapshot('lww', 'a', packValue([[], {}]))]],
      ['clock', () => [writer.op('a', { v: 1 }, { time: now + 4096 * 90_000 })]],
      ['interval', () => [writer.op('a', { v: 1 }, { time: now - 4096 * 1000 })]],
      ['gap', () => [writer.op('a', { v: 1 }, { prev: now + 5, time: now + 10 })]],
      ['bad op', () => [packValue([1, 2, 3, 4, 5])]],
    ];
    for (const [name, ops] of cases) {
      const { lastTime } = writer;
      const reply = client.ask({ type: 'submit', open: writer.open, ops: encodeItems(ops()) });
      expect(reply).toMatchObject({ type: 'refused', info: { name } });
      writer.lastTime = lastTime;
    }
    expect(client.ask({ type: 'submit', open: writer.open, ops: packValue('no array') })).toMatchObject({
      type: 'refused',
      code: 'BAD_REQUEST',
    });
    const reader = client.open({ readOnly: true });
    expect(reader.submit(writer.op('a', { v: 1 }))).toMatchObject({ type: 'refused', info: { name: 'read only' } });
    writer.lastTime = 0;
    const good = writer.op('a', { v: 1 });
    const { lastTime } = writer;
    expect(writer.submit(good, writer.op('a', 'no map'))).toMatchObject({
      type: 'refused',
      info: { name: 'bad payload' },
    });
    expect(client.inspect()).toMatchObject({ length: 1 });
    writer.lastTime = lastTime;
    // What was refused in part may come again as a whole; what was acknowledged, not.
    expect(writer.submit(good, writer.op('a', { v: 2 }))).toMatchObject({ type: 'acked' });
    expect(writer.submit(good)).toMatchObject({ type: 'refused', info: { name: 'op replay' } });
    expect(client.inspect()).toMatchObject({ length: 2 });
  });

  it('[OP2] spread when a second peer has them, which their author is told', async () => {
    const client = await start({ nodes: 2, topology: [[0, 1]] });
    client.create();
    swarm.advance(500);
    new ReplicaClient(swarm, 1).create();
    swarm.advance(2000);
    const writer = client.open();
    const acked = writer.set('a', 1) as { stored: string; spread: string | null };
    expect(timeIn(acked.stored)).toBe(writer.lastTime);
    expect(acked.spread).toBeNull();
    expect(client.take(writer.open)).toMatchObject({ type: 'acked', spread: acked.stored });
    // Without other peers in the view it is the same as stored.
    swarm.crash(1);
    swarm.advance(5000);
    const alone = writer.set('a', 2) as { stored: string; spread: string };
    expect(alone.spread).toBe(alone.stored);
    expect(client.inspect()).toMatchObject({ status: 'degraded', peers: [] });
  });
});

describe('a subscription', () => {
  it('[SB1] gets pages until it is live, and then what comes, of what it asked for', async () => {
    const client = await start();
    client.create();
    const writer = client.open();
    const payload = 'x'.repeat(1000);
    for (let i = 0; i < 40; i += 1)
      writer.submit(
        ...Array.from({ length: 10 }, (_, k) => writer.op(`${k % 2 === 0 ? 'even' : 'odd'}-${k}`, { i, payload })),
      );
    const reader = client.open({ readOnly: true });
    const all = reader.read();
    expect(all.items.length).toBe(400);
    expect(all.pages).toBeGreaterThan(5);
    const even = reader.read({ type: 'lww', prefix: 'even-' });
    expect(even.items.length).toBe(200);
    // Of one object the state where that is shorter; from a position on only what is new.
    const one = reader.read({ type: 'lww', object: 'odd-1' });
    expect(one.items.length).toBe(40);
    writer.set('odd-1', 7);
    for (const { id } of [all, one]) expect(itemsOf((client.take(id) as { items: Uint8Array }).items).length).toBe(1);
    expect(client.received.filter(({ id }) => id === even.id)).toEqual([]);
    const later = client.open({ readOnly: true }).read({ all: true, position: all.position });
    expect(later.items.length).toBe(1);
    for (const options of [
      {},
      { object: 'a' },
      { type: 'lww', object: 'a', prefix: 'b' },
      { all: true, type: 'lww' },
      { all: true, position: 'nix' },
    ]) {
      const reply = client.ask({ type: 'subscribe', open: reader.open, options, have: Uint8Array.of(0xc0) });
      expect(reply).toMatchObject({ type: 'refused', code: 'BAD_REQUEST' });
    }
    const bad = { type: 'subscribe', open: reader.open, options: { all: true }, have: packValue([['lww']]) } as const;
    expect(client.ask(bad)).toMatchObject({ type: 'refused', code: 'BAD_REQUEST' });
  });

  it('[SB2] gets states of what lies below the floor, and of one object with many ops', async () => {
    const client = await start();
    client.create();
    const writer = client.open();
    for (let i = 0; i < 100; i += 1) writer.set(`o${i % 3}`, i);
    const reader = client.open({ readOnly: true });
    const { position } = reader.read({ type: 'lww', object: 'o0' });
    writer.submit(...Array.from({ length: 100 }, (_, i) => writer.op('many', { i })));
    expect(reader.read({ type: 'lww', object: 'many' }).items).toEqual(['snapshot lww/many']);
    expect(client.expect('databaseInfo', { type: 'compactDatabase', database: 'db' }).info).toMatchObject({
      floor: 200,
    });
    writer.set('o1', 1);
    const all = reader.read();
    expect(all.items.slice(0, 4)).toEqual(['many', 'o0', 'o1', 'o2'].map((id) => `snapshot lww/${id}`));
    expect(all.items.length).toBe(5);
    // Who was there before the floor rose gets the states of what has changed since.
    const later = client.open({ readOnly: true }).read({ all: true, position });
    expect(later.items.map((item) => item.split(' ')[0])).toEqual(['snapshot', 'op']);
    expect(later.items[0]).toBe('snapshot lww/many');
    swarm.crash(0);
    await swarm.restart(0);
    await swarm.settle();
    const again = new ReplicaClient(swarm, 0);
    expect(again.inspect()).toMatchObject({ floor: 200, length: 201 });
    expect(again.open({ readOnly: true }).read().items).toEqual(all.items);
  });

  it('[SB3] of a client from another peer, which says what it holds, gets what differs as a whole', async () => {
    const client = await start();
    client.create();
    const writer = client.open();
    writer.set('same', 1);
    const same = versionOf(new Map([[writer.origin, writer.lastTime]]));
    writer.set('other', 1);
    const other = versionOf(new Map([[writer.origin, writer.lastTime]]));
    writer.set('other', 2);
    writer.set('new', 3);
    const have = packValue([
      ['lww', 'same', same.count, same.digest],
      ['lww', 'other', other.count, other.digest],
    ]);
    expect(writer.read({ type: 'lww' }, have).items.toSorted()).toEqual(['snapshot lww/new', 'snapshot lww/other']);
    client.expect('databaseInfo', { type: 'compactDatabase', database: 'db' });
    expect(client.open({ readOnly: true }).read({ type: 'lww' }, have).items).toEqual([
      'snapshot lww/new',
      'snapshot lww/other',
    ]);
  });

  it('[TX4] means the same in text, notices included', async () => {
    const client = await start();
    client.create();
    const text = new TextClient(swarm, 0);
    const opened = (await text.ask({ type: 'openDatabase', id: 1, database: 'db' })) as {
      info: Record<string, unknown>;
    };
    expect(opened).toMatchObject({ type: 'opened', id: 1 });
    const subscribed = await text.ask({ type: 'subscribe', id: 2, open: 1, options: { all: true }, have: null });
    expect(subscribed).toMatchObject({ type: 'patch', id: 2, isLive: true, items: [] });
    client.open().set('a', 1);
    swarm.advance(50);
    const [patch] = text.take() as [{ items: unknown[] }];
    expect(patch).toMatchObject({ type: 'patch', id: 2, isLive: true });
    expect((patch.items[0] as unknown[])[2]).toBe('lww');
    expect(await text.ask({ type: 'unsubscribe', id: 3, subscription: 2 })).toEqual({ type: 'unsubscribed', id: 3 });
    expect(await text.ask({ type: 'closeDatabase', id: 4, open: 1 })).toMatchObject({ type: 'closed', id: 4 });
  });
});

describe('another node', () => {
  /** A stranger that says that it is a peer, what the node has told it, and what it may answer. */
  const playPeer = async (): Promise<{
    readonly stranger: Stranger;
    readonly id: NodeId;
    readonly head: { readonly to: NodeId; readonly from: NodeId; readonly hops: number; readonly database: string };
    readonly on: { readonly channel: number; readonly info: Record<string, unknown> };
    readonly mine: Record<string, unknown>;
  }> => {
    const stranger = new Stranger('1Stranger');
    stranger.dial(swarm, 0);
    stranger.greet(swarm);
    const { id, incarnation } = (await swarm.node(0).inspect('node')) as { id: NodeId; incarnation: number };
    const info = {
      name: 'stranger',
      roles: [],
      freeBytes: 0,
      view: 1,
      databases: [['db', 'ZZ']],
      neighbours: [[id, incarnation]],
    };
    stranger.send({ type: 'links', node: stranger.id, incarnation: 1, sequence: 1, info });
    swarm.advance(500);
    const on = stranger.received.find((message) => message.type === 'peerOn') as MessageOf<'peerOn'>;
    const head = { to: id, from: stranger.id, hops: 1, database: 'db' } as const;
    const none = { length: 0, start: 0, position: null, chains: null, absorbing: null };
    return { stranger, id, head, on, mine: { ...on.info, peer: 'ZZ', log: 'ZLog', ...none } };
  };

  it('[PE1] that plays a peer and says what it should not costs nothing but its channel', async () => {
    const client = await start();
    client.create();
    const writer = client.open();
    writer.set('a', 1);
    const { stranger, id, head, on, mine } = await playPeer();
    expect(on.info).toMatchObject({ length: 1, floor: 0, trust: null });
    stranger.send({ type: 'peerOn', ...head, channel: 7, answers: on.channel, info: { ...mine, isReady: true } });
    swarm.advance(500);
    const feed = stranger.received.find((message) => message.type === 'feed') as { index: number; items: Uint8Array };
    expect([feed.index, itemsOf(feed.items).length]).toEqual([0, 1]);
    const items: Uint8Array[] = [
      packValue([[1, 2, 3]]),
      packValue(7),
      packValue([['nix']]),
      packValue([[2 ** 31]]),
      encodeItems([encodeSnapshot('lww', 'a', packValue([[], {}]))]),
    ];
    for (const [i, bytes] of items.entries()) {
      for (const index of [0, 5])
        stranger.send({ type: 'feed', ...head, channel: on.channel, log: 'ZLog', index, got: 2 ** 40, items: bytes });
      stranger.send({
        type: 'got',
        ...head,
        channel: on.channel,
        log: String(on.info['log']),
        index: 2 ** 50 + i,
        isLazy: true,
      });
      stranger.send({
        type: 'states',
        ...head,
        channel: on.channel,
        log: 'ZLog',
        floor: 9,
        after: '',
        next: 'z',
        isLast: true,
        items: bytes,
      });
      stranger.send({ type: 'statesGot', ...head, channel: on.channel, log: 'x', floor: 9, next: '' });
      stranger.send({ type: 'peerOn', ...head, channel: i, answers: on.channel, info: {} });
      stranger.send({ type: 'peerOff', ...head, channel: i, reason: 'x'.repeat(10_000) });
      stranger.send({
        type: 'tunnel',
        to: id,
        from: stranger.id,
        hops: 1,
        channel: i,
        sequence: 2,
        isNotice: true,
        message: { type: 'databases', id: 1 },
      });
      stranger.send({ type: 'tunnelBeat', to: id, from: stranger.id, hops: 1, channel: i, isBack: true, sequence: 3 });
      swarm.advance(300);
    }
    expect(writer.set('a', 2)).toMatchObject({ type: 'acked' });
    expect(client.inspect()).toMatchObject({ length: 2 });
    const { malformed, strays } = await counters();
    expect([malformed! > 0, strays! > 0]).toEqual([true, true]);
    expect(stranger.closed).toBeNull();
  });

  it('[R1] [PE4] [OP3] that brings states lets nobody write on them before all of them are there (replica seed 3920152)', async () => {
    const client = await start();
    client.create();
    const [writer, other] = [client.open(), new ReplicaClient(swarm, 0).open()];
    const followed = writer.read({ type: 'lww' });
    const { stranger, head, on, mine } = await playPeer();
    const info = { ...mine, length: 2, floor: 2, start: 2, hasStates: true, isReady: true };
    stranger.send({ type: 'peerOn', ...head, channel: 7, answers: on.channel, info });
    swarm.advance(100);
    // Of two ops of theirs the second is in a state that comes first.
    const origin = parseNodeId('ZZaaaaaa01') as NodeId;
    const chains = new OpChains();
    const states = ['a', 'b'].map((object, i) => {
      const [time, prevTime] = [i + 1, i];
      const payload = packValue({ value: 'theirs' });
      chains.append(
        origin,
        time,
        prevTime,
        encodeOp({ stamp: { time, origin }, prevTime, type: 'lww', id: object, payload }),
      );
      const state = new ObjectState(lww);
      state.apply({ time, origin }, payload);
      return encodeSnapshot('lww', object, state.encode());
    }) as [Uint8Array, Uint8Array];
    const page = { type: 'states', ...head, channel: on.channel, log: 'ZLog', floor: 2 } as const;
    stranger.send({ ...page, after: '', next: 'lww/b', isLast: false, items: encodeItems([states[1]]) });
    expect(client.take(followed.id)).toMatchObject({ type: 'patch', isLive: true });
    const submit = client.send({ type: 'submit', open: writer.open, ops: encodeItems([writer.op('c', { value: 1 })]) });
    // Who has seen nothing of it may write.
    expect(other.set('d', 1)).toMatchObject({ type: 'acked' });
    swarm.advance(1000);
    expect(client.received.filter((reply) => reply.id === submit)).toEqual([]);
    const last = [states[0], encodeVector(chains.encode())];
    stranger.send({ ...page, after: 'lww/b', next: 'lww/b', isLast: true, items: encodeItems(last) });
    expect(client.take(submit)).toMatchObject({ type: 'acked' });
    expect(client.inspect()).toMatchObject({ length: 2, origins: 3 });
  });

  it('[DB3] is told that a tunnel is none whenever it says that it is there', async () => {
    await start();
    const stranger = new Stranger('1Stranger');
    stranger.dial(swarm, 0);
    stranger.greet(swarm);
    const { id, incarnation } = (await swarm.node(0).inspect('node')) as { id: NodeId; incarnation: number };
    stranger.announce(swarm, { node: id, incarnation });
    for (const isBack of [false, true]) {
      stranger.send({ type: 'tunnelBeat', to: id, from: stranger.id, hops: 1, channel: 3, isBack, sequence: 1 });
      swarm.advance(50);
      const off = stranger.received.filter(({ type }) => type === 'tunnelOff').at(-1);
      expect(off).toMatchObject({ to: stranger.id, channel: 3, isBack: !isBack, reason: 'the other end is gone' });
      // Nobody answers that.
      stranger.send({ ...(off as MessageOf<'tunnelOff'>), to: id, from: stranger.id, isBack });
      swarm.advance(50);
    }
    expect(stranger.received.filter(({ type }) => type === 'tunnelOff').length).toBe(2);
  });
});
