/**
 * One LMDB database file and what all who keep things in such files must do: the only file that knows the package, which
 * is an optional dependency and is loaded when it is first needed. A write is one transaction, synced before it is called
 * back; a crash at any moment leaves the last one that was.
 *
 * The package can't be handed just any file: it takes what is no database, or is cut short, for a map of memory, and the
 * process dies. So the file is looked at first.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, statfs } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import type * as Lmdb from 'lmdb';
import { adviceOn, makeWritable } from './data-folder.js';

/** Keys in the order of their bytes. What it returns is a copy. */
export type Table = Database<Buffer, Buffer>;

/** One of those that make a transaction. */
export interface Operation {
  readonly table: Table;
  readonly key: Buffer;
  /** Null removes the key, if it is there. The bytes stay as they are until the transaction is called back. */
  readonly value: Uint8Array | null;
}

const ENCODING = { encoding: 'binary', keyEncoding: 'binary' } as const;

// The two pages at the beginning of the file, of which the one with the higher transaction counts.
const META_AT = 24;
const MAGIC = 0xbeefc0de;
const PAGE_BYTES_AT = 48;
const LAST_PAGE_AT = 144;
const TRANSACTION_AT = 152;
const META_END = 160;
const PAGE_BYTES_MAX = 65_536;

/**
 * Opens the file, which is made if it isn't there, as is its folder. `accept` looks at what is in its table `about` and
 * makes what uses the file, or returns or throws why it can't be used: then it is closed again, with nothing written.
 */
export const openEnvironment = <User extends object>(
  file: string,
  accept: (environment: LmdbEnvironment) => User | string,
  opened: (user: User) => void,
  refused: (reason: string) => void,
): void => {
  import('lmdb').then(
    (lmdb) => {
      const user = openIn(lmdb, file, accept);
      if (typeof user === 'string') refused(user);
      else opened(user);
    },
    (error: unknown) => refused(`the package lmdb does not load here (${textOf(error)}): install it again`),
  );
};

const openIn = <User extends object>(
  lmdb: typeof Lmdb,
  file: string,
  accept: (environment: LmdbEnvironment) => User | string,
): User | string => {
  let root: RootDatabase<Buffer, Buffer> | null = null;
  let user: User | string;
  try {
    makeWritable(dirname(file));
    const objection = checkFile(file);
    if (objection !== null) return objection;
    // Without `overlappingSync` a write is called back when it is synced, and fails without leaving a promise of its
    // own behind that nobody could catch; so it does without the batches that the package makes by itself.
    const options = { ...ENCODING, overlappingSync: false, eventTurnBatching: false, maxReaders: 16 };
    root = lmdb.open<Buffer, Buffer>(file, options);
    const environment = new LmdbEnvironment(file, root);
    user = environment.isUsedElsewhere()
      ? 'another node uses it: stop that one, or give each a directory of its own'
      : accept(environment);
  } catch (error) {
    user = adviceOn(error);
  }
  if (typeof user === 'string') root?.close().catch(() => {});
  return user;
};

export class LmdbEnvironment {
  /** What its user must know before anything else is touched. */
  readonly about: Table;
  readonly #folder: string;
  readonly #root: RootDatabase<Buffer, Buffer>;
  #outstanding = 0;
  #fault: string | null = null;
  #closed: ((fault: string | null) => void) | null = null;

  constructor(file: string, root: RootDatabase<Buffer, Buffer>) {
    this.#folder = dirname(file);
    this.#root = root;
    this.about = this.table('about');
  }

  /** It is made if it isn't there. */
  table(name: string): Table {
    return this.#root.openDB({ name, ...ENCODING });
  }

  isUsedElsewhere(): boolean {
    // The read takes a place among the readers, so of two nodes that open at once at least one sees the other.
    this.about.doesExist(Buffer.of(0));
    this.#root.readerCheck();
    return (this.#root.readerList().match(/^ *\d+ /gm)?.length ?? 0) > 1;
  }

  /** One transaction. Called back when it is on the disk for good: null, or why nothing of it is. */
  write(operations: readonly Operation[], written: (fault: string | null) => void): void {
    this.#outstanding += 1;
    const end = (fault: string | null): void => {
      this.#outstanding -= 1;
      if (this.#closed !== null) this.#fault ??= fault;
      written(fault);
      this.#closeIfDone();
    };
    if (operations.length === 0) return void setImmediate(end, null);
    const promises = new Set<Promise<boolean>>();
    const whole = this.#root.batch(() => {
      for (const { table, key, value } of operations)
        promises.add(value === null ? table.remove(key) : table.put(key, value as Buffer));
    });
    Promise.all([whole, ...promises]).then(
      () => end(null),
      (error: unknown) => this.#explain(error, end),
    );
  }

  clear(table: Table, cleared: () => void, failed: (fault: string) => void): void {
    table.clearAsync().then(cleared, (error: unknown) => this.#explain(error, failed));
  }

  /** After all that was given to write: null, or why some of that has not been written. */
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

export const textOf = (error: unknown): string => {
  const message = (error as { message?: unknown } | null)?.message;
  return typeof message === 'string' ? message : String(error);
};

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
      return `${basename(file)} is damaged, or not of swarmbus: restore it, or move it away to start without it`;
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
