// What must hold whatever happens: no message is lost or counted twice, the same seed gives the same run, and handling
// messages makes no promise and no xstate step.

import { createHook } from 'node:async_hooks';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { defineKind, drop, refuse, stash } from '../../../src/actors/runtime/kind.js';
import type { ActorReport, AnyMessage, Ref, Self } from '../../../src/actors/runtime/kind.js';
import { commands, compileMachine, delays, events, setup } from '../../../src/actors/runtime/machine.js';
import { createTestRuntime } from '../../../src/actors/runtime/test-runtime.js';
import type { TestRuntime } from '../../../src/actors/runtime/test-runtime.js';

type Event = 'busy' | 'free' | 'stop';
type Type =
  | 'forward'
  | 'ask'
  | 'delay'
  | 'fail'
  | 'spawn'
  | 'kill'
  | 'busy'
  | 'free'
  | 'flush'
  | 'watch'
  | 'reply'
  | 'terminated';
interface Message {
  readonly type: Type;
  readonly hops: number;
}

const machine = compileMachine(
  setup({ types: events<Event>(), actions: commands('note'), delays: delays('busyMs') }).createMachine({
    id: 'random worker',
    initial: 'idle',
    states: {
      idle: { entry: 'note', on: { busy: 'busy', stop: 'leaving' } },
      busy: { on: { free: 'idle', stop: 'leaving' }, after: { busyMs: 'idle' } },
      leaving: { on: { free: 'gone' }, after: { busyMs: 'gone' } },
      gone: { type: 'final' },
    },
  }),
);

let check: () => void = () => undefined;

/** Does something random for each message, chosen by the runtime's own chance. */
class Worker {
  readonly self: Self<Message, Event>;
  readonly others: Ref<Message>[];
  readonly children: Ref[] = [];

  constructor(self: Self<Message, Event>, others: Ref<Message>[]) {
    this.self = self;
    this.others = others;
    if (self.random.below(50) === 0) throw new Error('no life');
  }

  on(message: Message, from: Ref): Event | void {
    check();
    const { self } = this;
    const next = { ...message, hops: message.hops - 1 };
    const other = this.others[self.random.below(this.others.length)] as Ref<Message>;
    if (message.hops <= 0 || message.type === 'reply') return;
    if (message.type === 'forward')
      other.tell({ ...next, type: types[self.random.below(types.length)] as Type }, self.ref);
    if (message.type === 'ask') {
      self.ask(other, next, 1 + self.random.below(20), (reply) => (reply === null ? undefined : 'busy'));
      from.tell({ type: 'reply', hops: 0 } as Message, self.ref);
    }
    if (message.type === 'delay') self.cancel(self.after(5, next) + self.random.below(2));
    if (message.type === 'fail') throw new Error('random');
    if (message.type === 'spawn') this.children.push(self.spawn(kind, 'child', this.others));
    if (message.type === 'kill') this.children.forEach((child) => self.stop(child));
    if (message.type === 'watch') self.watch(other);
    if (message.type === 'flush') self.flushLater();
    if (message.type === 'busy') return 'busy';
    if (message.type === 'free') return 'free';
  }

  flush(): void {
    check();
    this.others[0]?.tell({ type: 'forward', hops: 1 }, this.self.ref);
  }
}

const types = ['forward', 'ask', 'delay', 'fail', 'spawn', 'kill', 'busy', 'free', 'flush', 'watch'] as const;
const on = Worker.prototype.on;
const all = {
  forward: on,
  ask: on,
  delay: on,
  fail: on,
  spawn: on,
  kill: on,
  busy: on,
  free: on,
  flush: on,
  watch: on,
  reply: on,
  terminated: on,
} as const;
const kind = defineKind({
  name: 'worker',
  machine,
  create: (self: Self<Message, Event>, others: Ref<Message>[]) => new Worker(self, others),
  tables: {
    idle: all,
    busy: { ...all, forward: stash, ask: refuse, delay: drop, terminated: stash },
    leaving: { ...all, forward: drop, ask: refuse },
    gone: { ...all, forward: drop, ask: refuse },
  },
  commands: { note: () => check() },
  delays: { busyMs: 7 },
  mailbox: { capacity: 6, overflow: { forward: 'dropOldest', ask: 'refuse', reply: 'never', delay: 'dropNew' } },
  refusal: (message: Message): AnyMessage | null =>
    message.type === 'ask' ? ({ type: 'reply', hops: 0 } as Message) : null,
  onFlush: Worker.prototype.flush,
  supervision: { on: 'restart', backoffMs: 3, backoffMaxMs: 10, restartsMax: 5, withinMs: 100 },
});

function conserve(runtime: TestRuntime): void {
  const { sent, processed, queued, stashed, dropped, dead } = runtime.counters;
  const known = processed + queued + stashed + dropped.overflow + dropped.decision + dropped.refused + dead;
  if (sent !== known) throw new Error(`${sent} sent, ${known} known: ${JSON.stringify(runtime.counters)}`);
  const count = (reports: readonly ActorReport[]): [number, number] =>
    reports.reduce(
      ([depth, stash_], report) => {
        const [childDepth, childStash] = count(report.children);
        return [depth + report.depth + childDepth, stash_ + report.stashed + childStash];
      },
      [0, 0],
    );
  expect(count(runtime.tree())[1]).toBe(stashed);
}

type Step =
  | { readonly tell: number; readonly type: Type; readonly hops: number }
  | { readonly pass: number }
  | { readonly stop: number }
  | { readonly run: true };

const script = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ tell: fc.nat(4), type: fc.constantFrom(...types), hops: fc.nat(6) }) },
    { weight: 2, arbitrary: fc.record({ pass: fc.nat(15) }) },
    { weight: 1, arbitrary: fc.record({ stop: fc.nat(4) }) },
    { weight: 2, arbitrary: fc.constant({ run: true as const }) },
  ),
  { maxLength: 80 },
);

function play(steps: readonly Step[], seed: number): TestRuntime {
  const runtime = createTestRuntime({ seed });
  const others: Ref<Message>[] = [];
  for (let n = 0; n < 5; n++) others.push(runtime.spawn(kind, 'worker', others));
  const probe = runtime.probe();
  check = () => conserve(runtime);
  for (const step of steps) {
    if ('tell' in step) others[step.tell]?.tell({ type: step.type, hops: step.hops }, probe.ref);
    else if ('pass' in step) runtime.advance(step.pass);
    else if ('stop' in step) runtime.stop(others[step.stop] as Ref);
    else runtime.run();
    conserve(runtime);
  }
  runtime.run();
  return runtime;
}

afterEach(() => {
  check = () => undefined;
});

describe('whatever happens', () => {
  it('every message told is processed, stashed, dropped, dead or queued, and nothing is left behind', () => {
    fc.assert(
      fc.property(script, fc.nat(), (steps, seed) => {
        const runtime = play(steps, seed);
        runtime.takeDeadLetters();
        runtime.takeErrors();
        let isDone = false;
        runtime.shutdown(() => (isDone = true));
        runtime.advance(100_000);
        expect(isDone).toBe(true);
        expect(runtime.tree()).toEqual([]);
        expect(runtime.timerCount).toBe(0);
        expect(runtime.counters).toMatchObject({ queued: 0, stashed: 0 });
        conserve(runtime);
      }),
      { numRuns: 300 },
    );
  });

  it('the same seed gives the same run', () => {
    fc.assert(
      fc.property(script, fc.nat(), (steps, seed) => {
        const [one, two] = [play(steps, seed), play(steps, seed)];
        expect(one.lines).toEqual(two.lines);
        expect(one.hops.map(({ atMs }) => atMs)).toEqual(two.hops.map(({ atMs }) => atMs));
        expect(one.counters).toEqual(two.counters);
      }),
      { numRuns: 50 },
    );
  });
});

describe('100,000 messages', () => {
  it('make no promise, and no step of xstate', () => {
    type Token = { readonly type: 'token'; readonly left: number };
    const tokenKind = defineKind({
      name: 'token',
      machine,
      create: (self: Self<Token, Event>, next: () => Ref<Token>) => ({ self, next }),
      tables: {
        idle: {
          token({ left }) {
            if (left > 0) this.next().tell({ type: 'token', left: left - 1 }, this.self.ref);
            return 'busy';
          },
        },
        busy: {
          token({ left }) {
            if (left > 0) this.next().tell({ type: 'token', left: left - 1 }, this.self.ref);
            return 'free';
          },
        },
        leaving: { token: drop },
        gone: { token: drop },
      },
      commands: { note: () => undefined },
      delays: { busyMs: 1000 },
      mailbox: { capacity: 100 },
    });
    const runtime = createTestRuntime();
    const ring: Ref<Token>[] = [];
    for (let n = 0; n < 10; n++) ring.push(runtime.spawn(tokenKind, 'token', () => ring[(n + 1) % 10] as Ref<Token>));
    runtime.run();
    const steps = jest.spyOn(machine.source, 'transition');
    let promises = 0;
    const hook = createHook({
      init(_id, type) {
        if (type === 'PROMISE') promises += 1;
      },
    }).enable();
    for (const ref of ring) ref.tell({ type: 'token', left: 9_999 });
    runtime.run();
    hook.disable();
    expect(runtime.counters.processed).toBe(100_000);
    expect(promises).toBe(0);
    expect(steps).not.toHaveBeenCalled();
    runtime.close();
  });
});
