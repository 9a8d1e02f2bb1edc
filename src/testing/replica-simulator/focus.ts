/**
 * Short plans about one thing each. Some paths are reached only where several rare things come together: a client moves
 * away from a peer that is cut off, and goes on where nobody has what it wrote. In such plans little else happens, in
 * small swarms, within seconds.
 */
import type { Random } from '../../actors/runtime/env.js';
import { seededRandom } from '../../actors/runtime/virtual-time.js';
import type { Edge } from '../simulator/plan.js';
import type { ObjectType, PlannedAction, ReplicaFault, ReplicaPlan } from './plan.js';

/** Apart from the streams of wide plans. */
const STREAM = 5_000_010;
/** One of so many plans has a focus. */
const FOCUSED_ONE_IN = 3;
const QUICK = { heartbeatMs: 150, heartbeatTimeoutMs: 700, missedMs: 1500 } as const;
const TYPES: readonly ObjectType[] = ['lww', 'counter', 'set'];
const DAY_MS = 24 * 60 * 60 * 1000;
/** Longer than a grant holds. */
const GRANT_OVER_MS = 31 * DAY_MS;

/** What a focus says of a plan; all else is as in the plainest plan. */
type Aspects = Pick<ReplicaPlan, 'edges' | 'writers' | 'actions' | 'faults' | 'durationMs'> & Partial<ReplicaPlan>;

const FOCUSES = {
  /** A peer is alone with its clients, which go over to another one before that hears of what they wrote. */
  alone: (random): Aspects => {
    const cutMs = 200 + random.below(300);
    const forMs = 1500 + random.below(1500);
    const leaveMs = cutMs + 200 + random.below(600);
    return {
      edges: [[0, 1]],
      writers: [0, 0],
      settings: QUICK,
      actions: [
        ...writing(random, { writers: [0, 1], count: 8, fromMs: 0, toMs: cutMs + 100 }),
        ...writing(random, { writers: [0], count: 8, fromMs: cutMs + 100, toMs: leaveMs }),
        { atMs: leaveMs, writer: 0, kind: 'move', node: 1 },
        { atMs: leaveMs + random.below(400), writer: 1, kind: 'move', node: random.below(2) },
        ...writing(random, { writers: [0, 0, 1], count: 10, fromMs: leaveMs, toMs: cutMs + forMs + 500 }),
      ],
      faults: [{ kind: 'cut', atMs: cutMs, edges: [[0, 1]], forMs }],
      durationMs: cutMs + forMs + 1000,
    };
  },

  /** Clients of one peer write on what the other wrote, which no other peer has, and the peer's disk is set back. */
  exchange: (random): Aspects => {
    const clogMs = 300 + random.below(200);
    const hurtMs = clogMs + 300 + random.below(600);
    const forMs = 50 + random.below(400);
    const moves = random.below(4);
    const actions = writing(random, { writers: [0, 1], count: 40, fromMs: 0, toMs: hurtMs, objects: 1 });
    for (const writer of [0, 1]) {
      if ((moves & (1 << writer)) === 0) continue;
      actions.push({ atMs: clogMs + 100 + random.below(hurtMs - clogMs), writer, kind: 'move', node: 1 });
    }
    actions.push(...writing(random, { writers: [0, 1], count: 10, fromMs: hurtMs, toMs: hurtMs + forMs + 1000 }));
    const isHurt = moves === 0 || random.below(2) === 0;
    const byMs = 100 + random.below(hurtMs - clogMs);
    return {
      edges: [[0, 1]],
      writers: [0, 0],
      actions,
      faults: [
        { kind: 'clog', atMs: clogMs, edge: [0, 1], forMs: hurtMs - clogMs + 100 + random.below(400) },
        ...(isHurt ? [{ kind: 'set-back', atMs: hurtMs, node: 0, byMs, forMs } as const] : []),
      ],
      durationMs: hurtMs + forMs + 2000,
    };
  },

  /** Ops come late on a link that they spread over, so that others are used on which they are only mentioned. */
  lazy: (random): Aspects => {
    const edges: Edge[] = [
      [0, 1],
      [1, 2],
      [2, 0],
    ];
    // One writes much; the others write on it, seldom enough to miss nothing of their own.
    const often = random.below(3);
    const clogMs = 300 + random.below(300);
    const forMs = 2000 + random.below(800);
    return {
      edges,
      writers: [0, 1, 2],
      settings: { heartbeatTimeoutMs: 6000 },
      actions: [
        ...writing(random, { writers: [often], count: 40, fromMs: 0, toMs: clogMs + forMs, objects: 1 }),
        ...writing(random, { writers: [0, 1, 2], count: 12, fromMs: clogMs + 500, toMs: clogMs + forMs, objects: 1 }),
      ],
      faults: [{ kind: 'clog', atMs: clogMs, edge: edges[random.below(3)] as Edge, forMs }],
      durationMs: clogMs + forMs + 1000,
    };
  },

  /** What a peer was cut off from is compacted meanwhile, so that it gets states. */
  compaction: (random): Aspects => {
    const cutMs = 500 + random.below(500);
    const forMs = 2000 + random.below(1000);
    const compacts = [0, 1].filter(() => random.below(3) > 0);
    const types = ['set', 'counter'] as const;
    return {
      edges: [[0, 1]],
      writers: [0, 1],
      settings: QUICK,
      actions: writing(random, { writers: [0, 1], count: 60, fromMs: 0, toMs: cutMs + forMs + 500, types, objects: 2 }),
      faults: [
        { kind: 'cut', atMs: cutMs, edges: [[0, 1]], forMs },
        ...compacts.map((node) => ({ kind: 'compact', atMs: cutMs + 1200 + random.below(600), node }) as const),
        ...(random.below(2) === 0 ? [{ kind: 'compact', atMs: cutMs + forMs + 800, node: 0 } as const] : []),
      ],
      durationMs: cutMs + forMs + 1500,
    };
  },

  /** Clients go and come back, here and there, to objects that take many pages, and not always to the end of them. */
  returning: (random): Aspects => {
    const actions = writing(random, { writers: [0, 1, 2], count: 60, fromMs: 0, toMs: 4000 });
    const faults: ReplicaFault[] = [];
    for (let atMs = 500; atMs < 4000; atMs += 300 + random.below(500)) {
      const writer = random.below(2) === 0 ? 2 : random.below(2);
      const forMs = 50 + random.below(300);
      actions.push({ atMs, writer, kind: 'offline', forMs });
      if (random.below(2) === 0) actions.push({ atMs, writer, kind: 'move', node: random.below(2) });
      for (let breaks = random.below(4); breaks > 0; breaks -= 1)
        actions.push({ atMs: atMs + forMs + random.below(700), writer, kind: 'reconnect' });
      if (random.below(2) === 0)
        faults.push({ kind: 'clog', atMs: atMs - 300, edge: [0, 1], forMs: 300 + random.below(500) });
      if (random.below(2) === 0)
        faults.push({ kind: 'compact', atMs: atMs + random.below(forMs), node: random.below(2) });
    }
    return {
      edges: [[0, 1]],
      writers: [0, 1, random.below(2)],
      settings: { replicaSizes: { feedBytes: 1000, creditBytes: 4000, lentBytes: 0, patchBytes: 60 } },
      latency: { minMs: 10 + random.below(20), extraMs: random.below(10) },
      actions,
      faults,
      durationMs: 5000,
    };
  },

  /** The clocks of a peer and its clients run ahead of all others. */
  ahead: (random): Aspects => {
    const byMs = 70_000 + random.below(100_000);
    return {
      edges: [[0, 1]],
      writers: [0, 0],
      actions: [
        { atMs: 500, writer: 0, kind: 'turn-clock', byMs },
        ...writing(random, { writers: [0, 1], count: 40, fromMs: 0, toMs: 2000 }),
      ],
      faults: [{ kind: 'clock-jump', atMs: 500, node: 0, byMs }],
      durationMs: 3000,
    };
  },

  /** A client goes on writing when its time is over. */
  overdue: (random): Aspects => ({
    edges: [],
    writers: [0],
    isHeedless: true,
    actions: [
      ...writing(random, { writers: [0], count: 20, fromMs: 0, toMs: 1500 }),
      { atMs: 500, writer: 0, kind: 'turn-clock', byMs: GRANT_OVER_MS },
    ],
    faults: [{ kind: 'clock-jump', atMs: 500, node: 0, byMs: GRANT_OVER_MS }],
    durationMs: 2500,
  }),
} as const satisfies Record<string, (random: Random) => Aspects>;

export type FocusName = keyof typeof FOCUSES;

export const FOCUS_NAMES = Object.keys(FOCUSES) as FocusName[];

export const isFocusName = (name: string): name is FocusName => Object.hasOwn(FOCUSES, name);

/** Null: anything may happen. */
export const drawFocus = (seed: number): FocusName | null => {
  const random = seededRandom(seed, STREAM);
  return random.below(FOCUSED_ONE_IN) === 0 ? (FOCUS_NAMES[random.below(FOCUS_NAMES.length)] as FocusName) : null;
};

/** All nodes are peers. */
export const drawFocusedPlan = (seed: number, name: FocusName): ReplicaPlan => {
  const random = seededRandom(seed, STREAM + 1);
  const aspects = FOCUSES[name](random);
  const nodes = 1 + Math.max(0, ...aspects.edges.flat());
  return {
    seed,
    nodes,
    settings: {},
    encodesEveryHop: false,
    latency: { minMs: random.below(20) / 10, extraMs: random.below(30) / 10 },
    hasDisks: true,
    hasOpDisks: true,
    peers: Array.from({ length: nodes }, (_, node) => node),
    isRelaxed: false,
    scheme: '0262',
    compactAfterMs: 0,
    writerSkewsMs: aspects.writers.map(() => 0),
    isHeedless: false,
    storageMs: 0,
    ...aspects,
    actions: aspects.actions.toSorted((a, b) => a.atMs - b.atMs),
    faults: aspects.faults.toSorted((a, b) => a.atMs - b.atMs),
  };
};

interface Writing {
  readonly writers: readonly number[];
  readonly count: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly types?: readonly ObjectType[];
  readonly objects?: number;
}

const writing = (
  random: Random,
  { writers, count, fromMs, toMs, types = TYPES, objects = 3 }: Writing,
): PlannedAction[] =>
  Array.from({ length: count }, (): PlannedAction => {
    const atMs = fromMs + random.below(toMs - fromMs);
    const writer = writers[random.below(writers.length)] as number;
    const object = random.below(objects);
    const type = types[random.below(types.length)] as ObjectType;
    if (type === 'set' && random.below(3) === 0) return { atMs, writer, kind: 'remove', object };
    return { atMs, writer, kind: 'write', type, object, padding: 0 };
  });
