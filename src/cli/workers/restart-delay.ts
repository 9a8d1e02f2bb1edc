/** When a worker that ended is started again: soon at first, then less and less often, and never in step with others. */

const MIN_MS = 100;
const MAX_MS = 10_000;
/** A worker that has served for so long begins anew. */
const STEADY_MS = 60_000;

/** Ends in a row, after one more. `servedMs`: for how long it has served clients. */
export function failuresAfter(failures: number, servedMs: number): number {
  return servedMs >= STEADY_MS ? 1 : failures + 1;
}

/** In ms, a random part of a span that doubles. `random` is from 0 to 1. */
export function restartDelayMs(failures: number, random: number): number {
  const spanMs = Math.min(MAX_MS, MIN_MS * 2 ** Math.min(failures, 10));
  return Math.round(MIN_MS / 2 + random * (spanMs - MIN_MS / 2));
}
