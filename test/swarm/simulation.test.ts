/** Simulated swarms with fixed seeds; `make sim` runs fresh ones. A seed that once failed is named here. */
import { expect, it } from '@jest/globals';
import { simulate } from '../../src/testing/simulator/simulate.js';

const SEEDS = Array.from({ length: 20 }, (_, i) => i + 1);

it.each(SEEDS)('seed %i holds what a swarm promises', (seed) => {
  const { violations, requests, plan, undecided } = simulate(seed);
  expect(violations).toEqual([]);
  expect(undecided).toBe(0);
  expect(requests).toBeGreaterThanOrEqual(500);
  expect(plan.faults.length).toBeGreaterThanOrEqual(5);
  expect(plan.durationMs).toBeGreaterThanOrEqual(60_000);
});

it('same seed, same trace', () => {
  const first = simulate(1234);
  expect(simulate(1234)).toEqual(first);
  expect(simulate(1235).traceHash).not.toBe(first.traceHash);
});
