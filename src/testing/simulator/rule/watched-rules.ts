/**
 * All rules that are watched over in a run, and the way to each of the messages that it looks at: most messages concern
 * no rule, and a run has a hundred thousand of them.
 */
import type { Hop } from '../../../actors/runtime/runtime.js';
import type { NodeLife } from '../../node-life.js';
import type { Broken } from '../evidence.js';
import type { RuleWatch } from './rule-watch.js';

export class WatchedRules {
  readonly #rules: readonly RuleWatch[];
  /** By type of message, as far as there were any: who looks at it. */
  readonly #concerned = new Map<string, readonly RuleWatch[]>();
  /** By node: the life that rules know of. */
  readonly #lives: (NodeLife | null)[] = [];

  constructor(rules: readonly RuleWatch[]) {
    this.#rules = rules;
  }

  onHop(node: number, hop: Hop, life: NodeLife): void {
    if (this.#lives[node] !== life) {
      this.#lives[node] = life;
      for (const rule of this.#rules) rule.onStart(node, life);
    }
    const concerned = this.#concerned.get(hop.type) ?? this.#concernedBy(hop.type);
    for (let i = 0; i < concerned.length; i += 1) (concerned[i] as RuleWatch).onHop(node, hop, life);
  }

  /** What was wrong, at the end of the run. */
  broken(): Broken[] {
    return this.#rules.map((rule) => ({ invariant: rule.invariant, texts: rule.found() }));
  }

  #concernedBy(type: string): readonly RuleWatch[] {
    const concerned = this.#rules.filter(({ types }) => types.includes(type));
    this.#concerned.set(type, concerned);
    return concerned;
  }
}
