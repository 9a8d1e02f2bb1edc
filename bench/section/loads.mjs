// The sections that are load on systems, as data.

import { availableParallelism } from 'node:os';
import { numberedKeys, realCities, remoteShare } from '../workload.mjs';
import { BASE } from '../system/index.mjs';
import { ZIPF, scenario } from './scenario.mjs';

const KEYS = 100_000;
const MILLION = 1_000_000;
const CACHES = [BASE, 'swarmbus', 'swarmbus-ws', 'bare', 'nats'];
const HOPS = ['swarmbus-1-hop', 'swarmbus-2-hop', 'swarmbus-3-hop'];
const SHAPES = ['ring-8', 'tree-8', 'mesh-8'];
const CREATED = 200_000;

const keys = (keyCount = KEYS, valueBytes, prefix) => ({
  ...numberedKeys(keyCount, valueBytes, prefix),
  id: `${prefix ?? 'key'} ${keyCount} ${valueBytes ?? ''}`,
});

/** [connections, in flight] of the table of costs. */
const CASES = [
  [50, 1],
  [50, 16],
  [10, 128],
];

/** What the table of costs asks for. */
export const owner = ({ isQuick, keyCount = KEYS }) => ({
  name: 'owner',
  title: 'At the owner, and one hop away',
  timeShare: 0.35,
  systems: isQuick
    ? [BASE, 'swarmbus', 'bare', 'swarmbus-1-hop', 'nats-leaf', 'echo']
    : [...CACHES, 'swarmbus-1-hop', 'nats-leaf', 'echo'],
  data: { keys: keys(keyCount) },
  scenarios: [
    ...CASES.flatMap(([connections, inFlight]) => [
      scenario({ connections, inFlight, systems: [...CACHES, 'swarmbus-1-hop', 'nats-leaf'] }),
      scenario({ op: 'set', connections, inFlight, systems: CACHES }),
    ]),
    ...CASES.map(([connections, inFlight]) => scenario({ op: 'echo', connections, inFlight, systems: ['echo'] })),
  ],
});

/** One factor varied at a time. */
export const factors = ({ isQuick }) => ({
  name: 'factors',
  title: 'One factor varied',
  roundsFactor: 0.6,
  timeFactor: 0.6,
  systems: [BASE, 'swarmbus', 'bare'],
  data: {
    keys: keys(),
    few: keys(1_000, undefined, 'few'),
    '1 KiB': keys(20_000, 1024, 'v1k'),
    '16 KiB': keys(1_000, 16_384, 'v16k'),
    '64 KiB': keys(250, 65_536, 'v64k'),
  },
  scenarios: [
    scenario(),
    scenario({ name: 'GET 50 x 16, each in a frame of its own', isSeparate: true, systems: ['swarmbus'] }),
    ...(isQuick ? [1, 64] : [1, 4, 16, 64, 128]).map((inFlight) => scenario({ connections: 10, inFlight })),
    scenario({ name: 'GET 50 x 16, 1,000 keys', data: 'few' }),
    scenario({ name: 'GET 50 x 16, Zipf', popularity: ZIPF }),
    scenario({ name: '95 % GET, 5 % SET 50 x 16', op: 'mix', writes: 0.05 }),
    scenario({ name: '50 % GET, 50 % SET 50 x 16', op: 'mix', writes: 0.5 }),
    scenario({ name: 'GET of absent keys 50 x 16', op: 'absent' }),
    scenario({
      name: 'SET of new keys 50 x 16',
      op: 'create',
      once: true,
      requestCount: isQuick ? CREATED / 4 : CREATED,
    }),
    ...(isQuick ? ['16 KiB'] : ['1 KiB', '16 KiB', '64 KiB']).flatMap((data) => [
      scenario({ name: `GET 10 x 4, values of ${data}`, data, connections: 10, inFlight: 4 }),
      scenario({ name: `SET 10 x 4, values of ${data}`, op: 'set', data, connections: 10, inFlight: 4 }),
    ]),
  ],
});

/** Latency against load: what each system has done at most, and shares of that in an open loop. */
export const knee = ({ isQuick }) => ({
  name: 'knee',
  title: 'Latency under load, open loop',
  roundsFactor: 0.2,
  systems: isQuick ? [BASE, 'swarmbus'] : [BASE, 'swarmbus', 'swarmbus-1-hop', 'nats'],
  data: { keys: keys() },
  scenarios: [
    scenario({ connections: 50, inFlight: 1 }),
    ...(isQuick ? [0.3, 0.7] : [0.1, 0.25, 0.5, 0.7, 0.8, 0.9, 1]).map((load) =>
      scenario({
        name: `GET 50 x 1, open loop at ${Math.round(load * 100)} %`,
        inFlight: 1,
        load,
        loadOf: 'GET 50 x 1',
      }),
    ),
  ],
});

export const hops = ({ isQuick }) => ({
  name: 'hops',
  title: 'One, two and three hops',
  roundsFactor: 0.6,
  timeFactor: 0.7,
  systems: isQuick ? [BASE, 'swarmbus-2-hop'] : [BASE, 'swarmbus', ...HOPS],
  data: { keys: keys() },
  scenarios: [
    scenario(),
    ...(isQuick
      ? []
      : [
          scenario({ connections: 50, inFlight: 1 }),
          scenario({ op: 'set' }),
          scenario({ name: 'GET of absent keys 50 x 16', op: 'absent' }),
          scenario({ name: 'SET of new keys 50 x 16', op: 'create', once: true, requestCount: CREATED / 4 }),
        ]),
  ],
});

/** One node, and two processes that share its port and its keys. */
export const workers = () => ({
  name: 'workers',
  title: 'More than one core: one node, and two workers behind one port',
  note: `two workers and the load generator share ${availableParallelism()} cores: what the workers could do with cores of their own, such a machine can't show`,
  roundsFactor: 0.8,
  timeFactor: 0.7,
  systems: [BASE, 'swarmbus', 'swarmbus-2-workers'],
  compares: ['swarmbus-2-workers', 'swarmbus'],
  data: { keys: keys() },
  scenarios: [
    scenario(),
    scenario({ op: 'set' }),
    scenario({ inFlight: 1 }),
    scenario({ op: 'set', inFlight: 1 }),
    scenario({ connections: 10, inFlight: 128 }),
  ],
});

const share = (remote, nodes) => ({ name: `${remote} remote`, share: remote, of: remoteShare(remote, nodes) });

/** One after the other, since each takes eight processes. */
export const topologies = () =>
  SHAPES.map((shape) => ({
    name: 'topologies',
    title: 'Eight nodes in a ring, a tree and a mesh, by share of remote keys',
    roundsFactor: 0.4,
    timeFactor: 0.6,
    timeShare: 0.04,
    systems: [shape],
    data: { keys: keys(80_000) },
    // Eight nodes share the machine's cores, so that on a slow one some requests may come too late.
    scenarios: [0, 0.25, 0.5, 0.75, 1].map((remote) =>
      scenario({
        name: `GET 20 x 16, ${100 * remote} % remote`,
        connections: 20,
        popularity: share(remote, 8),
        isPatient: true,
      }),
    ),
  }));

export const million = ({ isQuick }) => ({
  name: 'million',
  title: isQuick ? '200,000 keys: memory and pauses' : 'A million keys: memory and pauses',
  roundsFactor: 0.6,
  // So that one in a thousand is more than the worst.
  timeFactor: 2.5,
  seesMemory: true,
  seesPauses: true,
  systems: [BASE, 'swarmbus'],
  data: { keys: keys(isQuick ? MILLION / 5 : MILLION) },
  scenarios: [scenario(), scenario({ op: 'set' })],
});

export const cities = () => ({
  name: 'cities',
  title: 'Real cities, as JSON',
  roundsFactor: 0.6,
  timeFactor: 0.6,
  systems: [BASE, 'swarmbus', 'bare', 'swarmbus-1-hop'],
  data: { keys: { ...realCities(), id: 'cities' } },
  scenarios: [scenario(), scenario({ op: 'set', systems: [BASE, 'swarmbus', 'bare'] })],
});

/** Each write is told to all watchers; the next follows when all have got it. */
export const fanOut = ({ isQuick }) => ({
  name: 'fan-out',
  title: 'One writer, a thousand watchers',
  roundsFactor: 0.6,
  timeFactor: 0.6,
  systems: [BASE, 'swarmbus', 'nats'].slice(0, isQuick ? 2 : 3),
  data: { keys: keys(16) },
  scenarios: [
    scenario({ name: 'write told to 1,000 watchers', op: 'publish', connections: 1, inFlight: 1, watchers: 1000 }),
  ],
});

/** What the command line asks for. */
export const grid = ({ systems, ops, cases, keyCount }) => ({
  name: 'grid',
  title: 'As asked for',
  systems,
  data: { keys: keys(keyCount) },
  scenarios: cases.flatMap(({ connections, inFlight }) =>
    ops.map((op) =>
      scenario({ op, connections, inFlight, systems: systems.filter((name) => (name === 'echo') === (op === 'echo')) }),
    ),
  ),
});
