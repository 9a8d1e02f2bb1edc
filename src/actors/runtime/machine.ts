/**
 * The one file that knows xstate. A lifecycle is written as an xstate machine (drawn and tested with xstate's tools)
 * and compiled once, at load, into a dense table that the runtime runs without xstate: running it costs nanoseconds and
 * one small integer per actor, it has no timers of its own, and it is a pure function. What the table can't express
 * (context, guards, nested states...) is refused at compile time, never approximated.
 *
 *     export const doorMachine = compileMachine(
 *       setup({ types: events<'open' | 'close' | 'stop'>(), actions: commands('ring'), delays: delays('ajarMs') })
 *         .createMachine({
 *           id: 'door',
 *           initial: 'closed',
 *           states: {
 *             closed: { on: { open: 'ajar', stop: 'gone' } },
 *             ajar: { entry: 'ring', on: { close: 'closed', stop: 'gone' }, after: { ajarMs: 'closed' } },
 *             gone: { type: 'final' },
 *           },
 *         }),
 *     );
 */
import { initialTransition, setup, transition } from 'xstate';
import type { AnyMachineSnapshot, AnyStateMachine, StateMachine } from 'xstate';

export { setup };

export interface CompiledMachine<Status extends string, Event extends string, Command extends string> {
  readonly id: string;
  /** The final ones last; reaching one of those ends the actor. */
  readonly statuses: readonly Status[];
  readonly events: readonly Event[];
  /** Commands in use, in the order in which they were found. */
  readonly commands: readonly Command[];
  /** What the runtime runs. */
  readonly table: MachineTable;
  /** What it was compiled from; for drawing, and for the test that compares the two. */
  readonly source: AnyStateMachine;
}

/** Statuses and events as small integers; `cell = status * eventCount + event`. */
export interface MachineTable {
  /** The running ones, then the final ones. */
  readonly statuses: readonly string[];
  /** Statuses from this index on are final. */
  readonly firstFinal: number;
  /** Events by name, including those of delays, which only timers raise. */
  readonly eventIndex: ReadonlyMap<string, number>;
  readonly eventCount: number;
  readonly start: number;
  readonly startCommands: readonly string[];
  /** By cell: the next status, or `ignored`. */
  readonly next: Int16Array;
  /** By cell: the names of the actions, in order. */
  readonly commands: readonly (readonly string[])[];
  /** By cell: 1 if the timers of the status are cancelled and those of the next one started. */
  readonly leaves: Uint8Array;
  /** By status: the timers that run while it lasts. */
  readonly delays: readonly (readonly MachineDelay[])[];
}

/** A status ignores an event that it says nothing about. */
export const ignored = -1;

export interface MachineDelay {
  readonly name: string;
  /** The event raised when it is over. */
  readonly event: number;
  /** From the machine, if it says so as a number; the kind's `delays` take precedence. */
  readonly ms: number | null;
}

/** For `setup({ types: … })`: the lifecycle events by name. */
export function events<Event extends string>(): { events: { type: Event } } {
  return {} as { events: { type: Event } };
}

/** For `setup({ actions: … })`: names only; what they do is said by the kind of actor. */
export function commands<Command extends string>(...names: Command[]): Record<Command, () => void> {
  return Object.fromEntries(names.map((name) => [name, () => undefined])) as Record<Command, () => void>;
}

/** For `setup({ delays: … })`: names only; their length is said by the kind of actor. */
export function delays<Delay extends string>(...names: Delay[]): Record<Delay, () => number> {
  return Object.fromEntries(names.map((name) => [name, () => delayInDrawings])) as Record<Delay, () => number>;
}

const delayInDrawings = 1000;

interface Parts<Value, Event, Action> {
  readonly value: Value;
  readonly event: Event;
  readonly action: Action;
}

type PartsOf<M> =
  M extends StateMachine<
    infer _Context,
    infer Event,
    infer _Children,
    infer _Actor,
    infer Action,
    infer _Guard,
    infer _Delay,
    infer Value,
    infer _Tag,
    infer _Input,
    infer _Output,
    infer _Emitted,
    infer _Meta,
    infer _Schema,
    infer _TransitionMeta
  >
    ? Parts<Value, Event, Action>
    : never;

export type StatusOf<M> = Extract<PartsOf<M>['value'], string>;
export type EventOf<M> = PartsOf<M>['event'] extends { type: infer T extends string } ? T : never;
export type CommandOf<M> = PartsOf<M>['action'] extends { type: infer T extends string } ? T : never;

/** Throws an Error that says what is wrong if the machine is more than a flat table of states, events and delays. */
export function compileMachine<M extends AnyStateMachine>(
  machine: M,
): CompiledMachine<StatusOf<M>, EventOf<M>, CommandOf<M>> {
  checkForm(machine);
  const source = withFixedDelays(machine);
  const nodes = source.root.states;
  const keys = Object.keys(nodes);
  const running = keys.filter((key) => nodes[key]?.type !== 'final');
  const finals = keys.filter((key) => nodes[key]?.type === 'final');
  const statuses = [...running, ...finals];
  const eventNames = [...new Set(source.events.map(String))].sort((a, b) => Number(isDelay(a)) - Number(isDelay(b)));
  const eventIndex = new Map(eventNames.map((name, index) => [name, index]));
  const eventCount = eventNames.length;

  const statusDelays = statuses.map((status) =>
    delayNames(nodes[status]).map((name) => ({
      name,
      event: eventIndex.get(delayEvent(name, source, status)) ?? fail(machine, `delay ${name} raises no event`),
      ms: declaredMs(machine, name),
    })),
  );
  const next = new Int16Array(statuses.length * eventCount).fill(ignored);
  const leaves = new Uint8Array(next.length);
  const cellCommands: (readonly string[])[] = Array.from(next, () => none);
  const found = new Set<string>();

  const [first, firstActions] = initialTransition(source) as [AnyMachineSnapshot, Action[]];
  if (Object.keys(first.context ?? {}).length > 0) fail(machine, 'a context; keep data in the state of the actor');
  const start = statuses.indexOf(statusOf(machine, first));
  if (start >= running.length) fail(machine, `a final start status`);
  const started = sortActions(machine, firstActions);
  checkTimers(machine, started, false, statusDelays[start] ?? [], `the start`);
  for (const name of started.commands) found.add(name);

  const snapshots = new Map<number, AnyMachineSnapshot>([[start, first]]);
  for (const [status, snapshot] of snapshots) {
    if (status >= running.length) continue;
    for (const [event, type] of eventNames.entries()) {
      const where = `${type} in ${statuses[status]}`;
      const [after, actions] = transition(source, snapshot, { type }) as [AnyMachineSnapshot, Action[]];
      if (after.context !== snapshot.context) fail(machine, `${where} assigns to the context`);
      if (after === snapshot && actions.length === 0) continue;
      const target = statuses.indexOf(statusOf(machine, after));
      const sorted = sortActions(machine, actions);
      // Both halves of a reentry appear, of which a stay has none; a status without delays shows neither.
      const isLeft = target !== status || sorted.started.length > 0 || sorted.cancelled.length > 0;
      if (isLeft) checkCancelled(machine, sorted, statusDelays[status] ?? [], where);
      checkTimers(machine, sorted, !isLeft, statusDelays[target] ?? [], where);
      const cell = status * eventCount + event;
      next[cell] = target;
      leaves[cell] = isLeft ? 1 : 0;
      cellCommands[cell] = sorted.commands.length === 0 ? none : sorted.commands;
      for (const name of sorted.commands) found.add(name);
      if (!snapshots.has(target)) snapshots.set(target, after);
    }
  }
  const lost = statuses.filter((_, index) => !snapshots.has(index));
  if (lost.length > 0) fail(machine, `no path to ${lost.join(', ')}`);

  return {
    id: machine.id,
    statuses: statuses as StatusOf<M>[],
    events: eventNames.filter((name) => !isDelay(name)) as EventOf<M>[],
    commands: [...found] as CommandOf<M>[],
    table: {
      statuses,
      firstFinal: running.length,
      eventIndex,
      eventCount,
      start,
      startCommands: started.commands,
      next,
      commands: cellCommands,
      leaves,
      delays: statusDelays,
    },
    source,
  };
}

/** A drawing of the table as a Mermaid state diagram. */
export function toMermaid(machine: CompiledMachine<string, string, string>): string {
  const { statuses, eventIndex, eventCount, next, commands: names, delays: timers, start, firstFinal } = machine.table;
  const label = (status: number, name: string, event: number): string => {
    const delay = timers[status]?.find((timer) => timer.event === event)?.name;
    const does = names[status * eventCount + event] ?? none;
    return `${delay === undefined ? name : `after ${delay}`}${does.length > 0 ? ` / ${does.join(', ')}` : ''}`;
  };
  const lines = ['stateDiagram-v2', `  [*] --> ${statuses[start]}`];
  for (const [status, from] of statuses.entries()) {
    for (const [name, event] of eventIndex) {
      const target = next[status * eventCount + event] ?? ignored;
      if (target !== ignored) lines.push(`  ${from} --> ${statuses[target]}: ${label(status, name, event)}`);
    }
    if (status >= firstFinal) lines.push(`  ${from} --> [*]`);
  }
  return lines.join('\n') + '\n';
}

interface Action {
  readonly type: string;
  readonly params?: unknown;
}

interface SortedActions {
  readonly commands: readonly string[];
  /** Names of the events of the delays. */
  readonly started: readonly string[];
  readonly cancelled: readonly string[];
}

type Node = AnyStateMachine['root'];

const none: readonly string[] = [];
const delayPrefix = 'xstate.after.';
// Far from the delays that machines give as numbers, so that the two can be told apart in the comparison of clocks.
const fixedDelayMs = 1e9;

function fail(machine: AnyStateMachine, what: string): never {
  throw new Error(`machine ${machine.id} can't be compiled: ${what}`);
}

function isDelay(event: string): boolean {
  return event.startsWith(delayPrefix);
}

function delayEvent(name: string, machine: AnyStateMachine, status: string): string {
  return `${delayPrefix}${name}.${machine.root.states[status]?.id}`;
}

function delayNames(node: Node | undefined): string[] {
  return Object.keys((node?.config.after as object | undefined) ?? {});
}

function declaredMs(machine: AnyStateMachine, name: string): number | null {
  const declared: unknown = /^\d+$/.test(name) ? Number(name) : machine.implementations.delays[name];
  return typeof declared === 'number' ? declared : null;
}

/** Delays without a length would be left out by xstate, and those computed from a context can't be computed here. */
function withFixedDelays(machine: AnyStateMachine): AnyStateMachine {
  const names = new Set(Object.values(machine.root.states).flatMap((node) => delayNames(node)));
  const named = [...names].filter((name) => !/^\d+$/.test(name));
  const fixed = Object.fromEntries(named.map((name, index) => [name, fixedDelayMs + index]));
  return machine.provide({ delays: fixed }) as AnyStateMachine;
}

function checkForm(machine: AnyStateMachine): void {
  const nodes = Object.values(machine.root.states) as Node[];
  if (machine.root.type !== 'compound') fail(machine, `a ${machine.root.type} machine; states side by side or none`);
  for (const node of [machine.root, ...nodes]) {
    const isRoot = node === machine.root;
    const name = isRoot ? 'the machine' : `state ${node.key}`;
    if (!isRoot && node.type !== 'atomic' && node.type !== 'final') fail(machine, `${name} is ${node.type}, not flat`);
    if (node.invoke.length > 0) fail(machine, `${name} invokes; spawn actors instead`);
    if (node.always !== undefined && node.always.length > 0) fail(machine, `${name} has 'always'`);
    if (isRoot && delayNames(node).length > 0) fail(machine, `${name} has 'after'; only states may`);
    for (const [event, candidates] of node.transitions) {
      if (event.includes('*')) fail(machine, `${name} has the wildcard ${event}`);
      if (candidates.some((candidate) => candidate.guard !== undefined))
        fail(machine, `${name} has a guard on ${event}; let the actor decide and signal another event`);
      if (candidates.length > 1) fail(machine, `${name} has ${candidates.length} transitions on ${event}`);
      for (const action of candidates.flatMap((candidate) => candidate.actions)) checkAction(machine, action, name);
    }
    for (const action of [...node.entry, ...node.exit]) checkAction(machine, action, name);
  }
}

/** Commands are names. A function has no name to look up, and xstate's own actions do what only a started actor can. */
function checkAction(machine: AnyStateMachine, action: unknown, where: string): void {
  const given = typeof action === 'string' ? { type: action } : (action as Partial<Action> & { readonly id?: unknown });
  const isOwnTimer =
    given.type === 'xstate.cancel' || (given.type === 'xstate.raise' && String(given.id).startsWith(delayPrefix));
  if (isOwnTimer) return;
  const name = typeof action === 'function' && given.type === undefined ? 'an inline function' : String(given.type);
  if (typeof action === 'function') fail(machine, `${where} does ${name}; name a command instead`);
  if (given.params !== undefined) fail(machine, `${where} gives parameters to ${name}`);
  const implementation: unknown = machine.implementations.actions[name];
  if (typeof implementation === 'function' && 'resolve' in implementation)
    fail(machine, `${where} does ${name}, which is xstate's own; name a command instead`);
}

function statusOf(machine: AnyStateMachine, snapshot: AnyMachineSnapshot): string {
  return typeof snapshot.value === 'string' ? snapshot.value : fail(machine, 'nested states');
}

function sortActions(machine: AnyStateMachine, actions: readonly Action[]): SortedActions {
  const sorted = { commands: [] as string[], started: [] as string[], cancelled: [] as string[] };
  for (const { type, params } of actions) {
    if (type === 'xstate.raise') sorted.started.push((params as { event: Action }).event.type);
    else if (type === 'xstate.cancel') sorted.cancelled.push((params as { sendId: string }).sendId);
    else if (type.startsWith('xstate.')) fail(machine, `the action ${type}`);
    else sorted.commands.push(type);
  }
  return sorted;
}

/** In a flat machine leaving a state cancels all its timers and entering one starts all of them: one bit is enough. */
function checkTimers(
  machine: AnyStateMachine,
  sorted: SortedActions,
  isStay: boolean,
  entered: readonly MachineDelay[],
  where: string,
): void {
  if (sorted.started.length !== (isStay ? 0 : entered.length)) fail(machine, `${where} starts only some timers`);
}

function checkCancelled(
  machine: AnyStateMachine,
  sorted: SortedActions,
  left: readonly MachineDelay[],
  where: string,
): void {
  if (new Set(sorted.cancelled).size !== left.length) fail(machine, `${where} cancels only some timers`);
}
