/**
 * The twin of lmdb-op-disk.ts without a disk, for embedded swarms and tests: what was written outlives the node, what was
 * only given to write does not outlive its crash. It can be full, as disks are, and be set back to an earlier moment, as
 * disks are by those who restore a copy.
 */
import { MemoryWrites } from './memory-writes.js';
import type { MemoryWritesOptions } from './memory-writes.js';
import { OP_FORMAT, objectionToChanges, objectionToFound, objectionToName } from './op-disk.js';
import type { KeptState, OpChanges, OpDisk, OpDisks, Segment } from './op-disk.js';

/** All databases as they were at some moment. Only for `restore`. */
export type MemoryOpDisksCopy = ReadonlyMap<string, Medium>;

export class MemoryOpDisks implements OpDisks {
  /** While it is, each write fails. */
  isFull = false;
  /** As a newer version would leave it, for instance. */
  format = OP_FORMAT;
  readonly #options: MemoryWritesOptions;
  #media = new Map<string, Medium>();
  /** Those who may use their databases now. */
  readonly #users = new Map<string, MemoryOpDisk>();

  constructor(options: MemoryWritesOptions) {
    this.#options = options;
  }

  list(): readonly string[] {
    return [...this.#media.keys()].sort();
  }

  open(database: string, opened: (disk: OpDisk) => void, refused: (reason: string) => void): void {
    this.#options.defer(0, () => {
      const objection =
        objectionToName(database) ??
        (this.#users.has(database) ? 'another node uses it: stop that one first' : null) ??
        objectionToFound({ format: this.format, database }, database);
      if (objection !== null) return refused(`the database ${database} can't be used: ${objection}`);
      const medium = this.#media.get(database) ?? new Medium();
      this.#media.set(database, medium);
      const isUser = (): boolean => this.#users.get(database) === disk;
      const writes = new MemoryWrites(this.#options, () => {
        if (isUser()) this.#users.delete(database);
      });
      const disk = new MemoryOpDisk(medium, writes, () => {
        if (!isUser()) return 'the node has crashed';
        return this.isFull ? 'no space left' : null;
      });
      this.#users.set(database, disk);
      opened(disk);
    });
  }

  /** The node is gone: what was on the way to the disk is lost. */
  crash(): void {
    this.#users.clear();
  }

  /** As it is on the disk now; costs as much as there are segments, states and records, not their bytes. */
  copy(): MemoryOpDisksCopy {
    return new Map([...this.#media].map(([database, medium]) => [database, medium.copy()]));
  }

  /** All is as it was when it was copied, and databases that came later are gone. The node crashes with it. */
  restore(copy: MemoryOpDisksCopy): void {
    this.crash();
    this.#media = new Map([...copy].map(([database, medium]) => [database, medium.copy()]));
  }
}

/** What is on a disk for good. Its bytes are never changed, so copies share them. */
class Medium {
  floor = 0;
  length = 0;
  segments: Segment[] = [];
  states = new NamedItems<KeptState>();
  records = new NamedItems<Uint8Array>();

  copy(): Medium {
    const copy = new Medium();
    copy.floor = this.floor;
    copy.length = this.length;
    copy.segments = this.segments.slice();
    copy.states = this.states.copy();
    copy.records = this.records.copy();
    return copy;
  }

  /** Bytes are the caller's to keep. */
  apply({ segments, states, floor, records }: OpChanges): void {
    for (const segment of segments) {
      this.segments.push(segment);
      this.length = segment.index + segment.count;
    }
    for (const state of states) this.states.set(state.object, state);
    for (const [name, bytes] of records)
      if (bytes === null) this.records.delete(name);
      else this.records.set(name, bytes);
    if (floor === null) return;
    this.floor = floor;
    this.length = Math.max(this.length, floor);
    const kept = this.segments.findIndex(({ index, count }) => index + count > floor);
    this.segments.splice(0, kept < 0 ? this.segments.length : kept);
  }

  segmentAt(index: number): Segment | null {
    if (index < this.floor) return null;
    let low = 0;
    let high = this.segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.segments[middle] as Segment).index <= index) low = middle + 1;
      else high = middle;
    }
    const segment = this.segments[low - 1];
    return segment !== undefined && index < segment.index + segment.count ? segment : null;
  }
}

/** Items by name, and the names in the order of their bytes when somebody asks. */
class NamedItems<Item> {
  readonly #items: Map<string, Item>;
  /** Null when names have come or gone since. */
  #names: readonly Buffer[] | null = null;

  constructor(items: Iterable<readonly [string, Item]> = []) {
    this.#items = new Map(items);
  }

  copy(): NamedItems<Item> {
    return new NamedItems(this.#items);
  }

  get(name: string): Item | undefined {
    return this.#items.get(name);
  }

  set(name: string, item: Item): void {
    if (!this.#items.has(name)) this.#names = null;
    this.#items.set(name, item);
  }

  delete(name: string): void {
    if (this.#items.delete(name)) this.#names = null;
  }

  /** From the first on that isn't before `from`. */
  *since(from: string): Generator<readonly [string, Item]> {
    const first = Buffer.from(from);
    this.#names ??= [...this.#items.keys()].map((name) => Buffer.from(name)).sort((a, b) => a.compare(b));
    let low = 0;
    let high = this.#names.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#names[middle] as Buffer).compare(first) < 0) low = middle + 1;
      else high = middle;
    }
    for (; low < this.#names.length; low++) {
      const name = String(this.#names[low]);
      yield [name, this.#items.get(name) as Item];
    }
  }
}

class MemoryOpDisk implements OpDisk {
  readonly #medium: Medium;
  readonly #writes: MemoryWrites;
  readonly #faultNow: () => string | null;

  /** `faultNow`: why its writes fail now, or null. */
  constructor(medium: Medium, writes: MemoryWrites, faultNow: () => string | null) {
    this.#medium = medium;
    this.#writes = writes;
    this.#faultNow = faultNow;
  }

  get floor(): number {
    return this.#medium.floor;
  }

  get length(): number {
    return this.#medium.length;
  }

  segmentAt(index: number): Segment | null {
    const segment = this.#medium.segmentAt(index);
    return segment === null ? null : copyOfSegment(segment);
  }

  state(object: string): KeptState | null {
    const state = this.#medium.states.get(object);
    return state === undefined ? null : copyOfState(state);
  }

  states(after: string, countMax: number): readonly KeptState[] {
    const found: KeptState[] = [];
    for (const [object, state] of this.#medium.states.since(after)) {
      if (found.length >= countMax) break;
      if (object !== after) found.push(copyOfState(state));
    }
    return found;
  }

  record(name: string): Uint8Array | null {
    const bytes = this.#medium.records.get(name);
    return bytes === undefined ? null : new Uint8Array(bytes);
  }

  records(prefix: string): ReadonlyMap<string, Uint8Array> {
    const found = new Map<string, Uint8Array>();
    for (const [name, bytes] of this.#medium.records.since(prefix)) {
      if (!name.startsWith(prefix)) break;
      found.set(name, new Uint8Array(bytes));
    }
    return found;
  }

  write(changes: OpChanges, _isRelaxed: boolean, written: (fault: string | null) => void): void {
    const copied: OpChanges = {
      segments: changes.segments.map(copyOfSegment),
      states: changes.states.map(copyOfState),
      floor: changes.floor,
      records: new Map(
        [...changes.records].map(([name, bytes]) => [name, bytes === null ? null : new Uint8Array(bytes)]),
      ),
    };
    this.#writes.add(() => {
      const fault = this.#faultNow() ?? objectionToChanges(copied, this.#medium);
      if (fault === null) this.#medium.apply(copied);
      return fault;
    }, written);
  }

  close(closed: (fault: string | null) => void): void {
    this.#writes.close(closed);
  }
}

const copyOfSegment = ({ index, count, bytes }: Segment): Segment => ({ index, count, bytes: new Uint8Array(bytes) });

const copyOfState = ({ object, index, state }: KeptState): KeptState => ({
  object,
  index,
  state: new Uint8Array(state),
});
