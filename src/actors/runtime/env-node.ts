/** The outside as Node gives it. One immediate per drain, one native timer for all timers of a runtime. */
import type { Env, Log, Random } from './env.js';

/** Longest delay that setTimeout takes; a longer one would fire at once. */
const delayMsMax = 2 ** 31 - 1;

export function nodeEnv(options: { readonly log: Log }): Env {
  let alarm: NodeJS.Timeout | undefined;
  const now = (): number => performance.now();

  const setAlarm = (atMs: number | null, run: () => void): void => {
    clearTimeout(alarm);
    alarm = undefined;
    if (atMs === null) return;
    const wait = (): void => {
      const leftMs = atMs - now();
      // A native timer may be early by a fraction of a millisecond, or by weeks if its delay was cut to the longest.
      if (leftMs <= 0) run();
      else alarm = setTimeout(wait, Math.min(Math.ceil(leftMs), delayMsMax));
    };
    alarm = setTimeout(wait, Math.max(0, Math.min(Math.ceil(atMs - now()), delayMsMax)));
  };

  return {
    now,
    wallMs: () => Date.now(),
    random: cryptoRandom(),
    defer: (run) => void setImmediate(run),
    setAlarm,
    log: options.log,
  };
}

/** Drawn in blocks: one call of the generator costs a thousand times one number. */
function cryptoRandom(): Random {
  const block = new Uint32Array(256);
  let next = block.length;
  const uint32 = (): number => {
    if (next === block.length) {
      crypto.getRandomValues(block);
      next = 0;
    }
    return block[next++] as number;
  };
  return { uint32, below: (limit) => Math.floor((uint32() / 2 ** 32) * limit) };
}
