/** Replicas in whole swarms, asked by clients that are no more than sockets. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { encodeItems } from '../../src/store/op.js';
import { msOfTime, timeOfMs } from '../../src/store/stamp.js';
import type { Stamp } from '../../src/store/stamp.js';
import { text } from '../../src/store/types/text.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm, SwarmOptions } from '../../src/testing/index.js';
import { unpackValue } from '../../src/transport/msgpack.js';
import { itemsOf, ReplicaClient, textOf, timeIn } from './replica-client.js';
import type { Writer } from './replica-client.js';

let swarm: Swarm;
afterEach(() => swarm?.stop());

const start = async (over: SwarmOptions = {}): Promise<void> => {
  swarm = await startSwarm({ nodes: 3, topology: 'ring', virtual: true, disk: true, ...over });
};

const clientOf = (node: number): ReplicaClient => new ReplicaClient(swarm, node);

/** Makes each of the nodes a peer. */
const peers = (...nodes: number[]): ReplicaClient[] => {
  const clients = nodes.map(clientOf);
  for (const client of clients) {
    client.create();
    swarm.advance(1000);
  }
  return clients;
};

const digestsOf = (client: ReplicaClient): unknown[] => {
  const { chainDigest, stateDigest, length } = client.inspect('db', true);
  return [chainDigest, stateDigest, length];
};

const openAll = (clients: readonly ReplicaClient[]): Writer[] => clients.map((client) => client.open());

/** Each writer submits one op a round, without waiting for the answer. */
const write = (writers: readonly Writer[], rounds: number, pauseMs = 20): void => {
  for (let round = 0; round < rounds; round += 1) {
    for (const [i, writer] of writers.entries()) {
      writer.client.send({ type: 'submit', open: writer.open, ops: encode(writer, i, round) });
    }
    swarm.advance(pauseMs);
  }
};

const counters = async (node: number): Promise<Record<string, number>> =>
  ((await swarm.node(node).inspect('counters')) as { databases: Record<string, number> }).databases;

const settleAll = async (): Promise<void> => {
  await swarm.settle();
  swarm.advance(3000);
};

const encode = (writer: ReturnType<ReplicaClient['open']>, i: number, round: number): Uint8Array => {
  const op = writer.op(`o${round % 5}`, { [`f${i}`]: round });
  return Uint8Array.of(0x91, ...op);
};

/** Of an edit's payload. */
const textOp = (writer: Writer, id: string, payload: Uint8Array, seen?: Stamp[]): Uint8Array =>
  writer.op(id, unpackValue(payload), { type: 'text', ...(seen === undefined ? {} : { seen }) });

describe('one peer', () => {
  it('[R3] acknowledges ops, and gives them to those who subscribe', async () => {
    await start({ nodes: 1, topology: [] });
    const [client] = peers(0) as [ReplicaClient];
    const writer = client.open();
    expect(writer.info).toMatchObject({ scheme: '0262', storedTime: null, spreadTime: null });
    const acked = writer.set('a', 1);
    expect(acked).toMatchObject({ type: 'acked' });
    expect((acked as { stored: string }).stored).toBe((acked as { spread: string }).spread);
    writer.set('b', 2);
    const reader = clientOf(0).open({ readOnly: true });
    expect(reader.info['replica']).toBeNull();
    const { id, items } = reader.read();
    expect(items.length).toBe(2);
    writer.set('a', 3);
    const patch = reader.client.take(id) as { type: 'patch'; items: Uint8Array };
    expect(patch.type).toBe('patch');
    expect(itemsOf(patch.items)[0]).toContain('lww/a');
  });
});

describe('three peers in a ring', () => {
  it.each([false, true])(
    '[R1] have the same after concurrent writes (each hop encoded: %s)',
    async (encodeEveryHop) => {
      await start({ encodeEveryHop });
      const clients = peers(0, 1, 2);
      const writers = clients.map((client) => client.open());
      for (let round = 0; round < 20; round += 1) {
        for (const [i, writer] of writers.entries())
          writer.client.send({ type: 'submit', open: writer.open, ops: encode(writer, i, round) });
        swarm.advance(20);
      }
      swarm.advance(3000);
      const digests = clients.map(digestsOf);
      expect(digests[0]?.[2]).toBe(60);
      expect(digests[1]).toEqual(digests[0]);
      expect(digests[2]).toEqual(digests[0]);
    },
  );
});

describe('what a peer has on disk', () => {
  it('[R2] is there after a crash, and the rest comes from the others', async () => {
    await start();
    const clients = peers(0, 1, 2);
    const writers = openAll(clients);
    write(writers, 10);
    swarm.advance(2000);
    swarm.crash(2);
    write(writers.slice(0, 2), 10);
    await swarm.restart(2);
    await settleAll();
    const again = clientOf(2);
    const digests = digestsOf(again);
    expect(digests[2]).toBe(50);
    expect(digests).toEqual(digestsOf(clients[0] as ReplicaClient));
    const { fed, seen } = await counters(2);
    expect(fed).toBe(20);
    expect(seen).toBeLessThan(5);
  });

  it('[R2] is completed where the disk was set back to an earlier copy', async () => {
    await start();
    const clients = peers(0, 1, 2);
    const writers = openAll(clients);
    write(writers, 10);
    swarm.advance(2000);
    const copy = swarm.opDisks(1).copy();
    write(writers, 10);
    swarm.advance(2000);
    swarm.crash(1);
    swarm.opDisks(1).restore(copy);
    await swarm.restart(1);
    await settleAll();
    const again = clientOf(1);
    expect(digestsOf(again)).toEqual(digestsOf(clients[0] as ReplicaClient));
    // A position of what the disk has forgotten leads back to what both have.
    const writer = again.open();
    write([writer, writers[0] as Writer], 10);
    swarm.advance(3000);
    expect(digestsOf(again)).toEqual(digestsOf(clients[0] as ReplicaClient));
    expect(digestsOf(clientOf(2))).toEqual(digestsOf(again));
  });

  it('[R2] moves no more than what is missing when one node after the other restarts', async () => {
    await start();
    const clients = peers(0, 1, 2);
    write(openAll(clients), 30);
    swarm.advance(3000);
    for (const node of [0, 1, 2]) {
      await swarm.leave(node);
      await swarm.restart(node);
      await settleAll();
    }
    let moved = 0;
    for (const node of [0, 1, 2]) {
      const { opsSent, fed, seen } = await counters(node);
      moved += (opsSent ?? 0) + (fed ?? 0) + (seen ?? 0);
    }
    expect(moved).toBe(0);
    const again = [0, 1, 2].map(clientOf);
    expect(new Set(again.map((client) => JSON.stringify(digestsOf(client)))).size).toBe(1);
    expect(digestsOf(again[0] as ReplicaClient)[2]).toBe(90);
  });
});

describe('between peers', () => {
  it('[R1] ops reach all of them without any client, over nodes that hold nothing', async () => {
    await start({ nodes: 5, topology: 'line' });
    const clients = peers(0, 4);
    const [writer] = openAll(clients) as [Writer, Writer];
    write([writer], 10);
    writer.client.disconnect();
    clients[1]?.disconnect();
    swarm.advance(3000);
    expect(digestsOf(clientOf(4))).toEqual(digestsOf(clientOf(0)));
    expect(digestsOf(clientOf(4))[2]).toBe(10);
    // Through a node that holds nothing: the nearest peer is asked.
    expect(clientOf(1).inspect()).toMatchObject({ node: swarm.node(0).id });
    expect(clientOf(3).inspect()).toMatchObject({ node: swarm.node(4).id });
  });

  it('[PE2] what is lost on the way is sent again', async () => {
    await start({ nodes: 2, topology: [[0, 1]] });
    const clients = peers(0, 1);
    const writers = openAll(clients);
    write(writers, 5);
    swarm.blackhole(0, 1);
    write(writers, 5);
    swarm.advance(200);
    swarm.heal(0, 1);
    swarm.advance(8000);
    expect(digestsOf(clientOf(1))).toEqual(digestsOf(clientOf(0)));
    expect(digestsOf(clientOf(1))[2]).toBe(20);
  });

  it('[PE3] goes on over other ways when links break, and over lazy ones when the tree changes', async () => {
    await start({
      nodes: 4,
      topology: [
        [0, 1],
        [1, 2],
        [2, 3],
        [3, 0],
        [0, 2],
      ],
    });
    const clients = peers(0, 1, 2, 3);
    const writers = openAll(clients);
    for (const [a, b] of [
      [0, 1],
      [2, 3],
      [0, 2],
    ] as const) {
      write(writers, 5);
      swarm.cut(a, b);
      write(writers, 10);
      swarm.heal(a, b);
      await swarm.settle();
    }
    swarm.advance(10_000);
    const digests = clients.map((client) => JSON.stringify(digestsOf(client)));
    expect(new Set(digests).size).toBe(1);
    expect(digestsOf(clients[0] as ReplicaClient)[2]).toBe(180);
    const statuses = clients.map((client) => client.inspect()['status']);
    expect(statuses).toEqual(['live', 'live', 'live', 'live']);
  });

  it('[PE4] a new peer gets states of what lies below the floor, and the log from there', async () => {
    await start();
    const [client] = peers(0) as [ReplicaClient];
    const writer = client.open();
    write([writer], 40);
    swarm.advance(1000);
    expect(client.expect('databaseInfo', { type: 'compactDatabase', database: 'db' }).info).toMatchObject({
      floor: 40,
    });
    write([writer], 10);
    swarm.advance(1000);
    const [second] = peers(1) as [ReplicaClient];
    swarm.advance(5000);
    expect(second.inspect()).toMatchObject({ isJoining: false, status: 'live' });
    const [chains, states] = digestsOf(client);
    expect(digestsOf(second).slice(0, 2)).toEqual([chains, states]);
    const { statesTaken, fed } = await counters(1);
    expect([statesTaken, fed]).toEqual([5, 10]);
    // What it writes itself goes back, and a third peer may take all from either.
    const other = second.open();
    write([writer, other], 10);
    peers(2);
    swarm.advance(5000);
    const digests = [0, 1, 2].map((node) => JSON.stringify(digestsOf(clientOf(node)).slice(0, 2)));
    expect(new Set(digests).size).toBe(1);
    // After a restart the same.
    swarm.crash(1);
    await swarm.restart(1);
    await settleAll();
    expect(JSON.stringify(digestsOf(clientOf(1)).slice(0, 2))).toBe(digests[0]);
  });
});

describe('a client', () => {
  it('[R4] moves to another peer with ops in flight, which waits for what their author had seen', async () => {
    await start();
    const clients = peers(0, 1, 2);
    const writer = (clients[0] as ReplicaClient).open();
    const other = (clients[2] as ReplicaClient).open();
    other.set('x', 1);
    const seen = [{ time: other.lastTime, origin: other.origin }];
    writer.set('a', 1);
    swarm.advance(500);
    // Node 0 is cut off before anybody has heard of the next ones.
    swarm.cut(0, 1);
    swarm.cut(0, 2);
    const unspread = [writer.op('a', { value: 2 }, { seen }), writer.op('b', { value: 3 }, { seen: [] })];
    expect(writer.submit(...unspread)).toMatchObject({ type: 'acked' });
    swarm.advance(5000);
    const moved = clientOf(1).open({ replica: writer.origin, last: textOf(writer.lastTime) });
    expect(moved.origin).toBe(writer.origin);
    expect(moved.submit(...unspread)).toMatchObject({ type: 'acked' });
    swarm.heal();
    await settleAll();
    const digests = [0, 1, 2].map((node) => JSON.stringify(digestsOf(clientOf(node))));
    expect(new Set(digests).size).toBe(1);
    expect(digestsOf(clientOf(0))[2]).toBe(4);
  });

  it('[OP3] has its ops wait at a peer that lacks what they follow on, and refused when it does not come', async () => {
    await start({ nodes: 2, topology: [[0, 1]] });
    const clients = peers(0, 1);
    const writer = (clients[0] as ReplicaClient).open();
    const stranger = (clients[1] as ReplicaClient).open();
    const never = { time: stranger.lastTime + 1_000_000_000, origin: stranger.origin };
    const waiting = writer.client.send({
      type: 'submit',
      open: writer.open,
      ops: Uint8Array.of(0x91, ...writer.op('a', { value: 1 }, { seen: [never] })),
    });
    expect(writer.client.take(waiting, 10_000)).toMatchObject({
      type: 'refused',
      code: 'TIMEOUT',
      info: { name: 'gap' },
    });
  });

  it('[OP3] has an edit of a text wait for what it names, and may write more texts in one submit', async () => {
    await start({ nodes: 1, topology: [] });
    const [client] = peers(0) as [ReplicaClient];
    const [one, two] = [client.open(), client.open()];
    const ours = text.create();
    const insert = (writer: Writer, index: number, letters: string): Uint8Array =>
      text.payloads.insert(ours, writer.origin, index, letters);
    const first = textOp(one, 'page', insert(one, 0, 'ab'));
    const answer = textOp(two, 'page', insert(two, 1, 'x'), [{ time: one.lastTime, origin: one.origin }]);
    const waiting = two.client.send({ type: 'submit', open: two.open, ops: encodeItems([answer]) });
    swarm.advance(200);
    expect(one.submit(first)).toMatchObject({ type: 'acked' });
    expect(two.client.take(waiting)).toMatchObject({ type: 'acked' });
    const [here, there] = [text.create(), text.create()];
    const both = [0, 1, 2].flatMap((index) => [
      textOp(one, 'here', text.payloads.insert(here, one.origin, index, 'h')),
      textOp(one, 'there', text.payloads.insert(there, one.origin, index, 't')),
      one.op(`other${index}`, { index }),
    ]);
    expect(one.submit(...both)).toMatchObject({ type: 'acked' });
    text.payloads.insert(here, one.origin, 3, 'never submitted');
    const strange = textOp(one, 'here', text.payloads.insert(here, one.origin, 4, 'u'));
    const after = one.op('after', { is: true });
    expect(one.submit(strange, after)).toMatchObject({ type: 'refused', code: 'TYPE', info: { name: 'bad payload' } });
    expect(client.inspect()['length']).toBe(11);
    expect(one.read({ type: 'text' }).items).toHaveLength(8);
  });

  it('[R6] gets another session when it is behind its own last stamp, or forked', async () => {
    await start({ nodes: 1, topology: [] });
    const [client] = peers(0) as [ReplicaClient];
    const writer = client.open();
    const before = writer.lastTime;
    writer.set('a', 1);
    const same = client.open({ replica: writer.origin, last: textOf(writer.lastTime) });
    expect(same.origin).toBe(writer.origin);
    expect(same.lastTime).toBe(writer.lastTime);
    const fork = same.op('a', { value: 2 }, { prev: before, time: same.lastTime + 5 });
    expect(same.submit(fork)).toMatchObject({ type: 'refused', info: { name: 'forked' } });
    const fresh = client.open({ replica: writer.origin, last: textOf(0) });
    expect(fresh.origin).not.toBe(writer.origin);
    expect(fresh.origin.slice(0, 8)).toBe(writer.origin.slice(0, 8));
    expect(fresh.set('a', 3)).toMatchObject({ type: 'acked' });
  });

  it('[R6] may write under an id only in the interval for which it was granted, and the next one goes on after it', async () => {
    await start({ nodes: 1, topology: [] });
    const [client] = [clientOf(0)];
    // One session for each client.
    client.create('db', { scheme: '0181' });
    const granted = Array.from({ length: 63 }, () => {
      const writer = client.open({ client: 'me' });
      client.ask({ type: 'closeDatabase', open: writer.open });
      return writer;
    });
    expect(new Set(granted.map(({ origin }) => origin)).size).toBe(63);
    const first = granted[0] as Writer;
    expect(client.ask({ type: 'openDatabase', database: 'db', options: { client: 'me' } })).toMatchObject({
      type: 'refused',
      info: { name: 'no grant' },
    });
    swarm.advance(40 * 24 * 60 * 60 * 1000);
    const next = client.open({ client: 'me' });
    expect(granted.map(({ origin }) => origin)).toContain(next.origin);
    // The former holder of the id comes back late.
    const late = client.open({ replica: next.origin, last: first.info['fromTime'] as string });
    expect(late.origin).not.toBe(next.origin);
    const old = next.op('a', { value: 1 }, { time: timeIn(first.info['clock']) + 5 });
    expect(next.submit(old)).toMatchObject({ type: 'refused', info: { name: 'interval' } });
  }, 30_000);

  it('[SB3] misses nothing where the log is compacted between the pages of what it has not', async () => {
    const replicaSizes = { feedBytes: 1000, creditBytes: 4000, lentBytes: 0, patchBytes: 60 };
    await start({ nodes: 1, topology: [], settings: { replicaSizes } });
    const [client] = peers(0) as [ReplicaClient];
    const writer = client.open();
    const objects = ['a', 'b', 'c', 'd', 'e'];
    for (const object of objects) writer.set(object, 'x'.repeat(50));
    for (const compactAfter of [1, 2, 4]) {
      const reader = clientOf(0);
      const { open } = reader.open();
      // Of another peer's log it holds nothing.
      const id = reader.send({ type: 'subscribe', open, options: { type: 'lww' }, have: Uint8Array.of(0x90) });
      const items: string[] = [];
      let page = reader.take(id);
      for (let pages = 1; ; pages += 1) {
        if (page.type !== 'patch') throw new Error(`a patch was expected, ${JSON.stringify(page)} came`);
        items.push(...itemsOf(page.items));
        if (page.isLive) break;
        if (pages === compactAfter) client.expect('databaseInfo', { type: 'compactDatabase', database: 'db' });
        page = reader.ask({ type: 'next', subscription: id });
      }
      expect(new Set(items)).toEqual(new Set(objects.map((object) => `snapshot lww/${object}`)));
      reader.disconnect();
      // Something to compact once more.
      for (const object of objects) writer.set(object, 'y'.repeat(50));
    }
  });

  it('[OP4] may be stamped a minute ahead of the peer, or just above the highest that is there', async () => {
    await start({ nodes: 1, topology: [] });
    peers(0);
    const outcomes = Array.from({ length: 40 }, (_, ms) => {
      const client = clientOf(0);
      const writer = client.open();
      // One of them is as far ahead as may be.
      const time = timeOfMs(msOfTime(timeIn(writer.info['clock'])) + 60_000 + ms);
      const ops = [0, 1, 2].map((count) => writer.op('a', { value: count }, { time: time + count }));
      const reply = writer.submit(...ops);
      const last = client.open({ replica: writer.origin, last: textOf(writer.lastTime) });
      return reply.type === 'refused'
        ? { code: reply.code, name: reply.info?.['name'], stored: last.info['storedTime'] }
        : { stored: last.info['storedTime'] === textOf(time + 2) };
    });
    const kinds = new Set(outcomes.map((outcome) => JSON.stringify(outcome)));
    const refusal = { code: 'CLOCK', name: 'clock', stored: null };
    expect([...kinds].toSorted()).toEqual([{ stored: true }, refusal].map((kind) => JSON.stringify(kind)).toSorted());
  });

  it('[DB3] is joined to the nearest peer through a tunnel, and told when that is gone', async () => {
    await start({ nodes: 3, topology: 'line' });
    const [client] = peers(2) as [ReplicaClient];
    const near = clientOf(0).open();
    expect(near.info['node']).toBe(swarm.node(2).id);
    expect(near.set('a', 1)).toMatchObject({ type: 'acked' });
    const followed = near.read({ type: 'lww' });
    expect(followed.items.length).toBe(1);
    client.open().set('b', 2);
    expect(near.client.take(followed.id)).toMatchObject({ type: 'patch', isLive: true });
    expect(near.client.ask({ type: 'unsubscribe', subscription: followed.id })).toMatchObject({ type: 'unsubscribed' });
    swarm.crash(2);
    expect(near.client.take(near.open, 10_000)).toMatchObject({ type: 'closed' });
    expect(near.client.ask({ type: 'openDatabase', database: 'db', options: {} })).toMatchObject({
      type: 'refused',
      code: 'UNKNOWN',
    });
  });

  it('[DB3] stays joined while other nodes come and go', async () => {
    await start({ nodes: 4, topology: 'line' });
    const [client] = peers(1) as [ReplicaClient];
    const near = clientOf(0).open();
    const followed = near.read({ type: 'lww' });
    swarm.crash(3);
    swarm.advance(5000);
    await swarm.restart(3);
    await swarm.settle();
    client.open().set('b', 2);
    expect(near.client.take(followed.id)).toMatchObject({ type: 'patch', isLive: true });
    expect(near.client.received).toEqual([]);
    expect(await counters(1)).toMatchObject({ farTunnels: 1, tunnelsBroken: 0 });
  });
});
