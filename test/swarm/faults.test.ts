/** What a swarm promises while links are cut and nodes vanish, under virtual time. */
import { describe, expect, it } from '@jest/globals';
import { startSwarm } from '../../src/testing/index.js';

const codeOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => ({ value }),
    (error: { code: unknown }) => error.code,
  );

describe('links', () => {
  it('[C2] a ring survives the loss of a link', async () => {
    await using swarm = await startSwarm({ nodes: 4, topology: 'ring', virtual: true });
    const [a, c] = [await swarm.client(0), await swarm.client(1)];
    await c.set('k', 1);
    expect(await a.get('k')).toBe(1);
    swarm.cut(0, 1);
    expect(await a.get('k')).toBe(1);
    await swarm.settle();
    expect(await a.get('k')).toBe(1);
    swarm.heal();
    await swarm.settle();
    expect(await a.get('k')).toBe(1);
  });

  it('7. [LK5] a half-open link is found by its silence and replaced, not taken for a loop', async () => {
    await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true });
    const a = await swarm.client(0);
    const b = await swarm.client(1);
    await b.set('k', 1);
    swarm.blackhole(1, 0);
    swarm.advance(1000);
    // Before the silence is noticed, or after.
    expect(['TIMEOUT', 'UNKNOWN']).toContain(await codeOf(a.get('k', { timeoutMs: 60_000 })));
    swarm.advance(5000);
    swarm.heal();
    await swarm.settle();
    expect(await a.get('k')).toBe(1);
    const links = (await a.inspect('counters'))['links'] as { silent: number };
    expect(links.silent + ((await b.inspect('counters'))['links'] as { silent: number }).silent).toBeGreaterThan(0);
  });

  it('[LK5] a node that stood still does not take its neighbour for silent', async () => {
    const settings = { heartbeatMs: 1000, heartbeatTimeoutMs: 3000 };
    await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true, settings });
    const [a, b] = [await swarm.client(0), await swarm.client(1)];
    await b.set('k', 1);
    swarm.advance(1000);
    swarm.pause(1);
    swarm.advance(3300);
    swarm.resume(1);
    swarm.advance(5000);
    await swarm.settle();
    expect(await a.get('k')).toBe(1);
    const silent = async (client: typeof a): Promise<unknown> =>
      ((await client.inspect('counters'))['links'] as { silent: number }).silent;
    expect([await silent(a), await silent(b)]).toEqual([1, 0]);
  });

  it('8. [RT1] a link to oneself and a second link to the same node are refused by id', async () => {
    await using swarm = await startSwarm({
      nodes: 2,
      topology: [
        [0, 0],
        [0, 1],
        [1, 0],
        [0, 1],
      ],
      virtual: true,
    });
    swarm.advance(30_000);
    await swarm.settle();
    const a = await swarm.client(0);
    const { links } = (await a.inspect('topology')) as { links: unknown[] };
    expect(links.length).toBe(1);
    const router = (await a.inspect('counters'))['router'] as { links: number };
    expect(router.links).toBe(1);
    await a.set('k', 1);
    expect(await (await swarm.client(1)).get('k')).toBe(1);
  });
});

describe('nodes', () => {
  it('[C4] [GT2] [DL2] while a member is missed, what is not found is UNKNOWN, and a plain set is stored', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'ring', virtual: true });
    const [a, b] = [await swarm.client(0), await swarm.client(1)];
    await b.set('lost', 1);
    await a.set('kept', 1);
    swarm.crash(1);
    await swarm.settle();
    expect(await a.get('kept')).toBe(1);
    expect(await codeOf(a.get('lost'))).toBe('UNKNOWN');
    expect(await codeOf(a.delete('lost'))).toBe('UNKNOWN');
    await a.set('lost', 2);
    expect(await a.get('lost')).toBe(2);
    swarm.advance(31_000);
    expect(await a.get('never')).toBeUndefined();
    await swarm.restart(1);
    await swarm.settle();
    expect(await (await swarm.client(1)).get('lost')).toBe(2);
  });

  it('[V3] a node that is alone and has links to dial answers BUSY until aloneAfterMs', async () => {
    await using swarm = await startSwarm({
      nodes: 3,
      topology: 'line',
      virtual: true,
      settings: { aloneAfterMs: 3000 },
    });
    const far = await swarm.client(0);
    await far.set('k', 1);
    swarm.crash(1);
    swarm.crash(2);
    await swarm.restart(2);
    const alone = await swarm.client(2);
    expect(await codeOf(alone.set('k', 2))).toBe('BUSY');
    // The client asks again by itself: a read may wait.
    const read = codeOf(alone.get('other', { timeoutMs: 10_000 }));
    swarm.advance(4000);
    expect(await read).toEqual({ value: undefined });
    expect(await codeOf(alone.get('k'))).toEqual({ value: undefined });
  });

  it('[LK3] a link between two nodes of one name is refused, and stops neither of them while they run', async () => {
    await using swarm = await startSwarm({ nodes: 2, topology: [], names: ['twin', 'twin'], virtual: true });
    swarm.link(1, 0);
    await swarm.sleep(1000);
    for (const index of [0, 1]) {
      const client = await swarm.client(index);
      await client.set('k', index);
      expect((await client.inspect('counters'))['links']).toMatchObject({ up: 0 });
      expect(await client.get('k')).toBe(index);
    }
  });

  it('[LK3] names are compared beyond neighbours: a twin two hops away stops as well', async () => {
    await using swarm = await startSwarm({
      nodes: 3,
      topology: [[1, 0]],
      names: ['twin', 'bridge', 'twin'],
      virtual: true,
    });
    swarm.link(2, 1);
    const end = await Promise.race([swarm.node(0).ended, swarm.node(2).ended]);
    expect(end).toEqual({ exitCode: 2, reason: expect.stringContaining('the name twin is taken') });
  });

  it('[C5] [ST5] a write whose owner vanishes before it answers is UNKNOWN; a read is asked again', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'line', virtual: true, latencyMs: 20 });
    const [a, c] = [await swarm.client(0), await swarm.client(2)];
    await c.set('k', 1);
    expect(await a.get('k')).toBe(1);
    const write = codeOf(a.set('k', 2));
    swarm.advance(30);
    swarm.crash(2);
    expect(await write).toBe('UNKNOWN');
  });
});

describe('large values', () => {
  it('[LM8] asked for all at once arrive all: the node refuses what is not taken, the client asks again', async () => {
    await using swarm = await startSwarm({ nodes: 1, virtual: true, settings: { backlogBytesMax: 4 * 1024 * 1024 } });
    const client = await swarm.client(0);
    const value = 'x'.repeat(400_000);
    for (let i = 0; i < 40; i += 1) await client.set(`k${i}`, value);
    const got = await Promise.all(Array.from({ length: 40 }, (_, i) => client.get(`k${i}`, { timeoutMs: 60_000 })));
    expect(got.every((one) => one === value)).toBe(true);
    const sessions = (await client.inspect('counters'))['sessions'] as Record<string, number>;
    expect(sessions['slowClosed']).toBe(0);
    expect(sessions['untaken']).toBeGreaterThan(0);
  });
});

describe('a node that leaves in order', () => {
  it('[C4] is not missed: what is not found is missing at once', async () => {
    await using swarm = await startSwarm({ nodes: 3, topology: 'ring', virtual: true });
    const client = await swarm.client(0);
    await swarm.leave(1);
    await swarm.settle();
    expect(await client.get('never')).toBeUndefined();
  });

  it('[CL2] loses no request of a busy client: each is answered, or done by another node', async () => {
    await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true });
    const client = await swarm.client(1, { reconnect: { minMs: 10, maxMs: 20 } });
    const other = swarm.node(0).url;
    expect(other).not.toBe(swarm.node(1).url);
    let stored = 0;
    const failed: unknown[] = [];
    const writer = async (i: number): Promise<void> => {
      for (let n = 0; n < 20; n += 1) {
        await client.set(`k${i}`, n, { timeoutMs: 30_000 }).then(
          () => (stored += 1),
          (error: { code: string }) => failed.push(error.code),
        );
      }
    };
    const writers = Promise.all(Array.from({ length: 20 }, (_, i) => writer(i)));
    await swarm.sleep(30);
    await swarm.leave(1);
    await swarm.restart(1);
    await writers;
    expect(failed).toEqual([]);
    expect(stored).toBe(400);
  });
});
