/**
 * A search that has found nothing ends when every neighbour that was asked has answered or is lost, and not before
 * (RULES V8): else it is never complete where it should be, and absence can't be told.
 */
import type { Find, Searched } from '../../../actors/message.js';
import type { Hop } from '../../../actors/runtime/runtime.js';
import type { MessageOf } from '../../../transport/message.js';
import type { NodeLife } from '../../node-life.js';
import { ACTOR } from './rule-watch.js';
import type { RuleWatch } from './rule-watch.js';

interface Asking {
  readonly endMs: number;
  /** Links by which nothing has come back. */
  readonly awaited: Set<string>;
}

export class SearchWaits implements RuleWatch {
  readonly invariant = 'searches wait for all';
  readonly types = ['find', 'search', 'echo', 'linkDown', 'spurned', 'searched'];
  /** By node and the number of its search. */
  readonly #askings = new Map<string, Asking>();
  readonly #found: string[] = [];

  onStart(node: number): void {
    for (const name of this.#askings.keys()) if (name.startsWith(`${node} `)) this.#askings.delete(name);
  }

  onHop(node: number, { from, to, type, message, atMs }: Hop, life: NodeLife): void {
    switch (type) {
      case 'find': {
        const { number, budgetMs } = message as unknown as Find;
        this.#askings.set(`${node} ${number}`, { endMs: atMs + budgetMs - 1, awaited: new Set() });
        return;
      }
      case 'search':
      case 'echo': {
        const { asker, number } = message as MessageOf<'search' | 'echo'>;
        if (asker !== life.identity.node) return;
        const asking = this.#askings.get(`${node} ${number}`);
        // To a link it goes out, to the router it comes in.
        if (to === ACTOR.router) asking?.awaited.delete(from);
        else if (type === 'search') asking?.awaited.add(to);
        return;
      }
      case 'linkDown':
        return this.#lose(node, from);
      case 'spurned':
        return this.#lose(node, to);
      case 'searched':
        return this.#onSearched(node, message as unknown as Searched, atMs);
    }
  }

  found(): readonly string[] {
    return this.#found;
  }

  #lose(node: number, link: string): void {
    for (const [name, { awaited }] of this.#askings) if (name.startsWith(`${node} `)) awaited.delete(link);
  }

  #onSearched(node: number, { number, owner }: Searched, atMs: number): void {
    const name = `${node} ${number}`;
    const asking = this.#askings.get(name);
    this.#askings.delete(name);
    if (asking === undefined || owner !== null || atMs >= asking.endMs || asking.awaited.size === 0) return;
    this.#found.push(
      `n${node} ended a search at ${atMs.toFixed(1)}, and ${[...asking.awaited].join(', ')} owes an answer`,
    );
  }
}
