/**
 * The listener on Node's HTTP server and the `ws` package: the same service as listen-uws.ts, slower, wherever Node runs.
 */
import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { createAdmission, type Refusal } from './admission.js';
import { LINGER_MS } from './closing.js';
import { reportFault } from './fault.js';
import { answerHttp, refuseHttp, type HttpReply } from './http-answer.js';
import type { LinkKind, Listen } from './link.js';
import { listenFault, readTls } from './listen-fault.js';
import { WsLink } from './ws-link.js';

/** Time for a request's head. Longer ones are cut, so that slow senders don't hold sockets. */
const HEAD_TIMEOUT_MS = 10_000;
/** See `WsLink.endRound`. */
const IDLE_ROUND_MS = 60_000;
/** Sockets that may be open beyond the admitted connections, so that refusals can be said. */
const SPARE_SOCKETS = 256;

/** Connections that wait to be accepted: as many as the system allows, since thousands may come back at once. */
const BACKLOG = 4096;

export const listenWs: Listen = (options, accept, answer, listening, failed) => {
  if (options.isShared) {
    return process.nextTick(failed, 'the listener ws can not share its port: use --listener uws, or --workers 1');
  }
  const tls = options.tls === null ? {} : readTls(options.tls);
  if (typeof tls === 'string') return process.nextTick(failed, tls);

  const http = {
    headersTimeout: HEAD_TIMEOUT_MS,
    requestTimeout: HEAD_TIMEOUT_MS,
    connectionsCheckingInterval: 2_000,
    noDelay: true,
  };
  const server =
    options.tls === null ? createServer(http) : createTlsServer({ ...http, ...tls, handshakeTimeout: HEAD_TIMEOUT_MS });
  server.maxConnections = options.connectionsMax + SPARE_SOCKETS;
  const admission = createAdmission(options);
  const links = new Set<WsLink>();
  let isClosed = false;

  const upgraders: Record<LinkKind, WebSocketServer> = {
    client: upgrader(options.clientFrameBytesMax),
    link: upgrader(options.linkFrameBytesMax),
  };

  server.on('request', (request, response) => {
    const method = request.method ?? '';
    const reply = answerHttp(answer, admission, method, pathOf(request), request.headers.host ?? '');
    respond(response, reply, method !== 'HEAD', isClosed || (method !== 'GET' && method !== 'HEAD'));
  });

  server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const socket = stream as Socket;
    // Before the link takes over, a broken connection is nobody's concern.
    socket.on('error', () => socket.destroy());
    if (isClosed) return refuseUpgrade(socket, { status: 503, text: 'this node is closing: use another node' });
    const verdict = admission.admit(
      {
        path: pathOf(request),
        host: request.headers.host ?? '',
        origin: request.headers.origin ?? '',
        authorization: request.headers.authorization ?? '',
        remote: addressText(socket),
      },
      links.size,
    );
    if (typeof verdict !== 'string') return refuseUpgrade(socket, verdict);
    const remote = remoteText(socket);
    upgraders[verdict].handleUpgrade(request, socket, head, (upgraded) => {
      const link = new WsLink(upgraded, remote, options.backlogBytesMax);
      links.add(link);
      upgraded.once('close', () => links.delete(link));
      link.open((opened) => accept(opened, verdict));
    });
  });

  server.on('clientError', (_error, stream) => {
    // Where TLS failed, nothing more can be said.
    if (stream.writable && options.tls === null) refuseUpgrade(stream, { status: 400, text: 'not HTTP' });
    else stream.destroy();
  });

  const idleRounds = setInterval(() => {
    for (const link of links) link.endRound();
  }, IDLE_ROUND_MS);
  idleRounds.unref();

  const onFailed = (error: Error): void => {
    clearInterval(idleRounds);
    failed(listenFault(options, error));
  };
  server.once('error', onFailed);
  const { host, port, socketPath } = options;
  if (socketPath !== null) rmSync(socketPath, { force: true });
  const where = socketPath === null ? { host, port, exclusive: true } : { path: socketPath };
  server.listen({ ...where, backlog: BACKLOG }, () => {
    server.off('error', onFailed);
    server.on('error', reportFault);
    const close = (): void => {
      if (isClosed) return;
      isClosed = true;
      server.close();
    };
    listening({
      host,
      port: socketPath === null ? (server.address() as AddressInfo).port : 0,
      kind: 'ws',
      fallbackReason: null,
      close,
      terminate() {
        close();
        clearInterval(idleRounds);
        for (const link of links) link.terminate();
        server.closeAllConnections();
      },
    });
  });
};

function upgrader(frameBytesMax: number): WebSocketServer {
  const settings = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: frameBytesMax,
    closeTimeout: LINGER_MS,
  };
  const upgrader = new WebSocketServer(settings);
  upgrader.on('wsClientError', (error, stream) => refuseUpgrade(stream, { status: 400, text: error.message }));
  return upgrader;
}

const pathOf = (request: IncomingMessage): string => (request.url ?? '').replace(/\?.*$/s, '');

function respond(response: ServerResponse, reply: HttpReply, hasBody: boolean, closesConnection: boolean): void {
  const length = Buffer.byteLength(reply.body);
  const close = closesConnection ? { connection: 'close' } : {};
  response.writeHead(reply.status, reply.phrase, { ...reply.headers, 'content-length': length, ...close });
  response.end(hasBody ? reply.body : undefined);
}

/** Node gives upgrades no response object, so that this one is written by hand. */
function refuseUpgrade(stream: Duplex, refusal: Refusal): void {
  const { status, phrase, headers, body } = refuseHttp(refusal);
  const fields = { ...headers, 'content-length': Buffer.byteLength(body), connection: 'close' };
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  stream.once('finish', () => stream.destroy());
  stream.end(`HTTP/1.1 ${status} ${phrase}\r\n${lines.join('')}\r\n${String(body)}`);
}

const remoteText = (socket: Socket): string =>
  socket.remotePort === undefined ? addressText(socket) : `${addressText(socket)}:${socket.remotePort}`;

/** On a Unix socket there is no address. */
function addressText({ remoteAddress = 'a process of this machine' }: Socket): string {
  const address = remoteAddress.replace(/^::ffff:(?=[\d.]+$)/, '');
  return address.includes(':') ? `[${address}]` : address;
}
