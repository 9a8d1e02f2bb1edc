/** The package as others get it: packed, installed into an empty project, and used there in every way it promises. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PROJECT, useProcesses, type Ended, type StartOptions } from './processes.js';

const INSTALL_MS = 120_000;
/** Each entry point, and one thing that it is there for. */
const ENTRIES = [
  ['swarmbus', 'startNode', 'function'],
  ['swarmbus/client', 'connect', 'function'],
  ['swarmbus/text', 'text', 'object'],
  ['swarmbus/actors', 'createRuntime', 'function'],
  ['swarmbus/testing', 'startSwarm', 'function'],
] as const;

const CHECKS = `
const check = (entry, name, kind, exports) => {
  if (typeof exports[name] !== kind) throw new Error(entry + ' has no ' + name);
};
`;

/** A swarm inside a test, with a listener of either kind, as somebody's own suite would have it. */
const PLAIN_TEST = `
const { connect } = require('swarmbus');
const { startSwarm } = require('swarmbus/testing');

test.each(['memory', 'ws', 'uws'])('a swarm over %s', async (transport) => {
  const swarm = await startSwarm({ nodes: 3, topology: 'ring', transport });
  try {
    await (await swarm.client(0)).set('k', { a: [1, 2] });
    expect(await (await swarm.client(2)).get('k')).toEqual({ a: [1, 2] });
    if (transport !== 'memory') {
      const client = await connect(swarm.node(1).url);
      expect(await client.get('k')).toEqual({ a: [1, 2] });
      await client.close();
    }
  } finally {
    await swarm.stop();
  }
});

test('a swarm in virtual time', async () => {
  const swarm = await startSwarm({ virtual: true, seed: 7 });
  await (await swarm.client(0)).set('k', 1, { ttlMs: 60_000 });
  swarm.advance(60_001);
  expect(await (await swarm.client(1)).get('k')).toBeUndefined();
  await swarm.stop();
});
`;

const TYPED = `
import { connect, startNode, SwarmError, type Client, type NodeOptions } from 'swarmbus';
import { connect as connectClient } from 'swarmbus/client';
import { text } from 'swarmbus/text';
import { createRuntime } from 'swarmbus/actors';
import { startSwarm, type Swarm } from 'swarmbus/testing';

export async function use(): Promise<Swarm> {
  const client: Client = await connect(['ws://127.0.0.1:7101'], { name: 'typed' });
  await client.set('k', { a: [1, 2] }, { ttlMs: 500 });
  const value: unknown = await client.get('k');
  if (value instanceof SwarmError) throw value;
  await (await connectClient('ws://127.0.0.1:7101')).close();
  const options: Partial<NodeOptions> = { listener: 'ws' };
  // @ts-expect-error A key is a text.
  await client.get(5);
  const note = await (await client.database('notes')).object('note:1', text);
  note.insert(0, 'hello');
  const state: string = note.doc.getText('text').toString() + note.state;
  if (state === '') throw new Error('empty');
  return startSwarm({ nodes: [createRuntime, startNode, options].length, topology: 'ring' });
}
`;

describe('the package in an empty project', () => {
  const processes = useProcesses(180_000);
  let folder: string;

  const run = (command: string, args: readonly string[], options: StartOptions = {}): Promise<Ended> =>
    processes.run(command, args, { cwd: folder, timeoutMs: 60_000, ...options });
  const write = (name: string, text: string): string => {
    const file = join(folder, name);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  };
  const tool = (name: string): string => join(PROJECT, 'node_modules', '.bin', name);

  beforeAll(async () => {
    const packed = processes.folder();
    folder = processes.folder();
    write('package.json', '{ "name": "empty", "private": true }');
    const pack = await run('npm', ['pack', '--ignore-scripts', '--pack-destination', packed], { cwd: PROJECT });
    expect(pack).toMatchObject({ code: 0 });
    const [tarball] = readdirSync(packed);
    const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--no-update-notifier'];
    const install = await processes.run('npm', [...args, join(packed, tarball!)], {
      cwd: folder,
      timeoutMs: INSTALL_MS,
    });
    expect(install).toMatchObject({ code: 0 });
  }, INSTALL_MS + 30_000);

  it('imports', async () => {
    const imports = ENTRIES.map(
      ([entry, name, kind]) => `check('${entry}', '${name}', '${kind}', await import('${entry}'));\n`,
    );
    const { code, stderr } = await run(process.execPath, [write('all.mjs', CHECKS + imports.join(''))]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it('requires', async () => {
    const requires = ENTRIES.map(
      ([entry, name, kind]) => `check('${entry}', '${name}', '${kind}', require('${entry}'));\n`,
    );
    const { code, stderr } = await run(process.execPath, [write('all.cjs', CHECKS + requires.join(''))]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  it.each([
    ['node16', 'node16', ['a.mts', 'a.cts']],
    ['bundler', 'esnext', ['a.ts']],
  ])(
    'type-checks with moduleResolution %s, module %s, in %j',
    async (moduleResolution, module, names) => {
      const files = names.map((name) => write(`${moduleResolution}/${name}`, TYPED));
      // The types of Node are not there, and ours are checked as well; not those that come with the compiler.
      const options = { strict: true, noEmit: true, target: 'es2022', lib: ['es2023', 'dom', 'esnext.disposable'] };
      const checks = { skipLibCheck: false, skipDefaultLibCheck: true };
      const compilerOptions = { ...options, ...checks, module, moduleResolution, types: [] };
      const config = write(`tsconfig.${moduleResolution}.json`, JSON.stringify({ compilerOptions, files }));
      const { code, stdout } = await run(tool('tsc'), ['-p', config]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    },
    60_000,
  );

  it('runs in plain jest', async () => {
    write('plain.test.js', PLAIN_TEST);
    const config = JSON.stringify({ rootDir: folder, transform: {}, cacheDirectory: join(folder, 'cache') });
    const { code, stderr } = await run(tool('jest'), ['--ci', '--runInBand', '--config', config]);
    expect(stderr).toContain('4 passed, 4 total');
    expect(stderr).not.toContain('did not exit');
    expect(code).toBe(0);
  });

  it('leaves Yjs to those who import swarmbus/text', async () => {
    const isLoaded = `Object.keys(require.cache).some((file) => /[\\\\/]yjs[\\\\/]/.test(file))`;
    const lines = ['swarmbus/client', 'swarmbus/text'].map(
      (entry) => `require('${entry}'); loaded.push(${isLoaded});\n`,
    );
    const told = `process.stdout.write(loaded.join(' '));\n`;
    const script = write('yjs.cjs', `const loaded = [];\n${lines.join('')}${told}`);
    expect(await run(process.execPath, [script])).toMatchObject({ code: 0, stdout: 'false true' });
  });

  it('brings its command, whose node serves the client to browsers', async () => {
    const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { version: string };
    expect(await run('npx', ['--no-install', 'swarmbus', '--version'])).toMatchObject({
      code: 0,
      stdout: `${version}\n`,
    });

    const program = join(folder, 'node_modules', '.bin', 'swarmbus');
    const node = processes.start(program, ['node', '--listen', '127.0.0.1:0', '--until-stdin-ends'], { cwd: folder });
    const { urls } = await node.logged('listening');
    const response = await fetch(`${(urls as string[])[0]!.replace('ws:', 'http:')}/client.js`);
    expect(response.status).toBe(200);
    const script = readFileSync(join(folder, 'node_modules', 'swarmbus', 'dist', 'browser', 'client.js'), 'utf8');
    expect(await response.text()).toBe(script);
    // Nothing is left for a bundler to find.
    expect(script).not.toMatch(/\bimport\s*[({"'*]|\brequire\(|\bprocess\./);
    // Yjs is for those who ask for it.
    expect(script).not.toMatch(/YText|yjs/i);
  });

  it('holds what it says, and no tests or sources', () => {
    const { files } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as { files: string[] };
    const installed = readdirSync(join(folder, 'node_modules', 'swarmbus'));
    const expected = ['package.json', ...files.filter((name) => existsSync(join(PROJECT, name)))];
    expect(installed.toSorted()).toEqual(expected.toSorted());
    for (const name of ['src', 'test', 'node_modules']) expect(installed).not.toContain(name);
  });
});
