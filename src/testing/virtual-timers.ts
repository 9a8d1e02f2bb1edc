/** The clock and the timers of clients in virtual time. */
import type { VirtualTime } from '../actors/runtime/virtual-time.js';
import type { Timers } from '../client/timers.js';

export const timersOf = (time: VirtualTime): Timers => ({
  now: () => time.nowMs,
  setTimeout(callback, delayMs) {
    const timer = { isSet: true };
    time.at(time.nowMs + delayMs, () => {
      if (timer.isSet) callback();
    });
    return timer;
  },
  clearTimeout(timer) {
    if (timer !== null && timer !== undefined) (timer as { isSet: boolean }).isSet = false;
  },
});
