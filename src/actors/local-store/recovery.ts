/** Brings back what a node had on disk, in pieces, so that the process stays awake; the log tells of the progress. */
import type { EntryDisk, KeptEntry } from '../../disk/entry-disk.js';
import type { Loaded, LoadFailed } from '../message.js';
import type { Self } from '../runtime/kind.js';

/** One piece at most: a turn of a few milliseconds. */
const PIECE_COUNT_MAX = 1000;
const PIECE_BYTES_MAX = 1024 * 1024;
/** Entries between two lines of the log. */
const PROGRESS_COUNT = 100_000;

/** What became of an entry: it is here, its time was over, or there was no room for it. */
export type Fate = 'recovered' | 'expired' | 'noRoom';

export class Recovery {
  readonly #disk: EntryDisk;
  readonly #self: Self<Loaded | LoadFailed>;
  /** Decides about each entry. */
  readonly #accept: (entry: KeptEntry) => Fate;
  /** Entries that came back may make room for others that do. */
  readonly #room: { readonly evicted: number };
  readonly #fates = { recovered: 0, expired: 0, noRoom: 0 };
  #unreadable = 0;
  #seen = 0;

  constructor(
    disk: EntryDisk,
    self: Self<Loaded | LoadFailed>,
    accept: (entry: KeptEntry) => Fate,
    room: { readonly evicted: number },
  ) {
    this.#disk = disk;
    this.#self = self;
    this.#accept = accept;
    this.#room = room;
  }

  get counts(): Readonly<Record<string, number>> {
    const { recovered, expired, noRoom } = this.#fates;
    return { recovered, recoveredExpired: expired, recoveredNoRoom: noRoom, recoveredUnreadable: this.#unreadable };
  }

  begin(): void {
    const { ref } = this.#self;
    this.#disk.load(
      PIECE_COUNT_MAX,
      PIECE_BYTES_MAX,
      ({ entries, unreadableCount, isLast }) =>
        void ref.tell({ type: 'loaded', entries, unreadableCount, isLast } satisfies Loaded),
      (fault) => void ref.tell({ type: 'loadFailed', fault } satisfies LoadFailed),
    );
  }

  /** Whether that was the last piece; else the next one has been asked for. */
  onLoaded({ entries, unreadableCount, isLast }: Loaded): boolean {
    for (const entry of entries) this.#fates[this.#accept(entry)] += 1;
    this.#unreadable += unreadableCount;
    const before = this.#seen;
    this.#seen += entries.length + unreadableCount;
    if (isLast) {
      this.#report();
      return true;
    }
    if (Math.floor(before / PROGRESS_COUNT) < Math.floor(this.#seen / PROGRESS_COUNT)) {
      this.#self.log('info', 'bringing entries back from disk', { done: this.#seen, of: this.#disk.count });
    }
    this.begin();
    return false;
  }

  #report(): void {
    const { log } = this.#self;
    if (this.#disk.count > 0) log('info', 'entries are back from disk', this.counts);
    const dropped = this.#fates.noRoom + this.#room.evicted;
    if (dropped > 0) {
      const text = 'entries on disk found no room and are dropped: give the node more by --store and --keys';
      log('warn', text, { count: dropped });
    }
    const lost = this.#disk.count - this.#seen;
    if (lost > 0) log('error', 'the disk lacks entries that it should have: its file is damaged', { lost });
    if (this.#unreadable > 0) log('error', 'the disk has entries that mean nothing', { count: this.#unreadable });
  }
}
