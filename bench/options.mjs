// What a run is told to do. The defaults are those of `make bench`; `--quick` shortens them for `make bench-quick`.

import { parseArgs } from 'node:util';
import { SYSTEMS } from './system.mjs';
import { IN_FLIGHT_MAX, KEYS_MAX } from './workload.mjs';

export const HELP = `usage: node bench/main.mjs [options]

  --quick            fewer and shorter rounds, fewer cases: less than a minute
  --systems A,B      of ${Object.keys(SYSTEMS).join(', ')}
  --ops A,B          of get, set, echo
  --cases CxP,CxP    connections x requests in flight (at most ${IN_FLIGHT_MAX}) on each
  --keys N           how many keys to store, at most ${KEYS_MAX.toLocaleString('en')}
  --rounds N         how often to measure each
  --measure-ms N     for how long
  --warm-up-ms N     and for how long to ask before
  --profile          profile the nodes and list their hottest functions (slows them down)
  --out DIR          folder for summary.md and summary.json (default: bench/results/<date>)
`;

const FULL = { cases: '50x1,50x16,10x128', rounds: '5', 'measure-ms': '2500', 'warm-up-ms': '500' };
const QUICK = { cases: '50x1,50x16', rounds: '3', 'measure-ms': '400', 'warm-up-ms': '150' };

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
      systems: { ...text, default: Object.keys(SYSTEMS).join(',') },
      ops: { ...text, default: 'get,set,echo' },
      cases: text,
      keys: { ...text, default: '100000' },
      rounds: text,
      'measure-ms': text,
      'warm-up-ms': text,
      out: text,
    },
  });
  const given = { ...(values.quick ? QUICK : FULL), ...values };
  return {
    help: given.help,
    profile: given.profile,
    out: given.out ?? null,
    systems: listOf(given.systems, (name) => oneOf('system', name, Object.keys(SYSTEMS))),
    ops: listOf(given.ops, (name) => oneOf('op', name, ['get', 'set', 'echo'])),
    cases: listOf(given.cases, parseCase),
    keyCount: integer('--keys', given.keys, 1, KEYS_MAX),
    rounds: integer('--rounds', given.rounds, 1, 100),
    measureMs: integer('--measure-ms', given['measure-ms'], 50, 60_000),
    warmUpMs: integer('--warm-up-ms', given['warm-up-ms'], 0, 60_000),
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
    connectionCount: integer('--cases', connections, 1, 10_000),
    inFlight: integer('--cases', inFlight, 1, IN_FLIGHT_MAX),
  };
}

function integer(name, text, min, max) {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new Error(`${name}: '${text}' is not a whole number from ${min} to ${max}`);
}
