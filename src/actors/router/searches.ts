/**
 * Searches: floods with an echo. A node passes a search on once, answers when all whom it asked have answered, and a
 * crossing search counts as the echo. One that came from a neighbour waits for the local store's word before it is passed
 * on: it is being *probed*. A part of the router, not an actor of its own.
 *
 * Invariants: a search costs at most two messages per link and ends at its deadline; the finder hears of each of its own
 * exactly once, and that all nodes have answered only if all of the view have.
 */
import { HybridClock } from '../../store/clock.js';
import type { NodeId, NodeRef } from '../../store/node-id.js';
import { SearchTable } from '../../store/search-table.js';
import type { Search } from '../../store/search-table.js';
import type { Topology } from '../../store/topology.js';
import type { Key, MessageOf } from '../../transport/message.js';
import type { Addresses } from '../addresses.js';
import type { Find, Probe, Probed, RouterMessage, Searched } from '../message.js';
import type { Ref, Self } from '../runtime/kind.js';
import { SEARCHES_MAX } from '../settings.js';
import type { Settings } from '../settings.js';
import type { Neighbours } from './neighbours.js';

/** What searches need of the router that they are a part of. */
export interface SearchesHost {
  readonly self: Self<RouterMessage>;
  readonly settings: Settings;
  readonly addresses: Addresses;
  readonly topology: Topology;
  readonly neighbours: Neighbours;
  /** `expire` is called soon, again and again while there are searches. */
  tickLater(): void;
}

/** A search that waits for the local store's word before it is passed on. */
interface Probing {
  readonly key: Key;
  readonly hops: number;
  /** Nodes that have been asked, or ask others themselves. */
  readonly visited: Set<NodeId>;
}

export class Searches {
  readonly #host: SearchesHost;
  readonly #node: NodeId;
  readonly #topology: Topology;
  readonly #neighbours: Neighbours;
  readonly #table = new SearchTable(SEARCHES_MAX);
  readonly #probing = new Map<Search, Probing>();
  readonly #clock: HybridClock;
  readonly counts = { searches: 0, searchesSeen: 0, searchesExpired: 0 };

  constructor(host: SearchesHost) {
    this.#host = host;
    this.#topology = host.topology;
    this.#neighbours = host.neighbours;
    this.#node = host.topology.own.node;
    this.#clock = new HybridClock(this.#node);
  }

  /** How many pass through this node, or are its own. */
  get count(): number {
    return this.#table.count;
  }

  onFind({ number, key, budgetMs, clock }: Find): void {
    this.#clock.observe(clock);
    const asked = this.#neighbours.nodes;
    const asker = this.#node;
    const search = this.#begin(asker, number, null, asked, budgetMs);
    if (search === null) return this.#tellSearched(number, null, false);
    this.#ask(search, asked, { key, hops: 0, visited: [] });
    if (search.done) this.#end(search);
  }

  onSearch(message: MessageOf<'search'>, link: Ref): void {
    this.#clock.observe(message.clock);
    const from = this.#neighbours.nodeOf(link);
    if (from === null) return;
    const { asker, number, key, hops, visited, budgetMs } = message;
    const search = this.#begin(asker, number, from, [this.#node], budgetMs);
    if (search === null) return this.#onSeen(asker, number, from, link);
    this.#probing.set(search, { key, hops, visited: new Set(visited.map((ref) => ref.node)) });
    const probe: Probe = { type: 'probe', asker, number, key, clock: this.#clock.last };
    this.#host.addresses.store.tell(probe, this.#host.self.ref);
  }

  /** The local store's word on a search that came from a neighbour. */
  onProbed({ asker, number, owner, isPending, clock }: Probed): void {
    this.#clock.observe(clock);
    const search = this.#table.get(asker, number);
    const probing = search === undefined ? undefined : this.#probing.get(search);
    if (search === undefined || probing === undefined) return;
    this.#probing.delete(search);
    if (owner === null && probing.hops < this.#topology.hopsMax) {
      const asked = this.#neighbours.nodes.filter((other) => other !== search.parent && !probing.visited.has(other));
      this.#table.expect(asker, number, asked);
      this.#ask(search, asked, {
        ...probing,
        visited: [...probing.visited].map((other) => this.#neighbours.refOf(other)),
      });
    }
    // A node that is about to create the key does not count among those that have not got it.
    const answered = isPending ? [] : [this.#ownRef()];
    this.#endIfDone(this.#table.echo(asker, number, this.#node, owner, answered));
  }

  onEcho(message: MessageOf<'echo'>, link: Ref): void {
    this.#clock.observe(message.clock);
    const from = this.#neighbours.nodeOf(link);
    if (from === null) return;
    const { asker, number, owner, answered } = message;
    this.#endIfDone(this.#table.echo(asker, number, from, owner, answered));
  }

  /** The neighbour can't answer any more. */
  lose(neighbour: NodeId): void {
    for (const search of this.#table.lose(neighbour)) this.#end(search);
  }

  /** Ends those past their deadline. */
  expire(nowMs: number): void {
    for (const search of this.#table.expire(nowMs)) {
      this.counts.searchesExpired += 1;
      this.#probing.delete(search);
      if (search.parent === null) this.#tellSearched(search.number, search.owner, false);
    }
  }

  #begin(
    asker: NodeId,
    number: number,
    parent: NodeId | null,
    awaited: readonly NodeId[],
    budgetMs: number,
  ): Search | null {
    // What a neighbour says of time is a claim: a search lives no longer than one of this node's own.
    const lifeMs = Math.min(budgetMs, this.#host.settings.requestTimeoutMs);
    const search = this.#table.begin(asker, number, parent, awaited, this.#host.self.now() + lifeMs);
    if (search !== null) this.counts.searches += 1;
    this.#host.tickLater();
    return search;
  }

  /** The search came here before, by another way. */
  #onSeen(asker: NodeId, number: number, from: NodeId, link: Ref): void {
    this.counts.searchesSeen += 1;
    if (this.#table.awaits(asker, number, from)) {
      // This node asked that neighbour: each takes the other's question for an echo.
      this.#endIfDone(this.#table.crossing(asker, number, from));
      return;
    }
    const search = this.#table.get(asker, number);
    // It waits for an echo from here, so it need not be asked from here.
    if (search !== undefined) this.#probing.get(search)?.visited.add(from);
    this.#echo(link, asker, number, null, []);
  }

  #ask(
    { asker, number, deadlineMs }: Search,
    asked: readonly NodeId[],
    { key, hops, visited }: { key: Key; hops: number; visited: readonly NodeRef[] },
  ): void {
    if (asked.length === 0) return;
    const message: MessageOf<'search'> = {
      type: 'search',
      asker,
      number,
      hops: hops + 1,
      budgetMs: Math.max(0, Math.floor(deadlineMs - this.#host.self.now())),
      clock: this.#clock.last,
      visited: [...visited, this.#ownRef(), ...asked.map((node) => this.#neighbours.refOf(node))],
      key,
    };
    for (const node of asked) this.#neighbours.linkTo(node)?.tell(message, this.#host.self.ref);
  }

  #endIfDone(search: Search | undefined): void {
    if (search?.done === true) this.#end(search);
  }

  #end(search: Search): void {
    this.#probing.delete(search);
    if (search.parent === null) {
      this.#tellSearched(search.number, search.owner, this.#topology.covers(search.answered));
      return;
    }
    const parent = this.#neighbours.linkTo(search.parent);
    if (parent !== null) this.#echo(parent, search.asker, search.number, search.owner, search.answered);
  }

  #echo(link: Ref, asker: NodeId, number: number, owner: NodeId | null, answered: readonly NodeRef[]): void {
    const clock = this.#clock.last;
    link.tell({ type: 'echo', asker, number, owner, clock, answered } satisfies MessageOf<'echo'>, this.#host.self.ref);
  }

  #tellSearched(number: number, owner: NodeId | null, isComplete: boolean): void {
    const searched: Searched = { type: 'searched', number, owner, isComplete, clock: this.#clock.last };
    this.#host.addresses.finder.tell(searched, this.#host.self.ref);
  }

  #ownRef(): NodeRef {
    const { node, incarnation } = this.#topology.own;
    return { node, incarnation };
  }
}
