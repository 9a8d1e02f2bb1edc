/**
 * A way through an HTTP proxy by CONNECT. Done here rather than by an agent from a package, because those hand on what
 * a proxy refuses as if the node had said it, and an operator has to know which of the two it was.
 */
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { messageOf } from './fault.js';
import { authorityOf, credentialsOf } from './proxy.js';

/** A proxy's own words, as far as they are shown. */
const PHRASE_CHARS_MAX = 200;

/**
 * Calls back exactly one of the two: the socket, on which the node at `target` is to be spoken to as if it had been
 * dialled, or the reason, in one line. After `cancel` neither. It takes as long as the proxy likes: the caller cancels.
 */
export function openTunnel(
  proxy: URL,
  target: URL,
  opened: (socket: Socket) => void,
  failed: (reason: string) => void,
): { cancel(): void } {
  const authority = authorityOf(target);
  const credentials = credentialsOf(proxy) ?? null;
  let isSettled = false;
  const settle = (): boolean => {
    const isFirst = !isSettled;
    isSettled = true;
    return isFirst;
  };
  const asked = request({
    host: proxy.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: proxy.port || 80,
    method: 'CONNECT',
    path: authority,
    headers: {
      host: authority,
      ...(credentials === null
        ? {}
        : { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }),
    },
    agent: false,
  });
  asked.on('connect', ({ statusCode = 0, statusMessage = '' }, socket: Socket, head: Buffer) => {
    // What is refused or cancelled may break as it likes.
    socket.on('error', () => {});
    if (!settle()) {
      socket.destroy();
    } else if (statusCode < 200 || statusCode > 299) {
      socket.destroy();
      failed(refusalOf(proxy, authority, statusCode, statusMessage, credentials !== null));
    } else {
      if (head.length > 0) socket.unshift(head);
      opened(socket);
    }
  });
  asked.on('error', (error) => {
    if (settle()) failed(proxyFault(proxy, authority, error));
  });
  asked.end();
  return {
    cancel() {
      if (settle()) asked.destroy();
    },
  };
}

function refusalOf({ host }: URL, authority: string, status: number, phrase: string, hasCredentials: boolean): string {
  const said = phrase.replace(/[^\x20-\x7e]/g, '?').slice(0, PHRASE_CHARS_MAX);
  const answer = `status ${status}${said === '' ? '' : `: ${said}`}`;
  // The second is what tinyproxy says to a wrong password.
  if (status === 407 || status === 401) {
    return hasCredentials
      ? `the proxy ${host} does not accept the user and password (${answer})`
      : `the proxy ${host} wants a user and a password (${answer}): give them by --proxy-auth-file`;
  }
  // Proxies tell their own troubles with a target by these.
  if (status >= 500) return `the proxy ${host} can't reach ${authority} (${answer})`;
  return `the proxy ${host} refused the way to ${authority} (${answer})`;
}

function proxyFault({ host }: URL, authority: string, error: NodeJS.ErrnoException): string {
  const code = error.code ?? '';
  switch (code) {
    case 'ECONNREFUSED':
      return `the proxy ${host} refused the connection: nothing listens there`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the proxy ${host} is not known: check the name`;
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `the proxy ${host} can't be reached (${code})`;
    case 'ECONNRESET':
      return `the proxy ${host} closed the connection before it opened the way to ${authority}`;
    default:
      if (code.startsWith('HPE_')) return `the proxy ${host} does not speak HTTP: is that the port of a proxy?`;
      return `the proxy ${host}: ${messageOf(error)}`;
  }
}
