/** Simulated databases with fixed seeds, in a process of their own; `make sim OF=replicas` runs fresh ones. */
import { expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { FOCUS_NAMES } from '../../src/testing/replica-simulator/focus.js';

const simulateSeeds = (first: number, runs: number, focus = ''): string => {
  const env = { ...process.env, FOCUS: focus, SEED: String(first), RUNS: String(runs), STOP: '1', SHRINK: '0' };
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/esm/testing/replica-sim-main.js'], { env });
  return status === 0 ? `${runs} runs hold` : `${String(stdout)}${String(stderr)}`;
};

it('[R1] [R3] [R4] seeds 1 to 8 hold what a database promises; same seed, same trace', () => {
  // The first is run twice.
  expect(simulateSeeds(1, 8)).toBe('8 runs hold');
}, 300_000);

it('[R1] [R3] [R4] so do the plans about one thing each', () => {
  expect(simulateSeeds(1, 42, FOCUS_NAMES.join(','))).toBe('42 runs hold');
}, 300_000);
