/** Simulated swarms with fixed seeds; `make sim` runs fresh ones. A seed that once failed is named here. */
import { expect, it } from '@jest/globals';
import { simulate } from '../../src/testing/simulate.js';

const SEEDS = Array.from({ length: 12 }, (_, i) => i + 1);

it.each(SEEDS)('seed %i holds what a swarm promises', async (seed) => {
  const result = await simulate(seed);
  expect(result.violations).toEqual([]);
  expect(result.requests).toBeGreaterThan(50);
});

it('a simulation is a function of its seed', async () => {
  const first = await simulate(1234);
  expect(await simulate(1234)).toEqual(first);
});
