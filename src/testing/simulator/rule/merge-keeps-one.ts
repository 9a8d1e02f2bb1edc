/** Of the copies of a key that its home compares one stays (RULES P1): a decision lets somebody keep what he has. */
import type { Hop } from '../../../actors/runtime/runtime.js';
import type { MessageOf } from '../../../transport/message.js';
import { ACTOR } from './rule-watch.js';
import type { RuleWatch } from './rule-watch.js';

export class MergeKeepsOne implements RuleWatch {
  readonly invariant = 'a merge keeps one copy';
  readonly types = ['thaw'];
  /** Comparisons by home and number, and whether a copy stayed. */
  readonly #decisions = new Map<string, boolean>();

  onStart(): void {}

  onHop(_node: number, { from, type, message }: Hop): void {
    if (type !== 'thaw' || from !== ACTOR.directory) return;
    const thaw = message as MessageOf<'thaw'>;
    const name = `${thaw.from}'s comparison ${thaw.contest}`;
    this.#decisions.set(name, thaw.isKept || this.#decisions.get(name) === true);
  }

  found(): readonly string[] {
    return [...this.#decisions].flatMap(([name, isKept]) => (isKept ? [] : [`${name}: no copy stayed`]));
  }
}
