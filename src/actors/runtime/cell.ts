/**
 * What the runtime holds per actor, the addresses by which others reach it, and its kind in the form in which turns run
 * it. Data and addresses only: all decisions are the engine's, which these types name without knowing it.
 */
import { ignored } from './machine.js';
import type { MachineTable } from './machine.js';
import { Mailbox } from './mailbox.js';
import type { Timer, TimerOwner } from './timers.js';
import type { AnyKind, AnyMessage, Overflow, Ref, Supervision, TimerId, Told } from './kind.js';

/** What addresses need of the runtime. */
export interface Engine {
  deliver(cell: Cell, message: AnyMessage, from: Ref): Told;
  answer(ask: AskRef, message: AnyMessage, from: Ref): Told;
  /** For a message told to nobody: the reply to a message that was told without a `from`. */
  lose(message: AnyMessage, from: Ref | undefined): Told;
  readonly nobody: Ref;
}

/** In the order of a life; `ending` and later take no more messages. */
export const phase = {
  live: 0,
  /** Failed; its children are ending, then it waits for its restart. */
  failed: 1,
  /** Waiting for its restart. */
  waiting: 2,
  /** Its children are ending. */
  ending: 3,
  ended: 4,
} as const;
export type Phase = (typeof phase)[keyof typeof phase];

/** Items of the lifecycle lane: a code and what belongs to it. */
export const lane = {
  start: 0,
  /** An event's name. */
  signal: 1,
  /** An id of a timer that has fired. */
  timer: 2,
  /** A `Terminated`. */
  terminated: 3,
  /** An `AskRef` that holds its reply. */
  reply: 4,
  stop: 5,
} as const;
export type LaneCode = (typeof lane)[keyof typeof lane];

export class Cell implements TimerOwner {
  readonly engine: Engine;
  readonly kind: RunnableKind;
  readonly parent: Cell | null;
  readonly name: string;
  readonly ref: ActorRef;
  /** Kept for restarts only. */
  args: unknown;
  state: object | null = null;
  status: number;
  table: RunnableTable;
  phase: Phase = phase.live;
  /** Counts restarts, so that what an earlier life left behind is recognised. */
  life = 0;
  readonly mailbox = new Mailbox<AnyMessage, Ref>();
  stash: Mailbox<AnyMessage, Ref> | null = null;
  lane: Mailbox<LaneCode, unknown> | null = null;
  isReady = false;
  isUrgent = false;
  isDirty = false;
  isGrown = false;
  isStopping = false;
  children: Map<string, Cell> | null = null;
  /** Last number given to a name that was taken. */
  nameNumbers: Map<string, number> | null = null;
  /** While ending: the kind whose actors are being stopped, and how many of them are left. */
  endingKind: RunnableKind | null = null;
  endingCount = 0;
  watchers: Set<Cell> | null = null;
  watching: Set<Cell> | null = null;
  timers: Timer | null = null;
  statusTimers: TimerId[] | null = null;
  restartTimes: number[] | null = null;
  reason = '';
  processed = 0;
  depthMax = 0;
  droppedByOverflow = 0;
  droppedByDecision = 0;
  droppedAtEnd = 0;
  refused = 0;
  restarts = 0;

  constructor(engine: Engine, kind: RunnableKind, parent: Cell | null, name: string) {
    this.engine = engine;
    this.kind = kind;
    this.parent = parent;
    this.name = name;
    this.status = kind.machine.start;
    this.table = kind.tables[kind.machine.start] as RunnableTable;
    this.ref = new ActorRef(this, parent === null ? '' : `${parent.ref.path}/${name}`);
  }

  /** Messages that count against the bound. */
  get waitingCount(): number {
    return this.stash === null ? this.mailbox.size : this.mailbox.size + this.stash.size;
  }
}

export class ActorRef implements Ref {
  readonly path: string;
  readonly #cell: Cell;

  constructor(cell: Cell, path: string) {
    this.path = path;
    this.#cell = cell;
  }

  static cellOf(ref: Ref): Cell {
    if (!(#cell in ref)) throw new Error(`${ref.path} is no actor`);
    return (ref as ActorRef).#cell;
  }

  tell(message: AnyMessage, from?: Ref): Told {
    const cell = this.#cell;
    return cell.engine.deliver(cell, message, from ?? cell.engine.nobody);
  }
}

/** The `from` of an ask: takes one reply. */
export class AskRef implements Ref {
  readonly path: string;
  /** The asker; null if it asked from outside. */
  readonly cell: Cell | null;
  readonly onReply: (reply: AnyMessage | null) => string | void;
  readonly #engine: Engine;
  isOpen = true;
  timer: TimerId = 0;
  /** What came, and from whom, until the asker's turn. */
  reply: AnyMessage | null = null;
  from: Ref | null = null;

  constructor(engine: Engine, cell: Cell | null, onReply: (reply: AnyMessage | null) => string | void) {
    this.#engine = engine;
    this.cell = cell;
    this.path = cell === null ? '/outside' : cell.ref.path;
    this.onReply = onReply;
  }

  tell(message: AnyMessage, from?: Ref): Told {
    return this.#engine.answer(this, message, from ?? this.#engine.nobody);
  }
}

/** The `from` of a message that was told without one. */
export class Nobody implements Ref {
  readonly path = '/nobody';
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  tell(message: AnyMessage, from?: Ref): Told {
    return this.#engine.lose(message, from);
  }
}

type Handler = (this: object, message: AnyMessage, from: Ref) => string | void;
export type Command = (this: object) => string | void;
export type RunnableDecision = Handler | 'stash' | 'drop' | 'refuse';
/** Without a prototype, so that a message of type `toString` isn't handled by accident. */
export type RunnableTable = Readonly<Record<string, RunnableDecision>>;

/** A kind, checked, and looked up by index where the kind is written with names. */
export interface RunnableKind {
  readonly name: string;
  readonly kind: AnyKind;
  readonly machine: MachineTable;
  readonly stopEvent: number;
  /** By status. */
  readonly tables: readonly RunnableTable[];
  /** By cell of the machine's table. */
  readonly commands: readonly (readonly Command[])[];
  readonly startCommands: readonly Command[];
  /** By status: the event, and its delay. */
  readonly delays: readonly (readonly {
    readonly event: number;
    readonly ms: number | ((state: object) => number);
  }[])[];
  readonly capacity: number;
  readonly overflow: Readonly<Record<string, Overflow>>;
  readonly overflowElse: Overflow;
  readonly supervision: Supervision;
}

/** A decision for messages that a table doesn't list; only probes have one. */
export const anyType = Symbol('any type');

const runnable = new WeakMap<AnyKind, RunnableKind>();
const noCommands: readonly Command[] = [];

/** Throws an Error that says what is wrong with the kind. */
export function toRunnable(kind: AnyKind): RunnableKind {
  const known = runnable.get(kind);
  if (known !== undefined) return known;
  const made = makeRunnable(kind);
  runnable.set(kind, made);
  return made;
}

function makeRunnable(kind: AnyKind): RunnableKind {
  const machine: MachineTable = kind.machine.table;
  const wrong = (what: string): never => {
    throw new Error(`kind ${kind.name}: ${what}`);
  };
  const named = kind.commands as Readonly<Record<string, Command>>;
  const toCommands = (names: readonly string[]): readonly Command[] =>
    names.length === 0 ? noCommands : names.map((name) => named[name] ?? wrong(`no command ${name}`));
  const given = (kind.delays ?? {}) as Readonly<Record<string, number | ((state: object) => number)>>;
  const { capacity, overflow } = kind.mailbox;
  if (!(capacity >= 1)) wrong(`a mailbox for ${capacity} messages`);
  const stopEvent = machine.eventIndex.get('stop') ?? ignored;
  return {
    name: kind.name,
    kind,
    machine,
    stopEvent,
    tables: machine.statuses.map((status, index) => {
      const table = kind.tables[status] as RunnableTable | undefined;
      if (table === undefined && index < machine.firstFinal) wrong(`no table for ${status}`);
      return toTable(table ?? {}, (type) => wrong(`no decision for ${type} in ${status}`));
    }),
    commands: machine.commands.map(toCommands),
    startCommands: toCommands(machine.startCommands),
    delays: machine.delays.map((timers) =>
      timers.map(({ name, event, ms }) => ({ event, ms: given[name] ?? ms ?? wrong(`no length for delay ${name}`) })),
    ),
    capacity,
    overflow: Object.assign(Object.create(null), overflow) as Readonly<Record<string, Overflow>>,
    overflowElse: kind.refusal === undefined ? 'dropNew' : 'refuse',
    supervision: kind.supervision ?? { on: 'stop' },
  };
}

function toTable(table: RunnableTable, wrong: (type: string) => never): RunnableTable {
  for (const [type, decision] of Object.entries(table)) {
    const isWord = decision === 'stash' || decision === 'drop' || decision === 'refuse';
    if (!isWord && typeof decision !== 'function') wrong(type);
  }
  const rest = (table as { readonly [anyType]?: Handler })[anyType];
  const own = Object.assign(Object.create(null), table) as RunnableTable;
  return rest === undefined ? own : new Proxy(own, { get: () => rest });
}
