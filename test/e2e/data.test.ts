/** Real nodes with data directories: killed, started again, refused, and with a disk that takes no more. */
import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import { lacks, NodeProcess, pause, PROGRAM, until, useProcesses } from './processes.js';

interface Store {
  readonly keys: number;
  readonly tombstones: number;
  readonly recovered: number;
  readonly diskFaults: number;
  readonly diskDegraded: number;
  readonly diskNotKept: number;
}

const storeOf = async (node: NodeProcess): Promise<Store> => (await node.inspect<{ store: Store }>('counters')).store;
const idOf = async (node: NodeProcess): Promise<string> => (await node.inspect<{ id: string }>('node')).id;
const onDisk = (node: NodeProcess): Promise<void> =>
  until(async () => (await storeOf(node)).diskNotKept === 0, 'everything to be on disk');

describe('[C8] a node with --data', () => {
  const processes = useProcesses();

  it('that is killed has its entries and its id when it is started again', async () => {
    const folder = join(processes.folder(), 'not', 'there yet');
    const flags = ['--data', folder, '--loss-window-ms', '200'];
    const node = await processes.node(flags);
    const set = await processes.swarmbus('set', 'greeting', '"hello"', '--url', node.url);
    expect(set).toMatchObject({ code: 0 });
    const client = await node.client();
    await client.set('short', 1, { ttlMs: 50 });
    await client.set('deleted', 1);
    await Promise.all(Array.from({ length: 5000 }, (_, i) => client.set(`key:${i}`, { i })));
    await client.delete('deleted');
    const { stamp } = (await client.getEntry('key:7'))!;
    await onDisk(node);
    const id = await idOf(node);
    node.process.kill('SIGKILL');
    await node.process.ended;

    const again = await processes.node(flags);
    expect(await idOf(again)).toBe(id);
    const get = await processes.swarmbus('get', 'greeting', '--url', again.url);
    expect(get).toMatchObject({ code: 0, stdout: '"hello"\n', stderr: '' });
    const other = await again.client();
    expect(await other.getEntry('key:7')).toEqual({ value: { i: 7 }, stamp, ttlMs: null });
    expect(await other.get('short')).toBeUndefined();
    expect(await other.get('deleted')).toBeUndefined();
    expect(await storeOf(again)).toMatchObject({ keys: 5002, tombstones: 1 });
    expect(await again.process.logged('entries are back from disk')).toMatchObject({ level: 'info', recovered: 5002 });
  });

  it('that leaves in order has written even its last change', async () => {
    const flags = ['--data', processes.folder(), '--loss-window-ms', '1h'];
    const node = await processes.node(flags);
    const client = await node.client();
    await client.set('last', 'word');
    node.process.kill('SIGTERM');
    expect(await node.process.ended).toMatchObject({ code: 0 });

    // A start that fails leaves everything as it is.
    const other = await processes.node();
    const failed = processes.startNode([...flags, '--listen', `127.0.0.1:${other.port}`]);
    expect(await failed.endsWithin(15_000)).toMatchObject({ code: 2, stderr: expect.stringMatching(/port in use/) });
    const again = await processes.node(flags);
    expect(await (await again.client()).get('last')).toBe('word');
  });

  it('is refused a directory that is in use, of another swarm, of a newer format, or none', async () => {
    const folder = processes.folder();
    const node = await processes.node(['--data', folder]);
    const refused = async (...flags: string[]): Promise<string> => {
      const { code, stderr } = await processes.startNode(flags).endsWithin(15_000);
      expect(code).toBe(2);
      expect(stderr).toMatch(/^swarmbus: the data directory \S+ can't be used: [^\n]+\n$/);
      return stderr.slice(stderr.indexOf(': ', 10) + 2, -1);
    };
    expect(await refused('--data', folder)).toMatch(/another node uses it: stop that one/);
    await (await node.client()).set('k', 1);
    node.process.kill('SIGTERM');
    await node.process.ended;

    expect(await refused('--data', folder, '--swarm', 'other')).toMatch(/it belongs to the swarm swarm, not other/);
    const file = join(folder, 'cache.mdb');
    expect(await refused('--data', join(file, 'below'))).toMatch(/it is no directory: name another one/);

    const root = openLmdb<Buffer, Buffer>(file, { encoding: 'binary', keyEncoding: 'binary', overlappingSync: false });
    const about = root.openDB<Buffer, Buffer>({ name: 'about', encoding: 'binary', keyEncoding: 'binary' });
    const key = Buffer.from('node');
    const present = about.get(key)!;
    await about.put(key, Buffer.from(JSON.stringify({ ...JSON.parse(present.toString()), format: 2 })));
    await root.close();
    expect(await refused('--data', folder)).toMatch(
      /it holds format 2 and this version knows 1: use a newer version, or another directory/,
    );
  });
});

const prlimit = '/usr/bin/prlimit';
const isSkipped = lacks('a node whose disk is full', existsSync(prlimit), 'util-linux');
(isSkipped ? describe.skip : describe)('a node whose disk takes no more', () => {
  const processes = useProcesses();

  it('serves on, says so, and has written all of it when there is room again', async () => {
    const folder = processes.folder();
    const flags = ['--listen', '127.0.0.1:0', '--data', folder, '--loss-window-ms', '100', '--until-stdin-ends'];
    // The largest file that it may write stands for the room on the disk.
    const script = 'ulimit -S -f 1024 && exec "$@"';
    const running = processes.start('bash', ['-c', script, 'bash', PROGRAM, 'node', ...flags]);
    const node = new NodeProcess(running, ((await running.logged('listening'))['urls'] as string[])[0]!);
    await running.logged('serving clients');
    const client = await node.client();
    await client.set('before', 1);
    await onDisk(node);
    const value = 'x'.repeat(1000);
    await Promise.all(Array.from({ length: 3000 }, (_, i) => client.set(`key:${i}`, value)));
    await client.delete('before');
    const fault = await running.logged('the disk can not be written: entries are kept in memory only');
    expect(fault).toMatchObject({ level: 'error', reason: expect.stringMatching(/bytes are free$/) });
    await pause(200);
    expect(await storeOf(node)).toMatchObject({ keys: 3001, tombstones: 1, diskDegraded: 1 });
    expect(await client.get('key:2999')).toBe(value);
    await client.set('during', 'full');

    execFileSync(prlimit, ['--pid', String(running.pid), '--fsize=unlimited']);
    await running.logged('the disk can be written again', 30_000);
    await onDisk(node);
    expect(await storeOf(node)).toMatchObject({ keys: 3002, diskDegraded: 0 });
    running.kill('SIGKILL');
    await running.ended;

    const again = await processes.node(['--data', folder]);
    expect(await storeOf(again)).toMatchObject({ keys: 3002, recovered: 3002 });
    expect(await (await again.client()).get('during')).toBe('full');
    await client.close();
  }, 60_000);

  it('says at its end what is not on disk', async () => {
    const flags = ['--listen', '127.0.0.1:0', '--data', processes.folder(), '--until-stdin-ends'];
    const running = processes.start('bash', ['-c', 'ulimit -f 1024 && exec "$@"', 'bash', PROGRAM, 'node', ...flags]);
    const node = new NodeProcess(running, ((await running.logged('listening'))['urls'] as string[])[0]!);
    await running.logged('serving clients');
    const client = await node.client();
    await Promise.all(Array.from({ length: 3000 }, (_, i) => client.set(`key:${i}`, 'x'.repeat(1000))));
    running.kill('SIGTERM');
    const { code, stderr } = await running.endsWithin(15_000);
    // And nothing else: no traces of packages.
    expect(stderr).toMatch(/^swarmbus: the last changes are not on disk: [^\n]+\n$/);
    expect(code).toBe(1);
    await client.close();
  });
});
