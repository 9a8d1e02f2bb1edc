/**
 * One life of a node inside a test, from its start to its end: the real actors behind a door that a test can hold shut.
 * A dead node is deaf: what still comes is not delivered. One that stands still is given nothing until it goes on.
 */
import type { NodeEnd } from '../actors/node.js';
import type { NodeMessage } from '../actors/message.js';
import type { Env } from '../actors/runtime/env.js';
import type { AnyMessage, Ref } from '../actors/runtime/kind.js';
import type { Runtime, RuntimeOptions } from '../actors/runtime/runtime.js';
import type { Identity, NodeDisk, Settings } from '../actors/settings.js';
import { bootNode } from '../node.js';
import type { BootedNode } from '../node.js';
import type { OpDisks } from '../disk/op-disk.js';
import type { Bus, Listener } from '../transport/link.js';
import type { MessageOf } from '../transport/message.js';
import { wires } from '../transport/wire.js';

export interface LifeOptions {
  readonly env: Env;
  readonly bus: Bus;
  readonly disk: NodeDisk | null;
  readonly opDisks: OpDisks | null;
  readonly settings: Settings;
  readonly runtimeOptions: RuntimeOptions;
  readonly onListening: (listeners: readonly Listener[]) => void;
  readonly onEnd: (end: NodeEnd) => void;
}

/** What is passed comes again and again, and gets its closure once. */
const gate = (pass: (run: () => void) => void): ((run: () => void) => () => void) => {
  let known: (() => void) | null = null;
  let gated = (): void => {};
  return (run) => {
    if (run !== known) {
      known = run;
      gated = () => pass(run);
    }
    return gated;
  };
};

export class NodeLife {
  readonly identity: Identity;
  readonly runtime: Runtime;
  readonly node: Ref<NodeMessage>;
  isAlive = true;
  readonly #booted: BootedNode;
  /** What waits while the node stands still; null while it runs. */
  #waiting: (() => void)[] | null = null;
  #listeners: readonly Listener[] = [];

  constructor(options: LifeOptions) {
    const { env } = options;
    const pass = (run: () => void): void => this.#pass(run);
    const [deferred, alarm] = [gate(pass), gate(pass)];
    this.#booted = bootNode({
      env: {
        ...env,
        defer: (run) => env.defer(deferred(run)),
        setAlarm: (atMs, run) => env.setAlarm(atMs, alarm(run)),
        bus: options.bus,
        wires,
        disk: options.disk,
        opDisks: options.opDisks,
      },
      settings: options.settings,
      clientScript: null,
      runtimeOptions: options.runtimeOptions,
      onListening: (listeners) => {
        this.#listeners = listeners;
        options.onListening(listeners);
      },
      onRunning: () => {},
      onEnd: options.onEnd,
    });
    const { identity, runtime, node } = this.#booted;
    this.identity = identity;
    this.runtime = runtime;
    this.node = node;
  }

  get isPaused(): boolean {
    return this.#waiting !== null;
  }

  /** No turn happens until `resume`, as if the process were stopped by a signal. */
  pause(): void {
    this.#waiting ??= [];
  }

  resume(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    for (const run of waiting ?? []) this.#pass(run);
  }

  dial(url: string): void {
    this.#booted.dial(url);
  }

  /** Leaves in order. */
  stop(onDone: () => void): void {
    this.#booted.stop(() => onDone());
  }

  /** The process is gone; nothing of it runs any more. */
  end(): void {
    this.isAlive = false;
    this.#waiting = null;
    for (const listener of this.#listeners) listener.terminate();
  }

  /** Asks for what `inspect` reports; the answer comes in a later turn. */
  inspect(what: string, onReport: (info: Record<string, unknown>) => void): void {
    const collector: Ref = {
      path: '/test',
      tell(reply: AnyMessage) {
        onReport((reply as MessageOf<'report'>).info as Record<string, unknown>);
        return 'ok';
      },
    };
    this.node.tell({ type: 'inspect', id: 1, what }, collector);
  }

  #pass(run: () => void): void {
    if (!this.isAlive) return;
    if (this.#waiting === null) run();
    else this.#waiting.push(run);
  }
}
