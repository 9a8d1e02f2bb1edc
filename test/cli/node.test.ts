import { describe, expect, it } from '@jest/globals';
import type { Log } from '../../src/actors/runtime/env.js';
import type { NodeOptions, RunningNode } from '../../src/node.js';
import { run } from '../../src/cli/program.js';
import { fakeOutside, type FakeOptions, type FakeOutside } from './fake-outside.js';

interface Started {
  readonly outside: FakeOutside;
  readonly ended: Promise<number>;
  /** Resolves when the node has been started. */
  readonly started: Promise<{ options: NodeOptions; log: Log }>;
  /** The node ends by itself. */
  end(reason: string, exitCode: number): void;
  stops: number;
}

function start(args: string[], options: FakeOptions = {}): Started {
  let onStarted!: (given: { options: NodeOptions; log: Log }) => void;
  let onEnd!: (end: { reason: string; exitCode: number }) => void;
  const started = new Promise<{ options: NodeOptions; log: Log }>((resolve) => {
    onStarted = resolve;
  });
  const stopped = new Promise<{ reason: string; exitCode: number }>((resolve) => {
    onEnd = resolve;
  });
  const outside = fakeOutside({
    startNode: async (nodeOptions, log): Promise<RunningNode> => {
      onStarted({ options: nodeOptions, log });
      const stop: RunningNode['stop'] = async () => {
        node.stops += 1;
        return { reason: 'stopped', exitCode: 0 };
      };
      const [serving, emptied] = [Promise.resolve(), Promise.resolve()];
      const urls = ['ws://127.0.0.1:7101'];
      return { id: 'A', name: nodeOptions.name, urls, listenerKind: 'uws', serving, emptied, stop, stopped };
    },
    ...options,
  });
  const node: Started = {
    outside,
    ended: run(['node', ...args], outside),
    started,
    end: (reason, exitCode) => onEnd({ reason, exitCode }),
    stops: 0,
  };
  return node;
}

const turn = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 20));
const lines = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('node', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('starts with its options, and leaves in order on %s', async (signal) => {
    const node = start(['--name', 'n', '--link', 'ws://a:1', '--link', 'ws://b:2', '--store', '1MB']);
    const { options } = await node.started;
    expect(options).toMatchObject({ name: 'n', links: ['ws://a:1', 'ws://b:2'], storeBytesMax: 1e6 });
    await turn();
    node.outside.signal(signal);
    expect(await node.ended).toBe(0);
    expect(node.stops).toBe(1);
    const log = lines(node.outside.out());
    expect(log.map(({ msg }) => msg)).toEqual(['listening', 'stopping', 'stopped']);
    expect(log[0]).toMatchObject({
      level: 'info',
      name: 'n',
      node: 'A',
      urls: ['ws://127.0.0.1:7101'],
      listener: 'uws',
      because: 'it is the faster one',
    });
    expect(node.outside.exits).toEqual([]);
  });

  it('ends at once on a second signal', async () => {
    const node = start([], {
      startNode: () => new Promise(() => {}),
    });
    await turn();
    node.outside.signal('SIGINT');
    expect(node.outside.exits).toEqual([]);
    node.outside.signal('SIGTERM');
    expect(node.outside.exits).toEqual([130]);
  });

  it('says in one line why it can’t start: exit code 2', async () => {
    const reason = '127.0.0.1:7101 is in use: take another port by --listen';
    const node = start([], { startNode: () => Promise.reject(Object.assign(new Error(reason), { code: 'STARTUP' })) });
    expect(await node.ended).toBe(2);
    expect(node.outside.err()).toBe(`swarmbus: ${reason}\n`);
  });

  it('ends with the node’s own reason', async () => {
    const node = start([]);
    await node.started;
    node.end('the name n is taken: start it with another --name', 2);
    expect(await node.ended).toBe(2);
    expect(node.outside.err()).toBe('swarmbus: the name n is taken: start it with another --name\n');
  });

  it('leaves when its standard input ends, if told so', async () => {
    const node = start(['--until-stdin-ends'], { stdin: '' });
    expect(await node.ended).toBe(0);
    expect(node.stops).toBe(1);
  });

  it('logs for people in a terminal, without colours if they want none', async () => {
    const node = start(['--name', 'n'], { isTTY: true, env: { NO_COLOR: '1' } });
    const { log } = await node.started;
    await turn();
    log('warn', 'a link was lost', { to: 'm', hops: 2 });
    log('debug', 'too much to tell');
    node.outside.signal('SIGTERM');
    await node.ended;
    const [first, second] = node.outside.out().split('\n');
    expect(first).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} info  n listening node=A urls=ws:\/\/127\.0\.0\.1:7101 listener=uws because=/,
    );
    expect(second).toMatch(/^\S+ warn  n a link was lost to=m hops=2$/);
    expect(node.outside.out()).not.toContain('too much');
  });

  it('logs warnings of its options, and nothing if silent', async () => {
    const node = start(['--listen', '0.0.0.0:7101', '--open']);
    await node.started;
    await turn();
    node.outside.signal('SIGTERM');
    await node.ended;
    expect(lines(node.outside.out()).filter(({ level }) => level === 'warn')).toHaveLength(2);

    const silent = start(['--log-level', 'silent']);
    await silent.started;
    await turn();
    silent.outside.signal('SIGTERM');
    await silent.ended;
    expect(silent.outside.out()).toBe('');
  });
});
