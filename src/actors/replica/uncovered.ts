/**
 * What states of other peers have, and the chains here do not cover yet. Such a state is shown at once, but what its
 * readers write then follows on ops that others of this peer can't know of: it waits until the chains cover them (R1,
 * RULES RC). It is kept, too: after another start nobody could tell.
 */
import type { NodeId } from '../../store/node-id.js';
import type { OpChains } from '../../store/op-chain.js';

const RECORD = 'uncovered';

/** Where it is kept, and what the chains are. */
export interface UncoveredStore {
  readonly chains: OpChains;
  record(name: string): Uint8Array | null;
  putRecord(name: string, bytes: Uint8Array | null): void;
}

export class Uncovered {
  readonly #store: UncoveredStore;
  /** By origin, the time of the last op of it in any of the states. */
  readonly #times: Map<string, number>;
  #isKept: boolean;

  constructor(store: UncoveredStore) {
    this.#store = store;
    const kept = store.record(RECORD);
    this.#isKept = kept !== null;
    this.#times = new Map(kept === null ? [] : (JSON.parse(new TextDecoder().decode(kept)) as [string, number][]));
  }

  /** Some ops are not covered yet. */
  get isAny(): boolean {
    const { chains } = this.#store;
    for (const [origin, time] of this.#times) {
      if (time > chains.lastTime(origin as NodeId)) return true;
      this.#times.delete(origin);
    }
    return false;
  }

  /** A state with these ops has been put. */
  note(vector: ReadonlyMap<string, number>): void {
    const { chains } = this.#store;
    for (const [origin, time] of vector) {
      if (time > Math.max(this.#times.get(origin) ?? 0, chains.lastTime(origin as NodeId)))
        this.#times.set(origin, time);
    }
  }

  /** With the states that are on their way to the disk. */
  keep(): void {
    if (!this.isAny && !this.#isKept) return;
    this.#isKept = this.#times.size > 0;
    const bytes = this.#isKept ? new TextEncoder().encode(JSON.stringify([...this.#times])) : null;
    this.#store.putRecord(RECORD, bytes);
  }
}
