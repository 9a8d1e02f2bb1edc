/**
 * Changes of one key reach a watcher with increasing stamps (RULES W2); a merge tells of the copy that was dropped, whose
 * stamp is the lower one. While the membership is stable each change reaches it, or a later one of the key, or a gap (W1).
 */
import type { Stamp } from '../../../store/stamp.js';
import type { Window } from '../../checker/linearizable.js';
import { showOperation } from '../../checker/operation.js';
import type { Operation } from '../../checker/operation.js';
import type { NodeEvidence, ToldChange, Watching } from '../evidence.js';

export const checkWatchOrder = (watchings: readonly Watching[]): string[] =>
  watchings.flatMap(({ node, changes }) => {
    const latest = new Map<string, Stamp>();
    return changes.flatMap(({ atMs, kind, key, stamp }) => {
      if (key === null || stamp === null || kind === 'merge') return [];
      const former = latest.get(key);
      if (former === undefined || isAbove(stamp, former)) {
        latest.set(key, stamp);
        return [];
      }
      return [`n${node} told at ${atMs.toFixed(1)} of ${kind} ${key} of ${show(stamp)} after ${show(former)}`];
    });
  });

/** `slackMs`: what a change may take on its way. */
export const checkChangesTold = (
  watchings: readonly Watching[],
  history: readonly Operation[],
  windows: readonly Window[],
  slackMs: number,
): string[] => {
  const found: string[] = [];
  for (const { node, fromMs, toMs, changes } of watchings) {
    const gapMs = changes.findLast(({ kind }) => kind === 'gap')?.atMs ?? -1;
    const latest = new Map<string, number>();
    for (const { key, stamp } of changes) {
      if (key !== null && stamp !== null) latest.set(key, Math.max(latest.get(key) ?? -1, stamp.time));
    }
    for (const operation of history) {
      const { key, outcome, invokedMs, returnedMs } = operation;
      if (outcome.type !== 'stored' || outcome.time === undefined || invokedMs <= Math.max(fromMs, gapMs)) continue;
      if (!windows.some((window) => invokedMs >= window.fromMs && returnedMs + slackMs <= window.toMs)) continue;
      if (returnedMs + slackMs > toMs || (latest.get(key) ?? -1) >= outcome.time) continue;
      found.push(`n${node}, watched from ${fromMs.toFixed(1)}, did not tell of ${showOperation(operation)}`);
    }
  }
  return found;
};

/** Where no part was ever apart: whoever is told last that a key is gone, may forget it. */
export const checkEndsTold = (watchings: readonly Watching[], nodes: readonly NodeEvidence[]): string[] => {
  const stored = new Set<string>();
  for (const { entries } of nodes) for (const [key, { value }] of entries) if (value !== null) stored.add(key);
  return watchings.flatMap(({ node, toMs, changes }) => {
    if (toMs !== Infinity) return [];
    const last = new Map<string, ToldChange>();
    for (const change of changes) {
      if (change.kind === 'gap') last.clear();
      else if (change.key !== null && change.kind !== 'merge') last.set(change.key, change);
    }
    return [...last].flatMap(([key, { kind, atMs }]) =>
      kind === 'set' || !stored.has(key)
        ? []
        : [`n${node} told at ${atMs.toFixed(1)} of ${kind} ${key}, and it is there`],
    );
  });
};

/** Not the comparison that the nodes use: that is what is judged here. */
const isAbove = (a: Stamp, b: Stamp): boolean => a.time > b.time || (a.time === b.time && a.origin > b.origin);

const show = ({ time, origin }: Stamp): string => `${time}-${origin}`;
