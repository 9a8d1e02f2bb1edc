// Where a process spent its time: its hottest functions by self time, from the profile that Node writes with
// --cpu-prof.

import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

/** The entry for time spent waiting, which is left out. */
const IDLE = '(idle)';
const SHOWN = 10;

/** Arguments for Node; a profile is written when the process ends in order. */
export function profilingArgs(folder) {
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`];
}

/** The hottest functions of the one profile in the folder, as lines of text; none if there is no profile. */
export function hottestFunctions(folder) {
  const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'));
  if (file === undefined) return [];
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const nameById = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]));
  const selfUs = new Map();
  let totalUs = 0;
  for (const [i, id] of samples.entries()) {
    const name = nameById.get(id);
    if (name === IDLE) continue;
    totalUs += timeDeltas[i];
    selfUs.set(name, (selfUs.get(name) ?? 0) + timeDeltas[i]);
  }
  return [...selfUs]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, SHOWN)
    .map(([name, us]) => `${((100 * us) / totalUs).toFixed(1).padStart(5)} %  ${name}`);
}

function nameOf({ functionName, url, lineNumber }) {
  const place = url === '' ? '' : ` ${basename(url)}:${lineNumber + 1}`;
  return `${functionName || '(anonymous)'}${place}`;
}
