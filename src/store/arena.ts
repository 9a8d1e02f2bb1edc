/**
 * Bytes outside the JavaScript heap, so that a million values are nothing to the garbage collector. Memory is taken in
 * slabs; a slab is divided into slots of one size, at most a fifth larger than what they hold. A slab whose last slot is
 * freed goes back, but for the last one with room of its size. What the arena holds is addressed by place; whoever keeps a place frees it.
 */
import { BlockCopier, copyBytes } from './block-copier.js';

/** A slot of a slab: `slab * SLOTS_MAX + slot`. */
export type Place = number;

const SLAB_BYTES = 65_536;
const SLOTS_MAX = 4096;
const SLOT_BYTES_MIN = 16;
/** Beyond it, a value gets a slab of exactly its size. */
const SLOT_BYTES_MAX = 8192;

interface Slab {
  readonly bytes: Uint8Array;
  /** Which of the sizes; -1 for a slab with one value. */
  readonly size: number;
  readonly slotBytes: number;
  /** Slots that are free: a stack. */
  readonly free: Uint16Array;
  freeCount: number;
  /** Its index among the slabs of its size that have room, or -1. */
  roomIndex: number;
}

/** Sizes of slots: multiples of 8, each about a fifth above the one before. */
const SLOT_SIZES: readonly number[] = (() => {
  const sizes: number[] = [];
  for (let size = SLOT_BYTES_MIN; size < SLOT_BYTES_MAX; size = Math.max(size + 8, Math.floor((size * 1.2) / 8) * 8)) {
    sizes.push(size);
  }
  return [...sizes, SLOT_BYTES_MAX];
})();

/** For each eight bytes of length, the index of the smallest size that holds it. */
const SIZE_BY_EIGHTS = Uint8Array.from({ length: SLOT_BYTES_MAX / 8 + 1 }, (_, eights) =>
  SLOT_SIZES.findIndex((size) => size >= eights * 8),
);

export class Arena {
  readonly #slabs: (Slab | null)[] = [];
  /** Indexes of slabs that went back. */
  readonly #holes: number[] = [];
  /** By size: indexes of slabs with a free slot. */
  readonly #roomy: number[][] = SLOT_SIZES.map(() => []);
  readonly #copier = new BlockCopier();
  #bytesHeld = 0;

  /** Memory taken, in bytes. */
  get bytesHeld(): number {
    return this.#bytesHeld;
  }

  /** Takes a copy. */
  put(bytes: Uint8Array): Place {
    const { length } = bytes;
    const index = length > SLOT_BYTES_MAX ? this.#addSlab(-1, length, 1) : this.#slabWithRoom(length);
    const slab = this.#slabs[index] as Slab;
    slab.freeCount -= 1;
    const slot = slab.free[slab.freeCount] as number;
    if (slab.freeCount === 0) this.#leaveRoomy(slab);
    copyBytes(bytes, 0, length, slab.bytes, slot * slab.slotBytes);
    return index * SLOTS_MAX + slot;
  }

  /** Puts other bytes in the place of former ones. Returns where they are: the same place, if their size is alike. */
  replace(place: Place, bytes: Uint8Array): Place {
    const slab = this.#slabs[Math.floor(place / SLOTS_MAX)] as Slab;
    if (slab.size < 0 || bytes.length > SLOT_BYTES_MAX || SIZE_BY_EIGHTS[(bytes.length + 7) >> 3] !== slab.size) {
      this.free(place);
      return this.put(bytes);
    }
    copyBytes(bytes, 0, bytes.length, slab.bytes, (place % SLOTS_MAX) * slab.slotBytes);
    return place;
  }

  /** What is there, in bytes that stay as they are whatever happens to the place. Not to be written to. */
  read(place: Place, length: number): Uint8Array {
    const slab = this.#slabs[Math.floor(place / SLOTS_MAX)] as Slab;
    // A slab with one value is written once, so that many replies with a large value need no copy each.
    if (slab.size < 0) return slab.bytes;
    const at = (place % SLOTS_MAX) * slab.slotBytes;
    return this.#copier.copy(slab.bytes, at, at + length);
  }

  free(place: Place): void {
    const index = Math.floor(place / SLOTS_MAX);
    const slab = this.#slabs[index] as Slab;
    slab.free[slab.freeCount] = place % SLOTS_MAX;
    slab.freeCount += 1;
    if (slab.size < 0) return this.#dropSlab(index, slab);
    const roomy = this.#roomy[slab.size] as number[];
    if (slab.roomIndex < 0) slab.roomIndex = roomy.push(index) - 1;
    // The only one with room is kept, empty as it may be, or a key that comes and goes would cost a slab each time.
    if (slab.freeCount === slab.free.length && roomy.length > 1) this.#dropSlab(index, slab);
  }

  #slabWithRoom(length: number): number {
    const size = SIZE_BY_EIGHTS[(length + 7) >> 3] as number;
    const roomy = this.#roomy[size] as number[];
    if (roomy.length > 0) return roomy[roomy.length - 1] as number;
    const slotBytes = SLOT_SIZES[size] as number;
    const index = this.#addSlab(size, slotBytes, Math.min(SLOTS_MAX, Math.floor(SLAB_BYTES / slotBytes)));
    (this.#slabs[index] as Slab).roomIndex = roomy.push(index) - 1;
    return index;
  }

  #addSlab(size: number, slotBytes: number, slots: number): number {
    const slab: Slab = {
      bytes: new Uint8Array(slotBytes * slots),
      size,
      slotBytes,
      free: Uint16Array.from({ length: slots }, (_, slot) => slots - 1 - slot),
      freeCount: slots,
      roomIndex: -1,
    };
    this.#bytesHeld += slab.bytes.length;
    const hole = this.#holes.pop();
    if (hole === undefined) return this.#slabs.push(slab) - 1;
    this.#slabs[hole] = slab;
    return hole;
  }

  #dropSlab(index: number, slab: Slab): void {
    if (slab.roomIndex >= 0) this.#leaveRoomy(slab);
    this.#slabs[index] = null;
    this.#holes.push(index);
    this.#bytesHeld -= slab.bytes.length;
  }

  #leaveRoomy(slab: Slab): void {
    if (slab.roomIndex < 0) return;
    const roomy = this.#roomy[slab.size] as number[];
    const last = roomy.pop() as number;
    const moved = this.#slabs[last] as Slab;
    if (moved !== slab) {
      roomy[slab.roomIndex] = last;
      moved.roomIndex = slab.roomIndex;
    }
    slab.roomIndex = -1;
  }
}
