/**
 * Is there an order of the operations on one key, each between its question and its reply, in which every answer is
 * right? The search of Wing and Gong with the memory of Lowe: try whoever may come next, remember (done, state) pairs
 * that led nowhere, take back. Operations that nobody answered may be in the order at any later place, or not at all.
 * An operation that changes nothing is taken as soon as it may be: no order is lost by that.
 */
import type { Operation } from './operation.js';
import type { Register, Step } from './register.js';

export interface Question {
  /** Those whose replies count, in the order of their invocation. */
  readonly answered: readonly Operation[];
  /** Those that may have taken effect, in the order of their invocation. */
  readonly uncertain: readonly Operation[];
  readonly start: Register;
  readonly step: Step;
  /** Requests of one session take effect in the order sent. */
  readonly keepsSessionOrder: boolean;
  /** Steps after which the search is given up. */
  readonly stepsMax: number;
}

export type Verdict =
  | { readonly isLinearizable: true }
  /** `stuck`: the operation that no order could place, of the order that came furthest. */
  | { readonly isLinearizable: false; readonly stuck: Operation }
  | { readonly isLinearizable: null };

interface Move {
  readonly operation: Operation;
  /** Place among `answered`; among `uncertain`, minus one and minus the place. */
  readonly index: number;
  readonly next: Register;
}

interface Frame {
  readonly moves: readonly Move[];
  at: number;
}

export const linearize = (question: Question): Verdict => {
  const { answered, uncertain, step, keepsSessionOrder } = question;
  const isDone = new Uint8Array(answered.length);
  const isUsed = new Uint8Array(uncertain.length);
  const predecessors = keepsSessionOrder ? sessionPredecessors(answered) : null;
  const twins = earlierTwins(uncertain);
  const seen = new Set<string>();
  let low = 0;
  let doneCount = 0;
  let furthest = -1;
  let stuck: Operation | undefined;
  let stepsLeft = question.stepsMax;

  /** What may come next. */
  const movesFrom = (register: Register): Move[] => {
    const moves: Move[] = [];
    let endMs = Infinity;
    let first: Operation | undefined;
    for (let i = low; i < answered.length; i += 1) {
      const operation = answered[i] as Operation;
      if (operation.invokedMs > endMs) break;
      if (isDone[i] === 1) continue;
      if (operation.returnedMs < endMs) {
        endMs = operation.returnedMs;
        first = operation;
      }
      const predecessor = predecessors === null ? -1 : (predecessors[i] as number);
      if (predecessor >= 0 && isDone[predecessor] === 0) continue;
      const next = step(register, operation);
      if (next === null) continue;
      if (isSame(next, register) && !mayRecreate(operation)) return [{ operation, index: i, next: register }];
      moves.push({ operation, index: i, next });
    }
    if (doneCount > furthest) {
      furthest = doneCount;
      stuck = first;
    }
    // Whoever answered first most likely came first.
    moves.sort((a, b) => a.operation.returnedMs - b.operation.returnedMs);
    for (let i = 0; i < uncertain.length; i += 1) {
      const operation = uncertain[i] as Operation;
      if (operation.invokedMs > endMs) break;
      const twin = twins[i] as number;
      if (isUsed[i] === 1 || (twin >= 0 && isUsed[twin] === 0)) continue;
      const next = step(register, operation);
      if (next !== null && !isSame(next, register)) moves.push({ operation, index: -1 - i, next });
    }
    return moves;
  };

  const keyOf = ({ value, expiry }: Register): string => {
    let key = `${value} ${expiry?.number ?? ''} ${low}`;
    for (let i = low + 1, left = doneCount - low; left > 0; i += 1) {
      if (isDone[i] === 0) continue;
      left -= 1;
      key += ` ${i}`;
    }
    for (let i = 0; i < isUsed.length; i += 1) if (isUsed[i] === 1) key += ` -${i}`;
    return key;
  };

  const apply = ({ index }: Move): void => {
    if (index < 0) {
      isUsed[-1 - index] = 1;
      return;
    }
    isDone[index] = 1;
    doneCount += 1;
    while (isDone[low] === 1) low += 1;
  };
  const takeBack = ({ index }: Move): void => {
    if (index < 0) {
      isUsed[-1 - index] = 0;
      return;
    }
    isDone[index] = 0;
    doneCount -= 1;
    low = Math.min(low, index);
  };

  if (answered.length === 0) return { isLinearizable: true };
  const stack: Frame[] = [{ moves: movesFrom(question.start), at: 0 }];
  for (;;) {
    const frame = stack.at(-1);
    if (frame === undefined) return { isLinearizable: false, stuck: stuck as Operation };
    const move = frame.moves[frame.at];
    if (move === undefined) {
      stack.pop();
      const parent = stack.at(-1);
      if (parent !== undefined) takeBack(parent.moves[parent.at - 1] as Move);
      continue;
    }
    frame.at += 1;
    apply(move);
    if (doneCount === answered.length) return { isLinearizable: true };
    stepsLeft -= 1;
    if (stepsLeft < 0) return { isLinearizable: null };
    if (frame.moves.length > 1) {
      // Been here, in another order: it led nowhere.
      const key = keyOf(move.next);
      if (seen.has(key)) {
        takeBack(move);
        continue;
      }
      seen.add(key);
    }
    stack.push({ moves: movesFrom(move.next), at: 0 });
  }
};

/** An `incr` that leaves things as they are has made an entry anew: later on it may not be needless. */
const mayRecreate = ({ kind }: Operation): boolean => kind === 'incr';

const isSame = (a: Register, b: Register): boolean => a.value === b.value && a.expiry === b.expiry;

/** For each operation the last one that its session sent before, or -1. */
const sessionPredecessors = (answered: readonly Operation[]): Int32Array => {
  const places = answered.map((_, i) => i).sort((a, b) => numberAt(answered, a) - numberAt(answered, b));
  const last = new Map<number, number>();
  const found = new Int32Array(answered.length).fill(-1);
  for (const place of places) {
    const { session } = answered[place] as Operation;
    found[place] = last.get(session) ?? -1;
    last.set(session, place);
  }
  return found;
};

const numberAt = (operations: readonly Operation[], place: number): number => (operations[place] as Operation).number;

/** For each delete the one before it, or -1: which of two that are alike took effect makes no difference. */
const earlierTwins = (uncertain: readonly Operation[]): Int32Array => {
  const found = new Int32Array(uncertain.length).fill(-1);
  let last = -1;
  for (let i = 0; i < uncertain.length; i += 1) {
    if ((uncertain[i] as Operation).kind !== 'delete') continue;
    found[i] = last;
    last = i;
  }
  return found;
};
