/**
 * Time that passes only when told to, chance that is a function of a seed, and deferred calls that run when asked: any
 * number of runtimes, and whatever else has an `Env`, can share it. What happens is a pure function of the seed and the
 * calls. Timers run in the order of their times, then of their setting, each at exactly its time.
 */
import type { Env, Log, Random } from './env.js';
import { Ring } from './ring.js';
import { Timers } from './timers.js';
import type { TimerOwner } from './timers.js';

export interface VirtualTimeOptions {
  /** Default 1. */
  readonly seed?: number;
  /** Unix time at the start. Default 2026-01-01T00:00:00Z. */
  readonly wallMs?: number;
}

export class VirtualTime {
  readonly #seed: number;
  readonly #startWallMs: number;
  readonly #deferred = new Ring<() => void>(64);
  readonly #timers = new Timers();
  readonly #owner: TimerOwner = { timers: null };
  #nowMs = 0;
  #envCount = 0;

  constructor(options: VirtualTimeOptions = {}) {
    this.#seed = options.seed ?? 1;
    this.#startWallMs = options.wallMs ?? startWallMs;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  get wallMs(): number {
    return this.#startWallMs + Math.floor(this.#nowMs);
  }

  /** A door to this time, with an alarm and a stream of chance of its own. */
  env(log: Log): Env {
    this.#envCount += 1;
    const owner: TimerOwner = { timers: null };
    return {
      now: () => this.#nowMs,
      wallMs: () => this.wallMs,
      random: seededRandom(this.#seed, this.#envCount),
      defer: (run) => this.defer(run),
      setAlarm: (atMs, run) => {
        if (owner.timers !== null) this.#timers.end(owner.timers);
        if (atMs !== null) this.#timers.set(Math.max(atMs, this.#nowMs), owner, 0, run);
      },
      log,
    };
  }

  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  /** Calls `run` when the time has come; what the caller needs besides the alarms of its runtimes. */
  at(atMs: number, run: () => void): void {
    this.#timers.set(Math.max(atMs, this.#nowMs), this.#owner, 0, run);
  }

  /** Runs what is deferred until nothing is; time stands still. Throws after 100,000 calls: it would never end. */
  run(): void {
    for (let count = 0; ; count++) {
      const run = this.#deferred.shift();
      if (run === undefined) return;
      if (count === runsMax) throw new Error(`not quiet after ${runsMax} deferred calls`);
      run();
    }
  }

  /** Lets time pass, stopping at each timer to run what follows from it. */
  advance(ms: number): void {
    const endMs = this.#nowMs + ms;
    this.run();
    for (;;) {
      const timer = this.#timers.due(endMs);
      if (timer === null) break;
      this.#nowMs = timer.atMs;
      const run = timer.payload as () => void;
      this.#timers.end(timer);
      run();
      this.run();
    }
    this.#nowMs = endMs;
  }

  /** When the next timer is due, or null. */
  get nextAtMs(): number | null {
    return this.#timers.nextAtMs();
  }
}

/** A counter through a mixer of 32 bits: number `n` of a stream is a function of seed, stream and n alone. */
export function seededRandom(seed: number, stream: number): Random {
  let counter = mix(mix(seed >>> 0) + stream);
  const uint32 = (): number => {
    counter = (counter + weyl) >>> 0;
    return mix(counter);
  };
  return { uint32, below: (limit) => Math.floor((uint32() / 2 ** 32) * limit) };
}

const startWallMs = 1_767_225_600_000;
const runsMax = 100_000;
const weyl = 0x9e3779b9;

function mix(value: number): number {
  let mixed = value >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x7feb352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
