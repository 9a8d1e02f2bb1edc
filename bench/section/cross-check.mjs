// Redis's own load generator beside ours, on the same server: if ours gets less out of it, ours is what is measured.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { numberedKeys } from '../workload.mjs';
import { BASE, SYSTEMS } from '../system/index.mjs';
import { versionOf } from '../system/version.mjs';
import { scenario } from './scenario.mjs';
import { generatorFor, present, withChildren } from './with-children.mjs';

const KEYS = 100_000;
const CASES = [
  [50, 1, 100_000],
  [50, 16, 800_000],
];
const TIMEOUT_MS = 60_000;

export const crossCheck = ({ pace }) => {
  const section = { name: 'cross-check', title: 'redis-benchmark beside our generator', systems: [BASE] };
  return {
    ...section,
    steps: (context) => (present([BASE], context).length === 0 ? 0 : CASES.length),
    run: (context) => withChildren(context, (children) => run(section, pace, children, context)),
  };
};

async function run({ name: section, title }, pace, children, context) {
  if (present([BASE], context).length === 0) return {};
  if (versionOf('redis-benchmark', ['--version'], /(\S+)$/m) === null)
    throw new Error('redis-benchmark is not installed');
  const { port, storePorts } = await SYSTEMS[BASE].start(children, context.folder, {});
  const generator = generatorFor(BASE, children, context);
  const data = { ...numberedKeys(KEYS), id: 'cross-check' };
  await generator.store(storePorts, data);
  const facts = [];
  for (const [connections, inFlight, requests] of CASES) {
    const one = scenario({ connections, inFlight });
    context.progress.step(title, one.name);
    const fact = (system, value) => facts.push({ section, name: one.name, system, value, unit: 'requests/s' });
    for (let round = 0; round < Math.min(3, pace.rounds); round++) {
      const ours = await generator.measure({ port, pids: {}, scenario: { ...pace, ...one }, data, round });
      fact('our generator', ours.requestsPerSecond);
      fact('redis-benchmark', await redisBenchmark(children, port, connections, inFlight, requests));
    }
  }
  return { facts };
}

async function redisBenchmark(children, port, connections, inFlight, requests) {
  const numbers = ['-p', port, '-c', connections, '-P', inFlight, '-n', requests, '-r', KEYS, '-d', 64].map(String);
  const child = promisify(execFile)('redis-benchmark', [...numbers, '-t', 'get', '--csv'], { timeout: TIMEOUT_MS });
  const { stdout } = await children.orFailed(child);
  const value = Number(/^"GET","([\d.]+)"/m.exec(stdout)?.[1]);
  if (!(value > 0)) throw new Error(`redis-benchmark says ${stdout.trim()}`);
  return value;
}
