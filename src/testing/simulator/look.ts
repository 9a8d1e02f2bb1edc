/** Looks into the actors of a node, where no message tells enough: for checkers only, and without changing anything. */
import { ActorRef } from '../../actors/runtime/cell.js';
import type { Cell } from '../../actors/runtime/cell.js';
import type { LocalStore } from '../../actors/local-store/local-store.js';
import type { Directory } from '../../actors/directory.js';
import type { Router } from '../../actors/router/router.js';
import type { DirectoryTable } from '../../store/directory-table.js';
import { FIRST_POSITION, keyPageOf } from '../../store/key-page.js';
import type { Keyspace } from '../../store/keyspace.js';
import type { Stamp } from '../../store/stamp.js';
import type { Topology } from '../../store/topology.js';
import type { NodeLife } from '../node-life.js';

/** An actor right below the node; null if it has ended. */
const actorOf = (life: NodeLife, name: string): Cell | null => ActorRef.cellOf(life.node).children?.get(name) ?? null;

export const keyspaceOf = (life: NodeLife): Keyspace | null =>
  (actorOf(life, 'local-store')?.state as LocalStore | null | undefined)?.keyspace ?? null;

/** The keys of all entries with a value, expired or not. */
export const keysIn = (life: NodeLife): string[] => {
  const keyspace = keyspaceOf(life);
  return keyspace === null ? [] : [...keyPageOf(keyspace, '', FIRST_POSITION, Infinity, 0).keys];
};

/** Whether there is an entry of the key, a tombstone too. */
export const holds = (life: NodeLife, key: string, atMs: number): boolean =>
  keyspaceOf(life)?.peekAny(key, atMs) !== undefined;

/** By key: the stamps of all entries with a value. */
export const stampsIn = (life: NodeLife, atMs: number): ReadonlyMap<string, Stamp> => {
  const stamps = new Map<string, Stamp>();
  for (const key of keysIn(life)) {
    const entry = keyspaceOf(life)?.peekAny(key, atMs);
    if (entry !== undefined) stamps.set(key, { time: entry.time, origin: entry.origin });
  }
  return stamps;
};

export const tableOf = (life: NodeLife): DirectoryTable | null =>
  (actorOf(life, 'directory')?.state as Directory | null | undefined)?.table ?? null;

export const topologyOf = (life: NodeLife): Topology | null =>
  (actorOf(life, 'router')?.state as Router | null | undefined)?.topology ?? null;

/** All actors of a node, itself first. */
export const actorsOf = (life: NodeLife): Cell[] => {
  const found = [ActorRef.cellOf(life.node)];
  for (const cell of found) found.push(...(cell.children?.values() ?? []));
  return found;
};
