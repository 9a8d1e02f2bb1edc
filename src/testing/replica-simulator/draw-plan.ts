/** A seed's plan of a database. Each aspect draws from a stream of its own, so that one can change without the others. */
import type { Random } from '../../actors/runtime/env.js';
import type { Settings } from '../../actors/settings.js';
import { seededRandom } from '../../actors/runtime/virtual-time.js';
import { drawEdges, drawPartition } from '../simulator/graph.js';
import type { Edge } from '../simulator/plan.js';
import { drawFocus, drawFocusedPlan } from './focus.js';
import type { ObjectType, PlannedAction, ReplicaFault, ReplicaPlan } from './plan.js';

/** Apart from the streams of nodes, latencies and writers. */
const STREAM = {
  shape: 5_000_000,
  database: 5_000_001,
  actions: 5_000_002,
  faults: 5_000_003,
  sizes: 5_000_004,
  texts: 5_000_005,
} as const;

const DURATION_MS = 40_000;
const FAULTS_FROM_MS = 2000;
const FAULTS_TO_MS = 36_000;
const SCHEMES = ['0262', '0262', '1333', '0163'] as const;
const TYPES: readonly ObjectType[] = ['lww', 'counter', 'set'];

/** Short and about something for every third seed; long, and about anything, for all others. */
export const drawReplicaPlan = (seed: number): ReplicaPlan => {
  const focus = drawFocus(seed);
  return focus === null ? drawWidePlan(seed) : drawFocusedPlan(seed, focus);
};

const drawWidePlan = (seed: number): ReplicaPlan => {
  const shape = seededRandom(seed, STREAM.shape);
  const peerCount = 2 + shape.below(shape.below(3) === 0 ? 6 : 3);
  const nodes = peerCount + shape.below(3);
  const edges = drawEdges(shape, nodes);
  const shuffled = Array.from({ length: nodes }, (_, node) => ({ node, rank: shape.uint32() })).sort(
    (a, b) => a.rank - b.rank,
  );
  const peers = shuffled.slice(0, peerCount).map(({ node }) => node);
  const database = seededRandom(seed, STREAM.database);
  const isSkewed = database.below(4) === 0;
  const writers = Array.from({ length: 1 + database.below(6) }, () => database.below(nodes));
  return {
    seed,
    nodes,
    edges,
    settings: {
      ...(database.below(3) === 0 ? { heartbeatMs: 150, heartbeatTimeoutMs: 700, missedMs: 1500 } : {}),
      ...drawSizes(seededRandom(seed, STREAM.sizes)),
    },
    encodesEveryHop: database.below(8) === 0,
    latency: {
      minMs: database.below(20) / 10,
      extraMs: database.below(3) === 0 ? 5 + database.below(25) : database.below(30) / 10,
    },
    hasDisks: true,
    hasOpDisks: true,
    peers,
    isRelaxed: database.below(6) === 0,
    scheme: SCHEMES[database.below(SCHEMES.length)] as string,
    compactAfterMs: database.below(3) === 0 ? 3000 + database.below(10_000) : 0,
    writers,
    writerSkewsMs: writers.map(() => (isSkewed ? database.below(40_000) - 20_000 : 0)),
    isHeedless: false,
    storageMs: database.below(2) === 0 ? 0 : 1 + database.below(30),
    actions: withTexts(
      seededRandom(seed, STREAM.texts),
      drawActions(seededRandom(seed, STREAM.actions), writers.length, nodes, peers),
    ),
    faults: drawFaults(seededRandom(seed, STREAM.faults), nodes, edges, peers),
    durationMs: DURATION_MS,
  };
};

/** Where messages hold little, things happen between two of them that else take large databases. */
const drawSizes = (random: Random): Partial<Settings> => {
  if (random.below(2) === 0) return {};
  const feedBytes = 50 + random.below(2000);
  const creditBytes = feedBytes + random.below(5000);
  return { replicaSizes: { feedBytes, creditBytes, lentBytes: feedBytes, patchBytes: 50 + random.below(2000) } };
};

const drawActions = (random: Random, writers: number, nodes: number, peers: readonly number[]): PlannedAction[] => {
  const actions: PlannedAction[] = [];
  const objects = 1 + random.below(3);
  const pads = random.below(4) === 0;
  const restless = [0, 1, 4, 12][random.below(4)] as number;
  const count = 60 + random.below(240);
  for (let i = 0; i < count; i += 1) {
    let atMs = random.below(DURATION_MS);
    const writer = random.below(writers);
    if (random.below(100) < restless) {
      actions.push({ atMs, writer, ...drawMove(random, nodes, peers) });
      // What is under way when a writer moves is what it hurts.
      atMs += random.below(60) - 30;
    }
    for (let left = 1 + random.below(4); left > 0; left -= 1) {
      const type = TYPES[random.below(3)] as ObjectType;
      const object = random.below(objects);
      if (type === 'set' && random.below(3) === 0) actions.push({ atMs, writer, kind: 'remove', object });
      else {
        const padding = pads && random.below(5) === 0 ? random.below(20_000) : 0;
        actions.push({ atMs, writer, kind: 'write', type, object, padding });
      }
      atMs += random.below(2) === 0 ? 0 : random.below(40);
    }
  }
  return actions.sort((a, b) => a.atMs - b.atMs);
};

/** In one of four plans some of what is written is written to texts. */
const withTexts = (random: Random, actions: readonly PlannedAction[]): PlannedAction[] => {
  if (random.below(4) > 0) return [...actions];
  return actions.map((action) => {
    const isText = random.below(2) === 0;
    if (isText && action.kind === 'write' && action.type === 'lww') return { ...action, type: 'text', padding: 0 };
    return isText && action.kind === 'remove' ? { ...action, type: 'text' } : action;
  });
};

type Move = PlannedAction extends infer A ? (A extends PlannedAction ? Omit<A, 'atMs' | 'writer'> : never) : never;

const drawMove = (random: Random, nodes: number, peers: readonly number[]): Move => {
  switch (random.below(6)) {
    case 0:
      return { kind: 'reconnect' };
    case 1:
      return { kind: 'offline', forMs: 100 + random.below(8000) };
    case 2:
      return { kind: 'restart', isCrash: random.below(2) === 0, forMs: 10 + random.below(3000) };
    default:
      return {
        kind: 'move',
        node: random.below(4) === 0 ? random.below(nodes) : (peers[random.below(peers.length)] as number),
      };
  }
};

const drawFaults = (
  random: Random,
  nodes: number,
  edges: readonly Edge[],
  peers: readonly number[],
): ReplicaFault[] => {
  const faults: ReplicaFault[] = [];
  const count = random.below(10);
  const isDiskHurt = random.below(3) === 0;
  const draw = (atMs: number): ReplicaFault => {
    const node = random.below(nodes);
    const peer = peers[random.below(peers.length)] as number;
    const edge = edges[random.below(edges.length)] as Edge;
    switch (random.below(11)) {
      case 0:
      case 1:
        return { kind: 'cut', atMs, edges: drawPartition(random, nodes, edges), forMs: 100 + random.below(10_000) };
      case 2:
        return { kind: 'cut', atMs, edges: [edge], forMs: 100 + random.below(10_000) };
      case 3:
        return { kind: 'crash', atMs, node: peer, forMs: 50 + random.below(6000) };
      case 4:
        return { kind: 'leave', atMs, node, forMs: 100 + random.below(6000) };
      case 5:
        return { kind: 'half-open', atMs, edge, isBoth: random.below(3) === 0, forMs: 100 + random.below(5000) };
      case 6:
        return { kind: 'pause', atMs, node, forMs: 100 + random.below(4000) };
      case 7:
        return { kind: 'reset', atMs, edge };
      case 8:
        return { kind: 'clog', atMs, edge, forMs: 100 + random.below(3000) };
      case 9:
        return { kind: 'compact', atMs, node: peer };
      default:
        return random.below(2) === 0
          ? { kind: 'join-peers', atMs, node }
          : { kind: 'clock-jump', atMs, node, byMs: random.below(20_000) - 10_000 };
    }
  };
  for (let i = 0; i < count; i += 1) faults.push(draw(FAULTS_FROM_MS + random.below(FAULTS_TO_MS - FAULTS_FROM_MS)));
  if (isDiskHurt) {
    const atMs = 8000 + random.below(FAULTS_TO_MS - 8000);
    const node = peers[random.below(peers.length)] as number;
    const byMs = random.below(4) === 0 ? null : 200 + random.below(7000);
    faults.push({ kind: 'set-back', atMs, node, byMs, forMs: 50 + random.below(4000) });
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
};
