/** What a node has and says of itself when a run is over. */
import type { NodeLife } from '../node-life.js';
import type { NodeEvidence, StoredEntry } from './evidence.js';
import { actorsOf, keyspaceOf } from './look.js';
import { numberIn } from './workload-client.js';
import type { SimulatedNode, World } from './world.js';

/** All counters of a node that runs, as `actor.counter`. */
export const countersOf = (world: World, node: SimulatedNode): Map<string, number> => {
  const found = new Map<string, number>();
  if (node.life === null || node.life.isPaused) return found;
  for (const [actor, counters] of Object.entries(world.inspect(node, 'counters') ?? {})) {
    for (const [name, count] of Object.entries((counters ?? {}) as Record<string, number>)) {
      found.set(`${actor}.${name}`, count);
    }
  }
  return found;
};

/** Null of a node that is gone. */
export const lookAt = (world: World, node: SimulatedNode, keys: readonly string[]): NodeEvidence | null => {
  const life = node.life as NodeLife;
  const keyspace = keyspaceOf(life);
  if (keyspace === null) return null;
  // What has expired and was not swept yet takes room, and can't be seen.
  keyspace.expire(world.nowMs, Infinity);
  const entries = new Map<string, StoredEntry>();
  for (const key of keys) {
    const entry = keyspace.peekAny(key, world.nowMs);
    if (entry === undefined) continue;
    const bytes = Buffer.byteLength(key) + entry.valueBytes;
    entries.set(key, { value: entry.isTombstone ? null : numberIn(keyspace.read(entry)), time: entry.time, bytes });
  }
  const counters = countersOf(world, node);
  const { sent, processed, queued, stashed, dropped, dead } = life.runtime.counters;
  return {
    node: node.index,
    entries,
    keyCount: counters.get('store.keys') ?? NaN,
    byteCount: counters.get('store.bytes') ?? NaN,
    open: counters.get('finder.open') ?? NaN,
    lookups: counters.get('finder.lookups') ?? NaN,
    messages: {
      sent,
      accounted: processed + queued + stashed + dropped.overflow + dropped.decision + dropped.refused + dead,
    },
    mailboxes: actorsOf(life).map(({ ref, depthMax, kind }) => ({
      path: ref.path,
      depthMax,
      capacity: kind.capacity,
    })),
  };
};
