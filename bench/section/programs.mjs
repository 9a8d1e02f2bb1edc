// Sections that are programs of their own, each run in a fresh process: the parts by themselves, and simulated swarms.

import { execFileSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { missingBuild } from '../system/node.mjs';
import { withChildren } from './with-children.mjs';

const MICRO = fileURLToPath(new URL('../micro/main.mjs', import.meta.url));
const SCALING = fileURLToPath(new URL('../scaling/main.mjs', import.meta.url));
const SPEED = fileURLToPath(new URL('../scaling/speed.mjs', import.meta.url));

const MICRO_TIMEOUT_MS = 60_000;
const SPEED_TIMEOUT_MS = 120_000;
/** What the last program of a run may take beyond its limit. */
const GRACE_MS = 10_000;
/** So many rounds of a simulation are spent on compiling; those who simulate run thousands. */
const SPEED_WARM_UP = 10;
/** Nodes of the swarm whose messages stand in the table of costs. */
const MESSAGES_AT = 16;

export const micro = ({ isQuick }) => {
  const section = { name: 'micro', title: 'Parts by themselves, processor time', systems: [] };
  const names = missingBuild() === null ? lines(MICRO) : [];
  return {
    ...section,
    steps: () => names.length,
    async run(context) {
      needBuild();
      const facts = [];
      for (const name of names) {
        context.progress.step(section.title, name);
        const values = await runProgram(context, [MICRO, name, isQuick ? 3 : 7], MICRO_TIMEOUT_MS);
        for (const value of values) facts.push({ section: section.name, name, system: 'swarmbus', value, unit: 'ns' });
      }
      return { facts };
    },
  };
};

export const simulation = ({ isQuick }) => {
  const section = { name: 'simulation', title: 'Speed of the simulator', systems: [] };
  const fact = { section: section.name, name: 'simulated seconds per second of processor time', system: 'simulator' };
  return {
    ...section,
    steps: () => 1,
    async run(context) {
      needBuild();
      context.progress.step(section.title, '10 nodes, 100 operations per second');
      const rounds = SPEED_WARM_UP + (isQuick ? 3 : 10);
      const values = await runProgram(context, [SPEED, rounds], SPEED_TIMEOUT_MS);
      return { facts: values.slice(SPEED_WARM_UP).map((value) => ({ ...fact, value, unit: 'x' })) };
    },
  };
};

/** Swarms of growing size, until one takes too long. */
export const scaling = ({ isQuick }) => {
  const section = { name: 'scaling', title: 'By number of nodes, simulated', systems: [] };
  const counts = isQuick ? [4, 8, 16] : [4, 8, 16, 32, 64, 128, 256, 512, 1000];
  const limitMs = isQuick ? 40_000 : 150_000;
  return {
    ...section,
    steps: () => counts.length,
    async run(context) {
      needBuild();
      const facts = [];
      const startedAt = performance.now();
      for (const nodes of counts) {
        context.progress.step(section.title, `${nodes} nodes`);
        const leftMs = Math.min(limitMs - (performance.now() - startedAt), context.leftMs() + GRACE_MS);
        const result = leftMs > 0 ? await simulated(context, nodes, leftMs) : null;
        if (result === null) {
          const name = `stopped: so many nodes did not end within ${Math.round(limitMs / 1000)} s for all sizes together`;
          facts.push({ section: section.name, name, system: 'simulator', value: nodes, unit: 'nodes' });
          break;
        }
        facts.push(...factsOf(section.name, result));
      }
      return { facts };
    },
  };
};

async function simulated(context, nodes, timeoutMs) {
  try {
    const [result] = await runProgram(context, [SCALING, nodes], timeoutMs);
    return result;
  } catch (error) {
    if (error.isTimeout) return null;
    throw error;
  }
}

function factsOf(section, result) {
  const { nodes, messages, required } = result;
  const fact = (name, value, unit) => ({ section, name, system: 'swarmbus', x: nodes, value, unit });
  const facts = [
    fact('simulated time until all nodes, started at once, are settled', result.settledMs, 'ms'),
    fact('traffic until all nodes are settled, per node', result.startBytes, 'B'),
    fact('simulated time until one more node has joined', result.joinMs, 'ms'),
    fact('traffic until one more node has joined, per node', result.joinBytes, 'B'),
    fact('traffic of a settled swarm, per node and second', result.quietBytesPerSecond, 'B'),
    fact('most keys in one directory, to the mean', result.directoryMost, 'x'),
    fact('messages per GET, owner known', messages.known, 'messages'),
    fact('messages per GET, owner unknown', messages.unknown, 'messages'),
    fact('messages per GET, key absent', messages.absent, 'messages'),
    fact('messages of searches', result.searches, 'messages'),
    fact('resident memory of the simulation', result.residentBytes / 2 ** 20, 'MiB'),
    fact('time for the simulation', result.seconds, 's'),
  ];
  if (nodes === MESSAGES_AT && required !== null) facts.push(...costFacts(section, messages, required));
  return facts;
}

/** With what is required of them, which depends on the paths of the sample. */
function costFacts(section, messages, required) {
  const cost = (name, key) => ({
    section,
    name: `messages for one GET, ${name}`,
    system: 'swarmbus',
    value: messages[key],
    required: required[key],
    unit: 'messages',
  });
  return [
    cost('owner known: 2 x path', 'known'),
    cost('owner unknown: to home, to owner and back', 'unknown'),
    cost('key absent: 2 x path to home', 'absent'),
  ];
}

function needBuild() {
  const reason = missingBuild();
  if (reason !== null) throw new Error(reason);
}

/** Each of its lines is a value. Rejects with `isTimeout` if it does not end in time. */
function runProgram(context, args, timeoutMs) {
  return withChildren(context, async (children) => {
    const values = [];
    const { ended, pid } = children.startProgram({
      name: 'a program of the benchmark',
      command: process.execPath,
      args: args.map(String),
      folder: context.folder,
      onLine: (line) => values.push(JSON.parse(line)),
    });
    let isTimeout = false;
    const timer = setTimeout(() => {
      isTimeout = true;
      process.kill(pid, 'SIGKILL');
    }, timeoutMs);
    try {
      await ended;
      return values;
    } catch (error) {
      throw Object.assign(error, { isTimeout });
    } finally {
      clearTimeout(timer);
    }
  });
}

function lines(program) {
  return execFileSync(process.execPath, [program], { encoding: 'utf8' }).trim().split('\n');
}
