/** What all peers have is the same, and so is what their clients see of it (R1, R3, R5). */
import { isDeepStrictEqual } from 'node:util';
import type { LogEvidence, WriterEvidence } from '../evidence.js';

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

export const checkWritersEqual = (logs: readonly LogEvidence[], writers: readonly WriterEvidence[]): string[] => {
  const [first] = logs;
  return writers.flatMap(({ writer, views }) =>
    [...views].flatMap(([name, view]) => {
      const there = first?.states.get(name)?.view;
      if (there === undefined || isDeepStrictEqual(view, there)) return [];
      return [`${name}: writer ${writer} sees ${show(view)}, its peers have ${show(there)}`];
    }),
  );
};

const SHOWN = 300;
const show = (value: unknown): string => JSON.stringify(value).slice(0, SHOWN);
