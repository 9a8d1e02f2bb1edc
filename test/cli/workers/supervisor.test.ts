/** The supervisor with workers that are only said to be processes, in time that passes by calling. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { NodeOptions } from '../../../src/node.js';
import type { Order, WorkerEvents, WorkerProcess } from '../../../src/cli/workers/line.js';
import { Supervisor } from '../../../src/cli/workers/supervisor.js';

class FakeWorker implements WorkerProcess {
  readonly pid: number;
  readonly events: WorkerEvents;
  readonly orders: Order[] = [];
  isKilled = false;

  constructor(pid: number, events: WorkerEvents) {
    this.pid = pid;
    this.events = events;
  }

  tell(order: Order): void {
    this.orders.push(order);
  }

  kill(): void {
    this.isKilled = true;
    this.events.onEnd('was ended by SIGKILL');
  }

  get started(): NodeOptions {
    const [first] = this.orders;
    if (first?.type !== 'start') throw new Error('no start');
    return first.options;
  }

  get told(): string[] {
    return this.orders.map(({ type }) => type);
  }

  serve(): void {
    this.events.onReport({ type: 'listening' });
    this.events.onReport({ type: 'serving' });
  }

  empty(): void {
    this.events.onReport({ type: 'emptied' });
  }

  end(exitCode = 0, reason = 'stopped'): void {
    this.events.onReport({ type: 'ended', reason, exitCode });
    this.events.onEnd(`ended with code ${exitCode}`);
  }
}

let workers: FakeWorker[];
let timers: { readonly atMs: number; readonly run: () => void }[];
let nowMs: number;
let lines: string[];
let supervisor: Supervisor;

const start = (count: number): void => {
  workers = [];
  timers = [];
  nowMs = 0;
  lines = [];
  const optionsOf = (number: number, siblings: readonly number[]): NodeOptions =>
    ({ name: `n-${number}`, links: siblings.map(String) }) as unknown as NodeOptions;
  supervisor = new Supervisor(
    { count, optionsOf, logLevel: 'info', drainMs: 3000 },
    {
      fork(events) {
        const worker = new FakeWorker(workers.length + 1, events);
        workers.push(worker);
        return worker;
      },
      nowMs: () => nowMs,
      random: () => 1,
      after(ms, run) {
        const timer = { atMs: nowMs + ms, run };
        timers.push(timer);
        return () => (timers = timers.filter((other) => other !== timer));
      },
    },
    (level, text, fields = {}) => lines.push(`${level} ${text} ${JSON.stringify(fields)}`),
  );
};

const pass = (ms: number): void => {
  nowMs += ms;
  const due = timers.filter(({ atMs }) => atMs <= nowMs);
  timers = timers.filter(({ atMs }) => atMs > nowMs);
  for (const { run } of due) run();
};

const worker = (pid: number): FakeWorker => workers[pid - 1]!;

describe('a supervisor', () => {
  beforeEach(() => start(3));

  const serveAll = (): void => {
    for (const pid of [1, 2, 3]) worker(pid).serve();
  };

  it('starts the first alone until it serves, then each of the others when the one before it listens', () => {
    worker(1).events.onReport({ type: 'listening' });
    expect(workers).toHaveLength(1);
    worker(1).events.onReport({ type: 'serving' });
    expect(workers).toHaveLength(2);
    worker(2).events.onReport({ type: 'listening' });
    expect(workers.map(({ started }) => [started.name, started.links])).toEqual([
      ['n-1', []],
      ['n-2', ['1']],
      ['n-3', ['1', '2']],
    ]);
    expect(lines).toEqual([]);
    worker(3).serve();
    worker(2).events.onReport({ type: 'serving' });
    expect(lines).toEqual(['info all workers serve {"workers":["n-1","n-2","n-3"]}']);
  });

  it('starts one that ended again, linked to all others, ever later if it ends again', () => {
    serveAll();
    worker(1).events.onEnd('was ended by SIGKILL');
    expect(lines.at(-1)).toBe('error worker ended {"worker":"n-1","reason":"was ended by SIGKILL","againInMs":200}');
    pass(199);
    expect(workers).toHaveLength(3);
    pass(1);
    expect(worker(4).started).toMatchObject({ name: 'n-1', links: ['2', '3'] });
    worker(4).serve();
    expect(lines.at(-1)).toBe('info worker serves again {"worker":"n-1"}');
    worker(4).end(1, '/node/local-store failed: fault');
    expect(lines.at(-1)).toMatch(/local-store failed: fault","againInMs":400}$/);
    pass(400);
    // It has served before: what keeps it from starting now is no reason to end the others.
    worker(5).end(2, 'the data directory is in use');
    expect(lines.at(-1)).toMatch(/in use","againInMs":800}$/);
    pass(800);
    worker(6).serve();
    pass(60_000);
    worker(6).events.onEnd('was ended by SIGKILL');
    expect(lines.at(-1)).toMatch(/"againInMs":200}$/);
    expect([worker(2), worker(3)].map(({ told }) => told)).toEqual([['start'], ['start']]);
  });

  it.each([1, 2, 3])('ends the whole if worker %i can not start, with its reason and code', async (number) => {
    for (let pid = 1; pid < number; pid++) worker(pid).serve();
    worker(number).end(2, 'port in use');
    for (let pid = 1; pid < number; pid++) {
      expect(worker(pid).told).toEqual(['start', 'stop']);
      worker(pid).empty();
      worker(pid).end();
    }
    expect(await supervisor.ended).toEqual({ reason: 'port in use', exitCode: 2 });
    expect(timers).toEqual([]);
  });

  it('names the worker that died before it served', async () => {
    worker(1).events.onEnd('was ended by SIGSEGV');
    expect(await supervisor.ended).toEqual({ reason: 'n-1: was ended by SIGSEGV', exitCode: 1 });
  });

  it('[H4] lets all leave at once, and none go before each has handed over what it could', async () => {
    serveAll();
    supervisor.stop('SIGTERM');
    supervisor.stop('again');
    expect(workers.map(({ told }) => told)).toEqual(Array(3).fill(['start', 'stop']));
    worker(1).empty();
    worker(3).empty();
    expect(worker(1).told).toEqual(['start', 'stop']);
    worker(2).end(1, '5 entries were not handed over: no room');
    expect(worker(1).told).toEqual(['start', 'stop', 'go']);
    expect(worker(3).told).toEqual(['start', 'stop', 'go']);
    worker(3).end();
    worker(1).end();
    expect(await supervisor.ended).toEqual({ reason: 'n-2: 5 entries were not handed over: no room', exitCode: 1 });
    expect(timers).toEqual([]);
  });

  it('lets one that fails by itself go as soon as it is emptied', () => {
    serveAll();
    worker(2).empty();
    expect(worker(2).told).toEqual(['start', 'go']);
    expect(worker(1).told).toEqual(['start']);
  });

  it('does not start again what ended when all are to leave', async () => {
    serveAll();
    worker(2).events.onEnd('was ended by SIGKILL');
    supervisor.stop('SIGTERM');
    pass(1000);
    expect(workers).toHaveLength(3);
    for (const pid of [1, 3]) worker(pid).end();
    expect(await supervisor.ended).toEqual({ reason: 'stopped', exitCode: 0 });
  });

  it('kills what does not end in time', async () => {
    serveAll();
    supervisor.stop('SIGTERM');
    worker(1).end();
    worker(2).end();
    pass(7999);
    expect(worker(3).isKilled).toBe(false);
    pass(1);
    expect(worker(3).isKilled).toBe(true);
    expect(await supervisor.ended).toEqual({ reason: 'n-3: was ended by SIGKILL', exitCode: 1 });
  });
});
