/** What a channel to another peer has in common with its parts: what they know of the replica, and of the channel. */
import type { LogPosition } from '../../store/log-position.js';
import type { NodeId } from '../../store/node-id.js';
import type { DatabaseOptions } from '../database-options.js';
import type { PeerMessage } from '../message.js';
import type { ReplicaSizes } from '../settings.js';
import type { ReplicaCounts } from './counts.js';
import type { FeedCredit } from './feed-credit.js';
import type { PeerInfo } from './peer-info.js';
import type { ReplicaStore } from './store.js';

/** What a channel knows of its replica. */
export interface FeedReplica {
  readonly node: NodeId;
  readonly database: string;
  peer(): string;
  readonly options: DatabaseOptions;
  readonly sizes: ReplicaSizes;
  readonly store: ReplicaStore;
  readonly counts: ReplicaCounts;
  readonly credit: FeedCredit;
  /** The present incarnation of the log. */
  log(): NodeId;
  /** Where that position is in the log now; null if nobody can tell (RULES RE). */
  resume(position: LogPosition): number | null;
  nextChannel(): number;
  nowMs(): number;
  send(message: PeerMessage): void;
  /** Calls `pump` again in a later turn. */
  pumpLater(): void;
  /** Another peer has all entries below that index. */
  onConfirmed(index: number): void;
  /** Ops of that origin up to that time are at another peer. */
  onSpread(origin: NodeId, time: number): void;
  /** The channel has come so far that nothing is missing that the other peer had. */
  onCaughtUp(): void;
  /** Takes states in on behalf of this channel; false if another channel does. */
  beginAbsorbing(node: NodeId): boolean;
  /** This channel brings none, or no more for now; `peer`: nor will that peer, since its log says all. */
  giveUpAbsorbing(node: NodeId, peer: string | null): void;
  absorb(name: string, state: Uint8Array): boolean;
  /**
   * All states are here: what they cover. `onDone` is told when that counts here, or false if it can't; it tells whether the
   * channel still expects it: then all channels begin anew.
   */
  endAbsorbing(chains: Uint8Array, onDone: (isDone: boolean) => boolean): void;
  absorbing(): PeerInfo['absorbing'];
  noteAbsorbing(absorbing: PeerInfo['absorbing']): void;
  say(level: 'warn' | 'info', text: string, fields: Readonly<Record<string, unknown>>): void;
}

/** What the parts of a channel know of it. */
export interface Line {
  /** Of the other peer. */
  readonly node: NodeId;
  /** The other peer's number of the channel; 0: it is not known. */
  other(): number;
  /** What is to be confirmed to the other peer; whoever takes it tells it. */
  takeGot(): number;
}
