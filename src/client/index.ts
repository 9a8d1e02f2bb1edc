/** The client for Node. */
import type { Client } from './client.js';
import type { ConnectOptions } from './client-options.js';
import { connectBy } from './connect.js';
import { openNodeSocket } from './socket-node.js';

/**
 * Connects to a swarm through whichever of the nodes can be reached, such as `ws://127.0.0.1:7101`. Resolves when the
 * first connection is usable; from then on the client reconnects by itself until it is closed.
 *
 * Rejects with a SwarmError: UNREACHABLE after `connectTimeoutMs`, UNAUTHENTICATED or FORBIDDEN at once if a node
 * refuses the token, BAD_REQUEST for an address that is none, ABORTED.
 */
export function connect(urls: string | readonly string[], options: ConnectOptions = {}): Promise<Client> {
  return connectBy(openNodeSocket, urls, options);
}

export * from './exports.js';
export { fileStorage } from './storage/file.js';
