// The report as Markdown, readable in a terminal too.

import { groupBy } from '../statistics.mjs';
import { BASE } from '../system/index.mjs';
import { bytesText, decimal, holdsText, reachedText, withSpread } from './text.mjs';

/** A load generator busier than this may itself be what limits the numbers. */
const GENERATOR_BUSY = 0.9;

/** `report` is what report.json holds. */
export function toMarkdown(report) {
  const sections = report.sections.flatMap((section) => sectionText(report, section));
  return [
    `# Benchmark of ${report.date}`,
    machineLine(report.machine),
    'Everything on loopback. C x P: C connections with P requests in flight each, sent as one frame (Redis, NATS: one ' +
      'write) when all replies to the last are in. Keys of 16 bytes, values of 64, 100,000 of them, if nothing else is ' +
      `said. Rounds of ${report.measureMs} ms after ${report.warmUpMs} ms of warm-up, ${report.rounds} of them, in some ` +
      'sections fewer and shorter, systems in alternating order. Median (least to greatest). Ratios are taken within a ' +
      'round. Latency is from the write of a frame, in an open loop from when it was due, to its last reply.',
    ...report.notes.map((note) => `Note: ${note}.`),
    ...report.missing.map(({ system, reason }) => `Not measured: ${system}. ${reason}.`),
    ...(report.costs.every(({ reached }) => reached === null)
      ? []
      : ['## The table of costs', costTable(report.costs)]),
    ...sections,
    '## Resident memory of the processes',
    memoryTable(report),
    '## Systems',
    table(
      ['system', 'what it is'],
      report.systems.map(({ name, about }) => [name, about]),
    ),
    `Took ${Math.round(report.seconds)} s. Repeat with \`${report.command}\`.\n`,
  ].join('\n\n');
}

export function machineLine({ cpu, cores, memoryBytes, kernel, versions }) {
  const shown = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [`${cores} x ${cpu}`, `${(memoryBytes / 2 ** 30).toFixed(1)} GiB`, kernel, ...shown].join(', ');
}

function costTable(costs) {
  return table(
    ['what', 'required', 'reached', 'by CPU', 'holds'],
    costs.map((cost) => [cost.what, cost.required, reachedText(cost), decimal(cost.byCpu?.median, 2), holdsText(cost)]),
  );
}

function sectionText({ rows, facts }, { name, title }) {
  const ownRows = rows.filter(({ section, op }) => section === name && op !== 'echo');
  const echoRows = rows.filter(({ section, op }) => section === name && op === 'echo');
  const ownFacts = facts.filter(({ section }) => section === name);
  const single = ownFacts.filter(({ x }) => x === undefined);
  const scaled = ownFacts.filter(({ x }) => x !== undefined);
  if (ownRows.length + echoRows.length + ownFacts.length === 0) return [];
  return [
    `## ${title}`,
    ...(ownRows.length === 0 ? [] : [loadTable(ownRows)]),
    ...(single.length === 0 ? [] : [factTable(single)]),
    ...(scaled.length === 0 ? [] : [scaleTable(scaled)]),
    ...(echoRows.length === 0 ? [] : ['The ceiling of the load generator:', echoTable(echoRows)]),
  ];
}

function loadTable(rows) {
  const hasBase = rows.some(({ ratio }) => ratio !== null);
  const ofBase = (...cells) => (hasBase ? cells : []);
  const us = (spread) => decimal(spread?.median, 0);
  const head = ['scenario', 'system', 'requests/s', ...ofBase(`ratio to ${BASE}`, 'by CPU')];
  const hasRefused = rows.some(({ refusedCount }) => refusedCount?.max > 0);
  head.push('p50 µs', 'p99 µs', 'p99.9 µs', 'p99.99 µs', 'server CPU µs/request', 'generator busy');
  if (hasRefused) head.push('refused');
  return table(
    head,
    rows.map((row) => [
      row.scenario,
      row.system,
      withSpread(row.requestsPerSecond, 0),
      ...ofBase(row.system === BASE ? '1' : withSpread(row.ratio, 2), decimal(row.cpuRatio?.median, 2)),
      us(row.latencyUs.p50),
      us(row.latencyUs.p99),
      us(row.latencyUs.p999),
      decimal(row.allLatencyUs.p9999, 0),
      decimal(row.serverCpuUs?.median, 2),
      busy(row),
      ...(hasRefused ? [withSpread(row.refusedCount, 0)] : []),
    ]),
  );
}

function echoTable(rows) {
  return table(
    ['scenario', 'replies/s', 'generator CPU µs/reply', 'generator busy'],
    rows.map((row) => [
      row.scenario,
      withSpread(row.requestsPerSecond, 0),
      decimal(row.generatorCpuUs.median, 2),
      busy(row),
    ]),
  );
}

function factTable(facts) {
  return table(
    ['what', 'system', 'value', 'unit'],
    facts.map(({ name, system, value, unit }) => [name, system, withSpread(value), unit]),
  );
}

/** Facts that were found for several sizes: a column for each of them. */
function scaleTable(facts) {
  const sizes = [...new Set(facts.map(({ x }) => x))].toSorted((a, b) => a - b);
  const rows = groupBy(facts, ({ name, unit }) => `${name} (${unit})`);
  return table(
    ['nodes', ...sizes.map((size) => decimal(size, 0))],
    [...rows].map(([name, own]) => [
      name,
      ...sizes.map((size) => withSpread(own.find(({ x }) => x === size)?.value ?? null)),
    ]),
  );
}

function memoryTable({ memory, sections }) {
  const titleOf = (name) => sections.find((section) => section.name === name)?.title ?? name;
  return table(
    ['section', 'process', 'with all keys', 'at the end'],
    memory.map(({ section, process, preparedBytes, finalBytes }) => [
      titleOf(section),
      process,
      bytesText(preparedBytes),
      bytesText(finalBytes),
    ]),
  );
}

function busy({ generatorUtilization }) {
  if (generatorUtilization === null) return '-';
  const { median } = generatorUtilization;
  return `${decimal(median, 2)}${median > GENERATOR_BUSY ? ' (may be the limit)' : ''}`;
}

/** Columns of numbers are aligned to the right, and padded, so that the source is readable in a terminal too. */
function table(head, rows) {
  if (rows.length === 0) return 'None.';
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const isNumeric = head.map((_, i) => rows.every((row) => /^[-\d]/.test(row[i])));
  const pad = (cell, i) => (isNumeric[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]));
  const line = (cells) => `| ${cells.map(pad).join(' | ')} |`;
  const rule = widths.map((width, i) => (isNumeric[i] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}
