/** WebSockets in Node come from `ws`: Node 20 has none of its own. The only file of the client that needs Node. */
import { WebSocket } from 'ws';
import type { SocketLike } from './socket.js';

/** How long a closing handshake may take before the connection is cut: a dead node must not hold the process. */
const CLOSE_TIMEOUT_MS = 2000;

export function openNodeSocket(url: string): SocketLike {
  const options = {
    perMessageDeflate: false,
    skipUTF8Validation: true,
    closeTimeout: CLOSE_TIMEOUT_MS,
  };
  return new WebSocket(url, options) as SocketLike;
}
