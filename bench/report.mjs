// What is made of the measurements: medians with their spread, ratios to redis-server, and the Markdown that shows
// them. A ratio compares two systems within one round, since what disturbs a machine disturbs neighbouring
// measurements alike; its median over the rounds is what is reported.

const BASE = 'redis-server';
/** A load generator busier than this may itself be what limits the numbers. */
const GENERATOR_BUSY = 0.9;
const MIB = 2 ** 20;

/** One row for each case and system, in the order of the first round, from the measurements of all rounds. */
export function summarise(measurements) {
  const rounds = new Map();
  for (const measurement of measurements) {
    const key = rowKey(measurement, measurement.system);
    rounds.set(key, [...(rounds.get(key) ?? []), measurement]);
  }
  return [...rounds.values()].map((own) => {
    const { op, connectionCount, inFlight, system } = own[0];
    const base = op === 'echo' ? [] : (rounds.get(rowKey(own[0], BASE)) ?? []);
    const spreadOf = (read) => spread(own.map(read));
    return {
      op,
      connectionCount,
      inFlight,
      system,
      requestsPerSecond: spreadOf((one) => one.requestsPerSecond),
      ratio: spread(own.flatMap((one) => ratiosIn(one, base))),
      latencyUs: {
        p50: spreadOf((one) => one.latencyUs.p50),
        p99: spreadOf((one) => one.latencyUs.p99),
        p999: spreadOf((one) => one.latencyUs.p999),
      },
      serverCpuUs: spreadOf((one) => one.serverCpuUs),
      generatorCpuUs: spreadOf((one) => one.generatorCpuUs),
      generatorUtilization: spreadOf((one) => one.generatorUtilization),
    };
  });
}

function rowKey({ op, connectionCount, inFlight }, system) {
  return `${op} ${connectionCount} ${inFlight} ${system}`;
}

function ratiosIn(measurement, base) {
  const sameRound = base.find(({ round }) => round === measurement.round);
  return sameRound === undefined ? [] : [measurement.requestsPerSecond / sameRound.requestsPerSecond];
}

/** Median, least and greatest; null where something could not be measured. */
function spread(values) {
  if (values.length === 0 || values.includes(null)) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted.at(-1) };
}

/** The whole report. `run` is what summary.json holds. */
export function toMarkdown(run) {
  const cacheRows = run.rows.filter(({ op }) => op !== 'echo');
  const echoRows = run.rows.filter(({ op }) => op === 'echo');
  return [
    `# Benchmark of ${run.date}`,
    machineLine(run.machine),
    `${run.keyCount.toLocaleString('en')} keys, values of 64 bytes, all on loopback. C x P: C connections with P ` +
      `requests in flight each, sent as one frame (Redis: one write) when all replies to the last are in. ` +
      `${run.rounds} rounds of ${run.measureMs} ms after ${run.warmUpMs} ms of warm-up, systems in alternating order. ` +
      'Median (least to greatest). Latency is from the write of a frame to its last reply.',
    ...run.notes.map((note) => `Note: ${note}.`),
    ...run.missing.map(({ system, reason }) => `Not measured: ${system}. ${reason}.`),
    ...(cacheRows.length === 0 ? [] : [cacheTable(cacheRows)]),
    ...(echoRows.length === 0 ? [] : ['## The ceiling of the load generator', echoTable(echoRows)]),
    '## Resident memory',
    memoryTable(run.memory),
    '## Systems',
    table(
      ['system', 'what it is'],
      run.systems.map(({ name, about }) => [name, about]),
    ),
    `Repeat with \`${run.command}\`.`,
  ].join('\n\n');
}

function machineLine({ cpu, cores, memoryBytes, kernel, versions }) {
  const shown = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [`${cores} x ${cpu}`, `${(memoryBytes / 2 ** 30).toFixed(1)} GiB`, kernel, ...shown].join(', ');
}

function cacheTable(rows) {
  const head = ['case', 'system', 'requests/s', `ratio to ${BASE}`, 'p50 µs', 'p99 µs', 'p99.9 µs'];
  head.push('server CPU µs/request', 'generator busy');
  return table(
    head,
    rows.map((row) => [
      `${row.op.toUpperCase()} ${row.connectionCount} x ${row.inFlight}`,
      row.system,
      withSpread(row.requestsPerSecond, 0),
      row.system === BASE ? '1' : withSpread(row.ratio, 2),
      decimal(row.latencyUs.p50?.median, 0),
      decimal(row.latencyUs.p99?.median, 0),
      decimal(row.latencyUs.p999?.median, 0),
      decimal(row.serverCpuUs?.median, 2),
      busy(row),
    ]),
  );
}

function echoTable(rows) {
  return table(
    ['case', 'replies/s', 'generator CPU µs/reply', 'generator busy'],
    rows.map((row) => [
      `${row.connectionCount} x ${row.inFlight}`,
      withSpread(row.requestsPerSecond, 0),
      decimal(row.generatorCpuUs.median, 2),
      busy(row),
    ]),
  );
}

function memoryTable(memory) {
  const mebibytes = (bytes) => decimal(bytes === null ? undefined : bytes / MIB, 1);
  return table(
    ['process', 'MiB with all keys', 'MiB at the end'],
    memory.map(({ process, preparedBytes, finalBytes }) => [process, mebibytes(preparedBytes), mebibytes(finalBytes)]),
  );
}

function busy({ generatorUtilization: { median } }) {
  return `${decimal(median, 2)}${median > GENERATOR_BUSY ? ' (may be the limit)' : ''}`;
}

function withSpread(value, digits) {
  if (value === null) return '-';
  return `${decimal(value.median, digits)} (${decimal(value.min, digits)} to ${decimal(value.max, digits)})`;
}

function decimal(value, digits) {
  if (value === undefined || value === null) return '-';
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** Columns of numbers are aligned to the right, and padded, so that the source is readable in a terminal too. */
function table(head, rows) {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const isNumeric = head.map((_, i) => rows.every((row) => /^[-\d]/.test(row[i])));
  const pad = (cell, i) => (isNumeric[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i]));
  const line = (cells) => `| ${cells.map(pad).join(' | ')} |`;
  const rule = widths.map((width, i) => (isNumeric[i] ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return [line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n');
}
