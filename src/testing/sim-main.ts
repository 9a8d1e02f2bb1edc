/** `make sim SEED=7 RUNS=100`: simulated swarms with fresh or given seeds. Exit code 1 if one of them fails. */
import { simulate } from './simulate.js';

const number = (name: string, fallback: number): number => {
  const text = process.env[name];
  if (text === undefined || text === '') return fallback;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  process.stderr.write(`sim: ${name} must be a whole number, not ${text}\n`);
  process.exit(2);
};

const main = async (): Promise<void> => {
  const runs = number('RUNS', 20);
  const first = number('SEED', Math.floor(Math.random() * 2 ** 31));
  const startedMs = performance.now();
  let failed = 0;
  let virtualMs = 0;
  let requests = 0;
  let faults = 0;
  for (let seed = first; seed < first + runs; seed += 1) {
    const result = await simulate(seed);
    virtualMs += result.virtualMs;
    requests += result.requests;
    faults += result.faults;
    if (result.violations.length > 0) {
      failed += 1;
      process.stdout.write(`seed ${seed} FAILED; again: make sim SEED=${seed} RUNS=1\n`);
      for (const violation of result.violations.slice(0, 10)) process.stdout.write(`  ${violation}\n`);
    } else if (process.stdout.isTTY) {
      process.stdout.write(`seed ${seed} ok\r`);
    }
  }
  const tookMs = performance.now() - startedMs;
  process.stdout.write(
    `${runs} runs from seed ${first}: ${failed} failed; ${requests} requests, ${faults} faults, ` +
      `${(virtualMs / 3_600_000).toFixed(2)} simulated hours at ${Math.round(virtualMs / tookMs)} x real time\n`,
  );
  process.exitCode = failed === 0 ? 0 : 1;
};

void main();
