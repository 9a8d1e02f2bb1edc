/** What the checkers of a run met, so that it can be told whether they had anything to judge. */
import { isUncertain } from '../checker/operation.js';
import type { Evidence } from './evidence.js';

export const metBy = ({ plan, history, windows }: Evidence): Map<string, number> => {
  const met = new Map<string, number>();
  const add = (name: string, count: number): void => {
    met.set(name, count);
  };
  const uncertain = new Set(history.filter(isUncertain).map(({ number }) => number));
  const reads = history.filter(({ outcome }) => outcome.type === 'value' && uncertain.has(outcome.value));
  add('uncertain write was read', reads.length);
  add('window after faults', windows.filter(({ startsEmpty }) => !startsEmpty).length);
  add('window through faults', windows.length === 1 && plan.faults.length > 0 ? 1 : 0);
  const latest = new Map<string, number>();
  let overlapping = 0;
  for (const { session, key, invokedMs, returnedMs } of history) {
    const lane = `${session} ${key}`;
    if ((latest.get(lane) ?? -Infinity) > invokedMs) overlapping += 1;
    latest.set(lane, Math.max(latest.get(lane) ?? 0, returnedMs));
  }
  add('requests of one session overlapped', overlapping);
  return met;
};
