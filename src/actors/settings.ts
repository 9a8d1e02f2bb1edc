/** What the actors of a node need to know before they start: who the node is, its bounds, its way to the network. */
import type { EntryDisk, NodeRecord } from '../disk/entry-disk.js';
import type { OpDisks } from '../disk/op-disk.js';
import type { Policy } from '../store/keyspace.js';
import type { NodeId } from '../store/node-id.js';
import type { Bus, TlsOptions } from '../transport/link.js';
import type { Proxies } from '../transport/proxy.js';
import type { Wires } from '../transport/wire.js';
import type { Env } from './runtime/env.js';

/** The door to the outside of a node's actors. */
export interface NodeEnv extends Env {
  readonly bus: Bus;
  readonly wires: Wires;
  /** Null: nothing is kept. */
  readonly disk: NodeDisk | null;
  /** Where the databases are: in memory if nothing is kept. Null: the node holds none. */
  readonly opDisks: OpDisks | null;
}

/** What a node keeps, and the record of this start. */
export interface NodeDisk {
  readonly entries: EntryDisk;
  readonly record: NodeRecord;
}

/** Who a node is, from one start to its end. */
export interface Identity {
  readonly node: NodeId;
  /** Unix time in ms at the start, or above the highest that this id has used: tells two starts of one id apart. */
  readonly incarnation: number;
  readonly name: string;
  /** Nodes of other swarms are refused. */
  readonly swarm: string;
  /** The package's version. */
  readonly version: string;
  /** 16 bytes that all nodes of the swarm share and clients don't know: the key of key hashes (RULES V2). */
  readonly hashSecret: Uint8Array;
}

/** The options of a node. Each bound has a counter and a named outcome when it is hit. */
export interface Settings {
  readonly listen: readonly { readonly host: string; readonly port: number }[];
  /** Whether other processes of this user, its siblings, may listen on the same ports. */
  readonly isPortShared: boolean;
  /** Path of a Unix socket on which nodes of this machine may link as well, or null. */
  readonly linkSocket: string | null;
  /** The nodes to dial: ws[s]://HOST:PORT, or unix:PATH for what is `linkSocket` there. */
  readonly links: readonly string[];
  /** Where clients reach this node, told to those of a node that leaves; null: where it listens, if that is an address. */
  readonly clientUrl: string | null;
  readonly name: string;
  readonly swarm: string;
  /** Key bytes plus encoded value bytes that this node stores at most. */
  readonly storeBytesMax: number;
  readonly keysMax: number;
  /** What becomes of an entry for which neither this node nor one that it was passed to has room. */
  readonly policy: Policy;
  /** Memory for the directory, which knows who owns this node's share of the keys. With 0 the node is no home. */
  readonly directoryBytesMax: number;
  /** For how long a delete is remembered (RULES T1). */
  readonly tombstoneMs: number;
  /** How many deletes are remembered; the oldest are forgotten first. */
  readonly tombstonesMax: number;
  /** Name of the one node among its siblings that holds databases, for all of them; null: this node holds its own. */
  readonly databasesAt: string | null;
  /** What a client must present in `hello`, or null. */
  readonly token: string | null;
  readonly linkSecret: string | null;
  readonly origins: readonly string[];
  readonly hosts: readonly string[];
  readonly tls: TlsOptions | null;
  readonly tlsCaFile: string | null;
  /** HTTP proxies through which other nodes are dialled, or null. */
  readonly proxy: Proxies | null;
  /** Largest frame of a client, in bytes. */
  readonly frameBytesMax: number;
  /** Largest frame between nodes, in bytes. */
  readonly linkFrameBytesMax: number;
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  /** Requests of one session that wait for their reply. */
  readonly inFlightMax: number;
  readonly connectionsMax: number;
  /** A request that is not answered by then is refused with TIMEOUT. */
  readonly requestTimeoutMs: number;
  /** Silence on a link after which a beat is sent. */
  readonly heartbeatMs: number;
  /** Silence on a link after which it counts as dead. */
  readonly heartbeatTimeoutMs: number;
  /** A node with links to dial serves clients alone after this time without any. */
  readonly aloneAfterMs: number;
  /** For how long a member that vanished without leaving is missed. */
  readonly missedMs: number;
  /** For how long a connection may stay without `hello` where a token is required. */
  readonly helloTimeoutMs: number;
  readonly drainMs: number;
  /** With a disk: a change is on it at most so much later, as long as the disk takes no more than half of it for a write. */
  readonly lossWindowMs: number;
  /** Unsent bytes of one connection, beyond which it is closed as slow. */
  readonly backlogBytesMax: number;
  readonly replicaSizes: ReplicaSizes;
}

/** What databases send, in bytes and about: no option of the command line, and other than usual only to try it out. */
export interface ReplicaSizes {
  /** Of one message to another peer. */
  readonly feedBytes: number;
  /** Of what is on its way to each peer of each database, whatever the others do, and of what all may have beyond. */
  readonly creditBytes: number;
  readonly lentBytes: number;
  /** Of one page of what a client catches up with, and of one patch. */
  readonly patchBytes: number;
}

/** Wall clocks of linked nodes may differ by this much (RULES T3). */
export const SKEW_MS_MAX = 24 * 60 * 60 * 1000;
/** Owners of other keys that a node remembers. */
export const LEARNED_OWNERS_MAX = 200_000;
/** Requests that a finder waits for at once; beyond, BUSY. */
export const OPEN_REQUESTS_MAX = 262_144;
/** Requests for frozen keys and for keys with a claim under way that a store keeps at once; beyond, BUSY. */
export const HELD_REQUESTS_MAX = 65_536;
/** Watches of one session, and of all sessions of a node; beyond, BUSY. */
export const WATCHES_PER_SESSION_MAX = 64;
export const WATCHES_MAX = 4096;
/** Keys whose latest stamp a node remembers for its watches. */
export const WATCHED_KEYS_MAX = 65_536;
/** Keys of one page of a scan. */
export const KEYS_MAX = 1000;
/** Databases and subscriptions that one session has open at once; beyond, BUSY. */
export const OPENS_PER_SESSION_MAX = 16;
export const SUBSCRIPTIONS_PER_SESSION_MAX = 4096;
/** Sessions of clients that a replica serves at once, and all that they may have subscribed to. */
export const OPENS_MAX = 16_384;
export const SUBSCRIPTIONS_MAX = 262_144;
/** Open databases of clients that come here from other nodes, or go there from here. */
export const TUNNELS_MAX = 16_384;
/** A client's stamps may be ahead of its peer's clock by so much (RULES RJ). */
export const OP_SKEW_MS_MAX = 60_000;
/** Floods that a router takes part in at once. */
export const SEARCHES_MAX = 262_144;

/** What a node is started with where nothing else is said. */
export const DEFAULT_SETTINGS: Settings = {
  listen: [{ host: '127.0.0.1', port: 7101 }],
  isPortShared: false,
  linkSocket: null,
  links: [],
  clientUrl: null,
  name: 'node',
  swarm: 'swarm',
  storeBytesMax: 256 * 1024 * 1024,
  keysMax: 1_000_000,
  policy: 'lru',
  directoryBytesMax: 64 * 1024 * 1024,
  tombstoneMs: 600_000,
  tombstonesMax: 100_000,
  databasesAt: null,
  token: null,
  linkSecret: null,
  origins: [],
  hosts: [],
  tls: null,
  tlsCaFile: null,
  proxy: null,
  frameBytesMax: 1024 * 1024,
  linkFrameBytesMax: 16 * 1024 * 1024,
  keyBytesMax: 4096,
  valueBytesMax: 512 * 1024,
  inFlightMax: 1024,
  connectionsMax: 10_000,
  requestTimeoutMs: 3000,
  heartbeatMs: 1000,
  heartbeatTimeoutMs: 5000,
  aloneAfterMs: 10_000,
  missedMs: 30_000,
  helloTimeoutMs: 5000,
  drainMs: 10_000,
  lossWindowMs: 1000,
  backlogBytesMax: 16 * 1024 * 1024,
  // What is lent is less than a link holds back for a slow neighbour.
  replicaSizes: { feedBytes: 64 * 1024, creditBytes: 256 * 1024, lentBytes: 4 * 1024 * 1024, patchBytes: 64 * 1024 },
};
