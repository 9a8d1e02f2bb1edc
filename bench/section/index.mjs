// All sections of the report, in the order in which they are measured: what matters most comes first, as a slow machine
// may not get to the end in time. Each is a function of the run ({ isQuick, grid }):
// it gives `name`, `title`, `systems`, names of those that it asks, `steps(context)`, how many steps of progress it
// takes, and `run(context)`, which resolves with its measurements, facts and memory.

import { cities, factors, fanOut, grid, hops, knee, million, owner, topologies, workers } from './loads.mjs';
import { changes } from './changes.mjs';
import { crossCheck } from './cross-check.mjs';
import { loadSteps, runLoadSection } from './load-section.mjs';
import { micro, scaling, simulation } from './programs.mjs';
import { replicas } from './replicas.mjs';
import { sessions } from './sessions.mjs';

/** A section of load, or several with one name, whose systems don't run at the same time. */
const load = (describe) => (run) => {
  const parts = [describe(run)].flat();
  return {
    name: parts[0].name,
    title: parts[0].title,
    systems: parts.flatMap(({ systems }) => systems),
    steps: (context) => parts.reduce((sum, part) => sum + loadSteps(part, context), 0),
    async run(context) {
      const all = { measurements: [], facts: [], memory: [], notes: [] };
      for (const part of parts) {
        const result = await runLoadSection(part, context);
        for (const [name, values] of Object.entries(result)) all[name].push(...values);
      }
      return all;
    },
  };
};

export const SECTIONS = {
  owner: load(owner),
  hops: load(hops),
  million: load(million),
  workers: load(workers),
  sessions,
  simulation,
  replicas,
  changes,
  scaling,
  factors: load(factors),
  knee: load(knee),
  'fan-out': load(fanOut),
  topologies: load(topologies),
  cities: load(cities),
  'cross-check': crossCheck,
  micro,
};

/** Those of `make bench-quick`. */
export const QUICK_SECTIONS = [
  'owner',
  'hops',
  'million',
  'sessions',
  'simulation',
  'replicas',
  'scaling',
  'factors',
  'knee',
  'fan-out',
];

export const gridSection = (options) => load(() => grid(options))();
