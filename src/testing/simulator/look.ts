/** Looks into the actors of a node, where no message tells enough: for checkers only, and without changing anything. */
import { ActorRef } from '../../actors/runtime/cell.js';
import type { Cell } from '../../actors/runtime/cell.js';
import type { LocalStore } from '../../actors/local-store/local-store.js';
import type { Keyspace } from '../../store/keyspace.js';
import type { NodeLife } from '../node-life.js';

/** An actor right below the node; null if it has ended. */
const actorOf = (life: NodeLife, name: string): Cell | null => ActorRef.cellOf(life.node).children?.get(name) ?? null;

export const keyspaceOf = (life: NodeLife): Keyspace | null =>
  (actorOf(life, 'local-store')?.state as LocalStore | null | undefined)?.keyspace ?? null;

/** All actors of a node, itself first. */
export const actorsOf = (life: NodeLife): Cell[] => {
  const found = [ActorRef.cellOf(life.node)];
  for (const cell of found) found.push(...(cell.children?.values() ?? []));
  return found;
};
