/**
 * Messages between the actors of one process. They never travel, yet all of them could: plain data, and references to
 * actors. What clients and other nodes send is in transport/message.ts and passes from actor to actor as it was decoded.
 * At the end: the protocol of each actor, which is its interface.
 */
import type { NodeId } from '../store/node-id.js';
import type {
  CacheRequest,
  ClientReply,
  ClientRequest,
  Key,
  LinkMessage,
  Malformed,
  MessageOf,
  Relay,
  RoutedMessage,
} from '../transport/message.js';
import type { Ref, Terminated } from './runtime/kind.js';

/** Store to finder: not here. The request was not executed. */
export interface Absent {
  readonly type: 'absent';
  readonly request: CacheRequest;
  readonly asker: Ref<ClientReply>;
}

/** Finder to store: nobody else has the key, so answer from here, whatever is here. `concluded` follows. */
export interface Conclude {
  readonly type: 'conclude';
  readonly request: CacheRequest;
  readonly asker: Ref<ClientReply>;
  /** The finder's clock: a stamp issued now must be above it. */
  readonly clock: number;
}

/** Store to finder: all that was asked about the key before this has been executed. */
export interface Concluded {
  readonly type: 'concluded';
  readonly key: Key;
  readonly isPresent: boolean;
}

/** Anyone to store or finder: stamps issued from now on must be above this time. */
export interface Observe {
  readonly type: 'observe';
  readonly clock: number;
}

/** Router to store: is the key here? For a search of another node. */
export interface Probe {
  readonly type: 'probe';
  readonly asker: NodeId;
  readonly number: number;
  readonly key: Key;
  readonly clock: number;
}

export interface Probed {
  readonly type: 'probed';
  readonly asker: NodeId;
  readonly number: number;
  readonly isPresent: boolean;
  readonly clock: number;
}

/** Finder to router: search the swarm. `searched` follows, at the latest when the budget is spent. */
export interface Find {
  readonly type: 'find';
  readonly number: number;
  readonly key: Key;
  readonly budgetMs: number;
  readonly clock: number;
}

export interface Searched {
  readonly type: 'searched';
  readonly number: number;
  readonly owner: NodeId | null;
  /** All members of the view answered (RULES V8). Without an owner, only then is the key nowhere. */
  readonly isComplete: boolean;
  readonly clock: number;
}

/** Router to finder: there is no route to the node, so the message has not been sent. */
export interface Unrouted {
  readonly type: 'unrouted';
  readonly number: number;
}

/** Router to finder and node: members or routes have changed. */
export interface View {
  readonly type: 'view';
  /** Present members, this node included. */
  readonly members: readonly NodeId[];
  /** Members that vanished without leaving and are still missed (C4). */
  readonly missed: number;
}

/** Peer link to router: greeted, may it be used? `adopted` or `spurned` follows. */
export interface LinkUp {
  readonly type: 'linkUp';
  readonly node: NodeId;
  readonly incarnation: number;
  /** This end dialled. */
  readonly isDialled: boolean;
}

export interface Adopted {
  readonly type: 'adopted';
}

/** Router to peer link: the link is not to be used, or no longer. */
export interface Spurned {
  readonly type: 'spurned';
  readonly reason: 'duplicate' | 'replaced' | 'full';
}

/** Peer link to router: the link that was adopted is gone. */
export interface LinkDown {
  readonly type: 'linkDown';
  readonly node: NodeId;
}

/** Peer link or router to node: another node has this node's name and the older right to it. */
export interface NameTaken {
  readonly type: 'nameTaken';
  readonly by: NodeId;
}

/** An actor to itself: the time it set has come. */
export interface Tick {
  readonly type: 'tick';
}

/** Node to session, finder and router: take nothing new, finish what is open. */
export interface Drain {
  readonly type: 'drain';
}

/** To a node: one more neighbour to dial. */
export interface DialRequest {
  readonly type: 'dial';
  readonly url: string;
}

/** Node to finder: the swarm is joined (or there is none to join): clients may be served. */
export interface Serve {
  readonly type: 'serve';
}

/** Node to an actor: its counters, please. `counters` follows. */
export interface Count {
  readonly type: 'count';
}

export interface Counters {
  readonly type: 'counters';
  readonly counters: Readonly<Record<string, number>>;
}

/** A wire to its actor: the frame could not be decoded. In order with the messages before it. */
export interface BadFrame {
  readonly type: 'badFrame';
  readonly reason: string;
}

/** A wire to its actor: the connection is gone. In order with the messages before it. */
export interface Gone {
  readonly type: 'gone';
  readonly code: number;
  readonly reason: string;
}

// What each actor understands.

export type NodeMessage = MessageOf<'inspect'> | DialRequest | View | NameTaken | Terminated | Tick;

export type SessionMessage = ClientRequest | Malformed | BadFrame | Gone | ClientReply | Drain | Tick;

export type PeerLinkMessage =
  LinkMessage | RoutedMessage | Relay | Malformed | BadFrame | Gone | Adopted | Spurned | Tick;

export type FinderMessage =
  | CacheRequest
  | Absent
  | Concluded
  | Searched
  | Unrouted
  | MessageOf<'answer'>
  | MessageOf<'notMine'>
  | View
  | Observe
  | Serve
  | Drain
  | Count
  | Tick;

export type LocalStoreMessage = CacheRequest | MessageOf<'forward'> | Conclude | Observe | Probe | Drain | Count | Tick;

export type RouterMessage =
  | LinkUp
  | LinkDown
  | MessageOf<'links'>
  | MessageOf<'search'>
  | MessageOf<'echo'>
  | RoutedMessage
  | Relay
  | Find
  | Probed
  | MessageOf<'inspect'>
  | Drain
  | Count
  | Tick;
