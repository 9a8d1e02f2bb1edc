/** What two peers of a database tell each other when they begin to speak: the `info` of `peerOn`. */
import type { LogPosition } from '../../store/log-position.js';
import { parseNodeId } from '../../store/node-id.js';
import type { NodeId } from '../../store/node-id.js';
import type { Info } from '../../transport/message.js';
import { parseOptions } from '../database-options.js';
import type { DatabaseOptions } from '../database-options.js';

export interface PeerInfo {
  /** The sender's peer id, the present incarnation of its log, and what of it there is. */
  readonly peer: string;
  readonly log: NodeId;
  readonly length: number;
  readonly floor: number;
  /** The sender knows the receiver's number and where its feed begins. */
  readonly isReady: boolean;
  /** Of the sender's log the receiver gets the entries from here on, and before them states if it lacks what was below. */
  readonly start: number;
  readonly hasStates: boolean;
  /** The sender wants ops to be mentioned only. */
  readonly isLazy: boolean;
  /** What the sender has of the receiver's log; null: nothing that it knows of. */
  readonly position: LogPosition | null;
  /** The chains of the sender; null where they are too many. */
  readonly chains: Uint8Array | null;
  /** A transfer of states that broke off: from which peer, of which floor, up to which object. */
  readonly absorbing: { readonly peer: string; readonly floor: number; readonly after: string } | null;
  readonly options: DatabaseOptions;
}

/** As it travels. `trust` has its place for peers that prove who they are. */
export const infoOfPeer = (info: PeerInfo): Info => ({ ...info, trust: null });

/** Null if it is none: what another node says is a claim. */
export function parsePeerInfo(info: Info): PeerInfo | null {
  const { peer, length, floor, isReady, start, hasStates, isLazy } = info;
  const log = parseLog(info['log']);
  if (!isName(peer) || log === null || !isIndex(length) || !isIndex(floor) || !isIndex(start)) return null;
  if (typeof isReady !== 'boolean' || typeof hasStates !== 'boolean' || typeof isLazy !== 'boolean') return null;
  const position = parsePosition(info['position']);
  const absorbing = parseAbsorbing(info['absorbing']);
  const chains = info['chains'] ?? null;
  const options = typeof info['options'] === 'object' ? parseOptions((info['options'] ?? {}) as Info) : null;
  if (position === undefined || absorbing === undefined || options === null) return null;
  if (chains !== null && !(chains instanceof Uint8Array)) return null;
  return { peer, log, length, floor, isReady, start, hasStates, isLazy, position, chains, absorbing, options };
}

function parsePosition(value: unknown): PeerInfo['position'] | undefined {
  if (value === null || value === undefined) return null;
  const { log: text, index } = value as Record<string, unknown>;
  const log = parseLog(text);
  return log !== null && isIndex(index) ? { log, index } : undefined;
}

function parseAbsorbing(value: unknown): PeerInfo['absorbing'] | undefined {
  if (value === null || value === undefined) return null;
  const { peer, floor, after } = value as Record<string, unknown>;
  return isName(peer) && isIndex(floor) && typeof after === 'string' ? { peer, floor, after } : undefined;
}

const parseLog = (value: unknown): NodeId | null => (typeof value === 'string' ? parseNodeId(value) : null);

const isName = (value: unknown): value is string => typeof value === 'string' && /^[0-9A-Za-z_~]{1,10}$/.test(value);

const isIndex = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
