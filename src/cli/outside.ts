/**
 * All that a command touches outside of itself, so that a test can stand in for it: streams, environment, signals, the
 * way to a swarm and the start of a node. What is heavy to load is loaded when it is first asked for.
 */
import { Console } from 'node:console';
import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Writable } from 'node:stream';
import type { Log } from '../actors/runtime/env.js';
import type { Client, ConnectOptions } from '../client/index.js';
import type { NodeOptions, RunningNode } from '../node.js';
import { forkWorker, supervisorLine } from './workers/fork.js';
import type { SupervisorLine, WorkerEvents, WorkerProcess } from './workers/line.js';

/** What commands ask of a client. */
export type SwarmClient = Pick<
  Client,
  | 'get'
  | 'getEntry'
  | 'getMany'
  | 'set'
  | 'delete'
  | 'deleteMany'
  | 'touch'
  | 'incr'
  | 'scan'
  | 'watch'
  | 'where'
  | 'trace'
  | 'ping'
  | 'inspect'
  | 'database'
  | 'log'
  | 'createDatabase'
  | 'databases'
  | 'inspectDatabase'
  | 'compactDatabase'
  | 'close'
>;

/** A stream that a person may be looking at. */
export interface Output extends NodeJS.WritableStream {
  readonly isTTY?: boolean;
}

export type Signal = 'SIGINT' | 'SIGTERM';

export interface Outside {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The file that was started, so that it can be started again. */
  readonly script: string;
  connect(urls: readonly string[], options: ConnectOptions): Promise<SwarmClient>;
  /** Rejects with an error of code STARTUP, whose message is one line that says what to do. */
  startNode(options: NodeOptions, log: Log): Promise<RunningNode>;
  /** Starts one more process of this program, as a worker. */
  forkWorker(events: WorkerEvents): WorkerProcess;
  /** Whoever started this process as a worker, or null. */
  supervisor(): SupervisorLine | null;
  /** Returns what takes the handler away again. */
  onSignal(signal: Signal, handler: () => void): () => void;
  /** Ends the process at once. */
  exit(code: number): void;
}

export const outsideOfProcess: Outside = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  script: process.argv[1] ?? '',
  connect: async (urls, options) => (await import('../client/index.js')).connect([...urls], options),
  startNode: async (options, log) => {
    hearPackages(log);
    return (await import('../node.js')).startNode(options, log, clientScript(log));
  },
  forkWorker: (events) => forkWorker(outsideOfProcess.script, events),
  supervisor: supervisorLine,
  onSignal(signal, handler) {
    process.on(signal, handler);
    return () => process.off(signal, handler);
  },
  exit: (code) => process.exit(code),
};

/** Colours and layout are for people; pipes and files get plain text. */
export function isForPeople(output: Output): boolean {
  return output.isTTY === true;
}

export function hasColours(output: Output, env: Outside['env']): boolean {
  if (env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '') return false;
  if (env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '') return env['FORCE_COLOR'] !== '0';
  return isForPeople(output) && env['TERM'] !== 'dumb';
}

/**
 * Packages print what the log of a node tells already, such as each failed write of its disk, as traces that say nothing
 * to its operator. Nobody else prints in this process, so that what is printed may go to the log, for whoever debugs.
 */
function hearPackages(log: Log): void {
  const lines = new Writable({
    write(text: Buffer, _encoding, done) {
      log('debug', 'a package says', { text: text.toString().trim() });
      done();
    },
  });
  globalThis.console = new Console(lines);
}

/** The client for the page of a node, built beside the program. */
function clientScript(log: Log): string | null {
  const file = join(dirname(realpathSync(outsideOfProcess.script)), '..', 'dist', 'browser', 'client.js');
  try {
    return readFileSync(file, 'utf8');
  } catch {
    log('warn', 'pages get no /client.js: run `make build`', { file });
    return null;
  }
}
