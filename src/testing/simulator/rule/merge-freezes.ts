/**
 * While a home compares copies of a key nothing is written to them (RULES P1): what a home decides about is what it was
 * told of. A write in between is lost with the copy that is dropped, and no history tells it from one that the other
 * side's copy outdid.
 */
import type { Hop } from '../../../actors/runtime/runtime.js';
import type { NodeId } from '../../../store/node-id.js';
import { compareStamps } from '../../../store/stamp.js';
import type { Stamp } from '../../../store/stamp.js';
import type { MessageOf } from '../../../transport/message.js';
import type { NodeLife } from '../../node-life.js';
import { ACTOR } from './rule-watch.js';
import type { RuleWatch } from './rule-watch.js';

interface Frozen {
  readonly home: NodeId;
  readonly contest: number;
  readonly key: string;
  readonly stamp: Stamp;
}

/** The entries with a value that a node has, by key. */
type Look = (life: NodeLife, atMs: number) => ReadonlyMap<string, Stamp>;

export class MergeFreezes implements RuleWatch {
  readonly invariant = 'compared copies are frozen';
  readonly types = ['frozen', 'thaw', 'members'];
  readonly #stampsOf: Look;
  /** By node and key. */
  readonly #frozen = new Map<number, Map<string, Frozen>>();
  readonly #found: string[] = [];

  constructor(stampsOf: Look) {
    this.#stampsOf = stampsOf;
  }

  onStart(node: number): void {
    this.#frozen.set(node, new Map());
  }

  onHop(node: number, { from, to, type, message, atMs }: Hop, life: NodeLife): void {
    const frozen = this.#frozen.get(node);
    if (frozen === undefined) return;
    if (type === 'frozen' && from === ACTOR.store) {
      const { to: home, contest, time, origin } = message as MessageOf<'frozen'>;
      if (origin === null) return;
      const told = { time, origin };
      // A stamp names one change of one key.
      const key = [...this.#stampsOf(life, atMs)].find(([, stamp]) => compareStamps(stamp, told) === 0)?.[0];
      if (key === undefined) return;
      const former = frozen.get(key);
      // What is told again is what was told first: a second stamp would be of a write in between.
      if (former?.home !== home || former.contest !== contest) frozen.set(key, { home, contest, key, stamp: told });
    } else if (type === 'thaw' && to === ACTOR.store) {
      const { from: home, contest } = message as MessageOf<'thaw'>;
      for (const one of frozen.values()) {
        if (one.home !== home || one.contest !== contest) continue;
        frozen.delete(one.key);
        const present = this.#stampsOf(life, atMs).get(one.key);
        if (present === undefined || compareStamps(present, one.stamp) === 0) continue;
        this.#found.push(`n${node} wrote ${one.key}, before ${atMs.toFixed(1)}, while its copies were being compared`);
      }
    } else if (type === 'members' && to === ACTOR.store) {
      // With the view comparisons end, and the entries are stated anew.
      frozen.clear();
    }
  }

  found(): readonly string[] {
    return this.#found;
  }
}
