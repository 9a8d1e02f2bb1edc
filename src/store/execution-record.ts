/**
 * What was executed for other nodes, so that nothing is executed twice whatever they resend (RULES D1). Each asking
 * node numbers its requests and says which is its lowest one without an answer, its floor: results from the floor up
 * are kept, so that the records are bounded by what an asking node has in flight.
 */
import type { NodeId } from './node-id.js';

interface Origin<Result> {
  incarnation: number;
  floor: number;
  /** Of the numbers with a result. */
  highest: number;
  /** About in the order of the numbers. */
  readonly results: Map<number, Recorded<Result>>;
  /** Requests whose result is not known yet. */
  readonly begun: Set<number>;
}

export interface Recorded<Result> {
  readonly key: string;
  readonly result: Result;
}

/** A result on its way to the key's next owner, with what is known of the node that asked. */
export interface MovingRecord<Result> extends Recorded<Result> {
  readonly asker: NodeId;
  readonly incarnation: number;
  readonly floor: number;
  readonly number: number;
}

/**
 * `new`: to be executed. `begun`: is being executed, and answered then. `known`: was executed. `late`: below the floor, or
 * of an earlier life; not to be executed.
 */
export type Judged<Result> =
  | { readonly kind: 'new' }
  | { readonly kind: 'begun' }
  | { readonly kind: 'known'; readonly result: Result }
  | { readonly kind: 'late' };

const NEW = { kind: 'new' } as const;
const BEGUN = { kind: 'begun' } as const;
const LATE = { kind: 'late' } as const;

export class ExecutionRecord<Result> {
  readonly #origins = new Map<NodeId, Origin<Result>>();

  /** Results kept. */
  get count(): number {
    let count = 0;
    for (const { results } of this.#origins.values()) count += results.size;
    return count;
  }

  /** What is to become of a request. Results below its floor are forgotten. */
  judge(from: NodeId, incarnation: number, floor: number, number: number): Judged<Result> {
    const origin = this.#origins.get(from);
    if (origin === undefined) {
      if (number < floor) return LATE;
      this.#origins.set(from, { incarnation, floor, highest: 0, results: new Map(), begun: new Set() });
      return NEW;
    }
    if (incarnation < origin.incarnation) return LATE;
    if (incarnation > origin.incarnation) {
      origin.incarnation = incarnation;
      origin.floor = 0;
      origin.highest = 0;
      origin.results.clear();
      origin.begun.clear();
    }
    this.#raise(origin, floor);
    if (number < origin.floor) return LATE;
    const recorded = origin.results.get(number);
    if (recorded !== undefined) return { kind: 'known', result: recorded.result };
    return origin.begun.has(number) ? BEGUN : NEW;
  }

  /** A request that was judged `new` is executed from now on until `record` or `withdraw`. */
  begin(from: NodeId, number: number): void {
    this.#origins.get(from)?.begun.add(number);
  }

  /** It was not executed after all. */
  withdraw(from: NodeId, number: number): void {
    this.#origins.get(from)?.begun.delete(number);
  }

  /** After a request that was judged `new` has been executed. */
  record(from: NodeId, number: number, key: string, result: Result): void {
    const origin = this.#origins.get(from);
    if (origin === undefined) return;
    origin.begun.delete(number);
    origin.results.set(number, { key, result });
    origin.highest = Math.max(origin.highest, number);
  }

  /** Whether a request of that node for the key was executed that it sent after this one (C3). */
  isOvertaken(from: NodeId, incarnation: number, number: number, key: string): boolean {
    const origin = this.#origins.get(from);
    if (origin === undefined || origin.highest <= number || origin.incarnation !== incarnation) return false;
    for (const [later, recorded] of origin.results) if (later > number && recorded.key === key) return true;
    return false;
  }

  /** The results of requests on these keys. */
  recordsOf(keys: { has(key: string): boolean }): MovingRecord<Result>[] {
    const records: MovingRecord<Result>[] = [];
    for (const [asker, { incarnation, floor, results }] of this.#origins) {
      for (const [number, { key, result }] of results) {
        if (keys.has(key)) records.push({ asker, incarnation, floor, number, key, result });
      }
    }
    return records;
  }

  /** Takes over what the key's former owner has executed. */
  adopt({ asker, incarnation, floor, number, key, result }: MovingRecord<Result>): void {
    if (this.judge(asker, incarnation, floor, number).kind === 'new') this.record(asker, number, key, result);
  }

  /** The node is gone: none of its requests is accepted any more without being judged anew. */
  forget(from: NodeId): void {
    this.#origins.delete(from);
  }

  origins(): NodeId[] {
    return [...this.#origins.keys()];
  }

  #raise(origin: Origin<Result>, floor: number): void {
    if (floor <= origin.floor) return;
    origin.floor = floor;
    for (const number of origin.results.keys()) {
      if (number >= floor) break;
      origin.results.delete(number);
    }
    for (const number of origin.begun) if (number < floor) origin.begun.delete(number);
  }
}
