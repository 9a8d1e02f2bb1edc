// usage: node bench/scaling/speed.mjs ROUNDS
//
// How much faster than real time the simulator runs 10 nodes with 100 operations per second: simulated seconds per second
// of processor time, one line of JSON for each round. The first ones are spent on compiling.

import { loadBuilt } from '../built.mjs';

const [{ simulatePlan }, { speedPlan }] = await Promise.all([
  loadBuilt('testing/simulator/simulate.js'),
  loadBuilt('testing/simulator/speed-plan.js'),
]);

for (let round = 0; round < Number(process.argv[2]); round++) {
  const before = process.cpuUsage();
  const { virtualMs } = simulatePlan(speedPlan());
  const { user, system } = process.cpuUsage(before);
  process.stdout.write(`${JSON.stringify(virtualMs / ((user + system) / 1000))}\n`);
}
