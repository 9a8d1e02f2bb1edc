/** What is on its way to a disk in memory, and its end: shared by the twins of the real disks. */

export interface MemoryWritesOptions {
  /** Calls `run` after that time. */
  readonly defer: (delayMs: number, run: () => void) => void;
  /** What a write takes. */
  readonly writeMs: number;
}

export class MemoryWrites {
  readonly #options: MemoryWritesOptions;
  readonly #release: () => void;
  #outstanding = 0;
  #fault: string | null = null;
  #closed: ((fault: string | null) => void) | null = null;

  /** `release` is called before the closing is called back. */
  constructor(options: MemoryWritesOptions, release: () => void) {
    this.#options = options;
    this.#release = release;
  }

  /** `commit` is called when the time has come, and returns why it is not done, or null. */
  add(commit: () => string | null, written: (fault: string | null) => void): void {
    this.#outstanding += 1;
    this.#options.defer(this.#options.writeMs, () => {
      const fault = commit();
      this.#outstanding -= 1;
      this.#fault ??= this.#closed === null ? null : fault;
      written(fault);
      if (this.#outstanding === 0) this.#end();
    });
  }

  close(closed: (fault: string | null) => void): void {
    this.#closed = closed;
    if (this.#outstanding === 0) this.#options.defer(0, () => this.#end());
  }

  #end(): void {
    const closed = this.#closed;
    if (closed === null) return;
    this.#closed = null;
    this.#release();
    closed(this.#fault);
  }
}
