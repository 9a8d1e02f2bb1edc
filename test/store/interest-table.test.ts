import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { InterestTable } from '../../src/store/interest-table.js';
import type { Interest } from '../../src/store/interest-table.js';

const text = fc.stringMatching(/^[ab]{0,3}$/);
const interest: fc.Arbitrary<Interest> = fc.record({ text, isPrefix: fc.boolean() });
const step = fc.record({ interest, who: fc.integer({ min: 0, max: 3 }), isAdded: fc.boolean() });

const ascending = (a: number, b: number): number => a - b;

it('finds whoever has an interest in a key, for each interest once', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.array(text), (steps, keys) => {
      const table = new InterestTable<number>();
      const model = new Map<string, { readonly interest: Interest; readonly who: number }>();
      for (const { interest: given, who, isAdded } of steps) {
        const name = `${given.text} ${given.isPrefix} ${who}`;
        if (isAdded) {
          table.add(given, who);
          model.set(name, { interest: given, who });
        } else {
          table.remove(given, who);
          model.delete(name);
        }
        expect(table.count).toBe(model.size);
      }
      for (const key of keys) {
        const found: number[] = [];
        table.match(key, (who) => found.push(who));
        const expected = [...model.values()].filter(({ interest: { text: given, isPrefix } }) =>
          isPrefix ? key.startsWith(given) : key === given,
        );
        expect(found.sort(ascending)).toEqual(expected.map(({ who }) => who).sort(ascending));
      }
    }),
  );
});
