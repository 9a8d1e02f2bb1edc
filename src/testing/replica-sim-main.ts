/**
 * `make sim OF=replicas SEED=7 RUNS=100`: simulated databases with fresh or given seeds. Exit code 1 if one of them fails,
 * if a seed run twice differs, or if many runs never reached what they are there for. STOP=1 ends at the first failure;
 * SHRINK is the time in seconds to make a failing plan smaller, EVENTS how many events of it are shown. FOCUS: only plans
 * about that, by its name in focus.ts, or by turns about several, with commas between.
 */
import { readFileSync } from 'node:fs';
import { drawReplicaPlan } from './replica-simulator/draw-plan.js';
import { reportReplicaFailure } from './replica-simulator/failure-report.js';
import { drawFocusedPlan, isFocusName } from './replica-simulator/focus.js';
import type { FocusName } from './replica-simulator/focus.js';
import type { ReplicaPlan } from './replica-simulator/plan.js';
import { simulateReplicaPlan } from './replica-simulator/simulate.js';
import { noteRun, sometimes } from './replica-simulator/sometimes.js';
import { cpuMs, deadline, numberOption } from './sim-options.js';

/** Every so many runs one is repeated: it must leave the same trace. */
const REPEAT_EVERY = 20;
/** From so many runs on, a path that none has reached is a failure. */
const RUNS_FOR_SOMETIMES = 500;

const main = async (): Promise<void> => {
  const shrinkSeconds = numberOption('SHRINK', 30);
  const eventsShown = numberOption('EVENTS', 60);
  const planFile = process.env['PLAN'] ?? '';
  if (planFile !== '') {
    const result = await simulateReplicaPlan(JSON.parse(readFileSync(planFile, 'utf8')) as ReplicaPlan);
    const isFailed = result.violations.length > 0;
    const report = isFailed
      ? await reportReplicaFailure(
          result,
          deadline(shrinkSeconds),
          eventsShown,
          `make sim OF=replicas PLAN=${planFile}`,
        )
      : 'the plan does not fail';
    process.stdout.write(`${report}\n`);
    process.exitCode = isFailed ? 1 : 0;
    return;
  }
  const runs = numberOption('RUNS', 20);
  const first = numberOption('SEED', Math.floor(Math.random() * 2 ** 31));
  const focuses = (process.env['FOCUS'] ?? '').split(',').filter((name) => name !== '');
  const focusOf = (seed: number): FocusName | null => {
    const focus = focuses[seed % focuses.length] ?? null;
    if (focus !== null && !isFocusName(focus)) throw new Error(`FOCUS: ${focus} is none`);
    return focus;
  };
  const stopsAtFailure = numberOption('STOP', 0) > 0;
  const rarePaths = sometimes();
  const startMs = cpuMs();
  let [done, failed, virtualMs, ops] = [0, 0, 0, 0];
  for (; done < runs && !(stopsAtFailure && failed > 0); done += 1) {
    const seed = first + done;
    const focus = focusOf(seed);
    const plan = focus === null ? drawReplicaPlan(seed) : drawFocusedPlan(seed, focus);
    const result = await simulateReplicaPlan(plan);
    noteRun(rarePaths, result);
    virtualMs += result.virtualMs;
    ops += result.ops;
    const isSame = done % REPEAT_EVERY > 0 || (await simulateReplicaPlan(plan)).traceHash === result.traceHash;
    if (result.violations.length > 0) {
      failed += 1;
      const again = `make sim OF=replicas SEED=${seed} RUNS=1${focus === null ? '' : ` FOCUS=${focus}`}`;
      process.stdout.write(`${await reportReplicaFailure(result, deadline(shrinkSeconds), eventsShown, again)}\n`);
    } else if (!isSame) {
      failed += 1;
      process.stdout.write(`seed ${seed} FAILED: same seed, same trace\n`);
    }
  }
  const counts = [...rarePaths.counts].map(([name, count]) => `${name} ${count}`);
  process.stdout.write(
    [
      `${done} runs from seed ${first}: ${failed} failed; ${ops} ops`,
      `${(virtualMs / 3_600_000).toFixed(2)} simulated hours, ${Math.round(virtualMs / (cpuMs() - startMs))} x real time`,
      `sometimes: ${counts.join(', ')}`,
      ...(rarePaths.never.length > 0 ? [`never reached: ${rarePaths.never.join(', ')}`] : []),
      '',
    ].join('\n'),
  );
  process.exitCode = failed > 0 || (done >= RUNS_FOR_SOMETIMES && rarePaths.never.length > 0) ? 1 : 0;
};

void main();
