import { expect, it } from '@jest/globals';
import { checkAnsweredOnce } from '../../src/testing/checker/answered-once.js';
import { operation } from './history.js';

const deadlineMs = ({ invokedMs }: { invokedMs: number }): number => invokedMs + 10;
const found = (...history: Parameters<typeof checkAnsweredOnce>[0]): number =>
  checkAnsweredOnce(history, deadlineMs, 100).length;

it('accepts a reply or a refusal in time, and the loss of the connection', () => {
  expect(found(operation('get', [0, 10], { type: 'missing' }))).toBe(0);
  expect(found(operation('get', [0, 9], { type: 'refused', code: 'TIMEOUT' }))).toBe(0);
  expect(found(operation('set', [0, 50], { type: 'lost' }, { replyCount: 0 }))).toBe(0);
  expect(found(operation('set', [95, Infinity], { type: 'open' }))).toBe(0);
});

it('finds no reply, a late one, and two', () => {
  expect(found(operation('get', [0, Infinity], { type: 'open' }))).toBe(1);
  expect(found(operation('get', [0, 11], { type: 'missing' }))).toBe(1);
  expect(found(operation('get', [0, 5], { type: 'missing' }, { replyCount: 2 }))).toBe(1);
  expect(found(operation('get', [0, 5], { type: 'lost' }, { replyCount: 2 }))).toBe(1);
});
