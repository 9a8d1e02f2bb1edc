/**
 * A ring of node processes on this machine, for as long as this process lives: each watches its standard input, a pipe
 * that the kernel closes however we end, and leaves in order when it ends.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { EXIT, failure } from './exit.js';
import type { Outside } from './outside.js';

export interface RingNode {
  readonly name: string;
  readonly url: string;
  readonly pid: number;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
}

export interface Ring {
  readonly nodes: readonly RingNode[];
  /** Lets the nodes leave; kills those that don't. */
  stop(): Promise<void>;
  /** Kills them at once. */
  kill(): void;
}

const HOST = '127.0.0.1';
const START_MS = 15_000;
const STOP_MS = 8000;

/**
 * Starts one node per port, each linked to the next. Throws a Failure, with nothing left running. `program` is what
 * the user would type to call us.
 */
export async function startRing(ports: readonly number[], program: string, outside: Outside): Promise<Ring> {
  await checkPorts(ports, program);
  const children: ChildProcess[] = [];
  const kill = (): void => {
    for (const child of children) child.kill('SIGKILL');
  };
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    const timer = setTimeout(kill, STOP_MS);
    for (const child of children) child.stdin?.end();
    await Promise.all(children.map(ended));
    clearTimeout(timer);
    process.off('exit', kill);
  };
  try {
    const nodes = ports.map((port, i) => {
      const next = ports[(i + 1) % ports.length]!;
      const child = spawnNode(`node-${i + 1}`, port, next, outside);
      children.push(child);
      return { child, name: `node-${i + 1}`, url: `ws://${HOST}:${port}` };
    });
    await Promise.all(nodes.map(({ child, name }) => listening(child, name, outside)));
    return {
      nodes: nodes.map(({ child, name, url }) => ({ name, url, pid: child.pid ?? 0, ended: ended(child) })),
      stop,
      kill,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A node of a ring takes nothing from our environment that is meant for other nodes. */
function spawnNode(name: string, port: number, next: number, outside: Outside): ChildProcess {
  const env = Object.fromEntries(Object.entries(outside.env).filter(([key]) => !key.startsWith('SWARMBUS_')));
  const place = ['--name', name, '--listen', `${HOST}:${port}`, '--link', `ws://${HOST}:${next}`];
  // A proxy of the environment leads elsewhere.
  const args = [...place, '--proxy', 'none'];
  const child = spawn(
    process.execPath,
    [outside.script, 'node', ...args, '--swarm', 'demo', '--drain-ms', '2s', '--until-stdin-ends'],
    { env, stdio: ['pipe', 'pipe', 'pipe'] },
  );
  // The pipe breaks when the node ends first, which `ended` reports.
  child.stdin.on('error', () => {});
  return child;
}

/**
 * Resolves when the node says so in its log. From then on its errors go to our stderr; that a neighbour isn't there yet
 * is only a warning, and usual while a ring starts.
 */
function listening(child: ChildProcess, name: string, outside: Outside): Promise<void> {
  return new Promise((resolve, reject) => {
    let lastWords = 'it ended without a word';
    let isListening = false;
    const timer = setTimeout(
      () => reject(failure(EXIT.failed, `${name} did not start within ${START_MS / 1000} s: try again`)),
      START_MS,
    );
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const { level, msg, ...fields } = fieldsOf(line);
      if (msg === 'listening') {
        isListening = true;
        clearTimeout(timer);
        resolve();
      } else if (level === 'error') {
        const reason = typeof fields['reason'] === 'string' ? `: ${fields['reason']}` : '';
        outside.stderr.write(`${name}: ${String(msg)}${reason}\n`);
      }
    });
    createInterface({ input: child.stderr! }).on('line', (line) => {
      lastWords = line.replace(/^swarmbus: /, '');
      if (isListening) outside.stderr.write(`${name}: ${lastWords}\n`);
    });
    child.once('error', (error) => {
      clearTimeout(timer);
      reject(failure(EXIT.failed, `${name} can't be started: ${error.message}`));
    });
    child.once('close', () => {
      clearTimeout(timer);
      reject(failure(EXIT.usage, `${name} did not start: ${lastWords}`));
    });
  });
}

function fieldsOf(line: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(line) as Readonly<Record<string, unknown>>;
  } catch {
    return { level: 'error', msg: line };
  }
}

async function ended(child: ChildProcess): Promise<void> {
  const isRunning = child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  if (isRunning) await once(child, 'exit');
}

/** Tells a port in use before three processes complain about it. */
async function checkPorts(ports: readonly number[], program: string): Promise<void> {
  for (const port of ports) {
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen({ host: HOST, port, exclusive: true }, () => resolve(true));
    });
    if (!isFree)
      throw failure(
        EXIT.usage,
        `${HOST}:${port} is in use, perhaps by another \`make run\`: end that, or take other ports by \`${program} demo --port 7201\``,
      );
    server.close();
    await once(server, 'close');
  }
}
