/** A peer's databases in files: the contract, processes that die, and files that are none of ours. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { open as openLmdb } from 'lmdb';
import { lmdbOpDisks } from '../../src/disk/lmdb-op-disk.js';
import { OP_FORMAT } from '../../src/disk/op-disk.js';
import type { OpDisk } from '../../src/disk/op-disk.js';
import { closed, log, opDiskContract, opened, segmentOf, stateOf, written } from './op-disk-contract.js';
import { changesAt, faultOf } from './op-pattern.js';
import { refusalOf } from './refusal.js';

const NOBODY = 65_534;
const BINARY = { encoding: 'binary', keyEncoding: 'binary' } as const;

const createFolder = (): string => mkdtempSync(join(tmpdir(), 'swarmbus-ops-'));

opDiskContract('LMDB', () => {
  const folder = createFolder();
  return { disks: lmdbOpDisks(join(folder, 'made', 'for it')), dispose: () => rmSync(folder, { recursive: true }) };
});

describe('a folder of databases', () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = createFolder();
    file = join(folder, 'notes.mdb');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const refused = (): Promise<string> =>
    refusalOf(opened(lmdbOpDisks(folder)), `the database notes in ${folder} can't be used: `);

  /** So many writes of the pattern, and how large the file was in the end. */
  const append = async (disk: OpDisk, count: number, keep: number): Promise<number> => {
    for (let i = 0; i < count; i++) {
      const changes = changesAt(disk.length, Math.max(disk.floor, disk.length - keep));
      expect(await new Promise((done) => disk.write(changes, false, done))).toBeNull();
    }
    return statSync(file).size;
  };

  it('that is not there holds no databases, and one that is a file is no folder', () => {
    expect(lmdbOpDisks(join(folder, 'nowhere')).list()).toEqual([]);
    writeFileSync(file, '');
    expect(() => lmdbOpDisks(file).list()).toThrow(/can't be listed: it is no directory: name another one/);
  });

  it('lists nothing but databases', () => {
    for (const name of ['b.mdb', 'a.mdb', 'a.mdb-lock', 'note.txt', 'ä.mdb', '.mdb'])
      writeFileSync(join(folder, name), '');
    expect(lmdbOpDisks(folder).list()).toEqual(['a', 'b']);
  });

  it('is as it was where an older copy was put back, and goes on from there (R2)', async () => {
    const copy = join(folder, 'copy');
    let disk = await opened(lmdbOpDisks(folder));
    await append(disk, 20, 500);
    const { floor, length } = disk;
    await closed(disk);
    cpSync(file, copy);
    disk = await opened(lmdbOpDisks(folder));
    await append(disk, 20, 500);
    await closed(disk);
    cpSync(copy, file);
    disk = await opened(lmdbOpDisks(folder));
    expect([disk.floor, disk.length, faultOf(disk)]).toEqual([floor, length, null]);
    await append(disk, 10, 500);
    expect(faultOf(disk)).toBeNull();
    await closed(disk);
  });

  it('with a database under the name of another is refused', async () => {
    const disk = await opened(lmdbOpDisks(folder), 'other');
    await written(disk, { segments: [segmentOf(0, 1)] });
    await closed(disk);
    cpSync(join(folder, 'other.mdb'), file);
    expect(await refused()).toBe('it holds the database other: give it that name again');
  });

  it('with a database of a newer version is refused, and left as it is', async () => {
    const disk = await opened(lmdbOpDisks(folder));
    await written(disk, { segments: [segmentOf(0, 1)] });
    await closed(disk);
    const root = openLmdb<Buffer, Buffer>(file, { ...BINARY, overlappingSync: false });
    const about = root.openDB<Buffer, Buffer>({ name: 'about', ...BINARY });
    const newer = { format: OP_FORMAT + 1, database: 'notes', floors: 'unheard of' };
    await about.put(Buffer.from('database'), Buffer.from(JSON.stringify(newer)));
    await root.close();
    const before = readFileSync(file);
    expect(await refused()).toBe(
      'it holds format 2 and this version knows 1: use a newer version, or another directory',
    );
    expect(readFileSync(file)).toEqual(before);
  });

  it.each(['', 'no JSON', '7', 'null', '{"format": 1}', '{"format": 1, "database": "notes", "floor": -1}'])(
    'with a database whose record is %j is refused',
    async (text) => {
      const root = openLmdb<Buffer, Buffer>(file, { ...BINARY, overlappingSync: false });
      const about = root.openDB<Buffer, Buffer>({ name: 'about', ...BINARY });
      await about.put(Buffer.from('database'), Buffer.from(text));
      await root.close();
      expect(await refused()).toMatch(/^its record of itself is damaged: restore it, or move it away/);
    },
  );

  it.each([
    ['a text', 'hello '.repeat(20_000)],
    ['zeros', Buffer.alloc(100_000)],
  ])('with a file that is %s is refused', async (_what, content) => {
    writeFileSync(file, content);
    expect(await refused()).toBe(
      'notes.mdb is damaged, or not of swarmbus: restore it, or move it away to start without it',
    );
    expect(Buffer.compare(readFileSync(file), Buffer.from(content))).toBe(0);
  });

  it('with a directory in place of the file is refused', async () => {
    mkdirSync(file);
    expect(await refused()).toMatch(/^something in the place of its file is a directory: move that away/);
  });

  it('gives no garbage for ops, states or records, and the rest of them', async () => {
    let disk = await opened(lmdbOpDisks(folder));
    await written(disk, {
      segments: [0, 1, 2].map((index) => ({ index, count: 1, bytes: Buffer.alloc(9000, `op ${index};`) })),
    });
    const state = Buffer.alloc(5000, 'a state;');
    await written(disk, { states: [{ ...stateOf('text/a'), state }, stateOf('text/b')] });
    await written(disk, { records: { a: Buffer.alloc(5000, 'a record;'), b: new Uint8Array(1) } });
    await closed(disk);
    const bytes = readFileSync(file);
    for (const content of ['op 1;', 'a state;', 'a record;']) {
      const at = bytes.indexOf(content.repeat(20));
      expect(at).toBeGreaterThan(0);
      bytes[at + 1000] = 0;
    }
    writeFileSync(file, bytes);
    disk = await opened(lmdbOpDisks(folder));
    expect([disk.segmentAt(0)?.index, disk.segmentAt(2)?.index]).toEqual([0, 2]);
    expect(() => disk.segmentAt(1)).toThrow("the database notes can't be read: the segment at 1 is damaged");
    expect(() => disk.state('text/a')).toThrow("the database notes can't be read: the state of text/a is damaged");
    expect(() => disk.states('', 9)).toThrow("the database notes can't be read: the state of text/a is damaged");
    expect(disk.state('text/b')).toEqual(stateOf('text/b'));
    expect(() => disk.records('')).toThrow("the database notes can't be read: the record a is damaged");
    expect(disk.record('b')).toEqual(new Uint8Array(1));
    // What is damaged can be dropped.
    expect(await written(disk, { floor: 2, records: { a: null } })).toBeNull();
    expect([...disk.records('').keys()]).toEqual(['b']);
    await closed(disk);
  });

  it('gives no hole in the log for its end', async () => {
    let disk = await opened(lmdbOpDisks(folder));
    await written(disk, { segments: [0, 1, 2].map((index) => segmentOf(index, 1)) });
    await closed(disk);
    const root = openLmdb<Buffer, Buffer>(file, { ...BINARY, overlappingSync: false });
    const segments = root.openDB<Buffer, Buffer>({ name: 'segments', ...BINARY });
    const keys = [...segments.getKeys()].map((key) => Buffer.from(key));
    await segments.remove(keys[1] as Buffer);
    await root.close();
    disk = await opened(lmdbOpDisks(folder));
    expect(disk.segmentAt(2)).toEqual(segmentOf(2, 1));
    expect(() => disk.segmentAt(1)).toThrow("the database notes can't be read: the op at 1 is missing");
    await closed(disk);
  });

  it('with a file that is cut short is refused, or read as far as it goes', async () => {
    const disk = await opened(lmdbOpDisks(folder));
    const size = await append(disk, 60, 1e6);
    await closed(disk);
    for (const left of [size - 4096, size / 2, size / 4, 20_000, 9000, 3000]) {
      truncateSync(file, left);
      const cut = await opened(lmdbOpDisks(folder)).catch((error: Error) => error.message);
      if (typeof cut === 'string') {
        expect(cut).toMatch(/can't be used: .* damaged.*: restore it, or move it away to start without it$/);
        continue;
      }
      expect(() => expect(faultOf(cut)).toBeNull()).toThrow(/can't be read: .* is (damaged|missing)/);
      await closed(cut);
    }
    expect(await refused()).toMatch(/^notes\.mdb is damaged/);
  });

  it('does not grow while the floor rises with the log (R8)', async () => {
    const disk = await opened(lmdbOpDisks(folder));
    const early = await append(disk, 60, 1000);
    const late = await append(disk, 150, 1000);
    expect(late).toBeLessThan(1.5 * early);
    expect(faultOf(disk)).toBeNull();
    await closed(disk);
  });

  it('drops in pieces what a floor that jumps leaves behind, also after the next opening', async () => {
    let disk = await opened(lmdbOpDisks(folder));
    const count = 3000;
    for (let first = 0; first < count; first += 500) {
      const segments = Array.from({ length: 500 }, (_, i) => segmentOf(first + i, 1));
      expect(await written(disk, { segments })).toBeNull();
    }
    expect(await written(disk, { floor: count - 1 })).toBeNull();
    expect([disk.segmentAt(0), disk.segmentAt(count - 1)]).toEqual([null, segmentOf(count - 1, 1)]);
    await closed(disk);
    disk = await opened(lmdbOpDisks(folder));
    expect(log(disk)).toEqual([segmentOf(count - 1, 1)]);
    // Twelve pieces at most, each before or with one of these.
    for (let i = 0; i < 12; i++) await written(disk, { records: { r: new Uint8Array([i]) } });
    await closed(disk);
    const root = openLmdb<Buffer, Buffer>(file, { ...BINARY, overlappingSync: false });
    const segments = root.openDB<Buffer, Buffer>({ name: 'segments', ...BINARY });
    expect((segments.getStats() as { entryCount: number }).entryCount).toBe(1);
    await root.close();
  });

  describe('and a process that', () => {
    let program: string;
    beforeAll(() => {
      program = join(createFolder(), 'op-writer.cjs');
      const options = ['--bundle', '--platform=node', '--packages=external', '--supported:dynamic-import=false'];
      const source = join(__dirname, 'op-writer.ts');
      execFileSync(resolve('node_modules/.bin/esbuild'), [
        source,
        ...options,
        `--outfile=${program}`,
        '--log-level=error',
      ]);
    });
    afterAll(() => rmSync(join(program, '..'), { recursive: true }));

    const env = { ...process.env, NODE_PATH: resolve('node_modules') };

    it('is killed while it writes: all up to some point is there, and nothing after it (R1)', async () => {
      for (let round = 0; round < 4; round++) {
        const writer = spawn(process.execPath, [program, folder, 'append'], {
          env,
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let last = 0;
        let lines = 0;
        for await (const line of createInterface(writer.stdout)) {
          last = Number(/^(?:opened )?(\d+)$/.exec(line)?.[1] ?? Number.NaN);
          expect(last).not.toBeNaN();
          if (lines === 10) expect(await refused()).toMatch(/^another node uses it/);
          if (++lines === 30 + 13 * round) writer.kill('SIGKILL');
        }
        const disk = await opened(lmdbOpDisks(folder));
        expect(disk.length).toBeGreaterThanOrEqual(last);
        expect(faultOf(disk)).toBeNull();
        await closed(disk);
      }
    });

    it('finds the disk full says so, and goes on when it has dropped what it may', () => {
      const command = [process.execPath, program, folder, 'fill'];
      const limited = ['-c', 'ulimit -f 8192; exec "$@"', 'sh', ...command];
      const lines = spawnSync('sh', limited, { env, encoding: 'utf8', timeout: 20_000 }).stdout.trim().split('\n');
      expect(lines[0]).toBe('opened 0');
      expect(lines[1]).toMatch(/, \d+ bytes are free$/);
      expect(lines[2]).toBe('null');
      // What was dropped is there to be used again after one more transaction, with which the next try begins.
      expect(lines.slice(3).join()).toMatch(/^(Input.*bytes are free,)?null,null$/);
    });

    it('may not write is refused', async () => {
      const disk = await opened(lmdbOpDisks(folder));
      await written(disk, { segments: [segmentOf(0, 1)] });
      await closed(disk);
      const isRoot = process.getuid?.() === 0;
      chmodSync(tmpdir(), 0o711);
      chmodSync(folder, 0o555);
      try {
        const command = [program, folder, 'open', ...(isRoot ? [String(NOBODY)] : [])];
        const { stdout } = spawnSync(process.execPath, command, { env, encoding: 'utf8', timeout: 20_000 });
        expect(stdout).toMatch(
          /^the database notes in .* can't be used: it can't be written \(EACCES\): let this user write there/,
        );
      } finally {
        chmodSync(folder, 0o755);
      }
      expect(await opened(lmdbOpDisks(folder)).then(closed)).toBeNull();
    });
  });
});
