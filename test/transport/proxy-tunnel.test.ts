/** Links through an HTTP proxy, and what is said when there are none. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dial } from '../../src/transport/dial.js';
import type { DialOptions, TlsOptions } from '../../src/transport/link.js';
import { listenWs } from '../../src/transport/listen-ws.js';
import { Bench, DIAL, pause, until, urlOf } from './link-probe.js';
import { ScriptedProxy } from './scripted-proxy.js';

describe('a link through an HTTP proxy', () => {
  let bench: Bench;
  let proxy: ScriptedProxy;
  let folder: string;
  let tls: TlsOptions;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'swarmbus-proxy-'));
    tls = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') };
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const subject = ['-subj', '/CN=swarmbus', '-addext', 'subjectAltName=DNS:node.example', '-days', '2'];
    const files = ['-keyout', tls.keyFile, '-out', tls.certFile];
    execFileSync('openssl', ['req', '-x509', ...curve, ...subject, ...files], { stdio: 'pipe' });
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  beforeEach(async () => {
    bench = new Bench(listenWs, dial);
    proxy = await ScriptedProxy.start();
  });

  afterEach(async () => {
    bench.close();
    await until(() => bench.probes.every(({ closes }) => closes.length === 1), 'all links closed');
    await until(() => proxy.openCount === 0, 'nothing left open');
    await proxy.close();
  });

  const through = (url = proxy.url, noProxy = ''): Partial<DialOptions> => ({ proxy: { ws: url, wss: url, noProxy } });

  /** A proxy answers at once, and no more. */
  const answer = (text: string): void => {
    proxy.react = (socket) => socket.write(text);
  };

  it('carries frames both ways, large ones too, and the link secret to the node only', async () => {
    const { port } = await bench.listen({ linkSecret: 's' });
    const near = await bench.dial(`ws://localhost:${port}`, { ...through(), linkSecret: 's' });
    await until(() => bench.accepted.length === 1, 'accepted');
    const far = bench.accepted[0]!;
    near.link.send(new Uint8Array(1_500_000).fill(7), false);
    far.link.send(Uint8Array.of(1, 2), false);
    await until(() => near.frames.length + far.frames.length === 2, 'both frames');
    expect(far.frames[0]!.bytes.length).toBe(1_500_000);
    // Names are looked up by the proxy.
    expect(proxy.targets).toEqual([`localhost:${port}`]);
    expect(proxy.heads[0]).not.toMatch(/authorization/i);
    near.link.close(1000, 'done');
    await until(() => far.closes.length === 1, 'closed');
    expect(far.closes[0]).toEqual({ code: 1000, reason: 'done' });
  });

  it('checks the certificate of the node, not of the proxy', async () => {
    const { port } = await bench.listen({ tls, hosts: ['node.example'] });
    const trust = { ...through(), tlsCaFile: tls.certFile };
    const near = await bench.dial(`wss://node.example:${port}`, trust);
    near.link.send(Uint8Array.of(9), false);
    await until(() => bench.accepted[0]?.frames.length === 1, 'the frame');
    await expect(bench.dial(`wss://other.example:${port}`, trust)).rejects.toThrow(
      `the certificate of other.example:${port} is for another name (ERR_TLS_CERT_ALTNAME_INVALID) (through the proxy ${proxy.host})`,
    );
    await expect(bench.dial(`wss://127.0.0.1:${port}`, trust)).rejects.toThrow(/is for another name/);
    await expect(bench.dial(`wss://node.example:${port}`, through())).rejects.toThrow(/is not trusted/);
    const plain = await bench.listen();
    await expect(bench.dial(`wss://node.example:${plain.port}`, trust)).rejects.toThrow(/does it want ws:\/\/\?/);
    await expect(bench.dial(`ws://node.example:${port}`, through())).rejects.toThrow(/does it want wss:\/\/\?/);
  });

  it('presents user and password', async () => {
    const listener = await bench.listen();
    const url = proxy.url.replace('//', '//ada:l%40ve%20lace@');
    await bench.dial(urlOf(listener), through(url));
    const [, sent] = /^proxy-authorization: Basic (.*)\r$/im.exec(proxy.heads[0]!) ?? [];
    expect(Buffer.from(sent!, 'base64').toString()).toBe('ada:l@ve lace');
  });

  it('is not used for hosts that NO_PROXY names', async () => {
    const listener = await bench.listen();
    await bench.dial(urlOf(listener), through(proxy.url, 'localhost, 127.0.0.0/8'));
    expect(proxy.heads).toEqual([]);
    await bench.dial(urlOf(listener), through(proxy.url, 'localhost'));
    expect(proxy.heads).toHaveLength(1);
  });

  it.each<[string, string, string]>([
    [
      'wants a password',
      '407 Who are you',
      'wants a user and a password (status 407: Who are you): give them by --proxy-auth-file',
    ],
    ['forbids the target', '403 Filtered', 'refused the way to 127.0.0.1:9 (status 403: Filtered)'],
    ['forbids CONNECT', '405 ', 'refused the way to 127.0.0.1:9 (status 405)'],
    ['finds nobody', '503 Service Unavailable', "can't reach 127.0.0.1:9 (status 503: Service Unavailable)"],
    ['moves away', '302 Found', 'refused the way to 127.0.0.1:9 (status 302: Found)'],
    ['paints', '403 a\x1b[31mb', 'refused the way to 127.0.0.1:9 (status 403: a?[31mb)'],
  ])('says that the proxy %s', async (_what, status, reason) => {
    answer(`HTTP/1.1 ${status}\r\ncontent-length: 0\r\n\r\n`);
    await expect(bench.dial('ws://127.0.0.1:9', through())).rejects.toThrow(
      new Error(`the proxy ${proxy.host} ${reason}`),
    );
  });

  it('says that the proxy does not accept the password, and never shows it', async () => {
    answer('HTTP/1.1 407 No\r\n\r\n');
    const dialled = bench.dial('ws://127.0.0.1:9', through(proxy.url.replace('//', '//ada:hush@')));
    await expect(dialled).rejects.toThrow(
      new Error(`the proxy ${proxy.host} does not accept the user and password (status 407: No)`),
    );
  });

  it('says that no proxy is there, that it closes, or speaks something else', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const dialled = (url: string) => bench.dial('ws://127.0.0.1:9', through(url));
    await expect(dialled(`http://127.0.0.1:${port}`)).rejects.toThrow(
      `the proxy 127.0.0.1:${port} refused the connection: nothing listens there`,
    );
    await expect(dialled('http://no-such-host.invalid:1')).rejects.toThrow(
      /^the proxy no-such-host.invalid:1 is not known/,
    );
    await expect(dialled('socks5://127.0.0.1:1')).rejects.toThrow(/its proxy is not of the form http:/);
    proxy.react = (socket) => socket.destroy();
    await expect(dialled(proxy.url)).rejects.toThrow(/closed the connection before it opened the way to 127.0.0.1:9$/);
    answer('SSH-2.0-OpenSSH_9.2\r\n');
    await expect(dialled(proxy.url)).rejects.toThrow(
      /^the proxy .* does not speak HTTP: is that the port of a proxy\?$/,
    );
  });

  it('says that nothing listens behind the tunnel', async () => {
    const listener = await bench.listen();
    listener.terminate();
    await expect(bench.dial(urlOf(listener), through())).rejects.toThrow(
      `the proxy ${proxy.host} can't reach 127.0.0.1:${listener.port} (status 502: Bad Gateway)`,
    );
  });

  it('gives up on a proxy that never answers, on a tunnel that leads nowhere, and when asked to', async () => {
    proxy.react = () => {};
    await expect(bench.dial('ws://127.0.0.1:9', { ...through(), timeoutMs: 50 })).rejects.toThrow(
      `the proxy ${proxy.host} did not open the way to 127.0.0.1:9 within 50 ms`,
    );
    answer('HTTP/1.1 200 OK\r\n\r\n');
    await expect(bench.dial('ws://127.0.0.1:9', { ...through(), timeoutMs: 100 })).rejects.toThrow(
      `127.0.0.1:9 did not answer through the proxy ${proxy.host} within 100 ms`,
    );
    await until(() => proxy.openCount === 0, 'both given up');

    const called: string[] = [];
    const start = () =>
      dial(
        'ws://127.0.0.1:9',
        { ...DIAL, ...through() },
        () => {
          throw new Error('opened');
        },
        (reason) => called.push(reason),
      );
    const asked = start();
    asked.cancel();
    proxy.react = () => {};
    const waiting = start();
    await until(() => proxy.heads.length === 3, 'the request');
    waiting.cancel();
    answer('HTTP/1.1 200 OK\r\n\r\n');
    const opened = start();
    await until(() => proxy.heads.length === 4, 'the request');
    await pause(20);
    opened.cancel();
    await until(() => proxy.openCount === 0, 'all given up');
    expect(called).toEqual([]);
  });

  it('takes what comes with the answer of the proxy for the node’s', async () => {
    answer('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n');
    await expect(bench.dial('ws://127.0.0.1:9', through())).rejects.toThrow(/^link secret refused by 127\.0\.0\.1:9/);
  });

  it('reports a tunnel that breaks as 1006', async () => {
    const listener = await bench.listen();
    const near = await bench.dial(urlOf(listener), through());
    proxy.cut();
    await until(() => near.closes.length === 1, 'closed');
    expect(near.closes[0]!.code).toBe(1006);
    const secure = await bench.listen({ tls, hosts: ['node.example'] });
    const far = await bench.dial(`wss://node.example:${secure.port}`, { ...through(), tlsCaFile: tls.certFile });
    proxy.cut();
    await until(() => far.closes.length === 1, 'closed');
    expect(far.closes[0]!.code).toBe(1006);
  });
});
