/** A snapshot has the ops that its vector names, and no others (RULES RH): compared with what was written. */
import { opIdOf, valuesOf } from '../evidence.js';
import type { LogEvidence, WrittenOp } from '../evidence.js';

type Vector = ReadonlyMap<string, number>;

export const checkSnapshots = (logs: readonly LogEvidence[], ops: readonly WrittenOp[]): string[] =>
  logs.flatMap(({ node, snapshots }) =>
    [...snapshots].flatMap(([name, { vector, view }]) => {
      const mine = ops.filter(({ type, object }) => `${type}/${object}` === name);
      const objection = objectionTo(name, view, vector, mine);
      return objection === null ? [] : [`n${node}: ${name} ${objection}`];
    }),
  );

/** How often the op is in it, by its stamps. */
const timesIn = (vector: Vector, { ids }: WrittenOp): number =>
  ids.filter(({ origin, time }) => time <= (vector.get(origin) ?? 0)).length;

const objectionTo = (name: string, view: unknown, vector: Vector, ops: readonly WrittenOp[]): string | null => {
  const type = name.slice(0, name.indexOf('/'));
  if (type === 'counter') return objectionToSum(view as number, vector, ops);
  if (type === 'set' || type === 'text') return objectionToValues(new Set(valuesOf(view)), vector, ops);
  return null;
};

/** What is uncertain may never have come, though its author went on. */
const objectionToSum = (sum: number, vector: Vector, ops: readonly WrittenOp[]): string | null => {
  let least = 0;
  let most = 0;
  for (const op of ops) {
    const value = (op.value ?? 0) * timesIn(vector, op);
    most += value;
    if (!op.isUncertain) least += value;
  }
  return sum >= least && sum <= most ? null : `shows ${sum}, of ${least} to ${most} that it says it has`;
};

const objectionToValues = (shown: ReadonlySet<number>, vector: Vector, ops: readonly WrittenOp[]): string | null => {
  const removed = new Set(ops.map((op) => op.removed));
  for (const op of ops) {
    const isIn = timesIn(vector, op) > 0;
    const { value } = op;
    if (value !== null && shown.has(value) && !isIn) return `shows ${value}, and does not say that it has ${show(op)}`;
    if (value !== null && isIn && !op.isUncertain && !removed.has(value) && !shown.has(value))
      return `says that it has ${show(op)}, and does not show ${value}`;
  }
  return null;
};

const show = ({ writer, ids }: WrittenOp): string =>
  `what writer ${writer} wrote as ${ids.map(({ origin, time }) => opIdOf(origin, time)).join(', ')}`;
