/** What was written is everywhere in the end, once, and what is there was written (R1, R4). */
import { isStampedLater, opIdOf, valuesOf } from '../evidence.js';
import type { LogEvidence, WrittenOp } from '../evidence.js';

/** How often it took effect, as far as it can be told: its stamps that the chains of the log have. */
export const presentIn = (log: LogEvidence, { ids }: WrittenOp): number =>
  ids.filter(({ origin, time }) => time <= (log.last.get(origin) ?? 0)).length;

export const checkNoOpLost = (logs: readonly LogEvidence[], ops: readonly WrittenOp[]): string[] =>
  logs
    .slice(0, 1)
    .flatMap((log) =>
      ops
        .filter((op) => !op.isUncertain && presentIn(log, op) === 0)
        .map(
          (op) =>
            `${show(op)} is not at n${log.node}${op.spread === null ? '' : `, and was told to be safe at ${op.spread.atMs.toFixed(0)} ms, with ${op.spread.disks} disks`}`,
        ),
    );

export const checkCounters = (logs: readonly LogEvidence[], ops: readonly WrittenOp[]): string[] =>
  logs.slice(0, 1).flatMap((log) =>
    [...log.states].flatMap(([name, { view }]) => {
      if (!name.startsWith('counter/')) return [];
      const mine = ops.filter(({ type, object }) => `${type}/${object}` === name);
      let least = 0;
      let most = 0;
      const twice: string[] = [];
      for (const op of mine) {
        const value = op.value as number;
        const times = presentIn(log, op);
        if (!op.isUncertain) least += value;
        most += value * (op.isRebasedByName ? Math.max(1, times) : 1);
        if (times > 1 && !op.isRebasedByName) twice.push(show(op));
      }
      const isSum = typeof view === 'number' && view >= least && view <= most;
      if (isSum && twice.length === 0) return [];
      return [`${name} is ${String(view)}, of ${least} to ${most}; twice: ${twice.slice(0, 2).join(', ')}`];
    }),
  );

/** A value of a set, or a word of a text, that nobody removed is there, whole, and none that nobody added. */
export const checkSets = (logs: readonly LogEvidence[], ops: readonly WrittenOp[]): string[] =>
  logs.slice(0, 1).flatMap((log) =>
    [...log.states].flatMap(([name, { view }]) => {
      if (!name.startsWith('set/') && !name.startsWith('text/')) return [];
      const mine = ops.filter(({ type, object }) => `${type}/${object}` === name);
      const removed = new Set(mine.map((op) => op.removed));
      const added = new Map(mine.flatMap((op) => (op.value === null ? [] : [[op.value, op] as const])));
      const values = valuesOf(view);
      const present = new Set(values);
      const missing = [...added].filter(([value, op]) => !op.isUncertain && !removed.has(value) && !present.has(value));
      const strange = [...present].filter((value) => !added.has(value));
      const back = mine.filter(
        ({ removed: value, isUncertain }) =>
          value !== null && !isUncertain && present.has(value) && added.get(value)?.ids.length === 1,
      );
      return [
        ...(typeof view === 'string' && values.map((value) => `<${value}>`).join('') !== view
          ? [`${name}: words are torn: ${view}`]
          : []),
        ...missing.map(([, op]) => `${name}: ${show(op)} is not there`),
        ...strange.map((value) => `${name}: ${value} was never added`),
        ...back.map((op) => `${name}: ${op.removed} was removed by ${show(op)} and is there`),
      ];
    }),
  );

/** Each writer has a field of its own: it holds what was set last. */
export const checkFields = (logs: readonly LogEvidence[], ops: readonly WrittenOp[]): string[] =>
  logs.slice(0, 1).flatMap((log) =>
    [...log.states].flatMap(([name, { view }]) => {
      if (!name.startsWith('lww/')) return [];
      const fields = view as Readonly<Record<string, unknown>>;
      const last = new Map<number, WrittenOp>();
      for (const op of ops) {
        if (`${op.type}/${op.object}` === name && !op.isUncertain) last.set(op.writer, op);
      }
      return [...last].flatMap(([writer, op]) => {
        const value = fields[`w${writer}`];
        if (typeof value === 'number' && value >= (op.value as number)) return [];
        if (isStampedLater(value, op.object, writer, ops)) return [];
        return [`${name}: ${show(op)} set ${op.value}, ${String(value)} is there`];
      });
    }),
  );

/** By disks: what is told to be at a second peer is on two. */
export const checkSpread = (ops: readonly WrittenOp[]): string[] =>
  ops
    .filter(({ spread }) => spread !== null && spread.disks < 2)
    .map((op) => `${show(op)} was told to be safe with ${op.spread?.disks} disks`);

const show = ({ writer, type, object, atMs, ids }: WrittenOp): string =>
  `${type}/${object} of writer ${writer} at ${atMs.toFixed(0)} ms (${ids.map((id) => opIdOf(id.origin, id.time)).join(', ')})`;
