/**
 * The dialler: opens links to other nodes with the `ws` package (uWebSockets.js has no client) and says in words why
 * that failed. Frames go out with a zero mask: masking protects proxies from what browsers are made to send, which nodes
 * are not, and without it nothing is computed or copied per byte.
 */
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { WebSocket, type ClientOptions } from 'ws';
import { LINGER_MS } from './closing.js';
import { messageOf } from './fault.js';
import type { Dial, DialOptions } from './link.js';
import { linkUrl, socketPathOf } from './link-url.js';
import { PROXY_FORM, proxyFor } from './proxy.js';
import { openTunnel } from './proxy-tunnel.js';
import { WsLink } from './ws-link.js';

/** Many tiny fragments cost more than they carry; nodes send whole frames. */
const FRAGMENTS_MAX = 64;
/** Of the text that comes with a refusal, this much is read. */
const REFUSAL_CHARS_MAX = 200;

export const dial: Dial = (address, options, opened, failed) => {
  let isSettled = false;
  let giveUp = (): void => {};
  /** The first of opening, failing and cancelling counts. */
  const settle = (): boolean => {
    const isFirst = !isSettled;
    isSettled = true;
    return isFirst;
  };
  const fail = (reason: string): void => {
    if (!settle()) return;
    giveUp();
    failed(reason);
  };

  const route = routeTo(address, options);
  // What is wrong from the start is told later all the same, as everything else is.
  if (typeof route === 'string') process.nextTick(fail, route);
  else {
    const { url, name, proxy } = route;
    const through = proxy === null ? '' : ` (through the proxy ${proxy.host})`;
    let unanswered = `${name} did not answer`;
    const timer = setTimeout(() => fail(`${unanswered} within ${options.timeoutMs} ms`), options.timeoutMs);
    const upgrade = (tunnel: Socket | null): void => {
      if (isSettled) return;
      giveUp = () => {
        clearTimeout(timer);
        tunnel?.destroy();
      };
      let socket: WebSocket;
      try {
        socket = new WebSocket(url, tunnel === null ? route.settings : throughTunnel(tunnel, route));
      } catch (error) {
        // A secret, for instance, that no header can carry.
        return fail(`${name} can't be dialled: ${messageOf(error)}`);
      }
      giveUp = () => {
        clearTimeout(timer);
        socket.terminate();
        tunnel?.destroy();
      };
      socket.on('error', (error) => fail(dialFault(route, error) + through));
      socket.on('unexpected-response', (_request, response) => {
        readLine(response, (line) => fail(refusalText(name, response.statusCode ?? 0, line) + through));
      });
      socket.on('open', () => {
        clearTimeout(timer);
        if (settle()) new WsLink(socket, name, options.backlogBytesMax).open(opened);
      });
    };
    if (proxy === null) {
      giveUp = () => clearTimeout(timer);
      process.nextTick(upgrade, null);
    } else {
      unanswered = `the proxy ${proxy.host} did not open the way to ${url.host}`;
      const tunnel = openTunnel(
        proxy,
        url,
        (socket) => {
          unanswered = `${url.host} did not answer through the proxy ${proxy.host}`;
          upgrade(socket);
        },
        fail,
      );
      giveUp = () => {
        clearTimeout(timer);
        tunnel.cancel();
      };
    }
  }
  return {
    cancel() {
      if (settle()) giveUp();
    },
  };
};

interface Route {
  readonly url: URL;
  /** What is dialled, for people. */
  readonly name: string;
  readonly proxy: URL | null;
  readonly settings: ClientOptions;
}

/** Where to dial and how, or why that can't be. */
function routeTo(address: string, options: DialOptions): Route | string {
  const path = socketPathOf(address);
  const url = path === null ? linkUrl(address) : new URL('ws://localhost/link');
  if (typeof url === 'string') return url;
  const settings = clientOptions(options);
  if (typeof settings === 'string') return settings;
  if (path !== null) {
    const createConnection = (): Socket => connect({ path });
    return { url, name: `the socket ${path}`, proxy: null, settings: { ...settings, createConnection } };
  }
  const proxy = proxyFor(url, options.proxy);
  if (proxy === undefined) return `${url.host} can't be dialled: its proxy is not of the form ${PROXY_FORM}`;
  return { url, name: url.host, proxy, settings };
}

/** The certificate is the node's own, and checked against its name: the proxy only carries bytes. */
function throughTunnel(socket: Socket, { url, settings }: Route): ClientOptions {
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const tls = { socket, host, servername: isIP(host) === 0 ? host : '', ca: settings.ca };
  return { ...settings, createConnection: () => (url.protocol === 'wss:' ? connectTls(tls) : socket) };
}

function clientOptions(options: DialOptions): (ClientOptions & { closeTimeout: number }) | string {
  let ca: { ca?: Buffer } = {};
  try {
    if (options.tlsCaFile !== null) ca = { ca: readFileSync(options.tlsCaFile) };
  } catch (error) {
    return `can't read the certificate authorities (${messageOf(error)}): check --tls-ca`;
  }
  return {
    ...ca,
    headers: options.linkSecret === null ? {} : { authorization: `Bearer ${options.linkSecret}` },
    generateMask: zeroMask,
    perMessageDeflate: false,
    skipUTF8Validation: true,
    followRedirects: false,
    maxPayload: options.frameBytesMax,
    maxFragments: FRAGMENTS_MAX,
    closeTimeout: LINGER_MS,
  };
}

/** The package hands over zeros. */
const zeroMask = (): void => {};

function refusalText(host: string, status: number, line: string): string {
  const said = line === '' ? '' : `: ${line}`;
  if (status === 401) return `link secret refused by ${host}: both nodes need the same --link-secret-file`;
  if (status === 404) return `${host} offers no node links (status 404${said})`;
  return `${host} refused the link (status ${status}${said})`;
}

function dialFault({ url, name: host }: Route, error: NodeJS.ErrnoException): string {
  const code = error.code ?? '';
  switch (code) {
    case 'ECONNREFUSED':
    case 'ENOENT':
      return `${host} refused the connection: nothing listens there`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${host} is not known: check the name`;
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `${host} can't be reached (${code})`;
    case 'ECONNRESET':
      return `${host} closed the connection during the handshake${url.protocol === 'ws:' ? ': does it want wss://?' : ''}`;
    case 'EPROTO':
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
      return `${host} does not speak TLS: does it want ws://?`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate of ${host} is for another name (${code})`;
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return `the certificate of ${host} is not valid now (${code})`;
    default:
      // OpenSSL names what is wrong with a chain in a family of such codes.
      if (/CERT|ISSUER|SIGNATURE|CRL|CA$/.test(code)) {
        return `the certificate of ${host} is not trusted (${code}): name its authority by --tls-ca`;
      }
      if (code.startsWith('HPE_')) return `${host} does not speak HTTP: is that the port of a node?`;
      return `${host}: ${messageOf(error)}`;
  }
}

/** The first line of a refusal; what answers there may not be a node, so that it is bounded and printable. */
function readLine(response: IncomingMessage, found: (line: string) => void): void {
  let text = '';
  const end = (): void =>
    found((/^[^\r\n]*/.exec(text)?.[0] ?? '').replace(/[^\x20-\x7e]/g, '?').slice(0, REFUSAL_CHARS_MAX));
  response.setEncoding('utf8');
  response.on('data', (chunk: string) => {
    text += chunk;
    if (text.length > REFUSAL_CHARS_MAX) end();
  });
  response.on('end', end);
  response.on('error', end);
}
