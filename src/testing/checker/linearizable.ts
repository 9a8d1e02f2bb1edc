/**
 * C3: operations on one key are linearizable, and those of one session take effect in the order sent. Judged key by key,
 * within windows in which the membership was stable: what happened before a window is not known to it.
 */
import { linearize } from './linearization.js';
import { isAnswered, isUncertain, showOperation } from './operation.js';
import type { Operation } from './operation.js';
import { ABSENT, createStep, UNKNOWN } from './register.js';

export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
  /** Nothing was stored when it began. */
  readonly startsEmpty: boolean;
}

export interface LinearizableOptions {
  readonly windows: readonly Window[];
  /** Entries may be removed for want of room. */
  readonly evicts: boolean;
  /** A request takes effect at most this long after it was made, if at all. */
  readonly effectMsMax: number;
  /** Steps per key, after which it is given up. Default 1,000,000. */
  readonly stepsMax?: number;
}

export interface Disorder {
  readonly invariant: 'linearizable' | 'session order';
  readonly text: string;
  /** The operation that fits nowhere. */
  readonly stuck: Operation;
}

export interface LinearizableResult {
  readonly violations: readonly Disorder[];
  /** Keys whose search was given up. */
  readonly undecided: number;
}

export const checkLinearizable = (
  history: readonly Operation[],
  { windows, evicts, effectMsMax, stepsMax = 1_000_000 }: LinearizableOptions,
): LinearizableResult => {
  const violations: Disorder[] = [];
  let undecided = 0;
  const byKey = new Map<string, Operation[]>();
  for (const operation of history) {
    const operations = byKey.get(operation.key);
    if (operations === undefined) byKey.set(operation.key, [operation]);
    else operations.push(operation);
  }
  for (const window of windows) {
    for (const [key, operations] of byKey) {
      const { answered, uncertain } = within(operations, window, effectMsMax);
      const start = window.startsEmpty ? ABSENT : UNKNOWN;
      const step = createStep(evicts || operations.some((operation) => endsWithin(operation, window, effectMsMax)));
      const question = { answered, uncertain, start, step, stepsMax };
      const strict = linearize({ ...question, keepsSessionOrder: true });
      if (strict.isLinearizable === null) undecided += 1;
      if (strict.isLinearizable !== false) continue;
      const loose = linearize({ ...question, keepsSessionOrder: false });
      const { stuck } = loose.isLinearizable === false ? loose : strict;
      violations.push({
        invariant: loose.isLinearizable === false ? 'linearizable' : 'session order',
        text: explain(key, stuck, [...answered, ...uncertain]),
        stuck,
      });
    }
  }
  return { violations, undecided };
};

/** It was asked before the window, which does not know it, and gives the entry an end that may lie in the window. */
const endsWithin = ({ ttlMs, invokedMs }: Operation, { fromMs }: Window, effectMsMax: number): boolean =>
  ttlMs > 0 && invokedMs < fromMs && invokedMs + effectMsMax + ttlMs >= fromMs;

const within = (
  operations: readonly Operation[],
  { fromMs, toMs }: Window,
  effectMsMax: number,
): { answered: Operation[]; uncertain: Operation[] } => {
  const answered: Operation[] = [];
  const uncertain: Operation[] = [];
  for (const operation of operations) {
    const { kind, invokedMs, returnedMs } = operation;
    if (invokedMs > toMs) continue;
    if (isUncertain(operation)) {
      if (invokedMs >= fromMs) uncertain.push({ ...operation, returnedMs: Infinity });
      else if (invokedMs + effectMsMax >= fromMs) {
        uncertain.push({ ...operation, invokedMs: fromMs, returnedMs: Infinity });
      }
    } else if (isAnswered(operation)) {
      if (invokedMs >= fromMs && returnedMs <= toMs) answered.push(operation);
      // It straddles a border: it may have taken effect on either side.
      else if (kind !== 'get' && returnedMs >= fromMs) {
        uncertain.push({
          ...operation,
          invokedMs: Math.max(invokedMs, fromMs),
          returnedMs: Infinity,
          outcome: { type: 'open' },
        });
      }
    }
  }
  answered.sort((a, b) => a.invokedMs - b.invokedMs || a.number - b.number);
  uncertain.sort((a, b) => a.invokedMs - b.invokedMs || a.number - b.number);
  return { answered, uncertain: observable(uncertain, answered) };
};

/** Without those that nobody can have noticed: a value that was never read, where nobody asked for mere presence. */
const observable = (uncertain: readonly Operation[], answered: readonly Operation[]): Operation[] => {
  const read = new Set<number>();
  let isPresenceAsked = uncertain.some(({ kind }) => kind === 'incr' || kind === 'touch');
  for (const { kind, condition, outcome } of answered) {
    if (outcome.type === 'value') read.add(outcome.value);
    if (kind === 'incr' || kind === 'touch' || condition !== null) isPresenceAsked = true;
    if (outcome.type === 'deleted' && outcome.existed) isPresenceAsked = true;
  }
  return uncertain.filter(({ kind, number }) => kind !== 'set' || isPresenceAsked || read.has(number));
};

/** The operation that fits nowhere, and what happened around it. */
const explain = (key: string, stuck: Operation, operations: readonly Operation[]): string => {
  const around = operations
    .filter(({ invokedMs, returnedMs }) => invokedMs <= stuck.returnedMs && returnedMs >= stuck.invokedMs - AROUND_MS)
    .sort((a, b) => a.invokedMs - b.invokedMs)
    .slice(-AROUND_COUNT)
    .map((operation) => `    ${operation.number === stuck.number ? '*' : ' '} ${showOperation(operation)}`);
  return [`${key}: no order explains ${showOperation(stuck)}`, ...around].join('\n');
};

const AROUND_MS = 3000;
const AROUND_COUNT = 24;
