/** Where a node that leaves sends its clients. */
import { describe, expect, it } from '@jest/globals';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm } from '../../src/testing/index.js';
import { TextClient } from './text-client.js';

/** A client of node 0 whom it answers in text. */
const talking = async (swarm: Swarm): Promise<TextClient> => {
  const client = new TextClient(swarm, 0);
  await client.ask({ type: 'ping', id: 1 });
  return client;
};

/** What the clients of node 0 are told when it leaves. */
const told = async (swarm: Swarm): Promise<unknown> => {
  const client = await talking(swarm);
  const left = swarm.leave(0);
  swarm.advance(20);
  const [bye] = client.take() as { info: unknown }[];
  await left;
  return bye?.info;
};

describe('a node that leaves', () => {
  it('[CL5] names the members that stay, nearest first, also when it refuses a request', async () => {
    await using swarm = await startSwarm({ nodes: 4, topology: 'line', virtual: true });
    const client = await talking(swarm);
    const left = [swarm.leave(3)];
    swarm.advance(20);
    left.push(swarm.leave(0));
    swarm.advance(20);
    const info = { retryAfterMs: 1000, urls: [swarm.node(1).url, swarm.node(2).url] };
    expect(client.take()).toMatchObject([{ type: 'bye', id: null, info: { reason: 'the node is leaving', ...info } }]);
    expect(await client.ask({ type: 'get', id: 2, key: 'k' }, 50)).toMatchObject({
      type: 'refused',
      code: 'DRAINING',
      info,
    });
    await Promise.all(left);
  });

  it('[CL5] that is alone names none', async () => {
    await using swarm = await startSwarm({ nodes: 1, virtual: true });
    expect(await told(swarm)).toEqual({ reason: 'the node is leaving', retryAfterMs: 1000 });
  });

  it('[CL5] sends no client from elsewhere to a loopback address', async () => {
    const addresses = ['wss://a.example', 'ws://127.0.0.1:7102', 'wss://c.example:7103', 'ws://[::1]:7104'];
    const settingsOf = (node: number) => ({ clientUrl: addresses[node]! });
    await using swarm = await startSwarm({ nodes: 4, topology: 'line', virtual: true, settingsOf });
    expect(await told(swarm)).toMatchObject({ urls: ['wss://c.example:7103'] });
  });

  it('has its clients served by another node, though they know only the one that is gone', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'ring', virtual: true });
    const client = await swarm.client(0);
    await client.set('k', 1);
    await swarm.leave(0);
    await client.set('after', 2);
    expect([await client.get('k'), await client.get('after')]).toEqual([1, 2]);
    expect([swarm.node(1).url, swarm.node(2).url]).toContain(client.url);
  });
});
