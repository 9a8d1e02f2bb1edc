// The report as one page that needs nothing else: tables and plots, made from report.json alone.

import { groupBy } from '../statistics.mjs';
import { BASE } from '../system/index.mjs';
import { machineLine } from './markdown.mjs';
import { barChart, escapeText, lineChart } from './plot.mjs';
import { STYLE } from './style.mjs';
import { decimal, holdsText, reachedText, withSpread } from './text.mjs';

/** Latency curves of more scenarios would fill the page. */
const CURVES_MAX = 3;
const MIB = 2 ** 20;

export function toHtml(report) {
  const title = `Benchmark of ${report.date}`;
  return [
    '<!doctype html>',
    `<html lang="en"><head><meta charset="utf-8"><title>${escapeText(title)}</title>`,
    `<meta name="viewport" content="width=device-width, initial-scale=1"><style>${STYLE}</style></head><body><main>`,
    `<h1>${escapeText(title)}</h1>`,
    `<p>${escapeText(machineLine(report.machine))}</p>`,
    ...report.notes.map((note) => `<p class="note">Note: ${escapeText(note)}.</p>`),
    ...report.missing.map(
      ({ system, reason }) => `<p class="note">Not measured: ${escapeText(`${system}. ${reason}`)}.</p>`,
    ),
    costTable(report.costs),
    ...report.sections.map((section) => sectionHtml(report, section)),
    `<p>Took ${Math.round(report.seconds)} s. Repeat with <code>${escapeText(report.command)}</code>.</p>`,
    '</main></body></html>\n',
  ].join('\n');
}

function costTable(costs) {
  if (costs.every(({ reached }) => reached === null)) return '';
  const rows = costs.map((cost) => {
    const state = cost.holds === null ? '' : cost.holds ? 'yes' : 'no';
    return (
      `<tr class="${state}"><td>${escapeText(cost.what)}</td><td>${escapeText(cost.required)}</td>` +
      `<td>${reachedText(cost)}</td><td>${decimal(cost.byCpu?.median, 2)}</td><td>${holdsText(cost)}</td></tr>`
    );
  });
  return `<h2>The table of costs</h2>${htmlTable(['what', 'required', 'reached', 'by CPU', 'holds'], rows)}`;
}

function sectionHtml(report, { name, title }) {
  const rows = report.rows.filter(({ section }) => section === name);
  const facts = report.facts.filter(({ section }) => section === name);
  const timelines = report.timelines.filter(({ section }) => section === name);
  if (rows.length + facts.length + timelines.length === 0) return '';
  const plots = [
    ...(rows.some(({ load }) => load !== null) ? kneePlots(rows) : throughputPlots(rows)),
    ...sharePlots(rows),
    ...curvePlots(rows),
    ...factPlots(facts.filter(({ x }) => x === undefined)),
    ...scalePlots(facts.filter(({ x }) => x !== undefined)),
    ...timelines.map(timelinePlot),
    ...memoryPlots(report.memory.filter(({ section }) => section === name)),
  ];
  return (
    `<h2>${escapeText(title)}</h2><div class="plots">${plots.join('\n')}</div>` +
    (rows.length === 0 ? '' : `<details><summary>All numbers</summary>${rowTable(rows)}</details>`)
  );
}

/** One plot for each scenario, a bar for each system. */
function throughputPlots(rows) {
  return [
    ...groupBy(
      rows.filter(({ share }) => share === null),
      ({ scenario }) => scenario,
    ),
  ].map(([scenario, own]) =>
    barChart({
      title: `${scenario}: requests per second`,
      bars: own.map(({ system, requestsPerSecond, ratio }) => ({
        name: system,
        value: requestsPerSecond.median,
        min: requestsPerSecond.min,
        max: requestsPerSecond.max,
        note: ratio === null || system === BASE ? '' : `${decimal(ratio.median, 2)} x ${BASE}`,
      })),
    }),
  );
}

/** Throughput by the share of keys that are elsewhere. */
function sharePlots(rows) {
  const shared = rows.filter(({ share }) => share !== null);
  if (shared.length === 0) return [];
  const series = [...groupBy(shared, ({ system }) => system)].map(([name, own]) => ({
    name,
    points: own.map(({ share, requestsPerSecond }) => [100 * share, requestsPerSecond.median]),
  }));
  const labels = { xLabel: 'keys that are at other nodes, %', yLabel: 'requests/s' };
  return [lineChart({ title: 'Requests per second by share of remote keys', ...labels, series })];
}

function curvePlots(rows) {
  const closed = rows.filter(
    ({ curve, load, op, share }) => curve.length > 0 && load === null && op !== 'echo' && share === null,
  );
  return [...groupBy(closed, ({ scenario }) => scenario)].slice(0, CURVES_MAX).map(([scenario, own]) =>
    lineChart({
      title: `${scenario}: latency of a batch`,
      xLabel: 'percentile',
      yLabel: 'µs',
      xScale: 'percentile',
      yScale: 'log',
      series: own.map(({ system, curve }) => ({ name: system, points: curve })),
    }),
  );
}

/** Latency against what was asked for, until it is too much. */
function kneePlots(rows) {
  const open = rows.filter(({ load }) => load !== null);
  return ['p50', 'p99', 'p999'].map((percentile) =>
    lineChart({
      title: `Latency ${percentile.replace('p999', 'p99.9')} by load, from when a request was due`,
      xLabel: 'requests per second asked for',
      yLabel: 'µs',
      yScale: 'log',
      series: [...groupBy(open, ({ system }) => system)].map(([name, own]) => ({
        name,
        points: own.map((row) => [row.rate.median, row.latencyUs[percentile].median]),
      })),
    }),
  );
}

function factPlots(facts) {
  return [...groupBy(facts, ({ name, unit }) => `${name}, ${unit}`)].map(([title, own]) =>
    barChart({
      title,
      bars: own.map(({ system, value }) => ({ name: system, value: value.median, min: value.min, max: value.max })),
    }),
  );
}

function scalePlots(facts) {
  return [...groupBy(facts, ({ name, unit }) => `${name}, ${unit}`)].map(([title, own]) => {
    const points = own.map(({ x, value }) => [x, value.median]);
    const isLog = points.every(([, y]) => y > 0);
    const scales = { xScale: 'log', yScale: isLog ? 'log' : 'linear' };
    return lineChart({
      title,
      xLabel: 'nodes',
      yLabel: own[0].unit,
      ...scales,
      series: [{ name: 'swarmbus', points }],
    });
  });
}

function memoryPlots(memory) {
  const known = memory.filter(({ preparedBytes }) => preparedBytes !== null);
  if (known.length === 0) return [];
  return [
    barChart({
      title: 'Resident memory with all keys, MiB',
      bars: known.map(({ process, preparedBytes }) => ({ name: process, value: preparedBytes / MIB })),
    }),
  ];
}

function timelinePlot({ name, sliceMs, requests, events }) {
  const points = requests.map((count, i) => [((i + 0.5) * sliceMs) / 1000, (count * 1000) / sliceMs]);
  return lineChart({
    title: `${name}: answered requests per second`,
    xLabel: 'seconds',
    yLabel: 'requests/s',
    series: [{ name: 'swarmbus', points }],
    marks: events.map(({ name: label, atMs }) => ({ x: atMs / 1000, label })),
  });
}

function rowTable(rows) {
  const head = ['scenario', 'system', 'requests/s', `ratio to ${BASE}`, 'by CPU', 'p50 µs', 'p99 µs', 'p99.9 µs'];
  head.push('p99.99 µs', 'server CPU µs/request', 'generator busy');
  return htmlTable(
    head,
    rows.map((row) => {
      const us = ['p50', 'p99', 'p999'].map((name) => decimal(row.latencyUs[name]?.median, 0));
      const cells = [
        row.scenario,
        row.system,
        withSpread(row.requestsPerSecond, 0),
        withSpread(row.ratio, 2),
        decimal(row.cpuRatio?.median, 2),
        ...us,
        decimal(row.allLatencyUs.p9999, 0),
        decimal(row.serverCpuUs?.median, 2),
        decimal(row.generatorUtilization?.median, 2),
      ];
      return `<tr>${cells.map((cell) => `<td>${escapeText(cell)}</td>`).join('')}</tr>`;
    }),
  );
}

function htmlTable(head, rows) {
  const titles = head.map((title) => `<th>${escapeText(title)}</th>`).join('');
  return `<div class="wide"><table><thead><tr>${titles}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`;
}
