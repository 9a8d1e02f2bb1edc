/**
 * States on their way to another peer that lacks what lies below the floor of this one's log: page by page, each when the
 * other peer has stored the one before, and with the last one what all of them cover.
 */
import { ItemsWriter } from '../../store/items-writer.js';
import { encodeSnapshot, encodeVector, partsOfName } from '../../store/op.js';
import type { FeedReplica, Line } from './line.js';

/** Without a word of the other peer a page is sent again. */
const RESEND_MS = 1500;
const STATES_PER_PAGE = 512;

export class StatesSent {
  readonly #replica: FeedReplica;
  readonly #line: Line;
  readonly #items = new ItemsWriter();
  readonly floor: number;
  /** Only of objects that changed at or above this index of the log. */
  readonly #above: number;
  /** What the states cover: a compaction that ends meanwhile puts others, of which not all have been sent. */
  readonly #chains: Uint8Array;
  /** The page begins behind that object, and ends with that one. */
  #after: string;
  #next = '';
  /** Nothing was sent yet, a page, the last page. */
  #phase: 'due' | 'sent' | 'last' = 'due';
  #progressMs: number;

  constructor(replica: FeedReplica, line: Line, above: number, after: string) {
    const { log, floorChains } = replica.store;
    this.#replica = replica;
    this.#line = line;
    this.floor = log.floor;
    this.#above = above;
    this.#chains = floorChains.encode();
    this.#after = after;
    this.#progressMs = replica.nowMs();
  }

  get isDue(): boolean {
    return this.#phase === 'due';
  }

  /** The other peer has stored the states up to that object: all of them, or there are more; `stray`: it says nothing new. */
  onGot(floor: number, next: string): 'all' | 'more' | 'stray' {
    if (floor !== this.floor || next !== this.#next) return 'stray';
    this.#after = next;
    return this.#phase === 'last' ? 'all' : 'more';
  }

  tick(nowMs: number): void {
    if (nowMs - this.#progressMs >= RESEND_MS) this.send();
  }

  send(): void {
    const { store, counts, node, database } = this.#replica;
    const { feedBytes } = this.#replica.sizes;
    let after = this.#after;
    let isLast = false;
    while (this.#items.length < feedBytes && !isLast) {
      const kept = store.keptStates(after, STATES_PER_PAGE);
      isLast = kept.length < STATES_PER_PAGE;
      for (const { object, index, state } of kept) {
        after = object;
        if (index <= this.#above) continue;
        const { type, id } = partsOfName(object);
        this.#items.add(encodeSnapshot(type, id, state));
        counts.statesSent += 1;
        if (this.#items.length < feedBytes) continue;
        isLast = isLast && object === kept.at(-1)?.object;
        break;
      }
    }
    if (isLast) this.#items.add(encodeVector(this.#chains));
    this.#next = after;
    this.#phase = isLast ? 'last' : 'sent';
    this.#progressMs = this.#replica.nowMs();
    this.#replica.send({
      type: 'states',
      to: this.#line.node,
      from: node,
      hops: 1,
      database,
      channel: this.#line.other(),
      log: this.#replica.log(),
      floor: this.floor,
      after: this.#after,
      next: after,
      isLast,
      items: this.#items.take(),
    });
  }
}
