/**
 * What of a database is wanted, and how far each of it has been followed: in this run, and what is left of earlier ones,
 * until somebody asks for it again.
 */
import type { Filter, Interest } from './sync.js';

/** For the storage: its key, its position, and whether it has been live at some time. */
export type KeptInterest = readonly [string, string | null, boolean];

export class Interests {
  readonly #wanted = new Map<string, Interest>();
  /** Of earlier runs. */
  readonly #kept = new Map<string, Interest>();
  /** Of both, those in more than a single object. */
  readonly #wide: Interest[] = [];

  /** Those of this run. */
  get wanted(): Iterable<Interest> {
    return this.#wanted.values();
  }

  /** Goes on with what `encode` has told. */
  restore(kept: readonly KeptInterest[]): void {
    for (const interest of kept.map(interestOf)) {
      this.#kept.set(keyOf(interest.filter), interest);
      if (interest.filter.object === undefined) this.#wide.push(interest);
    }
  }

  encode(): KeptInterest[] {
    const interests: KeptInterest[] = [];
    for (const [key, { position, hasBeenLive }] of [...this.#kept, ...this.#wanted]) {
      if (position !== null || hasBeenLive) interests.push([key, position, hasBeenLive]);
    }
    return interests;
  }

  /** The interest in that; `isNew`: it was none in this run. */
  want(filter: Filter): { readonly interest: Interest; readonly isNew: boolean } {
    const key = keyOf(filter);
    const present = this.#wanted.get(key);
    if (present !== undefined) return { interest: present, isNew: false };
    const kept = this.#kept.get(key);
    const interest = kept ?? { filter, position: null, isLive: false, hasBeenLive: false };
    this.#kept.delete(key);
    this.#wanted.set(key, interest);
    if (kept === undefined && filter.object === undefined) this.#wide.push(interest);
    return { interest, isNew: true };
  }

  /** An interest of this run, or of an earlier one, is in that object, and is so. */
  isIn(type: string, id: string, isSo: (interest: Interest) => boolean): boolean {
    const key = keyOf({ type, object: id });
    const single = this.#wanted.get(key) ?? this.#kept.get(key);
    if (single !== undefined && isSo(single)) return true;
    return this.#wide.some((interest) => covers(interest.filter, { type, id }) && isSo(interest));
  }

  /**
   * Those that want that object begin anew, whichever run they are of. `isUsed`: what is written since they were live may
   * not be all that was written under its author's id. Those of this run.
   */
  restart(type: string, id: string, isUsed: boolean): Interest[] {
    const isIn = ({ filter }: Interest): boolean => covers(filter, { type, id });
    for (const interest of [...this.#wanted.values(), ...this.#kept.values()].filter(isIn)) {
      interest.position = null;
      if (isUsed) interest.hasBeenLive = false;
    }
    return [...this.#wanted.values()].filter(isIn);
  }

  /** The positions are those of another log, and mean nothing any more (RULES RG). */
  forgetPositions(): void {
    for (const interest of [...this.#wanted.values(), ...this.#kept.values()]) interest.position = null;
  }
}

/** Whether it wants that object. */
export function covers(
  { type, object: id, prefix = '' }: Filter,
  object: { readonly type: string; readonly id: string },
): boolean {
  return type === object.type && (id === undefined ? object.id.startsWith(prefix) : id === object.id);
}

const keyOf = ({ type, object, prefix }: Filter): string => JSON.stringify([type, object ?? null, prefix ?? null]);

function interestOf([key, position, hasBeenLive]: KeptInterest): Interest {
  const [type, object, prefix] = JSON.parse(key) as [string, string | null, string | null];
  const filter = { type, ...(object === null ? {} : { object }), ...(prefix === null ? {} : { prefix }) };
  return { filter, position, isLive: false, hasBeenLive };
}
