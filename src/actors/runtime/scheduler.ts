/**
 * The scheduler: one ring of actors that have messages, one of actors with lifecycle matters, served first; one drain
 * per turn of the event loop, with budgets; then the flush phase. A message is a reference in a ring and its handling a
 * look-up and a call: no promise, closure or machine event is made for it. Each turn runs to completion; what it throws
 * ends or restarts that actor and nothing else.
 *
 * Invariant: every message told is processed, stashed, dropped (by reason), a dead letter or queued, exactly one of them.
 */
import { AskRef, Cell, Nobody, lane, phase, toRunnable } from './cell.js';
import type { Command, Engine, LaneCode, RunnableDecision, RunnableKind, RunnableTable } from './cell.js';
import { defineKind, drop, refuse, stash } from './kind.js';
import type { ActorReport, AnyKind, AnyMessage, Ref, Supervision, Terminated, TimerId, Told } from './kind.js';
import type { Env, Log, Random } from './env.js';
import { alwaysRunning } from './always-running.js';
import { ignored } from './machine.js';
import { Mailbox } from './mailbox.js';
import { Ring } from './ring.js';
import { ActorSelf } from './self.js';
import type { ActorEngine, OnReply } from './self.js';
import { Timers } from './timers.js';

export interface RuntimeOptions {
  /** How long an actor may take from `stop` to its final status. Default 10 s. */
  readonly stopTimeoutMs?: number;
  /** Default 64. */
  readonly deadLettersKept?: number;
  readonly onDeadLetter?: (letter: DeadLetter, message: AnyMessage) => void;
  /** Makes of each message told what is handed over: a test bus encodes and decodes it. */
  readonly onHop?: (message: AnyMessage) => AnyMessage;
  /** Called for each message when it is handled. */
  readonly trace?: (hop: Hop) => void;
}

/** `sent = processed + queued + stashed + dropped (all reasons) + dead`, at any time. */
export interface Counters {
  readonly sent: number;
  readonly processed: number;
  readonly queued: number;
  readonly stashed: number;
  /** `decision`: by a table's `drop`; `refused`: by a table's `refuse` or for want of room. */
  readonly dropped: { readonly overflow: number; readonly decision: number; readonly refused: number };
  readonly dead: number;
  /** Lifecycle events fed to machines; no messages. */
  readonly events: number;
}

/**
 * `ended`: the actor had ended. `unknown`: no decision for the type. `answered`: a second reply, or one after the
 * time-out. `nobody`: a reply to a message told without a sender.
 */
export type DeadReason = 'ended' | 'unknown' | 'answered' | 'nobody';

export interface DeadLetter {
  /** Monotonic ms. */
  readonly atMs: number;
  readonly from: string;
  readonly to: string;
  readonly type: string;
  readonly reason: DeadReason;
}

export interface Hop {
  /** Monotonic ms. */
  readonly atMs: number;
  readonly from: string;
  readonly to: string;
  readonly type: string;
  readonly message: AnyMessage;
}

/** Messages that one actor may handle before others have their turn. */
const cellBudget = 64;
/** Messages and lifecycle matters per drain, and its length; the clock is read every `clockEvery` of them. */
const drainBudget = 4096;
const drainMs = 2;
const clockEvery = 256;
/** How often mailboxes that have grown are looked at. */
const shrinkEveryMs = 1000;
/** Room of a mailbox that is not worth looking at. */
const smallRoom = 8;
const stopTimeoutMsDefault = 10_000;
const deadLettersKeptDefault = 64;

/** What a timer is for. */
const purpose = { message: 0, status: 1, ask: 2, restart: 3, stop: 4 } as const;

/** Above all actors; it never runs. */
const rootKind = defineKind({
  name: 'root',
  machine: alwaysRunning,
  create: () => ({}),
  tables: { running: {} },
  commands: {},
  mailbox: { capacity: 1 },
});

export class Scheduler implements Engine, ActorEngine {
  readonly counters = {
    sent: 0,
    processed: 0,
    queued: 0,
    stashed: 0,
    dropped: { overflow: 0, decision: 0, refused: 0 },
    dead: 0,
    events: 0,
  };
  readonly nobody: Ref = new Nobody(this);
  readonly random: Random;
  readonly log: Log;
  /** The parent of those that have none. */
  readonly root: Cell;
  readonly #env: Env;
  readonly #stopTimeoutMs: number;
  readonly #onHop: ((message: AnyMessage) => AnyMessage) | null;
  readonly #trace: ((hop: Hop) => void) | null;
  readonly #onDeadLetter: ((letter: DeadLetter, message: AnyMessage) => void) | null;
  readonly #deadLettersKept: number;
  readonly #deadLetters: DeadLetter[] = [];

  readonly #ready = new Ring<Cell>(64);
  readonly #urgent = new Ring<Cell>(64);
  readonly #timers = new Timers();
  readonly #drainBound = (): void => this.#drain();
  readonly #alarmBound = (): void => this.#onAlarm();
  readonly #dirty = new Ring<Cell>(64);
  #grown: Cell[] = [];
  #shrinkAtMs = 0;
  #alarmAtMs: number | null = null;
  #isArmed = false;
  #isDraining = false;
  /** Messages and lifecycle matters of this drain. */
  #work = 0;
  #turnMs: number | null = null;
  #turnWallMs: number | null = null;
  #isRefusing = false;
  #onShutdown: (() => void) | null = null;

  constructor(env: Env, options: RuntimeOptions) {
    this.#env = env;
    this.random = env.random;
    this.log = env.log;
    this.#stopTimeoutMs = options.stopTimeoutMs ?? stopTimeoutMsDefault;
    this.#deadLettersKept = options.deadLettersKept ?? deadLettersKeptDefault;
    this.#onHop = options.onHop ?? null;
    this.#trace = options.trace ?? null;
    this.#onDeadLetter = options.onDeadLetter ?? null;
    this.root = new Cell(this, toRunnable(rootKind), null, '');
  }

  // What the outside may ask for.

  shutdown(onDone: () => void): void {
    if (this.root.phase !== phase.live) throw new Error('the runtime has been shut down');
    this.#onShutdown = onDone;
    this.root.phase = phase.ending;
    this.#stopChildren(this.root);
  }

  /** `onReply` is called in the replier's turn; not at all unless the result is 'ok' or the refusal came at once. */
  askFromOutside(target: Ref, message: AnyMessage, timeoutMs: number, onReply: OnReply): Told {
    const ask = this.#open(this.root, new AskRef(this, null, onReply), timeoutMs);
    const told = target.tell(message, ask);
    if (told === 'ok' || !ask.isOpen) return 'ok';
    this.#close(ask);
    return told;
  }

  tree(): ActorReport[] {
    return reportChildren(this.root);
  }

  get deadLetters(): readonly DeadLetter[] {
    return this.#deadLetters;
  }

  get timerCount(): number {
    return this.#timers.liveCount;
  }

  // What addresses need.

  deliver(cell: Cell, told: AnyMessage, from: Ref): Told {
    const message = this.#onHop === null ? told : this.#onHop(told);
    const { counters } = this;
    counters.sent += 1;
    if (cell.phase >= phase.ending) return this.#refuseLate(cell, message, from);
    if (cell.waitingCount >= cell.kind.capacity && !this.#makeRoom(cell, message, from)) return 'full';
    cell.mailbox.push(message, from);
    counters.queued += 1;
    if (!cell.isReady && cell.phase === phase.live) this.#makeReady(cell);
    return 'ok';
  }

  answer(ask: AskRef, told: AnyMessage, from: Ref): Told {
    const message = this.#onHop === null ? told : this.#onHop(told);
    this.counters.sent += 1;
    if (!ask.isOpen) {
      const isEnded = ask.cell !== null && ask.cell.phase >= phase.ending;
      this.#die(ask.path, message, from, isEnded ? 'ended' : 'answered');
      return 'dead';
    }
    this.#close(ask);
    if (ask.cell !== null) {
      ask.reply = message;
      ask.from = from;
      this.counters.queued += 1;
      this.#push(ask.cell, lane.reply, ask);
      return 'ok';
    }
    this.counters.processed += 1;
    this.#traceHop(message, from, ask.path);
    ask.onReply(message);
    return 'ok';
  }

  lose(told: AnyMessage, from: Ref | undefined): Told {
    const message = this.#onHop === null ? told : this.#onHop(told);
    this.counters.sent += 1;
    this.#die(this.nobody.path, message, from ?? this.nobody, 'nobody');
    return 'dead';
  }

  // What actors may ask for.

  now(): number {
    if (!this.#isDraining) return this.#env.now();
    return (this.#turnMs ??= this.#env.now());
  }

  wallMs(): number {
    if (!this.#isDraining) return this.#env.wallMs();
    return (this.#turnWallMs ??= this.#env.wallMs());
  }

  watch(cell: Cell, who: Cell): void {
    if (who.phase === phase.ended) {
      this.#push(cell, lane.terminated, { type: 'terminated', who: who.ref, reason: who.reason } satisfies Terminated);
      return;
    }
    (who.watchers ??= new Set()).add(cell);
    (cell.watching ??= new Set()).add(who);
  }

  after(cell: Cell, delayMs: number, message: AnyMessage): TimerId {
    return this.#setTimer(cell, delayMs, purpose.message, message);
  }

  cancel(cell: Cell, id: TimerId): void {
    const timer = this.#timers.get(id);
    if (timer === null) return;
    if (timer.owner !== cell) throw new Error(`a timer that isn't one of ${cell.ref.path}`);
    this.#timers.end(timer);
    this.#armAlarm();
  }

  flushLater(cell: Cell): void {
    if (cell.isDirty) return;
    cell.isDirty = true;
    this.#dirty.push(cell);
    this.#arm();
  }

  signal(cell: Cell, event: string): void {
    this.#push(cell, lane.signal, event);
  }

  ask(cell: Cell, target: Ref, message: AnyMessage, timeoutMs: number, onReply: OnReply): void {
    target.tell(message, this.#open(cell, new AskRef(this, cell, onReply), timeoutMs));
  }

  // The drain.

  #arm(): void {
    if (this.#isArmed || this.#isDraining) return;
    this.#isArmed = true;
    this.#env.defer(this.#drainBound);
  }

  #makeReady(cell: Cell): void {
    cell.isReady = true;
    this.#ready.push(cell);
    this.#arm();
  }

  /** Puts something into an actor's lifecycle lane. */
  #push(cell: Cell, code: LaneCode, item: unknown): void {
    cell.lane ??= new Mailbox();
    cell.lane.push(code, item);
    this.#makeUrgent(cell);
  }

  #makeUrgent(cell: Cell): void {
    if (cell.isUrgent) return;
    cell.isUrgent = true;
    this.#urgent.push(cell);
    this.#arm();
  }

  #drain(): void {
    const startedMs = this.#env.now();
    this.#isArmed = false;
    this.#isDraining = true;
    this.#work = 0;
    let readClockAt = clockEvery;
    for (;;) {
      const urgent = this.#urgent.shift();
      if (urgent !== undefined) {
        urgent.isUrgent = false;
        this.#runLane(urgent);
      } else {
        const ready = this.#ready.shift();
        if (ready === undefined) break;
        this.#runMessages(ready);
      }
      if (this.#work < readClockAt) continue;
      if (this.#work >= drainBudget || this.#env.now() - startedMs > drainMs) break;
      readClockAt = this.#work + clockEvery;
    }
    this.#flush();
    if (startedMs >= this.#shrinkAtMs) this.#shrink(startedMs);
    this.#isDraining = false;
    if (this.#ready.size > 0 || this.#urgent.size > 0 || this.#dirty.size > 0) this.#arm();
  }

  #beginTurn(): void {
    this.#turnMs = null;
    this.#turnWallMs = null;
  }

  #runMessages(cell: Cell): void {
    const { mailbox } = cell;
    const { counters } = this;
    if (mailbox.size > cell.depthMax) cell.depthMax = mailbox.size;
    if (mailbox.room > smallRoom) this.#noteGrown(cell);
    this.#beginTurn();
    let left = cellBudget;
    try {
      while (mailbox.size > 0 && left > 0 && cell.phase === phase.live) {
        if (cell.lane !== null && cell.lane.size > 0) break;
        left -= 1;
        this.#work += 1;
        const message = mailbox.first();
        const from = mailbox.second();
        mailbox.shift();
        counters.queued -= 1;
        const decision = cell.table[message.type];
        if (typeof decision !== 'function') {
          this.#decide(cell, decision, message, from);
          continue;
        }
        counters.processed += 1;
        cell.processed += 1;
        if (this.#trace !== null) this.#traceHop(message, from, cell.ref.path);
        const event = decision.call(cell.state as object, message, from);
        if (event !== undefined) this.#feed(cell, event);
      }
    } catch (error) {
      this.#fail(cell, error);
    }
    if (mailbox.size > 0 && cell.phase === phase.live) this.#ready.push(cell);
    else cell.isReady = false;
  }

  /** A message from the lifecycle lane. */
  #handle(cell: Cell, message: AnyMessage, from: Ref): void {
    this.counters.sent += 1;
    const decision = cell.table[message.type];
    if (typeof decision !== 'function') return this.#decide(cell, decision, message, from);
    this.counters.processed += 1;
    cell.processed += 1;
    this.#traceHop(message, from, cell.ref.path);
    const event = decision.call(cell.state as object, message, from);
    if (event !== undefined) this.#feed(cell, event);
  }

  #decide(
    cell: Cell,
    decision: Exclude<RunnableDecision, (...args: never[]) => unknown> | undefined,
    message: AnyMessage,
    from: Ref,
  ): void {
    if (decision === stash) {
      cell.stash ??= new Mailbox();
      cell.stash.push(message, from);
      this.counters.stashed += 1;
    } else if (decision === drop) {
      this.counters.dropped.decision += 1;
      cell.droppedByDecision += 1;
    } else if (decision === refuse) {
      this.#countRefused(cell);
      this.#refuse(cell, message, from, 'state');
    } else this.#die(cell.ref.path, message, from, 'unknown');
  }

  /** At most one budget of what waits in the lane; the rest keeps its place before ordinary messages. */
  #runLane(cell: Cell): void {
    const items = cell.lane;
    if (items === null) return;
    this.#beginTurn();
    try {
      for (let left = cellBudget; items.size > 0; left--) {
        if (left === 0) return this.#makeUrgent(cell);
        this.#work += 1;
        const code = items.first();
        const item = items.second();
        items.shift();
        this.#runItem(cell, code, item);
      }
    } catch (error) {
      this.#fail(cell, error);
    }
  }

  #runItem(cell: Cell, code: LaneCode, item: unknown): void {
    if (code === lane.stop) return this.#onStop(cell);
    if (code === lane.timer) return this.#onTimer(cell, item as TimerId);
    if (code === lane.reply) return this.#onReply(cell, item as AskRef);
    if (cell.phase !== phase.live) return;
    if (code === lane.start) return this.#start(cell);
    if (code === lane.signal) return this.#feed(cell, item as string);
    const terminated = item as Terminated;
    this.#handle(cell, terminated, terminated.who);
  }

  #onReply(cell: Cell, ask: AskRef): void {
    const reply = ask.reply as AnyMessage;
    this.counters.queued -= 1;
    this.counters.processed += 1;
    cell.processed += 1;
    this.#traceHop(reply, ask.from as Ref, ask.path);
    this.#feedIfAny(cell, ask.onReply(reply));
  }

  #onTimer(cell: Cell, id: TimerId): void {
    const timer = this.#timers.get(id);
    if (timer === null) return;
    const { code, payload } = timer;
    this.#timers.end(timer);
    if (code === purpose.message) return this.#handle(cell, payload as AnyMessage, cell.ref);
    if (code === purpose.status) return this.#step(cell, payload as number);
    if (code === purpose.restart) return this.#restart(cell);
    if (code === purpose.ask) {
      const ask = payload as AskRef;
      ask.isOpen = false;
      return this.#feedIfAny(cell, ask.onReply(null));
    }
    this.log('warn', 'an actor did not stop in time and was ended', { actor: cell.ref.path });
    this.#end(cell, 'stopped');
  }

  #flush(): void {
    // Those that come meanwhile have their turn with the next drain.
    for (let left = this.#dirty.size; left > 0; left--) {
      const cell = this.#dirty.shift() as Cell;
      this.#beginTurn();
      try {
        this.#flushNow(cell);
      } catch (error) {
        this.#fail(cell, error);
      }
    }
  }

  #flushNow(cell: Cell): void {
    if (!cell.isDirty || cell.state === null) return;
    cell.isDirty = false;
    cell.kind.kind.onFlush?.call(cell.state);
  }

  #shrink(nowMs: number): void {
    this.#shrinkAtMs = nowMs + shrinkEveryMs;
    this.#grown = this.#grown.filter((cell) => (cell.isGrown = cell.mailbox.shrink()));
  }

  #noteGrown(cell: Cell): void {
    cell.mailbox.sample();
    if (cell.isGrown) return;
    cell.isGrown = true;
    this.#grown.push(cell);
  }

  // Lifecycles.

  #feedIfAny(cell: Cell, event: string | void): void {
    if (event !== undefined) this.#feed(cell, event);
  }

  #feed(cell: Cell, event: string): void {
    const index = cell.kind.machine.eventIndex.get(event);
    if (index === undefined) throw new Error(`${event} is no lifecycle event of ${cell.kind.name}`);
    this.#step(cell, index);
  }

  /** One transition: old timers, commands, new timers, the stash; then what the commands signalled. */
  #step(cell: Cell, event: number): void {
    this.counters.events += 1;
    const { machine, commands, tables } = cell.kind;
    const at = cell.status * machine.eventCount + event;
    const next = machine.next[at] as number;
    if (next === ignored) return;
    const isChange = next !== cell.status;
    const leaves = machine.leaves[at] === 1;
    if (leaves) this.#cancelStatusTimers(cell);
    cell.status = next;
    cell.table = tables[next] as RunnableTable;
    const further = this.#command(cell, commands[at] as readonly Command[]);
    if (next >= machine.firstFinal) return this.#end(cell, 'stopped');
    if (leaves) this.#startStatusTimers(cell);
    if (isChange) this.#unstash(cell);
    this.#feedAll(cell, further);
  }

  #start(cell: Cell): void {
    const further = this.#command(cell, cell.kind.startCommands);
    this.#startStatusTimers(cell);
    this.#feedAll(cell, further);
  }

  /** Returns what the commands signalled, if anything. */
  #command(cell: Cell, commands: readonly Command[]): string[] | null {
    let further: string[] | null = null;
    for (const command of commands) {
      const event = command.call(cell.state as object);
      if (event !== undefined) (further ??= []).push(event);
    }
    return further;
  }

  #feedAll(cell: Cell, events: readonly string[] | null): void {
    if (events === null) return;
    for (const event of events) if (cell.phase === phase.live) this.#feed(cell, event);
  }

  #startStatusTimers(cell: Cell): void {
    const delays = cell.kind.delays[cell.status] as RunnableKind['delays'][number];
    if (delays.length === 0) return;
    cell.statusTimers = delays.map(({ event, ms }) =>
      this.#setTimer(cell, typeof ms === 'number' ? ms : ms(cell.state as object), purpose.status, event),
    );
  }

  #cancelStatusTimers(cell: Cell): void {
    for (const id of cell.statusTimers ?? []) this.cancel(cell, id);
    cell.statusTimers = null;
  }

  #unstash(cell: Cell): void {
    if (cell.stash === null || cell.stash.size === 0) return;
    this.counters.stashed -= cell.stash.size;
    this.counters.queued += cell.stash.size;
    cell.mailbox.unshiftAll(cell.stash);
    // Its room would be kept for as long as the actor lives.
    cell.stash = null;
    if (!cell.isReady && cell.phase === phase.live) this.#makeReady(cell);
  }

  // Births and ends.

  /** Throws an Error when the runtime is shut down: nobody would ever end the actor. */
  spawn<M extends AnyMessage>(parent: Cell, kind: AnyKind, name: string, args: unknown): Ref<M> {
    if (parent.phase !== phase.live) throw new Error(`${name} can't be spawned: the runtime has been shut down`);
    if (name === '' || name.includes('/')) throw new Error(`an actor can't have the name '${name}'`);
    const cell = new Cell(this, toRunnable(kind), parent, freeName(parent, name));
    if (cell.kind.supervision.on === 'restart') cell.args = args;
    (parent.children ??= new Map()).set(cell.name, cell);
    this.#push(cell, lane.start, null);
    try {
      cell.state = kind.create(new ActorSelf(this, cell), args) as object;
    } catch (error) {
      this.#fail(cell, error);
    }
    return cell.ref;
  }

  stop(cell: Cell): void {
    if (cell.phase !== phase.ended) this.#push(cell, lane.stop, null);
  }

  #onStop(cell: Cell): void {
    if (cell.phase >= phase.ending || cell.isStopping) return;
    cell.isStopping = true;
    const { stopEvent } = cell.kind;
    if (cell.phase !== phase.live || stopEvent === ignored) return this.#end(cell, 'stopped');
    this.#setTimer(cell, this.#stopTimeoutMs, purpose.stop, null);
    this.#step(cell, stopEvent);
  }

  /** What a turn threw. The actor's state is not to be trusted any more, so that nothing more is flushed from it. */
  #fail(cell: Cell, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.log('error', 'an actor failed', {
      actor: cell.ref.path,
      reason,
      stack: error instanceof Error ? error.stack : '',
    });
    if (cell.phase !== phase.live) return;
    cell.isDirty = false;
    if (cell.isStopping || !this.#mayRestart(cell)) return this.#end(cell, reason);
    cell.phase = phase.failed;
    this.#abandon(cell);
    this.#unstash(cell);
    this.#stopChildren(cell);
  }

  #mayRestart(cell: Cell): boolean {
    const { supervision } = cell.kind;
    if (supervision.on !== 'restart') return false;
    const nowMs = this.now();
    const recent = (cell.restartTimes ?? []).filter((atMs) => nowMs - atMs < supervision.withinMs);
    if (recent.length >= supervision.restartsMax) return false;
    cell.restartTimes = [...recent, nowMs];
    return true;
  }

  #restart(cell: Cell): void {
    const { kind, machine, tables } = cell.kind;
    cell.phase = phase.live;
    cell.restarts += 1;
    cell.status = machine.start;
    cell.table = tables[machine.start] as RunnableTable;
    if (!cell.isReady && cell.mailbox.size > 0) this.#makeReady(cell);
    cell.state = kind.create(new ActorSelf(this, cell), cell.args) as object;
    this.#start(cell);
  }

  #end(cell: Cell, reason: string): void {
    if (cell.phase >= phase.ending) return;
    cell.phase = phase.ending;
    cell.reason = reason;
    this.#abandon(cell);
    this.#unstash(cell);
    while (cell.mailbox.size > 0) {
      const message = cell.mailbox.first();
      const from = cell.mailbox.second();
      cell.mailbox.shift();
      this.counters.queued -= 1;
      this.#refuseLate(cell, message, from);
    }
    this.#stopChildren(cell);
  }

  /** Ends what reaches into the life that is over: its timers, asks, watches and signals. */
  #abandon(cell: Cell): void {
    cell.life += 1;
    cell.statusTimers = null;
    while (cell.timers !== null) {
      if (cell.timers.code === purpose.ask) (cell.timers.payload as AskRef).isOpen = false;
      this.#timers.end(cell.timers);
    }
    this.#armAlarm();
    for (const who of cell.watching ?? []) who.watchers?.delete(cell);
    cell.watching = null;
    const items = cell.lane;
    let isAskedToStop = false;
    while (items !== null && items.size > 0) {
      const code = items.first();
      const item = items.second();
      items.shift();
      if (code === lane.stop) isAskedToStop = true;
      if (code !== lane.reply) continue;
      const ask = item as AskRef;
      this.counters.queued -= 1;
      this.#die(ask.path, ask.reply as AnyMessage, ask.from as Ref, 'ended');
    }
    if (isAskedToStop) this.#push(cell, lane.stop, null);
  }

  /** Those of the kind that was started last, together; the next kind when all of them have ended. */
  #stopChildren(cell: Cell): void {
    const children = [...(cell.children?.values() ?? [])].reverse();
    const kind = children[0]?.kind;
    if (kind === undefined) return this.#childrenGone(cell);
    const group = children.filter((child) => child.kind === kind);
    cell.endingKind = kind;
    cell.endingCount = group.length;
    for (const child of group) this.stop(child);
  }

  #childEnded(parent: Cell, child: Cell): void {
    parent.children?.delete(child.name);
    if (parent.endingKind !== child.kind) return;
    parent.endingCount -= 1;
    if (parent.endingCount === 0) this.#stopChildren(parent);
  }

  #childrenGone(cell: Cell): void {
    cell.endingKind = null;
    cell.nameNumbers = null;
    if (cell !== this.root) return this.#finish(cell);
    if (this.#onShutdown !== null) this.#env.defer(this.#onShutdown);
  }

  #finish(cell: Cell): void {
    try {
      this.#flushNow(cell);
    } catch (error) {
      this.#fail(cell, error);
    }
    try {
      if (cell.state !== null) cell.kind.kind.onEnd?.call(cell.state);
    } catch (error) {
      this.#fail(cell, error);
    }
    cell.state = null;
    if (cell.phase === phase.failed) return this.#awaitRestart(cell);
    cell.phase = phase.ended;
    cell.args = null;
    cell.mailbox.release();
    cell.stash = null;
    cell.lane = null;
    for (const watcher of cell.watchers ?? []) {
      watcher.watching?.delete(cell);
      const notice: Terminated = { type: 'terminated', who: cell.ref, reason: cell.reason };
      this.#push(watcher, lane.terminated, notice);
    }
    cell.watchers = null;
    if (cell.parent !== null) this.#childEnded(cell.parent, cell);
  }

  /** Twice as long with each restart in the window; half of it random, so that what failed together doesn't return so. */
  #awaitRestart(cell: Cell): void {
    cell.phase = phase.waiting;
    const supervision = cell.kind.supervision as Extract<Supervision, { on: 'restart' }>;
    const doubled = supervision.backoffMs * 2 ** ((cell.restartTimes?.length ?? 1) - 1);
    const jitter = 0.5 + this.random.uint32() / 2 ** 33;
    this.#setTimer(cell, Math.min(doubled, supervision.backoffMaxMs) * jitter, purpose.restart, null);
  }

  // Timers and asks.

  #setTimer(cell: Cell, delayMs: number, code: number, payload: unknown): TimerId {
    const atMs = this.now() + Math.max(0, delayMs);
    const id = this.#timers.set(atMs, cell, code, payload);
    if (this.#alarmAtMs === null || atMs < this.#alarmAtMs) this.#armAlarm();
    return id;
  }

  /** An alarm that comes too early, because its timer was cancelled, is cheaper than moving it. */
  #armAlarm(): void {
    const atMs = this.#timers.nextAtMs();
    if (atMs !== null && this.#alarmAtMs !== null && this.#alarmAtMs <= atMs) return;
    if (atMs === this.#alarmAtMs) return;
    this.#alarmAtMs = atMs;
    this.#env.setAlarm(atMs, this.#alarmBound);
  }

  #onAlarm(): void {
    this.#alarmAtMs = null;
    const nowMs = this.#env.now();
    for (let timer = this.#timers.due(nowMs); timer !== null; timer = this.#timers.due(nowMs)) {
      if (timer.owner !== this.root) {
        this.#push(timer.owner as Cell, lane.timer, timer.id);
        continue;
      }
      const ask = timer.payload as AskRef;
      this.#close(ask);
      ask.onReply(null);
    }
    this.#armAlarm();
  }

  #open(owner: Cell, ask: AskRef, timeoutMs: number): AskRef {
    ask.timer = this.#setTimer(owner, timeoutMs, purpose.ask, ask);
    return ask;
  }

  #close(ask: AskRef): void {
    ask.isOpen = false;
    const timer = this.#timers.get(ask.timer);
    if (timer !== null) this.#timers.end(timer);
    if (this.#timers.liveCount === 0) this.#armAlarm();
  }

  // What is not handled.

  /** At the bound: says whether the message may be queued all the same. */
  #makeRoom(cell: Cell, message: AnyMessage, from: Ref): boolean {
    const { overflow, overflowElse } = cell.kind;
    const policy = overflow[message.type] ?? overflowElse;
    if (policy === 'never') return true;
    if (policy === 'refuse') {
      this.#countRefused(cell);
      this.#refuse(cell, message, from, 'overflow');
      return false;
    }
    this.counters.dropped.overflow += 1;
    cell.droppedByOverflow += 1;
    return policy === 'dropOldest' && this.#dropOldest(cell);
  }

  /** Only what may be dropped for room gives way: a request would be left without its answer. */
  #dropOldest(cell: Cell): boolean {
    const { overflow } = cell.kind;
    const mayGo = ({ type }: AnyMessage): boolean => overflow[type] === 'dropOldest';
    if (cell.stash?.remove(mayGo) === true) {
      this.counters.stashed -= 1;
      return true;
    }
    if (!cell.mailbox.remove(mayGo)) return false;
    this.counters.queued -= 1;
    return true;
  }

  #countRefused(cell: Cell): void {
    this.counters.dropped.refused += 1;
    cell.refused += 1;
  }

  /** A refusal that is itself refused ends there. */
  #refuse(cell: Cell, message: AnyMessage, from: Ref, why: 'overflow' | 'state' | 'ended'): void {
    const { kind } = cell.kind;
    if (kind.refusal === undefined || from === this.nobody || this.#isRefusing) return;
    this.#isRefusing = true;
    try {
      const reply = kind.refusal(message, why);
      if (reply !== null) from.tell(reply, cell.ref);
    } catch (error) {
      this.log('error', 'a refusal failed', { actor: cell.ref.path, reason: String(error) });
    } finally {
      this.#isRefusing = false;
    }
  }

  /** In a final status the table says what was to be expected; the rest is lost, and its sender told so. */
  #refuseLate(cell: Cell, message: AnyMessage, from: Ref): Told {
    const decision = cell.status >= cell.kind.machine.firstFinal ? cell.table[message.type] : undefined;
    if (decision === drop) {
      this.counters.dropped.decision += 1;
      cell.droppedByDecision += 1;
      return 'dead';
    }
    if (decision === refuse) this.#countRefused(cell);
    else {
      cell.droppedAtEnd += 1;
      this.#die(cell.ref.path, message, from, 'ended');
    }
    this.#refuse(cell, message, from, 'ended');
    return 'dead';
  }

  #die(to: string, message: AnyMessage, from: Ref, reason: DeadReason): void {
    this.counters.dead += 1;
    const letter = { atMs: this.now(), from: from.path, to, type: message.type, reason };
    this.#deadLetters.push(letter);
    if (this.#deadLetters.length > this.#deadLettersKept) this.#deadLetters.shift();
    this.#onDeadLetter?.(letter, message);
  }

  #traceHop(message: AnyMessage, from: Ref, to: string): void {
    this.#trace?.({ atMs: this.now(), from: from.path, to, type: message.type, message });
  }
}

function freeName(parent: Cell, name: string): string {
  const { children } = parent;
  if (children === null || !children.has(name)) return name;
  parent.nameNumbers ??= new Map();
  let number = parent.nameNumbers.get(name) ?? 1;
  do number += 1;
  while (children.has(`${name}-${number}`));
  parent.nameNumbers.set(name, number);
  return `${name}-${number}`;
}

function reportChildren(cell: Cell): ActorReport[] {
  return [...(cell.children?.values() ?? [])].map((child) => ({
    path: child.ref.path,
    kind: child.kind.name,
    status:
      child.phase === phase.live ? (child.kind.machine.statuses[child.status] as string) : phaseNames[child.phase],
    depth: child.mailbox.size,
    depthMax: Math.max(child.depthMax, child.mailbox.size),
    stashed: child.stash?.size ?? 0,
    processed: child.processed,
    dropped: { overflow: child.droppedByOverflow, drop: child.droppedByDecision, ended: child.droppedAtEnd },
    refused: child.refused,
    restarts: child.restarts,
    children: reportChildren(child),
  }));
}

const phaseNames = ['live', 'restarting', 'restarting', 'ending', 'ended'] as const;
