// Where a process spent its time: its hottest functions by self time, from the profile that Node writes with
// --cpu-prof.

import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';

/** The entry for time spent waiting, which is left out. */
const IDLE = '(idle)';
const SHOWN = 10;

/** Arguments for Node; a profile is written when the process ends in order. */
export function profilingArgs(folder, name) {
  return ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}.cpuprofile`];
}

/** The hottest functions of all profiles in the folder, as text. */
export function describeProfiles(folder) {
  return readdirSync(folder)
    .map(
      (file) =>
        `\n${basename(file, '.cpuprofile')}: self time without idling\n${hottestFunctions(join(folder, file))}\n`,
    )
    .join('');
}

function hottestFunctions(file) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8'));
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
    .map(([name, us]) => `${((100 * us) / totalUs).toFixed(1).padStart(5)} %  ${name}`)
    .join('\n');
}

function nameOf({ functionName, url, lineNumber }) {
  const place = url === '' ? '' : ` ${basename(url)}:${lineNumber + 1}`;
  return `${functionName || '(anonymous)'}${place}`;
}
