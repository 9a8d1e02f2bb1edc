/**
 * An actor's own view of the runtime. One per life: what a socket's callback still holds after a restart or the end
 * does nothing any more, instead of reaching into another life.
 */
import { ActorRef, phase } from './cell.js';
import type { Cell } from './cell.js';
import type { Log, Random } from './env.js';
import type { AnyKind, AnyMessage, Kind, Ref, Self, TimerId } from './kind.js';

/** What actors may ask of the runtime; the cell is the one that asks. */
export interface ActorEngine {
  readonly random: Random;
  readonly log: Log;
  now(): number;
  wallMs(): number;
  spawn(parent: Cell, kind: AnyKind, name: string, args: unknown): Ref;
  stop(cell: Cell): void;
  watch(cell: Cell, who: Cell): void;
  after(cell: Cell, delayMs: number, message: AnyMessage): TimerId;
  cancel(cell: Cell, timer: TimerId): void;
  ask(cell: Cell, target: Ref, message: AnyMessage, timeoutMs: number, onReply: OnReply): void;
  flushLater(cell: Cell): void;
  signal(cell: Cell, event: string): void;
}

export type OnReply = (reply: AnyMessage | null) => string | void;

export class ActorSelf implements Self<AnyMessage> {
  readonly #engine: ActorEngine;
  readonly #cell: Cell;
  readonly #life: number;

  constructor(engine: ActorEngine, cell: Cell) {
    this.#engine = engine;
    this.#cell = cell;
    this.#life = cell.life;
  }

  get ref(): Ref {
    return this.#cell.ref;
  }

  get status(): string {
    return this.#cell.kind.machine.statuses[this.#cell.status] as string;
  }

  get random(): Random {
    return this.#engine.random;
  }

  get log(): Log {
    const { log } = this.#engine;
    const actor = this.#cell.ref.path;
    return (level, text, fields) => log(level, text, { ...fields, actor });
  }

  now(): number {
    return this.#engine.now();
  }

  wallMs(): number {
    return this.#engine.wallMs();
  }

  /** Throws an Error when the actor has ended, because then nobody would ever end the child. */
  spawn<S extends object, CM extends AnyMessage, A, St extends string, E extends string, C extends string>(
    kind: Kind<S, CM, A, St, E, C>,
    name: string,
    args: A,
  ): Ref<CM> {
    if (!this.#isAlive()) throw new Error(`${this.#cell.ref.path} has ended and can't spawn ${name}`);
    return this.#engine.spawn(this.#cell, kind, name, args);
  }

  stop(child: Ref): void {
    const cell = ActorRef.cellOf(child);
    if (cell.parent !== this.#cell) throw new Error(`${child.path} is no child of ${this.#cell.ref.path}`);
    this.#engine.stop(cell);
  }

  watch(who: Ref): void {
    if (this.#isAlive()) this.#engine.watch(this.#cell, ActorRef.cellOf(who));
  }

  after(delayMs: number, message: AnyMessage): TimerId {
    return this.#isAlive() ? this.#engine.after(this.#cell, delayMs, message) : 0;
  }

  cancel(timer: TimerId): void {
    this.#engine.cancel(this.#cell, timer);
  }

  ask(target: Ref, message: AnyMessage, timeoutMs: number, onReply: OnReply): void {
    if (this.#isAlive()) this.#engine.ask(this.#cell, target, message, timeoutMs, onReply);
  }

  flushLater(): void {
    if (this.#isAlive()) this.#engine.flushLater(this.#cell);
  }

  signal(event: string): void {
    if (this.#isAlive()) this.#engine.signal(this.#cell, event);
  }

  #isAlive(): boolean {
    return this.#cell.life === this.#life && this.#cell.phase === phase.live;
  }
}
