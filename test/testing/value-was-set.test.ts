import { expect, it } from '@jest/globals';
import { checkValueWasSet } from '../../src/testing/checker/value-was-set.js';
import { operation } from './history.js';

const set = operation('set', [5, 6], { type: 'stored' }, { number: 7 });
const get = (returnedMs: number, key = 'k'): typeof set =>
  operation('get', [0, returnedMs], { type: 'value', value: 7 }, { number: 8, key });

it('accepts a value that was set, or that may have been', () => {
  expect(checkValueWasSet([set, get(9)])).toEqual([]);
  expect(checkValueWasSet([{ ...set, outcome: { type: 'refused', code: 'UNKNOWN' } }, get(9)])).toEqual([]);
  expect(checkValueWasSet([{ ...set, outcome: { type: 'open' } }, get(9)])).toEqual([]);
});

it('finds a value that nobody set, of another key, from the future, or refused', () => {
  expect(checkValueWasSet([get(9)])).toHaveLength(1);
  expect(checkValueWasSet([set, get(9, 'other')])).toHaveLength(1);
  expect(checkValueWasSet([set, get(4)])).toHaveLength(1);
  expect(checkValueWasSet([{ ...set, outcome: { type: 'refused', code: 'BUSY' } }, get(9)])).toHaveLength(1);
});
