/** The checker of C3 is checked itself: against all orders, one by one, and by histories with a mistake put in. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { checkLinearizable } from '../../src/testing/checker/linearizable.js';
import { linearize } from '../../src/testing/checker/linearization.js';
import { isAnswered, isUncertain } from '../../src/testing/checker/operation.js';
import type { Operation } from '../../src/testing/checker/operation.js';
import { ABSENT, createStep, UNKNOWN } from '../../src/testing/checker/register.js';
import type { Register, Step } from '../../src/testing/checker/register.js';
import { anyHistory, operation } from './history.js';

/** Whether any order is right: all of them are tried, whatever their number. */
const isOrdered = (left: readonly Operation[], register: Register, step: Step, keepsSessionOrder: boolean): boolean => {
  const answered = left.filter(isAnswered);
  if (answered.length === 0) return true;
  return left.some((next) => {
    if (answered.some((other) => other !== next && other.returnedMs < next.invokedMs)) return false;
    const isOvertaking = (other: Operation): boolean => other.session === next.session && other.number < next.number;
    if (keepsSessionOrder && isAnswered(next) && answered.some(isOvertaking)) return false;
    const after = step(register, next);
    const rest = left.filter((other) => other !== next);
    return after !== null && isOrdered(rest, after, step, keepsSessionOrder);
  });
};

describe('[C3] linearization', () => {
  it.each([
    ['nothing is known before', UNKNOWN, false],
    ['nothing is stored before', ABSENT, false],
    ['entries may be evicted', ABSENT, true],
  ])('agrees with all orders tried one by one: %s', (_what, start, evicts) => {
    const step = createStep(evicts);
    let wrong = 0;
    fc.assert(
      fc.property(anyHistory(6), fc.boolean(), (history, keepsSessionOrder) => {
        const answered = history.filter(isAnswered);
        const uncertain = history.filter(isUncertain);
        const verdict = linearize({ answered, uncertain, start, step, keepsSessionOrder, stepsMax: 100_000 });
        const isRight = isOrdered([...answered, ...uncertain], start, step, keepsSessionOrder);
        expect(verdict.isLinearizable).toBe(isRight);
        if (!isRight) wrong += 1;
      }),
      { numRuns: 2500, seed: 7 },
    );
    // Both verdicts were tried, or the agreement would say nothing.
    expect(wrong).toBeGreaterThan(200);
    expect(wrong).toBeLessThan(2300);
  });

  const all = { windows: [{ fromMs: 0, toMs: Infinity, startsEmpty: true }], evicts: false, effectMsMax: 1000 };
  const set = (number: number, from: number, to: number, rest: Partial<Operation> = {}): Operation =>
    operation('set', [from, to], to === Infinity ? { type: 'open' } : { type: 'stored' }, { number, ...rest });
  const get = (value: number | null, from: number, to: number, rest: Partial<Operation> = {}): Operation =>
    operation('get', [from, to], value === null ? { type: 'missing' } : { type: 'value', value }, {
      number: 100 + from,
      session: 2,
      ...rest,
    });
  const invariants = (history: Operation[], options: Partial<typeof all> = {}): string[] =>
    checkLinearizable(history, { ...all, ...options }).violations.map(({ invariant }) => invariant);

  it.each<[string, Operation[]]>([
    ['a stale read', [set(1, 0, 1), set(2, 2, 3), get(1, 4, 5)]],
    ['a lost update', [set(1, 0, 1), get(null, 2, 3)]],
    ['a read from the future', [get(1, 0, 1), set(1, 2, 3)]],
    [
      'two readers who disagree about the order',
      [set(1, 0, 9), set(2, 0, 9), get(1, 1, 2), get(2, 3, 4), get(1, 5, 6)],
    ],
    ['an open write that is seen and forgotten', [set(1, 0, 1), set(2, 2, Infinity), get(2, 3, 4), get(1, 5, 6)]],
    ['an expired value', [set(1, 0, 1, { ttlMs: 5 }), get(1, 7, 8)]],
    ['a value gone before its time', [set(1, 0, 1, { ttlMs: 50 }), get(null, 7, 8)]],
  ])('finds %s', (_what, history) => {
    expect(invariants(history)).toEqual(['linearizable']);
  });

  it.each<[string, Operation[]]>([
    ['an open write that takes effect late', [set(1, 0, 1), set(2, 2, Infinity), get(1, 3, 4), get(2, 5, 6)]],
    ['an open write that never does', [set(1, 0, 1), set(2, 2, Infinity), get(1, 3, 4), get(1, 50, 51)]],
    ['two writes at once, in either order', [set(1, 0, 9), set(2, 0, 9), get(2, 10, 11), get(2, 12, 13)]],
    ['an entry that has expired', [set(1, 0, 1, { ttlMs: 5 }), get(1, 2, 3), get(null, 5, 6)]],
  ])('accepts %s', (_what, history) => {
    expect(invariants(history)).toEqual([]);
  });

  it('tells what is only out of the order of its session', () => {
    const overtaken = [set(1, 0, 9, { session: 3 }), get(null, 1, 8, { session: 3 })];
    expect(invariants(overtaken)).toEqual(['session order']);
    expect(invariants([set(1, 0, 9, { session: 3 }), get(null, 1, 8, { session: 4 })])).toEqual([]);
  });

  it('accepts an evicted entry only where entries may be evicted', () => {
    const history = [set(1, 0, 1), get(null, 2, 3), set(2, 4, 5), get(2, 6, 7)];
    expect(invariants(history, { evicts: true })).toEqual([]);
    expect(invariants([...history, get(1, 8, 9)], { evicts: true })).toEqual(['linearizable']);
  });

  it('knows that an increment which leaves the value as it was may have made the entry anew', () => {
    const incr = (number: number, from: number, to: number): Operation =>
      operation('incr', [from, to], { type: 'value', value: 2 }, { number, by: 2, session: number });
    const removed = operation('delete', [3, 5], { type: 'deleted', existed: true }, { number: 2, session: 2 });
    const history = [incr(1, 1, 2), removed, incr(3, 4, 7), get(2, 8, 9)];
    expect(invariants(history, { evicts: true })).toEqual([]);
    expect(invariants([incr(1, 1, 2), removed, get(2, 8, 9)], { evicts: true })).toEqual(['linearizable']);
  });

  it('judges within its windows, without knowing what came before', () => {
    const windows = [{ fromMs: 10, toMs: 99, startsEmpty: false }];
    const before = [set(1, 0, 1), get(null, 2, 3), set(2, 4, Infinity)];
    expect(invariants([...before, get(1, 10, 11), get(2, 12, 13)], { windows })).toEqual([]);
    expect(invariants([...before, get(1, 10, 11), get(2, 12, 13), get(1, 14, 15)], { windows })).toEqual([
      'linearizable',
    ]);
    // What was refused too long before can't take effect any more.
    expect(invariants([...before, get(1, 10, 11), get(2, 12, 13)], { windows, effectMsMax: 5 })).toEqual([
      'linearizable',
    ]);
  });

  it('accepts that an entry ends in a window which does not know its time to live', () => {
    const windows = [{ fromMs: 10, toMs: 99, startsEmpty: false }];
    const read = [get(1, 10, 11), get(null, 12, 13)];
    const options = { windows, effectMsMax: 2 };
    expect(invariants([set(1, 0, 1, { ttlMs: 12 }), ...read], options)).toEqual([]);
    expect(invariants([set(1, 0, 1, { ttlMs: 7 }), ...read], options)).toEqual(['linearizable']);
    expect(invariants([set(1, 0, 1), ...read], options)).toEqual(['linearizable']);
  });

  it('finds one wrong answer in a long history, and says which', () => {
    const history: Operation[] = [];
    for (let i = 0; i < 3000; i += 1) {
      const from = i * 2;
      history.push(set(2 * i + 1, from, from + 9, { session: i % 7 }));
      history.push(get(2 * i + 1, from + 9.5, from + 10, { number: 2 * i + 2, session: 9 }));
    }
    // Five writes at a time overlap, and each is read right after its reply.
    expect(checkLinearizable(history, all)).toEqual({ violations: [], undecided: 0 });
    const wrong = history.map((each, i) =>
      i === 3001 ? { ...each, outcome: { type: 'value' as const, value: 2801 } } : each,
    );
    const { violations } = checkLinearizable(wrong, all);
    expect(violations.map(({ invariant }) => invariant)).toEqual(['linearizable']);
    expect(violations[0]?.text).toContain('get k -> 2801');
  });

  it('says so when a search is given up', () => {
    const history = [set(1, 0, 9), set(2, 0, 9), get(1, 10, 11), get(null, 12, 13)];
    expect(checkLinearizable(history, { ...all, stepsMax: 1 })).toEqual({ violations: [], undecided: 1 });
  });
});
