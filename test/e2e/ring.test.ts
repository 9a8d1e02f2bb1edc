/** Swarms of real processes: one value through every node, a node lost, an orderly end, and what a search costs. */
import { describe, expect, it } from '@jest/globals';
import type { Shape } from '../../src/testing/shape.js';
import { useProcesses, type NodeProcess } from './processes.js';

/** Searches that came to a node for the first time, and those that came again. */
interface Router {
  readonly searches: number;
}

describe('a ring on the command line', () => {
  const processes = useProcesses();

  it('prints through one node what was set through another, also when the node in between is killed', async () => {
    const [first, second, third] = (await processes.swarm(3, 'ring')) as [NodeProcess, NodeProcess, NodeProcess];

    const set = await processes.swarmbus('set', 'greeting', '"hello"', '--url', first.url);
    expect(set).toMatchObject({ code: 0, stdout: 'stored\n', stderr: '' });
    const get = await processes.swarmbus('get', 'greeting', '--url', third.url);
    expect(get).toMatchObject({ code: 0, stdout: '"hello"\n', stderr: '' });

    second.process.kill('SIGKILL');
    await second.process.ended;
    const after = await processes.swarmbus('get', 'greeting', '--url', third.url);
    expect(after).toMatchObject({ code: 0, stdout: '"hello"\n', stderr: '' });
    const more = await processes.swarmbus('set', 'more', '[1, 2]', '--url', third.url);
    expect(more).toMatchObject({ code: 0, stdout: 'stored\n', stderr: '' });
    const read = await processes.swarmbus('get', 'more', '--url', first.url);
    expect(read).toMatchObject({ code: 0, stdout: '[1,2]\n', stderr: '' });
  });

  it('says by its exit code that a key is missing, and that no node answers', async () => {
    const node = await processes.node();
    const missing = await processes.swarmbus('get', 'nowhere', '--url', node.url);
    expect(missing).toMatchObject({ code: 4, stdout: '', stderr: 'swarmbus: missing: nowhere\n' });

    node.leave();
    await node.process.ended;
    const unreachable = await processes.swarmbus('get', 'nowhere', '--url', node.url);
    expect(unreachable).toMatchObject({ code: 3, stdout: '' });
    expect(unreachable.stderr).toMatch(/^swarmbus: no node answers .*\n$/);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('%s ends a node with 0 at once, though a client is there', async (signal) => {
    // A node that waited for its client would take all that time.
    const flags = ['--drain-ms', '30s'];
    const [first, second] = (await processes.swarm(2, 'line', flags)) as [NodeProcess, NodeProcess];
    const client = await first.client();
    await client.set('k', 1);
    first.process.kill(signal);
    expect(await first.process.endsWithin(15_000)).toMatchObject({ code: 0, stderr: '' });
    expect(await (await second.client()).ping()).toEqual(expect.any(Number));
  });
});

describe.each<[Shape & string, number]>([
  ['line', 5],
  ['ring', 4],
  ['mesh', 5],
])('a %s of %i processes', (shape, count) => {
  const processes = useProcesses();

  it('[O1] every node reads every key, and absent keys are asked for at their homes, without a search', async () => {
    const nodes = await processes.swarm(count, shape);
    const clients = await Promise.all(nodes.map((node) => node.client()));
    await Promise.all(clients.map((client, i) => client.set(`key-${i}`, { from: i })));
    for (const client of clients) {
      const values = await Promise.all(nodes.map((_, i) => client.get(`key-${i}`)));
      expect(values).toEqual(nodes.map((_, i) => ({ from: i })));
    }

    const counted = async (): Promise<Router[]> => {
      const reports = await Promise.all(nodes.map((node) => node.inspect<{ router: Router }>('counters')));
      return reports.map(({ router }) => router);
    };
    const before = await counted();
    for (const client of clients) {
      for (let i = 0; i < 20; i += 1) expect(await client.get(`nowhere-${i}`)).toBeUndefined();
    }
    const after = await counted();
    expect(after.map((router, i) => router.searches - before[i]!.searches)).toEqual(nodes.map(() => 0));
  });
});
