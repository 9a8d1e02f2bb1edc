// usage: node bench/micro/main.mjs NAME ROUNDS
//
// One part by itself, in a process of its own: writes, for each round, the nanoseconds that one operation took. Without
// arguments it writes the names.

import { performance } from 'node:perf_hooks';
import { BENCHMARKS } from './benchmarks.mjs';

const ROUND_MS = 200;
/** Rounds that only let the compiler see the code. */
const WARM_UP_ROUNDS = 2;

const [name, rounds] = process.argv.slice(2);
if (name === undefined) {
  for (const { name: own } of BENCHMARKS) process.stdout.write(`${own}\n`);
} else {
  const benchmark = BENCHMARKS.find((one) => one.name === name);
  if (benchmark === undefined) throw new Error(`no benchmark '${name}'`);
  const run = await benchmark.prepare();
  for (let round = -WARM_UP_ROUNDS; round < Number(rounds); round++) {
    const startedAt = performance.now();
    const before = process.cpuUsage().user;
    let count = 0;
    while (performance.now() - startedAt < ROUND_MS) count += run();
    // Processor time, so that others on the machine disturb little.
    const ns = ((process.cpuUsage().user - before) * 1000) / count;
    if (round >= 0) process.stdout.write(`${JSON.stringify(ns)}\n`);
  }
}
