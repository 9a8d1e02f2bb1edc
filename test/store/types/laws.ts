// The laws that every type of replicated objects keeps, as a suite that takes the type. Histories are
// what replicas write that hear of one another now and then.

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { NodeId } from '../../../src/store/node-id.js';
import type { Stamp } from '../../../src/store/stamp.js';
import { ObjectState, decodeState } from '../../../src/store/types/object-state.js';
import type { Bytes, ReplicatedType } from '../../../src/store/types/replicated-type.js';

const ORIGINS = ['A', 'B0x', 'C', 'Xab01'] as NodeId[];

interface WrittenOp {
  readonly stamp: Stamp;
  readonly payload: Bytes;
  /** How many ops of each origin its author had. */
  readonly seen: readonly number[];
}

/** The ops of each origin, in order. */
type History = readonly (readonly WrittenOp[])[];

interface Step<Command> {
  readonly author: number;
  /** Before that, the author hears all that this one has; itself: nothing. */
  readonly heard: number;
  readonly delay: number;
  readonly command: Command;
}

export interface Laws<Body, View, Payloads, Command> {
  readonly type: ReplicatedType<Body, View, Payloads>;
  readonly command: fc.Arbitrary<Command>;
  /** Those for which the law of what is written anew holds; default: all. */
  readonly honest?: fc.Arbitrary<Command>;
  /** What an author writes who sees that state; null: nothing. */
  write(state: ObjectState<Body, View, Payloads>, origin: NodeId, command: Command): Bytes | null;
  /** The laws hold only where each op comes after what its author had seen. */
  readonly isCausal: boolean;
  /** Bytes that a stranger might send as a payload. */
  readonly hostile: fc.Arbitrary<Bytes>;
  readonly stepsMax?: number;
}

export function describeLaws<Body, View, Payloads, Command>(laws: Laws<Body, View, Payloads, Command>): void {
  const { type, isCausal } = laws;
  type State = ObjectState<Body, View, Payloads>;
  const historiesOf = (command: fc.Arbitrary<Command>): fc.Arbitrary<History> => {
    const author = fc.nat(ORIGINS.length - 1);
    const step = fc.record({ author, heard: author, delay: fc.nat(20), command });
    return fc
      .array(step, { minLength: 1, maxLength: laws.stepsMax ?? 30, size: 'max' })
      .map((steps) => historyOf(steps, laws));
  };
  const histories = historiesOf(laws.command);
  const honest = historiesOf(laws.honest ?? laws.command);
  const order = fc.array(fc.nat(), { maxLength: 60, size: 'max' });
  const cuts = fc.array(fc.nat(1000), { minLength: ORIGINS.length, maxLength: ORIGINS.length });

  const stateOf = (history: History, counts: readonly number[], choices: readonly number[]): State => {
    const state = new ObjectState(type);
    for (const { stamp, payload } of someOrder(history, counts, choices, isCausal)) {
      const objection = type.objectionTo(payload);
      // A copy: that it was asked about before makes no difference.
      if (objection !== null || !state.apply(stamp, payload.slice())) throw new Error(objection ?? 'not applied');
    }
    return state;
  };
  const all = (history: History): number[] => history.map((ops) => ops.length);
  const cut = (history: History, at: readonly number[]): number[] => {
    const counts = history.map((ops, i) => (at[i] ?? 0) % (ops.length + 1));
    return isCausal ? closure(history, counts) : counts;
  };

  describe(`the type ${type.name}`, () => {
    it('[R5] comes to the same bytes in whatever order ops arrive', () => {
      fc.assert(
        fc.property(histories, order, order, (history, first, second) => {
          const one = stateOf(history, all(history), first);
          const other = stateOf(history, all(history), second);
          expect(other.encode()).toEqual(one.encode());
          expect(other.view()).toEqual(one.view());
        }),
      );
    });

    it('[R5] comes to the same bytes where ops are applied together, and may be written there', () => {
      fc.assert(
        fc.property(histories, order, fc.integer({ min: 1, max: 9 }), (history, choices, size) => {
          const ops = someOrder(history, all(history), choices, isCausal);
          const state = new ObjectState(type);
          for (let at = 0; at < ops.length; at += size) {
            type.together(state.body, () => {
              for (const { stamp, payload } of ops.slice(at, at + size)) {
                if (isCausal) expect(state.objectionToWriting(stamp, payload)).toBeNull();
                state.apply(stamp, payload);
              }
            });
          }
          expect(state.encode()).toEqual(stateOf(history, all(history), choices).encode());
        }),
      );
    });

    it('ignores ops that it has', () => {
      fc.assert(
        fc.property(histories, order, (history, choices) => {
          const state = stateOf(history, all(history), choices);
          const before = state.encode();
          for (const { stamp, payload } of history.flat()) expect(state.apply(stamp, payload)).toBe(false);
          expect(state.encode()).toEqual(before);
        }),
      );
    });

    it('[RH] joins two states to that of the union of their ops', () => {
      fc.assert(
        fc.property(histories, order, cuts, cuts, (history, choices, at, at2) => {
          const [counts, counts2] = [cut(history, at), cut(history, at2)];
          const union = counts.map((count, i) => Math.max(count, counts2[i] ?? 0));
          const [a, b, whole] = [counts, counts2, union].map((some) => stateOf(history, some, choices)) as [
            State,
            State,
            State,
          ];
          const aBytes = a.encode();
          const joined = decodeState(type, b.encode()) as State;
          expect(joined.join(a)).toBe(counts.some((count, i) => count > (counts2[i] ?? 0)));
          expect(a.encode()).toEqual(aBytes);
          expect(joined.encode()).toEqual(whole.encode());
          expect(joined.join(b)).toBe(false);
          a.join(b);
          expect(a.encode()).toEqual(whole.encode());
          expect(a.view()).toEqual(whole.view());
        }),
      );
    });

    it('[RH] goes on after a join as it would have without', () => {
      fc.assert(
        fc.property(histories, order, cuts, (history, choices, at) => {
          const counts = cut(history, at);
          const state = stateOf(history, counts, choices);
          const joined = new ObjectState(type);
          joined.join(state);
          for (const { stamp, payload } of someOrder(history, all(history), choices, isCausal))
            joined.apply(stamp, payload);
          expect(joined.encode()).toEqual(stateOf(history, all(history), choices).encode());
        }),
      );
    });

    it('[R4] comes to the same view where what waits is written anew, by another replica or under other stamps', () => {
      fc.assert(
        fc.property(honest, cuts, fc.boolean(), (history, [author = 0, at = 0], isOther) => {
          const own = author % ORIGINS.length;
          const [former, next] = [ORIGINS[own], isOther ? 'Next' : ORIGINS[own]] as [NodeId, NodeId];
          const ops = history[own] ?? [];
          const first = ops[at % (ops.length || 1)];
          if (first === undefined) return;
          const others = ({ seen }: WrittenOp): string => JSON.stringify(seen.toSpliced(own, 1));
          // What others wrote meanwhile is not at the same place for another author.
          const waiting = ops.slice(first.seen[own]).filter((op) => others(op) === others(first));
          const [original, anew] = [0, 1].map(() => stateOf(history, first.seen, [])) as [State, State];
          for (const { stamp, payload } of waiting) original.apply(stamp, payload);
          const before = ops[(first.seen[own] ?? 0) - 1]?.stamp.time ?? 0;
          const heard = Math.max(0, ...history.flatMap((some, k) => some[(first.seen[k] ?? 0) - 1]?.stamp.time ?? 0));
          const times = new Map<number, number>();
          const rewriting = type.rewriting(original.body, next);
          for (const [i, { stamp, payload }] of waiting.entries()) {
            const rewritten = rewriting(payload, (named) => {
              const time = named.origin === former ? times.get(named.time) : undefined;
              if (time === undefined) return [named];
              return isOther && before > 0
                ? [
                    { time: before, origin: former },
                    { time, origin: next },
                  ]
                : [{ time, origin: next }];
            });
            const time = heard + 1 + i;
            times.set(stamp.time, time);
            expect(anew.objectionToWriting({ time, origin: next }, rewritten)).toBeNull();
            expect(anew.apply({ time, origin: next }, rewritten)).toBe(true);
          }
          expect(anew.view()).toEqual(original.view());
        }),
      );
    });

    it('has each state back from its bytes, which are the only ones', () => {
      fc.assert(
        fc.property(histories, order, fc.nat(), fc.nat(255), (history, choices, at, byte) => {
          const state = stateOf(history, all(history), choices);
          const bytes = state.encode();
          const decoded = decodeState(type, bytes);
          expect(decoded?.encode()).toEqual(bytes);
          expect(decoded?.view()).toEqual(state.view());
          expect(decoded?.vector).toEqual(state.vector);
          const mutated = Uint8Array.from(bytes);
          mutated[at % bytes.length] = byte;
          const other = decodeState(type, mutated);
          if (other !== null) expect(other.encode()).toEqual(mutated);
          other?.join(state);
          other?.view();
          expect(decodeState(type, bytes.subarray(0, at % bytes.length))).toBeNull();
        }),
      );
    });

    it('applies whatever it has no objection to', () => {
      fc.assert(
        fc.property(histories, laws.hostile, order, (history, payload, choices) => {
          const objection = type.objectionTo(payload);
          if (objection !== null) {
            expect(objection.length).toBeGreaterThan(8);
            return;
          }
          const state = stateOf(history, all(history), choices);
          const stamp = { time: 10_000, origin: 'Hostile' as NodeId };
          const isWritable = state.objectionToWriting(stamp, payload) === null;
          state.apply(stamp, payload);
          state.view();
          const bytes = state.encode();
          if (isWritable) expect(decodeState(type, bytes)?.encode()).toEqual(bytes);
        }),
        { numRuns: 300 },
      );
    });

    it('takes no bytes for a state that are none', () => {
      fc.assert(
        fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), laws.hostile), (bytes) => {
          const state = decodeState(type, bytes);
          if (state !== null) expect(state.encode()).toEqual(bytes);
          const body = type.decode(bytes);
          if (body !== null) type.view(body);
        }),
        { numRuns: 300 },
      );
    });
  });
}

function historyOf<Body, View, Payloads, Command>(
  steps: readonly Step<Command>[],
  laws: Laws<Body, View, Payloads, Command>,
): History {
  const history: WrittenOp[][] = ORIGINS.map(() => []);
  const states = ORIGINS.map(() => new ObjectState(laws.type));
  const seen = ORIGINS.map(() => ORIGINS.map(() => 0));
  const clocks = ORIGINS.map(() => 0);
  for (const { author, heard, delay, command } of steps) {
    const [state, mine, theirs] = [states[author], seen[author], seen[heard]];
    const origin = ORIGINS[author] as NodeId;
    if (state === undefined || mine === undefined || theirs === undefined) throw new Error('no such replica');
    const union = mine.map((count, i) => Math.max(count, theirs[i] ?? 0));
    for (const { stamp, payload } of someOrder(history, union, [], true)) state.apply(stamp, payload);
    clocks[author] = Math.max(clocks[author] ?? 0, clocks[heard] ?? 0) + 1 + delay;
    for (const [i, count] of union.entries()) mine[i] = count;
    const payload = laws.write(state, origin, command);
    if (payload === null) continue;
    const stamp = { time: clocks[author] ?? 0, origin };
    const objection = state.objectionToWriting(stamp, payload);
    if (objection !== null) throw new Error(objection);
    history[author]?.push({ stamp, payload, seen: [...mine] });
    state.apply(stamp, payload);
    mine[author] = (mine[author] ?? 0) + 1;
  }
  return history;
}

/** The first so many ops of each origin in an order that keeps each origin's, and, if asked, what each author had seen. */
function someOrder(
  history: History,
  counts: readonly number[],
  choices: readonly number[],
  isCausal: boolean,
): WrittenOp[] {
  const done = history.map(() => 0);
  const ordered: WrittenOp[] = [];
  for (;;) {
    const ready = history.flatMap((ops, i) => {
      const op = ops[done[i] ?? 0];
      const isNext = op !== undefined && (done[i] ?? 0) < (counts[i] ?? 0);
      const isReady = isNext && (!isCausal || op.seen.every((count, k) => count <= (done[k] ?? 0)));
      return isReady ? [{ i, op }] : [];
    });
    const choice = ready[(choices[ordered.length % (choices.length || 1)] ?? 0) % (ready.length || 1)];
    if (choice === undefined) return ordered;
    done[choice.i] = (done[choice.i] ?? 0) + 1;
    ordered.push(choice.op);
  }
}

/** As many more as their authors had seen. */
function closure(history: History, counts: readonly number[]): number[] {
  const closed = [...counts];
  for (let isMore = true; isMore;) {
    isMore = false;
    for (const [i, ops] of history.entries()) {
      for (const { seen } of ops.slice(0, closed[i])) {
        for (const [k, count] of seen.entries()) {
          if (count <= (closed[k] ?? 0)) continue;
          closed[k] = count;
          isMore = true;
        }
      }
    }
  }
  return closed;
}
