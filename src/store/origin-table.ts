/** The origins of a node's entries as numbers: they are few, and most entries have the same one. */
import type { NodeId } from './node-id.js';

export class OriginTable {
  readonly #origins: NodeId[] = [];
  /** By number: how often it is in use. */
  readonly #uses: number[] = [];
  readonly #holes: number[] = [];
  readonly #numbers = new Map<NodeId, number>();
  /** The one that was taken last. */
  #last = -1;

  /** Its number, until it was freed as often as taken. */
  take(origin: NodeId): number {
    const last = this.#last;
    const number = last >= 0 && this.#origins[last] === origin ? last : this.#numberOf(origin);
    this.#last = number;
    this.#uses[number] = (this.#uses[number] as number) + 1;
    return number;
  }

  at(number: number): NodeId {
    return this.#origins[number] as NodeId;
  }

  free(number: number): void {
    const uses = (this.#uses[number] as number) - 1;
    this.#uses[number] = uses;
    if (uses > 0) return;
    this.#numbers.delete(this.at(number));
    this.#holes.push(number);
    if (this.#last === number) this.#last = -1;
  }

  #numberOf(origin: NodeId): number {
    const known = this.#numbers.get(origin);
    if (known !== undefined) return known;
    const number = this.#holes.pop() ?? this.#origins.length;
    this.#origins[number] = origin;
    this.#uses[number] = 0;
    this.#numbers.set(origin, number);
    return number;
  }
}
