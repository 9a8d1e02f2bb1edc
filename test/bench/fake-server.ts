/** Servers for the load generator to ask, which answer as a test wants it. */
import { createServer, type Server, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

export interface FakeServer {
  readonly port: number;
  /** Everything that was received, by connection. */
  readonly received: Buffer[];
  close(): Promise<void>;
}

/** `answer` gets all that came in on a connection and was not taken yet, and returns how many bytes it takes. */
export async function startServer(onOpen: (socket: Socket) => (bytes: Buffer) => number): Promise<FakeServer> {
  const sockets = new Set<Socket>();
  const received: Buffer[] = [];
  const server: Server = createServer((socket) => {
    const number = received.push(Buffer.alloc(0)) - 1;
    const answer = onOpen(socket);
    let rest = Buffer.alloc(0);
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      received[number] = Buffer.concat([received[number] as Buffer, chunk]);
      rest = Buffer.concat([rest, chunk]);
      rest = rest.subarray(answer(rest));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    received,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

/** Takes all whole commands of the form that Redis reads; the callback gets their words. */
export function takeCommands(bytes: Buffer, onCommand: (words: string[]) => void): number {
  const text = bytes.toString('latin1');
  const command = /\*(\d+)\r\n((?:\$\d+\r\n[^\r]*\r\n)+?)(?=\*|$)/y;
  let taken = 0;
  for (let match = command.exec(text); match !== null; match = command.exec(text)) {
    const words = (match[2] as string).split('\r\n').filter((_, i) => i % 2 === 1);
    if (words.length < Number(match[1])) break;
    onCommand(words);
    taken = command.lastIndex;
  }
  return taken;
}
