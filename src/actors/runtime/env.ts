/**
 * The only door to the outside: clock, wall clock, random, timers, log. Production (env-node.ts) and virtual time
 * differ in nothing else. What else an actor needs of the outside (a bus, a disk) its system adds by extending `Env`.
 */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type Log = (level: LogLevel, text: string, fields?: Readonly<Record<string, unknown>>) => void;

export interface Random {
  /** 0 to 2^32 - 1. */
  uint32(): number;
  /** 0 up to, not including, `limit`. */
  below(limit: number): number;
}

export interface Env {
  /** Monotonic milliseconds, with fractions. */
  now(): number;
  /** Unix time in milliseconds. */
  wallMs(): number;
  readonly random: Random;
  /** Calls `run` once, after all that the outside has already delivered in this turn of the event loop. */
  defer(run: () => void): void;
  /** Calls `run` once when `now()` has reached `atMs`. There is one alarm: a new one replaces it, null clears it. */
  setAlarm(atMs: number | null, run: () => void): void;
  readonly log: Log;
}
