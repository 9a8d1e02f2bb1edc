/** The run by which the simulator's speed is told: 10 nodes in a ring, 100 operations per second, no fault. */
import { edgesOf } from '../shape.js';
import { seededRandom } from '../../actors/runtime/virtual-time.js';
import { DEFAULT_SETTINGS } from '../../actors/settings.js';
import type { Plan, PlannedRequest } from './plan.js';

const NODES = 10;
const KEYS = 100;
const DURATION_MS = 60_000;
const GAP_MS = 10;
const READS_PERCENT = 70;

export const speedPlan = (): Plan => {
  const random = seededRandom(1, 1);
  const { heartbeatMs, heartbeatTimeoutMs } = DEFAULT_SETTINGS;
  return {
    about: null,
    seed: 1,
    nodes: NODES,
    edges: edgesOf('ring', NODES),
    settings: { heartbeatMs, heartbeatTimeoutMs },
    encodesEveryHop: false,
    latency: { minMs: 0.5, extraMs: 1 },
    clientsStay: false,
    watchers: [],
    hasDisks: false,
    clients: Array.from({ length: NODES }, (_, node) => node),
    requests: Array.from({ length: DURATION_MS / GAP_MS }, (_, i): PlannedRequest => {
      const key = random.below(KEYS);
      const isRead = random.below(100) < READS_PERCENT;
      return {
        atMs: i * GAP_MS,
        client: isRead ? random.below(NODES) : key % NODES,
        key: `key-${key}`,
        kind: isRead ? 'get' : 'set',
        condition: null,
        ttlMs: 0,
        by: 0,
        padding: 0,
        retries: 0,
      };
    }),
    faults: [],
    durationMs: DURATION_MS,
  };
};
