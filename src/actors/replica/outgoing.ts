/**
 * This peer's log on its way to another one: entries by contiguous index, ops as they are, a run for those that the other
 * is known to have; on a lazy channel they are mentioned only, since they come another way, and sent if they don't.
 *
 * Invariants (RULES RB): what is not confirmed is sent again; what is on its way has credit, see feed-credit.ts.
 */
import { ItemsWriter } from '../../store/items-writer.js';
import type { NodeId } from '../../store/node-id.js';
import type { LogSegment } from '../../store/oplog.js';
import type { ChannelCredit } from './feed-credit.js';
import type { FeedReplica, Line } from './line.js';

/** Entries looked at in one turn. */
const ENTRIES_PER_TURN = 8192;
/** What is on its way to a channel and counts as little as a run does. */
const MESSAGE_BYTES = 64;
const RESEND_MS = 1500;
/** Between two returns to what was confirmed. */
const GO_BACK_MS = 200;

export class Outgoing {
  readonly #replica: FeedReplica;
  readonly #line: Line;
  readonly #credit: ChannelCredit;
  readonly #items = new ItemsWriter();
  /** The other peer wants ops to be mentioned only. */
  isLazy = false;
  #next = 0;
  /** So far it has been sent before it went back: that may still be confirmed. */
  #reach = 0;
  #confirmed = 0;
  #sent: { readonly end: number; readonly bytes: number }[] = [];
  #itemsIndex = 0;
  #itemsHaveOps = false;
  #progressMs = 0;
  #wentBackMs = -Infinity;
  /** The last op of each origin that the other peer is known to have. */
  readonly #known = new Map<NodeId, number>();

  constructor(replica: FeedReplica, line: Line) {
    this.#replica = replica;
    this.#line = line;
    this.#credit = replica.credit.open();
  }

  /** The next entry to be sent. */
  get next(): number {
    return this.#next;
  }

  /** The other peer has stored all entries before that one. */
  get confirmed(): number {
    return this.#confirmed;
  }

  /** The other peer has that op, and thereby all of its origin before it. */
  learn(origin: NodeId, time: number): void {
    if (time > (this.#known.get(origin) ?? 0)) this.#known.set(origin, time);
  }

  forgetKnown(): void {
    this.#known.clear();
  }

  /** Nothing is on its way any more. */
  end(): void {
    this.#credit.clear();
  }

  /** The other peer says how far it has come. */
  onGot(index: number, isLazy: boolean): void {
    const isWoken = this.isLazy && !isLazy;
    this.isLazy = isLazy;
    const isSame = index === this.#confirmed;
    this.confirm(index);
    const nowMs = this.#replica.nowMs();
    if ((isSame && this.#next > index && nowMs - this.#wentBackMs >= GO_BACK_MS) || isWoken) this.#goBack(nowMs);
  }

  /** Sends what is stored and not sent; with `isTick` also what was held back. False: what is next lies below the floor. */
  pump(isTick: boolean): boolean {
    if (this.isLazy && !isTick) return true;
    const { log, stored } = this.#replica.store;
    let left = ENTRIES_PER_TURN;
    while (this.#next < stored && this.#credit.isLeft && left > 0) {
      if (this.#next < log.floor) return false;
      const segment = log.segmentAt(this.#next);
      if (segment === null) {
        this.#replica.say('warn', 'an entry of the log can not be read', { index: this.#next });
        return true;
      }
      left -= this.#addSegment(
        segment,
        Math.min(segment.count, stored - segment.index, this.#next - segment.index + left),
      );
    }
    if (this.#itemsHaveOps || isTick || this.#next - this.#itemsIndex >= ENTRIES_PER_TURN) this.#sendItems();
    if (left === 0) this.#replica.pumpLater();
    return true;
  }

  tick(nowMs: number): void {
    if (this.#sent.length > 0 && nowMs - this.#progressMs >= RESEND_MS) this.#goBack(nowMs);
  }

  confirm(index: number): void {
    if (index <= this.#confirmed || index > Math.max(this.#next, this.#reach)) return;
    if (index > this.#next) this.#returnTo(index);
    this.#confirmed = index;
    this.#progressMs = this.#replica.nowMs();
    let count = 0;
    for (const { end, bytes } of this.#sent) {
      if (end > index) break;
      this.#credit.add(-bytes);
      count += 1;
    }
    this.#sent.splice(0, count);
    this.#replica.onConfirmed(index);
  }

  /** What comes next is that entry, and all before it is at the other peer; nothing is on its way. */
  reset(index: number): void {
    this.#reach = index;
    this.#returnTo(index);
  }

  #returnTo(index: number): void {
    if (this.#items.count > 0) this.#items.take();
    this.#itemsHaveOps = false;
    this.#itemsIndex = index;
    this.#next = index;
    this.#confirmed = index;
    this.#sent = [];
    this.#credit.clear();
    this.#progressMs = this.#replica.nowMs();
  }

  /** Entries of a segment, from the next one on, as long as there is credit. How many. */
  #addSegment(segment: LogSegment, end: number): number {
    const { counts } = this.#replica;
    const first = this.#next - segment.index;
    let origin = '' as NodeId;
    let knownTime = 0;
    let i = first;
    while (i < end && this.#credit.isLeft) {
      if (segment.origins[i] !== origin) {
        origin = segment.origins[i] as NodeId;
        knownTime = this.#known.get(origin) ?? 0;
      }
      const time = segment.times[i] as number;
      if (time <= knownTime) {
        counts.opsKnown += 1;
        this.#items.skip();
        i += 1;
      } else if (this.isLazy) {
        counts.opsMentioned += 1;
        this.#items.mention(origin, time);
        this.#itemsHaveOps = true;
        i += 1;
      } else i = this.#addOps(segment, i, end, origin);
      this.#next = segment.index + i;
      if (this.#items.length >= this.#replica.sizes.feedBytes) this.#sendItems();
    }
    return i - first;
  }

  /** The op at `from`, of that origin, and those of it behind, as they lie there; where they end. */
  #addOps(segment: LogSegment, from: number, end: number, origin: NodeId): number {
    const { bytes, starts, origins } = segment;
    const start = starts[from] as number;
    const room = this.#replica.sizes.feedBytes - this.#items.length;
    let to = from + 1;
    // Times rise along a chain: what follows an op that the other peer lacks is lacking there too.
    while (to < end && origins[to] === origin && (starts[to] as number) - start < room) to += 1;
    this.#items.addRange(bytes, start, starts[to] as number, to - from);
    this.#itemsHaveOps = true;
    this.#replica.counts.opsSent += to - from;
    return to;
  }

  #goBack(nowMs: number): void {
    this.#replica.counts.resends += 1;
    this.#wentBackMs = nowMs;
    this.#reach = Math.max(this.#reach, this.#next);
    this.#returnTo(this.#confirmed);
  }

  #sendItems(): void {
    if (this.#items.count === 0) return;
    const bytes = this.#items.length + MESSAGE_BYTES;
    const { node, database } = this.#replica;
    this.#replica.send({
      type: 'feed',
      to: this.#line.node,
      from: node,
      hops: 1,
      database,
      channel: this.#line.other(),
      log: this.#replica.log(),
      index: this.#itemsIndex,
      got: this.#line.takeGot(),
      items: this.#items.take(),
    });
    if (this.#sent.length === 0) this.#progressMs = this.#replica.nowMs();
    this.#sent.push({ end: this.#next, bytes });
    this.#credit.add(bytes);
    this.#itemsIndex = this.#next;
    this.#itemsHaveOps = false;
  }
}
