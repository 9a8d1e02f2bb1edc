import { expect, it } from '@jest/globals';
import { failuresAfter, restartDelayMs } from '../../../src/cli/workers/restart-delay.js';

it('waits a random part of a span that doubles up to 10 s', () => {
  const most = [1, 2, 3, 4, 5, 6, 7, 8, 50].map((failures) => restartDelayMs(failures, 1));
  expect(most).toEqual([200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
  expect([1, 50].map((failures) => restartDelayMs(failures, 0))).toEqual([50, 50]);
});

it('begins anew after a minute of service', () => {
  expect(failuresAfter(0, 10)).toBe(1);
  expect(failuresAfter(1, 59_999)).toBe(2);
  expect(failuresAfter(9, 60_000)).toBe(1);
});
