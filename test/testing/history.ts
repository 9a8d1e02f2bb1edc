/** Histories for the tests of checkers: written by hand, or drawn at random. */
import fc from 'fast-check';
import type { Operation, Outcome } from '../../src/testing/checker/operation.js';

export const operation = (
  kind: Operation['kind'],
  [invokedMs, returnedMs]: readonly [number, number],
  outcome: Outcome,
  rest: Partial<Operation> = {},
): Operation => ({
  number: 1,
  session: 1,
  node: 0,
  key: 'k',
  kind,
  condition: null,
  ttlMs: 0,
  by: 0,
  invokedMs,
  returnedMs,
  outcome,
  replyCount: returnedMs === Infinity ? 0 : 1,
  ...rest,
});

const value = (number: number): Outcome => ({ type: 'value', value: number });
const open: Outcome = { type: 'open' };
const refused = (code: string): Outcome => ({ type: 'refused', code });

type Sort = { kind: Operation['kind']; condition: Operation['condition']; outcomes: readonly Outcome[] };

const values = [1, 2, 3, 4, 5].map(value);
const SORTS: readonly Sort[] = [
  { kind: 'get', condition: null, outcomes: [{ type: 'missing' }, ...values] },
  { kind: 'get', condition: null, outcomes: values },
  { kind: 'set', condition: null, outcomes: [{ type: 'stored' }, { type: 'stored' }, open] },
  { kind: 'set', condition: 'absent', outcomes: [{ type: 'stored' }, refused('CONFLICT')] },
  { kind: 'set', condition: 'present', outcomes: [{ type: 'stored' }, refused('CONFLICT'), open] },
  {
    kind: 'delete',
    condition: null,
    outcomes: [{ type: 'deleted', existed: true }, { type: 'deleted', existed: false }, open],
  },
  { kind: 'incr', condition: null, outcomes: [...values, open] },
  { kind: 'touch', condition: null, outcomes: [{ type: 'stored' }, { type: 'missing' }] },
];

/** Short histories of one key, many of them wrong; few instants, so that much of it overlaps. */
export const anyHistory = (lengthMax: number): fc.Arbitrary<Operation[]> =>
  fc
    .array(
      fc.record({
        sort: fc.constantFrom(...SORTS),
        outcome: fc.nat(),
        session: fc.integer({ min: 1, max: 2 }),
        invokedMs: fc.integer({ min: 0, max: 12 }),
        tookMs: fc.integer({ min: 1, max: 6 }),
        ttlMs: fc.constantFrom(0, 0, 0, 3),
      }),
      { maxLength: lengthMax },
    )
    .map((drawn) =>
      drawn
        .sort((a, b) => a.invokedMs - b.invokedMs)
        .map(({ sort, outcome, session, invokedMs, tookMs, ttlMs }, i) => {
          const chosen = sort.outcomes[outcome % sort.outcomes.length] as Outcome;
          const isOpen = chosen.type === 'open';
          return operation(sort.kind, [invokedMs, isOpen ? Infinity : invokedMs + tookMs], chosen, {
            number: i + 1,
            session,
            condition: sort.condition,
            by: sort.kind === 'incr' ? 1 : 0,
            ttlMs: sort.kind === 'set' || sort.kind === 'touch' ? ttlMs : 0,
          });
        }),
    );
