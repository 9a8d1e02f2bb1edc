/** What all peers have is the same, and so is what their clients see of it (R1, R3, R5). */
import { isDeepStrictEqual } from 'node:util';
import { presentIn } from './no-op-lost.js';
import type { LogEvidence, WriterEvidence, WrittenOp } from '../evidence.js';

export const checkPeersEqual = (logs: readonly LogEvidence[]): string[] => {
  const [first, ...others] = logs;
  if (first === undefined) return ['no peer is left'];
  return others.flatMap((log) => [
    ...(log.chainDigest === first.chainDigest ? [] : [`n${log.node} and n${first.node} have other chains`]),
    ...[...first.states].flatMap(([name, { encoded, view }]) => {
      const other = log.states.get(name);
      if (other?.encoded === encoded) return [];
      return [`${name}: n${first.node} has ${JSON.stringify(view)}, n${log.node} ${JSON.stringify(other?.view)}`];
    }),
  ]);
};

/** Of what was lost with the one disk that had it, and may be, those who saw it go on to. */
export const checkWritersEqual = (
  logs: readonly LogEvidence[],
  writers: readonly WriterEvidence[],
  ops: readonly WrittenOp[],
): string[] => {
  const [first] = logs;
  const isLost = (op: WrittenOp): boolean => op.isUncertain && first !== undefined && presentIn(first, op) === 0;
  const losers = new Set(ops.filter(isLost).map(({ type, object }) => `${type}/${object}`));
  return writers.flatMap(({ writer, views }) =>
    [...views].flatMap(([name, view]) => {
      const there = first?.states.get(name)?.view;
      if (there === undefined || losers.has(name) || isDeepStrictEqual(view, there)) return [];
      return [`${name}: writer ${writer} sees ${show(view)}, its peers have ${show(there)}`];
    }),
  );
};

const SHOWN = 300;
const show = (value: unknown): string => JSON.stringify(value).slice(0, SHOWN);
