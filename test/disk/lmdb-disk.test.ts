/** The disk that is one: the contract, and files that are none of ours. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import { adviceOn } from '../../src/disk/data-folder.js';
import { FORMAT } from '../../src/disk/entry-disk.js';
import { lmdbDisk } from '../../src/disk/lmdb-disk.js';
import type { NodeId } from '../../src/store/node-id.js';
import { closed, entryDiskContract, entryOf, loaded, opened, written } from './entry-disk-contract.js';
import { refusalOf } from './refusal.js';

const createFolder = (): string => mkdtempSync(join(tmpdir(), 'swarmbus-disk-'));

entryDiskContract('LMDB', () => {
  const folder = createFolder();
  return { open: lmdbDisk(join(folder, 'made', 'for it')), dispose: () => rmSync(folder, { recursive: true }) };
});

describe('a data directory', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = createFolder();
    file = join(folder, 'cache.mdb');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const refused = (where = folder): Promise<string> =>
    refusalOf(opened(lmdbDisk(where)), `the data directory ${where} can't be used: `);

  const write = async (count: number): Promise<void> => {
    const disk = await opened(lmdbDisk(folder));
    const record = { node: 'abc' as NodeId, swarm: 'test', incarnation: 1, clock: 1, isEmptied: false };
    const puts = Array.from({ length: count }, (_, i) => entryOf(`key${i}`, { value: new Uint8Array(100) }));
    expect(await written(disk, { puts, record })).toBeNull();
    expect(await closed(disk)).toBeNull();
  };

  it('of a newer version is refused, and left as it is', async () => {
    await write(1);
    const root = openLmdb<Buffer, Buffer>(file, { encoding: 'binary', keyEncoding: 'binary', overlappingSync: false });
    const about = root.openDB<Buffer, Buffer>({ name: 'about', encoding: 'binary', keyEncoding: 'binary' });
    const newer = Buffer.from(JSON.stringify({ format: FORMAT + 1, swarm: 'test', nodes: ['unheard of'] }));
    await about.put(Buffer.from('node'), newer);
    await root.close();
    const before = readFileSync(file);
    expect(await refused()).toBe(
      'it holds format 2 and this version knows 1: use a newer version, or another directory',
    );
    expect(readFileSync(file)).toEqual(before);
  });

  it.each([
    ['a text', 'hello'],
    ['a long text', 'hello '.repeat(20_000)],
    ['zeros', Buffer.alloc(100_000)],
  ])('with a file that is %s is refused', async (_what, content) => {
    writeFileSync(file, content);
    expect(await refused()).toBe(
      'cache.mdb is damaged, or not of swarmbus: restore it, or move it away to start without it',
    );
    expect(readFileSync(file)).toEqual(Buffer.from(content));
  });

  it('with a file that is cut short is refused, or read as far as it goes', async () => {
    await write(20_000);
    const { length } = readFileSync(file);
    truncateSync(file, length - 200_000);
    const disk = await opened(lmdbDisk(folder)).catch((error: Error) => error.message);
    if (typeof disk === 'string')
      expect(disk).toMatch(/can't be used: its file is damaged .*restore it, or move it away/);
    else {
      const entries = await loaded(disk).catch((error: Error) => error.message);
      if (typeof entries === 'string')
        expect(entries).toMatch(/can't be read: its file is damaged .*restore it, or move it away/);
      else expect(entries.flat().length).toBeLessThan(disk.count);
      await closed(disk);
    }
    truncateSync(file, 9000);
    expect(await refused()).toMatch(/^its file is damaged \(MDB_CORRUPTED/);
    truncateSync(file, 3000);
    expect(await refused()).toMatch(/^cache\.mdb is damaged/);
  });

  it('that is a file, or holds a directory in place of the file, is refused', async () => {
    const other = join(folder, 'file');
    writeFileSync(other, '');
    for (const where of [other, join(other, 'below'), join(other, 'far', 'below'), '/dev/null']) {
      expect(await refused(where)).toBe('it is no directory: name another one');
    }
    mkdirSync(file);
    expect(await refused()).toMatch(/^something in the place of its file is a directory: move that away/);
  });

  it('that nobody can make is refused, and does not keep the process busy', async () => {
    if (!existsSync('/proc/self')) return;
    expect(await refused('/proc/nobody')).toMatch(/^ENOENT: .*: name another one$/);
    expect(await refused(`/proc/nobody/${'below/'.repeat(10)}`)).toMatch(/: name another one$/);
    expect(await refused(join(folder, 'a'.repeat(300)))).toMatch(/^ENAMETOOLONG: .*: name another one$/);
  });

  it.each([
    ['EACCES', "it can't be written (EACCES): let this user write there, or name another one"],
    ['EROFS', "it can't be written (EROFS): let this user write there, or name another one"],
    ['ENOSPC', 'there is no room on its disk (ENOSPC): make some, or name another one'],
    ['EIO', 'EIO: it failed: name another one'],
  ])('that fails with %s is refused with what to do', (code, advice) => {
    expect(adviceOn(Object.assign(new Error(`${code}: it failed`), { code }))).toBe(advice);
  });

  it.each(['', 'no JSON', '7', 'null', '{"format": 1}', '{"format": 1, "swarm": "test", "node": 7}'])(
    'whose record is %j is refused',
    async (text) => {
      await write(1);
      const root = openLmdb<Buffer, Buffer>(file, {
        encoding: 'binary',
        keyEncoding: 'binary',
        overlappingSync: false,
      });
      const about = root.openDB<Buffer, Buffer>({ name: 'about', encoding: 'binary', keyEncoding: 'binary' });
      await about.put(Buffer.from('node'), Buffer.from(text));
      await root.close();
      expect(await refused()).toMatch(/^the record in cache.mdb is damaged: restore it, or move it away/);
    },
  );

  it('is made with all that leads to it, for its user alone', async () => {
    const deep = join(folder, 'a', 'b');
    await closed(await opened(lmdbDisk(deep)));
    expect(statSync(deep).mode & 0o777).toBe(0o700);
  });

  it('an entry that nobody understands is counted, and stays', async () => {
    await write(3);
    const root = openLmdb<Buffer, Buffer>(file, { encoding: 'binary', keyEncoding: 'binary', overlappingSync: false });
    const entries = root.openDB<Buffer, Buffer>({ name: 'entries', encoding: 'binary', keyEncoding: 'binary' });
    await entries.put(Buffer.from([0, 0x6b]), Buffer.from([0xff]));
    await root.close();
    for (let time = 0; time < 2; time++) {
      const disk = await opened(lmdbDisk(folder));
      const piece = await new Promise<unknown>((resolve, reject) => disk.load(10, 1000, resolve, reject));
      expect(piece).toMatchObject({ unreadableCount: 1, isLast: true, entries: { length: 3 } });
      await closed(disk);
    }
  });
});
