/**
 * Keeps the entries of the local store on disk, written behind: a change is noted by its key, and what the key holds
 * then is written half of the loss window later, so that the disk has the other half. What can't be written stays noted,
 * and is tried again until it can: when a full disk has room again, nothing is missing on it.
 * Invariant: each key whose entry on disk differs from the one in memory is noted or on its way.
 */
import type { Changes, EntryDisk, KeptEntry, NodeRecord } from '../../disk/entry-disk.js';
import type { Keep, Kept } from '../message.js';
import type { Self } from '../runtime/kind.js';

/** What one write carries at most, so that preparing it stays a short turn. */
const KEYS_MAX = 1000;
const BYTES_MAX = 1024 * 1024;
/** Pause after a write that failed; it doubles with each further one. */
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 16_000;
/**
 * From that many notes on, one of a key that is neither here nor on disk is struck out: such keys, of which a busy cache
 * has ever new ones, would else pile up before a disk that can't be written.
 */
const CHECKED_COUNT = 10_000;

/** What there is to keep. */
export interface Source {
  /** What is to be kept of the key; null: nothing. */
  entryOf(key: string): KeptEntry | null;
  has(key: string): boolean;
  /** The highest time issued or heard. */
  readonly clock: number;
}

export class WriteBehind {
  readonly #disk: EntryDisk;
  readonly #source: Source;
  readonly #self: Self<Keep | Kept>;
  readonly #lossWindowMs: number;
  /** Keys in the order of their first change since they were last written. */
  readonly #noted = new Set<string>();
  /** Keys on their way. */
  readonly #written = new Set<string>();
  #record: NodeRecord;
  /** Notes that are still to be written in this round; 0 between rounds. */
  #due = 0;
  /** When the oldest change of this round, and of the next one, was made; null: there is none. */
  #oldestMs = 0;
  #sinceMs: number | null = null;
  #isWaiting = false;
  #isWriting = false;
  #isDegraded = false;
  #retryMs = RETRY_MS_MIN;
  readonly #counts = { diskPuts: 0, diskRemoves: 0, diskWrites: 0, diskFaults: 0, diskLate: 0 };

  constructor(disk: EntryDisk, record: NodeRecord, source: Source, self: Self<Keep | Kept>, lossWindowMs: number) {
    this.#disk = disk;
    this.#record = record;
    this.#source = source;
    this.#self = self;
    this.#lossWindowMs = lossWindowMs;
  }

  get counts(): Readonly<Record<string, number>> {
    return {
      ...this.#counts,
      diskNotKept: this.#noted.size + this.#written.size,
      diskDegraded: Number(this.#isDegraded),
    };
  }

  /** The entry of that key has come, changed or gone. */
  changed(key: string): void {
    if (this.#noted.size >= CHECKED_COUNT && this.#isNowhere(key)) this.#noted.delete(key);
    else this.#noted.add(key);
    this.#wait();
  }

  /** The disk has of this key what is here. */
  unchanged(key: string): void {
    this.#noted.delete(key);
  }

  /** Keeps a change of the record. */
  remember(change: Partial<NodeRecord>): void {
    this.#record = { ...this.#record, ...change };
    this.#wait();
  }

  /** Time to write. */
  onKeep(): void {
    this.#isWaiting = false;
    this.#oldestMs = this.#sinceMs ?? this.#self.now();
    this.#sinceMs = null;
    this.#due = this.#noted.size;
    this.#writeNext();
  }

  /** A write has ended. */
  onKept({ fault }: Kept): void {
    this.#isWriting = false;
    if (fault !== null) return this.#onFault(fault);
    if (this.#isDegraded) {
      this.#isDegraded = false;
      this.#retryMs = RETRY_MS_MIN;
      this.#self.log('info', 'the disk can be written again', { waiting: this.#noted.size });
    }
    this.#counts.diskWrites += 1;
    if (this.#self.now() - this.#oldestMs > this.#lossWindowMs) this.#counts.diskLate += 1;
    this.#written.clear();
    if (this.#due > 0) this.#writeNext();
    else if (this.#sinceMs !== null) this.#waitUntil(this.#sinceMs + this.#lossWindowMs / 2);
  }

  /** Gives all that is noted to write, and whether there is nothing more. The disk's closing says what became of it. */
  end(isEmptied: boolean): void {
    this.#record = { ...this.#record, isEmptied };
    do this.#disk.write(this.#take(this.#noted.size), () => {});
    while (this.#noted.size > 0);
  }

  #onFault(fault: string): void {
    this.#counts.diskFaults += 1;
    for (const key of this.#written) this.#noted.add(key);
    this.#written.clear();
    this.#due = 0;
    this.#sinceMs = this.#oldestMs;
    if (!this.#isDegraded) {
      this.#isDegraded = true;
      this.#self.log('error', 'the disk can not be written: entries are kept in memory only', {
        reason: fault,
        waiting: this.#noted.size,
      });
    }
    this.#waitUntil(this.#self.now() + this.#retryMs);
    this.#retryMs = Math.min(2 * this.#retryMs, RETRY_MS_MAX);
  }

  #writeNext(): void {
    const changes = this.#take(this.#due);
    for (const { key } of changes.puts) this.#written.add(key);
    for (const key of changes.removes) this.#written.add(key);
    this.#due = Math.min(this.#due - this.#written.size, this.#noted.size);
    this.#isWriting = true;
    const { ref } = this.#self;
    this.#disk.write(changes, (fault) => void ref.tell({ type: 'kept', fault }));
  }

  /** What the next of the noted keys hold now. */
  #take(countMax: number): Changes {
    const puts: KeptEntry[] = [];
    const removes: string[] = [];
    let bytes = 0;
    for (const key of this.#noted) {
      if (puts.length + removes.length >= Math.min(countMax, KEYS_MAX) || bytes > BYTES_MAX) break;
      this.#noted.delete(key);
      const entry = this.#source.entryOf(key);
      if (entry === null) removes.push(key);
      else puts.push(entry);
      bytes += 2 * key.length + (entry?.value?.length ?? 0);
    }
    this.#counts.diskPuts += puts.length;
    this.#counts.diskRemoves += removes.length;
    return { puts, removes, record: { ...this.#record, clock: this.#source.clock } };
  }

  #isNowhere(key: string): boolean {
    return !this.#written.has(key) && !this.#source.has(key) && !this.#disk.has(key);
  }

  /** A round comes half of a loss window after the first change since the last one began. */
  #wait(): void {
    if (this.#sinceMs !== null) return;
    this.#sinceMs = this.#self.now();
    if (!this.#isWriting) this.#waitUntil(this.#sinceMs + this.#lossWindowMs / 2);
  }

  #waitUntil(atMs: number): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#self.after(Math.max(0, atMs - this.#self.now()), { type: 'keep' });
  }
}
