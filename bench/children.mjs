// The processes of a run. None of them outlives it: they are ended when the run is over, when it fails, when it is
// interrupted, and, since each server hangs on a pipe from this process, even when this process is killed.

import { fork, spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 12_000;
/** What a dead process wrote last is the reason for its death, as a rule. */
const LAST_WORDS_BYTES = 2_000;

/** Becomes the server itself, and leaves behind a reader of the pipe, which kills the server when the pipe ends. */
const LEASH =
  'exec 3<&0 </dev/null; (cat <&3 >/dev/null 2>&1; kill -9 $$ 2>/dev/null) >/dev/null 2>&1 & exec "$@" 3<&-';

export class Children {
  /** Rejects when a child dies that was not told to; never resolves. */
  failed;
  #fail;
  #running = new Set();
  #isStopping = false;

  constructor() {
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
    process.on('exit', () => {
      for (const child of this.#running) child.kill('SIGKILL');
    });
  }

  /** Starts a server in the given folder and gives its process id when `port` accepts connections. */
  async startServer({ name, command, args, folder, port }) {
    const child = this.#watch(name, this.#spawn(command, args, folder, 'ignore'));
    await this.#orFailed(waitForPort(port, name));
    return child.pid;
  }

  /** Starts a server that chooses its port itself and writes it to its standard output. */
  async startServerWithOwnPort({ name, command, args, folder }) {
    const child = this.#watch(name, this.#spawn(command, args, folder, 'pipe'));
    const port = await this.#orFailed(firstLine(child.stdout, name));
    return { pid: child.pid, port: Number(port) };
  }

  /** Starts a load generator, which keeps its files in the folder. `run(name, job, timeoutMs)` resolves with the result of the job; one at a time. */
  startGenerator({ protocol, program, folder }) {
    const file = fileURLToPath(new URL('load.mjs', import.meta.url));
    const child = fork(file, [protocol, program, folder], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] });
    this.#watch('load generator', child);
    const run = (name, job, timeoutMs) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no result within ${timeoutMs} ms`)), timeoutMs);
        child.once('message', ({ result, error }) => {
          clearTimeout(timer);
          if (error === undefined) resolve(result);
          else reject(new Error(error));
        });
        child.send({ name, job });
      });
    return { run: (name, job, timeoutMs) => this.#orFailed(run(name, job, timeoutMs)) };
  }

  /** Ends all children, in order if they do so in time, and resolves when they are gone. */
  async stop() {
    this.#isStopping = true;
    const children = [...this.#running];
    const gone = Promise.all(children.map((child) => new Promise((resolve) => child.once('exit', resolve))));
    for (const child of children) child.kill('SIGTERM');
    const timer = setTimeout(() => children.forEach((child) => child.kill('SIGKILL')), STOP_TIMEOUT_MS);
    await gone;
    clearTimeout(timer);
  }

  #spawn(command, args, folder, stdout) {
    return spawn('/bin/sh', ['-c', LEASH, 'sh', command, ...args], {
      cwd: folder,
      stdio: ['pipe', stdout, 'pipe'],
    });
  }

  #watch(name, child) {
    let lastWords = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      lastWords = (lastWords + text).slice(-LAST_WORDS_BYTES);
    });
    this.#running.add(child);
    child.on('error', (error) => {
      this.#running.delete(child);
      this.#fail(new Error(`${name} could not be started: ${error.message}`));
    });
    child.on('exit', (code, signal) => {
      this.#running.delete(child);
      // A pipe that stays open would keep the reader at its other end.
      child.stdin?.destroy();
      if (this.#isStopping) return;
      const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
      this.#fail(new Error(`${name} ${how}${lastWords === '' ? '' : `: ${lastWords.trim()}`}`));
    });
    return child;
  }

  #orFailed(promise) {
    return Promise.race([promise, this.failed]);
  }
}

/** A port of the loopback address that nobody listens on now. */
export function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function waitForPort(port, name) {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const isOpen = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return;
    if (Date.now() > deadline) throw new Error(`${name} does not listen within ${START_TIMEOUT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function firstLine(stream, name) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${name} does not start`)), START_TIMEOUT_MS);
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
      if (!text.includes('\n')) return;
      clearTimeout(timer);
      resolve(text.split('\n')[0]);
    });
  });
}
