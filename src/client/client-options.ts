/** What whoever connects, or asks for something, may say about it. */
import type { SwarmError } from './errors.js';
import type { SocketConstructor } from './socket.js';
import type { Timers } from './timers.js';

/**
 * `connecting`: there is no connection to a node, one is being opened; requests wait. `open`: requests are sent.
 * `closed`: for good.
 */
export type ClientStatus = 'connecting' | 'open' | 'closed';

export interface StatusChange {
  readonly status: ClientStatus;
  /** The node concerned. */
  readonly url: string | null;
  /** Why the connection was lost, or not made. Null if nothing went wrong. */
  readonly error: SwarmError | null;
}

export interface ConnectOptions {
  /** What the node asks for if it has a client token. Sent in the first message, never in the address. */
  readonly token?: string;
  /** Name of this client, for the node's logs and counters. */
  readonly name?: string;
  /** Time that a request may take, waiting for a connection included. Default 5,000, above the node's own limit. */
  readonly requestTimeoutMs?: number;
  /** Time for the first connection. Default 5,000. */
  readonly connectTimeoutMs?: number;
  /**
   * Resolve at once, connected or not, and go on trying for ever: for those who work on replicas without a connection.
   * Default false.
   */
  readonly offline?: boolean;
  /** Pauses between attempts: a random part of a span that doubles from `minMs` (100) to `maxMs` (10,000), for ever. */
  readonly reconnect?: { readonly minMs?: number; readonly maxMs?: number };
  /** Requests that may wait while there is no connection; one more fails with BUSY. Default 10,000. */
  readonly queueMax?: number;
  /** After this long without a word the node is pinged, and given up if two pings get no answer. Default 30,000. */
  readonly pingIntervalMs?: number;
  /** Another WebSocket than the environment's. */
  readonly WebSocket?: SocketConstructor;
  /**
   * Called after each change of status and each failed attempt to connect, never from inside a call of yours. What it
   * throws is an uncaught error of yours.
   */
  readonly onStatus?: (change: StatusChange) => void;
  /** Gives up the attempt to connect: ABORTED. Without effect once connected. */
  readonly signal?: AbortSignal;
  /** For simulations: clock and timers. */
  readonly timers?: Timers;
  /** For simulations: Unix time in ms. */
  readonly wallMs?: () => number;
  /** For simulations: a number from 0 to below 1. */
  readonly random?: () => number;
}

export interface CallOptions {
  /** Overrides `requestTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Ends the request with ABORTED. One that was sent may take effect all the same: `maybeApplied`. */
  readonly signal?: AbortSignal;
}

/** Conditions: where one doesn't hold, nothing is done, and the request fails with CONFLICT, `info.stamp` being the key's. */
export interface DeleteOptions extends CallOptions {
  /** Only if the key has the value of this stamp: what `getEntry` or `set` told. Makes a retry of one's own safe. */
  readonly ifStamp?: string;
}

export interface SetOptions extends DeleteOptions {
  /** The value expires after this long. Without it, it doesn't. */
  readonly ttlMs?: number;
  /** Only if the key has no value, or only if it has one. */
  readonly if?: 'absent' | 'present';
}

export interface ScanOptions extends CallOptions {
  /** Keys of a page, at most 1000. Default 100. */
  readonly limit?: number;
}

export interface IncrOptions extends CallOptions {
  /** Where the key is created, it expires after this long. One that exists keeps its expiry. */
  readonly ttlMs?: number;
}

/** Of a new database; fixed at its creation. */
export interface CreateOptions {
  /** How the ten characters of a replica's id are divided into primus, peer, client and session. Default `0262`. */
  readonly scheme?: string;
  /** The id of this peer, as long as the scheme says. Default: drawn. */
  readonly peer?: string;
  /** The same client's id may be used at several peers. Default false. */
  readonly isShared?: boolean;
  /** Ops count as stored before they are on the disk for good: faster, and a crash loses the last ones. Default false. */
  readonly isRelaxed?: boolean;
  /** Types of objects that it takes. Default: all that the peer knows. */
  readonly types?: readonly string[];
  /** Ops older than this are replaced by the states of their objects. Default: see `inspectDatabase`. */
  readonly compactAfterMs?: number;
}
