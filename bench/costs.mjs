// The table of costs: what the design requires of swarmbus, and what a run has reached.

import { ratioOf } from './summary.mjs';
import { BASE } from './system/index.mjs';

const RATIOS = [
  ['50 x 1', 1.3],
  ['50 x 16', 1],
  ['10 x 128', 1.1],
];
const NATS_FACTOR = 5;
const HOP_SHARE = 0.5;
const TAX_SHARE = 0.7;
const RELAY_US = 1.5;
const MEMORY_FACTOR = 1.25;
const SESSION_BYTES = 8 * 1024;
const PAUSE_MS = 20;
const SIMULATED_FACTOR = 300;
const WRITTEN_PER_SECOND = 200_000;
const RELAYED_PER_SECOND = 100_000;
const CAUGHT_UP_PER_SECOND = 300_000;
const OPENING_MS = 2000;
const EDITS_FACTOR = 5;
/** What is proportional, and what does not grow, is so but for headers and for what a heap happens to hold. */
const PROPORTIONAL_FACTOR = 1.1;
const STEADY_FACTOR = 1.25;

/**
 * Rows { what, required, reached, byCpu, holds }: `reached` is the spread of what was measured, null if it was not; `byCpu`,
 * where two systems are compared, the same by their processor time per request, which a busy machine disturbs less.
 */
export function costsOf({ measurements, rows, facts }) {
  const ratio = (scenario, system, base) => ({
    reached: ratioOf(measurements, 'owner', scenario, system, base, (one) => one.requestsPerSecond),
    byCpu: ratioOf(measurements, 'owner', scenario, system, base, (one) => 1 / one.serverCpuUs),
  });
  const fact = (name, system = 'swarmbus') =>
    facts.find((one) => one.name.startsWith(name) && one.system === system)?.value ?? null;
  const atLeast = (what, least, reached, unit) =>
    cost(what, least, reached, unit, (value) => value >= least, 'at least');
  const atMost = (what, most, reached, unit) => cost(what, most, reached, unit, (value) => value <= most, 'at most');

  const owner = RATIOS.flatMap(([load, least]) =>
    ['GET', 'SET'].map((op) =>
      atLeast(`${op} at the owner, ${load}, to ${BASE}`, least, ratio(`${op} ${load}`, 'swarmbus', BASE), 'x'),
    ),
  );
  const hop = [
    atLeast(
      `GET one hop away, 50 x 16, to a local ${BASE}`,
      HOP_SHARE,
      ratio('GET 50 x 16', 'swarmbus-1-hop', BASE),
      'x',
    ),
    atLeast(
      'GET one hop away, 50 x 16, to a NATS KV read through a leaf node',
      NATS_FACTOR,
      ratio('GET 50 x 16', 'swarmbus-1-hop', 'nats-leaf'),
      'x',
    ),
  ];
  const tax = RATIOS.flatMap(([load]) =>
    ['GET', 'SET'].map((op) =>
      atLeast(
        `what the actors keep of a bare server: ${op} ${load}`,
        TAX_SHARE,
        ratio(`${op} ${load}`, 'swarmbus', 'bare'),
        'x',
      ),
    ),
  );
  const relays = rows
    .filter(({ scenario }) => scenario === 'GET 50 x 16')
    .flatMap(({ system, cpuUs }) => (system === 'swarmbus-2-hop' ? [cpuUs['swarmbus-2-hop relay 1']] : []));
  const perKey = fact('resident bytes per key');
  const perKeyOfBase = fact('resident bytes per key', BASE);
  const pauses = facts.filter(({ name }) => name.startsWith('pause of the event loop p99.9')).map(({ value }) => value);
  return [
    ...owner,
    ...hop,
    ...tax,
    ...messagesFor(facts, atMost),
    atMost('CPU of one relay hop, 50 x 16', RELAY_US, relays[0] ?? null, 'µs per request'),
    atMost(`resident memory per key, to ${BASE}`, MEMORY_FACTOR, divided(perKey, perKeyOfBase), 'x'),
    atMost('resident memory per idle session', SESSION_BYTES, fact('resident bytes per idle session'), 'B'),
    atMost('pause of the event loop under full load, p99.9', PAUSE_MS, greatest(pauses), 'ms'),
    atLeast(
      'simulated time, 10 nodes, 100 operations per second',
      SIMULATED_FACTOR,
      fact('simulated seconds per second', 'simulator'),
      'x',
    ),
    ...replicaCosts(fact, atLeast, atMost),
  ];
}

function replicaCosts(fact, atLeast, atMost) {
  const edits = 'edits of a document, to hocuspocus';
  const toRival = { reached: fact(edits), byCpu: fact(`${edits}, by processor time`) };
  return [
    atLeast(
      'ops from a client to a durable peer, in batches',
      WRITTEN_PER_SECOND,
      fact('ops from a client to a durable peer'),
      'ops/s',
    ),
    atLeast(
      'ops from a client to the subscriber of a second peer',
      RELAYED_PER_SECOND,
      fact('ops from a client to the subscriber'),
      'ops/s',
    ),
    atLeast('catch-up of a new peer with a long log', CAUGHT_UP_PER_SECOND, fact('catch-up of a new peer'), 'ops/s'),
    atMost('opening a database of 1,000,000 ops', OPENING_MS, fact('opening a database of 1,000,000 ops'), 'ms'),
    atLeast('edits of a document from client to client, in memory, to Hocuspocus', EDITS_FACTOR, toRival, 'x'),
    atMost(
      'bytes for a client that wants a part, to its share of the objects',
      PROPORTIONAL_FACTOR,
      fact('share of the bytes'),
      'x',
    ),
    atMost(
      'memory of a compacted peer after five times the overwritings',
      STEADY_FACTOR,
      fact('memory of a peer after five times'),
      'x',
    ),
  ];
}

/** The messages of one GET are exact numbers, and what is required of them depends on the path. */
function messagesFor(facts, atMost) {
  return facts
    .filter(({ name }) => name.startsWith('messages for one GET'))
    .map(({ name, value, required }) => atMost(name, required, value, 'messages'));
}

/** `measured` is a spread, null, or both of `reached` and `byCpu`. */
function cost(what, required, measured, unit, holdsFor, relation) {
  const { reached, byCpu } = measured !== null && 'byCpu' in measured ? measured : { reached: measured, byCpu: null };
  const value = reached?.median ?? null;
  const holds = value === null ? null : holdsFor(value);
  return { what, required: `${relation} ${required.toLocaleString('en')} ${unit}`, reached, byCpu, holds };
}

function divided(a, b) {
  if (a === null || b === null) return null;
  return { median: a.median / b.median, min: a.min / b.max, max: a.max / b.min, count: Math.min(a.count, b.count) };
}

function greatest(spreads) {
  return spreads.length === 0 ? null : spreads.reduce((most, one) => (one.median > most.median ? one : most));
}
