/**
 * Real processes for the end-to-end tests. Whatever happens, none outlives its suite: each is ended with it, every wait
 * has an end, and nodes watch a pipe to this process, which the kernel closes however this process ends.
 */
import { afterAll, beforeAll } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Client, type ConnectOptions } from '../../src/client/index.js';
import { edgesOf, type Shape } from '../../src/testing/shape.js';

export const PROJECT = join(__dirname, '..', '..');
export const PROGRAM = join(PROJECT, 'bin', 'swarmbus');

const START_MS = 15_000;
const STOP_MS = 5000;
const SETTLE_MS = 15_000;
const POLL_MS = 20;

/** How a process ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What it reads on its standard input; without it, nothing. */
  readonly input?: string;
}

type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

/** One process, and all that it has said so far. */
export class RunningProcess {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  isOver = false;

  constructor(command: string, args: readonly string[], { env = {}, cwd = PROJECT, input }: StartOptions) {
    const beganMs = performance.now();
    this.child = spawn(command, args, { cwd, env: { ...ownEnv(), ...DRAIN, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdin?.on('error', () => {});
    if (input !== undefined) this.child.stdin?.end(input);
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.isOver = true;
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr, ms: performance.now() - beganMs });
      };
      this.child.once('close', end);
      this.child.once('error', (error) => {
        this.stderr += String(error);
        end(null, null);
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** The end, if it comes in time. */
  async endsWithin(ms: number): Promise<Ended> {
    return inTime(this.ended, ms, () => `the end of process ${this.pid}, which said ${this.#words}`);
  }

  /** The first line of the log that says so. */
  async logged(text: string, ms = START_MS): Promise<LogLine> {
    const find = (): LogLine | undefined => this.log.find(({ msg }) => msg === text);
    await until(() => find() !== undefined || this.isOver, `the line ${JSON.stringify(text)}`, ms);
    const line = find();
    if (line === undefined) throw new Error(`it ended without ${JSON.stringify(text)}: ${this.#words}`);
    return line;
  }

  get log(): readonly LogLine[] {
    return this.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LogLine);
  }

  get #words(): string {
    return JSON.stringify(`${this.stdout}${this.stderr}`.slice(-2000));
  }
}

/** A node that listens. */
export class NodeProcess {
  readonly process: RunningProcess;
  readonly url: string;
  readonly #clients: Client[] = [];

  constructor(running: RunningProcess, url: string) {
    this.process = running;
    this.url = url;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** A client of this node, closed with its suite. */
  async client(options: ConnectOptions = {}): Promise<Client> {
    const client = await connect(this.url, options);
    this.#clients.push(client);
    return client;
  }

  async closeClients(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  async inspect<T>(what: string): Promise<T> {
    const client = await connect(this.url);
    try {
      return (await client.inspect(what as 'node')) as T;
    } finally {
      await client.close();
    }
  }

  /** Bytes of memory that it holds, or null where nobody tells. */
  get residentBytes(): number | null {
    const file = `/proc/${this.process.pid}/status`;
    const kilobytes = existsSync(file) ? /VmRSS:\s+(\d+)/.exec(readFileSync(file, 'utf8'))?.[1] : undefined;
    return kilobytes === undefined ? null : Number(kilobytes) * 1024;
  }

  /** Closes the pipe that it watches; it leaves in order. */
  leave(): void {
    this.process.child.stdin?.end();
  }
}

/** The processes and folders of one suite. */
export class Processes {
  readonly #all: RunningProcess[] = [];
  readonly #nodes: NodeProcess[] = [];
  readonly #folders: string[] = [];
  #isOver = false;

  start(command: string, args: readonly string[], options: StartOptions = {}): RunningProcess {
    if (this.#isOver) throw new Error('the time of this suite is over');
    const running = new RunningProcess(command, args, options);
    this.#all.push(running);
    return running;
  }

  /** Runs it to its end; throws if that doesn't come in time. */
  async run(
    command: string,
    args: readonly string[],
    { timeoutMs = START_MS, input = '', ...options }: StartOptions & { readonly timeoutMs?: number } = {},
  ): Promise<Ended> {
    const running = this.start(command, args, { ...options, input });
    try {
      return await running.endsWithin(timeoutMs);
    } finally {
      if (!running.isOver) running.kill('SIGKILL');
    }
  }

  /** The command line, as a user would call it. */
  swarmbus(...args: string[]): Promise<Ended> {
    return this.run(PROGRAM, args);
  }

  /** Starts `swarmbus node` without waiting for anything. It leaves when its standard input ends. */
  startNode(flags: readonly string[] = [], options: StartOptions = {}): RunningProcess {
    const listen = flags.includes('--listen') ? [] : ['--listen', '127.0.0.1:0'];
    return this.start(PROGRAM, ['node', ...listen, ...flags, '--until-stdin-ends'], options);
  }

  /** A node on a free port of loopback that serves clients. */
  async node(flags: readonly string[] = [], options: StartOptions = {}): Promise<NodeProcess> {
    const running = this.startNode(flags, options);
    const { urls } = await running.logged('listening');
    const node = new NodeProcess(running, (urls as string[])[0]!);
    this.#nodes.push(node);
    await running.logged('serving clients');
    return node;
  }

  /** Linked nodes, all of which see each other. */
  async swarm(count: number, shape: Shape, flags: readonly string[] = []): Promise<NodeProcess[]> {
    const edges = edgesOf(shape, count);
    const nodes: NodeProcess[] = [];
    for (let i = 0; i < count; i++) {
      // The younger end of each edge dials: the port of the older one is known by then.
      const links = edges.filter((edge) => Math.max(...edge) === i).map((edge) => nodes[Math.min(...edge)]!.url);
      nodes.push(await this.node(['--name', `n${i}`, ...links.flatMap((url) => ['--link', url]), ...flags]));
    }
    await settled(nodes, edges.length);
    return nodes;
  }

  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), 'swarmbus-e2e-'));
    this.#folders.push(folder);
    return folder;
  }

  file(name: string, text: string): string {
    const file = join(this.folder(), name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  }

  /** Ends everything now, and lets nothing more begin. */
  kill(): void {
    this.#isOver = true;
    for (const running of this.#all) running.kill('SIGKILL');
  }

  /** Ends everything in order. Returns what had to be forced. */
  async dispose(): Promise<string[]> {
    const stubborn: string[] = [];
    await Promise.all(this.#nodes.map((node) => node.closeClients()));
    for (const { child } of this.#all) child.stdin?.end();
    for (const running of this.#all) {
      try {
        await running.endsWithin(STOP_MS);
      } catch (error) {
        stubborn.push((error as Error).message);
        running.kill('SIGKILL');
        await running.ended;
      }
    }
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    return stubborn;
  }
}

/**
 * The processes of the suite in which it is called. When the suite's time is over they are killed, so that whatever waits
 * for them fails; a process that doesn't end by itself with its suite is a failure as well.
 */
export function useProcesses(limitMs = 60_000): Processes {
  const processes = new Processes();
  let timer: NodeJS.Timeout;
  let isLate = false;
  beforeAll(() => {
    timer = setTimeout(() => {
      isLate = true;
      processes.kill();
    }, limitMs);
  });
  afterAll(async () => {
    clearTimeout(timer);
    const stubborn = await processes.dispose();
    if (isLate) throw new Error(`the suite took longer than ${limitMs / 1000} s and was ended`);
    if (stubborn.length > 0) throw new Error(`left behind: ${stubborn.join('\n')}`);
  }, 30_000);
  return processes;
}

/** Waits until each node sees all nodes and all links, and serves clients. */
export async function settled(nodes: readonly NodeProcess[], linkCount: number): Promise<void> {
  for (const node of nodes) {
    const client = await connect(node.url);
    try {
      let seen = '';
      const isComplete = async (): Promise<boolean> => {
        const { members, links } = (await client.inspect('topology')) as { members: unknown[]; links: unknown[] };
        const { status } = await client.inspect('node');
        seen = `${members.length} nodes and ${links.length} links, and is ${String(status)}`;
        // A node serves clients when the homes have confirmed what it owns (RULES V3).
        return members.length === nodes.length && links.length === linkCount && status === 'running';
      };
      await until(isComplete, () => `${nodes.length} nodes and ${linkCount} links, it saw ${seen}`, SETTLE_MS);
    } finally {
      await client.close();
    }
  }
}

/** A node that can't hand its entries over ends before its suite takes it for stubborn. */
const DRAIN = { SWARMBUS_DRAIN_MS: '3s' };

export async function until(
  isTrue: () => boolean | Promise<boolean>,
  what: string | (() => string),
  timeoutMs = 10_000,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!(await isTrue())) {
    if (performance.now() > deadlineMs)
      throw new Error(`waited ${timeoutMs} ms for ${typeof what === 'string' ? what : what()}`);
    await pause(POLL_MS);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export async function inTime<T>(promise: Promise<T>, ms: number, what: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what()}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Consecutive ports that were free a moment ago, below those that the system gives to others. */
export async function freePorts(count: number): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const first = 20_000 + Math.floor(Math.random() * 10_000);
    const areFree = await Promise.all(Array.from({ length: count }, (_, i) => isFree(first + i)));
    if (areFree.every(Boolean)) return first;
  }
  throw new Error('no free ports');
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return freePorts(1);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const { port: bound } = server.address() as AddressInfo;
      server.close(() => resolve(bound === port));
    });
  });
}

/** Our environment without what is meant for other nodes, leads links elsewhere, or would colour the output. */
function ownEnv(): NodeJS.ProcessEnv {
  const isOthers = (name: string): boolean => /^(SWARMBUS_|FORCE_COLOR$|(https?|all|no)_proxy$)/i.test(name);
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isOthers(name)));
}

/**
 * Whether a test must be skipped, because this machine lacks what it needs. Where CI runs nothing is skipped: there the
 * test runs, and fails. Elsewhere stderr says by what it would run.
 */
export function lacks(what: string, isThere: boolean, packages: string): boolean {
  if (isThere || process.env['CI'] === 'true') return false;
  process.stderr.write(`skipped: ${what}; to run it: apt-get install ${packages}\n`);
  return true;
}
