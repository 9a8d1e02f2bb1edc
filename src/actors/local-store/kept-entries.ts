/**
 * The way of entries from the disk and back to it: what was there at the start comes in under claims of this start, what
 * changes from then on goes out behind the changes. A part of the local store, not an actor of its own.
 */
import type { KeptEntry } from '../../disk/entry-disk.js';
import type { KeyHasher } from '../../store/key-hash.js';
import type { OwnedKeys } from '../../store/owned-keys.js';
import type { Key } from '../../transport/message.js';
import type { Keep, Kept, Loaded, LoadFailed } from '../message.js';
import type { Self } from '../runtime/kind.js';
import type { NodeDisk } from '../settings.js';
import type { Executor } from './executor.js';
import { Recovery } from './recovery.js';
import type { Fate } from './recovery.js';
import { WriteBehind } from './write-behind.js';
import type { Source } from './write-behind.js';

/** The parts of the store that it asks and tells. */
interface Parts {
  readonly executor: Executor;
  readonly owned: OwnedKeys;
  readonly hasher: KeyHasher;
  nextClaim(): number;
}

export class KeptEntries implements Source {
  readonly #self: Self<Loaded | LoadFailed | Keep | Kept>;
  readonly #parts: Parts;
  readonly #recovery: Recovery;
  readonly #writeBehind: WriteBehind;
  #isRecovered = false;

  /** What is on disk comes from now on, as messages. */
  constructor(self: Self<Loaded | LoadFailed | Keep | Kept>, parts: Parts, disk: NodeDisk, lossWindowMs: number) {
    this.#self = self;
    this.#parts = parts;
    const { clock, keyspace } = parts.executor;
    clock.observe(disk.record.clock);
    this.#writeBehind = new WriteBehind(disk.entries, disk.record, this, self, lossWindowMs);
    keyspace.onChanged = (key) => this.#writeBehind.changed(key);
    this.#recovery = new Recovery(disk.entries, self, (entry) => this.#recover(entry), keyspace);
    this.#recovery.begin();
  }

  get counts(): Readonly<Record<string, number>> {
    return { ...this.#recovery.counts, ...this.#writeBehind.counts };
  }

  // From the disk

  /** Whether all is here. */
  onLoaded(message: Loaded): boolean {
    this.#isRecovered = this.#recovery.onLoaded(message);
    return this.#isRecovered;
  }

  /** The one way in for an entry from disk: it is owned under a claim of this start, and stated to its home as such. */
  #recover({ key, value, time, origin, expiresAtWallMs }: KeptEntry): Fate {
    const { executor, owned, hasher } = this.#parts;
    // Stamps issued from now on are above all that were (RULES T2), also of what does not come back.
    executor.clock.observe(time);
    const leftMs = expiresAtWallMs === 0 ? Infinity : expiresAtWallMs - this.#self.wallMs();
    const expiresAtMs = expiresAtWallMs === 0 ? 0 : this.#self.now() + leftMs;
    if (leftMs > 0 && executor.restore(key, value, { time, origin }, expiresAtMs)) {
      if (executor.knows(key)) {
        owned.put(key, hasher.hash(key), this.#parts.nextClaim());
        this.#writeBehind.unchanged(key);
      }
      return 'recovered';
    }
    this.#writeBehind.changed(key);
    return leftMs > 0 ? 'noRoom' : 'expired';
  }

  // To the disk

  onKeep(): void {
    this.#writeBehind.onKeep();
  }

  onKept(message: Kept): void {
    this.#writeBehind.onKept(message);
  }

  /** The next start must be above it. */
  rememberIncarnation(incarnation: number): void {
    this.#writeBehind.remember({ incarnation });
  }

  /** Gives the disk all that it does not have yet; that the node is empty (RULES H2) only if its entries were here. */
  end(): void {
    this.#writeBehind.end(this.#isRecovered && this.#parts.executor.keyspace.count === 0);
  }

  entryOf(key: Key): KeptEntry | null {
    const nowMs = this.#self.now();
    const { keyspace } = this.#parts.executor;
    const entry = keyspace.peekAny(key, nowMs);
    if (entry === undefined) return null;
    const { time, origin, expiresAtMs, isTombstone } = entry;
    // Expiry counts on the monotonic clock, which means nothing to another start (RULES T4).
    const expiresAtWallMs = expiresAtMs === 0 ? 0 : this.#self.wallMs() + expiresAtMs - nowMs;
    return { key, value: isTombstone ? null : keyspace.read(entry), time, origin, expiresAtWallMs };
  }

  has(key: Key): boolean {
    return this.#parts.executor.knows(key);
  }

  get clock(): number {
    return this.#parts.executor.clock.last;
  }
}
