/**
 * Who was used least recently, by second chance (the CLOCK algorithm): a use leaves a mark on the record and touches
 * nothing else, so that a read of a key that is far from others in memory stays one read. Whoever looks for the oldest
 * passes over marked records once, taking their marks: they come again after all others.
 */
import { NOWHERE } from './arena.js';
import type { Place } from './arena.js';
import type { Records } from './record.js';

export class RecencyList {
  readonly #records: Records;
  #newest: Place = NOWHERE;

  constructor(records: Records) {
    this.#records = records;
  }

  /** For a record that is in no list: its own neighbour. */
  add(place: Place): void {
    const records = this.#records;
    const newest = this.#newest;
    if (newest !== NOWHERE) {
      // The newest one's `newer` is the oldest: the ring closes there.
      const oldest = records.newer(newest);
      records.setOlder(place, newest);
      records.setNewer(place, oldest);
      records.setNewer(newest, place);
      records.setOlder(oldest, place);
    }
    this.#newest = place;
  }

  remove(place: Place): void {
    const records = this.#records;
    const older = records.older(place);
    const newer = records.newer(place);
    if (older === place) this.#newest = NOWHERE;
    else {
      records.setNewer(older, newer);
      records.setOlder(newer, older);
      if (place === this.#newest) this.#newest = older;
    }
    records.setOlder(place, place);
    records.setNewer(place, place);
  }

  /** The record has moved, and its neighbours do not know. */
  move(from: Place, to: Place): void {
    const records = this.#records;
    const older = records.older(to) === from ? to : records.older(to);
    const newer = records.newer(to) === from ? to : records.newer(to);
    records.setOlder(to, older);
    records.setNewer(to, newer);
    records.setNewer(older, to);
    records.setOlder(newer, to);
    if (this.#newest === from) this.#newest = to;
  }

  /** The record to evict: the oldest one that was not used since it was passed over, or added. NOWHERE if it is empty. */
  oldest(): Place {
    if (this.#newest === NOWHERE) return NOWHERE;
    const records = this.#records;
    let oldest = records.newer(this.#newest);
    while (records.isUsed(oldest)) {
      records.clearUsed(oldest);
      // The ring turns: the oldest becomes the newest.
      this.#newest = oldest;
      oldest = records.newer(oldest);
    }
    return oldest;
  }
}
