/**
 * Which HTTP proxy a node is dialled through, if any. The rules for exceptions are those that people know from curl and
 * others: see `isExcepted`. Passwords stay in the URLs and are shown by nobody.
 */
import { BlockList, isIP } from 'node:net';

/** How to leave a closed network. Null: dial directly. */
export interface Proxies {
  /** `http://[USER:PASSWORD@]HOST[:PORT]` of the proxy for links to ws:// URLs, or null. */
  readonly ws: string | null;
  /** The same for wss://. */
  readonly wss: string | null;
  /** Which hosts are dialled directly all the same, as NO_PROXY has it; '' for none. */
  readonly noProxy: string;
}

export const PROXY_FORM = 'http://[USER:PASSWORD@]HOST:PORT';

/** A proxy as a URL, or null if the text is none. `HOST:PORT` alone will do, as in many environments. */
export function proxyUrl(text: string): URL | null {
  const full = text.includes('://') ? text : `http://${text}`;
  if (!URL.canParse(full)) return null;
  const url = new URL(full);
  const isPlain = url.protocol === 'http:' && url.pathname === '/' && url.search === '' && url.hash === '';
  return isPlain && credentialsOf(url) !== undefined ? url : null;
}

/** `USER:PASSWORD` as the proxy is to hear it; null without any, undefined if the URL spells it wrongly. */
export function credentialsOf({ username, password }: URL): string | null | undefined {
  if (username === '' && password === '') return null;
  try {
    return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  } catch {
    return undefined;
  }
}

/** The proxy for a link to `target`; null to dial directly, undefined if the one that is set can't be understood. */
export function proxyFor(target: URL, proxies: Proxies | null): URL | null | undefined {
  if (proxies === null) return null;
  const text = target.protocol === 'wss:' ? proxies.wss : proxies.ws;
  if (text === null || isExcepted(target, proxies.noProxy)) return null;
  return proxyUrl(text) ?? undefined;
}

/** HOST:PORT, with the port also where the URL leaves it out. */
export function authorityOf({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port || (protocol === 'wss:' ? 443 : 80)}`;
}

/**
 * Items are separated by commas or blanks. `*` is everything. `example.com`, `.example.com` and `*.example.com` are that
 * name and those below it; an address is itself; `10.0.0.0/8` is a range of addresses. Each may end in a port. Names are
 * never looked up, so a range says nothing of a name.
 */
function isExcepted(target: URL, noProxy: string): boolean {
  const host = bare(target.hostname);
  const port = authorityOf(target).replace(/^.*:/, '');
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .some((item) => {
      if (item === '') return false;
      if (item === '*') return true;
      const [, name, ofPort] = /^(\[.*\]|[^:]*):(\d+)$/.exec(item) ?? [null, item, port];
      return ofPort === port && covers(bare(name!), host);
    });
}

function covers(item: string, host: string): boolean {
  const [base, bits] = item.split('/') as [string, string?];
  const version = isIP(base);
  if (version === 0) {
    const name = base.replace(/^\*?\./, '');
    return name !== '' && (host === name || host.endsWith(`.${name}`));
  }
  if (isIP(host) === 0) return false;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  const most = version === 4 ? 32 : 128;
  const length = bits === undefined ? most : Number(bits);
  if (!Number.isInteger(length) || length < 0 || length > most) return false;
  const range = new BlockList();
  range.addSubnet(base, length, family);
  return range.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6');
}

const bare = (host: string): string => host.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '');
