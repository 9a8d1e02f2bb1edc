/** An HTTP proxy that opens tunnels, or says what a test wants it to say. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export class ScriptedProxy {
  readonly url: string;
  /** The heads of all requests, in order. */
  readonly heads: string[] = [];
  /** Instead of opening the way. */
  react: ((socket: Socket) => void) | null = null;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  static async start(): Promise<ScriptedProxy> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new ScriptedProxy(server);
  }

  private constructor(server: Server) {
    this.#server = server;
    this.#sockets = new Set();
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => {
      this.#keep(socket);
      let head = '';
      const onData = (bytes: Buffer): void => {
        head += bytes.toString('latin1');
        if (!head.includes('\r\n\r\n')) return;
        socket.off('data', onData);
        this.heads.push(head);
        if (this.react === null) this.#open(socket, head);
        else this.react(socket);
      };
      socket.on('data', onData);
    });
  }

  get host(): string {
    return new URL(this.url).host;
  }

  get openCount(): number {
    return this.#sockets.size;
  }

  /** Where it was asked to go. */
  get targets(): string[] {
    return this.heads.map((head) => /^CONNECT (\S+) HTTP\/1\.1\r\n/.exec(head)?.[1] ?? head);
  }

  cut(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #open(socket: Socket, head: string): void {
    const [, port] = /^CONNECT \S*:(\d+) /.exec(head) ?? [];
    // Whatever the name, the test's listeners are on loopback.
    const onward = connect({ host: '127.0.0.1', port: Number(port) }, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    this.#keep(onward);
    onward.on('error', () => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'));
    onward.on('close', () => socket.destroy());
    socket.on('close', () => onward.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
