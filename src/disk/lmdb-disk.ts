/**
 * The disk of a node as an LMDB database, `cache.mdb` in its data directory: the only file that knows the package,
 * which is an optional dependency and is loaded when it is first needed. Each call of `write` is one transaction, synced
 * before it is called back; a crash at any moment leaves the last one that was.
 *
 * The package can't be handed just any file: it takes what is no database, or is cut short, for a map of memory, and the
 * process dies. So the file is looked at first.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, statfs } from 'node:fs';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import type * as Lmdb from 'lmdb';
import { adviceOn, makeWritable } from './data-folder.js';
import { decodeEntry, encodeEntries, encodeKey } from './entry-bytes.js';
import { FORMAT, objectionTo } from './entry-disk.js';
import type { Changes, EntryDisk, KeptEntry, NodeRecord, OpenEntryDisk, Piece } from './entry-disk.js';

type Bytes = Database<Buffer, Buffer>;

/** What stands in the database beside the entries, as JSON: what all versions must understand is a text. */
interface Stored {
  readonly format: number;
  readonly swarm: string;
  /** Null: of a newer format, and not for this version to judge. */
  readonly record: NodeRecord | null;
}

const FILE = 'cache.mdb';
const DAMAGED = `the record in ${FILE} is damaged: restore it, or move it away to start without its entries`;
const RECORD_KEY = Buffer.from('node');
const ENCODING = { encoding: 'binary', keyEncoding: 'binary' } as const;

// The two pages at the beginning of the file, of which the one with the higher transaction counts.
const META_AT = 24;
const MAGIC = 0xbeefc0de;
const PAGE_BYTES_AT = 48;
const LAST_PAGE_AT = 144;
const TRANSACTION_AT = 152;
const META_END = 160;
const PAGE_BYTES_MAX = 65_536;

/** The directory is made if it isn't there. */
export const lmdbDisk =
  (folder: string): OpenEntryDisk =>
  (swarm, opened, refused) => {
    const refuse = (reason: string): void => refused(`the data directory ${folder} can't be used: ${reason}`);
    import('lmdb').then(
      (lmdb) => openIn(lmdb, folder, swarm, opened, refuse),
      (error: unknown) => refuse(`the package lmdb does not load here (${textOf(error)}): install it again`),
    );
  };

const openIn = (
  lmdb: typeof Lmdb,
  folder: string,
  swarm: string,
  opened: (disk: EntryDisk) => void,
  refuse: (reason: string) => void,
): void => {
  let root: RootDatabase<Buffer, Buffer> | null = null;
  let disk: LmdbDisk;
  try {
    makeWritable(folder);
    const objection = checkFile(join(folder, FILE));
    if (objection !== null) return refuse(objection);
    // Without `overlappingSync` a write is called back when it is synced, and fails without leaving a promise of its
    // own behind that nobody could catch; so it does without the batches that the package makes by itself.
    const options = { ...ENCODING, overlappingSync: false, eventTurnBatching: false, maxReaders: 16 };
    root = lmdb.open<Buffer, Buffer>(join(folder, FILE), options);
    const about: Bytes = root.openDB({ name: 'about', ...ENCODING });
    const stored = readStored(about.get(RECORD_KEY));
    // The read has taken a place among the readers, so of two nodes that open at once at least one sees the other.
    root.readerCheck();
    const readers = root.readerList().match(/^ *\d+ /gm)?.length ?? 0;
    const refusal =
      readers > 1
        ? 'another node uses it: stop that one, or give each a directory of its own'
        : stored === null
          ? null
          : objectionTo(stored, swarm);
    if (refusal !== null) {
      refuse(refusal);
      return ignore(root.close());
    }
    const entries: Bytes = root.openDB({ name: 'entries', ...ENCODING });
    disk = new LmdbDisk(folder, root, about, entries, stored?.record ?? null);
  } catch (error) {
    refuse(adviceOn(error));
    return root === null ? undefined : ignore(root.close());
  }
  if (disk.record?.isEmptied !== true) return opened(disk);
  disk.clear(
    () => opened(disk),
    (fault) => {
      refuse(fault);
      disk.close(() => {});
    },
  );
};

class LmdbDisk implements EntryDisk {
  readonly record: NodeRecord | null;
  count: number;
  readonly #folder: string;
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #about: Bytes;
  readonly #entries: Bytes;
  /** The last key that was loaded. */
  #loadedUpTo: Buffer | null = null;
  #outstanding = 0;
  #fault: string | null = null;
  #closed: ((fault: string | null) => void) | null = null;

  constructor(
    folder: string,
    root: RootDatabase<Buffer, Buffer>,
    about: Bytes,
    entries: Bytes,
    record: NodeRecord | null,
  ) {
    this.record = record;
    this.#folder = folder;
    this.#root = root;
    this.#about = about;
    this.#entries = entries;
    this.count = (entries.getStats() as { entryCount: number }).entryCount;
  }

  clear(cleared: () => void, failed: (fault: string) => void): void {
    this.#entries.clearAsync().then(
      () => {
        this.count = 0;
        cleared();
      },
      (error: unknown) => this.#explain(error, failed),
    );
  }

  load(countMax: number, bytesMax: number, loaded: (piece: Piece) => void, failed: (fault: string) => void): void {
    // What is in memory already is read at once, the rest when the kernel has fetched it: a piece is short for both.
    setImmediate(() => {
      let piece: Piece;
      try {
        piece = this.#piece(countMax, bytesMax);
      } catch (error) {
        return failed(`the entries in ${this.#folder} can't be read: ${adviceOn(error)}`);
      }
      loaded(piece);
    });
  }

  has(key: string): boolean {
    return this.#entries.doesExist(encodeKey(key));
  }

  write({ puts, removes, record }: Changes, written: (fault: string | null) => void): void {
    const encoded = encodeEntries(puts);
    const promises = new Set<Promise<boolean>>();
    this.#outstanding += 1;
    const end = (fault: string | null): void => {
      this.#outstanding -= 1;
      if (this.#closed !== null) this.#fault ??= fault;
      written(fault);
      this.#closeIfDone();
    };
    if (encoded.length + removes.length === 0 && record === null) return void setImmediate(end, null);
    const whole = this.#root.batch(() => {
      for (const { key, record: bytes } of encoded) promises.add(this.#entries.put(key, bytes));
      for (const key of removes) promises.add(this.#entries.remove(encodeKey(key)));
      if (record !== null) {
        const text = JSON.stringify({ format: FORMAT, ...record });
        promises.add(this.#about.put(RECORD_KEY, Buffer.from(text)));
      }
    });
    Promise.all([whole, ...promises]).then(
      () => end(null),
      (error: unknown) => this.#explain(error, end),
    );
  }

  close(closed: (fault: string | null) => void): void {
    this.#closed = closed;
    this.#closeIfDone();
  }

  #closeIfDone(): void {
    const closed = this.#closed;
    if (closed === null || this.#outstanding > 0) return;
    this.#closed = null;
    this.#root.close().then(
      () => closed(this.#fault),
      (error: unknown) => closed(textOf(error)),
    );
  }

  #piece(countMax: number, bytesMax: number): Piece {
    const entries: KeptEntry[] = [];
    const start = this.#loadedUpTo;
    let count = 0;
    let bytes = 0;
    let isLast = true;
    for (const { key, value } of this.#entries.getRange(start === null ? {} : { start, exclusiveStart: true })) {
      if (count === countMax || bytes > bytesMax) {
        isLast = false;
        break;
      }
      count += 1;
      bytes += value.length;
      this.#loadedUpTo = Buffer.from(key);
      const entry = decodeEntry(key, value);
      if (entry !== null) entries.push(entry);
    }
    return { entries, unreadableCount: count - entries.length, isLast };
  }

  /** The package says why in a second promise; the database says "Input/output error" of a full disk. */
  #explain(error: unknown, explained: (fault: string) => void): void {
    const cause: unknown = (error as { commitError?: Promise<unknown> }).commitError ?? Promise.reject(error);
    (cause as Promise<unknown>).then(
      () => this.#explainBy(error, explained),
      (reason: unknown) => this.#explainBy(reason, explained),
    );
  }

  #explainBy(error: unknown, explained: (fault: string) => void): void {
    statfs(this.#folder, (unknown, room) => {
      const free = unknown === null ? `, ${room.bavail * room.bsize} bytes are free` : '';
      explained(`${textOf(error)}${free}`);
    });
  }
}

/**
 * Why the file can't be opened, or null. One that lacks pages at its end gets empty ones in their place: reading those
 * is an error, reading beyond the end of a file is the end of the process.
 */
const checkFile = (file: string): string | null => {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r+');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return null;
    throw error;
  }
  try {
    if (fstatSync(descriptor).size === 0) return null;
    const first = metaAt(descriptor, 0);
    const second = first === null ? null : metaAt(descriptor, first.pageBytes);
    if (first === null || second === null)
      return `${FILE} is damaged, or not of swarmbus: restore it, or move it away to start without its entries`;
    const { pageBytes, lastPage } = first.transaction > second.transaction ? first : second;
    const due = (lastPage + 1) * pageBytes;
    // Looked at after the pages: where another node is at work, the file has grown before they say so.
    if (fstatSync(descriptor).size < due) ftruncateSync(descriptor, due);
    return null;
  } finally {
    closeSync(descriptor);
  }
};

interface Meta {
  readonly pageBytes: number;
  readonly lastPage: number;
  readonly transaction: number;
}

const metaAt = (descriptor: number, position: number): Meta | null => {
  const bytes = Buffer.alloc(META_END);
  if (readSync(descriptor, bytes, 0, META_END, position) < META_END) return null;
  const pageBytes = bytes.readUInt32LE(PAGE_BYTES_AT);
  const lastPage = Number(bytes.readBigUInt64LE(LAST_PAGE_AT));
  const transaction = Number(bytes.readBigUInt64LE(TRANSACTION_AT));
  const isSound =
    bytes.readUInt32LE(META_AT) === MAGIC && pageBytes >= META_END && pageBytes <= PAGE_BYTES_MAX && lastPage < 2 ** 36;
  return isSound ? { pageBytes, lastPage, transaction } : null;
};

/** Throws for what no version writes. */
const readStored = (bytes: Buffer | undefined): Stored | null => {
  if (bytes === undefined) return null;
  let found: Partial<NodeRecord> & { readonly format?: unknown };
  try {
    found = { ...(JSON.parse(bytes.toString()) as typeof found) };
  } catch {
    throw new Error(DAMAGED);
  }
  const { format, ...record } = found;
  const { node, swarm, incarnation, clock, isEmptied } = record;
  if (typeof format !== 'number' || typeof swarm !== 'string') throw new Error(DAMAGED);
  if (format > FORMAT) return { format, swarm, record: null };
  const isSound =
    typeof node === 'string' &&
    Number.isSafeInteger(incarnation) &&
    Number.isSafeInteger(clock) &&
    typeof isEmptied === 'boolean';
  if (!isSound) throw new Error(DAMAGED);
  return { format, swarm, record: record as NodeRecord };
};

const ignore = (promise: Promise<void>): void => {
  promise.catch(() => {});
};

const textOf = (error: unknown): string => {
  const message = (error as { message?: unknown } | null)?.message;
  return typeof message === 'string' ? message : String(error);
};
