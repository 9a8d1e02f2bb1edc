/**
 * A first-in first-out queue in a power-of-two array. Slots are cleared when they are left, so that nothing handed over
 * is kept alive.
 */
export class Ring<Item> {
  #slots: (Item | undefined)[];
  #mask: number;
  #head = 0;
  #size = 0;

  /** `slots` is a power of two. */
  constructor(slots: number) {
    this.#slots = Array.from({ length: slots });
    this.#mask = slots - 1;
  }

  get size(): number {
    return this.#size;
  }

  push(item: Item): void {
    if (this.#size > this.#mask) this.#grow();
    this.#slots[(this.#head + this.#size) & this.#mask] = item;
    this.#size += 1;
  }

  shift(): Item | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined;
    this.#head = (this.#head + 1) & this.#mask;
    this.#size -= 1;
    return item;
  }

  #grow(): void {
    const slots = this.#slots;
    const grown = Array.from<Item | undefined>({ length: slots.length * 2 });
    for (let i = 0; i < this.#size; i++) grown[i] = slots[(this.#head + i) & this.#mask];
    this.#slots = grown;
    this.#mask = grown.length - 1;
    this.#head = 0;
  }
}
