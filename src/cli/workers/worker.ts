/**
 * The command `worker`: one node of those that a supervisor runs. It hears of its options and of its end from the
 * supervisor alone; without one it leaves by itself. Signals are for the supervisor: they reach all processes of a terminal
 * or a service at once, and one that left on its own would be in the way of an orderly end of all.
 */
import { rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { NodeEnd } from '../../actors/node.js';
import type { CommandDefinition } from '../command.js';
import { codeOf, EXIT, failure, messageOf } from '../exit.js';
import { createLog } from '../log.js';
import type { Outside } from '../outside.js';
import { endOf, startSingleNode } from '../single-node.js';
import type { Order, SupervisorLine } from './line.js';

type Start = Extract<Order, { type: 'start' }>;

export const workerCommand: CommandDefinition = {
  declare() {},

  async run(_command, outside) {
    const line = outside.supervisor();
    if (line === null) throw failure(EXIT.usage, 'a worker is started by `swarmbus node --workers N`, not by hand');
    for (const signal of ['SIGINT', 'SIGTERM'] as const) outside.onSignal(signal, () => {});
    let isGone = false;
    void line.gone.then(() => {
      isGone = true;
    });
    const orders = ordersOf(line);
    const start = await Promise.race([orders.start, line.gone.then(() => null)]);
    if (start === null) return EXIT.done;
    const end = await runNode(start, orders, line, outside);
    await line.tell({ type: 'ended', ...end });
    line.leave();
    if (isGone) clearSocket(start.options.linkSocket);
    return end.exitCode;
  },
};

interface Orders {
  readonly start: Promise<Start>;
  /** With the reason. */
  readonly stop: Promise<string>;
  readonly go: Promise<void>;
}

function ordersOf(line: SupervisorLine): Orders {
  let onStart!: (start: Start) => void;
  let onStop!: (because: string) => void;
  let onGo!: () => void;
  const orders: Orders = {
    start: new Promise((resolve) => (onStart = resolve)),
    stop: new Promise((resolve) => (onStop = resolve)),
    go: new Promise((resolve) => (onGo = resolve)),
  };
  line.onOrder((order) => {
    if (order.type === 'start') onStart(order);
    else if (order.type === 'stop') onStop(order.because);
    else onGo();
  });
  void line.gone.then(() => {
    onStop('the supervisor is gone');
    onGo();
  });
  return orders;
}

async function runNode(
  { options, logLevel }: Start,
  { stop, go }: Orders,
  line: SupervisorLine,
  outside: Outside,
): Promise<NodeEnd> {
  const log = createLog(logLevel, options.name, outside);
  try {
    const node = await startSingleNode(options, log, outside);
    void line.tell({ type: 'listening' });
    void node.serving.then(() => line.tell({ type: 'serving' }));
    void node.emptied.then(() => line.tell({ type: 'emptied' }));
    return await endOf(node, stop, log, go);
  } catch (error) {
    return { reason: messageOf(error), exitCode: codeOf(error) === 'STARTUP' ? EXIT.usage : EXIT.failed };
  }
}

/** The last of those whose supervisor is gone leaves no folder behind. */
function clearSocket(path: string | null): void {
  if (path === null) return;
  rmSync(path, { force: true });
  try {
    rmdirSync(dirname(path));
  } catch {
    // Others are still there.
  }
}
