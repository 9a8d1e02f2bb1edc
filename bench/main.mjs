// `make bench`: measures swarmbus beside what its users would take instead, all in one run on one machine, and writes the
// report. Section by section: the systems of a section all run while it lasts; one at a time is asked, in rounds whose
// order alternates.

import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, cpus, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { performance } from 'node:perf_hooks';
import { costsOf } from './costs.mjs';
import { compileGenerator } from './job.mjs';
import { describeMachine } from './machine.mjs';
import { HELP, parseOptions } from './options.mjs';
import { describeProfiles } from './profile.mjs';
import { createProgress } from './progress.mjs';
import { toMarkdown } from './report/markdown.mjs';
import { saveReport } from './report/save.mjs';
import { QUICK_SECTIONS, SECTIONS, gridSection } from './section/index.mjs';
import { summarise, summariseFacts } from './summary.mjs';
import { SYSTEMS } from './system/index.mjs';

/** Runnable processes per core before the run, beyond which its numbers say little. */
const BUSY_PER_CORE = 0.3;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;
const EXIT_INTERRUPTED = 130;

class Interrupted extends Error {}

async function run(options, folder, profiles, interruptible) {
  const sections = sectionsOf(options);
  const asked = new Set(sections.flatMap(({ systems }) => systems));
  const reasons = new Map([...asked].flatMap((name) => reasonOf(name)));
  const context = {
    ...options,
    folder,
    profiles,
    interruptible,
    missing: new Set(reasons.keys()),
    program: compileGenerator(folder),
  };
  const progress = createProgress(
    process.stderr,
    sections.reduce((sum, section) => sum + section.steps(context), 0),
  );
  const notes = busyNotes();
  const results = [];
  const startedAt = performance.now();
  const leftMs = () => startedAt + options.limitMs - performance.now();
  try {
    for (const section of sections) {
      if (leftMs() < 0) {
        notes.push(`not measured for want of time: ${section.title}`);
        continue;
      }
      try {
        const result = await section.run({ ...context, progress, leftMs });
        results.push(result);
        notes.push(...(result.notes ?? []));
      } catch (error) {
        // One section that fails must not cost the others; a report without it says so.
        if (error instanceof Interrupted || sections.length === 1) throw error;
        notes.push(`${section.title} failed: ${error.message}`);
      }
    }
  } finally {
    progress.end();
  }
  return { sections, results, notes, reasons, seconds: (performance.now() - startedAt) / 1000 };
}

function sectionsOf(options) {
  if (options.grid !== null) return [gridSection(options.grid)];
  const names = options.sections ?? (options.isQuick ? QUICK_SECTIONS : Object.keys(SECTIONS));
  return names.map((name) => SECTIONS[name](options));
}

function reasonOf(name) {
  const reason = SYSTEMS[name].missing();
  return reason === null ? [] : [[name, reason]];
}

/** What a reader must know to trust the numbers, or not to. */
function busyNotes() {
  const [load] = loadavg();
  if (load <= BUSY_PER_CORE * cpus().length) return [];
  return [
    `the machine was busy with other things (load average ${load.toFixed(1)} before the run): trust ratios more than numbers`,
  ];
}

function reportOf(options, command, date, { sections, results, notes, reasons, seconds }) {
  const isWhole = options.grid === null && options.sections === null;
  const measurements = results.flatMap((result) => result.measurements ?? []);
  const rows = summarise(measurements);
  const facts = summariseFacts(results.flatMap((result) => result.facts ?? []));
  return {
    date,
    command,
    machine: describeMachine(),
    notes,
    seconds,
    ...options.pace,
    missing: [...reasons].map(([system, reason]) => ({ system, reason })),
    systems: Object.entries(SYSTEMS)
      .filter(([name]) => rows.some(({ system }) => system === name))
      .map(([name, { about }]) => ({ name, about })),
    sections: sections.map(({ name, title }) => ({ name, title })),
    // Who asked for some sections knows that the others are missing.
    costs: costsOf({ measurements, rows, facts }).filter(({ reached }) => isWhole || reached !== null),
    rows,
    facts,
    timelines: results.flatMap((result) => result.timelines ?? []),
    memory: results.flatMap((result) => result.memory ?? []),
    measurements,
  };
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
  const interrupted = new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => reject(new Interrupted()));
  });
  interrupted.catch(() => {});
  const interruptible = (promise) => Promise.race([promise, interrupted]);
  try {
    const date = new Date().toISOString();
    const measured = await run(options, folder, profiles, interruptible);
    const report = reportOf(options, ['node bench/main.mjs', ...args].join(' '), date, measured);
    const out = saveReport(options.out, report);
    process.stdout.write(`${toMarkdown(report)}\nwritten to ${relative(process.cwd(), out) || '.'}\n`);
    if (profiles !== null) process.stdout.write(describeProfiles(profiles));
  } catch (error) {
    if (error instanceof Interrupted) return EXIT_INTERRUPTED;
    process.stderr.write(`${process.stderr.isTTY ? '\n' : ''}bench: ${error.message}\n`);
    return EXIT_FAILED;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return 0;
}

// Whatever still waits by now, such as for a server that was about to start when another one died, waits in vain.
process.exit(await main(process.argv.slice(2)));
