import { expect, it } from '@jest/globals';
import { LatestStamps } from '../../src/store/latest-stamps.js';
import type { NodeId } from '../../src/store/node-id.js';

const [A, B] = ['1A', '1B'] as [NodeId, NodeId];

it('[W2] tells newer stamps of a key from older ones', () => {
  const latest = new LatestStamps(10);
  const see = (key: string, time: number, origin = A): string => latest.see(key, { time, origin });
  expect([see('k', 5), see('k', 5), see('k', 4), see('k', 6), see('other', 1)]).toEqual([
    'newer',
    'older',
    'older',
    'newer',
    'newer',
  ]);
  expect([see('k', 6, B), see('k', 6)]).toEqual(['newer', 'older']);
});

it('is bounded, and unsure at or below what it has forgotten', () => {
  const latest = new LatestStamps(2);
  const see = (key: string, time: number): string => latest.see(key, { time, origin: A });
  expect([see('a', 1), see('b', 2), see('a', 3), see('c', 4)]).toEqual(['newer', 'newer', 'newer', 'newer']);
  // `b`, at 2, was seen longest ago.
  expect([see('a', 3), see('b', 2), see('d', 1)]).toEqual(['older', 'unsure', 'unsure']);
  expect(see('b', 3)).toBe('newer');
});
