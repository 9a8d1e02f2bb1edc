/** The public entry `swarmbus/actors`: the actor runtime, usable without a swarm. */
export { alwaysRunning } from './always-running.js';
export type { Env, Log, LogLevel, Random } from './env.js';
export { nodeEnv } from './env-node.js';
export { defineKind, drop, refuse, stash } from './kind.js';
export type {
  ActorReport,
  AnyMessage,
  Decision,
  Kind,
  Overflow,
  Ref,
  Self,
  Supervision,
  Table,
  Terminated,
  TimerId,
  Told,
} from './kind.js';
export { commands, compileMachine, delays, events, setup, toMermaid } from './machine.js';
export type { CommandOf, CompiledMachine, EventOf, StatusOf } from './machine.js';
export { createRuntime } from './runtime.js';
export type { Counters, DeadLetter, DeadReason, Hop, Runtime, RuntimeOptions } from './runtime.js';
export { createTestRuntime } from './test-runtime.js';
export type { LogEntry, Probe, TestRuntime, TestRuntimeOptions } from './test-runtime.js';
export { VirtualTime, seededRandom } from './virtual-time.js';
export type { VirtualTimeOptions } from './virtual-time.js';
