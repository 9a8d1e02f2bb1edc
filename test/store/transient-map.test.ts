import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { TransientMap } from '../../src/store/transient-map.js';

it('holds what a Map would hold, in its order, however often it is emptied', () => {
  const step = fc.record({ key: fc.nat(3), do: fc.constantFrom('set', 'set', 'delete', 'delete', 'clear') });
  fc.assert(
    fc.property(fc.array(step, { minLength: 300, maxLength: 400 }), (steps) => {
      const map = new TransientMap<number, number>();
      const model = new Map<number, number>();
      for (const [i, { key, do: what }] of steps.entries()) {
        if (what === 'set') {
          map.set(key, i);
          model.set(key, i);
        } else if (what === 'delete') {
          map.delete(key);
          model.delete(key);
        } else if (i % 10 === 0) {
          map.clear();
          model.clear();
        }
        expect([map.size, map.get(key)]).toEqual([model.size, model.get(key)]);
        expect([[...map.entries()], [...map.keys()], [...map.values()]]).toEqual([
          [...model],
          [...model.keys()],
          [...model.values()],
        ]);
      }
    }),
    { numRuns: 20 },
  );
});

it('lets whoever goes through it remove all', () => {
  const map = new TransientMap<number, string>();
  for (let i = 0; i < 100; i += 1) map.set(i, 'x');
  const seen: number[] = [];
  for (const key of map.keys()) {
    seen.push(key);
    map.delete(key);
  }
  expect([seen.length, map.size]).toEqual([100, 0]);
});
