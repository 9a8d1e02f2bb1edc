/** How often many runs have met what has to be met: a check that never met what it is for proves nothing. */

export class RarePaths {
  readonly #counts: Map<string, number>;

  constructor(names: readonly string[]) {
    this.#counts = new Map(names.map((name) => [name, 0]));
  }

  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** What no run has reached. */
  get never(): string[] {
    return [...this.#counts].filter(([, count]) => count === 0).map(([name]) => name);
  }

  /** Those that nobody waits for are left out. */
  addAll(prefix: string, counts: ReadonlyMap<string, number>): void {
    for (const [name, count] of counts) {
      const known = this.#counts.get(prefix + name);
      if (known !== undefined) this.#counts.set(prefix + name, known + count);
    }
  }
}
