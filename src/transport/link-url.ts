/** Where a node is dialled, and where its clients reach it. */

const SOCKET = /^unix:(\/.+)$/;

/** The address of a node that listens on a Unix socket: for `dial` only, since no other machine reaches it. */
export function socketAddress(path: string): string {
  return `unix:${path}`;
}

/** The path of such an address; null for any other. */
export function socketPathOf(address: string): string | null {
  return SOCKET.exec(address)?.[1] ?? null;
}

/** The URL to open for a node's address, or what is wrong with it. */
export function linkUrl(address: string): URL | string {
  const advice = 'write ws://HOST:PORT or wss://HOST:PORT';
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return `${JSON.stringify(address)} is no URL: ${advice}`;
  }
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') return `${address} is not a WebSocket URL: ${advice}`;
  if (url.username !== '' || url.password !== '') {
    return `the URL of ${url.host} holds a password: put the secret into --link-secret-file`;
  }
  url.hash = '';
  if (url.pathname === '/') url.pathname = '/link';
  return url;
}

/** What a listener's address is to clients. */
export function listenUrl({ host, port }: { readonly host: string; readonly port: number }, isTls: boolean): string {
  return `${isTls ? 'wss' : 'ws'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Where clients reach a node that listens at these addresses, or null: an address that stands for all is none. */
export function reachedAt(
  listeners: readonly { readonly host: string; readonly port: number }[],
  isTls: boolean,
): string | null {
  const listener = listeners.find(({ host }) => !/^(0\.0\.0\.0|[0:]+)$/.test(host));
  return listener === undefined ? null : listenUrl(listener, isTls);
}
