/** Many requests at once, a bounded number of them open, and the count of how they ended. */
import { codeOf, messageOf } from './exit.js';

/** Failures in a row after which nobody should go on asking: the way to the swarm is gone, or all records are wrong. */
const FAILURES_IN_ROW_MAX = 1000;

/** How the items of a bulk ended. */
export class Tally {
  #done = 0;
  #failed = 0;
  #failedInRow = 0;
  #first: string | null = null;
  readonly #byCode = new Map<string, number>();

  get done(): number {
    return this.#done;
  }

  get failed(): number {
    return this.#failed;
  }

  get isHopeless(): boolean {
    return this.#failedInRow >= FAILURES_IN_ROW_MAX;
  }

  succeed(): void {
    this.#done += 1;
    this.#failedInRow = 0;
  }

  fail(where: string, error: unknown): void {
    this.#failed += 1;
    this.#failedInRow += 1;
    this.#first ??= `${where}: ${messageOf(error)}`;
    const code = codeOf(error) || 'unreadable';
    this.#byCode.set(code, (this.#byCode.get(code) ?? 0) + 1);
  }

  /** `3 failed (2 TOO_LARGE, 1 BUSY), first line 7: the value is too large`, or an empty text. */
  failures(): string {
    if (this.#failed === 0) return '';
    const codes = [...this.#byCode].map(([code, count]) => `${count} ${code}`).join(', ');
    return `${this.#failed} failed (${codes}), first ${this.#first}`;
  }
}

/** Runs `work` on each item, at most `openMax` at a time, until `isStopped`; resolves when all that began has ended. */
export async function forEachOf<T>(
  items: AsyncIterable<T> | Iterable<T>,
  openMax: number,
  isStopped: () => boolean,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let open = 0;
  let fault: { readonly error: unknown } | undefined;
  let wake: () => void = () => {};
  const oneLess = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
    });
  const onEnd = (): void => {
    open -= 1;
    wake();
  };
  const onFault = (error: unknown): void => {
    fault ??= { error };
    onEnd();
  };
  for await (const item of items) {
    while (open >= openMax) await oneLess();
    if (isStopped() || fault !== undefined) break;
    open += 1;
    work(item).then(onEnd, onFault);
  }
  while (open > 0) await oneLess();
  if (fault !== undefined) throw fault.error;
}
