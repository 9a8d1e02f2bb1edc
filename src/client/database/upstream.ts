/** What a database needs of the client that it belongs to: the present connection to a node, and word of its loss. */
import type { ClientReply, DatabaseRequest } from '../../transport/message.js';

/** A request as it is made: its id is the connection's to give. */
export type Unnumbered = DatabaseRequest extends infer R ? (R extends { id: number } ? Omit<R, 'id'> : never) : never;

/** One connection, from the node's welcome to its loss. */
export interface UpstreamConnection {
  /**
   * Sends the request in the frame of this tick, and hands over its reply; of `openDatabase` and `subscribe`, which go on,
   * all that comes with their id, until that is forgotten. The id; null if the request is larger than what the node takes.
   */
  send(request: Unnumbered, onReply: (reply: ClientReply) => void): number | null;
  /** Nothing that comes with this id matters any more. */
  forget(id: number): void;
  /** Gives the connection up: the node does not speak the protocol. */
  fail(reason: string): void;
}

export interface UpstreamUser {
  /** There is a connection now. */
  onConnected(connection: UpstreamConnection): void;
  /** It is gone. `onConnected` follows when there is another one. */
  onLost(): void;
  /** The client is closed. */
  onClosed(): void;
}

export interface Upstream {
  /** Tells the user of the present connection, if any, and of those to come. */
  attach(user: UpstreamUser): void;
  detach(user: UpstreamUser): void;
}
