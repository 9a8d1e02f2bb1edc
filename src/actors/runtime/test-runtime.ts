/**
 * A runtime for tests: synchronous, under virtual time, with everything that was handled on record. `close` demands that
 * nothing is left behind and nothing went wrong unnoticed: actors that don't stop, timers, dead letters and errors that
 * the test didn't ask for, messages that the counters lost.
 */
import { alwaysRunning } from './always-running.js';
import { anyType } from './cell.js';
import type { Env, LogLevel } from './env.js';
import { defineKind } from './kind.js';
import type { AnyMessage, Ref, Self } from './kind.js';
import { createRuntime } from './runtime.js';
import type { DeadLetter, Hop, Runtime, RuntimeOptions } from './runtime.js';
import { VirtualTime } from './virtual-time.js';

export interface TestRuntimeOptions extends Omit<RuntimeOptions, 'onHop' | 'trace' | 'onDeadLetter'> {
  /** Default 1. */
  readonly seed?: number;
  /** Proves that messages are plain data: each is handed over as what `decode` makes of what `encode` made of it. */
  readonly encodeEveryHop?: {
    readonly encode: (message: unknown) => unknown;
    readonly decode: (encoded: unknown) => unknown;
  };
}

export interface LogEntry {
  readonly level: LogLevel;
  readonly text: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export interface TestRuntime extends Runtime {
  readonly env: Env;
  readonly time: VirtualTime;
  /** Handles all messages that wait; time stands still. */
  run(): void;
  /** Lets virtual time pass, firing timers in order. */
  advance(ms: number): void;
  /** An actor that keeps what it is told. */
  probe<M extends AnyMessage = AnyMessage>(name?: string): Probe<M>;
  /** What was handled, in order; the latest 100,000 at least. */
  readonly hops: readonly Hop[];
  /** The same as text, `/a -> /b type`. */
  readonly lines: readonly string[];
  readonly logged: readonly LogEntry[];
  /** Dead letters since the last call: those that the test expects. */
  takeDeadLetters(): DeadLetter[];
  /** Warnings and errors logged since the last call: those that the test expects. */
  takeErrors(): LogEntry[];
  /** Shuts down, and throws an Error that names everything that was left behind. */
  close(): void;
}

export interface Probe<M extends AnyMessage = AnyMessage> {
  readonly ref: Ref<M>;
  /** All that came, in order. */
  readonly received: readonly M[];
  /** Tells `to` something that is answered to this probe. */
  tell<To extends AnyMessage>(to: Ref<To>, message: To): void;
  /** The sender of the last message that was expected. */
  readonly sender: Ref;
  /** Runs the runtime, then takes the oldest message not yet taken; throws if it is of another type or lacks `partial`. */
  expect<T extends M['type']>(type: T, partial?: Readonly<Record<string, unknown>>): Only<M, T>;
  /** Runs the runtime; throws if there is a message not yet taken. */
  expectNone(): void;
  /** A `terminated` follows. */
  watch(who: Ref): void;
}

/** The members of a protocol with that type; of a protocol that isn't known by its types, all. */
export type Only<M extends AnyMessage, T extends string> = string extends M['type']
  ? M
  : Extract<M, { readonly type: T }>;

export function createTestRuntime(options: TestRuntimeOptions = {}): TestRuntime {
  const time = new VirtualTime({ seed: options.seed ?? 1 });
  const logged: LogEntry[] = [];
  const hops: Hop[] = [];
  const letters: DeadLetter[] = [];
  let errors: LogEntry[] = [];
  const env = time.env((level, text, fields = {}) => {
    const entry = { level, text, fields };
    logged.push(entry);
    if (level === 'warn' || level === 'error') errors.push(entry);
  });
  const { encodeEveryHop } = options;
  const runtime = createRuntime(env, {
    ...options,
    ...(encodeEveryHop && { onHop: (message: AnyMessage) => recode(message, encodeEveryHop) }),
    trace: (hop) => {
      hops.push(hop);
      if (hops.length === hopsKept * 2) hops.splice(0, hopsKept);
    },
    onDeadLetter: (letter) => letters.push(letter),
  });

  const takeErrors = (): LogEntry[] => {
    const taken = errors;
    errors = [];
    return taken;
  };

  const close = (): void => {
    time.run();
    const wrong = letters.map(({ from, to, type, reason }) => `dead letter ${from} -> ${to} ${type} (${reason})`);
    let isDone = false;
    runtime.shutdown(() => (isDone = true));
    time.run();
    for (let steps = 0; !isDone && time.nextAtMs !== null && steps < closeStepsMax; steps++)
      time.advance(time.nextAtMs - time.nowMs);
    if (!isDone) wrong.push(...runtime.tree().map(({ path, status }) => `${path} still ${status}`));
    if (runtime.timerCount > 0) wrong.push(`${runtime.timerCount} timers`);
    wrong.push(...errors.map(({ text, fields }) => `${text}: ${show(fields['actor'])} ${show(fields['reason'])}`));
    const { sent, processed, queued, stashed, dropped, dead } = runtime.counters;
    const known = processed + queued + stashed + dropped.overflow + dropped.decision + dropped.refused + dead;
    if (sent !== known) wrong.push(`${sent} messages sent, ${known} accounted for`);
    if (wrong.length > 0) throw new Error(`left behind:\n  ${wrong.join('\n  ')}`);
  };

  return {
    spawn: runtime.spawn,
    stop: runtime.stop,
    shutdown: runtime.shutdown,
    ask: runtime.ask,
    tree: runtime.tree,
    counters: runtime.counters,
    get deadLetters() {
      return runtime.deadLetters;
    },
    get timerCount() {
      return runtime.timerCount;
    },
    env,
    time,
    run: () => time.run(),
    advance: (ms) => time.advance(ms),
    probe: (name = 'probe') => createProbe(runtime, time, name),
    hops,
    get lines() {
      return hops.map(({ from, to, type }) => `${from} -> ${to} ${type}`);
    },
    logged,
    takeDeadLetters: () => letters.splice(0),
    takeErrors,
    close,
  };
}

const closeStepsMax = 10_000;
const hopsKept = 100_000;

interface ProbeState {
  readonly self: Self<AnyMessage>;
  readonly received: AnyMessage[];
  readonly senders: Ref[];
}

const probeKind = defineKind({
  name: 'probe',
  machine: alwaysRunning,
  create: (self: Self<AnyMessage, 'stop'>, attach: (state: ProbeState) => void): ProbeState => {
    const state = { self, received: [], senders: [] };
    attach(state);
    return state;
  },
  tables: {
    running: {
      [anyType](this: ProbeState, message: AnyMessage, from: Ref) {
        this.received.push(message);
        this.senders.push(from);
      },
    },
  },
  commands: {},
  mailbox: { capacity: Infinity },
});

function createProbe<M extends AnyMessage>(runtime: Runtime, time: VirtualTime, name: string): Probe<M> {
  let state: ProbeState | undefined;
  const ref = runtime.spawn(probeKind, name, (made) => (state = made));
  const { self, received, senders } = state as unknown as ProbeState;
  let takenCount = 0;
  return {
    ref,
    received: received as unknown as readonly M[],
    tell: (to, message) => void to.tell(message, ref),
    get sender() {
      const sender = senders[takenCount - 1];
      if (sender === undefined) throw new Error(`${ref.path} has expected nothing yet`);
      return sender;
    },
    expect: <T extends M['type']>(type: T, partial: Readonly<Record<string, unknown>> = {}) => {
      time.run();
      const message = received[takenCount];
      const wanted = `${type} ${show(partial)}`;
      if (message === undefined) throw new Error(`${ref.path} expected ${wanted} and got nothing`);
      if (message.type !== type || !includes(message, partial))
        throw new Error(`${ref.path} expected ${wanted} and got ${show(message)}`);
      takenCount += 1;
      return message as Only<M, T>;
    },
    expectNone: () => {
      time.run();
      const message = received[takenCount];
      if (message !== undefined) throw new Error(`${ref.path} expected nothing and got ${show(message)}`);
    },
    watch: (who) => self.watch(who),
  };
}

function show(value: unknown): string {
  if (typeof value === 'string' || value === undefined) return value ?? '';
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item === 'bigint') return `${item}n`;
    return isRef(item) ? item.path : item;
  });
}

/** Every property of `partial` is in `value`, arrays and bytes in full. */
function includes(value: unknown, partial: unknown): boolean {
  if (Object.is(value, partial)) return true;
  if (typeof value !== 'object' || typeof partial !== 'object' || value === null || partial === null) return false;
  if (isRef(value) || isRef(partial)) return false;
  const isList = Array.isArray(partial) || partial instanceof Uint8Array;
  if (isList && (value as ArrayLike<unknown>).length !== partial.length) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return Object.entries(partial).every(([key, item]) => includes(fields[key], item));
}

function isRef(value: unknown): value is Ref {
  return typeof value === 'object' && value !== null && 'path' in value && 'tell' in value;
}

/** Addresses can't be encoded without a directory of them; a number stands for each while the rest is encoded. */
function recode(message: AnyMessage, by: NonNullable<TestRuntimeOptions['encodeEveryHop']>): AnyMessage {
  const refs: Ref[] = [];
  const decoded = by.decode(by.encode(withoutRefs(message, refs)));
  return withRefs(decoded, refs) as AnyMessage;
}

const refField = '$ref';

function withoutRefs(value: unknown, refs: Ref[]): unknown {
  if (isRef(value)) return { [refField]: refs.push(value) - 1 };
  if (Array.isArray(value)) return value.map((item) => withoutRefs(item, refs));
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutRefs(item, refs)]));
}

function withRefs(value: unknown, refs: readonly Ref[]): unknown {
  if (Array.isArray(value)) return value.map((item) => withRefs(item, refs));
  if (!isPlain(value)) return value;
  if (refField in value) return refs[value[refField] as number];
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withRefs(item, refs)]));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}
