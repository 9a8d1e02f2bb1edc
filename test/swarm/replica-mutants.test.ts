/**
 * The simulator of databases is tested by what it must notice, as that of the cache is. `MUTANTS=all npx jest
 * test/swarm/replica-mutants.test.ts` also says what noticed each mistake, and looks whether it does without the mistake.
 */
import { expect, it } from '@jest/globals';
import { REPLICA_MUTANTS } from './replica-mutants.js';
import { mutate, tryMutant } from './simulation-mutant.js';

const program = 'testing/replica-sim-main.js';
const RUNS = Number(process.env['RUNS'] ?? 5);
const isAll = process.env['MUTANTS'] === 'all';

it.each(REPLICA_MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
  'notices: %s',
  async (name, mutant) => {
    const simulator = { program, options: { FOCUS: mutant.focus } };
    const { caughtBy, seed, output } = await tryMutant(simulator, mutant, RUNS, mutant.seed);
    if (isAll) process.stderr.write(`${name}: ${caughtBy ?? 'NOT noticed'} at seed ${seed}\n`);
    expect(caughtBy).not.toBeNull();
    expect(caughtBy === 'crash' ? output : '').toBe('');
    // What fails without the mistake as well says nothing about it; the first seeds of each focus are a test of their own.
    if (isAll) expect(await tryMutant(simulator, null, 1, seed as number)).toMatchObject({ caughtBy: null });
  },
  120_000,
);

it('every mutant fits the modules that it changes', () => {
  for (const mutant of REPLICA_MUTANTS) expect(mutate(mutant).size).toBeGreaterThan(0);
});
