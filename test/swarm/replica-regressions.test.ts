/** Mistakes that simulated databases have shown, each as small as it gets. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { HybridClock } from '../../src/store/clock.js';
import { encodeItems, ItemReader } from '../../src/store/op.js';
import { parseNodeId } from '../../src/store/node-id.js';
import type { NodeId } from '../../src/store/node-id.js';
import { Outbox } from '../../src/client/database/outbox.js';
import type { Rewriter } from '../../src/client/database/outbox.js';
import { NO_REWRITING } from '../../src/store/types/replicated-type.js';
import { Sync } from '../../src/client/database/sync.js';
import type { SyncHost } from '../../src/client/database/sync.js';
import type { Unnumbered, UpstreamConnection, UpstreamUser } from '../../src/client/database/upstream.js';
import type { ClientReply } from '../../src/transport/message.js';
import { packValue } from '../../src/transport/msgpack.js';
import { DEFAULT_OPTIONS, drawPeer } from '../../src/actors/database-options.js';
import { simulateReplicaPlan } from '../../src/testing/replica-simulator/simulate.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm } from '../../src/testing/index.js';
import { ReplicaClient, textOf } from './replica-client.js';

const id = (text: string): NodeId => parseNodeId(text) as NodeId;
const PAYLOAD = packValue({ a: 1 });
const AS_IT_IS: Rewriter = () => NO_REWRITING;
const NOW_MS = 1_767_225_600_000;
const time = (ms = 0): number => {
  const clock = new HybridClock(id('A1'));
  return clock.tick(NOW_MS + ms);
};
const grantOf = (replica: string): { replica: NodeId; fromTime: number; untilTime: number } => ({
  replica: id(replica),
  fromTime: time(),
  untilTime: time(1e9),
});

/** What the author had seen, by each of the ops. */
const seenOf = (ops: readonly Uint8Array[]): string[][] => {
  const reader = new ItemReader();
  reader.open(encodeItems([...ops]));
  return ops.map(() => {
    expect(reader.next()).toBeNull();
    return reader.seenCount > 0 ? reader.takeSeen().map(({ origin }) => origin) : [];
  });
};

describe('what waits in the outbox', () => {
  it('[R4] stays when it can not be written anew', () => {
    const outbox = new Outbox();
    outbox.admit(grantOf('A1aaaaaa01'), 0);
    outbox.write('lww', 'o', PAYLOAD, NOW_MS + 1);
    const [before] = outbox.pending;
    expect(() => outbox.rebase(NOW_MS + 2e9, false, AS_IT_IS)).toThrow();
    expect(outbox.pending).toEqual([before]);
  });

  it('[R1] says what its author had seen, also when it is written anew, unless that is given up (RULES RC)', () => {
    for (const isGivenUp of [false, true]) {
      const outbox = new Outbox();
      outbox.admit(grantOf('A1aaaaaa01'), 0);
      outbox.observe(id('B1bbbbbb01'), time(1));
      outbox.write('lww', 'o', PAYLOAD, NOW_MS + 2);
      outbox.admit(grantOf('A1aaaaaa02'), 0, isGivenUp);
      outbox.rebase(NOW_MS + 3, isGivenUp, AS_IT_IS);
      expect(seenOf(outbox.take(1e6, Infinity))).toEqual([isGivenUp ? [] : ['B1bbbbbb01']]);
    }
  });

  it('[R1] goes on after what was written under the former id', () => {
    const outbox = new Outbox();
    outbox.admit(grantOf('A1aaaaaa01'), 0);
    outbox.write('lww', 'o', PAYLOAD, NOW_MS + 1);
    outbox.drop(outbox.lastTime);
    outbox.admit(grantOf('A1aaaaaa02'), 0);
    outbox.write('lww', 'o', PAYLOAD, NOW_MS + 2);
    expect(seenOf(outbox.take(1e6, Infinity))).toEqual([['A1aaaaaa01']]);
  });

  it('[R1] says in another process what was seen in the one before', () => {
    const outbox = new Outbox();
    outbox.restore(grantOf('A1aaaaaa01'), 0, new Map([[id('B1bbbbbb01'), time(1)]]), []);
    outbox.write('lww', 'o', PAYLOAD, NOW_MS + 2);
    expect(seenOf(outbox.take(1e6, Infinity))).toEqual([['B1bbbbbb01']]);
  });
});

describe('a client', () => {
  /** A peer by hand: what it is asked, and what it answers. */
  const start = (): {
    readonly asked: Unnumbered[];
    readonly outbox: Outbox;
    readonly sync: Sync;
    readonly stuck: string[];
    answer(reply: object): void;
    reconnect(): void;
    run(): void;
  } => {
    const asked: Unnumbered[] = [];
    const stuck: string[] = [];
    const timers: (() => void)[] = [];
    let replyTo: (reply: ClientReply) => void = () => {};
    let user: UpstreamUser | null = null;
    const connection: UpstreamConnection = {
      send(request, onReply) {
        asked.push(request);
        if (request.type !== 'closeDatabase') replyTo = onReply;
        return asked.length;
      },
      forget: () => {},
      fail: (reason) => void stuck.push(reason),
    };
    const outbox = new Outbox();
    const host: SyncHost = {
      outbox,
      interests: [],
      peer: 'A1',
      have: () => Uint8Array.of(0xc0),
      wallMs: () => NOW_MS + 10,
      rewriter: AS_IT_IS,
      canRewrite: true,
      onPeerTime: () => {},
      onOpened: () => {},
      onItems: () => null,
      onLive: () => {},
      onAcked: (_stored, spread) => void outbox.drop(spread),
      onStoredBefore: (before) => void outbox.drop(before),
      onRebased: () => {},
      onStuck: (error) => void stuck.push(error.message),
      onStatus: () => {},
      onRefused: (error) => void stuck.push(error.message),
    };
    const upstream = {
      attach: (other: UpstreamUser) => {
        user = other;
        user.onConnected(connection);
      },
      detach: () => {},
    };
    const options = { database: 'db', client: null, isReadOnly: false };
    const sync = new Sync(host, upstream, options, {
      now: () => 0,
      setTimeout: (callback) => timers.push(callback),
      clearTimeout: () => {},
    });
    sync.start();
    return {
      asked,
      outbox,
      sync,
      stuck,
      answer: (reply) => replyTo({ id: asked.length, ...reply } as ClientReply),
      reconnect: () => {
        user?.onLost();
        user?.onConnected(connection);
      },
      run: () => timers.splice(0).forEach((callback) => callback()),
    };
  };
  const opened = (replica: string, more: object = {}): object => ({
    type: 'opened',
    info: { replica, peer: 'A1', fromTime: textOf(time()), untilTime: textOf(time(1e9)), ...more },
  });
  /** It asks first what the peer has of the id that it gives up; where that is nothing, it asks for another one. */
  const expectAnew = (asked: readonly Unnumbered[], answer: (reply: object) => void): void => {
    const options = { replica: 'A1aaaaaa01', last: textOf(0) };
    expect(asked.at(-1)).toEqual({ type: 'openDatabase', database: 'db', options });
    answer(opened('A1aaaaaa01'));
    expect(asked.at(-1)).toEqual({ type: 'openDatabase', database: 'db', options: {} });
  };
  const types = (asked: readonly Unnumbered[]): string[] => asked.map(({ type }) => type);

  it('[R4] opens the database again when it is told that it is not open, and is not stuck', () => {
    const { asked, outbox, sync, stuck, answer, run } = start();
    answer(opened('A1aaaaaa01'));
    outbox.write('lww', 'o', PAYLOAD, NOW_MS + 1);
    sync.proceed();
    answer({ type: 'refused', code: 'FORBIDDEN', message: '', info: { name: 'wrong scope' } });
    run();
    expect(stuck).toEqual([]);
    expect(types(asked)).toEqual(['openDatabase', 'submit', 'closeDatabase', 'openDatabase']);
  });

  it('[R1] tells what was seen whenever the database was opened anew, at the same peer too (RULES RC)', () => {
    const { asked, outbox, sync, answer, reconnect } = start();
    answer(opened('A1aaaaaa01'));
    answer({ type: 'acked', stored: null, spread: null });
    outbox.observe(id('B1bbbbbb01'), time(1));
    outbox.write('lww', 'o', PAYLOAD, NOW_MS + 2);
    sync.proceed();
    reconnect();
    answer(opened('A1aaaaaa01'));
    const last = asked.at(-1) as { type: 'submit'; ops: Uint8Array };
    const reader = new ItemReader();
    expect(reader.open(last.ops)).toBe(1);
    expect(reader.next()).toBeNull();
    expect(reader.seenCount).toBe(1);
  });

  it('[R4] writes nothing again that the peer has, where it goes on under another id', () => {
    const { outbox, answer, reconnect } = start();
    answer(opened('A1aaaaaa01'));
    const kept = outbox.write('counter', 'o', PAYLOAD, NOW_MS + 1);
    reconnect();
    answer(opened('A1aaaaaa02', { formerTime: textOf(kept.time) }));
    expect(outbox.pending).toEqual([]);
  });

  it('[R4] goes on under another id where its process has written before what it forgot (RULES RE, seed 920012)', () => {
    const { asked, outbox, sync, answer, stuck } = start();
    answer(opened('A1aaaaaa01'));
    outbox.write('counter', 'o', PAYLOAD, NOW_MS + 1);
    sync.proceed();
    answer({ type: 'refused', code: 'CONFLICT', message: '', info: { name: 'forked' } });
    expect(stuck).toEqual([]);
    expectAnew(asked, answer);
    answer(opened('A1aaaaaa02'));
    expect(types(asked).at(-1)).toBe('submit');
    expect(outbox.pending.length).toBe(1);
    expect(outbox.grant?.replica).toBe('A1aaaaaa02');
  });

  const CLOCK = { type: 'refused', code: 'CLOCK', message: '', info: { name: 'clock' } };

  it('[R4] [OP4] writes stamps that are not taken anew, under another id (RULES RJ, seed 3920256)', () => {
    const { asked, outbox, sync, answer, stuck } = start();
    answer(opened('A1aaaaaa01'));
    const former = outbox.write('counter', 'o', PAYLOAD, NOW_MS + 600_000);
    sync.proceed();
    answer(CLOCK);
    expectAnew(asked, answer);
    answer(opened('A1aaaaaa02'));
    expect(types(asked).at(-1)).toBe('submit');
    expect(outbox.pending.map(({ time: at }) => at < former.time)).toEqual([true]);
    expect(stuck).toEqual([]);
  });

  it('[R4] [OP4] waits with stamps that are not taken where another peer has them, or there is no other id', () => {
    for (const isElsewhere of [true, false]) {
      const { asked, outbox, sync, answer, reconnect, stuck, run } = start();
      answer(opened('A1aaaaaa01'));
      const { time: at } = outbox.write('counter', 'o', PAYLOAD, NOW_MS + 600_000);
      if (isElsewhere) outbox.noteStored(at);
      sync.proceed();
      reconnect();
      answer(opened('A1aaaaaa01', { peer: 'B1' }));
      answer(CLOCK);
      if (!isElsewhere) {
        expectAnew(asked, answer);
        answer({ type: 'refused', code: 'FORBIDDEN', message: '', info: { name: 'no grant' } });
      }
      run();
      const options = { replica: 'A1aaaaaa01', last: textOf(at) };
      expect(asked.at(-1)).toEqual({ type: 'openDatabase', database: 'db', options });
      expect([outbox.pending.length, stuck]).toEqual([1, []]);
    }
  });

  it('[R4] gives a broken chain up by another id (RULES RD)', () => {
    const { asked, outbox, sync, answer } = start();
    answer(opened('A1aaaaaa01'));
    outbox.write('lww', 'o', PAYLOAD, NOW_MS + 1);
    sync.rebase();
    expectAnew(asked, answer);
    answer(opened('A1aaaaaa02'));
    expect(outbox.pending.length).toBe(1);
    const reader = new ItemReader();
    outbox.rewind();
    const [op] = outbox.take(1e6, 0);
    expect(op === undefined ? '' : reader.readAt(op, 0)).toBeNull();
    expect([reader.origin, reader.prevTime]).toEqual(['A1aaaaaa02', 0]);
  });
});

it('[R9] no peer draws an id that stands for no one', () => {
  const options = { ...DEFAULT_OPTIONS, scheme: '0163' };
  const taken = new Set<string>();
  expect(drawPeer(options, taken, { below: (limit) => limit - 1 })).toBeNull();
});

describe('a peer', () => {
  let swarm: Swarm;
  afterEach(() => swarm?.stop());

  it('[R4] lets a client go on whose grant an older disk has forgotten (RULES RD)', async () => {
    swarm = await startSwarm({ nodes: 1, topology: [], virtual: true, disk: true });
    const client = new ReplicaClient(swarm, 0);
    client.create();
    swarm.advance(1000);
    const copy = swarm.opDisks(0).copy();
    const writer = client.open();
    const ops = [1, 2].map((value) => writer.op('a', { value })) as [Uint8Array, Uint8Array];
    writer.submit(ops[0]);
    swarm.crash(0);
    swarm.opDisks(0).restore(copy);
    await swarm.restart(0);
    await swarm.settle();
    const again = new ReplicaClient(swarm, 0).open({ replica: writer.origin, last: textOf(writer.lastTime) });
    expect(again.origin).toBe(writer.origin);
    // What waited is still within the interval (seed 3920256).
    expect(again.submit(...ops)).toMatchObject({ type: 'acked' });
  });

  it('[R4] waits for other peers before it says that a chain is broken', async () => {
    swarm = await startSwarm({ nodes: 1, topology: [], virtual: true, disk: true });
    const client = new ReplicaClient(swarm, 0);
    client.create();
    const writer = client.open();
    const op = writer.op('a', { value: 1 }, { prev: writer.lastTime + 1, time: writer.lastTime + 1e9 });
    const request = client.send({ type: 'submit', open: writer.open, ops: encodeItems([op]) });
    swarm.advance(1000);
    expect(client.received.filter(({ id: of }) => of === request)).toEqual([]);
    expect(client.take(request)).toMatchObject({ type: 'refused', code: 'CONFLICT', info: { name: 'gap' } });
  });
});

describe('a simulated database', () => {
  it('[R1] comes to a peer that lost its disk when it is there only as states (seeds 6043, 5062)', async () => {
    const { violations } = await simulateReplicaPlan({
      seed: 5062,
      nodes: 6,
      edges: [
        [0, 1],
        [0, 2],
        [1, 3],
        [1, 4],
        [5, 2],
        [1, 0],
      ],
      settings: {},
      encodesEveryHop: false,
      latency: { minMs: 1, extraMs: 0 },
      hasDisks: true,
      hasOpDisks: true,
      peers: [4, 2, 0],
      isRelaxed: false,
      scheme: '0163',
      compactAfterMs: 9023,
      writers: [1, 5, 4],
      writerSkewsMs: [0, 0, 0],
      isHeedless: false,
      storageMs: 0,
      actions: [{ atMs: 28204, writer: 2, kind: 'write', type: 'lww', object: 0, padding: 0 }],
      faults: [{ kind: 'set-back', atMs: 13359, node: 4, byMs: null, forMs: 895 }],
      durationMs: 40000,
    });
    expect(violations).toEqual([]);
  });
});
