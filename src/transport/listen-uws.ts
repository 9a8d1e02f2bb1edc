/**
 * The listener on uWebSockets.js, the fastest there is for Node. The only file that knows the library, whose rules are
 * strict: nothing may throw into it, a socket must not be touched once it is closed, received bytes are gone when the
 * handler returns, and a send that exceeds its limit drops the frame. The package is an optional dependency and has no
 * binary for every platform, so it is loaded here when it is first needed.
 */
import { SocketAddress } from 'node:net';
import type * as uWS from 'uWebSockets.js';
import type {
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_listen_socket,
  WebSocket,
  WebSocketBehavior,
} from 'uWebSockets.js';
import { createAdmission } from './admission.js';
import { BROKEN, closeReason, exceedsBacklog, FAULT, lingerMs, SLOW, TOO_LARGE } from './closing.js';
import { messageOf, reportFault } from './fault.js';
import { answerHttp, refuseHttp, type HttpReply } from './http-answer.js';
import type { Accept, Answer, Link, LinkHandler, LinkKind, Listen, Listener, ListenOptions } from './link.js';
import { probeListenFault, readTls } from './listen-fault.js';

/** The constant is there, but not in the package's types. */
type Library = typeof uWS & { readonly LIBUS_LISTEN_EXCLUSIVE_PORT: number };
/** The library's default: whoever asks for the same may listen on the same port. */
const SHARED_PORT = 0;
/** The library takes an address together with options, which its types leave out. */
type ListenWith = (
  host: string,
  port: number,
  options: number,
  listening: (socket: us_listen_socket | false) => void,
) => TemplatedApp;

/** What the library keeps with a socket. The link comes into being once the socket is open. */
interface Seat {
  link: UwsLink | null;
}
type Socket = WebSocket<Seat> & {
  /** Newer versions only. */
  getRemotePort?: () => number;
  /** Copied from the seat, which costs a call of the library each time. */
  link?: UwsLink | null;
};

const linkOf = (socket: Socket): UwsLink | null => (socket.link ??= socket.getUserData().link);

/** Silence after which the library pings, and then cuts. It accepts 0 and 8 to 960 and aborts the process otherwise. */
const IDLE_TIMEOUT_S = 120;
const INT32_MAX = 0x7fffffff;

export const listenUws: Listen = (options, accept, answer, listening, failed) => {
  loadUws(
    (library) => listenOn(library, options, accept, answer, listening, failed),
    (reason) => failed(`${reason}; use --listener ws`),
  );
};

/** Calls back with the library, or with the reason why it doesn't load here. */
export function loadUws(loaded: (library: Library) => void, failed: (reason: string) => void): void {
  import('uWebSockets.js').then(
    (module) => loaded(module.default as Library),
    (error: unknown) => {
      // The library's first line is about platforms in general, its last one about this machine.
      const lines = messageOf(error).split('\n');
      const cause = lines.findLast((line) => line.trim() !== '') ?? 'unknown reason';
      failed(`uWebSockets.js does not load here (${cause.trim()})`);
    },
  );
}

function listenOn(
  library: Library,
  options: ListenOptions,
  accept: Accept,
  answer: Answer,
  listening: (listener: Listener) => void,
  failed: (reason: string) => void,
): void {
  let app: TemplatedApp;
  if (options.tls === null) app = library.App();
  else {
    const files = readTls(options.tls);
    if (typeof files === 'string') return failed(files);
    app = library.SSLApp({ cert_file_name: options.tls.certFile, key_file_name: options.tls.keyFile });
  }

  const admission = createAdmission(options);
  let openCount = 0;
  let isClosed = false;

  const behaviour = (kind: LinkKind, frameBytesMax: number): WebSocketBehavior<Seat> => ({
    compression: library.DISABLED,
    idleTimeout: IDLE_TIMEOUT_S,
    sendPingsAutomatically: true,
    // Beyond its own limit the library cuts the connection without a word. So that a sender learns why, frames up to
    // twice the size are still received, and refused here with 1009.
    maxPayloadLength: Math.min(2 * frameBytesMax + 65_536, INT32_MAX),
    maxBackpressure: Math.min(Math.max(options.backlogBytesMax, 1), INT32_MAX),

    upgrade(response, request, context) {
      answering(response, () => {
        const verdict = isClosed
          ? { status: 503, text: 'this node is closing: use another node' }
          : admission.admit(
              {
                path: request.getUrl(),
                host: request.getHeader('host'),
                origin: request.getHeader('origin'),
                authorization: request.getHeader('authorization'),
                remote: addressText(response),
              },
              openCount,
            );
        if (typeof verdict !== 'string') return respond(response, refuseHttp(verdict), true, true);
        response.upgrade<Seat>(
          { link: null },
          request.getHeader('sec-websocket-key'),
          request.getHeader('sec-websocket-protocol'),
          request.getHeader('sec-websocket-extensions'),
          context,
        );
      });
    },
    open(socket) {
      openCount++;
      const link = new UwsLink(socket, frameBytesMax, options.backlogBytesMax);
      socket.getUserData().link = link;
      link.open(accept, kind);
    },
    message(socket, message, isBinary) {
      linkOf(socket)?.receive(message, !isBinary);
    },
    drain(socket) {
      linkOf(socket)?.drain();
    },
    close(socket, code, message) {
      openCount--;
      linkOf(socket)?.closed(code, Buffer.from(message).toString());
    },
  });

  app
    .ws('/', behaviour('client', options.clientFrameBytesMax))
    .ws('/link', behaviour('link', options.linkFrameBytesMax))
    .any('/*', (response, request) => answering(response, () => respondPlain(response, request)));

  function respondPlain(response: HttpResponse, request: HttpRequest): void {
    const method = request.getCaseSensitiveMethod();
    const path = request.getUrl();
    if (request.getHeader('upgrade').toLowerCase() === 'websocket') {
      const head = { path, host: request.getHeader('host'), origin: '', authorization: '' };
      const verdict = admission.admit({ ...head, remote: addressText(response) }, 0);
      const refusal = typeof verdict === 'string' || verdict.status === 401 ? BAD_HANDSHAKE : verdict;
      return respond(response, refuseHttp(refusal), true, true);
    }
    const reply = answerHttp(answer, admission, method, path, request.getHeader('host'));
    respond(response, reply, method !== 'HEAD', isClosed || (method !== 'GET' && method !== 'HEAD'));
  }

  const onListen = (socket: us_listen_socket | false): void => {
    if (socket === false) {
      app.close();
      probeListenFault(options, failed);
      return;
    }
    let isTerminated = false;
    listening({
      host: options.host,
      port: options.socketPath === null ? library.us_socket_local_port(socket) : 0,
      kind: 'uws',
      fallbackReason: null,
      close() {
        if (isClosed) return;
        isClosed = true;
        library.us_listen_socket_close(socket);
      },
      terminate() {
        if (isTerminated) return;
        isTerminated = true;
        isClosed = true;
        app.close();
      },
    });
  };
  // The library replaces a socket that is left there.
  if (options.socketPath !== null) return void app.listen_unix(onListen, options.socketPath);
  const listen = app.listen.bind(app) as unknown as ListenWith;
  // Two processes that share a port by mistake would both be told that they listen.
  const sharing = options.isShared ? SHARED_PORT : library.LIBUS_LISTEN_EXCLUSIVE_PORT;
  listen(options.host, options.port, sharing, onListen);
}

const BAD_HANDSHAKE = { status: 400, text: 'not a WebSocket handshake' };

function respond(response: HttpResponse, reply: HttpReply, hasBody: boolean, closesConnection: boolean): void {
  response.writeStatus(`${reply.status} ${reply.phrase}`);
  for (const [name, value] of Object.entries(reply.headers)) response.writeHeader(name, value);
  if (hasBody) {
    response.end(reply.body, closesConnection);
    return;
  }
  if (closesConnection) response.writeHeader('connection', 'close');
  // Given as an argument, the length would make the library wait for a body, and abort the process.
  response.writeHeader('content-length', String(Buffer.byteLength(reply.body)));
  response.endWithoutBody();
}

/** The library aborts the process if a request is left without answer or abort handler. */
function answering(response: HttpResponse, run: () => void): void {
  response.onAborted(() => {});
  try {
    run();
  } catch (error) {
    reportFault(error);
  }
}

class UwsLink implements Link {
  readonly remote: string;
  readonly canPause = false;
  readonly #socket: Socket;
  readonly #frameBytesMax: number;
  readonly #backlogBytesMax: number;
  #handler: LinkHandler | null = null;
  /** `closing` waits for the backlog to leave; the library's socket may be used in all but `closed`. */
  #status: 'open' | 'closing' | 'closed' = 'open';
  /** A send found the system's buffers full, and what is unsent has not yet left. */
  #isChoked = false;
  #ownClose: readonly [code: number, reason: string] | null = null;
  #lingering: NodeJS.Timeout | undefined;

  constructor(socket: Socket, frameBytesMax: number, backlogBytesMax: number) {
    this.#socket = socket;
    this.#frameBytesMax = frameBytesMax;
    this.#backlogBytesMax = backlogBytesMax;
    this.remote = remoteText(socket);
  }

  get bufferedBytes(): number {
    // Asked after every frame: the library need not be, while every send went out whole.
    return this.#status === 'closed' || !this.#isChoked ? 0 : this.#socket.getBufferedAmount();
  }

  send(bytes: Uint8Array, isText: boolean): void {
    if (this.#status !== 'open') return;
    if (this.#isChoked && exceedsBacklog(this.#socket.getBufferedAmount(), bytes.length, this.#backlogBytesMax)) {
      return this.close(...SLOW);
    }
    const outcome = this.#socket.send(bytes, !isText, false);
    // 1: sent, 0: taken, but not all of it has left, 2: dropped. After a gap nothing may follow.
    if (outcome === 0) this.#isChoked = true;
    else if (outcome === 2) this.close(...SLOW);
  }

  pause(): void {}
  resume(): void {}

  close(code: number, reason: string): void {
    if (this.#status !== 'open') return;
    this.#status = 'closing';
    this.#ownClose = [code, reason];
    // The library would drop the close frame if too much is unsent, and count the socket as closed before it is.
    if (this.#socket.getBufferedAmount() === 0) return this.#end();
    this.#lingering = setTimeout(() => this.terminate(), lingerMs(code));
    this.#lingering.unref();
  }

  terminate(): void {
    if (this.#status !== 'closed') this.#socket.close();
  }

  open(accept: Accept, kind: LinkKind): void {
    try {
      this.#handler = accept(this, kind);
    } catch (error) {
      this.#fail(error);
    }
  }

  receive(message: ArrayBuffer, isText: boolean): void {
    if (this.#status !== 'open') return;
    if (message.byteLength > this.#frameBytesMax) return this.close(...TOO_LARGE);
    try {
      this.#handler?.onFrame(new Uint8Array(message), isText);
    } catch (error) {
      this.#fail(error);
    }
  }

  drain(): void {
    // The library tells of any progress.
    if (this.#status === 'closed' || this.#socket.getBufferedAmount() > 0) return;
    if (this.#status === 'closing') return this.#end();
    if (!this.#isChoked) return;
    this.#isChoked = false;
    try {
      this.#handler?.onWritable();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The library calls this within `end` and `close` as well; the handler hears of it after whoever called them. */
  closed(code: number, reason: string): void {
    this.#status = 'closed';
    clearTimeout(this.#lingering);
    const [ownCode, ownReason] = this.#ownClose ?? [code, reason];
    queueMicrotask(() => {
      try {
        this.#handler?.onClosed(ownCode, ownReason);
      } catch (error) {
        reportFault(error);
      }
    });
  }

  #end(): void {
    const [code, reason] = this.#ownClose ?? [BROKEN, ''];
    this.#socket.end(code, closeReason(reason));
  }

  #fail(error: unknown): void {
    reportFault(error);
    this.close(...FAULT);
  }
}

function remoteText(socket: Socket): string {
  const port = socket.getRemotePort?.();
  return port === undefined ? addressText(socket) : `${addressText(socket)}:${port}`;
}

/** The library writes out all groups of an IPv6 address, and an IPv4 address in IPv6 form on a dual-stack socket. */
function addressText(end: Pick<HttpResponse, 'getRemoteAddress' | 'getRemoteAddressAsText'>): string {
  const binary = new Uint8Array(end.getRemoteAddress());
  if (binary.length === 0) return 'a process of this machine';
  const isMapped = binary.length === 16 && binary.subarray(0, 10).every((byte) => byte === 0) && binary[10] === 0xff;
  if (binary.length === 4 || isMapped) return binary.subarray(-4).join('.');
  if (binary.length !== 16) return 'unknown';
  const text = Buffer.from(end.getRemoteAddressAsText()).toString();
  return `[${new SocketAddress({ address: text, family: 'ipv6' }).address}]`;
}
