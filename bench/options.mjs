// What a run is told to do. The defaults are those of `make bench`; `--quick` shortens them for `make bench-quick`.

import { parseArgs } from 'node:util';
import { SECTIONS } from './section/index.mjs';
import { SYSTEMS } from './system/index.mjs';
import { IN_FLIGHT_MAX, KEYS_MAX } from './workload.mjs';

export const HELP = `usage: node bench/main.mjs [options]

  --quick            fewer and shorter rounds, smaller swarms: within 3 minutes
  --sections A,B     only these of ${Object.keys(SECTIONS).join(', ')}
  --rounds N         how often to measure each
  --measure-ms N     for how long
  --warm-up-ms N     and for how long to ask before
  --limit-s N        seconds after which nothing more is begun
  --out DIR          folder for the report (default: bench/results/<date>)

  Instead of the sections, one op on some systems:

  --ops A,B          of get, set, echo
  --cases CxP,CxP    connections x requests in flight (at most ${IN_FLIGHT_MAX}) on each
  --systems A,B      of ${Object.keys(SYSTEMS).join(', ')}
  --keys N           how many keys to store, at most ${KEYS_MAX.toLocaleString('en')}
  --profile          profile the nodes and list their hottest functions (slows them down)
`;

const FULL = { rounds: '5', 'measure-ms': '1200', 'warm-up-ms': '300', 'limit-s': '1620' };
const QUICK = { rounds: '3', 'measure-ms': '350', 'warm-up-ms': '120', 'limit-s': '140' };
const GRID = { cases: '50x1,50x16,10x128', ops: 'get,set', systems: 'redis-server,swarmbus,bare', keys: '100000' };

/** Throws an error of one line for what is wrong. */
export function parseOptions(args) {
  const text = { type: 'string' };
  const flag = { type: 'boolean', default: false };
  const { values } = parseArgs({
    args,
    options: {
      help: flag,
      quick: flag,
      profile: flag,
      sections: text,
      systems: text,
      ops: text,
      cases: text,
      keys: text,
      rounds: text,
      'measure-ms': text,
      'warm-up-ms': text,
      'limit-s': text,
      out: text,
    },
  });
  const isGrid = Object.keys(GRID).some((name) => values[name] !== undefined) || values.profile;
  if (isGrid && values.sections !== undefined) throw new Error('--sections: not together with what is to be asked');
  const given = { ...(values.quick ? QUICK : FULL), ...GRID, ...values };
  return {
    help: given.help,
    isQuick: given.quick,
    profile: given.profile,
    out: given.out ?? null,
    limitMs: 1000 * integer('--limit-s', given['limit-s'], 1, 36_000),
    pace: {
      rounds: integer('--rounds', given.rounds, 1, 100),
      measureMs: integer('--measure-ms', given['measure-ms'], 50, 60_000),
      warmUpMs: integer('--warm-up-ms', given['warm-up-ms'], 0, 60_000),
    },
    sections:
      given.sections === undefined
        ? null
        : listOf(given.sections, (name) => oneOf('section', name, Object.keys(SECTIONS))),
    grid: isGrid ? parseGrid(given) : null,
  };
}

function parseGrid({ systems, ops, cases, keys }) {
  return {
    systems: listOf(systems, (name) => oneOf('system', name, Object.keys(SYSTEMS))),
    ops: listOf(ops, (name) => oneOf('op', name, ['get', 'set', 'echo'])),
    cases: listOf(cases, parseCase),
    keyCount: integer('--keys', keys, 1, KEYS_MAX),
  };
}

function listOf(text, read) {
  return text.split(',').map(read);
}

function oneOf(what, name, names) {
  if (!names.includes(name)) throw new Error(`no ${what} '${name}': there are ${names.join(', ')}`);
  return name;
}

function parseCase(text) {
  const [connections, inFlight, ...rest] = text.split('x');
  if (inFlight === undefined || rest.length > 0) throw new Error(`--cases: '${text}' is not like 50x16`);
  return {
    connections: integer('--cases', connections, 1, 10_000),
    inFlight: integer('--cases', inFlight, 1, IN_FLIGHT_MAX),
  };
}

function integer(name, text, min, max) {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new Error(`${name}: '${text}' is not a whole number from ${min} to ${max}`);
}
