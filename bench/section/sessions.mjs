// What an idle session costs in memory: many clients connect, say nothing, and stay.

import { setTimeout as sleep } from 'node:timers/promises';
import { residentBytes } from '../process-stat.mjs';
import { BASE, SYSTEMS } from '../system/index.mjs';
import { generatorFor, present, withChildren } from './with-children.mjs';

/** Until what was needed to accept the connections is given back. */
const QUIET_MS = 1_500;
const SPARE = 100;
/** Both limit the number of their clients to 10,000 if they aren't told. */
const FLAGS = {
  [BASE]: (most) => ['--maxclients', most],
  swarmbus: (most) => ['--connections-max', most],
  'swarmbus-ws': (most) => ['--connections-max', most],
};

export const sessions = ({ isQuick }) => {
  const count = isQuick ? 2_000 : 10_000;
  const section = {
    name: 'sessions',
    title: `${count.toLocaleString('en')} idle sessions`,
    systems: [BASE, 'swarmbus', 'swarmbus-ws', 'bare'],
  };
  return {
    ...section,
    steps: (context) => present(section.systems, context).length,
    run: (context) => run(section, count, context),
  };
};

async function run({ name: section, title, systems }, count, context) {
  const facts = [];
  for (const name of present(systems, context)) {
    if (context.leftMs() < 0) break;
    context.progress.step(title, name);
    const value = await withChildren(context, (children) => bytesPerSession(name, count, children, context));
    facts.push({ section, name: 'resident bytes per idle session', system: name, value, unit: 'B' });
  }
  return { facts };
}

async function bytesPerSession(name, count, children, context) {
  const flags = FLAGS[name]?.(String(count + SPARE)) ?? [];
  const { port, processes } = await SYSTEMS[name].start(children, context.folder, { profiles: null, flags });
  const [pid] = Object.values(processes);
  const generator = generatorFor(name, children, context);
  // A few come and go first, so that what is needed once is there.
  await generator.hold(port, 100, () => sleep(QUIET_MS));
  const before = residentBytes(pid);
  return generator.hold(port, count, async () => {
    await sleep(QUIET_MS);
    return (residentBytes(pid) - before) / count;
  });
}
