import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { NodeId } from '../../../src/store/node-id.js';
import { counter } from '../../../src/store/types/counter.js';
import { ObjectState } from '../../../src/store/types/object-state.js';
import { packValue } from '../../../src/transport/msgpack.js';
import { encodedValue } from '../../transport/encoded-value.js';
import { describeLaws } from './laws.js';

describeLaws({
  type: counter,
  isCausal: false,
  command: fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.double({ min: -1e6, max: 1e6, noNaN: true })),
  // Whose sums are exact.
  honest: fc.integer(),
  write: (_state, _origin, delta) => counter.payloads.add(delta),
  hostile: fc.oneof(encodedValue, fc.uint8Array({ maxLength: 10 }), fc.double().map(packValue)),
});

describe('counter', () => {
  it('[R9] adds up what all origins have added, integers exactly', () => {
    const state = new ObjectState(counter);
    const at = (time: number, origin: string): { time: number; origin: NodeId } => ({ time, origin: origin as NodeId });
    state.apply(at(1, 'A'), counter.payloads.add(Number.MAX_SAFE_INTEGER));
    state.apply(at(1, 'B'), counter.payloads.add(-Number.MAX_SAFE_INTEGER));
    state.apply(at(2, 'B'), counter.payloads.add(7));
    state.apply(at(1, 'C'), counter.payloads.add(-0.5));
    expect(state.view()).toBe(6.5);
  });

  it.each([NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 53)])('refuses %d', (delta) => {
    expect(() => counter.payloads.add(delta)).toThrow(RangeError);
    expect(counter.objectionTo(packValue(delta))).toMatch('within 2^53');
  });

  it.each<[unknown]>([['1'], [null], [[1]], [2n ** 60n], [true]])('refuses %j', (payload) => {
    expect(counter.objectionTo(packValue(payload))).toMatch('a number');
  });
});
