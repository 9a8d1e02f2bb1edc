/**
 * Messages between the actors of one process. They never travel, yet all of them could: plain data, and references to
 * actors. What clients and other nodes send is in transport/message.ts and passes from actor to actor as it was decoded.
 * At the end: the protocol of each actor, which is its interface.
 */
import type { KeptEntry } from '../disk/entry-disk.js';
import type { NodeId } from '../store/node-id.js';
import type { HeldDatabase } from '../store/topology.js';
import type {
  CacheRequest,
  ChangeKind,
  ClientReply,
  ClientRequest,
  DatabaseReply,
  DatabaseRequest,
  Key,
  LinkMessage,
  Malformed,
  MessageOf,
  Relay,
  RequestId,
  RoutedMessage,
} from '../transport/message.js';
import type { Ref, Terminated } from './runtime/kind.js';

/** A request that another node passed here, because it has no room for the key (RULES K1). */
export interface Passed {
  readonly forward: MessageOf<'forward'>;
  /** In monotonic ms of this node. */
  readonly deadlineMs: number;
}

/** A request, and who gets the reply: a session of this node, or the node that passed it here. One of them is null. */
export interface Asked {
  readonly request: CacheRequest;
  readonly asker: Ref<ClientReply> | null;
  readonly passed: Passed | null;
}

/** Store to finder: not here. The request was not executed. */
export interface Absent extends Asked {
  readonly type: 'absent';
  /** In monotonic ms: its time is over then, for it has waited here. Null: it has all of its time. */
  readonly deadlineMs: number | null;
  /** The answer to `passBack`. */
  readonly isPassedBack: boolean;
}

/**
 * Finder to store: comes back as `absent` behind what the store has not given back yet, executed or not: the finder has
 * earlier requests for the key in its hands (C3).
 */
export interface PassBack {
  readonly type: 'passBack';
  readonly request: CacheRequest;
  readonly asker: Ref;
}

/** Finder to store: the key of this request may be here by now. Otherwise `absent` follows. */
export interface Retry extends Asked {
  readonly type: 'retry';
  /** In monotonic ms: its time is over then. */
  readonly deadlineMs: number;
}

/**
 * Finder to store: what the node that passed the request here is to hear. Null: nothing if its time is over, otherwise
 * that it was not executed, and may be elsewhere.
 */
export interface Resolved {
  readonly type: 'resolved';
  readonly passed: Passed;
  readonly reply: ClientReply | null;
}

/** Finder to store: whose key is it, by its home? `located` follows, unless the home does not answer. */
export interface Locate {
  readonly type: 'locate';
  readonly key: Key;
  /** If nobody owns it, this node will: claim it. */
  readonly isClaim: boolean;
  /** Only if there is room for a value of so many bytes; null: in any case. */
  readonly valueBytes: number | null;
  /** A complete search found no owner, so that a home may grant the claim before it is settled (RULES O3). */
  readonly isSearched: boolean;
  /** The one who asks: a read that the home may hand on to the owner, who then answers it; null: none may be. */
  readonly read: Read | null;
  /** The finder's clock. */
  readonly clock: number;
}

/** A read of this node's finder, as its key's home needs it to hand it on. */
export interface Read {
  /** The finder's. */
  readonly number: number;
  readonly budgetMs: number;
  readonly request: CacheRequest;
}

/** Finder to store: the question about the key has been answered by the owner, or nobody waits for an answer any more. */
export interface Answered {
  readonly type: 'answered';
  readonly key: Key;
  /** Nobody waits: a claim that is still under way is not to be used. */
  readonly isOver: boolean;
}

export type Located = {
  readonly type: 'located';
  readonly key: Key;
  /**
   * `owned`: by `owner`, under `claim`. `mine`: the claim was granted, `conclude` is awaited. `absent`: nobody owns it.
   * `here`: it is here after all. `noRoom`: nobody owns it, and there is no room for it here. `unsettled`: the home can't
   * tell yet. `again`: ask again in a moment. `homeless`: no member of the view is a home. `full`: the home's directory
   * has no room.
   */
  readonly outcome: 'owned' | 'mine' | 'absent' | 'here' | 'noRoom' | 'unsettled' | 'again' | 'homeless' | 'full';
  readonly owner: NodeId | null;
  readonly claim: number;
  readonly clock: number;
};

/**
 * Finder to store: nobody else has the key, so answer these from here, whatever is here, in their order. With
 * `isClaimed`, under the claim that was granted, which is used up or given back by this. `concluded` follows.
 */
export interface Conclude {
  readonly type: 'conclude';
  readonly key: Key;
  readonly requests: readonly Asked[];
  readonly isClaimed: boolean;
  /** The finder's clock: a stamp issued now must be above it. */
  readonly clock: number;
}

/** Store to finder: so many of the requests have been executed; the others would need a claim that holds. */
export interface Concluded {
  readonly type: 'concluded';
  readonly key: Key;
  readonly executed: number;
  readonly isPresent: boolean;
}

/** Router to store and directory: the view, as homes and owners need to know it (RULES V1, O1). */
export interface Members {
  readonly type: 'members';
  /** This node's own view number and incarnation. */
  readonly view: number;
  readonly incarnation: number;
  /** This node included. */
  readonly members: readonly {
    readonly node: NodeId;
    readonly incarnation: number;
    readonly view: number;
    /** Links between here and there. */
    readonly hops: number;
    /** It may be a home, and it stores, and is not leaving. */
    readonly isHome: boolean;
    readonly isStore: boolean;
  }[];
}

/** Store to node: what the disk had is here. */
export interface Recovered {
  readonly type: 'recovered';
}

/** The disk to the store: a piece of what it has. */
export interface Loaded {
  readonly type: 'loaded';
  readonly entries: readonly KeptEntry[];
  readonly unreadableCount: number;
  readonly isLast: boolean;
}

/** The disk to the store: it can't be read. */
export interface LoadFailed {
  readonly type: 'loadFailed';
  readonly fault: string;
}

/** The store to itself: time to write what has changed. */
export interface Keep {
  readonly type: 'keep';
}

/** The disk to the store: a write has ended; null if all of it is kept. */
export interface Kept {
  readonly type: 'kept';
  readonly fault: string | null;
}

/** Router to store and directory: a member has another view number, and nothing else has changed. */
export interface Renumbered {
  readonly type: 'renumbered';
  readonly node: NodeId;
  readonly view: number;
}

/** Store to node: all homes of a view of several members have confirmed what this node stated to them (RULES V3). */
export interface Registered {
  readonly type: 'registeredAll';
}

/** Store to node, and node to router: this node is leaving, and has handed over what it could (RULES H2). */
export interface Emptied {
  readonly type: 'emptied';
  readonly handed: number;
  /** Entries with a value that are still here. */
  readonly left: number;
  /** Why they are, though there were others to take them; null: there were none, or nothing is left. */
  readonly fault: string | null;
}

/** Store or directory to itself: see what was not answered. */
export interface Remind {
  readonly type: 'remind';
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
  /** This node, or the one that it has handed the key over to (RULES H1); null: not here. */
  readonly owner: NodeId | null;
  /** A claim of the key is under way here, so that this node can't say that it has not got it. */
  readonly isPending: boolean;
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

/** Finder to whoever traces a key: how it is being found. */
export interface Step {
  readonly type: 'step';
  /** Of the `trace`. */
  readonly id: number;
  readonly step: 'learned' | 'home' | 'search';
}

/** Locator to router: over which nodes would a message to that node go? `path` follows. */
export interface FindPath {
  readonly type: 'findPath';
  readonly number: number;
  readonly to: NodeId;
}

export interface Path {
  readonly type: 'path';
  readonly number: number;
  /** This node first, the other one last; empty if it is out of reach. */
  readonly nodes: readonly { readonly id: NodeId; readonly name: string }[];
}

/** Router to finder: there is no route to the node, so the message has not been sent. */
export interface Unrouted {
  readonly type: 'unrouted';
  readonly number: number;
}

/** Peer link to finder: the link to the next node has no room, so the message has not been sent. */
export interface Congested {
  readonly type: 'congested';
  readonly number: number;
}

/** Watcher to store: tell of changes from now on, or no more. `attending` follows. */
export interface Attend {
  readonly type: 'attend';
  readonly isOn: boolean;
}

/** Store to watcher. */
export interface Attending {
  readonly type: 'attending';
  /** The number of the last change that was told. */
  readonly number: number;
  /** No entry of this node had changed before. */
  readonly isFresh: boolean;
}

/** Store to watcher: an entry of this node has changed. */
export interface EntryChange {
  readonly type: 'entryChange';
  /** Counts them, so that it is noticed if one is dropped. */
  readonly number: number;
  readonly kind: Exclude<ChangeKind, 'gap'>;
  readonly key: Key;
  readonly time: number;
  readonly origin: NodeId;
  /** Null if it has none any more. */
  readonly value: Uint8Array | null;
}

/** Watcher to session: changes of the watch with this id were dropped. */
export interface Gap {
  readonly type: 'gap';
  readonly id: RequestId;
}

/** Router to finder, scanner and watcher: members or routes have changed. */
export interface View {
  readonly type: 'view';
  /** Present members, this node included. */
  readonly members: readonly NodeId[];
  /** Of each of them. */
  readonly incarnations: readonly number[];
  /** Members that vanished without leaving and are still missed (C4). */
  readonly missed: number;
  /** This node's own view number (RULES V1). */
  readonly number: number;
}

/** Store to router: so much room it has for further entries, about. */
export interface Room {
  readonly type: 'room';
  readonly freeBytes: number;
  readonly freeKeys: number;
}

/** Router to finder: which other members store entries, the nearest first, and what room they advertise. */
export interface Rooms {
  readonly type: 'rooms';
  readonly stores: readonly { readonly node: NodeId; readonly freeBytes: number; readonly freeKeys: number }[];
}

/** Databases to router: these are here, by name. */
export interface Holding {
  readonly type: 'holding';
  readonly databases: readonly HeldDatabase[];
}

/** Router to databases: the nodes of the view, this one included, and which databases they hold. */
export interface Holders {
  readonly type: 'holders';
  readonly nodes: readonly {
    readonly node: NodeId;
    readonly incarnation: number;
    readonly name: string;
    /** Links between here and there. */
    readonly hops: number;
    readonly databases: readonly HeldDatabase[];
    /** Links from each node of the view to that one, if it shares a database with this node; else empty. */
    readonly hopsTo: Readonly<Record<string, number>>;
  }[];
}

/** Another peer of a database. */
export interface OtherPeer {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly peer: string;
  /** Next to this one in the tree over which ops spread, a neighbour of this node, or neither. */
  readonly place: 'tree' | 'neighbour' | 'far';
}

/** Databases to replica: the other peers of its database in the view. */
export interface Peers {
  readonly type: 'peers';
  readonly peers: readonly OtherPeer[];
}

/** Replica to databases: it is there, under this peer id. Said again when that changes. */
export interface ReplicaReady {
  readonly type: 'replicaReady';
  readonly database: string;
  readonly peer: string;
}

/** Replica or tunnel to databases: nothing with this id of that session is open there any more. */
export interface Released {
  readonly type: 'released';
  readonly session: Ref;
  readonly ids: readonly RequestId[];
}

/** To whoever asked, a session or the far end of a tunnel: no reply to a request, but what follows from one. */
export interface DatabaseNotice {
  readonly type: 'databaseNotice';
  readonly notice: DatabaseReply;
}

/** Databases to tunnel: the node at its other end has left the view, or has started again. */
export interface Severed {
  readonly type: 'severed';
}

/** Replica to itself: write what there is. */
export interface WriteNow {
  readonly type: 'writeNow';
}

/** The disk to a replica: a write has ended; null if all of it is kept. */
export interface Written {
  readonly type: 'written';
  readonly fault: string | null;
}

/** Replica to itself: go on with what takes many turns. */
export interface Continue {
  readonly type: 'continue';
  readonly what: 'recovery' | 'compaction' | 'digests' | 'feeds';
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

/** To a node that has handed over what it could: nobody needs it any more. */
export interface Go {
  readonly type: 'go';
}

/** From the router to itself: the pause between two words about the view is over. */
export interface TellView {
  readonly type: 'tellView';
}

/** An actor to itself: the time it set has come. */
export interface Tick {
  readonly type: 'tick';
}

/** Node to session, finder, store and router: take nothing new, finish what is open. */
export interface Drain {
  readonly type: 'drain';
  /** Where clients may go instead, nearest first. */
  readonly urls: readonly string[];
}

/** Node to router: where clients reach this node, for the others to know. */
export interface ClientUrl {
  readonly type: 'clientUrl';
  readonly url: string;
}

/** Router to node: where clients reach other members that stay, nearest first. */
export interface ClientUrls {
  readonly type: 'clientUrls';
  readonly urls: readonly string[];
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

export type NodeMessage =
  | MessageOf<'inspect'>
  | ClientUrls
  | DialRequest
  | Registered
  | Recovered
  | Emptied
  | Go
  | NameTaken
  | Terminated
  | Tick;

export type SessionMessage =
  ClientRequest | Malformed | BadFrame | Gone | ClientReply | DatabaseNotice | Gap | Drain | Tick;

export type PeerLinkMessage =
  LinkMessage | RoutedMessage | Relay | Malformed | BadFrame | Gone | Adopted | Spurned | Tick;

export type FinderMessage =
  | CacheRequest
  | Absent
  | Located
  | Concluded
  | Searched
  | Unrouted
  | Congested
  | MessageOf<'answer'>
  | MessageOf<'notMine'>
  | View
  | Rooms
  | Observe
  | Serve
  | Drain
  | Count
  | Tick;

export type LocalStoreMessage =
  | CacheRequest
  | MessageOf<'forward' | 'collect'>
  | MessageOf<'place' | 'compare' | 'wanted' | 'registered' | 'released' | 'freeze' | 'thaw'>
  | MessageOf<'take' | 'taken' | 'record' | 'transferred'>
  | Attend
  | Locate
  | Answered
  | Conclude
  | Retry
  | PassBack
  | Resolved
  | Members
  | Renumbered
  | Observe
  | Probe
  | Loaded
  | LoadFailed
  | Keep
  | Kept
  | Drain
  | Count
  | Remind
  | Tick;

export type DirectoryMessage =
  | MessageOf<'lookup' | 'seek' | 'register' | 'buckets' | 'entries' | 'release' | 'frozen' | 'transfer'>
  | Members
  | Renumbered
  | Count
  | Remind;

export type WatcherMessage =
  | MessageOf<'watch' | 'unwatch' | 'interest' | 'disinterest' | 'interested' | 'changed'>
  | Attending
  | EntryChange
  | View
  | Terminated
  | Serve
  | Count
  | Tick;

export type ScannerMessage = MessageOf<'scan' | 'collected'> | View | Serve | Count | Tick;

export type LocatorMessage =
  MessageOf<'where' | 'trace' | 'located' | 'refused' | 'hail' | 'hailed'> | Step | Path | Count | Tick;

export type RouterMessage =
  | LinkUp
  | LinkDown
  | MessageOf<'links'>
  | MessageOf<'search'>
  | MessageOf<'echo'>
  | RoutedMessage
  | Relay
  | Find
  | FindPath
  | Probed
  | Room
  | Holding
  | ClientUrl
  | MessageOf<'inspect'>
  | Drain
  | Emptied
  | Count
  | TellView
  | Tick;

/** Between peers about one database; all of them name it. */
export type PeerMessage = MessageOf<'peerOn' | 'feed' | 'got' | 'states' | 'statesGot' | 'peerOff'>;
export type TunnelWire = MessageOf<'tunnel' | 'tunnelBeat' | 'tunnelOff'>;

export type DatabasesMessage =
  | DatabaseRequest
  | PeerMessage
  | TunnelWire
  | DatabaseReply
  | Holders
  | ReplicaReady
  | Released
  | Serve
  | Drain
  | Terminated
  | Count
  | Tick;

export type TunnelMessage = DatabaseRequest | DatabaseReply | DatabaseNotice | TunnelWire | Severed | Terminated | Tick;

export type ReplicaMessage =
  | Exclude<DatabaseRequest, MessageOf<'databases'>>
  | PeerMessage
  | Peers
  | WriteNow
  | Written
  | Continue
  | Terminated
  | Count
  | Tick;
