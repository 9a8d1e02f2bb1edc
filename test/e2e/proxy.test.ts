/** Nodes that reach each other only through an HTTP proxy, a real one: Debian's tinyproxy. */
import { describe, expect, it } from '@jest/globals';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { freePort, lacks, until, useProcesses, type NodeProcess, type RunningProcess } from './processes.js';

const PROGRAM = '/usr/bin/tinyproxy';
const isMissing = lacks('links through a real proxy', existsSync(PROGRAM), 'tinyproxy');

(isMissing ? describe.skip : describe)('links through tinyproxy', () => {
  const processes = useProcesses();

  /** Runs `test` while the proxy does. It does not watch a pipe, so that it is ended here. */
  async function withProxy(port: number, lines: readonly string[], test: (proxy: RunningProcess) => Promise<void>) {
    const settings = [
      `Port ${port}`,
      'Listen 127.0.0.1',
      'Allow 127.0.0.1',
      'LogLevel Connect',
      'Timeout 600',
      ...lines,
    ];
    const proxy = processes.start(PROGRAM, ['-d', '-c', processes.file('tinyproxy.conf', `${settings.join('\n')}\n`)]);
    try {
      await until(async () => proxy.isOver || (await answers(port)), 'the proxy');
      await test(proxy);
    } finally {
      proxy.kill('SIGKILL');
      await proxy.ended;
    }
  }

  const answers = (port: number): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });

  const reasons = (running: RunningProcess): unknown[] =>
    running.log.filter(({ msg }) => msg === 'no link').map(({ reason }) => reason);

  /** What was set through the one is read through the other. */
  const joined = async (one: NodeProcess, other: NodeProcess): Promise<void> => {
    const [first, second] = [await one.client(), await other.client()];
    await first.set('through', 'the proxy');
    expect(await second.get('through')).toBe('the proxy');
  };

  it('come up by the environment, carry requests, and come back after the proxy was away', async () => {
    const port = await freePort();
    const near = await processes.node(['--name', 'near']);
    const env = { HTTP_PROXY: `http://127.0.0.1:${port}`, NO_PROXY: 'localhost, 10.0.0.0/8' };
    let far!: NodeProcess;
    await withProxy(port, [], async (proxy) => {
      far = await processes.node(['--name', 'far', '--link', near.url], { env });
      await joined(near, far);
      expect(proxy.stdout).toContain(`CONNECT 127.0.0.1:${near.port} HTTP/1.1`);
      const words = far.process.log.map(({ msg }) => msg);
      expect(words).toContain(`links to ws:// go through the proxy 127.0.0.1:${port} (HTTP_PROXY)`);
    });
    await far.process.logged('link down');
    const gone = `the proxy 127.0.0.1:${port} refused the connection: nothing listens there`;
    await until(() => reasons(far.process).includes(gone), 'the proxy missed');
    await withProxy(port, [], async () => {
      const isUp = () => far.process.log.filter(({ msg }) => msg === 'link up').length === 2;
      await until(isUp, 'the link again', 15_000);
      await joined(far, near);
    });
  });

  it('are direct where NO_PROXY or --proxy none says so', async () => {
    const near = await processes.node(['--name', 'near']);
    const nobody = `http://127.0.0.1:${await freePort()}`;
    const excepted = await processes.node(['--name', 'a', '--link', near.url, '--proxy', nobody], {
      env: { NO_PROXY: '127.0.0.1' },
    });
    const told = await processes.node(['--name', 'b', '--link', near.url, '--proxy', 'none'], {
      env: { ALL_PROXY: nobody },
    });
    await excepted.process.logged('link up');
    await told.process.logged('link up');
  });

  it('present a password that nobody gets to see, and say what was refused', async () => {
    const port = await freePort();
    const near = await processes.node(['--name', 'near']);
    const dead = await freePort();
    const flags = ['--proxy', `http://127.0.0.1:${port}`, '--alone-after-ms', '200'];
    const auth = processes.file('auth', 'ada:hush-hush\n');
    const lines = ['BasicAuth ada hush-hush', `ConnectPort ${near.port}`, `ConnectPort ${dead}`];
    await withProxy(port, lines, async () => {
      const far = await processes.node(['--name', 'far', '--link', near.url, ...flags, '--proxy-auth-file', auth]);
      await joined(near, far);
      const told = JSON.stringify([
        await far.inspect('node'),
        await far.inspect('actors'),
        await far.inspect('topology'),
      ]);
      const arguments_ = far.process.child.spawnargs.join(' ');
      for (const secret of ['hush-hush', Buffer.from('ada:hush-hush').toString('base64')])
        expect(far.process.stdout + far.process.stderr + told + arguments_).not.toContain(secret);

      const refusedFor = async (target: string, ...more: string[]): Promise<unknown> => {
        const node = processes.startNode(['--link', target, ...flags, ...more]);
        const { reason } = await node.logged('no link');
        return reason;
      };
      const proxy = `the proxy 127.0.0.1:${port}`;
      expect(await refusedFor(near.url)).toBe(
        `${proxy} wants a user and a password (status 407: Proxy Authentication Required): give them by --proxy-auth-file`,
      );
      const wrong = processes.file('wrong', 'ada:guess\n');
      expect(await refusedFor(near.url, '--proxy-auth-file', wrong)).toMatch(
        /does not accept the user and password \(status 40[17]/,
      );
      const here = `ws://127.0.0.1:${port}`;
      expect(await refusedFor(here, '--proxy-auth-file', auth)).toBe(
        `${proxy} refused the way to 127.0.0.1:${port} (status 403: Access violation)`,
      );
      expect(await refusedFor(`ws://127.0.0.1:${dead}`, '--proxy-auth-file', auth)).toMatch(
        new RegExp(`^${proxy} can't reach 127\\.0\\.0\\.1:${dead} \\(status 50`),
      );
    });
  });
});
