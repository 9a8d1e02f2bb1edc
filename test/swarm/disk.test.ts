/** Nodes with disks, which crash, leave and come back: what they still have, and who they are. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { VirtualTime } from '../../src/actors/runtime/virtual-time.js';
import type { NodeDisk } from '../../src/actors/settings.js';
import { MemoryDisk } from '../../src/disk/memory-disk.js';
import { bootNode, openDisk } from '../../src/node.js';
import { parseStamp } from '../../src/store/stamp.js';
import { startSwarm, TEST_SETTINGS } from '../../src/testing/swarm.js';
import { createMemoryNetwork } from '../../src/transport/memory-bus.js';
import { wires } from '../../src/transport/wire.js';
import type { Swarm, SwarmOptions } from '../../src/testing/swarm.js';
import type { NodeId } from '../../src/store/node-id.js';
import type { EntryDisk } from '../../src/disk/entry-disk.js';
import { Stranger } from './stranger.js';
import { closed, entryOf, opened, written } from '../disk/entry-disk-contract.js';

const LOSS_WINDOW_MS = 1000;

let swarm: Swarm;
afterEach(() => swarm?.stop());

const start = async (over: SwarmOptions = {}): Promise<void> => {
  swarm = await startSwarm({ nodes: 1, topology: [], virtual: true, disk: true, ...over });
};

const counters = async (index = 0): Promise<Record<string, number>> =>
  ((await swarm.node(index).inspect('counters')) as { store: Record<string, number> }).store;

const identity = async (index = 0): Promise<{ id: string; incarnation: number }> =>
  (await swarm.node(index).inspect('node')) as { id: string; incarnation: number };

/** Does something to the disk of a node that is not there. */
const tamper = async (change: (disk: EntryDisk) => Promise<unknown>): Promise<void> => {
  const timely = <T>(promise: Promise<T>): Promise<T> => {
    swarm.advance(100);
    return promise;
  };
  const disk = await timely(opened(swarm.disk(0).open));
  await timely(change(disk));
  await timely(closed(disk));
};

/** Keys with a value on disk; deletes are remembered there as well. */
const keysOnDisk = (index = 0): string[] =>
  [...swarm.disk(index).entries.values()].flatMap(({ key, value }) => (value === null ? [] : [key])).sort();

describe('[C8] a node with a disk', () => {
  it('has after a crash what is older than the loss window, and its id', async () => {
    await start({ nodes: 3, topology: 'line' });
    const client = await swarm.client(1);
    const { stamp } = await client.set('old', { deep: [1, 2] });
    await client.set('changed', 1);
    swarm.advance(LOSS_WINDOW_MS);
    await client.set('changed', 2);
    await client.set('new', 3);
    const before = await identity(1);
    swarm.crash(1);
    await swarm.restart(1);
    await swarm.settle();

    const after = await identity(1);
    expect(after.id).toBe(before.id);
    expect(after.incarnation).toBeGreaterThan(before.incarnation);
    const other = await swarm.client(0);
    expect(await other.getEntry('old')).toEqual({ value: { deep: [1, 2] }, stamp, ttlMs: null });
    expect(await other.get('changed')).toBe(1);
    expect(await other.get('new')).toBeUndefined();
    expect(await counters(1)).toMatchObject({ recovered: 2, keys: 2 });
  });

  it('has all of it after an orderly end', async () => {
    await start();
    const client = await swarm.client(0);
    await client.set('a', 1);
    await client.set('b', 2);
    await client.delete('a');
    await swarm.leave(0);
    expect(keysOnDisk()).toEqual(['b']);
    await swarm.restart(0);
    expect(await (await swarm.client(0)).get('b')).toBe(2);
  });

  it('removes from disk what is deleted, evicted or expired', async () => {
    await start({ settings: { keysMax: 3 } });
    const client = await swarm.client(0);
    for (const key of ['evicted', 'deleted', 'kept']) await client.set(key, 1);
    swarm.advance(LOSS_WINDOW_MS);
    expect(keysOnDisk()).toEqual(['deleted', 'evicted', 'kept']);
    await client.get('deleted');
    await client.get('kept');
    await client.set('short', 1, { ttlMs: 5000 });
    await client.delete('deleted');
    swarm.advance(LOSS_WINDOW_MS);
    expect(keysOnDisk()).toEqual(['kept', 'short']);
    swarm.advance(5000 + 2 * LOSS_WINDOW_MS);
    expect(keysOnDisk()).toEqual(['kept']);
  });

  it('lets the time run on for what expires while it is away (RULES T4)', async () => {
    await start();
    const client = await swarm.client(0);
    await client.set('short', 1, { ttlMs: 4000 });
    await client.set('long', 2, { ttlMs: 60_000 });
    await client.set('touched', 3);
    swarm.advance(LOSS_WINDOW_MS);
    await client.touch('touched', 60_000);
    swarm.advance(LOSS_WINDOW_MS);
    swarm.crash(0);
    swarm.advance(4000);
    await swarm.restart(0);
    const again = await swarm.client(0);
    expect(await again.get('short')).toBeUndefined();
    const { ttlMs } = (await again.getEntry('long'))!;
    expect(ttlMs).toBeLessThanOrEqual(54_000);
    expect(ttlMs).toBeGreaterThan(53_000);
    const touched = (await again.getEntry('touched'))!;
    expect(touched.ttlMs).toBeLessThanOrEqual(55_000);
    expect(touched.ttlMs).toBeGreaterThan(54_000);
    expect(await counters()).toMatchObject({ recovered: 2, recoveredExpired: 1 });
    swarm.advance(LOSS_WINDOW_MS);
    expect(keysOnDisk()).toEqual(['long', 'touched']);
    swarm.advance(55_000);
    expect(await again.get('long')).toBeUndefined();
  });

  it('issues stamps above all that it had (RULES T2), and an incarnation above its last', async () => {
    await start();
    const { incarnation, id } = await identity();
    const { stamp } = await (await swarm.client(0)).set('a', 1);
    const { time } = parseStamp(stamp)!;
    swarm.crash(0);
    const anHour = 3_600_000 * 4096;
    await tamper((disk) =>
      written(disk, {
        puts: [entryOf('b', { time: time + anHour })],
        record: { ...disk.record!, incarnation: incarnation + 10 ** 9, clock: time + 2 * anHour },
      }),
    );
    await swarm.restart(0);
    expect(await identity()).toMatchObject({ id, incarnation: incarnation + 10 ** 9 + 1 });
    const client = await swarm.client(0);
    expect(parseStamp((await client.set('c', 1)).stamp)!.time).toBeGreaterThan(time + 2 * anHour);

    swarm.crash(0);
    await tamper((disk) => written(disk, { puts: [entryOf('d', { time: time + 3 * anHour })] }));
    await swarm.restart(0);
    const again = await swarm.client(0);
    expect(parseStamp((await again.set('e', 1)).stamp)!.time).toBeGreaterThan(time + 3 * anHour);
  });

  it('starts above an incarnation to which it was raised by what others remembered of it', async () => {
    await start();
    const { incarnation, id } = await identity();
    const stranger = new Stranger('s1');
    stranger.dial(swarm, 0);
    stranger.greet(swarm);
    const ghost = incarnation + 10 ** 9;
    const info = { name: 'n0', roles: ['store'], freeBytes: 0, view: 1, neighbours: [] };
    stranger.send({ type: 'links', node: id as NodeId, incarnation: ghost, sequence: 1, info });
    swarm.advance(LOSS_WINDOW_MS);
    swarm.crash(0);
    await swarm.restart(0);
    expect((await identity()).incarnation).toBe(ghost + 2);
  });

  it('takes back no more than its limits allow', async () => {
    await start({ settings: { keysMax: 5, storeBytesMax: 1000 } });
    swarm.crash(0);
    const large = new Uint8Array(2000).fill(0xc0);
    await tamper((disk) =>
      written(disk, {
        puts: [...Array.from({ length: 8 }, (_, i) => entryOf(`k${i}`)), entryOf('large', { value: large })],
      }),
    );
    await swarm.restart(0);
    await swarm.client(0);
    expect(await counters()).toMatchObject({ keys: 5, evicted: 3, recovered: 8, recoveredNoRoom: 1 });
    swarm.advance(LOSS_WINDOW_MS);
    expect(keysOnDisk()).toHaveLength(5);
  });

  it('takes back many entries before it serves', async () => {
    await start({ settings: { keysMax: 20_000 } });
    swarm.crash(0);
    await tamper((disk) => written(disk, { puts: Array.from({ length: 12_345 }, (_, i) => entryOf(`k${i}`)) }));
    await swarm.restart(0);
    const client = await swarm.client(0);
    expect(await client.getEntry('k12344')).toMatchObject({ value: '\u0006' });
    expect(await counters()).toMatchObject({ keys: 12_345, recovered: 12_345, diskNotKept: 0 });
  });

  it('says on disk that it has left empty (RULES H2)', async () => {
    await start({ settings: { tombstoneMs: 1000 } });
    const client = await swarm.client(0);
    await client.set('a', 1);
    await swarm.leave(0);
    await swarm.restart(0);
    const again = await swarm.client(0);
    await again.delete('a');
    swarm.advance(5000);
    await swarm.leave(0);
    let isEmptied: boolean | undefined;
    await tamper(async (disk) => {
      isEmptied = disk.record?.isEmptied;
    });
    expect(isEmptied).toBe(true);
    await swarm.restart(0);
    await (await swarm.client(0)).set('b', 2);
    await swarm.leave(0);
    await swarm.restart(0);
    expect(await (await swarm.client(0)).get('b')).toBe(2);
  });

  it('does not take itself for empty if it ends before it has seen an entry (RULES H2)', () => {
    const time = new VirtualTime({ seed: 1 });
    const defer = (delayMs: number, run: () => void): void => time.at(time.nowMs + delayMs, run);
    const medium = new MemoryDisk({ defer, writeMs: 1 });
    const env = time.env(() => {});
    const bus = createMemoryNetwork({ defer }).bus('n0');
    const settings = { ...TEST_SETTINGS, listen: [{ host: '127.0.0.1', port: 7101 }], name: 'n0' };
    const open = (withDisk: (disk: NodeDisk) => void): void => {
      openDisk(medium.open, env, 'test', withDisk, (reason) => {
        throw new Error(reason);
      });
      time.advance(100);
    };
    open(({ entries }) => {
      entries.write({ puts: [entryOf('a')], removes: [], record: null }, () => entries.close(() => {}));
    });
    let isOver = false;
    open(({ entries, record }) => {
      const silent: EntryDisk = {
        record: entries.record,
        count: entries.count,
        load: () => {},
        has: (key) => entries.has(key),
        write: (changes, done) => entries.write(changes, done),
        close: (done) => entries.close(done),
      };
      const { stop } = bootNode({
        env: { ...env, bus, wires, disk: { entries: silent, record }, opDisks: null },
        settings,
        clientScript: null,
        onListening: () => {},
        onRunning: () => {},
        onEnd: () => {},
      });
      stop(() => {
        isOver = true;
      });
    });
    time.advance(10_000);
    expect(isOver).toBe(true);
    let found: EntryDisk['record'] = null;
    open(({ entries }) => {
      found = entries.record;
    });
    expect(found).toMatchObject({ isEmptied: false });
    expect([...medium.entries.keys()]).toEqual(['a']);
  });

  it('does not bring back what was deleted, or written anew, while it was away (RULES T1, P1)', async () => {
    await start({ nodes: 3, topology: 'ring', settings: { missedMs: 3000 } });
    const client = await swarm.client(1);
    for (let i = 0; i < 30; i++) await client.set(`k${i}`, 'old');
    await client.set('kept', 'old');
    swarm.advance(LOSS_WINDOW_MS);
    swarm.crash(1);
    await swarm.settle();
    swarm.advance(5000);
    const other = await swarm.client(0);
    for (let i = 0; i < 30; i++) {
      if (i % 2 === 0) await other.delete(`k${i}`);
      else await other.set(`k${i}`, 'new');
    }
    await swarm.restart(1);
    await swarm.settle();
    swarm.advance(3000);
    for (const index of [0, 1, 2]) {
      const reader = await swarm.client(index);
      for (let i = 0; i < 30; i++) expect(await reader.get(`k${i}`)).toBe(i % 2 === 0 ? undefined : 'new');
      expect(await reader.get('kept')).toBe('old');
    }
    expect(await counters(1)).toMatchObject({ recovered: 31, merged: 30, keys: 1 });
    swarm.advance(LOSS_WINDOW_MS);
    expect(keysOnDisk(1)).toEqual(['kept']);
  });

  it('remembers over a crash what was deleted', async () => {
    await start();
    const client = await swarm.client(0);
    await client.set('a', 1);
    await client.delete('a');
    swarm.advance(LOSS_WINDOW_MS);
    swarm.crash(0);
    await swarm.restart(0);
    expect(await (await swarm.client(0)).get('a')).toBeUndefined();
    expect(await counters()).toMatchObject({ recovered: 1, tombstones: 1 });
  });

  it('is a function of its seed, disk and crash included', async () => {
    const run = async (): Promise<string> => {
      await start({ nodes: 3, topology: 'ring', seed: 5 });
      const client = await swarm.client(1);
      for (let i = 0; i < 20; i++) await client.set(`k${i}`, i);
      swarm.advance(LOSS_WINDOW_MS);
      swarm.crash(1);
      await swarm.restart(1);
      await swarm.settle();
      await swarm.stop();
      return swarm.traceHash;
    };
    expect(await run()).toBe(await run());
  });
});

describe('a full disk', () => {
  it('refuses nobody, is told, and lacks nothing when it has room again', async () => {
    const lines: string[] = [];
    await start({ log: (level, text) => void (level === 'error' && lines.push(text)) });
    const client = await swarm.client(0);
    await client.set('before', 1);
    await client.set('deleted', 1);
    swarm.advance(LOSS_WINDOW_MS);
    swarm.disk(0).isFull = true;
    await client.set('during', 2);
    await client.set('before', 3);
    await client.delete('deleted');
    swarm.advance(20_000);
    expect(await client.get('during')).toBe(2);
    expect(await counters()).toMatchObject({ diskDegraded: 1, diskNotKept: 3 });
    expect((await counters())['diskFaults']).toBeGreaterThan(3);
    expect(lines).toEqual(['the disk can not be written: entries are kept in memory only']);
    expect(keysOnDisk()).toEqual(['before', 'deleted']);

    swarm.disk(0).isFull = false;
    swarm.advance(20_000);
    expect(await counters()).toMatchObject({ diskDegraded: 0, diskNotKept: 0 });
    expect(keysOnDisk()).toEqual(['before', 'during']);
    swarm.crash(0);
    await swarm.restart(0);
    const again = await swarm.client(0);
    expect(await again.get('before')).toBe(3);
    expect(await again.get('during')).toBe(2);
    expect(await again.get('deleted')).toBeUndefined();
  });

  it('costs a busy node no memory without bound', async () => {
    await start({ settings: { keysMax: 50 } });
    const client = await swarm.client(0);
    for (let i = 0; i < 50; i++) await client.set(`old${i}`, i);
    swarm.advance(LOSS_WINDOW_MS);
    swarm.disk(0).isFull = true;
    for (let i = 0; i < 12_000; i += 500) {
      await Promise.all(Array.from({ length: 500 }, (_, j) => client.set(`new${i + j}`, 1)));
    }
    const { diskNotKept = Infinity } = await counters();
    expect(diskNotKept).toBeGreaterThan(9000);
    expect(diskNotKept).toBeLessThanOrEqual(10_000 + 50 + 50);
    swarm.disk(0).isFull = false;
    swarm.advance(60_000);
    expect(keysOnDisk()).toHaveLength(50);
    expect(await counters()).toMatchObject({ diskNotKept: 0, keys: 50 });
  });
});

it.each([1, 2, 3, 4])('[H3] [C8] serves nothing from disk before its home has confirmed it (seed %i)', async (seed) => {
  await start({ nodes: 4, topology: 'ring', seed, settings: { missedMs: 60_000 } });
  const [owner, reader, writer] = [await swarm.client(0), await swarm.client(1), await swarm.client(2)];
  const keys = Array.from({ length: 12 }, (_, i) => `k${i}`);
  for (const key of keys) await owner.set(key, 'old');
  // Who has read a key goes straight to its owner, and asks no home.
  for (const key of keys) expect(await reader.get(key)).toBe('old');
  swarm.advance(2 * LOSS_WINDOW_MS);
  swarm.crash(0);
  await swarm.sleep(3000);
  // While the owner is missed a plain set is stored elsewhere.
  for (const key of keys) await writer.set(key, 'new');
  const seen: unknown[] = [];
  const restarted = swarm.restart(0);
  for (let i = 0; i < 300; i += 1) {
    seen.push(await reader.get(keys[i % keys.length] as string).catch((error: { code: string }) => error.code));
    swarm.advance(1);
  }
  await restarted;
  await swarm.settle();
  expect(seen).not.toContain('old');
  expect(seen).toContain('new');
  for (const key of keys) expect(await reader.get(key)).toBe('new');
});
