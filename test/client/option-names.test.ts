/** Options that do not exist are refused by name, and not ignored. */
import { describe, expect, it } from '@jest/globals';
import { connect } from '../../src/client/index.js';
import type { Client } from '../../src/client/index.js';
import { startNode } from '../../src/node.js';
import { startSwarm } from '../../src/testing/index.js';

/** As a caller without types may give them. */
const slip = <T>(options: object): T => options as unknown as T;

const refusal = async (ask: () => unknown): Promise<string> => {
  try {
    await ask();
  } catch (error) {
    const { name, message } = error as Error;
    return `${name}: ${message}`;
  }
  return 'not refused';
};

describe('an option that does not exist', () => {
  it('of a request is a TypeError that names the nearest one, and nothing is sent', async () => {
    await using swarm = await startSwarm({ nodes: 1, virtual: true });
    const client: Client = await swarm.client(0);
    expect(await refusal(() => client.set('k', 1, slip({ ttl: 1 })))).toBe(
      'TypeError: set has no option "ttl"; did you mean ttlMs?',
    );
    expect(await refusal(() => client.set('k', 1, slip({ ifstamp: 'x' })))).toMatch(/did you mean ifStamp\?$/);
    expect(await refusal(() => client.get('k', slip({ timeout: 1 })))).toMatch(/did you mean timeoutMs\?$/);
    expect(await refusal(() => client.getEntry('k', slip({ ttlMs: 1 })))).toBe(
      'TypeError: get has no option "ttlMs"; there are timeoutMs, signal',
    );
    expect(await refusal(() => client.delete('k', slip({ if: 'present' })))).toMatch(/^TypeError: delete/);
    expect(await refusal(() => client.incr('k', 1, slip({ ttlms: 1 })))).toMatch(/did you mean ttlMs\?$/);
    expect(await refusal(() => client.scan('', slip({ limits: 1 })))).toMatch(/did you mean limit\?$/);
    expect(await refusal(() => client.keys('', slip({ max: 1 })).next())).toMatch(/^TypeError: scan/);
    expect(await refusal(() => client.watch(slip({ prefix: '', value: true })))).toMatch(/did you mean values\?$/);
    expect(await refusal(() => client.setMany([['k', 1]], slip({ ttl: 1 })))).toMatch(/did you mean ttlMs\?$/);
    const { store } = (await swarm.node(0).inspect('counters')) as { store: { gets: number; sets: number } };
    expect(store).toMatchObject({ gets: 0, sets: 0 });
  });

  it('of connect, startNode and startSwarm is a TypeError', async () => {
    const url = 'ws://127.0.0.1:1';
    expect(await refusal(() => connect(url, slip({ timeout: 1 })))).toMatch(
      /^TypeError: connect has no option "timeout"/,
    );
    expect(await refusal(() => connect(url, slip({ connectTimeout: 1 })))).toMatch(/did you mean connectTimeoutMs\?$/);
    expect(await refusal(() => connect(url, slip({ reconnect: { min: 1 } })))).toBe(
      'TypeError: reconnect has no option "min"; did you mean minMs?',
    );
    expect(await refusal(() => startNode(slip({ link: [] })))).toMatch(/did you mean links\?$/);
    expect(await refusal(() => startSwarm(slip({ node: 3 })))).toBe(
      'TypeError: startSwarm has no option "node"; did you mean nodes?',
    );
  });

  it('is none where it exists', async () => {
    await using swarm = await startSwarm({ nodes: 1, virtual: true });
    const client = await swarm.client(0, { name: 'c', queueMax: 10, requestTimeoutMs: 1000 });
    const { signal } = new AbortController();
    await client.set('k', 1, { ttlMs: 1000, if: 'absent', timeoutMs: 1000, signal });
    const keys: string[] = [];
    for await (const key of client.keys('', { limit: 1, timeoutMs: 1000 })) keys.push(key);
    expect(keys).toEqual(['k']);
  });
});
