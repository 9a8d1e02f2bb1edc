/** Both ends of the channel between a supervisor and its workers, which are processes of the same program. */
import { fork } from 'node:child_process';
import type { Order, Report, SupervisorLine, WorkerEvents, WorkerProcess } from './line.js';

/** Starts one more process of the program with the command `worker`. Its output goes where ours goes. */
export function forkWorker(script: string, events: WorkerEvents): WorkerProcess {
  const child = fork(script, ['worker'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  let isOver = false;
  const end = (how: string): void => {
    if (isOver) return;
    isOver = true;
    events.onEnd(how);
  };
  child.on('message', (report) => events.onReport(report as Report));
  child.once('error', (error) => end(`could not be started: ${error.message}`));
  child.once('exit', (code, signal) => end(signal === null ? `ended with code ${code}` : `was ended by ${signal}`));
  return {
    pid: child.pid ?? 0,
    // What can't be said any more is said by the end of the process.
    tell: (order) => void (child.connected && child.send(order, () => {})),
    kill: () => void child.kill('SIGKILL'),
  };
}

/** Null: this process was not started by a supervisor. */
export function supervisorLine(): SupervisorLine | null {
  if (process.send === undefined) return null;
  const waiting: Order[] = [];
  let handle = (order: Order): void => void waiting.push(order);
  process.on('message', (order) => handle(order as Order));
  return {
    onOrder(handler) {
      handle = handler;
      for (const order of waiting.splice(0)) handler(order);
    },
    gone: new Promise((resolve) => void process.once('disconnect', resolve)),
    tell: (report) =>
      new Promise((resolve) => {
        if (process.connected) process.send?.(report, undefined, undefined, () => resolve());
        else resolve();
      }),
    leave() {
      if (process.connected) process.disconnect();
    },
  };
}
