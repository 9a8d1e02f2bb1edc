/** Replicas in whole swarms, asked by clients that are no more than sockets. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm, SwarmOptions } from '../../src/testing/index.js';
import { itemsOf, ReplicaClient } from './replica-client.js';
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
  it('[R1] have the same after concurrent writes', async () => {
    await start();
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
  });
});

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

const encode = (writer: ReturnType<ReplicaClient['open']>, i: number, round: number): Uint8Array => {
  const op = writer.op(`o${round % 5}`, { [`f${i}`]: round });
  return Uint8Array.of(0x91, ...op);
};
