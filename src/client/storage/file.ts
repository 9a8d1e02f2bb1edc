/**
 * Keeps replicas in files, for Node: one file for each database, to which changes are appended, each whole or not at all,
 * and which is written anew when most of it is history.
 */
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { packValue, unpackValue } from '../../transport/msgpack.js';
import type { Bytes } from '../../transport/message.js';
import { changeShelf, emptyShelf, keptOn } from './shelf.js';
import type { Shelf } from './shelf.js';
import type { Kept, KeptChange, ReplicaStorage, ReplicaStore } from './storage.js';

/** Begins each file, and tells its layout. */
const MAGIC = Buffer.from('swarmbus replica 1\n');
/** Length and checksum of a change before it. */
const HEAD_BYTES = 8;
/** A file is written anew when it is more than so many times as large as what it holds, and larger than this. */
const WASTE_MAX = 4;
const SMALL_BYTES = 256 * 1024;

/**
 * A storage in a directory, which is made if it isn't there. A database is used by one process at a time; what a process
 * left behind that has ended is taken over.
 */
export function fileStorage(directory: string): ReplicaStorage {
  return {
    async open(database) {
      await mkdir(directory, { recursive: true });
      const path = join(directory, `${encodeURIComponent(database)}.replica`);
      const lock = `${path}.lock`;
      await takeLock(lock, path);
      try {
        const { shelf, length } = readShelf(path, await readIfThere(path));
        const store = new FileStore(path, lock, shelf, length);
        // What a crash has torn off goes with it.
        await store.rewrite();
        return store;
      } catch (error) {
        await rm(lock, { force: true });
        throw error;
      }
    },
  };
}

class FileStore implements ReplicaStore {
  readonly kept: Kept;
  readonly #path: string;
  readonly #lock: string;
  readonly #shelf: Shelf;
  #file: FileHandle | null = null;
  #length: number;
  /** Ends when all that was given to write has been tried. */
  #last: Promise<void> = Promise.resolve();
  /** Changes that the next write takes along. */
  #waiting: Buffer[] = [];

  constructor(path: string, lock: string, shelf: Shelf, length: number) {
    this.#path = path;
    this.#lock = lock;
    this.#shelf = shelf;
    this.#length = length;
    this.kept = keptOn(shelf);
  }

  write(change: KeptChange): Promise<void> {
    changeShelf(this.#shelf, change);
    this.#waiting.push(framed(change));
    // All changes that come while the disk is busy are written and synced together.
    if (this.#waiting.length === 1) this.#last = this.#last.catch(() => {}).then(() => this.#append());
    return this.#last;
  }

  async close(): Promise<void> {
    await this.#last.catch(() => {});
    await this.#file?.close();
    this.#file = null;
    await rm(this.#lock, { force: true });
  }

  /** Only what is kept now, in place of how it came to be. */
  async rewrite(): Promise<void> {
    const { record, ops, states } = this.#shelf;
    const opsAdded = [...ops].map(([number, op]) => ({ number, op }));
    const whole = Buffer.concat([MAGIC, framed({ record, opsAdded, opsFloor: 0, states })]);
    const fresh = `${this.#path}.new`;
    const file = await open(fresh, 'w');
    try {
      await file.writeFile(whole);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, this.#path);
    await this.#file?.close();
    this.#file = await open(this.#path, 'a');
    this.#length = whole.length;
  }

  async #append(): Promise<void> {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    const isTooLong =
      this.#length + bytes.length > SMALL_BYTES && this.#length + bytes.length > WASTE_MAX * this.#size();
    // The shelf has the changes already.
    if (isTooLong || this.#file === null) return this.rewrite();
    try {
      await this.#file.appendFile(bytes);
      await this.#file.datasync();
      this.#length += bytes.length;
    } catch (error) {
      // A part may be there, behind which nothing would be read: the next change begins a file anew.
      await this.#file.close().catch(() => {});
      this.#file = null;
      throw error;
    }
  }

  #size(): number {
    let size = this.#shelf.record?.length ?? 0;
    for (const op of this.#shelf.ops.values()) size += op.length;
    for (const [object, state] of this.#shelf.states) size += object.length + state.length;
    return size;
  }
}

/** A change as it lies in the file: length and checksum, then MessagePack. */
function framed({
  record,
  opsAdded,
  opsFloor,
  states,
}: Omit<KeptChange, 'states'> & { states: Shelf['states'] | KeptChange['states'] }): Buffer {
  const packed = packValue([record, opsAdded.map(({ number, op }) => [number, op]), opsFloor, [...states]]);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(packed.length, 0);
  head.writeUInt32LE(crc32(packed), 4);
  return Buffer.concat([head, packed]);
}

/** All whole changes from the beginning on; what a crash has torn ends them. */
function readShelf(path: string, bytes: Buffer): { shelf: Shelf; length: number } {
  const shelf = emptyShelf();
  if (bytes.length === 0) return { shelf, length: 0 };
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new Error(`${path} is no replica that this version knows: use a newer version, or another directory`);
  }
  let at = MAGIC.length;
  while (at + HEAD_BYTES <= bytes.length) {
    const end = at + HEAD_BYTES + bytes.readUInt32LE(at);
    const packed = bytes.subarray(at + HEAD_BYTES, end);
    if (end > bytes.length || crc32(packed) !== bytes.readUInt32LE(at + 4)) break;
    const [record, ops, opsFloor, states] = unpackValue(packed) as [
      Bytes | null,
      [number, Bytes][],
      number,
      [string, Bytes | null][],
    ];
    const opsAdded = ops.map(([number, op]) => ({ number, op }));
    changeShelf(shelf, { record, opsAdded, opsFloor, states: new Map(states) });
    at = end;
  }
  return { shelf, length: at };
}

async function readIfThere(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}

/** Process numbers mean something on one host only. */
async function takeLock(lock: string, path: string): Promise<void> {
  const own = `${process.pid} ${hostname()}`;
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      await writeFile(lock, own, { flag: 'wx' });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const [pid = '', host = ''] = (await readFile(lock, 'utf8').catch(() => '')).split(' ');
    if (host !== hostname() || isRunning(Number(pid))) {
      throw new Error(
        `${path} is in use by process ${pid} on ${host}: close that one first, or use another directory` +
          ` (if there is no such process, delete ${lock})`,
      );
    }
    await rm(lock, { force: true });
  }
  throw new Error(`${lock} can't be made: another process makes it too`);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
