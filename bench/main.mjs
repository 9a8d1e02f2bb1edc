// `make bench`: measures swarmbus beside redis-server and a bare server, all in one run on one machine, and writes the
// report. All systems run from beginning to end; one at a time is asked, in rounds whose order alternates.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem, type } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Children } from './children.mjs';
import { compileGenerator } from './job.mjs';
import { HELP, parseOptions } from './options.mjs';
import { residentBytes } from './process-stat.mjs';
import { describeProfiles } from './profile.mjs';
import { createProgress } from './progress.mjs';
import { summarise, toMarkdown } from './report.mjs';
import { SYSTEMS, packageVersion, redisVersion } from './system.mjs';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));
/** Runnable processes per core before the run, beyond which its numbers say little. */
const BUSY_PER_CORE = 0.3;
const PREPARE_TIMEOUT_MS = 120_000;
/** For encoding, opening connections and waiting for the last replies. */
const MEASURE_GRACE_MS = 60_000;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

/** What is measured, in order: for each case and op all systems once, then the next case, and all of it again. */
function planOf(options, systems) {
  const plan = [];
  for (let round = 0; round < options.rounds; round++) {
    const inOrder = round % 2 === 0 ? systems : systems.toReversed();
    for (const load of options.cases) {
      for (const op of options.ops) {
        for (const system of inOrder.filter(({ ops }) => ops.includes(op))) plan.push({ round, op, ...load, system });
      }
    }
  }
  return plan;
}

async function run(options, children, folder, profiles) {
  const { keyCount, warmUpMs, measureMs } = options;
  const chosen = options.systems.map((name) => ({ name, ...SYSTEMS[name] }));
  const missing = chosen.flatMap(({ name, missing: why }) => {
    const reason = why();
    return reason === null ? [] : [{ system: name, reason }];
  });
  const systems = chosen.filter(({ name }) => missing.every(({ system }) => system !== name));
  if (systems.length === 0) throw new Error(missing.map(({ reason }) => reason).join('; '));

  const program = compileGenerator(folder);
  const plan = planOf(options, systems);
  const progress = createProgress(process.stderr, plan.length);
  const running = new Map();
  const memory = [];
  for (const { name, start, protocol, ops } of systems) {
    progress.say(`starting ${name}`);
    const { port, storePort, processes } = await start(children, folder, profiles);
    const generator = children.startGenerator({ protocol, program, folder });
    if (ops.includes('get')) await generator.run('prepare', { port, storePort, keyCount }, PREPARE_TIMEOUT_MS);
    running.set(name, { port, generator, processes });
    for (const [process, pid] of Object.entries(processes)) {
      memory.push({ process, pid, preparedBytes: residentBytes(pid), finalBytes: null });
    }
  }

  const measurements = [];
  for (const { round, op, connectionCount, inFlight, system } of plan) {
    const caseText = `round ${round + 1}, ${op.toUpperCase()} ${connectionCount} x ${inFlight}`;
    progress.step(caseText, system.name);
    const { port, generator, processes } = running.get(system.name);
    const pids = Object.values(processes);
    const job = { port, pids, op, connectionCount, inFlight, keyCount, warmUpMs, measureMs };
    const result = await generator.run('measure', job, warmUpMs + measureMs + MEASURE_GRACE_MS);
    measurements.push({ round, system: system.name, op, connectionCount, inFlight, ...result });
  }
  for (const entry of memory) entry.finalBytes = residentBytes(entry.pid);
  progress.end();

  return {
    rounds: options.rounds,
    keyCount,
    warmUpMs,
    measureMs,
    missing,
    systems: systems.map(({ name, about }) => ({ name, about })),
    memory: memory.map(({ process, preparedBytes, finalBytes }) => ({ process, preparedBytes, finalBytes })),
    rows: summarise(measurements),
    measurements,
  };
}

function machine() {
  const versions = { node: process.versions.node, swarmbus: packageVersion('../package.json') };
  const uws = packageVersion('../node_modules/uWebSockets.js/package.json');
  if (uws !== null) versions['uWebSockets.js'] = uws;
  const redis = redisVersion();
  if (redis !== null) versions['redis-server'] = redis;
  const commit = git('rev-parse', '--short', 'HEAD');
  if (commit !== null) versions.commit = git('status', '--porcelain') === '' ? commit : `${commit} with changes`;
  return {
    cpu: cpus()[0].model,
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: `${type()} ${release()}`,
    versions,
  };
}

/** What a reader must know to trust the numbers, or not to. */
function notes() {
  const [load] = loadavg();
  if (load <= BUSY_PER_CORE * cpus().length) return [];
  return [
    `the machine was busy with other things (load average ${load.toFixed(1)} before the run), repeat it when it is idle`,
  ];
}

function git(...args) {
  try {
    return execFileSync('git', args, { cwd: PROJECT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
}

function save(options, report) {
  const folder = options.out ?? join(PROJECT, 'bench', 'results', report.date.slice(0, 19).replaceAll(':', '-'));
  mkdirSync(folder, { recursive: true });
  const markdown = `${toMarkdown(report)}\n`;
  writeFileSync(join(folder, 'summary.md'), markdown);
  writeFileSync(join(folder, 'summary.json'), `${JSON.stringify(report, null, 2)}\n`);
  process.stdout.write(`${markdown}\nwritten to ${relative(process.cwd(), folder) || '.'}\n`);
}

async function main(args) {
  let options;
  try {
    options = parseOptions(args);
  } catch (error) {
    process.stderr.write(`bench: ${error.message}\n`);
    return EXIT_USAGE;
  }
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }

  const folder = mkdtempSync(join(tmpdir(), 'swarmbus-bench-'));
  const profiles = options.profile ? mkdtempSync(join(folder, 'profiles-')) : null;
  const children = new Children();
  const interrupted = new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => resolve(null));
  });
  try {
    const date = new Date().toISOString();
    const command = ['node bench/main.mjs', ...args].join(' ');
    const before = notes();
    const measured = await Promise.race([run(options, children, folder, profiles), interrupted]);
    if (measured === null) return EXIT_INTERRUPTED;
    save(options, { date, command, machine: machine(), notes: before, ...measured });
  } catch (error) {
    process.stderr.write(`${process.stderr.isTTY ? '\n' : ''}bench: ${error.message}\n`);
    return EXIT_FAILED;
  } finally {
    await children.stop();
    try {
      // A node writes its profile when it ends.
      if (profiles !== null) process.stdout.write(describeProfiles(profiles));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return 0;
}

// Whatever still waits by now, such as for a server that was about to start when another one died, waits in vain.
process.exit(await main(process.argv.slice(2)));
