/** The command `worker`, with a supervisor that is a few promises. */
import { describe, expect, it } from '@jest/globals';
import type { NodeOptions, RunningNode } from '../../../src/node.js';
import type { Order, Report, SupervisorLine } from '../../../src/cli/workers/line.js';
import { run } from '../../../src/cli/program.js';
import { fakeOutside, type FakeOutside } from '../fake-outside.js';

class FakeSupervisor implements SupervisorLine {
  readonly reports: Report[] = [];
  readonly gone: Promise<void>;
  go!: () => void;
  hasLeft = false;
  readonly #early: Order[] = [];
  #handle = (order: Order): void => void this.#early.push(order);

  constructor() {
    this.gone = new Promise((resolve) => {
      this.go = resolve;
    });
  }

  onOrder(handler: (order: Order) => void): void {
    this.#handle = handler;
    for (const order of this.#early.splice(0)) handler(order);
  }

  order(order: Order): void {
    this.#handle(order);
  }

  async tell(report: Report): Promise<void> {
    this.reports.push(report);
  }

  leave(): void {
    this.hasLeft = true;
  }
}

const START: Order = { type: 'start', options: { name: 'n-2', linkSocket: null } as NodeOptions, logLevel: 'silent' };
const turn = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, 20));
const reported = async (line: FakeSupervisor, count: number): Promise<void> => {
  while (line.reports.length < count) await turn();
};

const begin = (
  startNode: () => Promise<RunningNode>,
): { line: FakeSupervisor; outside: FakeOutside; code: Promise<number> } => {
  const line = new FakeSupervisor();
  const outside = fakeOutside({ supervisor: line, startNode });
  return { line, outside, code: run(['worker'], outside) };
};

/** Leaves when it is told to, and goes when it is free to. */
const node = async (): Promise<RunningNode> => {
  let empty!: () => void;
  const emptied = new Promise<void>((resolve) => {
    empty = resolve;
  });
  return {
    id: 'A',
    name: 'n-2',
    urls: [],
    listenerKind: 'uws',
    serving: Promise.resolve(),
    emptied,
    stopped: new Promise(() => {}),
    async stop(isFree = Promise.resolve()) {
      empty();
      await isFree;
      return { reason: 'stopped', exitCode: 0 };
    },
  };
};

describe('worker', () => {
  it('does what the supervisor says and tells it what comes of it; signals say nothing to it', async () => {
    const { line, outside, code } = begin(node);
    line.order(START);
    await reported(line, 2);
    expect(line.reports.map(({ type }) => type)).toEqual(['listening', 'serving']);
    outside.signal('SIGTERM');
    outside.signal('SIGINT');
    await turn();
    expect(line.reports).toHaveLength(2);
    line.order({ type: 'stop', because: 'SIGTERM' });
    await reported(line, 3);
    expect(line.reports.at(-1)).toEqual({ type: 'emptied' });
    line.order({ type: 'go' });
    expect(await code).toBe(0);
    expect(line.reports.at(-1)).toEqual({ type: 'ended', reason: 'stopped', exitCode: 0 });
    expect([line.hasLeft, outside.exits, outside.err()]).toEqual([true, [], '']);
  });

  it('leaves in order when the supervisor is gone', async () => {
    const { line, code } = begin(node);
    line.order(START);
    await reported(line, 2);
    line.go();
    expect(await code).toBe(0);
  });

  it('ends when the supervisor is gone before it has said anything', async () => {
    const { line, code } = begin(node);
    line.go();
    expect(await code).toBe(0);
  });

  it('tells the supervisor why it can not start, and nobody else', async () => {
    const reason = 'port in use';
    const { line, outside, code } = begin(() => Promise.reject(Object.assign(new Error(reason), { code: 'STARTUP' })));
    line.order(START);
    expect(await code).toBe(2);
    expect(line.reports).toEqual([{ type: 'ended', reason, exitCode: 2 }]);
    expect(outside.err()).toBe('');
  });

  it('is no command for people', async () => {
    const outside = fakeOutside();
    expect(await run(['worker'], outside)).toBe(2);
    expect(outside.err()).toBe('swarmbus: a worker is started by `swarmbus node --workers N`, not by hand\n');
    const help = fakeOutside();
    await run(['--help'], help);
    expect(help.out()).not.toMatch(/^ *worker/m);
  });
});
