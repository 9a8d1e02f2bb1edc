/** Node links: what a neighbour may say, and what it costs it to say something else. */
import { describe, expect, it } from '@jest/globals';
import type { NodeId } from '../../src/store/node-id.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm } from '../../src/testing/index.js';
import { packValue } from '../../src/transport/msgpack.js';
import { Stranger } from './stranger.js';

const ID = 'Xstranger1' as NodeId;

const start = (): Promise<Swarm> => startSwarm({ nodes: 3, topology: 'line', virtual: true });

const refOf = async (swarm: Swarm, node: number): Promise<{ node: NodeId; incarnation: number }> => {
  const { id, incarnation } = await swarm.node(node).inspect('node');
  return { node: id as NodeId, incarnation: incarnation as number };
};

const counter = async (swarm: Swarm, node: number, actor: string, name: string): Promise<number> =>
  ((await swarm.node(node).inspect('counters'))[actor] as Record<string, number>)[name] as number;

const member = async (swarm: Swarm, node: number): Promise<Stranger> => {
  const stranger = new Stranger(ID);
  stranger.dial(swarm, node);
  stranger.greet(swarm);
  stranger.announce(swarm, await refOf(swarm, node));
  return stranger;
};

describe('a greeting', () => {
  it.each([
    ['of another swarm', { swarm: 'other' }, 4403],
    ['without a common protocol', { protocolMin: 9, protocolMax: 9 }, 4403],
    ['with a clock two days off', { wallMs: Date.UTC(2026, 0, 3) }, 4403],
    ['with the name of its neighbour', { name: 'n0', incarnation: 2_000_000_000_000 }, 4409],
    ['with a malformed id', { id: '?' }, 4400],
    ['with a name that is none', { name: 'a b' }, 4400],
    ['without incarnation', { incarnation: null }, 4400],
  ])('[HS1] %s is refused by a close code', async (_what, changes, code) => {
    await using swarm = await start();
    const stranger = new Stranger(ID);
    stranger.dial(swarm, 0);
    stranger.greet(swarm, changes);
    expect(stranger.closed?.code).toBe(code);
    expect(await (await swarm.client(0)).ping()).toBeGreaterThan(0);
  });

  it('[HS1] must come first and in time', async () => {
    await using swarm = await start();
    const silent = new Stranger(ID);
    silent.dial(swarm, 0);
    swarm.advance(6000);
    expect(silent.closed).toMatchObject({ code: 4408 });
    const rude = new Stranger(ID);
    rude.dial(swarm, 0, 'rude');
    rude.send({ type: 'linked', protocol: 1 });
    swarm.advance(50);
    expect(rude.closed).toMatchObject({ code: 4400 });
  });
});

describe('a neighbour', () => {
  it('[RT3] that sends a message over its hop limit has it dropped and counted', async () => {
    await using swarm = await start();
    const stranger = await member(swarm, 0);
    const { node: to } = await refOf(swarm, 2);
    const answer = { type: 'answer', number: 1, clock: 0, message: { type: 'pong', id: 1 } } as const;
    stranger.send({ ...answer, to, from: ID, hops: 200 });
    swarm.advance(50);
    expect(await counter(swarm, 0, 'router', 'hopsExceeded')).toBe(1);
    expect(await counter(swarm, 0, 'router', 'relayed')).toBe(0);
    stranger.send({ ...answer, to, from: ID, hops: 1 });
    swarm.advance(50);
    expect(await counter(swarm, 0, 'router', 'relayed')).toBe(1);
    expect(stranger.closed).toBeNull();
  });

  it('[RT4] that sends to nobody known has it dropped and counted', async () => {
    await using swarm = await start();
    const stranger = await member(swarm, 0);
    stranger.send({ type: 'notMine', to: 'Xnobody001' as NodeId, from: ID, hops: 1, number: 1, clock: 0 });
    swarm.advance(50);
    expect(await counter(swarm, 0, 'router', 'unrouted')).toBe(1);
  });

  it('is served as a member: it finds and reads what others store', async () => {
    await using swarm = await start();
    await (await swarm.client(2)).set('k', 7);
    const stranger = await member(swarm, 0);
    const { node: owner } = await refOf(swarm, 2);
    const { node: neighbour, incarnation } = await refOf(swarm, 0);
    const visited = [
      { node: ID, incarnation: 1 },
      { node: neighbour, incarnation },
    ];
    stranger.send({ type: 'search', asker: ID, number: 1, hops: 1, budgetMs: 1000, clock: 0, visited, key: 'k' });
    swarm.advance(50);
    expect(stranger.received.find(({ type }) => type === 'echo')).toMatchObject({ asker: ID, number: 1, owner });
    const message = { type: 'get', id: 5, key: 'k', options: {} } as const;
    const head = { to: owner, from: ID, hops: 1, number: 2, behind: 0, floor: 0, incarnation: 1, claim: 0, passes: 0 };
    stranger.send({ type: 'forward', ...head, budgetMs: 1000, clock: 0, message });
    swarm.advance(50);
    expect(stranger.received.find(({ type }) => type === 'answer')).toMatchObject({
      from: owner,
      number: 2,
      hops: 3,
      message: { type: 'value', id: 5, value: packValue(7) },
    });
  });

  it('[CL4] that sends what is no message is cut off with a reason, and nobody else notices', async () => {
    await using swarm = await start();
    for (const [bytes, isText] of [
      [Uint8Array.of(0xc1), false],
      [Uint8Array.of(0x93, 1, 2), false],
      [Uint8Array.of(0x94, 0xcc, 132, 1, 2, 3), false],
      [new TextEncoder().encode('{}'), true],
    ] as const) {
      const stranger = await member(swarm, 0);
      stranger.sendBytes(bytes, isText);
      swarm.advance(50);
      expect(stranger.closed).toMatchObject({ code: 4400 });
      expect(stranger.closed?.reason).not.toBe('');
    }
    await swarm.settle();
    await (await swarm.client(0)).set('after', 1);
    expect(await (await swarm.client(2)).get('after')).toBe(1);
  });

  it('[LK5] that says nothing is dead after the heartbeat time-out; a beat keeps it alive', async () => {
    await using swarm = await start();
    const stranger = await member(swarm, 0);
    for (let i = 0; i < 10; i += 1) {
      stranger.send({ type: 'beat' });
      swarm.advance(500);
    }
    expect(stranger.closed).toBeNull();
    swarm.advance(3000);
    expect(stranger.closed).toMatchObject({ reason: 'no heartbeat' });
    expect(await counter(swarm, 0, 'links', 'silent')).toBe(1);
    await swarm.settle();
  });

  it('[V8] that never echoes leaves a search incomplete: no false missing', async () => {
    await using swarm = await start();
    const stranger = await member(swarm, 0);
    const client = await swarm.client(0);
    const beats = setInterval(() => stranger.send({ type: 'beat' }), 1);
    try {
      await expect(client.get('absent')).rejects.toMatchObject({ code: expect.stringMatching(/TIMEOUT|UNKNOWN/) });
    } finally {
      clearInterval(beats);
    }
  });
});

describe('many nodes that start at once', () => {
  it('[V1] announce their views a few times each, not once for each that comes', async () => {
    const nodes = 10;
    await using swarm = await startSwarm({ nodes, topology: 'ring', virtual: true });
    let flooded = 0;
    for (let i = 0; i < nodes; i++) {
      const { router } = (await swarm.node(i).inspect('counters')) as { router: Record<string, number> };
      flooded += router['linksFlooded'] as number;
    }
    // A flood crosses each of as many links as there are nodes once or twice.
    const announced = flooded / (1.5 * nodes * nodes);
    expect(announced).toBeLessThan(6);
  });
});
