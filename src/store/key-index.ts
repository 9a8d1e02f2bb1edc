/**
 * Where the record of a key is: open addressing, a hash and a place for each key, in parts that grow one by one, so that
 * no growth is a pause. Most searches read one line of the processor's cache here, and one record. A key stays in its
 * part, whatever comes and goes.
 */
import { NOWHERE } from './arena.js';
import type { Place } from './arena.js';
import type { Records } from './record.js';

/** Parts of an index; the upper bits of a hash tell which is a key's. */
export const PARTS = 256;
const PART_SHIFT = 24;
const SLOTS_MIN = 4;
/** Slots are pairs: a hash, and a place + 1; 0 is an empty slot. */
const NO_SLOTS = new Int32Array(2);

export class KeyIndex {
  readonly #records: Records;
  readonly #parts: Int32Array[] = Array.from({ length: PARTS }, () => NO_SLOTS);
  readonly #counts = new Int32Array(PARTS);
  #size = 0;

  constructor(records: Records) {
    this.#records = records;
  }

  get size(): number {
    return this.#size;
  }

  /** NOWHERE if the key is not there. */
  find(hash: number, key: Uint8Array, keyBytes: number): Place {
    const slots = this.#parts[hash >>> PART_SHIFT] as Int32Array;
    const mask = slots.length - 1;
    for (let at = (hash << 1) & mask; ; at = (at + 2) & mask) {
      const place = (slots[at + 1] as number) - 1;
      if (place < 0) return NOWHERE;
      if (slots[at] === hash && this.#records.hasKey(place, key, keyBytes)) return place;
    }
  }

  /** For a key that is not there. */
  add(hash: number, place: Place): void {
    const part = hash >>> PART_SHIFT;
    const count = (this.#counts[part] as number) + 1;
    const room = (this.#parts[part] as Int32Array).length >> 1;
    // Three quarters full, runs of occupied slots begin to get long.
    if (count * 4 > room * 3) this.#resize(part, Math.max(SLOTS_MIN, room * 2));
    put(this.#parts[part] as Int32Array, hash, place + 1);
    this.#counts[part] = count;
    this.#size += 1;
  }

  /** The record has moved. */
  move(hash: number, from: Place, to: Place): void {
    const slots = this.#parts[hash >>> PART_SHIFT] as Int32Array;
    slots[slotOf(slots, hash, from) + 1] = to + 1;
  }

  remove(hash: number, place: Place): void {
    const part = hash >>> PART_SHIFT;
    const slots = this.#parts[part] as Int32Array;
    close(slots, slotOf(slots, hash, place));
    const count = (this.#counts[part] as number) - 1;
    this.#counts[part] = count;
    this.#size -= 1;
    const room = slots.length >> 1;
    if (room > SLOTS_MIN && count * 8 < room) this.#resize(part, room >> 1);
  }

  /** The places of a part as it is now. */
  places(part: number): Place[] {
    const slots = this.#parts[part] as Int32Array;
    const places: Place[] = [];
    for (let at = 0; at < slots.length; at += 2) if (slots[at + 1] !== 0) places.push((slots[at + 1] as number) - 1);
    return places;
  }

  #resize(part: number, room: number): void {
    const former = this.#parts[part] as Int32Array;
    const slots = new Int32Array(room * 2);
    for (let at = 0; at < former.length; at += 2) {
      if (former[at + 1] !== 0) put(slots, former[at] as number, former[at + 1] as number);
    }
    this.#parts[part] = slots;
  }
}

function put(slots: Int32Array, hash: number, entry: number): void {
  const mask = slots.length - 1;
  let at = (hash << 1) & mask;
  while (slots[at + 1] !== 0) at = (at + 2) & mask;
  slots[at] = hash;
  slots[at + 1] = entry;
}

/** Of a place that is there. */
function slotOf(slots: Int32Array, hash: number, place: Place): number {
  const mask = slots.length - 1;
  let at = (hash << 1) & mask;
  while (slots[at + 1] !== place + 1) at = (at + 2) & mask;
  return at;
}

/** Empties a slot and moves those behind it that would no longer be found (Knuth, 6.4, algorithm R). */
function close(slots: Int32Array, emptied: number): void {
  const mask = slots.length - 1;
  let hole = emptied;
  for (let at = (hole + 2) & mask; slots[at + 1] !== 0; at = (at + 2) & mask) {
    const home = ((slots[at] as number) << 1) & mask;
    // Its search passes the hole unless its home lies behind it.
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    slots[hole] = slots[at] as number;
    slots[hole + 1] = slots[at + 1] as number;
    hole = at;
  }
  slots[hole + 1] = 0;
}
