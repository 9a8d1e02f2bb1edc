/**
 * Every snippet of the README, run as it stands against three linked node processes, in the order in which a reader
 * meets them; only the ports are other ones. Where a block of output follows, it must be exactly that.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { NODE_FLAGS, parseNodeOptions } from '../../src/cli/node-options.js';
import { connect } from '../../src/client/index.js';

interface Block {
  /** `line 12: python`, for the test's title. */
  readonly title: string;
  readonly language: string;
  /** What stands behind the language: `run`, `output` or nothing. */
  readonly mark: string;
  readonly code: string;
  /** What the block prints, if the README shows it. */
  readonly output: string | null;
}

const PROGRAM = resolve('bin/swarmbus');
const PYTHON = '/usr/bin/python3';
const CHROMIUM = '/usr/bin/chromium';
const NODES = 3;
const START_MS = 60_000;
const RUN_MS = 60_000;
const POLL_MS = 50;

const readme = readFileSync('README.md', 'utf8');
const blocks = blocksOf(readme);

function blocksOf(text: string): Block[] {
  const found = [...text.matchAll(/^```(\S+)(?: (\S+))?\n(.*?)^```$/gms)].map((match) => ({
    title: `line ${text.slice(0, match.index).split('\n').length}: ${match[1]}`,
    language: match[1] as string,
    mark: match[2] ?? '',
    code: match[3] as string,
  }));
  return found.map((block, i) => {
    const next = found[i + 1];
    return { ...block, output: next?.mark === 'output' ? next.code : null };
  });
}

/** Helpers that a machine may lack. With CI=true nothing may be skipped. */
const isCi = process.env['CI'] === 'true';
const hasPython = spawnSync(PYTHON, ['-c', 'import msgpack, websockets']).status === 0;
const hasChromium = existsSync(CHROMIUM);
const itWith = (isThere: boolean): typeof it | typeof it.skip => (isThere || isCi ? it : it.skip);

let folder = '';
let pages: Server;
const nodes: ChildProcess[] = [];
const ports: number[] = [];

/** The README's ports are those of `make run`. */
function withPorts(code: string): string {
  return code.replace(/127\.0\.0\.1:710([1-3])/g, (_, number: string) => `127.0.0.1:${ports[Number(number) - 1]}`);
}

async function startNode(number: number): Promise<number> {
  const { port } = pages.address() as AddressInfo;
  const link = number === 0 ? [] : ['--link', `ws://127.0.0.1:${ports[number - 1]}`];
  const child = spawn(
    process.execPath,
    [PROGRAM, 'node', '--name', `docs-${number}`, '--listen', '127.0.0.1:0', '--until-stdin-ends', ...link].concat(
      '--origin',
      `http://127.0.0.1:${port}`,
    ),
    { env: environment(), stdio: ['pipe', 'pipe', 'inherit'] },
  );
  nodes.push(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const { msg, urls } = JSON.parse(line) as { msg: string; urls?: string[] };
    if (msg !== 'listening') continue;
    child.stdout.resume();
    return Number(new URL((urls as string[])[0] as string).port);
  }
  throw new Error('the node ended before it listened');
}

function environment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^(SWARMBUS_|NODE_OPTIONS$|(https?|all|no)_proxy$)/i.test(name),
  );
  return {
    ...Object.fromEntries(own),
    PATH: `${join(folder, 'bin')}:${process.env['PATH']}`,
    SWARMBUS_URL: `ws://127.0.0.1:${ports[0]}`,
    NO_COLOR: '1',
  };
}

function run(program: string, args: readonly string[], input = ''): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    cwd: folder,
    env: environment(),
    input,
    encoding: 'utf8',
    timeout: RUN_MS,
  });
  if (status !== 0) throw new Error(`exit code ${status}: ${error?.message ?? ''}\n${stdout}${stderr}`);
  return stdout;
}

function runScript(code: string, title: string): string {
  const file = join(folder, `${title.replaceAll(/\W+/g, '-')}.mjs`);
  writeFileSync(file, withPorts(code));
  return run(process.execPath, [file]);
}

/** Lines that begin with `$` are commands; between them stands what they print, on either stream. */
function runConsole(code: string): string {
  return code
    .split(/^(?=\$ )/m)
    .map((step) => {
      const command = step.slice(2, step.indexOf('\n'));
      return `$ ${command}\n${run('bash', ['-c', `{ ${withPorts(command)}; } 2>&1`])}`;
    })
    .join('');
}

async function textOfPage(html: string): Promise<string | null> {
  writeFileSync(join(folder, 'page.html'), withPorts(html));
  const { chromium } = await import('playwright-core');
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(pages.address() as AddressInfo).port}/page.html`);
    await page.waitForSelector('#out:not(:empty)');
    return await page.textContent('#out');
  } finally {
    await browser.close();
  }
}

function servePages(): Server {
  const files: Readonly<Record<string, [file: () => string, type: string]>> = {
    '/page.html': [() => join(folder, 'page.html'), 'text/html'],
    '/client.js': [() => resolve('dist/browser/client.js'), 'text/javascript'],
  };
  return createServer((request, response) => {
    const [file, type] = files[request.url ?? ''] ?? [];
    if (file === undefined || type === undefined) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': type }).end(readFileSync(file()));
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'swarmbus-readme-'));
  // Of its own, so that none in a folder above decides what `swarmbus` is.
  writeFileSync(join(folder, 'package.json'), '{}');
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(resolve('.'), join(folder, 'node_modules', 'swarmbus'));
  mkdirSync(join(folder, 'bin'));
  symlinkSync(PROGRAM, join(folder, 'bin', 'swarmbus'));
  pages = servePages().listen(0, '127.0.0.1');
  await once(pages, 'listening');
  for (let i = 0; i < NODES; i += 1) ports.push(await startNode(i));
  for (const port of ports) {
    const client = await connect(`ws://127.0.0.1:${port}`);
    while (((await client.inspect('topology'))['members'] as unknown[]).length < NODES) {
      await new Promise((wake) => void setTimeout(wake, POLL_MS));
    }
    await client.close();
  }
}, START_MS);

afterAll(async () => {
  await Promise.all(
    nodes.map(async (node) => {
      const ended = once(node, 'exit');
      node.stdin?.end();
      if (node.exitCode === null && node.signalCode === null) await ended;
    }),
  );
  await new Promise((done) => void pages.close(done));
  rmSync(folder, { recursive: true, force: true });
}, START_MS);

describe('snippets of the README', () => {
  for (const { title, language, mark, code, output } of blocks) {
    if (mark !== 'run') continue;
    const compare = (printed: string): void => {
      if (output !== null) expect(printed).toBe(output);
    };
    switch (language) {
      case 'js':
        it(title, () => compare(runScript(code, title)), RUN_MS);
        break;
      case 'ts':
        it(title, () => compare(runScript(withoutTypes(code), title)), RUN_MS);
        break;
      case 'python':
        itWith(hasPython)(title, () => compare(run(PYTHON, ['-'], withPorts(code))), RUN_MS);
        break;
      case 'sh':
        it(title, () => compare(run('bash', ['-e'], withPorts(code))), RUN_MS);
        break;
      case 'console':
        it(title, () => expect(runConsole(code)).toBe(code), RUN_MS);
        break;
      case 'html':
        itWith(hasChromium)(title, async () => expect(await textOfPage(code)).toBe('/page.html'), RUN_MS);
        break;
      case 'yaml':
        it(title, () => expect(() => readOptions(code)).not.toThrow());
        break;
      default:
        it(title, () => expect(`nobody runs ${language}`).toBe(''));
    }
  }
});

function withoutTypes(code: string): string {
  const { ESNext } = ts.ModuleKind;
  return ts.transpileModule(code, { compilerOptions: { module: ESNext, target: ts.ScriptTarget.ES2022 } }).outputText;
}

/** The files that the options name lie beside the configuration. */
function readOptions(yaml: string): void {
  for (const [, file] of yaml.matchAll(/-file: (\S+)/g)) writeFileSync(join(folder, file as string), 'secret\n');
  const config = join(folder, 'node.yaml');
  writeFileSync(config, yaml);
  parseNodeOptions({ config }, {}, 'host');
}

it('whatever can be run is run', () => {
  const unmarked = blocks.filter(({ language, mark }) => /^(js|ts|python|console|html|yaml)$/.test(language) && !mark);
  expect(unmarked.map(({ title }) => title)).toEqual([]);
});

it('commands that are not run are targets of the Makefile, or nodes with options that there are', () => {
  const targets = [...readFileSync('Makefile', 'utf8').matchAll(/^([a-z-]+):/gm)].map(([, target]) => `make ${target}`);
  const lines = blocks.filter(({ language, mark }) => language === 'sh' && !mark).flatMap(({ code }) => lineList(code));
  for (const line of lines) {
    if (line.startsWith('swarmbus node ')) {
      const flags = [...line.matchAll(/--([a-z-]+)/g)].map(([, name]) => name);
      expect(NODE_FLAGS.map(({ name }) => name)).toEqual(expect.arrayContaining(flags));
    } else expect(targets).toContain(line);
  }
});

it('JSON is JSON', () => {
  for (const { code } of blocks.filter(({ language }) => language === 'json')) JSON.parse(code);
});

function lineList(code: string): string[] {
  return code.split('\n').filter((line) => line !== '');
}
