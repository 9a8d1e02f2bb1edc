/**
 * The searches that pass through one node: which it has seen, so that each is handled once, and which neighbours each
 * still waits for. A search is answered to where it came from when every neighbour that was asked has answered: by an
 * echo, by a query of the same search that crossed ours, or by being lost. An owner found ends the wait at once.
 */
import type { NodeId, NodeRef } from './node-id.js';

/** A search as one node sees it. It changes by the calls of its table only. */
export interface Search {
  readonly asker: NodeId;
  /** The asker's number of it. */
  readonly number: number;
  /** The neighbour that the query came from first; null at the asker. */
  readonly parent: NodeId | null;
  readonly deadlineMs: number;
  /** How many of the neighbours that were asked have not answered. */
  readonly waiting: number;
  /** Who stores the key, if any branch found that. */
  readonly owner: NodeId | null;
  /** The nodes that the branches reported, as they came; without this node itself. */
  readonly answered: readonly NodeRef[];
  /** It waits for nothing more: an owner was found, or no neighbour is left. */
  readonly done: boolean;
}

interface OpenSearch extends Search {
  readonly awaited: Set<NodeId>;
  readonly answered: NodeRef[];
  waiting: number;
  owner: NodeId | null;
  done: boolean;
}

export class SearchTable {
  readonly #searchesMax: number;
  /** In the order of their beginning. */
  readonly #searches = new Map<string, OpenSearch>();
  #dropped = 0;
  /** Forgotten for want of room before they were done; `expire` returns them. */
  #ousted: OpenSearch[] = [];

  constructor(searchesMax: number) {
    this.#searchesMax = Math.max(1, searchesMax);
  }

  get count(): number {
    return this.#searches.size;
  }

  /** Searches forgotten before their deadline because there were too many. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * A query arrived, or this node asks (`parentLink` null). `awaitedFrom`: the neighbours that it is sent on to; with
   * none it is done at once. Null if the search was seen before: see `crossing`.
   */
  begin(
    asker: NodeId,
    number: number,
    parentLink: NodeId | null,
    awaitedFrom: Iterable<NodeId>,
    deadlineMs: number,
  ): Search | null {
    const id = searchId(asker, number);
    if (this.#searches.has(id)) return null;
    const awaited = new Set(awaitedFrom);
    const search: OpenSearch = {
      asker,
      number,
      parent: parentLink,
      deadlineMs,
      awaited,
      answered: [],
      waiting: awaited.size,
      owner: null,
      done: awaited.size === 0,
    };
    this.#makeRoom();
    this.#searches.set(id, search);
    return search;
  }

  /** Waits for these as well; nothing if the search is done or forgotten. */
  expect(asker: NodeId, number: number, from: Iterable<NodeId>): void {
    const search = this.#searches.get(searchId(asker, number));
    if (search === undefined || search.done) return;
    for (const node of from) search.awaited.add(node);
    search.waiting = search.awaited.size;
  }

  get(asker: NodeId, number: number): Search | undefined {
    return this.#searches.get(searchId(asker, number));
  }

  /** Whether an answer of this neighbour is outstanding. */
  awaits(asker: NodeId, number: number, from: NodeId): boolean {
    return this.#searches.get(searchId(asker, number))?.awaited.has(from) ?? false;
  }

  /**
   * A neighbour answered. Returns the search if that changed it: it was not done, and waited for this neighbour. So a
   * search is returned as done exactly once.
   */
  echo(
    asker: NodeId,
    number: number,
    from: NodeId,
    owner: NodeId | null,
    answered: readonly NodeRef[],
  ): Search | undefined {
    const search = this.#searches.get(searchId(asker, number));
    if (search === undefined || !search.awaited.delete(from)) return undefined;
    search.waiting = search.awaited.size;
    if (search.done) return undefined;
    for (const ref of answered) search.answered.push(ref);
    search.owner = owner;
    search.done = owner !== null || search.waiting === 0;
    return search;
  }

  /**
   * A query of a search seen before came from a neighbour. If its answer is awaited (`awaits`), the two queries crossed
   * and each end takes the other's for an echo without findings. Otherwise that neighbour waits for an echo from here.
   */
  crossing(asker: NodeId, number: number, from: NodeId): Search | undefined {
    return this.echo(asker, number, from, null, []);
  }

  /** A link is gone: waits no more for that neighbour. Returns the searches that are done by this. */
  lose(neighbour: NodeId): Search[] {
    const done: Search[] = [];
    for (const { asker, number } of this.#searches.values()) {
      const search = this.echo(asker, number, neighbour, null, []);
      if (search?.done === true) done.push(search);
    }
    return done;
  }

  /**
   * Forgets the searches whose deadline has come, oldest first, up to one that may still run, and returns those that
   * were not done, with those that had to make room before. Budgets are alike, so that searches end about in the order of their beginning; nobody who waits for
   * one depends on its being forgotten in time.
   */
  expire(nowMs: number): Search[] {
    const late: Search[] = this.#ousted;
    this.#ousted = [];
    for (const [id, search] of this.#searches) {
      if (nowMs < search.deadlineMs) break;
      this.#searches.delete(id);
      if (!search.done) late.push(search);
    }
    return late;
  }

  #makeRoom(): void {
    if (this.#searches.size < this.#searchesMax) return;
    for (const [id, search] of this.#searches) {
      this.#searches.delete(id);
      this.#dropped += 1;
      if (!search.done) this.#ousted.push(search);
      return;
    }
  }
}

function searchId(asker: NodeId, number: number): string {
  return `${asker} ${number}`;
}
