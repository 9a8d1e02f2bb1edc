/** What may be wrong when a node starts: its options, its machine, its addresses, its name. */
import { describe, expect, it } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, useProcesses } from './processes.js';
import { expectServed } from './raw-client.js';

const LISTENERS = ['uws', 'ws'] as const;

describe('what keeps a node from starting is said in one line, with exit code 2', () => {
  const processes = useProcesses();

  const refused = async (flags: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> => {
    const { code, stderr } = await processes.startNode(flags, { env }).endsWithin(15_000);
    expect(stderr).toMatch(/^swarmbus: [^\n]+\n$/);
    expect(code).toBe(2);
    return stderr.slice('swarmbus: '.length, -1);
  };

  it.each(LISTENERS)('a port in use, on %s', async (listener) => {
    const node = await processes.node(['--listener', listener]);
    const line = await refused(['--listener', listener, '--listen', `127.0.0.1:${node.port}`]);
    expect(line).toBe(`can't listen on 127.0.0.1:${node.port}: port in use; choose another with --listen`);
    await expectServed(node);
  });

  it('a name that another node has', async () => {
    const node = await processes.node(['--name', 'twin']);
    expect(await refused(['--name', 'twin', '--link', node.url])).toMatch(
      /^the name twin is taken by the node \S+; choose another with --name$/,
    );
    await expectServed(node);
  });

  it('an address beyond loopback without a token', async () => {
    expect(await refused(['--listen', '0.0.0.0:0'])).toMatch(
      /is beyond loopback, and no client token is set: .*--open$/,
    );
  });

  it('a slip in the configuration, with its place', async () => {
    const file = processes.file('node.yaml', 'name: a\nstroe: 1GiB\n');
    expect(await refused(['--config', file])).toBe(`${file}:2:1: stroe: there is no such option; did you mean store?`);
    expect(await refused([], { SWARMBUS_STORE: 'much' })).toMatch(/^SWARMBUS_STORE: must be .*, not "much"$/);
    expect(await refused(['--config', processes.file('node.yaml', 'listen: [')])).toMatch(/node\.yaml:1:\d+: /);
  });

  it('an old Node', async () => {
    const old = processes.file(
      'old.cjs',
      `Object.defineProperty(process, 'version', { value: 'v20.18.3' });
       Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.18.3' } });`,
    );
    const line = await refused([], { NODE_OPTIONS: `--require ${old}` });
    expect(line).toBe('needs Node 20.19 or newer, this is v20.18.3: install it from https://nodejs.org');
  });

  it('an old Node, or none, by make as well', async () => {
    const folder = processes.folder();
    const program = join(folder, 'node');
    writeFileSync(program, '#!/bin/sh\ntest "$1" = --version && echo v20.18.3\nexit 0\n', { mode: 0o755 });
    const env = { PATH: `${folder}:${process.env['PATH'] ?? ''}` };
    const { code, stderr } = await processes.run('make', ['node-version'], { env });
    expect(stderr).toMatch(/swarmbus needs Node 20\.19 or newer, found v20\.18\.3: install it from/);
    expect(code).toBe(2);
  });

  it('uWebSockets.js that does not load, if it was asked for; without being asked, ws takes its place', async () => {
    const unloadable = processes.file(
      'unloadable.cjs',
      `const { dlopen } = process;
       process.dlopen = (module, file, ...flags) => {
         if (/uws/.test(file)) throw new Error('no binary for this machine');
         return dlopen.call(process, module, file, ...flags);
       };`,
    );
    const env = { NODE_OPTIONS: `--require ${unloadable}` };
    expect(await refused(['--listener', 'uws'], env)).toMatch(
      /^uWebSockets\.js does not load here .*; use --listener ws$/,
    );
    const node = await processes.node([], { env });
    await expectServed(node);
    const mentions = node.process.stdout.split('\n').filter((line) => line.includes('uWebSockets.js'));
    expect(mentions).toHaveLength(1);
    expect(await node.process.logged('listening')).toMatchObject({
      listener: 'ws',
      because: expect.stringContaining('could not be loaded'),
    });
  });
});

describe('addresses that lead nowhere', () => {
  const processes = useProcesses();

  it('a link to oneself is noticed once, and the node serves', async () => {
    const port = await freePort();
    const flags = ['--listen', `127.0.0.1:${port}`, '--link', `ws://localhost:${port}`, '--alone-after-ms', '500'];
    const node = await processes.node(flags);
    expect(node.process.log.filter(({ msg }) => msg.startsWith('this link leads back'))).toHaveLength(1);
    await expectServed(node);
  });

  it('a dead link is told, and the node serves alone', async () => {
    const port = await freePort();
    const node = await processes.node(['--link', `ws://127.0.0.1:${port}`, '--alone-after-ms', '500']);
    expect(await node.process.logged('no link')).toMatchObject({
      level: 'warn',
      reason: `127.0.0.1:${port} refused the connection: nothing listens there`,
    });
    await expectServed(node);
  });
});
