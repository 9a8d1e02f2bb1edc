/** WebSockets in browsers (and in Deno, Bun, workers) are a global. */
import { SwarmError } from './errors.js';
import type { SocketConstructor, SocketLike } from './socket.js';

export function openBrowserSocket(url: string): SocketLike {
  const { WebSocket } = globalThis as { WebSocket?: SocketConstructor };
  if (WebSocket === undefined) {
    const advice = 'there is no global WebSocket here: pass a constructor as the option `WebSocket`';
    throw new SwarmError('UNREACHABLE', advice);
  }
  return new WebSocket(url);
}
