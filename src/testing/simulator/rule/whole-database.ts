/**
 * A new link gets the whole link-state database before the node's own new edges (RULES V5). Nobody notices when it does
 * not: whoever sees a new member announces its own view number, and so itself, a moment later.
 */
import type { LinkUp } from '../../../actors/message.js';
import type { Hop } from '../../../actors/runtime/runtime.js';
import type { NodeId } from '../../../store/node-id.js';
import type { MessageOf } from '../../../transport/message.js';
import type { NodeLife } from '../../node-life.js';
import { topologyOf } from '../look.js';
import { ACTOR } from './rule-watch.js';
import type { RuleWatch } from './rule-watch.js';

export class WholeDatabase implements RuleWatch {
  readonly invariant = 'a new link gets the whole database';
  readonly types = ['linkUp', 'links'];
  readonly #statesOf: (life: NodeLife) => Iterable<NodeId>;
  /** By node and link: whose states are still to be told. */
  readonly #due = new Map<string, Set<NodeId>>();
  readonly #found: string[] = [];

  /** `statesOf`: the nodes whose link states a node knows, itself among them. */
  constructor(statesOf: (life: NodeLife) => Iterable<NodeId> = knownTo) {
    this.#statesOf = statesOf;
  }

  onStart(node: number): void {
    for (const name of this.#due.keys()) if (name.startsWith(`${node} `)) this.#due.delete(name);
  }

  onHop(node: number, { from, to, type, message, atMs }: Hop, life: NodeLife): void {
    if (type === 'linkUp' && to === ACTOR.router) {
      const states = new Set(this.#statesOf(life));
      // What the neighbour says of itself it knows.
      states.delete((message as unknown as LinkUp).node);
      states.delete(life.identity.node);
      this.#due.set(`${node} ${from}`, states);
    } else if (type === 'links' && from === ACTOR.router) {
      const name = `${node} ${to}`;
      const due = this.#due.get(name);
      const told = (message as MessageOf<'links'>).node;
      due?.delete(told);
      // The own state comes last: a link that the router does not keep never gets it.
      if (due === undefined || told !== life.identity.node) return;
      this.#due.delete(name);
      if (due.size === 0) return;
      this.#found.push(`n${node} did not tell ${to} of ${[...due].join(', ')} at ${atMs.toFixed(1)}`);
    }
  }

  found(): readonly string[] {
    return this.#found;
  }
}

const knownTo = (life: NodeLife): readonly NodeId[] =>
  topologyOf(life)
    ?.all()
    .map(({ node }) => node) ?? [];
