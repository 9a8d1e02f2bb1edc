/**
 * What the rest of the node knows of connections. A listener and a dialler produce links; each link has one handler.
 * All calls are synchronous and none throws: what goes wrong comes back through the handler. Implementations:
 * listen-uws.ts, listen-ws.ts, dial.ts and, for tests, memory-bus.ts; one contract suite runs on all of them.
 */
import type { Proxies } from './proxy.js';

/** Which service a connection asked for, by its path: clients open `/`, nodes open `/link`. */
export type LinkKind = 'client' | 'link';

/** One live connection. */
export interface Link {
  /** IP address of the other end, and its port where that is known, or its name in a memory bus; for logs and limits. */
  readonly remote: string;
  /** Bytes accepted by `send` that have not yet left the process. */
  readonly bufferedBytes: number;
  /**
   * Sends one frame. `bytes` is borrowed for the call: the caller may overwrite it afterwards. After `close`, or once
   * the connection is gone, it does nothing.
   */
  send(bytes: Uint8Array, isText: boolean): void;
  /** Stops reading from the connection, where the implementation can (`canPause`). */
  readonly canPause: boolean;
  pause(): void;
  resume(): void;
  /**
   * Sends what was accepted, then a close frame. No frame comes in any more, and `onClosed` follows with this code and
   * reason, after 10 seconds at the latest, never within this call. A second call does nothing.
   */
  close(code: number, reason: string): void;
  /** Cuts the connection at once. `onClosed` follows with 1006 (or with what `close` was given), never within this call. */
  terminate(): void;
}

/** Calls come from outside, never within a call of the link's. One that throws closes the link with 4500. */
export interface LinkHandler {
  /** One frame came in. `bytes` is borrowed for the call: whoever keeps some of it copies that. */
  onFrame(bytes: Uint8Array, isText: boolean): void;
  /** `bufferedBytes` has fallen to zero after it was above zero when a `send` returned. */
  onWritable(): void;
  /** Last call; exactly once, whoever closed. 1006 if the connection broke. */
  onClosed(code: number, reason: string): void;
}

/** Called for each admitted connection, before its first frame. Returns who handles it. */
export type Accept = (link: Link, kind: LinkKind) => LinkHandler;

export interface TlsOptions {
  readonly certFile: string;
  readonly keyFile: string;
}

/** What a listener lets in; the same for all implementations (see admission.ts). */
export interface ListenOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /**
   * Path of a Unix socket to listen on instead of the port, or null. `host` is the name by which it is addressed. A socket
   * that is left there is replaced.
   */
  readonly socketPath: string | null;
  /**
   * Whether other processes of this user may listen on the same port, which then must not be 0; the system spreads
   * connections over them.
   */
  readonly isShared: boolean;
  readonly tls: TlsOptions | null;
  /** Secret that the opener of `/link` must present as `Authorization: Bearer`, or null. Compared in constant time. */
  readonly linkSecret: string | null;
  /** Origins of pages on other hosts that may connect; `*` allows all. Requests without an Origin are no browsers. */
  readonly origins: readonly string[];
  /** Names by which the node may be addressed beyond IP addresses, localhost and `host`. Empty: any when not on loopback. */
  readonly hosts: readonly string[];
  readonly connectionsMax: number;
  /** Largest frame of a client; a larger one closes the connection with 1009. */
  readonly clientFrameBytesMax: number;
  readonly linkFrameBytesMax: number;
  /**
   * A peer that does not drain its socket may leave at most this much unsent: the frame that would exceed it closes the
   * connection (1013). A frame that finds nothing unsent is always taken.
   */
  readonly backlogBytesMax: number;
  /** Hears of each connection that was not let in. Must not throw. */
  readonly onRefused: (refused: RefusedConnection) => void;
}

export interface RefusedConnection {
  /** As in `Link`, without the port. */
  readonly remote: string;
  /** As it was asked for, whatever it is. */
  readonly path: string;
  readonly reason: string;
}

/** Answers plain HTTP. Must not throw. `path` without query. */
export type Answer = (
  method: string,
  path: string,
) => { status: number; type: string; body: string | Uint8Array } | null;

export interface Listener {
  readonly host: string;
  /** 0 on a Unix socket. */
  readonly port: number;
  /** Which implementation it is: 'uws', 'ws' or 'memory'. */
  readonly kind: string;
  /** Why it is not the implementation that is tried first, in one line; null if it is, or if it was asked for. */
  readonly fallbackReason: string | null;
  /** Takes no more connections; those that are open stay. */
  close(): void;
  /** Cuts all that is still open as well. */
  terminate(): void;
}

/** Calls back exactly one of the two: the listener, or the reason why it can't listen (one line that says what to do). */
export type Listen = (
  options: ListenOptions,
  accept: Accept,
  answer: Answer,
  listening: (listener: Listener) => void,
  failed: (reason: string) => void,
) => void;

export interface DialOptions {
  readonly linkSecret: string | null;
  /** PEM file with the certificate authorities to trust instead of the system's, or null. */
  readonly tlsCaFile: string | null;
  /** HTTP proxies to dial through, or null. A bus in memory has none. */
  readonly proxy: Proxies | null;
  readonly timeoutMs: number;
  readonly frameBytesMax: number;
  /** As in `ListenOptions`. */
  readonly backlogBytesMax: number;
}

/** Opens ws[s]://HOST:PORT (the path `/link` is added) or unix:PATH, a Unix socket, where the bus has those. Calls back exactly one of `opened` and `failed`; `cancel` calls neither. */
export type Dial = (
  url: string,
  options: DialOptions,
  opened: (link: Link) => LinkHandler,
  failed: (reason: string) => void,
) => { cancel(): void };

/** The way to the network: the real one (dial.ts and a listener) or one in memory. */
export interface Bus {
  readonly listen: Listen;
  readonly dial: Dial;
}
