// What differs between two reports.

import { differs } from '../statistics.mjs';
import { BASE } from '../system/index.mjs';
import { decimal, withSpread } from './text.mjs';

/** [{ what, a, b, isMore, isBetter }], the greatest first, and how many were alike or can't be judged. */
export function readChanges(a, b) {
  const changed = [];
  let alike = 0;
  let unjudged = 0;
  for (const [what, { spread, lessIsBetter }] of valuesOf(a)) {
    const other = valuesOf(b).get(what);
    if (other === undefined) continue;
    const isOther = differs(spread, other.spread);
    if (isOther === null) unjudged++;
    else if (!isOther) alike++;
    else {
      const isMore = other.spread.median > spread.median;
      changed.push({ what, a: spread, b: other.spread, isMore, isBetter: isMore !== lessIsBetter });
    }
  }
  changed.sort((one, two) => magnitude(two) - magnitude(one));
  return { changed, alike, unjudged };
}

export function describeChanges(a, b, { changed, alike, unjudged }) {
  const lines = changed.map(({ what, a: before, b: after, isBetter }) => {
    const percent = 100 * (after.median / before.median - 1);
    const sign = percent > 0 ? '+' : '';
    return `${isBetter ? 'better' : 'worse '} ${`${sign}${decimal(percent, 0)} %`.padStart(7)}  ${what}: ${withSpread(before)} -> ${withSpread(after)}`;
  });
  return [
    `from ${a.date} (${a.machine.versions.commit ?? '?'}) to ${b.date} (${b.machine.versions.commit ?? '?'})`,
    ...(a.machine.cpu === b.machine.cpu && a.machine.cores === b.machine.cores ? [] : ['on different machines!']),
    ...(lines.length === 0 ? ['nothing has changed beyond noise'] : lines),
    `within noise: ${alike}; measured too rarely to judge: ${unjudged}`,
    '',
  ].join('\n');
}

function magnitude({ a, b }) {
  return Math.abs(Math.log(b.median / a.median));
}

/** Everything that can be compared, by what it is. */
function valuesOf({ rows, facts }) {
  const values = new Map();
  const add = (what, spread, lessIsBetter) => {
    if (spread !== null && spread.median > 0) values.set(what, { spread, lessIsBetter });
  };
  for (const row of rows) {
    const name = `${row.section}: ${row.scenario}, ${row.system}`;
    const hasRatio = row.ratio !== null && row.system !== BASE;
    if (hasRatio) add(`${name}, ratio to ${BASE}`, row.ratio, false);
    else add(`${name}, requests/s`, row.requestsPerSecond, false);
    if (hasRatio && row.cpuRatio !== null) add(`${name}, ratio to ${BASE} by CPU`, row.cpuRatio, false);
    else add(`${name}, server CPU µs/request`, row.serverCpuUs, true);
    add(`${name}, latency p99 µs`, row.latencyUs.p99, true);
  }
  for (const { section, name, system, x, value, unit } of facts) {
    const at = x === undefined ? '' : ` at ${x}`;
    add(`${section}: ${name}, ${system}${at}, ${unit}`, value, !MORE_IS_BETTER.has(unit));
  }
  return values;
}

const MORE_IS_BETTER = new Set(['requests/s', 'x']);
