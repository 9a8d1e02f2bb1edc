/**
 * The vocabulary of the runtime: what a message, a reference, a kind of actor and an actor's own view of the runtime
 * are. Types, the three decisions that are no handler, and `defineKind`.
 */
import type { Log, Random } from './env.js';
import type { CompiledMachine } from './machine.js';

/** Plain data with a discriminant; encodable as MessagePack (a `Ref` in a field counts as encodable). */
export interface AnyMessage {
  readonly type: string;
}

/** `full`: refused or dropped by the overflow policy. `dead`: the actor has ended; counted as a dead letter. */
export type Told = 'ok' | 'full' | 'dead';

/** The address of an actor. Stays valid after the actor has ended: then messages become dead letters. */
export interface Ref<M extends AnyMessage = AnyMessage> {
  /** Names from the root, `/node/session-7`. */
  readonly path: string;
  /** Never throws, never blocks, runs nothing: the message waits in the mailbox until the actor's turn. */
  tell<T extends M>(message: T, from?: Ref): Told;
}

/** In this state the message waits until the state changes, then comes first, in order. */
export const stash = 'stash';
/** In this state the message is expected and of no use: counted, nothing else. */
export const drop = 'drop';
/** In this state the sender is told so, by what the kind's `refusal` makes of it. */
export const refuse = 'refuse';

/** What a state does with a message. A handler may return a lifecycle event, fed to the machine before the next message. */
export type Decision<State, M, Event extends string> =
  ((this: State, message: M, from: Ref) => Event | void) | typeof stash | typeof drop | typeof refuse;

/** A complete table: the compiler demands a decision for every message. */
export type Table<State, M extends AnyMessage, Event extends string> = {
  readonly [T in M['type']]: Decision<State, Extract<M, { readonly type: T }>, Event>;
};

/** When the mailbox is full. `refuse`: as the decision. `dropNew`, `dropOldest`: counted. `never`: beyond the bound. */
export type Overflow = 'refuse' | 'dropNew' | 'dropOldest' | 'never';

/** Told to those who watch an actor when it has ended; part of the watcher's protocol under this name. */
export interface Terminated {
  readonly type: 'terminated';
  readonly who: Ref;
  /** 'stopped', or the error's text. */
  readonly reason: string;
}

export type Supervision =
  | { readonly on: 'stop' }
  /** A fresh state from `create`, the mailbox kept, children stopped first; after `restartsMax` within `withinMs`: stop. */
  | {
      readonly on: 'restart';
      readonly backoffMs: number;
      readonly backoffMaxMs: number;
      readonly restartsMax: number;
      readonly withinMs: number;
    };

/** One kind of actor: what all its instances share. */
export interface Kind<
  State extends object,
  M extends AnyMessage,
  Args,
  Status extends string,
  Event extends string,
  Command extends string,
> {
  readonly name: string;
  /** Its start status, transitions, commands and timers; reaching a final status ends the actor. */
  readonly machine: CompiledMachine<Status, Event, Command>;
  create(self: Self<M, Event>, args: Args): State;
  /**
   * Reaching a final status ends the actor, so that nothing is handled there: of the messages that come too late, its
   * table says which are to be expected (`drop`) or `refuse`d; the others are dead letters.
   */
  readonly tables: { readonly [S in Status]: Table<State, M, Event> };
  /** What the machine's actions do; may return a further event. Entry actions of the start status run after `create`. */
  readonly commands: { readonly [C in Command]: (this: State) => Event | void };
  /** Length in ms of the machine's named delays. */
  readonly delays?: Readonly<Record<string, number | ((state: State) => number)>>;
  readonly mailbox: {
    readonly capacity: number;
    /** For each message; absent ones are 'refuse' if the kind has `refusal`, else 'dropNew'. */
    readonly overflow?: { readonly [T in M['type']]?: Overflow };
  };
  /** The reply that tells a sender that its message was not taken, or null if the message asks nothing. */
  readonly refusal?: (message: M, why: 'overflow' | 'state' | 'ended') => AnyMessage | null;
  /** After the drain, once per drain in which `flushLater` was called. */
  readonly onFlush?: (this: State) => void;
  /** Last call, in whatever way the actor ends or before it is restarted: release what `create` took. */
  readonly onEnd?: (this: State) => void;
  readonly supervision?: Supervision;
}

/**
 * Checks a kind where it is defined and infers its types: the protocol from the first parameter of `create`, statuses,
 * events and commands from the machine.
 */
export function defineKind<
  State extends object,
  M extends AnyMessage,
  Args,
  Status extends string,
  Event extends string,
  Command extends string,
>(kind: Kind<State, M, Args, Status, Event, Command>): Kind<State, M, Args, Status, Event, Command> {
  return kind;
}

// oxlint-disable-next-line typescript/no-explicit-any -- the runtime holds kinds of all protocols; each is checked where it is defined
export type AnyKind = Kind<any, any, any, any, any, any>;

export type TimerId = number;

/** What an actor knows of the runtime. */
export interface Self<M extends AnyMessage, Event extends string = string> {
  readonly ref: Ref<M>;
  /** The machine's present status. */
  readonly status: string;
  /** Monotonic ms, read once a turn. */
  now(): number;
  /** Unix time in ms, read once a turn. */
  wallMs(): number;
  readonly random: Random;
  readonly log: Log;
  /** A child: ended before this actor ends. The name is made unique by a number where it is taken. */
  spawn<S extends object, CM extends AnyMessage, A, St extends string, E extends string, C extends string>(
    kind: Kind<S, CM, A, St, E, C>,
    name: string,
    args: A,
  ): Ref<CM>;
  /** Asks a child to end: see Runtime.stop. */
  stop(child: Ref): void;
  /** A `terminated` message follows when `who` ends, or at once if it has. */
  watch(who: Ref): void;
  /** Tells itself `message` after `delayMs`; never dropped; not delivered once cancelled or ended. */
  after(delayMs: number, message: M): TimerId;
  cancel(timer: TimerId): void;
  /**
   * Tells `target` the message, with a `from` that brings what is told back to `onReply`, in a turn of this actor:
   * once, or null after `timeoutMs`.
   */
  ask(target: Ref, message: AnyMessage, timeoutMs: number, onReply: (reply: AnyMessage | null) => Event | void): void;
  /** Calls `onFlush` after this drain. */
  flushLater(): void;
  /** Feeds a lifecycle event from outside of a turn (a socket's callback); undroppable, before ordinary messages. */
  signal(event: Event): void;
}

/** One line of the introspection tree. */
export interface ActorReport {
  readonly path: string;
  readonly kind: string;
  readonly status: string;
  /** Messages waiting, and the most that ever were. */
  readonly depth: number;
  readonly depthMax: number;
  readonly stashed: number;
  readonly processed: number;
  /** By reason: overflow, drop (decision), ended. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly refused: number;
  readonly restarts: number;
  readonly children: readonly ActorReport[];
}
