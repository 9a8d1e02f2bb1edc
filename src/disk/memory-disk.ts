/**
 * The twin of lmdb-disk.ts without a disk, for embedded swarms and tests: what was written outlives the node, what was
 * only given to write does not outlive its crash. It can be full, as disks are.
 */
import { FORMAT, objectionTo } from './entry-disk.js';
import type { Changes, EntryDisk, KeptEntry, NodeRecord, OpenEntryDisk } from './entry-disk.js';
import { MemoryWrites } from './memory-writes.js';
import type { MemoryWritesOptions } from './memory-writes.js';

export class MemoryDisk {
  /** While it is, each write fails. */
  isFull = false;
  /** As a newer version would leave it, for instance. */
  format = FORMAT;
  readonly #options: MemoryWritesOptions;
  readonly #entries = new Map<string, KeptEntry>();
  #record: NodeRecord | null = null;
  /** The one that may use it now. */
  #user: MemoryEntryDisk | null = null;

  constructor(options: MemoryWritesOptions) {
    this.#options = options;
  }

  /** What is on it for good. */
  get entries(): ReadonlyMap<string, KeptEntry> {
    return this.#entries;
  }

  readonly open: OpenEntryDisk = (swarm, opened, refused) => {
    this.#options.defer(0, () => {
      const found = { format: this.format, swarm: this.#record?.swarm ?? swarm };
      const objection = this.#user === null ? objectionTo(found, swarm) : 'another node uses it: stop that one first';
      if (objection !== null) return refused(`the memory disk can't be used: ${objection}`);
      if (this.#record?.isEmptied === true) this.#entries.clear();
      const disk = new MemoryEntryDisk(this, this.#options, this.#record, [...this.#entries.values()]);
      this.#user = disk;
      opened(disk);
    });
  };

  /** Its user is gone: what was on the way to it is lost. */
  crash(): void {
    this.#user = null;
  }

  /** Another node may use it from now on. */
  release(by: EntryDisk): void {
    if (by === this.#user) this.#user = null;
  }

  /** Applies the changes if they come from its user. */
  commit(from: EntryDisk, { puts, removes, record }: Changes): string | null {
    if (from !== this.#user) return 'the node has crashed';
    if (this.isFull) return 'no space left';
    for (const entry of puts) this.#entries.set(entry.key, entry);
    for (const key of removes) this.#entries.delete(key);
    if (record !== null) this.#record = record;
    return null;
  }
}

class MemoryEntryDisk implements EntryDisk {
  readonly record: NodeRecord | null;
  readonly count: number;
  readonly #disk: MemoryDisk;
  readonly #options: MemoryWritesOptions;
  readonly #found: readonly KeptEntry[];
  readonly #writes: MemoryWrites;
  #loaded = 0;

  constructor(disk: MemoryDisk, options: MemoryWritesOptions, record: NodeRecord | null, found: readonly KeptEntry[]) {
    this.record = record;
    this.count = found.length;
    this.#disk = disk;
    this.#options = options;
    this.#found = found;
    this.#writes = new MemoryWrites(options, () => disk.release(this));
  }

  load(countMax: number, bytesMax: number, loaded: Parameters<EntryDisk['load']>[2]): void {
    const from = this.#loaded;
    let bytes = 0;
    while (this.#loaded < this.#found.length && this.#loaded - from < countMax && bytes <= bytesMax) {
      bytes += this.#found[this.#loaded]?.value?.length ?? 0;
      this.#loaded += 1;
    }
    const entries = this.#found.slice(from, this.#loaded);
    const isLast = this.#loaded === this.#found.length;
    this.#options.defer(0, () => loaded({ entries, unreadableCount: 0, isLast }));
  }

  has(key: string): boolean {
    return this.#disk.entries.has(key);
  }

  write(changes: Changes, written: (fault: string | null) => void): void {
    const copied = changes.puts.map((entry) => ({
      ...entry,
      value: entry.value === null ? null : new Uint8Array(entry.value),
    }));
    this.#writes.add(() => this.#disk.commit(this, { ...changes, puts: copied }), written);
  }

  close(closed: (fault: string | null) => void): void {
    this.#writes.close(closed);
  }
}
