/**
 * What expires when, and next: a binary heap in which each record knows its index, so that a record that is overwritten
 * or deleted leaves at once and the heap never holds more than what is alive.
 */
import { NOWHERE } from './arena.js';
import type { Place } from './arena.js';

const ROOM_MIN = 16;

/** What keeps each record's index in the heap with the record; below 0: it is not in the heap. */
export interface HeapIndexes {
  heapIndex(place: Place): number;
  setHeapIndex(place: Place, index: number): void;
}

export class ExpiryHeap {
  readonly #records: HeapIndexes;
  #times = new Float64Array(ROOM_MIN);
  #places = new Int32Array(ROOM_MIN);
  #size = 0;

  constructor(records: HeapIndexes) {
    this.#records = records;
  }

  get size(): number {
    return this.#size;
  }

  /** The record that expires first; NOWHERE if there is none. */
  get first(): Place {
    return this.#size === 0 ? NOWHERE : (this.#places[0] as Place);
  }

  /** When it expires. Only while there is one. */
  get firstMs(): number {
    return this.#times[0] as number;
  }

  /** When the record at this index expires. */
  timeAt(index: number): number {
    return this.#times[index] as number;
  }

  add(place: Place, atMs: number): void {
    if (this.#size === this.#places.length) this.#resize(2 * this.#size);
    this.#size += 1;
    this.#rise(place, atMs, this.#size - 1);
  }

  /** Does nothing for a record that is not in the heap. */
  remove(place: Place): void {
    const index = this.#records.heapIndex(place);
    if (index < 0) return;
    this.#records.setHeapIndex(place, NOWHERE);
    this.#size -= 1;
    const last = this.#places[this.#size] as Place;
    const lastMs = this.#times[this.#size] as number;
    if (last !== place) {
      this.#sink(last, lastMs, index);
      if (this.#records.heapIndex(last) === index) this.#rise(last, lastMs, index);
    }
    if (this.#places.length > ROOM_MIN && this.#size * 4 < this.#places.length) this.#resize(this.#places.length / 2);
  }

  #rise(place: Place, atMs: number, from: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >>> 1;
      if ((this.#times[parent] as number) <= atMs) break;
      this.#put(this.#places[parent] as Place, this.#times[parent] as number, index);
      index = parent;
    }
    this.#put(place, atMs, index);
  }

  #sink(place: Place, atMs: number, from: number): void {
    let index = from;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && (this.#times[child + 1] as number) < (this.#times[child] as number)) child += 1;
      if ((this.#times[child] as number) >= atMs) break;
      this.#put(this.#places[child] as Place, this.#times[child] as number, index);
      index = child;
    }
    this.#put(place, atMs, index);
  }

  #put(place: Place, atMs: number, index: number): void {
    this.#times[index] = atMs;
    this.#places[index] = place;
    this.#records.setHeapIndex(place, index);
  }

  #resize(room: number): void {
    const times = new Float64Array(room);
    const places = new Int32Array(room);
    times.set(this.#times.subarray(0, this.#size));
    places.set(this.#places.subarray(0, this.#size));
    this.#times = times;
    this.#places = places;
  }
}
