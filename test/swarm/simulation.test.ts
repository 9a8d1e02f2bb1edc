/**
 * Simulated swarms with fixed seeds; `make sim` runs fresh ones. They run in a process of their own, outside of jest,
 * which makes them three times slower.
 */
import { expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { simulate } from '../../src/testing/simulator/simulate.js';

const simulateSeeds = (first: number, runs: number, of = ''): string => {
  const env = { ...process.env, OF: of, SEED: String(first), RUNS: String(runs), STOP: '1' };
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/esm/testing/sim-main.js'], { env });
  return status === 0 ? `${runs} runs hold` : `${String(stdout)}${String(stderr)}`;
};

it('seeds 1 to 25 hold what a swarm promises', () => {
  expect(simulateSeeds(1, 25)).toBe('25 runs hold');
}, 300_000);

it('probes 1 to 33 hold it where two rare things meet', () => {
  expect(simulateSeeds(1, 33, 'probes')).toBe('33 runs hold');
}, 300_000);

it('same seed, same trace', () => {
  const { violations, traceHash, requests, plan } = simulate(1234);
  expect(violations).toEqual([]);
  expect(requests).toBeGreaterThanOrEqual(500);
  expect(plan.faults.length).toBeGreaterThanOrEqual(5);
  expect(simulate(1234).traceHash).toBe(traceHash);
  expect(simulate(1235).traceHash).not.toBe(traceHash);
});
