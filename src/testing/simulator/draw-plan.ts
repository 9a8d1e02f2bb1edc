/**
 * A seed's plan. Each aspect draws from a stream of its own, so that one aspect can change without the others. Options
 * are switched on and off as a whole first, then drawn: a run with few kinds of faults finds what one with all hides.
 */
import type { Random } from '../../actors/runtime/env.js';
import { seededRandom } from '../../actors/runtime/virtual-time.js';
import type { Settings } from '../../actors/settings.js';
import { harmlessMs } from './disturbance.js';
import { drawFocus } from './focus.js';
import type { Focus } from './focus.js';
import { areDispensable, drawEdges, drawNodeCount, drawPartition, isRedundant } from './graph.js';
import type { Edge, FaultKind, Plan, PlannedFault, PlannedRequest } from './plan.js';
import { SIMULATION_SETTINGS } from './settings.js';

/** Apart from the streams of nodes, latencies and clients. */
const STREAM = {
  shape: 3_000_000,
  settings: 3_000_001,
  requests: 3_000_002,
  faults: 3_000_003,
  focus: 3_000_004,
} as const;

const DURATION_MS = 60_000;
const REQUESTS_MIN = 600;
const FAULTS_MIN = 5;
/** No fault before, and none after: time to begin, and to see what follows. */
const FAULTS_FROM_MS = 4000;
const FAULTS_TO_MS = 54_000;

export const drawPlan = (seed: number): Plan => {
  const focusRandom = seededRandom(seed, STREAM.focus);
  const focus = drawFocus(focusRandom);
  const shape = seededRandom(seed, STREAM.shape);
  const nodes = focus === null ? drawNodeCount(shape) : FOCUS_NODES_MIN + shape.below(FOCUS_NODES_MORE);
  const edges = drawEdges(shape, nodes);
  const settings = { ...drawSettings(seededRandom(seed, STREAM.settings)), ...focus?.settings };
  const clients = Array.from({ length: 2 + shape.below(9) }, () => shape.below(nodes));
  const latency = {
    minMs: shape.below(20) / 10,
    extraMs:
      focus !== null
        ? shape.below(focus.extraMsMax)
        : shape.below(3) === 0
          ? 5 + shape.below(25)
          : shape.below(30) / 10,
  };
  const encodesEveryHop = shape.below(8) === 0;
  const isCalm = shape.below(2) === 0;
  const all = { ...SIMULATION_SETTINGS, ...settings };
  const faults = drawFaults(seededRandom(seed, STREAM.faults), isCalm, focus, nodes, edges, all);
  const times = faults.map(({ atMs }) => atMs);
  const ends = focus === null ? [] : faults.flatMap((fault) => ('forMs' in fault ? [fault.atMs + fault.forMs] : []));
  return {
    about: null,
    seed,
    nodes,
    edges,
    settings,
    encodesEveryHop,
    latency,
    clients,
    clientsStay: false,
    watchers: focusRandom.below(3) === 0 ? [focusRandom.below(nodes), focusRandom.below(nodes)] : [],
    hasDisks: focusRandom.below(4) === 0,
    requests: drawRequests(seededRandom(seed, STREAM.requests), clients.length, { times, ends, focus }),
    faults,
    durationMs: DURATION_MS,
  };
};

const drawSettings = (random: Random): Partial<Settings> => {
  const isOn = (oneIn: number): boolean => random.below(oneIn) === 0;
  return {
    ...(isOn(4) ? { inFlightMax: 1 + random.below(4) } : {}),
    ...(isOn(4) ? { keysMax: 3 + random.below(20) } : {}),
    ...(isOn(4) ? { storeBytesMax: 150 + random.below(4000) } : {}),
    ...(isOn(4) ? { requestTimeoutMs: 300 + random.below(1500) } : {}),
    ...(isOn(4) ? { heartbeatMs: 150, heartbeatTimeoutMs: 700 } : {}),
    ...(isOn(4) ? { missedMs: 1500 } : {}),
    ...(isOn(6) ? { backlogBytesMax: 65_536 } : {}),
    ...(isOn(6) ? { drainMs: 500 } : {}),
    ...(isOn(4) ? { policy: 'refuse' } : {}),
  };
};

const drawRequests = (
  random: Random,
  clients: number,
  around: { readonly times: readonly number[]; readonly ends: readonly number[]; readonly focus: Focus | null },
): PlannedRequest[] => {
  const { times, ends, focus } = around;
  const count = REQUESTS_MIN + random.below(1400);
  const hotKeys = 1 + random.below(4);
  const coldKeys = 5 + random.below(focus?.coldKeysMax ?? 120);
  const expires = focus?.expires ?? random.below(3) === 0;
  const ttlMsMax = focus?.ttlMsMax ?? 5000;
  const pads = random.below(3) === 0;
  const reads = 30 + random.below(focus?.readsMax ?? 50);
  const deletes = 2 + random.below(focus?.deletesMax ?? 18);
  const requests: PlannedRequest[] = [];
  const meanGapMs = DURATION_MS / count;
  const ask = (atMs: number, place: number, someone: number): void => {
    const dice = random.below(100);
    const isChange = dice >= reads + deletes;
    const kind = dice < reads ? 'get' : !isChange ? 'delete' : random.below(12) === 0 ? 'touch' : changeOf(place);
    const isSet = kind === 'set';
    const hasEnd = kind === 'touch' || (isSet && expires && random.below(4) === 0);
    requests.push({
      atMs: Math.max(0, Math.min(Math.round(atMs * 10) / 10, DURATION_MS)),
      client: someone,
      key: focus === null ? `key-${place}` : `key-${place}-${Math.floor(atMs / focus.keysLastMs)}`,
      kind,
      condition: isSet && random.below(6) === 0 ? (random.below(2) === 0 ? 'absent' : 'present') : null,
      ttlMs: hasEnd ? 50 + random.below(ttlMsMax) : 0,
      by: kind === 'incr' ? 1 + random.below(9) : 0,
      padding: isSet && pads && random.below(3) === 0 ? random.below(300) : 0,
      retries: random.below(3),
    });
  };
  let atMs = 0;
  while (requests.length < count) {
    atMs += exponential(random, meanGapMs * BURST_MEAN);
    const isHot = random.below(100) < 60;
    const place = isHot ? random.below(hotKeys) : hotKeys + random.below(coldKeys);
    const someone = random.below(clients);
    // Several requests of one session on one key at once: their order is promised.
    for (let left = 1 + random.below(BURST_MEAN * 2 - 1); left > 0; left -= 1) ask(atMs, place, someone);
  }
  // What is under way when a fault strikes is what it hurts.
  for (const faultMs of times) {
    for (let left = random.below(AROUND_FAULT_MAX); left > 0; left -= 1) {
      ask(faultMs - AROUND_FAULT_MS + random.below(2 * AROUND_FAULT_MS), random.below(hotKeys), random.below(clients));
    }
  }
  // When its parts meet again, they compare what they have.
  for (const endMs of ends) {
    for (let left = random.below(AFTER_FAULT_MAX); left > 0; left -= 1) {
      ask(endMs + random.below(AFTER_FAULT_MS), random.below(hotKeys), random.below(clients));
    }
  }
  return requests.sort((a, b) => a.atMs - b.atMs);
};

/** Some keys are counters, all others hold values that are written once. */
const changeOf = (place: number): 'incr' | 'set' => (place % 7 === 3 ? 'incr' : 'set');

const BURST_MEAN = 2;
const AROUND_FAULT_MS = 25;
const FOCUS_NODES_MIN = 3;
const FOCUS_NODES_MORE = 5;
const AROUND_FAULT_MAX = 30;
const AFTER_FAULT_MS = 1000;
const AFTER_FAULT_MAX = 60;

const CALM: readonly FaultKind[] = ['clog', 'pause', 'reset', 'clock-jump', 'clock-drift', 'join', 'leave'];
const STORMY: readonly FaultKind[] = [...CALM, 'cut', 'half-open', 'crash'];

const drawFaults = (
  random: Random,
  isCalm: boolean,
  focus: Focus | null,
  nodes: number,
  edges: readonly Edge[],
  settings: Settings,
): PlannedFault[] => {
  const possible = (isCalm ? CALM : STORMY).filter(
    (kind) => nodes > 1 || !['clog', 'reset', 'cut', 'half-open', 'join'].includes(kind),
  );
  const chosen = possible.filter(() => random.below(2) === 0);
  const kinds = focus?.faults ?? (chosen.length === 0 ? possible : chosen);
  const harmless = harmlessMs(settings);
  const lastsMs = (longestMs: number): number =>
    Math.round(
      isCalm || random.below(3) === 0 ? 1 + random.below(harmless) : random.below(focus?.lastsMsMax ?? longestMs),
    );
  const redundant = edges.filter((edge) => isRedundant(nodes, edges, edge));
  const joined = new Set<number>();
  const faults: PlannedFault[] = [];
  for (let left = (focus?.faultsMin ?? FAULTS_MIN) + random.below(8); left > 0; left -= 1) {
    const kind = kinds[random.below(kinds.length)] as FaultKind;
    const former = faults.at(-1)?.atMs;
    const isPaired = focus !== null && former !== undefined && random.below(2) === 0;
    const atMs = isPaired
      ? former + random.below(focus.pairedWithinMs)
      : FAULTS_FROM_MS + random.below(FAULTS_TO_MS - FAULTS_FROM_MS);
    const node = random.below(nodes);
    const candidates = isCalm && kind === 'reset' ? redundant : edges;
    const edge = candidates[random.below(candidates.length)];
    const goneMsMax = focus?.lastsMsMax ?? 12_000;
    const fault = drawFault(random, kind, { atMs, node, edge, nodes, edges, lastsMs, goneMsMax });
    // The swarm is one before they join, and no node joins twice.
    const isVain =
      fault?.kind === 'join' && (joined.has(node) || !areDispensable(nodes, edges, new Set([...joined, node])));
    if (fault?.kind === 'join' && !isVain) joined.add(node);
    // Where that fault can't be, a clock jumps: no node minds.
    faults.push(fault === null || isVain ? { kind: 'clock-jump', atMs, node, byMs: drawJump(random) } : fault);
  }
  return faults.sort((a, b) => a.atMs - b.atMs);
};

const HOUR_MS = 3_600_000;
const drawJump = (random: Random): number => random.below(2 * HOUR_MS) - HOUR_MS;

const drawFault = (
  random: Random,
  kind: FaultKind,
  at: {
    readonly atMs: number;
    readonly node: number;
    readonly edge: Edge | undefined;
    readonly nodes: number;
    readonly edges: readonly Edge[];
    readonly lastsMs: (longestMs: number) => number;
    readonly goneMsMax: number;
  },
): PlannedFault | null => {
  const { atMs, node, edge, nodes, edges, lastsMs, goneMsMax } = at;
  switch (kind) {
    case 'clog':
      return edge === undefined ? null : { kind, atMs, edge, forMs: lastsMs(6000) };
    case 'reset':
      return edge === undefined ? null : { kind, atMs, edge };
    case 'cut':
      return { kind, atMs, edges: drawPartition(random, nodes, edges), forMs: 100 + random.below(goneMsMax) };
    case 'half-open': {
      if (edge === undefined) return null;
      const way: Edge = random.below(2) === 0 ? edge : [edge[1], edge[0]];
      return { kind, atMs, edge: way, isBoth: random.below(3) === 0, forMs: 100 + random.below(8000) };
    }
    case 'crash':
    case 'leave':
      return { kind, atMs, node, forMs: 100 + random.below(goneMsMax) };
    case 'pause':
      return { kind, atMs, node, forMs: lastsMs(8000) };
    case 'clock-jump':
      return { kind, atMs, node, byMs: drawJump(random) };
    case 'clock-drift':
      return { kind, atMs, node, rate: random.below(200) - 100 };
    case 'join':
      return { kind, atMs, node };
  }
};

export const exponential = (random: Random, mean: number): number => -Math.log(1 - random.uint32() / 2 ** 32) * mean;
