/**
 * Runs workers: processes that are linked nodes behind one port. The first begins alone, as it has to join whatever swarm
 * there is outside before it may serve; then each of the others, linked to those before it. A worker that ended is started
 * again, linked to all others. When all leave, none goes before each has handed over what it could, since one may be
 * another's only way to nodes outside.
 *
 * Invariants: a slot has one process at most; a worker that has never served ends the whole, any other only itself; when
 * `ended` resolves no process is left.
 */
import type { NodeEnd } from '../../actors/node.js';
import type { Log } from '../../actors/runtime/env.js';
import type { NodeOptions as StartOptions } from '../../node.js';
import { EXIT } from '../exit.js';
import type { LogLevelOption } from '../node-options.js';
import { FIRST } from './division.js';
import type { Order, Report, WorkerEvents, WorkerProcess } from './line.js';
import { failuresAfter, restartDelayMs } from './restart-delay.js';

export interface Plan {
  readonly count: number;
  /** What a worker is started with, given the numbers of those to link to. */
  optionsOf(number: number, siblings: readonly number[]): StartOptions;
  readonly logLevel: LogLevelOption;
  readonly drainMs: number;
}

export interface SupervisorOutside {
  fork(events: WorkerEvents): WorkerProcess;
  nowMs(): number;
  /** From 0 to 1. */
  random(): number;
  /** Returns what takes it back. */
  after(ms: number, run: () => void): () => void;
}

interface Slot {
  readonly number: number;
  process: WorkerProcess | null;
  name: string;
  /** Since when this process serves clients; null: it does not yet. */
  servesSinceMs: number | null;
  hasServed: boolean;
  isEmptied: boolean;
  end: NodeEnd | null;
  failures: number;
  forgetRestart: () => void;
}

/** Beyond the time that workers have to leave. */
const KILL_MARGIN_MS = 5000;

export class Supervisor {
  readonly ended: Promise<NodeEnd>;
  readonly #plan: Plan;
  readonly #outside: SupervisorOutside;
  readonly #log: Log;
  readonly #slots: readonly Slot[];
  readonly #faults: string[] = [];
  #exitCode: number = EXIT.done;
  #isStopping = false;
  #isComplete = false;
  #forgetKill = (): void => {};
  #resolve!: (end: NodeEnd) => void;

  constructor(plan: Plan, outside: SupervisorOutside, log: Log) {
    this.#plan = plan;
    this.#outside = outside;
    this.#log = log;
    this.#slots = Array.from({ length: plan.count }, (_, i) => ({
      number: FIRST + i,
      process: null,
      name: '',
      servesSinceMs: null,
      hasServed: false,
      isEmptied: false,
      end: null,
      failures: 0,
      forgetRestart: () => {},
    }));
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#launch(this.#slots[0]!);
  }

  /** Lets all leave in order. */
  stop(because: string): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const slot of this.#slots) {
      slot.forgetRestart();
      slot.process?.tell({ type: 'stop', because });
    }
    this.#forgetKill = this.#outside.after(this.#plan.drainMs + KILL_MARGIN_MS, () => this.kill());
    this.#letGo();
    this.#endIfDone();
  }

  /** Ends all at once. */
  kill(): void {
    for (const { process } of this.#slots) process?.kill();
  }

  #launch(slot: Slot): void {
    // At first only those that listen already are dialled: links to others would be told as missing.
    const siblings = this.#slots.filter((other) => other !== slot && (slot.hasServed || other.number < slot.number));
    const options = this.#plan.optionsOf(
      slot.number,
      siblings.map(({ number }) => number),
    );
    slot.name = options.name;
    slot.servesSinceMs = null;
    slot.isEmptied = false;
    slot.end = null;
    slot.process = this.#outside.fork({
      onReport: (report) => this.#onReport(slot, report),
      onEnd: (how) => this.#onEnd(slot, how),
    });
    const order: Order = { type: 'start', options, logLevel: this.#plan.logLevel };
    slot.process.tell(order);
  }

  #onReport(slot: Slot, report: Report): void {
    switch (report.type) {
      case 'listening':
        // The first one has to join the swarm outside before anybody may take it for one to join.
        if (slot.number !== FIRST) this.#launchNext(slot);
        return;
      case 'serving':
        return this.#onServing(slot);
      case 'emptied':
        slot.isEmptied = true;
        return this.#letGo();
      case 'ended':
        slot.end = report;
    }
  }

  #onServing(slot: Slot): void {
    slot.servesSinceMs = this.#outside.nowMs();
    if (slot.hasServed) this.#log('info', 'worker serves again', { worker: slot.name });
    slot.hasServed = true;
    if (slot.number === FIRST) this.#launchNext(slot);
    if (this.#isComplete || !this.#slots.every(({ hasServed }) => hasServed)) return;
    this.#isComplete = true;
    this.#log('info', 'all workers serve', { workers: this.#slots.map(({ name }) => name) });
  }

  /** Once for each slot: a worker that is started again finds the next one there. */
  #launchNext({ number }: Slot): void {
    const next = this.#slots[number - FIRST + 1];
    if (!this.#isStopping && next !== undefined && next.name === '') this.#launch(next);
  }

  #onEnd(slot: Slot, how: string): void {
    const { reason, exitCode } = slot.end ?? { reason: how, exitCode: EXIT.failed };
    slot.process = null;
    if (this.#isStopping) {
      if (exitCode !== EXIT.done) this.#blame(`${slot.name}: ${reason}`, exitCode);
      this.#letGo();
      this.#endIfDone();
    } else if (slot.hasServed) this.#relaunchLater(slot, reason);
    else {
      // What its operator has to change is the same for all; else it matters which one it was.
      this.#blame(exitCode === EXIT.usage ? reason : `${slot.name}: ${reason}`, exitCode);
      this.stop(`${slot.name} can't start`);
    }
  }

  #relaunchLater(slot: Slot, reason: string): void {
    const servedMs = slot.servesSinceMs === null ? 0 : this.#outside.nowMs() - slot.servesSinceMs;
    slot.failures = failuresAfter(slot.failures, servedMs);
    const againInMs = restartDelayMs(slot.failures, this.#outside.random());
    this.#log('error', 'worker ended', { worker: slot.name, reason, againInMs });
    slot.forgetRestart = this.#outside.after(againInMs, () => this.#launch(slot));
  }

  /** Who has handed over what it could goes: when the others of those that leave have done so, too. */
  #letGo(): void {
    const present = this.#slots.filter(({ process }) => process !== null);
    if (this.#isStopping && !present.every(({ isEmptied }) => isEmptied)) return;
    for (const { process, isEmptied } of present) if (isEmptied) process?.tell({ type: 'go' });
  }

  #endIfDone(): void {
    if (this.#slots.some(({ process }) => process !== null)) return;
    this.#forgetKill();
    const reason = this.#faults.length === 0 ? 'stopped' : this.#faults.join('; ');
    this.#resolve({ reason, exitCode: this.#exitCode });
  }

  /** The first fault decides on the exit code: what follows may be its consequence. */
  #blame(reason: string, exitCode: number): void {
    this.#faults.push(reason);
    if (this.#exitCode === EXIT.done) this.#exitCode = exitCode;
  }
}
