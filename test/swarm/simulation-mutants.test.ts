/**
 * The simulator is tested by what it must notice. `MUTANTS=all RUNS=2000 npx jest test/swarm/simulation-mutants.test.ts`
 * tries all mistakes, and says what noticed each; by default those that a few runs show.
 */
import { expect, it } from '@jest/globals';
import { CACHE_SIMULATOR, mutate, tryMutant } from './simulation-mutant.js';
import type { Simulator } from './simulation-mutant.js';
import { MUTANTS } from './simulation-mutants.js';
import type { CacheMutant } from './simulation-mutants.js';

/** Noticed within a handful of runs from any seed on, so that plans may change without this test's losing them. */
const QUICK: readonly string[] = [
  'constant hop limit',
  'pair not checked by the claimant',
  'release without number',
  'dangling owner answers missing with a claim pending',
  'echo counted wrong',
  'change without stamp order',
];
const RUNS = Number(process.env['RUNS'] ?? 40);
const simulatorOf = ({ probe }: CacheMutant): Simulator =>
  probe === null ? CACHE_SIMULATOR : { ...CACHE_SIMULATOR, options: { OF: 'probes', PROBE: probe } };
const isAll = process.env['MUTANTS'] === 'all';

it.each(MUTANTS.filter(({ name }) => isAll || QUICK.includes(name)).map((mutant) => [mutant.name, mutant] as const))(
  'notices: %s',
  async (name, mutant) => {
    const { caughtBy, seed, output } = await tryMutant(simulatorOf(mutant), mutant, RUNS);
    if (isAll) process.stderr.write(`${name}: ${caughtBy ?? 'NOT noticed'} at seed ${seed}\n`);
    expect(caughtBy).not.toBeNull();
    expect(caughtBy === 'crash' ? output : '').toBe('');
    // What fails without the mistake as well says nothing about it.
    expect(await tryMutant(simulatorOf(mutant), null, 1, seed as number)).toMatchObject({ caughtBy: null });
  },
  isAll ? 3_600_000 : 120_000,
);

it('every mutant fits the modules that it changes', () => {
  for (const mutant of MUTANTS) expect(mutate(mutant).size).toBeGreaterThan(0);
  for (const text of ['no such text', 'import']) {
    expect(() => mutate({ name: 'wrong', edits: [[text, '']] })).toThrow(`not exactly once in src: ${text}`);
  }
});
