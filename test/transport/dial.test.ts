import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { dial } from '../../src/transport/dial.js';
import { linkUrl } from '../../src/transport/link-url.js';
import { listenWs } from '../../src/transport/listen-ws.js';
import { Bench, pause, until } from './link-probe.js';

describe('dial', () => {
  let bench: Bench;
  let server: Server;
  let sockets: Socket[];
  let serve: (socket: Socket, head: string) => void;
  let url: string;

  /** A server that says what the test wants it to say. */
  beforeEach(async () => {
    bench = new Bench(listenWs, dial);
    sockets = [];
    serve = () => {};
    server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.once('data', (head) => serve(socket, head.toString()));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    bench.close();
    await until(() => bench.probes.every(({ closes }) => closes.length === 1), 'all links closed');
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  const upgrade = (socket: Socket, head: string): void => {
    const key = /sec-websocket-key: (.*)\r/i.exec(head)?.[1] ?? '';
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    const fields = `upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}`;
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n\r\n`);
  };

  it('opens the path of links unless another is given', () => {
    const href = (address: string): string => String(linkUrl(address));
    expect(href('ws://a:7101')).toBe('ws://a:7101/link');
    expect(href('wss://a/')).toBe('wss://a/link');
    expect(href('wss://a/bus/link#x')).toBe('wss://a/bus/link');
    expect(href('WS://[::1]:7101')).toBe('ws://[::1]:7101/link');
    for (const bad of ['', 'a:7101', 'a', 'http://a', 'ws://', 'ws://u:p@a', '/link', 'ws://a:99999']) {
      expect([bad, typeof linkUrl(bad)]).toEqual([bad, 'string']);
    }
  });

  it('gives up on a server that never answers, or answers drop by drop', async () => {
    await expect(bench.dial(url, { timeoutMs: 50 })).rejects.toThrow(/did not answer within 50 ms$/);
    serve = (socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\n');
      const drops = setInterval(() => socket.write('a: b\r\n'), 10);
      socket.on('close', () => clearInterval(drops));
    };
    await expect(bench.dial(url, { timeoutMs: 100 })).rejects.toThrow(/did not answer within 100 ms$/);
    serve = (socket) => socket.write('HTTP/1.1 503 Busy\r\ncontent-length: 100\r\n\r\nnot all');
    await expect(bench.dial(url, { timeoutMs: 100 })).rejects.toThrow(/did not answer within 100 ms$/);
    await until(() => sockets.every(({ destroyed }) => destroyed), 'nothing left open');
  });

  it.each<[string, string, RegExp]>([
    [
      'a refusal with text',
      '503 Busy\r\ncontent-length: 11\r\n\r\ncome later\n',
      /refused the link \(status 503: come later\)$/,
    ],
    ['a refusal of the secret', '401 No\r\ncontent-length: 0\r\n\r\n', /^link secret refused by 127/],
    ['another service', '200 OK\r\ncontent-length: 6\r\n\r\n<html>', /refused the link \(status 200: <html>\)$/],
    ['no such path', '404 Gone\r\ncontent-length: 0\r\n\r\n', /offers no node links \(status 404\)$/],
    ['a redirection', '302 There\r\nlocation: ws://127.0.0.1:1\r\ncontent-length: 0\r\n\r\n', /\(status 302\)$/],
    ['control characters', '500 X\r\ncontent-length: 4\r\n\r\na\x1b[b', /\(status 500: a\?\[b\)$/],
    ['endless text', `500 X\r\ncontent-length: 99999\r\n\r\n${'a'.repeat(9_999)}`, /\(status 500: a{200}\)$/],
    ['a wrong accept', '101 OK\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n', /Sec-WebSocket-Accept/],
  ])('says what came instead of a link: %s', async (_what, response, reason) => {
    serve = (socket) => socket.write(`HTTP/1.1 ${response}`);
    await expect(bench.dial(url)).rejects.toThrow(reason);
    await until(() => sockets.every(({ destroyed }) => destroyed), 'nothing left open');
  });

  it('says that the connection was closed, or that what answers is no HTTP', async () => {
    serve = (socket) => socket.destroy();
    await expect(bench.dial(url)).rejects.toThrow(
      /closed the connection during the handshake: does it want wss:\/\/\?$/,
    );
    serve = (socket) => socket.end('220 mail ready\r\n');
    await expect(bench.dial(url)).rejects.toThrow(/does not speak HTTP/);
  });

  it('refuses a secret that no header can carry', async () => {
    await expect(bench.dial(url, { linkSecret: 'two\nlines' })).rejects.toThrow(/can't be dialled/);
    await expect(bench.dial('ws://no-such-host.invalid')).rejects.toThrow(/is not known: check the name$/);
  });

  it('sends the secret, asks for no compression, and masks with zeros', async () => {
    let received = Buffer.alloc(0);
    let head = '';
    serve = (socket, text) => {
      head = text;
      socket.on('data', (chunk) => (received = Buffer.concat([received, chunk])));
      upgrade(socket, text);
    };
    const near = await bench.dial(url, { linkSecret: 's3' });
    near.link.send(Uint8Array.of(1, 2, 3), false);
    near.link.send(Uint8Array.of(97), true);
    await until(() => received.length >= 16, 'both frames');
    expect(head).toMatch(/^GET \/link HTTP\/1\.1\r\n/);
    expect(head).toMatch(/authorization: Bearer s3\r\n/i);
    expect(head).not.toMatch(/extensions|origin/i);
    expect(received.toString('hex')).toBe('82830000000001020381810000000061');
    expect(near.link.remote).toBe(url.slice('ws://'.length));
  });

  it('closes a peer that never reads at the bound, and cuts it when it does not answer', async () => {
    serve = (socket, head) => {
      upgrade(socket, head);
      socket.pause();
    };
    const near = await bench.dial(url, { backlogBytesMax: 1_000_000 });
    const frame = new Uint8Array(100_000);
    while (near.link.bufferedBytes + frame.length <= 1_000_000) {
      near.link.send(frame, false);
      await pause(0);
    }
    near.act((link) => link.send(frame, false));
    const buffered = near.link.bufferedBytes;
    near.link.send(frame, false);
    expect(near.link.bufferedBytes).toBe(buffered);
    await until(() => near.closes.length === 1, 'cut', 12_000);
    expect(near.closes[0]!.code).toBe(1013);
    expect(near.writableCount).toBe(0);
  });

  it('reports a connection that breaks, and a peer that breaks the protocol, as 1006', async () => {
    serve = (socket, head) => {
      upgrade(socket, head);
      setImmediate(() => socket.destroy());
    };
    const near = await bench.dial(url);
    await until(() => near.closes.length === 1, 'closed');
    serve = (socket, head) => {
      upgrade(socket, head);
      socket.write(Buffer.from('f10161', 'hex'));
      socket.on('data', () => socket.end());
    };
    const other = await bench.dial(url);
    await until(() => other.closes.length === 1, 'closed');
    expect([near.closes[0]!.code, other.closes[0]!.code]).toEqual([1006, 1006]);
    expect(other.closes[0]!.reason).toMatch(/RSV/);
  });
});
