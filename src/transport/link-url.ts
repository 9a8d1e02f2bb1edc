/** Where a node is dialled. */

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
