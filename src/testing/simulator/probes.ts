/**
 * Probes: plans of few nodes and a few seconds, each about one rare path, which the long plans of draw-plan.ts meet once
 * in a thousand runs. A mistake in a rule shows where two things meet within some milliseconds: here they do in most
 * runs, and hundreds of runs take as long as a few long ones. Each kind of probe is a function of chance alone.
 */
import type { Random } from '../../actors/runtime/env.js';
import { seededRandom } from '../../actors/runtime/virtual-time.js';
import { areDispensable } from './graph.js';
import { edgesOf } from '../shape.js';
import type { Shape } from '../shape.js';
import type { Edge, Plan, PlannedFault, PlannedRequest } from './plan.js';

/** Apart from the streams of plans, nodes, latencies and clients. */
const PROBE_STREAM = 4_000_000;

/** What a kind of probe decides. */
type Draft = Pick<Plan, 'nodes' | 'edges' | 'latency' | 'clients' | 'requests' | 'faults'> &
  Partial<Pick<Plan, 'settings' | 'watchers' | 'hasDisks' | 'clientsStay'>>;

export const drawProbe = (
  seed: number,
  kind: ProbeKind = PROBE_KINDS[seed % PROBE_KINDS.length] as ProbeKind,
): Plan => {
  const random = seededRandom(seed, PROBE_STREAM);
  const draft = PROBES[kind](random);
  const requests = [...draft.requests].sort((a, b) => a.atMs - b.atMs);
  const faults = [...draft.faults].sort((a, b) => a.atMs - b.atMs);
  const lastMs = Math.max(0, ...requests.map(({ atMs }) => atMs), ...faults.map(({ atMs }) => atMs));
  return {
    about: kind,
    seed,
    encodesEveryHop: false,
    watchers: [],
    hasDisks: false,
    clientsStay: false,
    ...draft,
    settings: { ...SETTINGS, ...draft.settings },
    requests,
    faults,
    durationMs: lastMs + AFTER_MS,
  };
};

const AFTER_MS = 200;

/** Faults are noticed sooner than in long plans, and less is waited for in the end. */
const SETTINGS: Plan['settings'] = {
  heartbeatMs: 200,
  heartbeatTimeoutMs: 1000,
  requestTimeoutMs: 1000,
  missedMs: 600,
  drainMs: 1500,
};

// What probes are made of

const within = (random: Random, from: number, to: number): number => from + random.below(to - from + 1);

const oneOf = <T>(random: Random, items: readonly T[]): T => items[random.below(items.length)] as T;

/** Nodes that differ, in any order. */
const some = (random: Random, nodes: number, count: number): number[] => {
  const left = Array.from({ length: nodes }, (_, node) => node);
  return Array.from({ length: count }, () => left.splice(random.below(left.length), 1)[0] as number);
};

/** Of a pair the node that comes later dials. */
const dialled = (shape: Shape, nodes: number, late: readonly number[] = []): Edge[] =>
  edgesOf(shape, nodes).map(([a, b]): Edge => (late.includes(b) ? [b, a] : [a, b]));

/** Nodes without which the others hang together: they may come later. */
const lateOf = (random: Random, nodes: number, edges: readonly Edge[], count: number): number[] => {
  const late: number[] = [];
  for (const node of some(random, nodes, nodes)) {
    if (late.length < count && areDispensable(nodes, edges, new Set([...late, node]))) late.push(node);
  }
  return late;
};

const PLAIN = { condition: null, ttlMs: 0, by: 0, padding: 0, retries: 0 } as const;

const ask = (
  atMs: number,
  client: number,
  key: string,
  kind: PlannedRequest['kind'],
  more: Partial<PlannedRequest> = {},
): PlannedRequest => ({ ...PLAIN, atMs: Math.round(Math.max(0, atMs) * 10) / 10, client, key, kind, ...more });

/** How often each kind is asked, of the sum of all. */
type Mix = Partial<Record<PlannedRequest['kind'], number>>;

const drawKind = (random: Random, mix: Mix): PlannedRequest['kind'] => {
  const kinds = Object.entries(mix) as [PlannedRequest['kind'], number][];
  let left = random.below(kinds.reduce((sum, [, share]) => sum + share, 0));
  for (const [kind, share] of kinds) {
    if (left < share) return kind;
    left -= share;
  }
  return 'get';
};

interface Crowd {
  readonly count: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly clients: number;
  readonly keys: readonly string[];
  readonly mix: Mix;
  /** Some `set`s in four have an end, which comes so soon. */
  readonly ttlMs?: readonly [number, number];
}

/** Requests of all clients, on any of the keys, at any time. */
const crowd = (random: Random, { count, fromMs, toMs, clients, keys, mix, ttlMs }: Crowd): PlannedRequest[] =>
  Array.from({ length: count }, () => {
    const key = oneOf(random, keys);
    const kind = drawKind(random, mix);
    const hasEnd = ttlMs !== undefined && kind === 'set' && random.below(4) < 3;
    return ask(fromMs + (random.uint32() / 2 ** 32) * (toMs - fromMs), random.below(clients), key, kind, {
      ttlMs: hasEnd ? within(random, ...ttlMs) : 0,
      by: kind === 'incr' ? 1 + random.below(9) : 0,
      padding: kind === 'set' && random.below(8) === 0 ? random.below(60) : 0,
    });
  });

/** New keys, one after the other, each asked for by two or three clients at about the same time. */
const creations = (
  random: Random,
  { count, fromMs, toMs, clients, spreadMs }: Omit<Crowd, 'keys' | 'mix'> & { readonly spreadMs: number },
): PlannedRequest[] =>
  Array.from({ length: count }, (_, i) => {
    const atMs = fromMs + ((toMs - fromMs) * i) / count;
    const kinds = [drawKind(random, { set: 5, delete: 1 }), ...(random.below(3) > 0 ? [drawKind(random, ANY)] : [])];
    return [...kinds, 'get' as const].map((kind) =>
      ask(atMs + random.below(spreadMs + 1), random.below(clients), `new-${i}`, kind),
    );
  }).flat();

const ANY: Mix = { get: 3, set: 3, delete: 1 };

const names = (count: number, prefix = 'key'): string[] => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

/** One client at each node. */
const everywhere = (nodes: number): number[] => Array.from({ length: nodes }, (_, node) => node);

/** What is sent first often comes last. */
const uneven = (random: Random): Plan['latency'] => ({ minMs: random.below(20) / 10, extraMs: within(random, 4, 25) });

// The kinds

const PROBES = {
  /** Keys are claimed while the view changes: nodes come and go, and what is on its way over one link stands still. */
  claims(random): Draft {
    const nodes = within(random, 3, 5);
    const shape = oneOf(random, ['mesh', 'mesh', 'ring', 'star'] as const);
    const late = lateOf(random, nodes, dialled(shape, nodes), within(random, 1, 2));
    const edges = dialled(shape, nodes, late);
    const comings = late.map((node): PlannedFault => {
      const atMs = 100 + random.below(60);
      return random.below(3) < 2
        ? { kind: 'join', atMs, node }
        : { kind: 'leave', atMs, node, forMs: 300 + random.below(600) };
    });
    const joins = comings.some(({ kind }) => kind === 'join');
    // Only without all of them the others hang together: one that was there before might be a swarm of its own.
    const faults = comings.map((fault): PlannedFault => {
      return joins && fault.kind === 'leave' ? { kind: 'join', atMs: fault.atMs, node: fault.node } : fault;
    });
    if (random.below(3) > 0) {
      const clog = { edge: oneOf(random, edges), forMs: within(random, 50, 350) };
      faults.push({ kind: 'clog', atMs: 110 + random.below(100), ...clog });
    }
    return {
      nodes,
      edges,
      latency: uneven(random),
      clients: everywhere(nodes),
      faults,
      requests: creations(random, { count: 36, fromMs: 80, toMs: 300, clients: nodes, spreadMs: 30 }),
    };
  },

  /** Nodes leave while what they have is read and written, and searched for because somebody can't register. */
  leaving(random): Draft {
    const nodes = within(random, 3, 5);
    const leaving = some(random, nodes, random.below(3) === 0 ? 2 : 1);
    const edges = dialled(oneOf(random, ['mesh', 'mesh', 'ring'] as const), nodes);
    const keys = names(within(random, 8, 24));
    const faults = leaving.map((node): PlannedFault => {
      return { kind: 'leave', atMs: 400 + random.below(100), node, forMs: 600 + random.below(600) };
    });
    for (let left = random.below(3); left > 0; left -= 1) {
      const clog = { edge: oneOf(random, edges), forMs: within(random, 100, 700) };
      faults.push({ kind: 'clog', atMs: 380 + random.below(150), ...clog });
    }
    const fill = keys.map((key, i) =>
      ask(20 + i * 5, leaving[i % leaving.length] as number, key, 'set', {
        ttlMs: random.below(3) === 0 ? within(random, 15_000, 30_000) : 0,
      }),
    );
    const mix: Mix = oneOf(random, [{ get: 1 }, { get: 3, set: 1 }, { get: 1, set: 2, delete: 1 }]);
    return {
      nodes,
      edges,
      latency: uneven(random),
      clients: everywhere(nodes),
      watchers: random.below(3) === 0 ? [random.below(nodes)] : [],
      faults,
      requests: [...fill, ...crowd(random, { count: 150, fromMs: 300, toMs: 1100, clients: nodes, keys, mix })],
    };
  },

  /** Parts write the same keys and go on doing so while they meet and compare what they have. */
  parting(random): Draft {
    const nodes = within(random, 2, 4);
    const edges = dialled(oneOf(random, ['line', 'mesh'] as const), nodes);
    const alone = random.below(nodes);
    const cut = edges.filter((edge) => edge.includes(alone));
    const forMs = within(random, 150, 1200);
    const keys = names(within(random, 2, 8));
    const mix: Mix = oneOf(random, [ANY, { set: 1 }, { get: 1, set: 2 }, { set: 2, delete: 1 }]);
    const ttlMs = random.below(3) === 0 ? ([100, 1500] as const) : undefined;
    const faults: PlannedFault[] = [{ kind: 'cut', atMs: 250, edges: cut, forMs }];
    if (random.below(3) === 0) {
      const others = everywhere(nodes).filter((node) => node !== alone);
      const leaves = random.below(2) === 0;
      const node = oneOf(random, others);
      const atMs = 300 + random.below(100);
      if (others.length > 1) {
        faults.push(leaves ? { kind: 'leave', atMs, node, forMs: 5000 } : { kind: 'crash', atMs, node, forMs: 400 });
      }
    }
    return {
      nodes,
      edges,
      settings: { heartbeatMs: 150, heartbeatTimeoutMs: 700, missedMs: oneOf(random, [300, 5000]) },
      latency: uneven(random),
      clients: everywhere(nodes),
      clientsStay: true,
      watchers: random.below(2) === 0 ? everywhere(nodes) : [],
      faults,
      requests: crowd(random, {
        count: 200,
        fromMs: 50,
        toMs: 300 + forMs + 900,
        clients: nodes,
        keys,
        mix,
        ...(ttlMs === undefined ? {} : { ttlMs }),
      }),
    };
  },

  /** Hardly any room, and short lives: keys come and go, and are claimed again before their release is heard of. */
  crowding(random): Draft {
    const nodes = within(random, 2, 3);
    const keys = names(within(random, 3, 6));
    return {
      nodes,
      edges: dialled('line', nodes),
      settings: { keysMax: within(random, 1, 3), ...(random.below(3) === 0 ? { policy: 'refuse' as const } : {}) },
      latency: uneven(random),
      clients: everywhere(nodes),
      watchers: random.below(3) === 0 ? [random.below(nodes)] : [],
      faults: [],
      requests: crowd(random, {
        count: 200,
        fromMs: 20,
        toMs: 1500,
        clients: nodes,
        keys,
        mix: oneOf(random, [{ set: 3, get: 1 }, ANY]),
        ...(random.below(2) === 0 ? { ttlMs: [10, 120] as const } : {}),
      }),
    };
  },

  /** Keys with short lives come and go at nodes whose clocks differ. */
  clocks(random): Draft {
    const nodes = within(random, 2, 4);
    const keys = names(within(random, 2, 10));
    const faults = some(random, nodes, 1).map((node): PlannedFault => {
      return { kind: 'clock-jump', atMs: 10, node, byMs: within(random, 500, 60_000) };
    });
    return {
      nodes,
      edges: dialled(oneOf(random, ['line', 'mesh'] as const), nodes),
      latency: uneven(random),
      clients: everywhere(nodes),
      watchers: random.below(3) === 0 ? [random.below(nodes)] : [],
      faults,
      requests: crowd(random, {
        count: 60,
        fromMs: 50,
        toMs: 2500,
        clients: nodes,
        keys,
        mix: { set: 6, get: 1 },
        ttlMs: [10, 60],
      }),
    };
  },

  /** Keys change their owners while what the former one has told of them stands still on some link. */
  watching(random): Draft {
    const nodes = within(random, 3, 4);
    const edges = dialled('mesh', nodes);
    const faults = Array.from({ length: 6 }, (_, i): PlannedFault => {
      const atMs = 100 + i * 200 + random.below(60);
      return { kind: 'clog', atMs, edge: oneOf(random, edges), forMs: within(random, 80, 180) };
    });
    return {
      nodes,
      edges,
      latency: { minMs: random.below(10) / 10, extraMs: within(random, 1, 4) },
      clients: everywhere(nodes),
      watchers: everywhere(nodes),
      faults,
      requests: crowd(random, {
        count: 120,
        fromMs: 60,
        toMs: 1400,
        clients: nodes,
        keys: names(within(random, 2, 4)),
        mix: { set: 6, get: 1 },
        ttlMs: [10, 40],
      }),
    };
  },

  /** Links break while the ways between all nodes stay: what was on them is lost, and the view stays. */
  resets(random): Draft {
    const nodes = within(random, 3, 4);
    const edges = dialled(nodes === 3 ? 'ring' : oneOf(random, ['ring', 'mesh'] as const), nodes);
    const faults = Array.from({ length: within(random, 1, 3) }, (_, i): PlannedFault => {
      return { kind: 'reset', atMs: 150 + i * 250 + random.below(40), edge: oneOf(random, edges) };
    });
    const old = names(6, 'old');
    return {
      nodes,
      edges,
      settings: { requestTimeoutMs: oneOf(random, [250, 400, 1200]) },
      latency: uneven(random),
      clients: everywhere(nodes),
      faults,
      requests: [
        ...creations(random, { count: 40, fromMs: 100, toMs: 800, clients: nodes, spreadMs: 50 }),
        ...crowd(random, { count: 120, fromMs: 20, toMs: 950, clients: nodes, keys: old, mix: { set: 4, get: 1 } }),
      ],
    };
  },

  /** A node with a disk goes and is back, with what it had and others have written since. */
  returning(random): Draft {
    const nodes = within(random, 2, 4);
    const edges = dialled(oneOf(random, ['line', 'mesh'] as const), nodes);
    const keys = names(within(random, 4, 12));
    const node = random.below(nodes);
    const goneMs = within(random, 60, 700);
    const backMs = 1500 + goneMs;
    const kind = oneOf(random, ['crash', 'crash', 'leave'] as const);
    const fill = keys.map((key, i) => ask(20 + i * 4, i % 3 === 0 ? random.below(nodes) : node, key, 'set'));
    const reads = crowd(random, { count: 30, fromMs: 200, toMs: 1400, clients: nodes, keys, mix: { get: 3, set: 1 } });
    const mix: Mix = { get: 3, set: 1, delete: 1 };
    const span = { fromMs: 1450, toMs: backMs + 600, clients: nodes };
    return {
      nodes,
      edges,
      settings: { lossWindowMs: 200, missedMs: oneOf(random, [50, 5000]) },
      latency: uneven(random),
      clients: everywhere(nodes),
      clientsStay: true,
      hasDisks: true,
      faults: [{ kind, atMs: 1500, node, forMs: goneMs }],
      requests: [...fill, ...reads, ...crowd(random, { count: 180, keys, mix, ...span })],
    };
  },

  /** One link stands still just when the view changes, so that some member can't register and the swarm is searched. */
  searching(random): Draft {
    const nodes = within(random, 4, 6);
    const shape = oneOf(random, ['mesh', 'mesh', 'ring'] as const);
    const [late, other] = some(random, nodes, 2) as [number, number];
    const edges = dialled(shape, nodes, [late]);
    const keys = names(8);
    const clogs = Array.from({ length: within(random, 1, 2) }, (): PlannedFault => {
      return {
        kind: 'clog',
        atMs: 290 + random.below(40),
        edge: oneOf(random, edges),
        forMs: within(random, 300, 790),
      };
    });
    const change: PlannedFault =
      random.below(2) === 0
        ? { kind: 'join', atMs: 280, node: late }
        : { kind: 'leave', atMs: 300, node: late, forMs: 1500 };
    const faults = [...clogs, change];
    if (random.below(2) === 0) faults.push({ kind: 'leave', atMs: 420 + random.below(300), node: other, forMs: 1500 });
    return {
      nodes,
      edges,
      latency: { minMs: random.below(10) / 10, extraMs: within(random, 1, 8) },
      clients: everywhere(nodes),
      faults,
      requests: [
        ...keys.map((key, i) => ask(20 + i * 8, random.below(nodes), key, 'set')),
        ...crowd(random, {
          count: 60,
          fromMs: 280,
          toMs: 1000,
          clients: nodes,
          keys,
          mix: { get: 6, set: 1, delete: 1 },
        }),
        ...creations(random, { count: 24, fromMs: 290, toMs: 1000, clients: nodes, spreadMs: 30 }),
      ],
    };
  },

  /** Nodes start while their clients are there already. */
  starting(random): Draft {
    const nodes = within(random, 2, 4);
    const shape = oneOf(random, ['line', 'mesh'] as const);
    const late = lateOf(random, nodes, dialled(shape, nodes), 1);
    const keys = names(6);
    return {
      nodes,
      edges: dialled(shape, nodes, late),
      latency: uneven(random),
      clients: everywhere(nodes),
      clientsStay: true,
      faults: late.map((node): PlannedFault => ({ kind: 'join', atMs: 400 + random.below(100), node })),
      requests: [
        ...keys.map((key, i) => ask(20 + i * 8, random.below(nodes), key, 'set')),
        ...crowd(random, { count: 160, fromMs: 380, toMs: 900, clients: nodes, keys, mix: { get: 4, set: 1 } }),
      ],
    };
  },

  /** Of two ways that hold a ring together now the one is there, now the other: who hears of both in which order? */
  swapping(random): Draft {
    const nodes = within(random, 4, 5);
    const edges = dialled('ring', nodes);
    const [one, other] = some(random, nodes, 2).map((i) => edges[i] as Edge) as [Edge, Edge];
    const faults = Array.from({ length: 7 }, (_, i): PlannedFault => {
      const edge = i % 2 === 0 ? one : other;
      return { kind: 'cut', atMs: 100 + i * 230 + random.below(60), edges: [edge], forMs: within(random, 80, 170) };
    });
    return {
      nodes,
      edges,
      settings: { heartbeatMs: 150, heartbeatTimeoutMs: 700 },
      latency: uneven(random),
      clients: everywhere(nodes),
      faults,
      requests: creations(random, { count: 70, fromMs: 250, toMs: 1700, clients: nodes, spreadMs: 25 }),
    };
  },

  /** Links and nodes die unnoticed and are back before the heart has missed a beat, or one end of them has. */
  flapping(random): Draft {
    const nodes = within(random, 3, 5);
    const shape = oneOf(random, ['line', 'ring', 'star'] as const);
    const dies = random.below(2) === 0;
    const plain = dialled(shape, nodes);
    const node = lateOf(random, nodes, plain, 1)[0] as number;
    const edges = dialled(shape, nodes, [node]);
    const own = edges.filter((edge) => edge.includes(node));
    const holes = dies ? own : [oneOf(random, edges)];
    const forMs = dies ? within(random, 20, 60) : oneOf(random, [within(random, 100, 500), within(random, 500, 900)]);
    const faults = holes.map((edge): PlannedFault => {
      const way: Edge = random.below(2) === 0 ? edge : [edge[1], edge[0]];
      return { kind: 'half-open', atMs: 300, edge: way, isBoth: dies || random.below(3) > 0, forMs };
    });
    // Its neighbours hear of its end by its next start.
    if (dies) faults.push({ kind: 'crash', atMs: 305, node, forMs: forMs + within(random, 1, 200) });
    return {
      nodes,
      edges,
      settings: { heartbeatMs: 150, heartbeatTimeoutMs: 700, missedMs: 400 },
      latency: uneven(random),
      clients: everywhere(nodes),
      clientsStay: true,
      hasDisks: dies,
      faults,
      requests: [
        ...crowd(random, {
          count: 80,
          fromMs: 40,
          toMs: 1400,
          clients: nodes,
          keys: names(6),
          mix: { get: 2, set: 3 },
        }),
        ...creations(random, { count: 24, fromMs: 300, toMs: 1400, clients: nodes, spreadMs: 40 }),
      ],
    };
  },
} satisfies Record<string, (random: Random) => Draft>;

export type ProbeKind = keyof typeof PROBES;

export const PROBE_KINDS = Object.keys(PROBES) as ProbeKind[];
