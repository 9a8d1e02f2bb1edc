/**
 * `make sim SEED=7 RUNS=100`: simulated swarms with fresh or given seeds; with OF=probes short ones, each about one rare
 * path, or all about the one that PROBE names. Exit code 1 if one of them fails, if a seed run
 * twice differs, or if many runs never reached what they are there for. STOP=1 ends at the first failure; SHRINK is the
 * time in seconds to make a failing plan smaller.
 */
import { readFileSync } from 'node:fs';
import { reportFailure } from './simulator/failure-report.js';
import { drawPlan } from './simulator/draw-plan.js';
import type { Plan } from './simulator/plan.js';
import { drawProbe, PROBE_KINDS } from './simulator/probes.js';
import { simulatePlan } from './simulator/simulate.js';
import type { SimulationResult } from './simulator/simulate.js';
import type { RarePaths } from './rare-paths.js';
import { noteRun, sometimes } from './simulator/sometimes.js';
import { speedPlan } from './simulator/speed-plan.js';
import { cpuMs, deadline, numberOption } from './sim-options.js';

/** Every so many runs one is repeated: it must leave the same trace. */
const REPEAT_EVERY = 20;
/** From so many runs on, a path that none has reached is a failure. */
const RUNS_FOR_SOMETIMES = 500;
const SPEED_ROUNDS = 6;

class Totals {
  readonly rarePaths: RarePaths;
  readonly refusals = new Map<string, number>();
  virtualMs = 0;
  events = 0;
  requests = 0;
  faults = 0;
  undecided = 0;
  failed = 0;

  constructor(areProbes: boolean) {
    this.rarePaths = sometimes(areProbes);
  }

  add(result: SimulationResult): void {
    this.virtualMs += result.virtualMs;
    this.events += result.events;
    this.requests += result.requests;
    this.undecided += result.undecided;
    for (const count of result.faults.values()) this.faults += count;
    for (const [code, count] of result.refusals) this.refusals.set(code, (this.refusals.get(code) ?? 0) + count);
    noteRun(this.rarePaths, result);
  }

  show(runs: number, first: number, tookCpuMs: number): string {
    const { virtualMs, events, requests, faults, failed, undecided } = this;
    const perSecond = (count: number): string => Math.round((count / tookCpuMs) * 1000).toLocaleString('en-US');
    const codes = [...this.refusals].map(([code, count]) => `${code} ${count}`);
    const rare = [...this.rarePaths.counts].map(([name, count]) => `${name} ${count}`);
    return [
      `${runs} runs from seed ${first}: ${failed} failed; ${requests} requests, ${faults} faults`,
      `${(virtualMs / 3_600_000).toFixed(2)} simulated hours; per second of CPU ` +
        `${Math.round(virtualMs / tookCpuMs)} simulated seconds and ${perSecond(events)} events`,
      `refused: ${codes.join(', ') || 'nothing'}`,
      `sometimes: ${rare.join(', ')}`,
      ...(undecided > 0 ? [`not decided in time: the order of ${undecided} keys`] : []),
      ...(this.rarePaths.never.length > 0 ? [`never reached: ${this.rarePaths.never.join(', ')}`] : []),
      '',
    ].join('\n');
  }
}

/** The best of some rounds: the first ones are spent on compiling. */
const measureSpeed = (): number => {
  let best = 0;
  for (let round = 0; round < SPEED_ROUNDS; round += 1) {
    const startMs = cpuMs();
    const { virtualMs } = simulatePlan(speedPlan());
    best = Math.max(best, virtualMs / (cpuMs() - startMs));
  }
  return best;
};

const areProbes = (): boolean => process.env['OF'] === 'probes';

/** What a seed becomes. */
const drawing = (): ((seed: number) => Plan) => {
  if (!areProbes()) return drawPlan;
  const name = process.env['PROBE'] ?? '';
  const kind = PROBE_KINDS.find((known) => known === name);
  if (kind !== undefined) return (seed) => drawProbe(seed, kind);
  if (name === '') return (seed) => drawProbe(seed);
  process.stderr.write(`sim: there is no probe ${name}; there are ${PROBE_KINDS.join(', ')}\n`);
  process.exit(2);
};

const main = (): void => {
  const shrinkSeconds = numberOption('SHRINK', 20);
  const planFile = process.env['PLAN'] ?? '';
  if (planFile !== '') {
    const result = simulatePlan(JSON.parse(readFileSync(planFile, 'utf8')) as Plan);
    const isFailed = result.violations.length > 0;
    process.stdout.write(isFailed ? `${reportFailure(result, deadline(0))}\n` : 'the plan does not fail\n');
    process.exitCode = isFailed ? 1 : 0;
    return;
  }
  const runs = numberOption('RUNS', 20);
  const first = numberOption('SEED', Math.floor(Math.random() * 2 ** 31));
  const stopsAtFailure = numberOption('STOP', 0) > 0;
  const draw = drawing();
  const totals = new Totals(areProbes());
  const startMs = cpuMs();
  let done = 0;
  let shrinkMs = 0;
  for (; done < runs && !(stopsAtFailure && totals.failed > 0); done += 1) {
    const seed = first + done;
    const result = simulatePlan(draw(seed));
    totals.add(result);
    const isRepeated = done % REPEAT_EVERY === 0;
    const isSame = !isRepeated || simulatePlan(draw(seed)).traceHash === result.traceHash;
    if (result.violations.length > 0 || !isSame) {
      totals.failed += 1;
      const shrinkFromMs = cpuMs();
      if (process.stdout.isTTY) process.stdout.write('\x1b[2K\r');
      if (!isSame) process.stdout.write(`seed ${seed} FAILED: same seed, same trace\n`);
      else process.stdout.write(`${reportFailure(result, deadline(shrinkSeconds))}\n`);
      shrinkMs += cpuMs() - shrinkFromMs;
    } else if (process.stdout.isTTY) {
      process.stdout.write(`\x1b[2K\r${done + 1} of ${runs}: seed ${seed} ok, ${totals.failed} failed`);
    }
  }
  if (process.stdout.isTTY) process.stdout.write('\x1b[2K\r');
  process.stdout.write(totals.show(done, first, cpuMs() - startMs - shrinkMs));
  if (!stopsAtFailure) {
    process.stdout.write(`10 nodes, 100 operations per second: ${Math.round(measureSpeed())} x real time\n`);
  }
  const isUnreached = done >= RUNS_FOR_SOMETIMES && totals.rarePaths.never.length > 0;
  process.exitCode = totals.failed > 0 || isUnreached ? 1 : 0;
};

main();
