/**
 * What the client needs of a WebSocket: the part of the standard that browsers, `ws` and a simulation share. `send`
 * takes a copy of the bytes, as the standard demands: the client overwrites them with its next frame.
 */

/** A WebSocket. Its listeners stay until it is garbage: one that is closed may still report an error. */
export interface SocketLike {
  binaryType: string;
  /** Bytes accepted by `send` that have not yet left. */
  readonly bufferedAmount: number;
  send(data: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: 'open', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (event: { readonly code: number; readonly reason: string }) => void): void;
  /** `close` follows. Browsers tell nothing of the reason; `ws` has a message. */
  addEventListener(type: 'error', listener: (event: object) => void): void;
}

/** A constructor like the standard's `WebSocket`. */
export type SocketConstructor = new (url: string) => SocketLike;

/** Opens a WebSocket. May throw, as the constructor of browsers does for an address that the page must not use. */
export type OpenSocket = (url: string) => SocketLike;
