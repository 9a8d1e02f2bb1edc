/**
 * Memory outside the JavaScript heap, so that a million entries are nothing to the garbage collector. It is taken in
 * slabs; a slab is divided into slots of one size, little larger than what they are taken for. A slab whose last slot is
 * freed goes back, but for the last one with room of its size. A slot is addressed by place; whoever takes one frees it.
 */

/** A slot of a slab: `slab * SLOTS_MAX + slot`, below 2^31. */
export type Place = number;

/** No place. */
export const NOWHERE: Place = -1;

/** What a slot's bytes are read and written by. A slot begins at a multiple of 8. */
export interface Slab {
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly floats: Float64Array;
  readonly view: DataView;
  readonly slotBytes: number;
}

/** A size's first slab has about so many bytes; later ones are a part of what the size has, as far as slots go. */
const SLAB_BYTES_MIN = 65_536;
const SLAB_SHARE = 1 / 8;
const SLOTS_LOG2 = 12;
const SLOTS_MAX = 1 << SLOTS_LOG2;
const SLABS_MAX = 2 ** 31 / SLOTS_MAX;
const SLOT_BYTES_MIN = 64;
/** Beyond it, what is held gets a slab of its size. */
export const SLOT_BYTES_MAX = 8192;

interface OwnedSlab extends Slab {
  /** Which of the sizes; -1 for a slab with one slot. */
  readonly size: number;
  readonly slots: number;
  /** Slots that are free: a stack. */
  readonly free: Uint16Array;
  freeCount: number;
  /** Its index among the slabs of its size that have room, or -1. */
  roomIndex: number;
}

/** Sizes of slots: all multiples of 8 first, later each a sixteenth above the one before. */
const SLOT_SIZES: readonly number[] = (() => {
  const sizes: number[] = [];
  for (let size = SLOT_BYTES_MIN; size < SLOT_BYTES_MAX; size += Math.max(8, (size >> 7) << 3)) sizes.push(size);
  return [...sizes, SLOT_BYTES_MAX];
})();

/** For each eight bytes of length, the index of the smallest size that holds it. */
const SIZE_BY_EIGHTS = Uint8Array.from({ length: SLOT_BYTES_MAX / 8 + 1 }, (_, eights) =>
  SLOT_SIZES.findIndex((size) => size >= eights * 8),
);

export class Arena {
  readonly #slabs: (OwnedSlab | null)[] = [];
  /** Indexes of slabs that went back. */
  readonly #holes: number[] = [];
  /** By size: indexes of slabs with a free slot. */
  readonly #roomy: number[][] = SLOT_SIZES.map(() => []);
  /** By size: slots of all its slabs. */
  readonly #slots: number[] = SLOT_SIZES.map(() => 0);
  #bytesHeld = 0;

  /** Memory taken, in bytes. */
  get bytesHeld(): number {
    return this.#bytesHeld;
  }

  /** A slot for so many bytes. What is in it is left from its last use. */
  take(length: number): Place {
    const index = length > SLOT_BYTES_MAX ? this.#addSlab(-1, (length + 7) & ~7, 1) : this.#slabWithRoom(length);
    const slab = this.#slabs[index] as OwnedSlab;
    slab.freeCount -= 1;
    const slot = slab.free[slab.freeCount] as number;
    if (slab.freeCount === 0) this.#leaveRoomy(slab);
    return (index << SLOTS_LOG2) | slot;
  }

  /** Whether so many bytes fit the place and are worth it: what changes its size a little needs no other slot. */
  suits(place: Place, length: number): boolean {
    const { size, slotBytes } = this.#slabs[place >> SLOTS_LOG2] as OwnedSlab;
    if (size < 0 || length > slotBytes) return false;
    return length >= slotBytes - (slotBytes >> 2) || slotBytes === SLOT_BYTES_MIN;
  }

  slab(place: Place): Slab {
    return this.#slabs[place >> SLOTS_LOG2] as Slab;
  }

  free(place: Place): void {
    const index = place >> SLOTS_LOG2;
    const slab = this.#slabs[index] as OwnedSlab;
    slab.free[slab.freeCount] = slotOf(place);
    slab.freeCount += 1;
    if (slab.size < 0) return this.#dropSlab(index, slab);
    const roomy = this.#roomy[slab.size] as number[];
    if (slab.roomIndex < 0) slab.roomIndex = roomy.push(index) - 1;
    // The only one with room is kept, empty as it may be, or a key that comes and goes would cost a slab each time.
    if (slab.freeCount === slab.slots && roomy.length > 1) this.#dropSlab(index, slab);
  }

  #slabWithRoom(length: number): number {
    const size = SIZE_BY_EIGHTS[(length + 7) >> 3] as number;
    const roomy = this.#roomy[size] as number[];
    if (roomy.length > 0) return roomy[roomy.length - 1] as number;
    const slotBytes = SLOT_SIZES[size] as number;
    const share = Math.floor((this.#slots[size] as number) * SLAB_SHARE);
    const slots = Math.min(SLOTS_MAX, Math.max(Math.floor(SLAB_BYTES_MIN / slotBytes), share));
    const index = this.#addSlab(size, slotBytes, slots);
    (this.#slabs[index] as OwnedSlab).roomIndex = roomy.push(index) - 1;
    return index;
  }

  #addSlab(size: number, slotBytes: number, slots: number): number {
    const buffer = new ArrayBuffer(slotBytes * slots);
    const slab: OwnedSlab = {
      bytes: new Uint8Array(buffer),
      words: new Int32Array(buffer),
      floats: new Float64Array(buffer),
      view: new DataView(buffer),
      slotBytes,
      size,
      slots,
      free: Uint16Array.from({ length: slots }, (_, slot) => slots - 1 - slot),
      freeCount: slots,
      roomIndex: -1,
    };
    const index = this.#holes.pop() ?? this.#slabs.length;
    if (index >= SLABS_MAX) throw new Error('more memory than places can address');
    this.#slabs[index] = slab;
    this.#bytesHeld += buffer.byteLength;
    if (size >= 0) this.#slots[size] = (this.#slots[size] as number) + slots;
    return index;
  }

  #dropSlab(index: number, slab: OwnedSlab): void {
    if (slab.roomIndex >= 0) this.#leaveRoomy(slab);
    if (slab.size >= 0) this.#slots[slab.size] = (this.#slots[slab.size] as number) - slab.slots;
    this.#slabs[index] = null;
    this.#holes.push(index);
    this.#bytesHeld -= slab.bytes.length;
  }

  #leaveRoomy(slab: OwnedSlab): void {
    if (slab.roomIndex < 0) return;
    const roomy = this.#roomy[slab.size] as number[];
    const last = roomy.pop() as number;
    const moved = this.#slabs[last] as OwnedSlab;
    if (moved !== slab) {
      roomy[slab.roomIndex] = last;
      moved.roomIndex = slab.roomIndex;
    }
    slab.roomIndex = -1;
  }
}

/** Which slot of its slab a place is. */
export function slotOf(place: Place): number {
  return place & (SLOTS_MAX - 1);
}
