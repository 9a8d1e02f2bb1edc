/**
 * What expires next: a binary heap in which each item knows its place, so that an item that is overwritten or deleted
 * leaves at once and the heap never holds more than what is alive.
 */
export interface Expiring {
  readonly expiresAtMs: number;
  /** Its place in the heap, or -1. Only the heap writes it. */
  place: number;
}

export class ExpiryHeap<T extends Expiring> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The item that expires first. */
  get first(): T | undefined {
    return this.#items[0];
  }

  add(item: T): void {
    this.#items.push(item);
    this.#rise(item, this.#items.length - 1);
  }

  /** Does nothing for an item that is not in the heap. */
  remove(item: T): void {
    const { place } = item;
    if (place < 0) return;
    item.place = -1;
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#sink(last, place);
    if (last.place === place) this.#rise(last, place);
  }

  #rise(item: T, from: number): void {
    let place = from;
    while (place > 0) {
      const parentPlace = (place - 1) >>> 1;
      const parent = this.#items[parentPlace];
      if (parent === undefined || parent.expiresAtMs <= item.expiresAtMs) break;
      this.#put(parent, place);
      place = parentPlace;
    }
    this.#put(item, place);
  }

  #sink(item: T, from: number): void {
    let place = from;
    for (;;) {
      let childPlace = 2 * place + 1;
      let child = this.#items[childPlace];
      const right = this.#items[childPlace + 1];
      if (child !== undefined && right !== undefined && right.expiresAtMs < child.expiresAtMs) {
        child = right;
        childPlace += 1;
      }
      if (child === undefined || child.expiresAtMs >= item.expiresAtMs) break;
      this.#put(child, place);
      place = childPlace;
    }
    this.#put(item, place);
  }

  #put(item: T, place: number): void {
    this.#items[place] = item;
    item.place = place;
  }
}
