/**
 * What a node has from its disk is not served before all homes have confirmed it (RULES H3): until then no read that
 * another node forwards is answered with such an entry's value.
 */
import type { Hop } from '../../../actors/runtime/runtime.js';
import type { MessageOf } from '../../../transport/message.js';
import type { NodeLife } from '../../node-life.js';
import { ACTOR } from './rule-watch.js';
import type { RuleWatch } from './rule-watch.js';

interface Unconfirmed {
  /** What was on the disk. */
  recovered: ReadonlySet<string>;
  /** Reads that came from other nodes: the keys by asker and number. */
  readonly reads: Map<string, string>;
  /** What was served: the word of the last home may be on its way within the node at that moment. */
  readonly served: { readonly atMs: number; readonly text: string }[];
}

export class RecoveryWaits implements RuleWatch {
  readonly invariant = 'served after recovery = confirmed';
  readonly types = ['recovered', 'registeredAll', 'serve', 'forward', 'answer'];
  /** The keys that a node has entries of. */
  readonly #keysOf: (life: NodeLife) => Iterable<string>;
  readonly #unconfirmed = new Map<number, Unconfirmed>();
  readonly #found: string[] = [];

  constructor(keysOf: (life: NodeLife) => Iterable<string>) {
    this.#keysOf = keysOf;
  }

  onStart(node: number): void {
    this.#judge(node, Infinity);
    this.#unconfirmed.set(node, { recovered: new Set(), reads: new Map(), served: [] });
  }

  onHop(node: number, { from, to, type, message, atMs }: Hop, life: NodeLife): void {
    const unconfirmed = this.#unconfirmed.get(node);
    if (unconfirmed === undefined) return;
    const { reads, served } = unconfirmed;
    if (type === 'recovered') unconfirmed.recovered = new Set(this.#keysOf(life));
    else if (type === 'registeredAll' || (type === 'serve' && to === ACTOR.finder)) this.#judge(node, atMs);
    else if (type === 'forward' && to === ACTOR.store) {
      const { from: asker, number, message: request } = message as MessageOf<'forward'>;
      if (request.type === 'get' && unconfirmed.recovered.has(request.key))
        reads.set(`${asker} ${number}`, request.key);
    } else if (type === 'answer' && from === ACTOR.store) {
      const { to: asker, number, message: reply } = message as MessageOf<'answer'>;
      const key = reply.type === 'value' ? reads.get(`${asker} ${number}`) : undefined;
      if (key === undefined) return;
      const text = `n${node} served ${key} at ${atMs.toFixed(1)}, before a home had confirmed it`;
      served.push({ atMs, text });
    }
  }

  found(): readonly string[] {
    for (const node of this.#unconfirmed.keys()) this.#judge(node, Infinity);
    return this.#found;
  }

  /** The node was confirmed then; infinite: never, as long as it lived. */
  #judge(node: number, confirmedMs: number): void {
    const served = this.#unconfirmed.get(node)?.served ?? [];
    this.#unconfirmed.delete(node);
    for (const { atMs, text } of served) if (atMs < confirmedMs) this.#found.push(text);
  }
}
