import { afterEach, describe, expect, it } from '@jest/globals';
import { alwaysRunning } from '../../../src/actors/runtime/always-running.js';
import { defineKind, drop, refuse, stash } from '../../../src/actors/runtime/kind.js';
import type { AnyMessage, Kind, Overflow, Ref, Self, Terminated } from '../../../src/actors/runtime/kind.js';
import { commands, compileMachine, delays, events, setup } from '../../../src/actors/runtime/machine.js';
import { createTestRuntime } from '../../../src/actors/runtime/test-runtime.js';
import type { TestRuntime, TestRuntimeOptions } from '../../../src/actors/runtime/test-runtime.js';

let open: TestRuntime[] = [];

function start(options?: TestRuntimeOptions): TestRuntime {
  const runtime = createTestRuntime(options);
  open.push(runtime);
  return runtime;
}

afterEach(() => {
  const closing = open;
  open = [];
  for (const runtime of closing) runtime.close();
});

/** An actor that does what the messages say: each carries a function over its own view of the runtime. */
type Do = { readonly type: 'do'; readonly run: (self: Self<Puppet, 'stop'>, from: Ref) => void };
type Note = { readonly type: 'note'; readonly n: number };
type Puppet = Do | Note | Terminated;

interface PuppetState {
  readonly self: Self<Puppet, 'stop'>;
  readonly log: unknown[];
}

function puppet(
  options: Partial<
    Pick<
      Kind<PuppetState, Puppet, unknown[], 'running', 'stop', never>,
      'name' | 'onFlush' | 'onEnd' | 'supervision' | 'refusal' | 'mailbox' | 'create'
    >
  > = {},
) {
  return defineKind<PuppetState, Puppet, unknown[], 'running', 'stop', never>({
    name: 'puppet',
    machine: alwaysRunning,
    create: (self, log) => ({ self, log }),
    tables: {
      running: {
        do(message, from) {
          message.run(this.self, from);
        },
        note(message) {
          this.log.push(message.n);
        },
        terminated(message) {
          this.log.push(`${message.who.path} ${message.reason}`);
        },
      },
    },
    commands: {},
    mailbox: { capacity: 1000 },
    ...options,
  });
}

const note = (n: number): Note => ({ type: 'note', n });
const act = (run: Do['run']): Do => ({ type: 'do', run });

describe('messages', () => {
  it('are handled in the order told, per pair of actors, and never on the teller’s stack', () => {
    const runtime = start();
    const log: unknown[] = [];
    const to = runtime.spawn(puppet(), 'to', log);
    const tellers = [1, 2, 3].map((n) => runtime.spawn(puppet(), `teller-${n}`, []));
    for (const [i, teller] of tellers.entries())
      for (let n = 0; n < 200; n++) teller.tell(act(() => void to.tell(note(i * 1000 + n))));
    expect(to.tell(note(-1))).toBe('ok');
    expect(log).toEqual([]);
    runtime.run();
    for (const i of [0, 1, 2]) {
      const mine = log.filter((n) => Math.floor((n as number) / 1000) === i);
      expect(mine).toEqual(Array.from({ length: 200 }, (_, n) => i * 1000 + n));
    }
    expect(log).toHaveLength(601);
  });

  it('defer one drain, however many are told', () => {
    const runtime = start();
    let count = 0;
    const { defer } = runtime.time;
    runtime.time.defer = (run) => {
      count += 1;
      defer.call(runtime.time, run);
    };
    const to = runtime.spawn(puppet(), 'to', []);
    for (let n = 0; n < 100; n++) to.tell(note(n));
    expect(count).toBe(1);
    runtime.run();
    expect(count).toBe(1);
  });

  it('wait while 64 of another actor are handled, at most', () => {
    const runtime = start();
    const log: unknown[] = [];
    const flooded = runtime.spawn(puppet(), 'flooded', log);
    const other = runtime.spawn(puppet(), 'other', log);
    for (let n = 0; n < 500; n++) flooded.tell(note(n));
    other.tell(note(-1));
    runtime.run();
    expect(log.indexOf(-1)).toBe(64);
  });

  it('beyond 4096 wait for the next drain, so that the outside has its turn', () => {
    const runtime = start();
    const log: unknown[] = [];
    const to = runtime.spawn(puppet({ mailbox: { capacity: 10_000 } }), 'to', log);
    runtime.run();
    for (let n = 0; n < 5000; n++) to.tell(note(n));
    runtime.env.defer(() => log.push('outside'));
    runtime.run();
    expect(log.indexOf('outside')).toBe(4096);
    expect(log).toHaveLength(5001);
  });

  it('to an actor that has ended are dead letters, counted and kept', () => {
    const runtime = start({ deadLettersKept: 2 });
    const to = runtime.spawn(puppet(), 'to', []);
    runtime.stop(to);
    runtime.run();
    expect([1, 2, 3].map((n) => to.tell(note(n)))).toEqual(['dead', 'dead', 'dead']);
    expect(runtime.deadLetters).toHaveLength(2);
    expect(runtime.counters.dead).toBe(3);
    expect(runtime.takeDeadLetters()[0]).toEqual({
      atMs: 0,
      from: '/nobody',
      to: '/to',
      type: 'note',
      reason: 'ended',
    });
  });

  it('of an unknown type, and replies to nobody, are dead letters', () => {
    const runtime = start();
    const to = runtime.spawn(puppet(), 'to', []);
    (to as Ref).tell({ type: 'toString' });
    to.tell(act((_self, from) => void from.tell(note(1))));
    runtime.run();
    expect(runtime.takeDeadLetters().map(({ reason, to: path }) => `${path} ${reason}`)).toEqual([
      '/to unknown',
      '/nobody nobody',
    ]);
  });

  it('waiting for an actor that ends become dead letters', () => {
    const runtime = start();
    const to = runtime.spawn(puppet(), 'to', []);
    to.tell(act(() => runtime.stop(to)));
    for (let n = 0; n < 10; n++) to.tell(note(n));
    runtime.run();
    expect(runtime.takeDeadLetters()).toHaveLength(10);
    expect(runtime.tree()).toEqual([]);
  });

  it('are handed over as decoded from what was encoded, if the test wants it; addresses survive', () => {
    const encodeEveryHop = {
      encode: (message: unknown) => JSON.stringify(message),
      decode: (text: unknown) => JSON.parse(text as string) as unknown,
    };
    const runtime = start({ encodeEveryHop });
    const probe = runtime.probe<AnyMessage & { readonly back: Ref; readonly list: number[] }>();
    const list = [1];
    probe.ref.tell({ type: 'hello', back: probe.ref, list });
    list.push(2);
    const hello = probe.expect('hello', { list: [1] });
    expect(hello.back).toBe(probe.ref);
  });
});

describe('overflow', () => {
  type Filler = { readonly type: 'fill' | 'new' | 'old' | 'always' | 'please'; readonly n: number };
  type Refused = { readonly type: 'refused'; readonly n: number; readonly why: string };
  const overflow: { [T in Filler['type']]?: Overflow } = { new: 'dropNew', old: 'dropOldest', always: 'never' };
  const handled: string[] = [];
  const keep = ({ type, n }: Filler): void => void handled.push(`${type} ${n}`);
  const bounded = defineKind({
    name: 'bounded',
    machine: alwaysRunning,
    create: (_self: Self<Filler, 'stop'>, _args: null) => ({}),
    tables: { running: { fill: keep, new: keep, old: keep, always: keep, please: keep } },
    commands: {},
    mailbox: { capacity: 4, overflow },
    refusal: (message: Filler, why): Refused | null =>
      message.type === 'please' ? { type: 'refused', n: message.n, why } : null,
  });
  const fill = (types: readonly Filler['type'][]) => {
    handled.length = 0;
    const runtime = start();
    const probe = runtime.probe<Refused>();
    const to = runtime.spawn(bounded, 'to', null);
    const told = types.map((type, n) => to.tell({ type, n }, probe.ref));
    const depth = runtime.tree().find(({ path }) => path === '/to');
    runtime.run();
    return { runtime, probe, told, depth, dropped: { ...runtime.counters.dropped } };
  };

  it('dropNew: the new one is dropped and counted', () => {
    const { told, dropped } = fill(['fill', 'fill', 'fill', 'fill', 'new']);
    expect(told.at(-1)).toBe('full');
    expect(dropped).toEqual({ overflow: 1, decision: 0, refused: 0 });
    expect(handled).toEqual(['fill 0', 'fill 1', 'fill 2', 'fill 3']);
  });

  it('dropOldest: the oldest that may be dropped gives way, else the new one', () => {
    const { told, dropped } = fill(['fill', 'old', 'fill', 'old', 'old', 'old']);
    expect(told.slice(4)).toEqual(['ok', 'ok']);
    expect(dropped.overflow).toBe(2);
    expect(handled).toEqual(['fill 0', 'fill 2', 'old 4', 'old 5']);
    expect(fill(['fill', 'fill', 'fill', 'fill', 'old']).told.at(-1)).toBe('full');
  });

  it('refuse: the sender is told, and the default where the kind has a refusal', () => {
    const { told, dropped, probe } = fill(['fill', 'fill', 'fill', 'fill', 'please', 'fill']);
    expect(told.slice(4)).toEqual(['full', 'full']);
    expect(dropped.refused).toBe(2);
    probe.expect('refused', { n: 4, why: 'overflow' });
    probe.expectNone();
  });

  it('never: the message is queued beyond the bound', () => {
    const { told, depth } = fill(['fill', 'fill', 'fill', 'fill', 'always', 'always']);
    expect(told.slice(4)).toEqual(['ok', 'ok']);
    expect(depth?.depth).toBe(6);
    expect(handled).toHaveLength(6);
  });

  it('does not touch lifecycle messages: timers and terminations arrive however full the mailbox', () => {
    const runtime = start();
    const log: unknown[] = [];
    const kind = puppet({ mailbox: { capacity: 1 } });
    const victim = runtime.spawn(puppet(), 'victim', []);
    const watcher = runtime.spawn(kind, 'watcher', log);
    watcher.tell(
      act((self) => {
        self.watch(victim);
        for (let n = 1; n <= 200; n++) self.after(5, note(n));
      }),
    );
    runtime.run();
    expect(watcher.tell(note(0))).toBe('ok');
    expect(watcher.tell(note(99))).toBe('full');
    runtime.stop(victim);
    runtime.advance(5);
    expect(log).toEqual(['/victim stopped', 0, ...Array.from({ length: 200 }, (_, n) => n + 1)]);
  });
});

describe('refusals', () => {
  it('of refusals end there, when both sides are full', () => {
    type Request = { readonly type: 'request' | 'refused' };
    const kind = defineKind({
      name: 'polite',
      machine: alwaysRunning,
      create: (_self: Self<Request, 'stop'>, _args: null) => ({}),
      tables: { running: { request: drop, refused: drop } },
      commands: {},
      mailbox: { capacity: 1 },
      refusal: () => ({ type: 'refused' }),
    });
    const runtime = start();
    const [one, two] = [runtime.spawn(kind, 'one', null), runtime.spawn(kind, 'two', null)];
    one.tell({ type: 'request' }, two);
    two.tell({ type: 'request' }, one);
    expect(one.tell({ type: 'request' }, two)).toBe('full');
    expect(runtime.counters).toMatchObject({ sent: 4, queued: 2, dropped: { refused: 2 } });
  });
});

describe('lifecycle', () => {
  type Event = 'open' | 'close' | 'fail' | 'stop';
  type Message = { readonly type: 'toggle' | 'ask' | 'ping'; readonly n: number };
  const doorMachine = compileMachine(
    setup({
      types: events<Event>(),
      actions: commands('creak', 'lock'),
      delays: delays('openMs'),
    }).createMachine({
      id: 'door',
      initial: 'closed',
      states: {
        closed: { entry: 'creak', on: { open: 'open', stop: 'gone' } },
        open: {
          on: { close: 'closed', stop: 'leaving', fail: 'gone' },
          after: { openMs: { target: 'closed', actions: 'lock' } },
        },
        leaving: { on: { close: 'gone' } },
        gone: { type: 'final', entry: 'lock' },
      },
    }),
  );
  class Door {
    readonly self: Self<Message, Event>;
    readonly log: string[];

    constructor(self: Self<Message, Event>, log: string[]) {
      this.self = self;
      this.log = log;
    }

    onToggle(): Event {
      return this.self.status === 'closed' ? 'open' : 'close';
    }

    onAsk(message: Message, from: Ref): void {
      from.tell({ type: 'reply', n: message.n } as AnyMessage, this.self.ref);
    }

    onPing(message: Message): void {
      this.log.push(`ping ${message.n} ${this.self.status}`);
    }

    creak(): void {
      this.log.push(`creak ${this.self.status}`);
    }

    lock(): void {
      this.log.push(`lock ${this.self.status}`);
    }
  }
  const on = Door.prototype;
  const doorKind = defineKind({
    name: 'door',
    machine: doorMachine,
    create: (self: Self<Message, Event>, log: string[]) => new Door(self, log),
    tables: {
      closed: { toggle: on.onToggle, ask: refuse, ping: stash },
      open: { toggle: on.onToggle, ask: on.onAsk, ping: on.onPing },
      leaving: { toggle: on.onToggle, ask: refuse, ping: drop },
      gone: { toggle: drop, ask: refuse, ping: drop },
    },
    commands: { creak: on.creak, lock: on.lock },
    delays: { openMs: (door: Door) => (door.log.includes('slow') ? 1000 : 100) },
    mailbox: { capacity: 8 },
    refusal: (message: Message, why) => (message.type === 'ask' ? ({ type: 'refused', why } as AnyMessage) : null),
  });
  const make = () => {
    const runtime = start();
    const log: string[] = [];
    const door = runtime.spawn(doorKind, 'door', log);
    const probe = runtime.probe();
    runtime.run();
    const tell = (type: Message['type'], n = 0) => door.tell({ type, n }, probe.ref);
    return { runtime, log, door, probe, tell };
  };

  it('runs the commands of the start, then the table of each status', () => {
    const { log, tell, runtime, probe } = make();
    expect(log).toEqual(['creak closed']);
    tell('ask', 1);
    probe.expect('refused', { why: 'state' });
    tell('toggle');
    tell('ask', 2);
    probe.expect('reply', { n: 2 });
    tell('toggle');
    runtime.run();
    expect(log).toEqual(['creak closed', 'creak closed']);
    expect(runtime.counters.dropped).toEqual({ overflow: 0, decision: 0, refused: 1 });
  });

  it('hands over what was stashed after the change of status, first and in order, within the bound', () => {
    const { log, tell, runtime } = make();
    for (let n = 1; n <= 5; n++) tell('ping', n);
    runtime.run();
    expect(runtime.tree()[0]).toMatchObject({ stashed: 5, depth: 0, status: 'closed' });
    expect(runtime.counters.stashed).toBe(5);
    expect([tell('toggle'), tell('ping', 6), tell('toggle'), tell('ping', 7)]).toEqual(['ok', 'ok', 'ok', 'full']);
    runtime.run();
    expect(log.slice(1)).toEqual([...[1, 2, 3, 4, 5, 6].map((n) => `ping ${n} open`), 'creak closed']);
    expect(runtime.counters.stashed).toBe(0);
  });

  it('raises the events of delays, and cancels them with the status', () => {
    const { log, tell, runtime } = make();
    tell('toggle');
    runtime.run();
    runtime.advance(99);
    expect(runtime.tree()[0]?.status).toBe('open');
    runtime.advance(1);
    expect(runtime.tree()[0]?.status).toBe('closed');
    expect(log).toEqual(['creak closed', 'lock closed', 'creak closed']);
    tell('toggle');
    tell('toggle');
    runtime.run();
    expect(runtime.timerCount).toBe(0);
    log.push('slow');
    tell('toggle');
    runtime.run();
    runtime.advance(999);
    expect(runtime.tree()[0]?.status).toBe('open');
    runtime.advance(1);
    expect(runtime.tree()[0]?.status).toBe('closed');
  });

  it('ends at a final status; what comes late is decided by its table', () => {
    const { log, tell, runtime, door, probe } = make();
    runtime.stop(door);
    runtime.run();
    expect(log.at(-1)).toBe('lock gone');
    expect([tell('ping'), tell('ask'), tell('toggle')]).toEqual(['dead', 'dead', 'dead']);
    probe.expect('refused', { why: 'ended' });
    expect(runtime.counters.dropped).toEqual({ overflow: 0, decision: 2, refused: 1 });
    expect(runtime.counters.dead).toBe(0);
  });

  it('takes its time to stop, up to the limit', () => {
    const { tell, runtime, door } = make();
    tell('toggle');
    runtime.run();
    runtime.stop(door);
    runtime.run();
    expect(runtime.tree()[0]?.status).toBe('leaving');
    runtime.advance(9999);
    expect(runtime.tree()[0]?.status).toBe('leaving');
    runtime.advance(1);
    expect(runtime.tree().map(({ path }) => path)).toEqual(['/probe']);
    expect(runtime.takeErrors()).toHaveLength(1);
    expect(tell('ping')).toBe('dead');
    expect(runtime.takeDeadLetters()).toHaveLength(1);
  });

  it('takes signals from outside of a turn before ordinary messages; those of a machine it does not know fail it', () => {
    const runtime = start();
    const log: string[] = [];
    let self: Self<Message, Event> | undefined;
    const door = runtime.spawn(
      { ...doorKind, create: (given: Self<Message, Event>, args: string[]) => new Door((self = given), args) },
      'door',
      log,
    );
    door.tell({ type: 'ping', n: 1 });
    self?.signal('open');
    runtime.run();
    expect(log).toEqual(['creak closed', 'ping 1 open']);
    self?.signal('nonsense' as Event);
    runtime.run();
    expect(runtime.takeErrors()[0]?.fields['reason']).toContain('nonsense');
    self?.signal('open');
    runtime.run();
  });

  it('refuses a kind with a hole, by name', () => {
    const runtime = start();
    const broken = (change: object) => () => runtime.spawn({ ...doorKind, ...change }, 'door', []);
    expect(broken({ tables: { ...doorKind.tables, open: undefined } })).toThrow('kind door: no table for open');
    expect(broken({ tables: { ...doorKind.tables, open: { ping: 1 } } })).toThrow('no decision for ping in open');
    expect(broken({ commands: { creak: on.creak } })).toThrow('no command lock');
    expect(broken({ delays: {} })).toThrow('no length for delay openMs');
    expect(broken({ mailbox: { capacity: 0 } })).toThrow('a mailbox for 0 messages');
  });
});

describe('timers', () => {
  it('fire in order of time, then of setting; not once cancelled, not after the end', () => {
    const runtime = start();
    const log: unknown[] = [];
    const to = runtime.spawn(puppet(), 'to', log);
    to.tell(
      act((self) => {
        self.after(20, note(20));
        self.after(10, note(10));
        const cancelled = self.after(10, note(-1));
        self.after(10, note(11));
        self.cancel(cancelled);
        self.cancel(cancelled);
        const atOnce = self.after(15, note(15));
        // Cancelled in the very turn in which both are due.
        self.after(
          15,
          act(() => self.cancel(last)),
        );
        const last = self.after(15, note(-2));
        self.after(30, note(-3));
        expect(atOnce).not.toBe(last);
      }),
    );
    runtime.run();
    expect(log).toEqual([]);
    runtime.advance(10);
    expect(log).toEqual([10, 11]);
    runtime.advance(10);
    expect(log).toEqual([10, 11, 15, 20]);
    runtime.stop(to);
    runtime.run();
    expect(runtime.timerCount).toBe(0);
    runtime.advance(100);
    expect(log).toHaveLength(4);
  });

  it('see exactly their own time, and one clock reading per turn', () => {
    const runtime = start();
    const seen: number[] = [];
    const to = runtime.spawn(puppet(), 'to', []);
    const again = (self: Self<Puppet, 'stop'>): void => {
      seen.push(self.now());
      if (seen.length < 5) self.after(7.5, act(again));
    };
    to.tell(act(again));
    runtime.advance(1000);
    expect(seen).toEqual([0, 7.5, 15, 22.5, 30]);
  });

  it('of a million that are cancelled hold no memory', () => {
    const runtime = start();
    const to = runtime.spawn(puppet(), 'to', []);
    to.tell(
      act((self) => {
        for (let n = 0; n < 100_000; n++) self.cancel(self.after(1000 + (n % 7), note(n)));
      }),
    );
    runtime.run();
    expect(runtime.timerCount).toBe(0);
  });
});

describe('ask', () => {
  const serverKind = puppet();
  const answer = act((_self, from) => void from.tell(note(42)));

  it('brings the reply back in a turn of the asker, once', () => {
    const runtime = start();
    const replies: unknown[] = [];
    const server = runtime.spawn(serverKind, 'server', []);
    const asker = runtime.spawn(puppet(), 'asker', []);
    const twice = act((_self, from) => {
      from.tell(note(1));
      expect(from.tell(note(2))).toBe('dead');
    });
    asker.tell(act((self) => self.ask(server, twice, 100, (reply) => void replies.push(reply))));
    runtime.advance(1000);
    expect(replies).toEqual([note(1)]);
    expect(runtime.takeDeadLetters().map(({ reason }) => reason)).toEqual(['answered']);
    expect(runtime.timerCount).toBe(0);
  });

  it('brings null after the time-out, and the late reply is a dead letter', () => {
    const runtime = start();
    const replies: unknown[] = [];
    const server = runtime.spawn(serverKind, 'server', []);
    const asker = runtime.spawn(puppet(), 'asker', []);
    const late = act(
      (self, from) =>
        void self.after(
          150,
          act(() => void from.tell(note(1))),
        ),
    );
    asker.tell(act((self) => self.ask(server, late, 100, (reply) => void replies.push(reply))));
    runtime.advance(100);
    expect(replies).toEqual([null]);
    runtime.advance(100);
    expect(replies).toEqual([null]);
    expect(runtime.takeDeadLetters()).toHaveLength(1);
  });

  it('is forgotten when the asker ends', () => {
    const runtime = start();
    const replies: unknown[] = [];
    const server = runtime.spawn(serverKind, 'server', []);
    const asker = runtime.spawn(puppet(), 'asker', []);
    asker.tell(act((self) => self.ask(server, answer, 100, (reply) => void replies.push(reply))));
    asker.tell(act(() => runtime.stop(asker)));
    runtime.advance(1000);
    expect(replies).toEqual([]);
    expect(runtime.takeDeadLetters().map(({ reason }) => reason)).toEqual(['ended']);
  });

  it('leaves no alarm behind once answered', () => {
    const runtime = start();
    const server = runtime.spawn(serverKind, 'server', []);
    const asker = runtime.spawn(puppet(), 'asker', []);
    asker.tell(act((self) => self.ask(server, answer, 100, () => undefined)));
    runtime.run();
    expect(runtime.time.nextAtMs).toBeNull();
  });

  it('whose reply meets an asker about to end is a dead letter', () => {
    const runtime = start();
    const replies: unknown[] = [];
    const server = runtime.spawn(serverKind, 'server', []);
    const asker = runtime.spawn(puppet(), 'asker', []);
    const last = act((_self, from) => {
      runtime.stop(asker);
      expect(from.tell(note(1))).toBe('ok');
      expect(runtime.counters.queued).toBe(1);
    });
    asker.tell(act((self) => self.ask(server, last, 100, (reply) => void replies.push(reply))));
    runtime.run();
    expect(replies).toEqual([]);
    expect(runtime.counters).toMatchObject({ queued: 0, dead: 1 });
    expect(runtime.takeDeadLetters().map(({ reason }) => reason)).toEqual(['ended']);
  });

  it('from outside is a promise, with a code where there is no reply', async () => {
    const runtime = start();
    const server = runtime.spawn(puppet({ mailbox: { capacity: 1 } }), 'server', []);
    const reply = runtime.ask<Note>(server, answer, 100);
    runtime.run();
    await expect(reply).resolves.toEqual(note(42));
    const late = runtime.ask(
      server,
      act(() => undefined),
      100,
    );
    const full = runtime.ask(server, answer, 100);
    runtime.advance(100);
    await expect(late).rejects.toMatchObject({ code: 'TIMEOUT' });
    await expect(full).rejects.toMatchObject({ code: 'FULL' });
    runtime.stop(server);
    runtime.run();
    await expect(runtime.ask(server, answer, 100)).rejects.toMatchObject({ code: 'DEAD' });
    expect(runtime.takeDeadLetters()).toHaveLength(1);
  });
});

describe('supervision', () => {
  const boom = act(() => {
    throw new Error('boom');
  });

  it('stops by default: the rest of the mailbox is dead letters, others are unharmed', () => {
    const runtime = start();
    const log: unknown[] = [];
    const ended: string[] = [];
    const bad = runtime.spawn(puppet({ onEnd: () => void ended.push('bad') }), 'bad', []);
    const good = runtime.spawn(puppet(), 'good', log);
    good.tell(act((self) => self.watch(bad)));
    bad.tell(boom);
    bad.tell(note(1));
    good.tell(note(2));
    runtime.run();
    expect(log).toEqual([2, '/bad boom']);
    expect(ended).toEqual(['bad']);
    expect(runtime.takeDeadLetters()).toHaveLength(1);
    expect(runtime.takeErrors()[0]?.fields).toMatchObject({ actor: '/bad', reason: 'boom' });
  });

  it('restarts with a fresh state, after a growing pause, the mailbox kept, children ended first', () => {
    const runtime = start();
    const lives: string[] = [];
    const log: unknown[] = [];
    const kind = puppet({
      supervision: { on: 'restart', backoffMs: 100, backoffMaxMs: 300, restartsMax: 3, withinMs: 60_000 },
      create: (self, args) => {
        lives.push(`created ${runtime.time.nowMs}`);
        return { self, log: args };
      },
      onEnd: () => void lives.push('ended'),
    });
    const to = runtime.spawn(kind, 'to', log);
    const watcher = runtime.spawn(puppet(), 'watcher', log);
    const stale: Self<Puppet, 'stop'>[] = [];
    to.tell(
      act((self) => {
        stale.push(self);
        self.spawn(puppet({ onEnd: () => void lives.push('child ended') }), 'child', []);
        self.after(1, note(-1));
        self.watch(watcher);
      }),
    );
    watcher.tell(act((self) => self.watch(to)));
    runtime.run();
    const bounds = [
      [50, 100],
      [100, 200],
      [150, 300],
    ] as const;
    for (const [n, [leastMs, mostMs]] of bounds.entries()) {
      const failedMs = runtime.time.nowMs;
      to.tell(boom);
      to.tell(note(n));
      runtime.run();
      expect(runtime.tree()[0]).toMatchObject({ status: 'restarting', restarts: n, depth: 1, children: [] });
      expect(to.tell(note(n + 10))).toBe('ok');
      stale[0]?.signal('stop');
      runtime.advance(leastMs - 1);
      expect(runtime.tree()[0]?.status).toBe('restarting');
      runtime.advance(mostMs - leastMs + 1);
      expect(runtime.tree()[0]).toMatchObject({ status: 'running', restarts: n + 1, depth: 0 });
      expect(runtime.time.nowMs - failedMs).toBe(mostMs);
    }
    expect(lives.slice(0, 3)).toEqual(['created 0', 'child ended', 'ended']);
    expect(lives).toHaveLength(1 + 1 + 3 * 2);
    expect(log).toEqual([0, 10, 1, 11, 2, 12]);
    to.tell(boom);
    runtime.run();
    expect(log.at(-1)).toBe('/to boom');
    expect(runtime.takeErrors()).toHaveLength(4);
  });

  it('leaves nothing of the life before: no signal, watch or flush', () => {
    const runtime = start();
    const log: unknown[] = [];
    const kind = puppet({
      supervision: { on: 'restart', backoffMs: 10, backoffMaxMs: 10, restartsMax: 3, withinMs: 60_000 },
      onFlush() {
        this.log.push('flush');
      },
    });
    const victim = runtime.spawn(puppet(), 'victim', []);
    const to = runtime.spawn(kind, 'to', log);
    const stale: Self<Puppet, 'stop'>[] = [];
    to.tell(
      act((self) => {
        stale.push(self);
        self.watch(victim);
        self.flushLater();
        throw new Error('boom');
      }),
    );
    runtime.advance(10);
    stale[0]?.signal('stop');
    stale[0]?.flushLater();
    stale[0]?.after(1, note(1));
    stale[0]?.ask(victim, note(2), 5, () => void log.push('reply'));
    runtime.stop(victim);
    runtime.advance(10);
    expect(log).toEqual([]);
    expect(runtime.tree()).toEqual([expect.objectContaining({ path: '/to', status: 'running', restarts: 1 })]);
    runtime.takeErrors();
  });

  it('stops while waiting for a restart when told so', () => {
    const runtime = start();
    const kind = puppet({
      supervision: { on: 'restart', backoffMs: 100, backoffMaxMs: 100, restartsMax: 3, withinMs: 60_000 },
    });
    const to = runtime.spawn(kind, 'to', []);
    to.tell(boom);
    to.tell(note(1));
    runtime.run();
    runtime.stop(to);
    runtime.run();
    expect(runtime.tree()).toEqual([]);
    expect(runtime.timerCount).toBe(0);
    expect(runtime.takeDeadLetters()).toHaveLength(1);
    expect(runtime.takeErrors()).toHaveLength(1);
  });

  it('covers create, flush, replies and ends as well', () => {
    const runtime = start();
    const thrower = (): never => {
      throw new Error('boom');
    };
    const log: unknown[] = [];
    const watcher = runtime.spawn(puppet(), 'watcher', log);
    const unborn = runtime.spawn(puppet({ create: thrower }), 'unborn', []);
    const flusher = runtime.spawn(puppet({ onFlush: thrower }), 'flusher', []);
    const asker = runtime.spawn(puppet(), 'asker', []);
    const ender = runtime.spawn(puppet({ onEnd: thrower }), 'ender', []);
    watcher.tell(act((self) => [unborn, flusher, asker, ender].forEach((who) => self.watch(who))));
    flusher.tell(act((self) => self.flushLater()));
    asker.tell(act((self) => self.ask(watcher, note(1), 5, thrower)));
    runtime.advance(10);
    runtime.stop(ender);
    runtime.run();
    expect(log).toEqual(['/unborn boom', 1, '/flusher boom', '/asker boom', '/ender stopped']);
    expect(runtime.takeErrors()).toHaveLength(4);
  });
});

describe('death watch', () => {
  it('tells each watcher exactly once, those who come late at once', () => {
    const runtime = start();
    const victim = runtime.spawn(puppet(), 'victim', []);
    const [one, two] = [runtime.probe('one'), runtime.probe('two')];
    one.watch(victim);
    one.watch(victim);
    runtime.run();
    runtime.stop(victim);
    runtime.stop(victim);
    one.expect('terminated', { reason: 'stopped' });
    one.expectNone();
    two.watch(victim);
    expect(two.expect('terminated')).toMatchObject({ who: victim });
    two.expectNone();
  });

  it('forgets a watcher that has ended', () => {
    const runtime = start();
    const victim = runtime.spawn(puppet(), 'victim', []);
    const watcher = runtime.spawn(puppet(), 'watcher', []);
    watcher.tell(act((self) => self.watch(victim)));
    runtime.run();
    runtime.stop(watcher);
    runtime.run();
    runtime.stop(victim);
    runtime.run();
    expect(runtime.counters.dead).toBe(0);
  });
});

describe('stop', () => {
  it('ends children before parents, in reverse order of their start, those of a kind together', () => {
    const runtime = start();
    const ended: string[] = [];
    const named = (kindName: string) =>
      defineKind<{ self: Self<Puppet, 'stop'> }, Puppet, null, 'running', 'stop', never>({
        name: kindName,
        machine: alwaysRunning,
        commands: {},
        mailbox: { capacity: 10 },
        create: (self) => ({ self }),
        tables: {
          running: {
            do(message, from) {
              message.run(this.self, from);
            },
            note: drop,
            terminated: drop,
          },
        },
        onEnd() {
          ended.push(this.self.ref.path);
        },
      });
    const [a, b, top] = [named('a'), named('b'), named('top')];
    const root = runtime.spawn(top, 'top', null);
    root.tell(
      act((self) => {
        self.spawn(a, 'a1', null);
        self.spawn(b, 'b1', null).tell(act((child) => void child.spawn(a, 'deep', null)));
        self.spawn(a, 'a2', null);
        self.spawn(b, 'b2', null);
      }),
    );
    runtime.run();
    runtime.stop(root);
    runtime.run();
    expect(ended).toEqual(['/top/b2', '/top/b1/deep', '/top/b1', '/top/a2', '/top/a1', '/top']);
  });

  it('is a matter of the parent; ended actors spawn nothing; names are made unique', () => {
    const runtime = start();
    const kept: Self<Puppet, 'stop'>[] = [];
    const one = runtime.spawn(puppet(), 'same', []);
    const two = runtime.spawn(puppet(), 'same', []);
    const three = runtime.spawn(puppet(), 'same', []);
    expect([one, two, three].map(({ path }) => path)).toEqual(['/same', '/same-2', '/same-3']);
    one.tell(
      act((self) => {
        kept.push(self);
        expect(() => self.stop(two)).toThrow('/same-2 is no child of /same');
      }),
    );
    runtime.run();
    runtime.stop(one);
    runtime.run();
    expect(() => kept[0]?.spawn(puppet(), 'child', [])).toThrow('/same has ended');
    expect(() => runtime.spawn(puppet(), 'a/b', [])).toThrow("the name 'a/b'");
  });

  it('of the runtime calls back when all have ended', () => {
    const runtime = createTestRuntime();
    const done: string[] = [];
    runtime.shutdown(() => done.push('empty'));
    runtime.run();
    expect(done).toEqual(['empty']);
    expect(() => runtime.spawn(puppet(), 'late', [])).toThrow('shut down');
    expect(() => runtime.shutdown(() => undefined)).toThrow('shut down');
  });
});

describe('flush', () => {
  it('comes after the drain, once per drain, for those that asked; and before an orderly end', () => {
    const runtime = start();
    const log: unknown[] = [];
    const kind = puppet({
      onFlush() {
        this.log.push('flush');
      },
      onEnd() {
        this.log.push('end');
      },
    });
    const to = runtime.spawn(kind, 'to', log);
    runtime.spawn(kind, 'silent', log);
    const mark = act((self) => self.flushLater());
    for (const message of [mark, note(1), mark, note(2)]) to.tell(message);
    runtime.run();
    expect(log).toEqual([1, 2, 'flush']);
    to.tell(
      act((self) => {
        self.flushLater();
        self.signal('stop');
      }),
    );
    runtime.run();
    expect(log).toEqual([1, 2, 'flush', 'flush', 'end']);
  });
});

describe('the tree', () => {
  it('tells of each actor its place, status and numbers', () => {
    const runtime = start();
    const to = runtime.spawn(puppet(), 'to', []);
    to.tell(act((self) => void self.spawn(puppet(), 'child', [])));
    to.tell(note(1));
    runtime.run();
    to.tell(note(2));
    expect(runtime.tree()).toEqual([
      {
        path: '/to',
        kind: 'puppet',
        status: 'running',
        depth: 1,
        depthMax: 2,
        stashed: 0,
        processed: 2,
        dropped: { overflow: 0, drop: 0, ended: 0 },
        refused: 0,
        restarts: 0,
        children: [expect.objectContaining({ path: '/to/child', children: [] })],
      },
    ]);
  });
});

describe('a test runtime', () => {
  it('fails at close on what was left behind, lost or failed', () => {
    const letters = createTestRuntime();
    letters.spawn(puppet(), 'to', []).tell(act((_self, from) => void from.tell(note(1))));
    expect(() => letters.close()).toThrow('dead letter /nobody -> /nobody note (nobody)');

    const errors = createTestRuntime();
    errors.spawn(puppet(), 'to', []).tell(act(() => void JSON.parse('{')));
    expect(() => errors.close()).toThrow('an actor failed: /to');

    const stuck = createTestRuntime();
    const deafMachine = compileMachine(
      setup({ types: events<'go' | 'stop'>() }).createMachine({
        id: 'deaf',
        initial: 'deaf',
        states: { deaf: { on: { go: 'done' } }, done: { on: { stop: 'deaf' } } },
      }),
    );
    const { running } = puppet().tables;
    stuck.spawn(
      defineKind({
        name: 'deaf',
        machine: deafMachine,
        create: (self: Self<Puppet, 'stop'>, log: unknown[]) => ({ self, log }),
        tables: { deaf: running, done: running },
        commands: {},
        mailbox: { capacity: 1 },
      }),
      'to',
      [],
    );
    expect(() => stuck.close()).toThrow('did not stop in time and was ended: /to');
  });

  it('says what a probe expected and got', () => {
    const runtime = start();
    const probe = runtime.probe<Note | Terminated>();
    expect(() => probe.expect('note')).toThrow('/probe expected note {} and got nothing');
    probe.ref.tell(note(1));
    expect(() => probe.expect('note', { n: 2 })).toThrow('expected note {"n":2} and got {"type":"note","n":1}');
    expect(() => probe.expectNone()).toThrow('expected nothing and got');
    expect(probe.expect('note', { n: 1 }).n).toBe(1);
    expect(probe.received).toHaveLength(1);
    expect(runtime.lines).toEqual(['/nobody -> /probe note']);
  });

  it('lets nothing run forever', () => {
    const runtime = createTestRuntime();
    const kind = puppet({
      onFlush() {
        this.self.flushLater();
      },
    });
    runtime.spawn(kind, 'to', []).tell(act((self) => self.flushLater()));
    expect(() => runtime.run()).toThrow('not quiet');
  });
});
