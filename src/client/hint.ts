/**
 * Browsers keep it from a page why a WebSocket failed. What can be guessed from the two addresses is said here, because
 * the two usual reasons (mixed content, Local Network Access) look like a node that isn't there.
 */

/** What counts of the page's location. */
export interface Page {
  readonly protocol: string;
  readonly hostname: string;
}

/** The page that this runs in, or undefined outside of browsers. */
export function currentPage(): Page | undefined {
  return (globalThis as { location?: Page }).location;
}

/** Advice on a connection to `url` that failed without a reason (close code 1006), or an empty text. */
export function hintFor(url: string, page: Page | undefined): string {
  if (page === undefined) return '';
  const { protocol, hostname } = new URL(url);
  if (page.protocol === 'https:' && protocol === 'ws:' && !isLoopback(hostname)) {
    return 'A page loaded by https may not open ws:// (mixed content): give the node a certificate and use wss://';
  }
  if (isPrivate(hostname) && !isPrivate(page.hostname) && page.protocol.startsWith('http')) {
    return (
      'A page from a public address needs permission to reach a private one (Local Network Access): ' +
      'allow it in the browser, or load the page from the private network, for instance from the node itself'
    );
  }
  return '';
}

function isLoopback(hostname: string): boolean {
  return /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/** Loopback, link-local and private addresses; names that only exist in local networks. */
function isPrivate(hostname: string): boolean {
  return (
    isLoopback(hostname) ||
    /^(10|169\.254|192\.168|172\.(1[6-9]|2\d|3[01]))(\.\d+)+$/.test(hostname) ||
    /^\[f([cd]|e[89ab])/.test(hostname) ||
    /^[^.:[\]]+$/.test(hostname) ||
    /\.(local|internal|lan|home\.arpa)$/.test(hostname)
  );
}
