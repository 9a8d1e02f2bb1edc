/** The one timer of an actor that has many times to keep: it goes off at the earliest of them, and is then set anew. */
import type { AnyMessage, Self, TimerId } from './runtime/kind.js';

export class Alarm<M extends AnyMessage> {
  readonly #self: Self<M>;
  /** What the actor tells itself. */
  readonly #message: M;
  #timer: TimerId | null = null;
  /** In monotonic ms; infinite while it is not set. */
  #atMs = Infinity;

  constructor(self: Self<M>, message: M) {
    this.#self = self;
    this.#message = message;
  }

  /** Goes off at that time at the latest, a millisecond from now at the earliest. */
  setBy(atMs: number): void {
    if (atMs >= this.#atMs) return;
    if (this.#timer !== null) this.#self.cancel(this.#timer);
    this.#atMs = atMs;
    this.#timer = this.#self.after(Math.max(1, atMs - this.#self.now()), this.#message);
  }

  /** Its message has come. */
  wentOff(): void {
    this.#timer = null;
    this.#atMs = Infinity;
  }
}
