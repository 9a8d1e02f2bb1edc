/**
 * The disk of a node as an LMDB database, `cache.mdb` in its data directory.
 */
import { join } from 'node:path';
import { adviceOn } from './data-folder.js';
import { decodeEntry, encodeEntries, encodeKey } from './entry-bytes.js';
import { FORMAT, objectionTo } from './entry-disk.js';
import type { Changes, EntryDisk, KeptEntry, NodeRecord, OpenEntryDisk, Piece } from './entry-disk.js';
import { openEnvironment } from './lmdb-environment.js';
import type { LmdbEnvironment, Operation, Table } from './lmdb-environment.js';

/** What stands in the database beside the entries, as JSON: what all versions must understand is a text. */
interface Stored {
  readonly format: number;
  readonly swarm: string;
  /** Null: of a newer format, and not for this version to judge. */
  readonly record: NodeRecord | null;
}

const FILE = 'cache.mdb';
const DAMAGED = `the record in ${FILE} is damaged: restore it, or move it away to start without it`;
const RECORD_KEY = Buffer.from('node');

/** The directory is made if it isn't there. */
export const lmdbDisk =
  (folder: string): OpenEntryDisk =>
  (swarm, opened, refused) => {
    const refuse = (reason: string): void => refused(`the data directory ${folder} can't be used: ${reason}`);
    openEnvironment(
      join(folder, FILE),
      (environment): LmdbDisk | string => {
        const stored = readStored(environment.about.get(RECORD_KEY));
        const objection = stored === null ? null : objectionTo(stored, swarm);
        return objection ?? new LmdbDisk(folder, environment, stored?.record ?? null);
      },
      (disk) => {
        if (disk.record?.isEmptied !== true) return opened(disk);
        disk.clear(
          () => opened(disk),
          (fault) => {
            refuse(fault);
            disk.close(() => {});
          },
        );
      },
      refuse,
    );
  };

class LmdbDisk implements EntryDisk {
  readonly record: NodeRecord | null;
  count: number;
  readonly #folder: string;
  readonly #environment: LmdbEnvironment;
  readonly #entries: Table;
  /** The last key that was loaded. */
  #loadedUpTo: Buffer | null = null;

  constructor(folder: string, environment: LmdbEnvironment, record: NodeRecord | null) {
    this.record = record;
    this.#folder = folder;
    this.#environment = environment;
    this.#entries = environment.table('entries');
    this.count = (this.#entries.getStats() as { entryCount: number }).entryCount;
  }

  clear(cleared: () => void, failed: (fault: string) => void): void {
    this.#environment.clear(
      this.#entries,
      () => {
        this.count = 0;
        cleared();
      },
      failed,
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
    const table = this.#entries;
    const operations: Operation[] = encodeEntries(puts).map(({ key, record: value }) => ({ table, key, value }));
    for (const key of removes) operations.push({ table, key: encodeKey(key), value: null });
    if (record !== null) {
      const value = Buffer.from(JSON.stringify({ format: FORMAT, ...record }));
      operations.push({ table: this.#environment.about, key: RECORD_KEY, value });
    }
    this.#environment.write(operations, written);
  }

  close(closed: (fault: string | null) => void): void {
    this.#environment.close(closed);
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
}

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
