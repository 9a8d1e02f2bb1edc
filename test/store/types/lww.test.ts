import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { NodeId } from '../../../src/store/node-id.js';
import { FIELD_BYTES_MAX, lww } from '../../../src/store/types/lww.js';
import { ObjectState } from '../../../src/store/types/object-state.js';
import { packValue } from '../../../src/transport/msgpack.js';
import { encodedValue } from '../../transport/encoded-value.js';
import { describeLaws } from './laws.js';

const field = fc.constantFrom('a', 'b', 'ü', '', '__proto__', '\uffff', '\u{10000}');
const value = fc.oneof(fc.constant(null), fc.integer(), fc.string(), fc.constant({ deep: [1, { er: true }] }));

describeLaws({
  type: lww,
  isCausal: false,
  command: fc.uniqueArray(fc.tuple(field, value), { maxLength: 3, selector: ([name]) => name }),
  write: (_state, _origin, fields) => lww.payloads.set(Object.fromEntries(fields)),
  hostile: fc.oneof(
    encodedValue,
    fc.uint8Array({ maxLength: 30 }),
    fc
      .array(fc.tuple(field, encodedValue), { maxLength: 3 })
      .map((pairs) =>
        Buffer.concat([
          Uint8Array.of(0x80 | pairs.length),
          ...pairs.flatMap(([name, bytes]) => [packValue(name), bytes]),
        ]),
      ),
  ),
});

describe('lww', () => {
  const state = (): ObjectState<unknown, Readonly<Record<string, unknown>>> => new ObjectState(lww as never);
  const at = (time: number, origin = 'A'): { time: number; origin: NodeId } => ({ time, origin: origin as NodeId });

  it('[R9] has the last write of each field, whoever comes last', () => {
    const map = state();
    map.apply(at(5), lww.payloads.set({ a: 1, b: 1 }));
    map.apply(at(4, 'B'), lww.payloads.set({ a: 2, c: 2 }));
    map.apply(at(5, 'B'), lww.payloads.set({ b: 3 }));
    expect(map.view()).toEqual({ a: 1, b: 3, c: 2 });
  });

  it('[R9] remembers what was removed, so that an older write does not bring it back', () => {
    const map = state();
    map.apply(at(5), lww.payloads.set({ a: undefined }));
    map.apply(at(4, 'B'), lww.payloads.set({ a: 2 }));
    expect(map.view()).toEqual({});
    map.apply(at(6, 'B'), lww.payloads.set({ a: 3 }));
    expect(map.view()).toEqual({ a: 3 });
  });

  it('shows plain, frozen values, also under odd names', () => {
    const map = state();
    map.apply(at(1), lww.payloads.set({ ['__proto__']: { x: [1] }, bytes: Uint8Array.of(1), date: new Date(0) }));
    const view = map.view();
    expect(Object.keys(view)).toEqual(['__proto__', 'bytes', 'date']);
    expect(Object.isFrozen(view) && Object.isFrozen(Object.values(view)[0])).toBe(true);
    expect(view).not.toBe(map.view());
  });

  it.each<[string, unknown]>([
    ['a list', []],
    ['a key that is no text', new Map([[1, 2]])],
    ['a long name', { ['x'.repeat(FIELD_BYTES_MAX + 1)]: 1 }],
  ])('refuses %s', (_what, payload) => {
    expect(lww.objectionTo(packValue(payload))).toMatch(/expected|at most/);
  });

  it('makes no payload of what it would refuse', () => {
    expect(() => lww.payloads.set({ ['x'.repeat(FIELD_BYTES_MAX + 1)]: 1 })).toThrow(RangeError);
    expect(() => lww.payloads.set({ a: () => 1 })).toThrow(TypeError);
  });
});
