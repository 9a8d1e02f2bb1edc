// Compares the table of a compiled machine with a started xstate actor, on every path up to a length: the same status,
// the same commands in the same order, the same timers running. Every machine's test calls it.

import { createActor } from 'xstate';
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import { ignored } from '../../../src/actors/runtime/machine.js';
import type { CompiledMachine } from '../../../src/actors/runtime/machine.js';

type Machine = CompiledMachine<string, string, string>;

/** What can be seen of a machine after a path. */
interface Seen {
  readonly status: string;
  readonly commands: readonly string[];
  readonly timers: readonly string[];
}

/** Throws an Error with the path and both sides where they differ. Returns how many paths were walked. */
export function checkMachine(machine: Machine, pathLengthMax = 5): number {
  const names = [...machine.table.eventIndex.keys()];
  let count = 0;
  const walk = (path: readonly string[]): void => {
    count += 1;
    const { status, timers } = compare(machine, path);
    const isFinal = machine.table.statuses.indexOf(status) >= machine.table.firstFinal;
    if (path.length === pathLengthMax || isFinal) return;
    for (const name of names) {
      const isTimer = name.startsWith('xstate.after.');
      // A timer that isn't running can't fire, and beyond a step that changes nothing are only paths already walked.
      if (isTimer && !timers.includes(name)) continue;
      if (isIgnored(machine, status, name)) compare(machine, [...path, name]);
      else walk([...path, name]);
    }
  };
  walk([]);
  return count;
}

function compare(machine: Machine, path: readonly string[]): Seen {
  const table = runTable(machine, path);
  const [a, b] = [JSON.stringify(table), JSON.stringify(runActor(machine, path))];
  if (a !== b) throw new Error(`${machine.id}, ${path.join(' > ') || 'start'}:\n  table ${a}\n  actor ${b}`);
  return table;
}

function isIgnored(machine: Machine, status: string, event: string): boolean {
  const { table } = machine;
  const at = table.statuses.indexOf(status) * table.eventCount + (table.eventIndex.get(event) as number);
  return table.next[at] === ignored;
}

function runTable(machine: Machine, path: readonly string[]): Seen {
  const { table } = machine;
  const namesOf = (status: number): string[] =>
    (table.delays[status] ?? []).map((delay) => nameOf(machine, delay.event)).sort();
  let status = table.start;
  let timers = namesOf(status);
  const commands = [...table.startCommands];
  for (const name of path) {
    const event = table.eventIndex.get(name) as number;
    const at = status * table.eventCount + event;
    timers = timers.filter((timer) => timer !== name);
    const next = table.next[at] as number;
    if (next === ignored) continue;
    commands.push(...(table.commands[at] as readonly string[]));
    status = next;
    if (table.leaves[at] === 1) timers = namesOf(status);
  }
  return { status: table.statuses[status] as string, commands, timers: timers.sort() };
}

function nameOf(machine: Machine, event: number): string {
  return [...machine.table.eventIndex.keys()][event] as string;
}

function runActor(machine: Machine, path: readonly string[]): Seen {
  const commands: string[] = [];
  const running = new Map<number, { readonly run: () => void; readonly ms: number }>();
  let timerId = 0;
  const clock = {
    setTimeout: (run: () => void, ms: number) => {
      timerId += 1;
      running.set(timerId, { run, ms });
      return timerId;
    },
    clearTimeout: (id: number) => void running.delete(id),
  };
  const actions = Object.fromEntries(machine.commands.map((name) => [name, () => void commands.push(name)]));
  const source = machine.source.provide({ actions }) as AnyStateMachine;
  const actor = createActor(source, { clock });
  const statusNow = (): string => String((actor.getSnapshot() as AnyMachineSnapshot).value);
  const eventOf = (ms: number): string => {
    const node = source.root.states[statusNow()];
    const name = Object.keys((node?.config.after as object | undefined) ?? {}).find(
      (key) => Number(key) === ms || source.implementations.delays[key] === ms,
    );
    return `xstate.after.${name}.${node?.id}`;
  };
  actor.start();
  for (const name of path) {
    const timer = [...running].find(([, { ms }]) => eventOf(ms) === name);
    if (timer === undefined) {
      actor.send({ type: name });
      continue;
    }
    running.delete(timer[0]);
    timer[1].run();
  }
  const timers = [...running.values()].map(({ ms }) => eventOf(ms)).sort();
  const status = statusNow();
  actor.stop();
  return { status, commands, timers };
}
