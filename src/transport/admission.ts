/**
 * Who may come in: the decision on a request before anything of it is upgraded, the same for every listener. It looks at
 * the path, the Host (a page elsewhere must not reach a loopback node through a name of its own that resolves here), the
 * Origin (a page of another site must not use a visitor's browser as its client), the secret of the links, and the
 * number of connections. Decided synchronously, from headers alone.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { LinkKind, ListenOptions } from './link.js';

/** The parts of a request that matter. An absent header is an empty text; `path` has no query. */
export interface UpgradeRequest {
  readonly path: string;
  readonly host: string;
  readonly origin: string;
  readonly authorization: string;
  /** Where it came from, without the port: for whoever hears of refusals. */
  readonly remote: string;
}

/** An HTTP status and one line of text that says what to do. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
}

export interface Admission {
  /** Which service the request gets, or why none. `openCount` is the number of connections already admitted. */
  admit(request: UpgradeRequest, openCount: number): LinkKind | Refusal;
  /** For plain HTTP, where only the Host matters. */
  refuseHost(host: string): Refusal | null;
}

export type AdmissionOptions = Pick<
  ListenOptions,
  'host' | 'hosts' | 'origins' | 'linkSecret' | 'connectionsMax' | 'onRefused'
>;

const KINDS: ReadonlyMap<string, LinkKind> = new Map([
  ['/', 'client'],
  ['/link', 'link'],
]);

export function createAdmission(options: AdmissionOptions): Admission {
  const { linkSecret, connectionsMax } = options;
  const names = new Set(['localhost', ...[options.host, ...options.hosts].map(hostName)]);
  const checksHost = options.hosts.length > 0 || isLoopback(options.host);
  const origins = new Set(options.origins.map(plainOrigin));
  const secretDigest = linkSecret === null ? null : digest(linkSecret);

  const refuseHost = (host: string): Refusal | null => {
    if (!checksHost) return null;
    if (host === '') return { status: 400, text: 'the request names no Host' };
    const name = hostName(host);
    if (isIP(name) !== 0 || names.has(name)) return null;
    const text =
      'this node is not addressed by that Host: use an IP address or localhost, or allow the name by its option --host';
    return { status: 403, text };
  };

  const refuseOrigin = (origin: string, host: string): Refusal | null => {
    if (origin === '' || origins.has('*') || origins.has(plainOrigin(origin)) || isSameOrigin(origin, host))
      return null;
    return { status: 403, text: 'pages of this Origin may not connect: list it by --origin at the node' };
  };

  const refuseSecret = (authorization: string): Refusal | null => {
    if (secretDigest === null) return null;
    const presented = /^Bearer +(.+)$/i.exec(authorization)?.[1] ?? '';
    if (timingSafeEqual(digest(presented), secretDigest)) return null;
    return { status: 401, text: 'link secret refused: both nodes need the same --link-secret-file' };
  };

  const judge = ({ path, host, origin, authorization }: UpgradeRequest, openCount: number): LinkKind | Refusal => {
    const kind = KINDS.get(path);
    if (kind === undefined) return { status: 404, text: 'no such service: clients open / and nodes open /link' };
    const refusal =
      refuseHost(host) ?? refuseOrigin(origin, host) ?? (kind === 'link' ? refuseSecret(authorization) : null);
    if (refusal !== null) return refusal;
    if (openCount >= connectionsMax)
      return { status: 503, text: 'too many connections: try again or use another node' };
    return kind;
  };

  return {
    refuseHost,
    admit(request, openCount) {
      const verdict = judge(request, openCount);
      const { remote, path } = request;
      if (typeof verdict !== 'string') options.onRefused({ remote, path, reason: verdict.text });
      return verdict;
    },
  };
}

/** Whether a listener at this address is reached from its own machine only. */
export function isLoopback(host: string): boolean {
  const name = hostName(host);
  if (isIP(name) === 6) return /^(::1|(0+:){7}0*1|::ffff:127(\.\d{1,3}){3})$/.test(name);
  return name === 'localhost' || (isIP(name) === 4 && name.startsWith('127.'));
}

/** Digests have one length, so that comparing them tells nothing about the length of the secret either. */
const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

/** `name:port`, `[v6]:port` or a bare address, without port, brackets and a closing dot. */
function hostName(host: string): string {
  const bare = isIP(host) === 6 ? host : (/^\[(.*)\](?::\d*)?$/.exec(host)?.[1] ?? host.replace(/:\d*$/, ''));
  return bare.toLowerCase().replace(/\.$/, '');
}

const plainOrigin = (origin: string): string => origin.toLowerCase().replace(/\/$/, '');

/** TLS may end in front of the node, so the scheme of the Origin says nothing here; it only tells which port is implied. */
function isSameOrigin(origin: string, host: string): boolean {
  try {
    const page = new URL(origin);
    return host !== '' && page.host === new URL(`${page.protocol}//${host}`).host && page.host !== '';
  } catch {
    return false;
  }
}
