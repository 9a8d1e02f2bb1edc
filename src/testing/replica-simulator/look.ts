/** Looks into the replicas of nodes and at their disks, for checkers only, and without changing anything. */
import { ActorRef } from '../../actors/runtime/cell.js';
import type { Replica } from '../../actors/replica/replica.js';
import { CHAINS_RECORD } from '../../actors/replica/store.js';
import { ItemReader } from '../../store/op.js';
import { OpChains } from '../../store/op-chain.js';
import type { MemoryOpDisks } from '../../disk/memory-op-disk.js';
import type { NodeLife } from '../node-life.js';
import { actorsOf } from '../simulator/look.js';
import { isAlive } from '../simulator/world.js';
import type { SimulatedNode } from '../simulator/world.js';
import { opIdOf } from './evidence.js';
import type { LogEvidence } from './evidence.js';

export const DATABASE = 'db';

type Kept = NonNullable<Replica['kept']>;

/** What the node keeps of the database; null while it does not hold it, or reads it. */
export const keptOf = (node: SimulatedNode): Kept | null => {
  if (!isAlive(node)) return null;
  const databases = ActorRef.cellOf((node.life as NodeLife).node).children?.get('databases');
  const replica = databases?.children?.get(`database-${DATABASE}`)?.state as Replica | null | undefined;
  return replica?.kept ?? null;
};

/** The stored entries from that index on, as ids. */
export const entriesOf = ({ store }: Kept, from: number): string[] => {
  const entries: string[] = [];
  for (let index = Math.max(from, store.log.floor); index < store.stored;) {
    const segment = store.log.segmentAt(index);
    if (segment === null) break;
    for (let i = index - segment.index; i < segment.count && index < store.stored; i += 1, index += 1) {
      entries.push(opIdOf(segment.origins[i] as string, segment.times[i] as number));
    }
  }
  return entries;
};

/** The times of the ops that those follow on. */
const prevTimesOf = ({ store }: Kept): number[] => {
  const times: number[] = [];
  const reader = new ItemReader();
  for (let index = store.log.floor; index < store.stored; index += 1) {
    const segment = store.log.segmentAt(index);
    if (segment === null || reader.readAt(segment.bytes, segment.starts[index - segment.index] as number) !== null)
      break;
    times.push(reader.prevTime);
  }
  return times;
};

const snapshotsOf = ({ store }: Kept): LogEvidence['snapshots'] => {
  const snapshots = new Map<string, { readonly vector: ReadonlyMap<string, number>; readonly view: unknown }>();
  for (const { object } of store.keptStates('', Infinity)) {
    const state = store.keptObject(object);
    if (state !== null) snapshots.set(object, { vector: state.vector, view: state.view() });
  }
  return snapshots;
};

/** What a follower has, as it says, of objects of the log: by name, the last op of each origin. */
export type Held = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** An op before that position of the log, of objects of that kind, that the follower does not have; null: it has all. */
export const lackAt = (
  { store }: Kept,
  index: number,
  covers: (name: string) => boolean,
  held: Held,
): string | null => {
  const isHeld = (name: string, origin: string, time: number): boolean => (held.get(name)?.get(origin) ?? 0) >= time;
  for (const kept of store.keptStates('', Infinity)) {
    if (kept.index > index || !covers(kept.object)) continue;
    for (const [origin, time] of store.keptObject(kept.object)?.vector ?? []) {
      if (!isHeld(kept.object, origin, time)) return `${opIdOf(origin, time)} of ${kept.object}`;
    }
  }
  for (let at = store.log.floor; at < Math.min(index, store.stored); at += 1) {
    const name = store.log.nameOf(store.log.objectAt(at));
    const segment = covers(name) ? store.log.segmentAt(at) : null;
    if (segment === null) continue;
    const [origin, time] = [segment.origins[at - segment.index] as string, segment.times[at - segment.index] as number];
    if (!isHeld(name, origin, time)) return `${opIdOf(origin, time)} of ${name}`;
  }
  return null;
};

const timesOf = (chains: OpChains): Map<string, number> =>
  new Map([...chains.origins()].map((origin) => [origin, chains.lastTime(origin)]));

export const logOf = (node: SimulatedNode, kept: Kept, objects: readonly string[]): LogEvidence => {
  const { store } = kept;
  const states = new Map<string, { readonly encoded: string; readonly view: unknown }>();
  for (const name of objects) {
    const state = store.stateOf(name);
    if (state === null) continue;
    states.set(name, { encoded: Buffer.from(state.encode()).toString('hex'), view: state.view() });
  }
  return {
    node: node.index,
    floor: store.log.floor,
    entries: entriesOf(kept, 0),
    prevTimes: prevTimesOf(kept),
    last: timesOf(store.chains),
    lastAtFloor: timesOf(store.floorChains),
    chainDigest: store.chains.digest(),
    states,
    snapshots: snapshotsOf(kept),
    mailboxes: actorsOf(node.life as NodeLife).map(({ ref, depthMax, kind }) => ({
      path: ref.path,
      depthMax,
      capacity: kind.capacity,
    })),
  };
};

/** Whether the node's disk has the op for good. */
export const isOnDisk = (disks: MemoryOpDisks, origin: string, time: number): boolean => {
  const medium = disks.copy().get(DATABASE);
  if (medium === undefined) return false;
  const record = medium.records.get(CHAINS_RECORD);
  const chains = record === undefined ? null : OpChains.decode(record);
  for (const other of chains?.origins() ?? []) {
    if (other === origin && (chains as OpChains).lastTime(other) >= time) return true;
  }
  const reader = new ItemReader();
  for (const { bytes, count } of medium.segments.toReversed()) {
    let start = 0;
    for (let i = 0; i < count && reader.readAt(bytes, start) === null; i += 1) {
      if (reader.origin === origin && reader.time >= time) return true;
      start = reader.end;
    }
  }
  return false;
};
