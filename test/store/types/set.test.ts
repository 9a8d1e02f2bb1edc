import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { NodeId } from '../../../src/store/node-id.js';
import { formatStamp } from '../../../src/store/stamp.js';
import { ObjectState } from '../../../src/store/types/object-state.js';
import { set } from '../../../src/store/types/set.js';
import { packValue } from '../../../src/transport/msgpack.js';
import { encodedValue } from '../../transport/encoded-value.js';
import { describeLaws } from './laws.js';

const value = fc.constantFrom<unknown>(1, 'a', 'ü', null, { b: 1, a: [2.5] }, new Date(5), [1n << 60n]);
const origin = fc.constantFrom('A', 'B0x', 'C', 'Xab01', 'Hostile') as fc.Arbitrary<NodeId>;
const dot = fc.tuple(fc.integer({ min: 0, max: 300 }), origin).map(([time, o]) => formatStamp({ time, origin: o }));
/** Removes of whatever dots, also of those that nobody has written, or writes later. */
const anyPayload = fc
  .record({
    add: fc.array(value, { maxLength: 2 }),
    remove: fc.array(
      fc.tuple(value, fc.array(dot, { minLength: 1, maxLength: 3 })).map(([v, dots]) => [v, ...dots]),
      { maxLength: 2 },
    ),
  })
  .map((payload) => packValue(payload));

const hostile = fc.oneof(encodedValue, fc.uint8Array({ maxLength: 30 }), anyPayload);

const honest = fc.oneof(
  fc.record({ isAdd: fc.boolean(), values: fc.array(value, { minLength: 1, maxLength: 3 }) }),
  fc.constant(null),
);

describeLaws({
  type: set,
  isCausal: false,
  command: fc.oneof({ arbitrary: honest, weight: 2 }, anyPayload),
  honest,
  write(state, _origin, command) {
    if (command === null) return set.payloads.clear(state.body);
    if (command instanceof Uint8Array) return command;
    return command.isAdd ? set.payloads.add(command.values) : set.payloads.remove(state.body, command.values);
  },
  hostile,
});

describe('set', () => {
  const state = (): ObjectState<ReturnType<typeof set.create>, readonly unknown[], (typeof set)['payloads']> =>
    new ObjectState(set);
  const at = (time: number, o = 'A'): { time: number; origin: NodeId } => ({ time, origin: o as NodeId });

  it('[R9] an add wins over a remove that does not know of it', () => {
    const [a, b] = [state(), state()];
    const add = set.payloads.add(['x', 'y']);
    for (const side of [a, b]) side.apply(at(1), add);
    const remove = set.payloads.remove(a.body, ['x', 'z']) as Uint8Array;
    const again = set.payloads.add(['x']);
    a.apply(at(2), remove);
    expect(a.view()).toEqual(['y']);
    b.apply(at(2, 'B'), again);
    a.apply(at(2, 'B'), again);
    b.apply(at(2), remove);
    expect(a.view()).toEqual(['x', 'y']);
    expect(b.encode()).toEqual(a.encode());
  });

  it('[RH] what was added and removed elsewhere does not come back by a join', () => {
    const [p, q] = [state(), state()];
    p.apply(at(1), set.payloads.add(['x']));
    q.join(p);
    p.apply(at(2), set.payloads.clear(p.body) as Uint8Array);
    q.join(p);
    expect(q.view()).toEqual([]);
    expect(set.payloads.clear(q.body)).toBeNull();
    expect(set.payloads.remove(q.body, ['x'])).toBeNull();
  });

  it('takes equal values for one, however they are encoded', () => {
    const one = state();
    one.apply(at(1), packValue({ add: [1, { a: 1, b: 2 }] }));
    const wide = Uint8Array.of(0x81, 0xa3, 97, 100, 100, 0x91, 0xcd, 0, 1);
    one.apply(at(2), wide);
    one.apply(at(3), packValue({ add: [{ b: 2, a: 1 }] }));
    expect(one.view()).toEqual([1, { a: 1, b: 2 }]);
  });

  it('[R5] keeps nothing of what was removed and seen', () => {
    const one = state();
    for (let time = 1; time < 100; time += 2) {
      one.apply(at(time), set.payloads.add([time]));
      one.apply(at(time + 1), set.payloads.clear(one.body) as Uint8Array);
    }
    expect(one.encode().length).toBeLessThan(24);
  });

  it.each<[string, unknown]>([
    ['a list', []],
    ['another field', { adds: [] }],
    ['adds that are no list', { add: 1 }],
    ['a remove without stamps', { remove: [['x']] }],
    ['a stamp that is none', { remove: [['x', 'y']] }],
    ['a stamp of the older form', { remove: [['x', '1+A']] }],
    ['a remove that is no list', { remove: ['x'] }],
  ])('refuses %s', (_what, payload) => {
    expect(set.objectionTo(packValue(payload))).toMatch(/expected/);
  });

  it('refuses values without one canonical form', () => {
    const twice = Uint8Array.of(0x81, 0xa3, 97, 100, 100, 0x91, 0x82, 1, 1, 1, 2);
    expect(set.objectionTo(twice)).toMatch(/twice/);
    expect(set.objectionTo(Uint8Array.of(0x81, 0xa3, 97, 100, 100, 0x91, 0xa1, 0xff))).toMatch(/UTF-8/);
  });
});
