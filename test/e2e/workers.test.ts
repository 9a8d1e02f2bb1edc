/** `node --workers`: processes that are one name-space behind one port, killed, ended, refused and started again. */
import { describe, expect, it } from '@jest/globals';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '../../src/client/index.js';
import { NodeProcess, until, useProcesses } from './processes.js';

const processes = useProcesses(200_000);
const CONNECTIONS = 16;

/** Those that a supervisor has started, in the order of their start. */
function childrenOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  return existsSync(file) ? readFileSync(file, 'utf8').split(' ').filter(Boolean).map(Number) : [];
}

/** What has ended and waits for its parent has no command any more. */
function isRunning(pid: number): boolean {
  const file = `/proc/${pid}/cmdline`;
  try {
    return readFileSync(file, 'utf8') !== '';
  } catch {
    return false;
  }
}

const gone = (pids: readonly number[]): Promise<void> =>
  until(() => !pids.some(isRunning), `the end of the processes ${pids.join(', ')}`, 10_000);

const socketFolders = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('swarmbus-workers-'));

async function workers(...flags: string[]): Promise<NodeProcess> {
  const running = processes.startNode(['--workers', '2', '--name', 'set', '--missed-ms', '1s', ...flags]);
  const { urls } = await running.logged('listening');
  await running.logged('all workers serve');
  return new NodeProcess(running, (urls as string[])[0]!);
}

/** So many that each worker has some; by the name of the worker. */
async function clientsOf(set: NodeProcess): Promise<Map<string, Client[]>> {
  const byName = new Map<string, Client[]>();
  for (let i = 0; i < CONNECTIONS; i++) {
    const client = await set.client({ requestTimeoutMs: 3000 });
    const { name } = (await client.inspect('node')) as { name: string };
    byName.set(name, [...(byName.get(name) ?? []), client]);
  }
  return byName;
}

const membersSeenBy = async (client: Client): Promise<string[]> =>
  ((await client.inspect('topology')) as { members: { name: string }[] }).members.map(({ name }) => name).toSorted();

(process.platform === 'linux' ? describe : describe.skip)('workers behind one port', () => {
  it('are one name-space through each connection, and share the connections', async () => {
    const set = await workers('--keys', '1001');
    const byName = await clientsOf(set);
    expect([...byName.keys()].toSorted()).toEqual(['set-1', 'set-2']);
    const clients = [...byName.values()].flat();
    await Promise.all(clients.map((client, i) => client.set(`key:${i}`, i)));
    for (const client of clients) {
      const values = await client.getMany(clients.map((_, i) => `key:${i}`));
      expect(values.map(({ value }) => value)).toEqual(clients.map((_, i) => i));
    }
    const [first, second] = [byName.get('set-1')![0]!, byName.get('set-2')![0]!];
    expect([await membersSeenBy(first), await membersSeenBy(second)]).toEqual(Array(2).fill(['set-1', 'set-2']));
    expect([(await first.inspect('node'))['keysMax'], (await second.inspect('node'))['keysMax']]).toEqual([501, 500]);
    const scan = await processes.swarmbus('scan', 'key:', '--url', set.url);
    expect(scan.stdout.trim().split('\n')).toHaveLength(CONNECTIONS);

    const pids = childrenOf(set.process.pid);
    expect(pids).toHaveLength(2);
    await set.closeClients();
    set.process.kill('SIGTERM');
    expect(await set.process.endsWithin(10_000)).toMatchObject({ code: 0, stderr: '' });
    expect(pids.filter(isRunning)).toEqual([]);
    expect(socketFolders()).toEqual([]);
  }, 40_000);

  it.each([1, 2])(
    'survive kill -9 of worker %i, which is started and linked again',
    async (number) => {
      const set = await workers();
      const byName = await clientsOf(set);
      const survivor = `set-${3 - number}`;
      const client = byName.get(survivor)![0]!;
      await client.set('kept', 1);
      const before = childrenOf(set.process.pid);
      process.kill(before[number - 1]!, 'SIGKILL');
      let answers = 0;
      const served = set.process.logged('worker serves again');
      let isServed = false;
      void served.then(() => (isServed = true));
      while (!isServed) {
        expect(await client.get('kept')).toBe(1);
        await client.set('written meanwhile', (answers += 1));
      }
      expect(answers).toBeGreaterThan(0);
      await until(async () => (await membersSeenBy(client)).length === 2, 'two members');
      const after = childrenOf(set.process.pid);
      expect(after).toHaveLength(2);
      expect(before.filter((pid) => after.includes(pid))).toEqual([before[2 - number]]);
      expect(await membersSeenBy(client)).toEqual(['set-1', 'set-2']);
      const names = [...(await clientsOf(set)).keys()];
      expect(names.toSorted()).toEqual(['set-1', 'set-2']);
      // Clients of the one that was killed are served again.
      const lost = byName.get(`set-${number}`)![0]!;
      expect(await lost.get('kept')).toBe(1);
      await set.closeClients();
      set.process.kill('SIGTERM');
      expect(await set.process.endsWithin(10_000)).toMatchObject({ code: 0, stderr: '' });
    },
    40_000,
  );

  it('leave in order when their supervisor is killed', async () => {
    const set = await workers();
    const pids = childrenOf(set.process.pid);
    set.process.kill('SIGKILL');
    await set.process.ended;
    await gone(pids);
    expect(set.process.log.filter(({ because }) => because === 'the supervisor is gone')).toHaveLength(2);
    expect(socketFolders()).toEqual([]);
  }, 40_000);

  it('end at once on a second signal', async () => {
    const outside = await processes.node(['--name', 'outside']);
    // It has entries to hand over, to a node that does not take them: it stands still.
    const set = await workers('--link', outside.url, '--drain-ms', '20s', '--heartbeat-timeout-ms', '30s');
    const client = await set.client();
    await Promise.all(Array.from({ length: 100 }, (_, i) => client.set(`key:${i}`, i)));
    const pids = childrenOf(set.process.pid);
    outside.process.kill('SIGSTOP');
    set.process.kill('SIGTERM');
    await set.process.logged('stopping');
    set.process.kill('SIGINT');
    expect(await set.process.endsWithin(5000)).toMatchObject({ code: 130 });
    outside.process.kill('SIGCONT');
    await gone(pids);
    expect(socketFolders()).toEqual([]);
    await set.closeClients();
  }, 40_000);

  it('[C8] [H4] hand over all entries to a node outside, whichever of them it is linked to', async () => {
    const set = await workers('--drain-ms', '20s');
    const outside = await processes.node(['--name', 'outside', '--link', set.url]);
    const clients = [...(await clientsOf(set)).values()].flat();
    const keys = Array.from({ length: 1000 }, (_, i) => `key:${i}`);
    for (let at = 0; at < keys.length; at += 100) {
      await Promise.all(keys.slice(at, at + 100).map((key, i) => clients[i % clients.length]!.set(key, at + i)));
    }
    await set.closeClients();
    set.process.kill('SIGTERM');
    expect(await set.process.endsWithin(25_000)).toMatchObject({ code: 0, stderr: '' });
    const left = await outside.client();
    const values = await left.getMany(keys);
    expect(values.map(({ value }) => value)).toEqual(keys.map((_, i) => i));
  }, 40_000);

  it('[C8] have their entries and databases back from --data, the databases at the first', async () => {
    const folder = processes.folder();
    const set = await workers('--data', folder);
    const byName = await clientsOf(set);
    const clients = [...byName.values()].flat();
    await Promise.all(clients.map((client, i) => client.set(`key:${i}`, i)));
    for (const client of [byName.get('set-2')![0]!, byName.get('set-1')![0]!]) {
      const info = await client.createDatabase('shop');
      expect(info).toMatchObject({ database: 'shop' });
    }
    const create = await processes.swarmbus('db', 'set', 'shop', 'pen', '{"price": 2}', '--url', set.url);
    expect(create).toMatchObject({ code: 0, stderr: '' });
    await set.closeClients();
    set.process.kill('SIGTERM');
    expect(await set.process.endsWithin(10_000)).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(join(folder, 'databases'))).toBe(true);
    expect(readdirSync(join(folder, 'worker-2'))).not.toContain('databases');

    const again = await workers('--data', folder);
    const client = await again.client();
    const values = await client.getMany(clients.map((_, i) => `key:${i}`));
    expect(values.map(({ value }) => value)).toEqual(clients.map((_, i) => i));
    for (const each of [...(await clientsOf(again)).values()].map(([one]) => one!)) {
      expect(await each.databases()).toMatchObject({ databases: [{ name: 'shop', peers: [{ name: 'set-1' }] }] });
    }
    const get = await processes.swarmbus('db', 'get', 'shop', 'pen', '--url', again.url);
    expect(get).toMatchObject({ code: 0, stdout: '{"price":2}\n' });
    await again.closeClients();
    again.process.kill('SIGTERM');
    expect(await again.process.endsWithin(10_000)).toMatchObject({ code: 0, stderr: '' });

    const fewer = await processes.startNode(['--data', folder]).endsWithin(10_000);
    expect(fewer).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/worker-2 has entries of a worker 2: run --/),
    });
  }, 60_000);

  it('are refused in one line, with exit code 2, and leave nothing behind', async () => {
    const refused = async (...flags: string[]): Promise<string> => {
      const { code, stderr } = await processes.startNode(['--workers', '2', ...flags]).endsWithin(15_000);
      expect(stderr).toMatch(/^swarmbus: [^\n]+\n$/);
      expect(code).toBe(2);
      return stderr.slice('swarmbus: '.length, -1);
    };
    expect(await refused('--listener', 'ws')).toMatch(/^--workers: the listener ws can not share a port/);
    expect(await refused('--workers', '0')).toMatch(/^--workers: must be at least 1, not "0"$/);
    expect(await refused('--workers', 'two')).toMatch(/^--workers: must be a whole number, not "two"$/);
    expect(await refused('--keys', '1')).toMatch(/^--keys must be at least --workers = 2, not 1$/);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    expect(await refused('--listen', `127.0.0.1:${port}`)).toMatch(/port in use; choose another with --listen$/);
    server.close();
    const set = await workers();
    expect(await refused('--listen', `127.0.0.1:${set.port}`)).toMatch(/port in use; choose another with --listen$/);
    // The first one starts, the second has no directory.
    const folder = processes.folder();
    mkdirSync(join(folder, 'worker-2'));
    mkdirSync(join(folder, 'worker-2', 'cache.mdb'));
    expect(await refused('--data', folder)).toMatch(/^the data directory \S+worker-2 can't be used: /);
    set.process.kill('SIGTERM');
    await set.process.endsWithin(10_000);
    expect(socketFolders()).toEqual([]);
  }, 60_000);
});
