import { describe, expect, it } from '@jest/globals';
import { assign, createMachine, raise } from 'xstate';
import { alwaysRunning } from '../../../src/actors/runtime/always-running.js';
import {
  commands,
  compileMachine,
  delays,
  events,
  ignored,
  setup,
  toMermaid,
} from '../../../src/actors/runtime/machine.js';
import type { CompiledMachine } from '../../../src/actors/runtime/machine.js';
import { checkMachine } from './check-machine.js';

const link = compileMachine(
  setup({
    types: events<'up' | 'down' | 'again' | 'poke' | 'stop'>(),
    actions: commands('dial', 'hangUp', 'greet', 'log'),
    delays: delays('greetingMs', 'backoffMs'),
  }).createMachine({
    id: 'test link',
    initial: 'dialling',
    states: {
      dialling: {
        entry: ['dial', 'log'],
        on: { up: 'greeting', down: 'backoff', stop: 'closed' },
      },
      greeting: {
        entry: 'greet',
        exit: 'log',
        on: {
          up: 'open',
          down: { target: 'backoff', actions: 'hangUp' },
          again: { target: 'greeting', reenter: true },
          poke: { actions: 'log' },
          stop: 'closed',
        },
        after: { greetingMs: { target: 'backoff', actions: 'hangUp' }, 9000: 'closed' },
      },
      open: { on: { down: 'backoff', stop: { target: 'closed', actions: 'hangUp' }, poke: {} } },
      backoff: { after: { backoffMs: 'dialling' }, on: { stop: 'closed' } },
      closed: { type: 'final', entry: 'log' },
    },
  }),
);

describe('compileMachine', () => {
  it('knows statuses, final ones last, events and commands, by name and in types', () => {
    const statuses: readonly ('dialling' | 'greeting' | 'open' | 'backoff' | 'closed')[] = link.statuses;
    const names: readonly ('up' | 'down' | 'again' | 'poke' | 'stop')[] = link.events;
    const does: readonly ('dial' | 'hangUp' | 'greet' | 'log')[] = link.commands;
    expect(statuses).toEqual(['dialling', 'greeting', 'open', 'backoff', 'closed']);
    expect([...names].sort()).toEqual(['again', 'down', 'poke', 'stop', 'up']);
    expect([...does].sort()).toEqual(['dial', 'greet', 'hangUp', 'log']);
    expect(link.table.firstFinal).toBe(4);
  });

  it('makes the same steps as a started xstate actor, on every path', () => {
    expect(checkMachine(link, 6)).toBeGreaterThan(500);
    expect(checkMachine(alwaysRunning)).toBe(2);
  });

  it('is told apart from an actor by a single wrong entry', () => {
    const { table } = link;
    const wrong = <T extends keyof typeof table>(key: T, change: (value: (typeof table)[T]) => (typeof table)[T]) =>
      ({ ...link, table: { ...table, [key]: change(table[key]) } }) as CompiledMachine<string, string, string>;
    const at = table.statuses.indexOf('open') * table.eventCount + (table.eventIndex.get('down') as number);
    const next = table.next.slice();
    next[at] = ignored;
    expect(() => checkMachine(wrong('next', () => next))).toThrow('up > up > down');
    expect(() => checkMachine(wrong('startCommands', () => ['log']))).toThrow('start');
    expect(() => checkMachine(wrong('leaves', (leaves) => leaves.slice().fill(0)))).toThrow('timers');
  });

  it('takes the length of a delay from the machine only where that is a number', () => {
    const byName = link.table.delays[1]?.map(({ name, ms }) => [name, ms]);
    expect(byName).toEqual([
      ['9000', 9000],
      ['greetingMs', null],
    ]);
    const declared = compileMachine(
      setup({ delays: { shortMs: 5 } }).createMachine({
        id: 'declared',
        initial: 'a',
        states: { a: { after: { shortMs: 'b' } }, b: {} },
      }),
    );
    expect(declared.table.delays[0]?.[0]?.ms).toBe(5);
  });

  it('draws itself', () => {
    const drawing = toMermaid(link);
    expect(drawing).toContain('[*] --> dialling');
    expect(drawing).toContain('greeting --> backoff: after greetingMs / log, hangUp');
    expect(drawing).toContain('closed --> [*]');
  });

  const two = { a: { on: { go: 'b' } }, b: {} };
  const named = setup({ actions: { own: raise({ type: 'go' }), grow: assign({}) }, guards: { maybe: () => true } });
  it.each([
    ['nested', createMachine({ initial: 'a', states: { a: { initial: 'c', states: { c: {} } } } }), 'not flat'],
    ['parallel', createMachine({ type: 'parallel', states: { a: {} } }), 'side by side'],
    ['stateless', createMachine({}), 'a atomic machine'],
    ['context', createMachine({ context: { n: 1 }, initial: 'a', states: { a: {} } }), 'a context'],
    [
      'guard',
      named.createMachine({ initial: 'a', states: { a: { on: { go: { guard: 'maybe', target: 'b' } } }, b: {} } }),
      'guard on go',
    ],
    [
      'choice',
      createMachine({ initial: 'a', states: { a: { on: { go: ['b', 'a'] } }, b: {} } }),
      '2 transitions on go',
    ],
    ['always', createMachine({ initial: 'a', states: { a: { always: 'b' }, b: {} } }), "'always'"],
    ['invoke', createMachine({ initial: 'a', states: { a: { invoke: { src: 'x' } } } }), 'invokes'],
    ['wildcard', createMachine({ initial: 'a', states: { a: { on: { '*': 'b' } }, b: {} } }), 'wildcard'],
    ['root delay', createMachine({ initial: 'a', after: { 5: '.b' }, states: two }), "'after'"],
    ['function', createMachine({ initial: 'a', states: { a: { entry: () => undefined } } }), 'inline function'],
    [
      'raise',
      createMachine({ initial: 'a', states: { ...two, a: { ...two.a, entry: raise({ type: 'go' }) } } }),
      'xstate.raise',
    ],
    [
      'own action',
      named.createMachine({ initial: 'a', states: { a: { entry: 'own', on: { go: 'b' } }, b: {} } }),
      "xstate's own",
    ],
    [
      'assign',
      named.createMachine({ initial: 'a', states: { a: { exit: 'grow', on: { go: 'b' } }, b: {} } }),
      "xstate's own",
    ],
    [
      'parameters',
      createMachine({ initial: 'a', states: { a: { entry: { type: 'x', params: { n: 1 } } } } }),
      'parameters',
    ],
    ['unreachable', createMachine({ initial: 'a', states: { a: {}, b: {} } }), 'no path to b'],
    ['final start', createMachine({ initial: 'a', states: { a: { type: 'final' } } }), 'final start'],
  ])('refuses a machine with %s', (id, machine, what) => {
    expect(() => compileMachine(machine)).toThrow(what);
    expect(id).toBeTruthy();
  });
});
