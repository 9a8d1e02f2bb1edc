/** What a node has and says of itself when a run is over. */
import { BUCKETS, KeyHasher, textOf } from '../../store/key-hash.js';
import type { Claimed, DirectoryTable } from '../../store/directory-table.js';
import type { Keyspace } from '../../store/keyspace.js';
import type { NodeLife } from '../node-life.js';
import type { NodeEvidence, StoredEntry } from './evidence.js';
import { actorsOf, keyspaceOf, tableOf } from './look.js';
import { numberIn } from './workload-client.js';
import type { SimulatedNode, World } from './world.js';

/** All counters of a node that runs, as `actor.counter`. */
export const countersOf = (world: World, node: SimulatedNode): Map<string, number> => {
  const found = new Map<string, number>();
  for (const [actor, counters] of Object.entries(countedBy(world, node))) {
    for (const [name, count] of Object.entries(counters ?? {})) found.set(`${actor}.${name}`, count);
  }
  return found;
};

/** One of them, which costs less than all; 0 of a node that does not run. */
export const counterOf = (world: World, node: SimulatedNode, actor: string, name: string): number =>
  countedBy(world, node)[actor]?.[name] ?? 0;

const countedBy = (world: World, node: SimulatedNode): Counted =>
  node.life === null || node.life.isPaused ? {} : ((world.inspect(node, 'counters') ?? {}) as Counted);

/** By actor; null of one that did not answer. */
type Counted = Readonly<Record<string, Readonly<Record<string, number>> | null>>;

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
    entries.set(key, {
      value: entry.isTombstone ? null : numberIn(keyspace.read(entry)),
      time: entry.time,
      bytes,
      expiresAtMs: entry.expiresAtMs,
    });
  }
  const hasher = new KeyHasher(life.identity.hashSecret);
  const names = new Map(keys.map((key) => [textOf(hasher.hash(key)), key]));
  const counters = countersOf(world, node);
  const { sent, processed, queued, stashed, dropped, dead } = life.runtime.counters;
  return {
    node: node.index,
    id: life.identity.node,
    entries,
    owned: ownedIn(keyspace, names),
    directory: claimsIn(tableOf(life), names),
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

/** `names`: keys by the texts of their hashes. */
type Names = ReadonlyMap<string, string>;

const ownedIn = ({ owned }: Keyspace, names: Names): Map<string, number> => {
  const found = new Map<string, number>();
  for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
    if ((owned.digestOf(bucket)?.count ?? 0) === 0) continue;
    for (const { hash, claim } of owned.entriesOf(bucket)) found.set(nameOf(hash, names), claim);
  }
  return found;
};

const claimsIn = (table: DirectoryTable | null, names: Names): Map<string, Claimed> => {
  const found = new Map<string, Claimed>();
  if (table === null) return found;
  for (const owner of table.owners()) {
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      for (const { hash, claim } of table.entriesOf(bucket, owner)) found.set(nameOf(hash, names), { owner, claim });
    }
  }
  return found;
};

const nameOf = (hash: Uint8Array, names: Names): string => names.get(textOf(hash)) ?? Buffer.from(hash).toString('hex');
