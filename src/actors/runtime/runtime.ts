/**
 * The public face of a runtime: what may be done with it from outside of its actors.
 */
import { ActorRef } from './cell.js';
import type { Env } from './env.js';
import type { ActorReport, AnyMessage, Kind, Ref } from './kind.js';
import { Scheduler } from './scheduler.js';
import type { Counters, DeadLetter, RuntimeOptions } from './scheduler.js';

export type { Counters, DeadLetter, DeadReason, Hop, RuntimeOptions } from './scheduler.js';

export interface Runtime {
  /** An actor at the root. Its `create` has run when this returns; its messages and commands wait for the next drain. */
  spawn<S extends object, M extends AnyMessage, A, St extends string, E extends string, C extends string>(
    kind: Kind<S, M, A, St, E, C>,
    name: string,
    args: A,
  ): Ref<M>;
  /**
   * Asks an actor to end. If its machine knows an event named `stop`, that is signalled, and the actor ends when it
   * reaches a final status, or after `stopTimeoutMs` anyway; otherwise it ends after its current message. Its children
   * end before it: in reverse order of their start, those of one kind together.
   */
  stop(ref: Ref): void;
  /** Stops all actors, in reverse order of their start, then calls `onDone`. Nothing can be spawned any more. */
  shutdown(onDone: () => void): void;
  /**
   * For the outermost edge only: actors use `Self.ask`. Rejects with an Error whose `code` is `TIMEOUT`, or `DEAD` or
   * `FULL` where the message was not taken and the kind has no refusal for it.
   */
  ask<Reply extends AnyMessage = AnyMessage, M extends AnyMessage = AnyMessage>(
    ref: Ref<M>,
    message: M,
    timeoutMs: number,
  ): Promise<Reply>;
  /** One report for each actor at the root. */
  tree(): ActorReport[];
  /** Live numbers. */
  readonly counters: Counters;
  /** The latest, oldest first. */
  readonly deadLetters: readonly DeadLetter[];
  /** Timers that are set: for tests that nothing is left behind. */
  readonly timerCount: number;
}

export function createRuntime(env: Env, options: RuntimeOptions = {}): Runtime {
  const scheduler = new Scheduler(env, options);
  return {
    spawn: (kind, name, args) => scheduler.spawn(scheduler.root, kind, name, args),
    stop: (ref) => scheduler.stop(ActorRef.cellOf(ref)),
    shutdown: (onDone) => scheduler.shutdown(onDone),
    ask: <Reply extends AnyMessage>(ref: Ref, message: AnyMessage, timeoutMs: number): Promise<Reply> =>
      new Promise<Reply>((resolve, reject) => {
        const fail = (code: string, what: string): void =>
          reject(Object.assign(new Error(`${message.type} to ${ref.path}: ${what}`), { code }));
        const told = scheduler.askFromOutside(ref, message, timeoutMs, (reply) => {
          if (reply === null) fail('TIMEOUT', `no reply in ${timeoutMs} ms`);
          else resolve(reply as Reply);
        });
        if (told !== 'ok') fail(told.toUpperCase(), told === 'dead' ? 'it has ended' : 'its mailbox is full');
      }),
    tree: () => scheduler.tree(),
    counters: scheduler.counters,
    get deadLetters() {
      return scheduler.deadLetters;
    },
    get timerCount() {
      return scheduler.timerCount;
    },
  };
}
