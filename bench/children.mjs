// The processes of a run. None of them outlives it: they are ended when the run is over, when it fails, when it is
// interrupted, and, since each server hangs on a pipe from this process, even when this process is killed.

import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

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
  /** Those that were told to end while the others go on. */
  #leaving = new Set();
  #isStopping = false;

  #kill = () => {
    for (const child of this.#running) child.kill('SIGKILL');
  };

  constructor() {
    this.failed = new Promise((_, reject) => {
      this.#fail = reject;
    });
    this.failed.catch(() => {});
    process.on('exit', this.#kill);
  }

  /** Starts a server in the given folder and gives its process id when `port` accepts connections. */
  async startServer({ name, command, args, folder, port, env = {} }) {
    const child = this.#watch(name, this.#spawn(command, args, folder, 'ignore', env));
    await this.orFailed(waitForPort(port, name));
    return child.pid;
  }

  /** Starts a server that chooses its port itself and writes it to its standard output. */
  async startServerWithOwnPort({ name, command, args, folder }) {
    const child = this.#watch(name, this.#spawn(command, args, folder, 'pipe', {}));
    const port = await this.orFailed(firstLine(child.stdout, name));
    return { pid: child.pid, port: Number(port) };
  }

  /**
   * Starts a program that ends by itself; its lines of standard output go to `onLine`. `ended` resolves when it has ended
   * well and rejects, with what it said last, when it has not; `finish()` ends its standard input.
   */
  startProgram({ name, command, args, folder, env, onLine }) {
    const child = spawn(command, args, {
      cwd: folder,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    let lastWords = '';
    child.stderr.setEncoding('utf8').on('data', (text) => {
      lastWords = (lastWords + text).slice(-LAST_WORDS_BYTES);
    });
    child.stdin.on('error', () => {});
    createInterface(child.stdout).on('line', onLine);
    this.#running.add(child);
    const ended = new Promise((resolve, reject) => {
      child.on('error', (error) => {
        this.#running.delete(child);
        reject(new Error(`${name} could not be started: ${error.message}`));
      });
      child.on('close', (code, signal) => {
        this.#running.delete(child);
        if (code === 0) resolve();
        else reject(new Error(lastWords.trim() || `${name} ended with ${code ?? signal}`));
      });
    });
    return { pid: child.pid, ended: this.orFailed(ended), finish: () => child.stdin.end() };
  }

  /** Ends one server in order, as SIGTERM does, and gives its exit code; it need not end by itself any more. */
  async stopServer(pid, timeoutMs) {
    const child = [...this.#running].find((one) => one.pid === pid);
    this.#leaving.add(child);
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    try {
      return await this.orFailed(exited);
    } finally {
      clearTimeout(timer);
    }
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
    process.off('exit', this.#kill);
  }

  #spawn(command, args, folder, stdout, env) {
    return spawn('/bin/sh', ['-c', LEASH, 'sh', command, ...args], {
      cwd: folder,
      env: { ...process.env, ...env },
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
      if (this.#isStopping || this.#leaving.has(child)) return;
      const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
      this.#fail(new Error(`${name} ${how}${lastWords === '' ? '' : `: ${lastWords.trim()}`}`));
    });
    return child;
  }

  /** The promise, or the failure of a server in the meantime. */
  orFailed(promise) {
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
