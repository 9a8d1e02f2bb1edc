// Runs a section that is load on systems: starts them, has the keys stored, asks one after the other, in rounds whose
// order alternates, and ends them. What a section is: `name`, `title`; `systems`, names; `data`, data sets by name;
// `scenarios`; `timeShare`, of the whole run; and, where they are wanted, `seesMemory`, `seesPauses`, `compares`, two
// systems of which the first is told as so many times the second, and `note`, what its reader has to know.

import { Children } from '../children.mjs';
import { LoadGenerator } from '../load.mjs';
import { takePauses } from '../pauses.mjs';
import { residentBytes } from '../process-stat.mjs';
import { SYSTEMS } from '../system/index.mjs';

/** Keys whose values are checked before anything is measured. */
const CHECKED_KEYS = 20_000;
/** Of the whole run, what a section may take before it has all its rounds. */
const TIME_SHARE = 0.12;
/** So many failed measurements end a section. */
const FAULTS_MAX = 3;

/** How many steps of progress it takes. */
export function loadSteps(section, { pace, missing }) {
  const systems = section.systems.filter((name) => !missing.has(name));
  const asked = section.scenarios.flatMap(({ systems: own }) => systems.filter((name) => own?.includes(name) ?? true));
  return systems.length + asked.length * roundsOf(section, pace);
}

export async function runLoadSection(section, context) {
  const children = new Children();
  try {
    return await context.interruptible(runWith(children, section, context));
  } finally {
    await children.stop();
  }
}

async function runWith(children, section, context) {
  const { progress, missing } = context;
  const running = new Map();
  const facts = [];
  for (const name of section.systems.filter((one) => !missing.has(one))) {
    progress.step(section.title, `starting ${name}`);
    running.set(name, await startSystem(children, section, name, context, facts));
  }
  const { measurements, notes } = await measureRounds(section, running, context, facts);
  const memory = [...running.values()].flatMap(({ processes, preparedBytes }) =>
    Object.entries(processes).map(([process, pid]) => ({
      section: section.name,
      process,
      preparedBytes: preparedBytes[process],
      finalBytes: residentBytes(pid),
    })),
  );
  facts.push(...comparisons(section, measurements));
  return { measurements, facts, memory, notes: section.note === undefined ? notes : [...notes, section.note] };
}

/** Of what follows one another in a round, since what else the machine does disturbs that alike. */
function comparisons({ name, scenarios, compares }, measurements) {
  if (compares === undefined) return [];
  const [system, base] = compares;
  return scenarios.flatMap(({ name: scenario }) => {
    const of = (which) => measurements.filter((one) => one.scenario === scenario && one.system === which);
    return of(system).flatMap((one) => {
      const other = of(base).find(({ round }) => round === one.round);
      if (other === undefined) return [];
      const fact = (what, value) => ({
        section: name,
        name: `${what} to ${base} (${scenario})`,
        system,
        value,
        unit: 'x',
      });
      const cpu = one.serverCpuUs === null || other.serverCpuUs === null ? [] : [one.serverCpuUs / other.serverCpuUs];
      return [
        fact('throughput', one.requestsPerSecond / other.requestsPerSecond),
        ...cpu.map((value) => fact('processor time per request', value)),
      ];
    });
  });
}

/** All rounds, or those that fit into the section's share of the time: no round begins after that. */
async function measureRounds(section, running, context, facts) {
  const { progress, pace, leftMs, limitMs } = context;
  const endsAt = leftMs() - limitMs * (section.timeShare ?? TIME_SHARE);
  const measurements = [];
  const notes = [];
  for (let round = 0; round < roundsOf(section, pace); round++) {
    if (round > 0 && leftMs() < endsAt) return ended(measurements, [...notes, cutShort(section, round, pace)]);
    for (const one of section.scenarios) {
      const names = [...running.keys()].filter((name) => one.systems?.includes(name) ?? true);
      for (const name of round % 2 === 0 ? names : names.toReversed()) {
        if (leftMs() < 0) return ended(measurements, [...notes, cutShort(section, round, pace)]);
        progress.step(section.title, `round ${round + 1}, ${one.name}: ${name}`);
        const scenario = { ...paceOf(section, pace), ...one };
        try {
          if (one.load !== undefined) scenario.rate = one.load * capacityOf(measurements, name, one.loadOf);
          const result = await measure(running.get(name), section, scenario, round, name, facts);
          const factors = factorsOf(scenario);
          measurements.push({ section: section.name, scenario: one.name, system: name, round, ...factors, ...result });
        } catch (error) {
          // What was measured must not be lost for what can't be.
          notes.push(`${section.title}, ${one.name}: ${error.message}`);
          if (notes.length >= FAULTS_MAX) return ended(measurements, notes);
        }
      }
    }
  }
  return ended(measurements, notes);
}

function ended(measurements, notes) {
  if (measurements.length === 0 && notes.length > 0) throw new Error(notes[0]);
  return { measurements, notes };
}

function cutShort(section, round, pace) {
  return `${section.title}: cut short for want of time after ${round} of ${roundsOf(section, pace)} rounds`;
}

async function startSystem(children, section, name, { folder, program, profiles }, facts) {
  const { start, protocol } = SYSTEMS[name];
  const seesPauses = section.seesPauses === true && name === 'swarmbus';
  const system = await start(children, folder, { profiles, seesPauses });
  const generator = new LoadGenerator({ protocol, program, folder, children, name });
  const emptyBytes = residentOf(system.processes);
  for (const data of name === 'echo' ? [] : Object.values(section.data)) {
    await generator.store(system.storePorts, data, system.fillConnections);
    await generator.check(system.port, data, CHECKED_KEYS);
  }
  const preparedBytes = residentOf(system.processes);
  if (section.seesMemory === true) {
    const keyCount = Object.values(section.data).reduce((sum, data) => sum + data.keyCount, 0);
    const bytes = (sum(preparedBytes) - sum(emptyBytes)) / keyCount;
    facts.push({ section: section.name, name: 'resident bytes per key', system: name, value: bytes, unit: 'B' });
  }
  return { ...system, generator, preparedBytes };
}

async function measure(system, section, scenario, round, name, facts) {
  const { port, processes, generator, pausesFile } = system;
  const node = pausesFile === undefined || pausesFile === null ? null : { pid: processes[name], pausesFile };
  const onMeasuring = () => {
    if (node !== null) process.kill(node.pid, 'SIGUSR2');
  };
  const data = section.data[scenario.data];
  const result = await generator.measure({ port, pids: processes, scenario, data, round, onMeasuring });
  if (node !== null) {
    const pauses = await takePauses(node);
    const fact = (what, value) => ({
      section: section.name,
      name: `${what} (${scenario.name})`,
      system: name,
      value,
      unit: 'ms',
    });
    facts.push(fact('pause of the event loop p99.9', pauses.p999Ms), fact('pause of the event loop max', pauses.maxMs));
    facts.push(fact('pause of the garbage collector max', pauses.collectionMaxMs));
  }
  return result;
}

function roundsOf(section, pace) {
  return Math.max(1, Math.round(pace.rounds * (section.roundsFactor ?? 1)));
}

function paceOf(section, { warmUpMs, measureMs }) {
  const factor = section.timeFactor ?? 1;
  return { warmUpMs: Math.round(warmUpMs * factor), measureMs: Math.round(measureMs * factor) };
}

/** What the system has done at most, in the same run. */
function capacityOf(measurements, system, scenarioName) {
  const own = measurements.filter((one) => one.system === system && one.scenario === scenarioName);
  if (own.length === 0) throw new Error(`${system} was not measured in '${scenarioName}'`);
  return Math.max(...own.map(({ requestsPerSecond }) => requestsPerSecond));
}

/** What makes the scenario, for those who read the report by program. */
function factorsOf({ op, connections, inFlight, popularity, isSeparate, rate = 0, load, writes, data, watchers }) {
  return {
    op,
    connections,
    inFlight,
    popularity: popularity.name,
    share: popularity.share,
    isSeparate,
    rate,
    load,
    writes,
    data,
    watchers,
  };
}

function residentOf(processes) {
  return Object.fromEntries(Object.entries(processes).map(([name, pid]) => [name, residentBytes(pid)]));
}

function sum(bytesByProcess) {
  return Object.values(bytesByProcess).reduce((all, bytes) => all + bytes, 0);
}
