/** What every real listener does beyond its links: refusals, plain HTTP, TLS, and bytes that are none of these. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Answer, Listen, TlsOptions } from '../../src/transport/link.js';
import { dial } from '../../src/transport/dial.js';
import { socketAddress } from '../../src/transport/link-url.js';
import { Bench, pause, until, urlOf } from './link-probe.js';

const HANDSHAKE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export function listenerContract(name: string, listen: Listen): void {
  describe(`a listener for the world: ${name}`, () => {
    let bench: Bench;
    let sockets: Socket[];

    beforeEach(() => {
      bench = new Bench(listen, dial);
      sockets = [];
    });

    afterEach(async () => {
      bench.close();
      for (const socket of sockets) socket.destroy();
      await until(() => bench.probes.every(({ closes }) => closes.length === 1), 'all links closed once');
    });

    /** Sends bytes as they are, and collects what comes back until the connection ends. */
    const raw = (
      port: number,
      bytes: string | Uint8Array,
    ): { readonly socket: Socket; text: string; isEnded: boolean } => {
      const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
      const talk = { socket, text: '', isEnded: false };
      sockets.push(socket);
      socket.on('data', (chunk) => (talk.text += chunk.toString('latin1')));
      socket.on('error', () => {});
      socket.on('close', () => (talk.isEnded = true));
      return talk;
    };

    const handshake = (headers: Readonly<Record<string, string>> = {}, path = '/'): string =>
      [
        `GET ${path} HTTP/1.1`,
        ...Object.entries({ host: '127.0.0.1', ...HANDSHAKE, ...headers }).map(
          ([field, value]) => `${field}: ${value}`,
        ),
        '\r\n',
      ].join('\r\n');

    /** The status that an upgrade gets, and the text of a refusal. */
    const upgrade = async (port: number, headers: Readonly<Record<string, string>>, path = '/') => {
      const talk = raw(port, handshake(headers, path));
      await until(
        () => /\r\n\r\n/.test(talk.text) && (talk.isEnded || talk.text.startsWith('HTTP/1.1 101')),
        'a reply',
      );
      talk.socket.destroy();
      return { status: Number(talk.text.split(' ')[1]), body: talk.text.split('\r\n\r\n')[1] ?? '' };
    };

    const fetch = (port: number, method: string, path: string, headers = {}, ca?: string): Promise<Reply> =>
      new Promise((resolve, reject) => {
        const options = { host: '127.0.0.1', port, method, path, headers, agent: false as const };
        const onResponse = (response: IncomingMessage): void => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            const body = Buffer.concat(chunks).toString();
            resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
          });
        };
        const request =
          ca === undefined ? httpRequest(options, onResponse) : httpsRequest({ ...options, ca }, onResponse);
        request.on('error', reject);
        request.end(method === 'POST' ? 'a body' : undefined);
      });

    /** Whether a link opens and carries a frame: nothing that was done to the listener has hurt it. */
    const expectService = async (url: string): Promise<void> => {
      const before = bench.accepted.length;
      const near = await bench.dial(url);
      await until(() => bench.accepted.length > before, 'accepted');
      near.link.send(Uint8Array.of(42), false);
      const far = bench.accepted.at(-1)!;
      await until(() => far.frames.length === 1, 'a frame');
      near.link.terminate();
    };

    it('listens on a socket as well, in the place of what is left there', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'swarmbus-listen-'));
      const socketPath = join(folder, '1.sock');
      writeFileSync(socketPath, '');
      const address = socketAddress(socketPath);
      const listener = await bench.listen({ socketPath, host: 'localhost', linkSecret: 'secret' });
      expect(listener.port).toBe(0);
      const near = await bench.dial(address, { linkSecret: 'secret' });
      expect(near.link.remote).toBe(`the socket ${socketPath}`);
      await until(() => bench.accepted.length === 1, 'accepted');
      near.link.send(Uint8Array.of(42), false);
      await until(() => bench.accepted[0]!.frames.length === 1, 'a frame');
      expect(bench.accepted[0]!.link.remote).toBe('a process of this machine');
      await expect(bench.dial(address)).rejects.toThrow(/^link secret refused by the socket /);
      listener.terminate();
      await expect(bench.dial(address)).rejects.toThrow(
        /^the socket .* refused the connection: nothing listens there$/,
      );
      const nowhere = join(folder, 'not there', '1.sock');
      await expect(bench.listen({ socketPath: nowhere })).rejects.toThrow(/^can't listen on the socket \S+ there/);
      rmSync(folder, { recursive: true });
    });

    describe('plain HTTP', () => {
      const answer: Answer = (method, path) => {
        if (path === '/') return { status: 200, type: 'text/html; charset=utf-8', body: `<p>grüße ${method}` };
        if (path === '/client.js')
          return { status: 200, type: 'text/javascript', body: new Uint8Array(100_000).fill(97) };
        if (path === '/readyz') return { status: 503, type: 'text/plain', body: 'joining\n' };
        if (path === '/fault') throw new Error('fault in answer');
        return null;
      };
      let port: number;

      beforeEach(async () => {
        ({ port } = await bench.listen({}, bench.accept, answer));
      });

      it('GET answers with status, type and body', async () => {
        const page = await fetch(port, 'GET', '/?a=1');
        expect([page.status, page.body]).toEqual([200, '<p>grüße GET']);
        expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
        expect(page.headers['content-length']).toBe(String(Buffer.byteLength(page.body)));
        expect((await fetch(port, 'GET', '/client.js')).body).toBe('a'.repeat(100_000));
        const ready = await fetch(port, 'GET', '/readyz');
        expect([ready.status, ready.body]).toEqual([503, 'joining\n']);
      });

      it('HEAD answers the same without the body', async () => {
        const page = await fetch(port, 'HEAD', '/');
        expect([page.status, page.body]).toEqual([200, '']);
        expect(page.headers['content-length']).toBe(String(Buffer.byteLength('<p>grüße HEAD')));
        const missing = await fetch(port, 'HEAD', '/nowhere');
        expect([missing.status, missing.body]).toEqual([404, '']);
      });

      it('answers 404 to unknown paths, 405 to other methods, 500 if the node has a fault', async () => {
        const missing = await fetch(port, 'GET', '/nowhere');
        expect([missing.status, missing.body]).toEqual([404, 'nothing here: see /\n']);
        expect((await fetch(port, 'GET', '/link')).status).toBe(404);
        for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
          const refused = await fetch(port, method, '/');
          expect([refused.status, refused.body, refused.headers.allow]).toEqual([
            405,
            'only GET and HEAD\n',
            'GET, HEAD',
          ]);
        }
        const emitWarning = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
        const fault = await fetch(port, 'GET', '/fault');
        expect([fault.status, fault.body, emitWarning.mock.calls.length]).toEqual([500, 'internal error\n', 1]);
        emitWarning.mockRestore();
      });

      it('is not for pages that reach a loopback node through a name of their own', async () => {
        expect((await fetch(port, 'GET', '/', { host: 'evil.example' })).status).toBe(403);
        expect((await fetch(port, 'GET', '/', { host: `localhost:${port}` })).status).toBe(200);
      });

      it('keeps a connection for the next request', async () => {
        const get = 'GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n';
        const talk = raw(port, get);
        await until(() => talk.text.endsWith('joining\n'), 'the first answer');
        talk.socket.write(get);
        await until(() => talk.text.split('joining\n').length === 3, 'the second answer');
        expect(talk.isEnded).toBe(false);
      });
    });

    it('[HS8] judges Host and Origin of an upgrade', async () => {
      const closed = await bench.listen({ origins: ['https://app.example/'], hosts: ['bus.example'] });
      const anyOrigin = await bench.listen({ origins: ['*'] });
      const port = String(closed.port);
      const matrix: [number, Record<string, string>, status: number][] = [
        [closed.port, { host: '127.0.0.1' }, 101],
        [closed.port, { host: `localhost:${port}` }, 101],
        [closed.port, { host: '[::1]:7101' }, 101],
        [closed.port, { host: 'BUS.example.:80' }, 101],
        [closed.port, { host: 'evil.example' }, 403],
        [closed.port, { host: 'evil.example', origin: 'http://evil.example' }, 403],
        [closed.port, { host: 'localhost', origin: 'http://evil.example' }, 403],
        [closed.port, { host: `localhost:${port}`, origin: `http://localhost:${port}` }, 101],
        [closed.port, { host: 'localhost', origin: 'https://localhost' }, 101],
        [closed.port, { host: `localhost:${port}`, origin: 'http://localhost:1' }, 403],
        [closed.port, { host: 'localhost', origin: 'https://APP.example' }, 101],
        [closed.port, { host: 'localhost', origin: 'http://app.example' }, 403],
        [closed.port, { host: 'localhost', origin: 'null' }, 403],
        [anyOrigin.port, { host: 'localhost', origin: 'null' }, 101],
        [anyOrigin.port, { host: 'localhost', origin: 'http://evil.example' }, 101],
        [anyOrigin.port, { host: 'evil.example', origin: 'http://evil.example' }, 403],
      ];
      for (const [target, headers, status] of matrix) {
        expect({ ...headers, status: (await upgrade(target, headers)).status }).toEqual({ ...headers, status });
      }
      expect((await upgrade(closed.port, { host: 'a.example' })).body).toMatch(
        /^this node is not addressed.*--host\n$/,
      );
      expect((await upgrade(closed.port, { origin: 'http://a.example' })).body).toMatch(/list it by --origin/);
      expect(bench.accepted.every(({ kind }) => kind === 'client')).toBe(true);
    });

    it('refuses upgrades of other paths, without the secret, and those that are no WebSocket handshake', async () => {
      const { port } = await bench.listen({ linkSecret: 's' });
      expect(await upgrade(port, {}, '/elsewhere?a')).toEqual({
        status: 404,
        body: expect.stringContaining('no such service'),
      });
      expect((await upgrade(port, {}, '/client.js')).status).toBe(404);
      expect((await upgrade(port, {}, '/link')).status).toBe(401);
      expect((await upgrade(port, { authorization: 'Basic cw==' }, '/link')).status).toBe(401);
      expect((await upgrade(port, { authorization: 'bearer s' }, '/link?a=b')).status).toBe(101);
      expect((await upgrade(port, {}, '/')).status).toBe(101);
      expect((await upgrade(port, { 'sec-websocket-key': 'short' }, '/')).status).toBe(400);
      expect(bench.accepted.map(({ kind }) => kind)).toEqual(['link', 'client']);
    });

    it('admits 40 of 100 at once, refuses the others, and has room again afterwards', async () => {
      const listener = await bench.listen({ connectionsMax: 40 });
      const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => bench.dial(urlOf(listener))));
      expect(outcomes.filter(({ status }) => status === 'fulfilled').length).toBe(40);
      for (const { link } of bench.probes) link.close(1000, '');
      await until(() => bench.probes.every(({ closes }) => closes.length === 1), 'all closed');
      await expectService(urlOf(listener));
    });

    it('survives what is neither HTTP nor WebSocket', async () => {
      const listener = await bench.listen();
      const { port } = listener;
      // A fixed generator: the same bytes in each run.
      let seed = 1;
      const next = (): number => (seed = (seed * 48_271) % 2_147_483_647);
      const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, next));
      const talks = [
        ...Array.from({ length: 50 }, () => raw(port, noise(500))),
        raw(port, '\r\n\r\n\r\n'),
        raw(port, 'GET / HTTP/9.9\r\n\r\n'),
        raw(port, 'GET / HTTP/1.1\r\n\r\n'),
        raw(port, `GET /${'a'.repeat(100_000)} HTTP/1.1\r\nhost: localhost\r\n\r\n`),
        raw(port, `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'a'.repeat(100_000)}\r\n\r\n`),
        raw(port, Buffer.from('160301020001', 'hex')),
      ];
      await pause(100);
      for (const { socket } of talks) socket.destroy();
      await expectService(urlOf(listener));
    });

    it('closes connections that break the WebSocket protocol, and only these', async () => {
      const listener = await bench.listen({ clientFrameBytesMax: 1_000 });
      const bad: Record<string, string> = {
        'a reserved opcode': '83800000000061',
        'reserved bits': 'f18100000000' + '61',
        'text that is no UTF-8': '818200000000' + 'c328',
        'a length of 2^63': '82ff' + '8000000000000000' + '00000000',
        'a length of 1 GiB': '82ff' + '0000000040000000' + '00000000',
        'a continuation of nothing': '808100000000' + '61',
        'a fragmented ping': '098000000000',
        'a close frame of one byte': '888100000000' + '03',
      };
      for (const [what, hex] of Object.entries(bad)) {
        const before = bench.accepted.length;
        const talk = raw(listener.port, handshake());
        await until(() => bench.accepted.length > before, `${what}: accepted`);
        talk.socket.write(Buffer.from(hex, 'hex'));
        const probe = bench.accepted.at(-1)!;
        await until(() => probe.closes.length === 1, `${what}: closed`, 12_000);
        expect({ what, frames: probe.frames }).toEqual({ what, frames: [] });
        talk.socket.destroy();
      }
      await expectService(urlOf(listener));
    });

    it('tells the sender of a frame that is up to twice too large why it is closed', async () => {
      const { port } = await bench.listen({ clientFrameBytesMax: 1_000 });
      const talk = raw(port, handshake());
      await until(() => bench.accepted.length === 1, 'accepted');
      talk.socket.write(Buffer.concat([Buffer.from('82fe07d000000000', 'hex'), Buffer.alloc(2_000)]));
      const sent = (): Buffer => Buffer.from(talk.text.slice(talk.text.indexOf('\r\n\r\n') + 4), 'latin1');
      await until(() => sent().length >= 4, 'a close frame');
      expect([sent()[0], sent().readUInt16BE(2)]).toEqual([0x88, 1009]);
      talk.socket.destroy();
      await until(() => bench.accepted[0]!.closes.length === 1, 'closed');
      expect(bench.accepted[0]!.closes[0]!.code).toBe(1009);
    });

    it('counts as broken (1006) what ends without a close frame, and delivers codes of clients', async () => {
      const { port } = await bench.listen();
      const cut = raw(port, handshake());
      await until(() => bench.accepted.length === 1, 'accepted');
      cut.socket.destroy();
      await until(() => bench.accepted[0]!.closes.length === 1, 'closed');
      expect(bench.accepted[0]!.closes[0]!.code).toBe(1006);
      const polite = raw(port, handshake());
      await until(() => bench.accepted.length === 2, 'accepted');
      polite.socket.write(Buffer.from('888400000000' + '1130' + '6f6b', 'hex'));
      await until(() => bench.accepted[1]!.closes.length === 1, 'closed');
      expect(bench.accepted[1]!.closes[0]).toEqual({ code: 4400, reason: 'ok' });
    });

    it('cuts what takes too long: a handshake that never ends, a goodbye that nobody reads', async () => {
      const listener = await bench.listen();
      const slow = Array.from({ length: 20 }, () => raw(listener.port, 'GET / HTTP/1.1\r\nhost: localhost\r\n'));
      const near = await bench.dial(urlOf(listener));
      await until(() => bench.accepted.length === 1, 'accepted');
      const far = bench.accepted[0]!;
      near.link.pause();
      while (far.link.bufferedBytes < 1_000_000) {
        far.link.send(new Uint8Array(100_000), false);
        await pause(0);
      }
      far.link.close(1001, 'going away');
      await expectService(urlOf(listener));
      expect(slow.some(({ isEnded }) => isEnded)).toBe(false);
      expect(far.closes.length).toBe(0);
      await until(() => far.closes.length === 1, 'the goodbye cut', 12_000);
      expect(far.closes[0]).toEqual({ code: 1001, reason: 'going away' });
      near.link.resume();
      await until(() => near.closes.length === 1, 'the other end');
      await until(() => slow.every(({ isEnded }) => isEnded), 'the handshakes cut', 8_000);
    }, 25_000);

    it('refuses requests that come over old connections once it is closed', async () => {
      const listener = await bench.listen({}, bench.accept, () => ({ status: 200, type: 'text/plain', body: 'here' }));
      const talk = raw(listener.port, 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
      await until(() => talk.text.endsWith('here'), 'an answer');
      listener.close();
      if (!talk.isEnded) talk.socket.write(handshake());
      await until(() => talk.isEnded, 'the end');
      expect(talk.text).not.toContain('HTTP/1.1 101');
      expect(bench.accepted.length).toBe(0);
    });

    it('names the address that it can not listen on', async () => {
      await expect(bench.listen({ host: '203.0.113.1', port: 7101 })).rejects.toThrow(
        "can't listen on 203.0.113.1:7101: no such address on this machine; choose another with --listen",
      );
    });

    describe('TLS', () => {
      let folder: string;
      let tls: TlsOptions;

      beforeAll(() => {
        folder = mkdtempSync(join(tmpdir(), 'swarmbus-tls-'));
        tls = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
        const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
        const subject = ['-subj', '/CN=swarmbus', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
        const files = ['-keyout', tls.keyFile, '-out', tls.certFile];
        execFileSync('openssl', ['req', '-x509', ...curve, ...subject, ...files], { stdio: 'pipe' });
      });

      afterAll(() => rmSync(folder, { recursive: true, force: true }));

      it('carries links and pages to those who trust the certificate', async () => {
        const answer: Answer = () => ({ status: 200, type: 'text/plain', body: 'here' });
        const listener = await bench.listen({ tls, linkSecret: 's' }, bench.accept, answer);
        const near = await bench.dial(urlOf(listener, 'wss'), { tlsCaFile: tls.certFile, linkSecret: 's' });
        await until(() => bench.accepted.length === 1, 'accepted');
        const far = bench.accepted[0]!;
        const lent = new Uint8Array(1_000_000).fill(5);
        near.link.send(lent, false);
        far.link.send(lent, false);
        lent.fill(0);
        await until(() => near.frames.length + far.frames.length === 2, 'both frames');
        expect([near, far].every(({ frames }) => frames[0]!.bytes.every((byte) => byte === 5))).toBe(true);
        far.link.close(4409, 'name taken');
        await until(() => near.closes.length === 1, 'closed');
        expect(near.closes[0]).toEqual({ code: 4409, reason: 'name taken' });
        const ca = execFileSync('openssl', ['x509', '-in', tls.certFile]).toString();
        expect((await fetch(listener.port, 'GET', '/', {}, ca)).body).toBe('here');
      });

      it('says what is wrong with the certificate, the scheme or the files', async () => {
        const secure = await bench.listen({ tls });
        const plain = await bench.listen();
        const trust = { tlsCaFile: tls.certFile };
        await expect(bench.dial(urlOf(secure, 'wss'))).rejects.toThrow(
          /is not trusted .*name its authority by --tls-ca/,
        );
        await expect(bench.dial(`wss://localhost:${secure.port}`, trust)).rejects.toThrow(/is for another name/);
        await expect(bench.dial(urlOf(secure))).rejects.toThrow(/does it want wss:\/\/\?$/);
        await expect(bench.dial(urlOf(plain, 'wss'), trust)).rejects.toThrow(/does it want ws:\/\/\?$/);
        const missing = { tlsCaFile: join(folder, 'none.pem') };
        await expect(bench.dial(urlOf(secure, 'wss'), missing)).rejects.toThrow(/can't read .*check --tls-ca$/);

        const broken = join(folder, 'broken.pem');
        writeFileSync(broken, 'nonsense');
        for (const certFile of [broken, join(folder, 'none.pem')]) {
          const listening = bench.listen({ tls: { ...tls, certFile } });
          await expect(listening).rejects.toThrow(/^can't use the TLS certificate: .*check --tls-cert and --tls-key$/);
        }
        const talk = raw(secure.port, 'GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
        await until(() => talk.isEnded, 'the end of plain HTTP');
        const near = await bench.dial(urlOf(secure, 'wss'), trust);
        near.link.close(1000, '');
      });
    });
  });
}
