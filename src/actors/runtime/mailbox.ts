/**
 * What waits for an actor: pairs (a message and who it is from) in a power-of-two ring. It holds references, allocates
 * nothing per message, costs nothing until first used, and gives memory back when asked to. The bound is the runtime's
 * business, because what happens at the bound depends on the message.
 */
export class Mailbox<First, Second> {
  /** Pairs side by side; null while nothing was ever put in. */
  #slots: (First | Second | undefined)[] | null = null;
  #mask = -1;
  #head = 0;
  #size = 0;
  #recentMax = 0;

  get size(): number {
    return this.#size;
  }

  /** Pairs for which there is room without growing. */
  get room(): number {
    return this.#mask + 1;
  }

  push(first: First, second: Second): void {
    if (this.#size > this.#mask) this.#resize(this.room === 0 ? smallest : this.room * 2);
    const slots = this.#slots as (First | Second)[];
    const at = ((this.#head + this.#size) & this.#mask) * 2;
    slots[at] = first;
    slots[at + 1] = second;
    this.#size += 1;
  }

  /** The oldest pair's halves; only while `size` is above zero. */
  first(): First {
    return (this.#slots as First[])[this.#head * 2] as First;
  }

  second(): Second {
    return (this.#slots as Second[])[this.#head * 2 + 1] as Second;
  }

  /** Removes the oldest pair. */
  shift(): void {
    const slots = this.#slots as undefined[];
    slots[this.#head * 2] = undefined;
    slots[this.#head * 2 + 1] = undefined;
    this.#head = (this.#head + 1) & this.#mask;
    this.#size -= 1;
  }

  /** Puts all of `older`, which becomes empty, before what is here; both keep their order. */
  unshiftAll(older: Mailbox<First, Second>): void {
    const total = this.#size + older.size;
    if (total > this.room) this.#resize(powerOfTwo(total));
    const slots = this.#slots as (First | Second)[];
    this.#head = (this.#head - older.size) & this.#mask;
    this.#size = total;
    for (let i = this.#head; older.size > 0; i = (i + 1) & this.#mask) {
      slots[i * 2] = older.first();
      slots[i * 2 + 1] = older.second();
      older.shift();
    }
  }

  /** Removes the oldest pair whose first half `matches`, and says whether there was one. Cheap if it is near the head. */
  remove(matches: (first: First) => boolean): boolean {
    const slots = this.#slots as (First | Second)[];
    for (let i = 0; i < this.#size; i++) {
      if (!matches(slots[((this.#head + i) & this.#mask) * 2] as First)) continue;
      for (let j = i; j > 0; j--) {
        const to = ((this.#head + j) & this.#mask) * 2;
        const from = ((this.#head + j - 1) & this.#mask) * 2;
        slots[to] = slots[from] as First;
        slots[to + 1] = slots[from + 1] as Second;
      }
      this.shift();
      return true;
    }
    return false;
  }

  /** Notes how much is waiting now, for the next `shrink`. */
  sample(): void {
    if (this.#size > this.#recentMax) this.#recentMax = this.#size;
  }

  /** Gives back room that wasn't needed since the last call; says whether it could give back more later. */
  shrink(): boolean {
    const needed = Math.max(smallest, powerOfTwo(Math.max(this.#recentMax, this.#size)));
    this.#recentMax = 0;
    if (this.room > needed) this.#resize(needed);
    return this.room > smallest;
  }

  /** Gives back everything; only while empty. */
  release(): void {
    this.#slots = null;
    this.#mask = -1;
    this.#head = 0;
  }

  #resize(room: number): void {
    const resized = Array.from<First | Second | undefined>({ length: room * 2 });
    const slots = this.#slots;
    for (let i = 0; slots !== null && i < this.#size; i++) {
      const at = ((this.#head + i) & this.#mask) * 2;
      resized[i * 2] = slots[at];
      resized[i * 2 + 1] = slots[at + 1];
    }
    this.#slots = resized;
    this.#mask = room - 1;
    this.#head = 0;
  }
}

/** Room of a mailbox once it is used. */
const smallest = 8;

function powerOfTwo(atLeast: number): number {
  let power = smallest;
  while (power < atLeast) power *= 2;
  return power;
}
