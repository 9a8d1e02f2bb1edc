/** A command line without a process: what it writes is kept, the swarm is a Map, signals are sent by calling. */
import assert from 'node:assert';
import { PassThrough, Readable } from 'node:stream';
import type { ConnectOptions } from '../../src/client/index.js';
import type { Log } from '../../src/actors/runtime/env.js';
import type { NodeOptions, RunningNode } from '../../src/node.js';
import type { Outside, Output, Signal, SwarmClient } from '../../src/cli/outside.js';
import type { SupervisorLine } from '../../src/cli/workers/line.js';
import { run } from '../../src/cli/program.js';

export interface FakeOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | Buffer;
  readonly isTTY?: boolean;
  readonly client?: Partial<SwarmClient>;
  readonly connect?: (urls: readonly string[], options: ConnectOptions) => Promise<SwarmClient>;
  readonly forkWorker?: Outside['forkWorker'];
  readonly supervisor?: SupervisorLine;
  readonly startNode?: (options: NodeOptions, log: Log) => Promise<RunningNode>;
}

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface FakeOutside extends Outside {
  readonly store: Map<string, { value: unknown; ttlMs: number | null }>;
  readonly connects: { readonly urls: readonly string[]; readonly options: ConnectOptions }[];
  readonly exits: number[];
  readonly out: () => string;
  readonly err: () => string;
  signal(signal: Signal): void;
  closed: boolean;
}

/** An error as the client throws it. */
export function swarmError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}

export function fakeOutside(options: FakeOptions = {}): FakeOutside {
  const stdout = capture(options.isTTY ?? false);
  const stderr = capture(false);
  const handlers = new Map<Signal, Set<() => void>>();
  const store: FakeOutside['store'] = new Map();
  const fake: FakeOutside = {
    stdin: Readable.from(
      options.stdin === undefined
        ? []
        : [typeof options.stdin === 'string' ? Buffer.from(options.stdin) : options.stdin],
    ),
    stdout: stdout.stream,
    stderr: stderr.stream,
    env: options.env ?? {},
    script: 'bin/swarmbus',
    store,
    connects: [],
    exits: [],
    out: stdout.text,
    err: stderr.text,
    closed: false,
    connect: async (urls, connectOptions) => {
      fake.connects.push({ urls, options: connectOptions });
      if (options.connect !== undefined) return options.connect(urls, connectOptions);
      return { ...mapClient(fake), ...options.client } as SwarmClient;
    },
    startNode: options.startNode ?? (() => Promise.reject(new Error('no node was expected'))),
    forkWorker: options.forkWorker ?? (() => assert.fail('no worker was expected')),
    supervisor: () => options.supervisor ?? null,
    onSignal(signal, handler) {
      const set = handlers.get(signal) ?? new Set();
      handlers.set(signal, set.add(handler));
      return () => set.delete(handler);
    },
    exit: (code) => void fake.exits.push(code),
    signal: (signal) => handlers.get(signal)?.forEach((handler) => handler()),
  };
  return fake;
}

export async function runCommand(args: readonly string[], options: FakeOptions = {}): Promise<Ended> {
  const outside = fakeOutside(options);
  const code = await run(args, outside);
  return { code, out: outside.out(), err: outside.err() };
}

function capture(isTTY: boolean): { stream: Output; text: () => string } {
  const pieces: Buffer[] = [];
  const stream = Object.assign(new PassThrough(), { isTTY, columns: 200 });
  stream.on('data', (piece: Buffer) => pieces.push(piece));
  return { stream, text: () => Buffer.concat(pieces).toString('utf8') };
}

function mapClient(fake: FakeOutside): Partial<SwarmClient> {
  const get = async (key: string): Promise<unknown> => fake.store.get(key)?.value;
  return {
    get: get as SwarmClient['get'],
    set: async (key, value, { ttlMs = null as number | null } = {}) => {
      fake.store.set(key, { value, ttlMs });
      return { stamp: 'stamp' };
    },
    delete: async (key) => fake.store.delete(key),
    getMany: (async (keys) =>
      [...keys].map((key) => ({ key, value: fake.store.get(key)?.value, error: null }))) as SwarmClient['getMany'],
    deleteMany: async (keys) => [...keys].map((key) => ({ key, value: fake.store.delete(key), error: null })),
    ping: async () => 0.25,
    close: async () => {
      fake.closed = true;
    },
  };
}
