/** Each op once in each log, and behind all that its author had seen, by the authors' own account (R1, RULES RA, RC). */
import { opIdOf } from '../evidence.js';
import type { LogEvidence, WrittenOp } from '../evidence.js';

export const checkOnceInLog = (logs: readonly LogEvidence[]): string[] =>
  logs.flatMap(({ node, entries }) => {
    const seen = new Set<string>();
    return entries.flatMap((id) => {
      if (!seen.has(id)) {
        seen.add(id);
        return [];
      }
      return [`n${node} has ${id} twice`];
    });
  });

/** Each op directly behind the one that it names, and everywhere behind the same one (RULES RA). */
export const checkChains = (logs: readonly LogEvidence[]): string[] => {
  const prevOf = new Map<string, number>();
  return logs.flatMap(({ node, entries, prevTimes, lastAtFloor }) => {
    const last = new Map(lastAtFloor);
    return entries.flatMap((id, i) => {
      const [origin = '', timeText] = id.split(' ');
      const [time, prevTime] = [Number(timeText), prevTimes[i] as number];
      const former = prevOf.get(id) ?? prevTime;
      prevOf.set(id, prevTime);
      // What states of another peer have covered may be in the log, too.
      if (time <= (lastAtFloor.get(origin) ?? 0)) return [];
      const before = last.get(origin) ?? 0;
      last.set(origin, time);
      if (former !== prevTime) return [`n${node}: ${id} follows on ${prevTime}, elsewhere on ${former}`];
      return before === prevTime ? [] : [`n${node}: ${id} follows on ${prevTime}, and stands behind ${before}`];
    });
  });
};

export const checkCausal = (logs: readonly LogEvidence[], ops: readonly WrittenOp[]): string[] => {
  const byId = new Map<string, WrittenOp>();
  // What was rebased follows on what its author saw when it was written first, unless that was given up by name.
  for (const op of ops) for (const { origin, time } of op.ids) byId.set(opIdOf(origin, time), op);
  return logs.flatMap(({ node, entries, lastAtFloor }) => {
    const last = new Map(lastAtFloor);
    const found: string[] = [];
    for (const id of entries) {
      const [origin = '', timeText] = id.split(' ');
      const op = byId.get(id);
      if (op !== undefined && !op.isRebasedByName) {
        for (const [other, time] of op.seen) {
          if ((last.get(other) ?? 0) >= time || op.ids.some((own) => own.origin === other)) continue;
          found.push(`n${node}: ${id} of writer ${op.writer} comes before ${opIdOf(other, time)}, which it had seen`);
        }
      }
      last.set(origin, Math.max(last.get(origin) ?? 0, Number(timeText)));
    }
    return found;
  });
};
