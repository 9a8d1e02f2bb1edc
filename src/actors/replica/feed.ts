/**
 * What one peer and another have to say to each other about a database: a channel. Each sends the other its log by
 * contiguous index, ops as they are, a run for those that the other is known to have; on a lazy channel it mentions them
 * only, since they come another way, and sends them if they don't. Whoever lacks what lies below the floor gets states.
 *
 * Invariants (RULES RB, RE): the receiver's position moves over what it has taken in, in order, and is confirmed when that
 * is stored; what is not confirmed is sent again; what is on its way has credit, see feed-credit.ts; messages of a former
 * channel change nothing. Chains are checked for ops of other peers too (RULES RA).
 */
import { ItemsWriter } from '../../store/items-writer.js';
import type { LogPosition } from '../../store/log-position.js';
import type { NodeId } from '../../store/node-id.js';
import { encodeSnapshot, encodeVector, ItemReader, objectName, partsOfName } from '../../store/op.js';
import { OpChains } from '../../store/op-chain.js';
import type { LogSegment } from '../../store/oplog.js';
import type { MessageOf } from '../../transport/message.js';
import type { DatabaseOptions } from '../database-options.js';
import type { OtherPeer, PeerMessage } from '../message.js';
import type { ReplicaCounts } from '../replica-counts.js';
import { includes } from '../replica-store.js';
import type { ReplicaStore } from '../replica-store.js';
import type { ReplicaSizes } from '../settings.js';
import type { ChannelCredit, FeedCredit } from './feed-credit.js';
import { infoOfPeer, parsePeerInfo } from './peer-info.js';
import type { PeerInfo } from './peer-info.js';

/** What a channel knows of its replica. */
export interface FeedReplica {
  readonly node: NodeId;
  readonly database: string;
  peer(): string;
  readonly options: DatabaseOptions;
  readonly sizes: ReplicaSizes;
  readonly store: ReplicaStore;
  readonly counts: ReplicaCounts;
  readonly credit: FeedCredit;
  /** The present incarnation of the log. */
  log(): NodeId;
  /** Where that position is in the log now; null if nobody can tell (RULES RE). */
  resume(position: LogPosition): number | null;
  nextChannel(): number;
  nowMs(): number;
  send(message: PeerMessage): void;
  /** Calls `pump` again in a later turn. */
  pumpLater(): void;
  /** Another peer has all entries below that index. */
  onConfirmed(index: number): void;
  /** Ops of that origin up to that time are at another peer. */
  onSpread(origin: NodeId, time: number): void;
  /** The channel has come so far that nothing is missing that the other peer had. */
  onCaughtUp(): void;
  /** Takes states in on behalf of this channel; false if another channel does. */
  beginAbsorbing(feed: Feed): boolean;
  absorb(name: string, state: Uint8Array): boolean;
  /** All states are here: what they cover. All channels begin anew after it. */
  endAbsorbing(feed: Feed, chains: Uint8Array): void;
  absorbing(): PeerInfo['absorbing'];
  noteAbsorbing(absorbing: PeerInfo['absorbing']): void;
  say(level: 'warn' | 'info', text: string, fields: Readonly<Record<string, unknown>>): void;
}

/** States on their way to the other peer. */
interface StatesSent {
  /** Only of objects that changed at or above this index of the log. */
  readonly above: number;
  readonly floor: number;
  /** What the states cover: a compaction that ends meanwhile puts others, of which not all have been sent. */
  readonly chains: Uint8Array;
  /** The page begins behind that object, and ends with that one. */
  after: string;
  next: string;
  /** Nothing was sent yet, a page, the last page. */
  phase: 'due' | 'sent' | 'last';
}

/** States that came: to be confirmed when that write has ended. */
interface StatesDue {
  readonly next: string;
  readonly floor: number;
  readonly isLast: boolean;
  readonly number: number;
}

/** Entries looked at in one turn. */
const ENTRIES_PER_TURN = 8192;
/** What is on its way to a channel and counts as little as a run does. */
const MESSAGE_BYTES = 64;
const ON_AGAIN_MS = 1000;
const RESEND_MS = 1500;
/** Between two returns to what was confirmed. */
const GO_BACK_MS = 200;
/** A mentioned op that has not come another way by then is asked for. */
const LAZY_WAIT_MS = 700;
/** A woken channel is lazy again when nothing was missing for so long. */
const LAZY_AGAIN_MS = 5000;
const OFF_MS = 10_000;
/** Origins whose chains are told when a channel begins. */
const CHAINS_TOLD_MAX = 32_768;
const STATES_PER_PAGE = 512;

export class Feed {
  readonly node: NodeId;
  readonly #replica: FeedReplica;
  readonly #reader = new ItemReader();
  readonly #items = new ItemsWriter();
  #incarnation: number;
  #place: OtherPeer['place'];

  // The channel
  #channel = 0;
  #other = 0;
  #info: PeerInfo | null = null;
  #isReady = false;
  #isReadyThere = false;
  /** The other peer has told that it knows this number. */
  #isKnown = false;
  #saidOnMs = -Infinity;
  #offUntilMs = -Infinity;
  #isOff = false;

  // To the other peer
  #start = 0;
  #hasStates = false;
  #next = 0;
  #confirmed = 0;
  readonly #credit: ChannelCredit;
  #sent: { readonly end: number; readonly bytes: number }[] = [];
  #isLazyThere = false;
  #itemsIndex = 0;
  #itemsHaveOps = false;
  #progressMs = 0;
  #wentBackMs = -Infinity;
  readonly #known = new Map<NodeId, number>();
  #states: StatesSent | null = null;

  // From the other peer
  #position: LogPosition | null;
  #savedPosition: LogPosition | null;
  /** Positions to be confirmed when so much of the own log is stored. */
  #unconfirmed: { readonly index: number; readonly length: number }[] = [];
  #confirmedHere = 0;
  #isGotDue = false;
  #isLazyHere = false;
  #stalledMs: number | null = null;
  #wokenMs = -Infinity;
  /** Of the other peer's log: its states are being taken in, up to its floor. */
  #absorbed: LogPosition | null = null;
  #statesDue: StatesDue | null = null;
  #chains: Uint8Array | null = null;
  #isCaughtUp = false;

  constructor(replica: FeedReplica, other: OtherPeer, position: LogPosition | null) {
    this.#replica = replica;
    this.node = other.node;
    this.#incarnation = other.incarnation;
    this.#place = other.place;
    this.#position = position;
    this.#savedPosition = position;
    this.#credit = replica.credit.open();
    this.restart();
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  /** In the tree, and all that the other peer had is here. */
  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  get isReady(): boolean {
    return this.#isReady && this.#isReadyThere;
  }

  /** Below that index nothing of the log is needed by this channel. */
  get needsFrom(): number {
    return this.#other === 0 || this.#states !== null ? Infinity : this.#confirmed;
  }

  /** States are being sent, so that what they are of must stay. */
  get isSendingStates(): boolean {
    return this.#states !== null;
  }

  get isTree(): boolean {
    return this.#place === 'tree';
  }

  report(): Record<string, unknown> {
    return {
      node: this.node,
      peer: this.#info?.peer ?? null,
      place: this.#place,
      isReady: this.isReady,
      isLazy: this.#isLazyHere,
      confirmed: this.#confirmed,
      position: this.#position,
    };
  }

  setPlace({ place, incarnation }: OtherPeer): void {
    const isNew = incarnation !== this.#incarnation;
    this.#incarnation = incarnation;
    this.#place = place;
    if (isNew) return this.restart();
    if (this.#wantsLazy === this.#isLazyHere) return;
    this.#isLazyHere = this.#wantsLazy;
    if (this.isReady) this.#sayGot();
  }

  /** Begins anew, under a new number. */
  restart(): void {
    this.#channel = this.#replica.nextChannel();
    this.#forgetOther();
    if (this.#place !== 'far') this.#sayOn();
  }

  /** The other peer is gone, or this one is about to be. */
  end(): void {
    this.#credit.clear();
  }

  // From the other peer

  onPeerOn(message: MessageOf<'peerOn'>): void {
    const info = parsePeerInfo(message.info);
    if (info === null) return this.#off('malformed', message.channel);
    const { options } = this.#replica;
    if (JSON.stringify(info.options) !== JSON.stringify(options))
      return this.#off('the options differ', message.channel);
    this.#isOff = false;
    // Numbers rise: this one was on its way for long.
    if (message.channel < this.#other) return this.#stray();
    const isNew = message.channel > this.#other;
    if (isNew) {
      // What is still on its way under the former number belongs to the former channel. Where the other peer never heard
      // of that number nothing is, and to draw another one would make it begin anew in turn, without end.
      if (this.#isKnown) this.restart();
      else this.#forgetOther();
      this.#meet(message.channel, info);
    }
    const isAnswer = message.answers === this.#channel;
    const wasReady = this.#isReady;
    const isRepeated = isAnswer && this.#isReadyThere && info.isReady;
    if (isAnswer) {
      this.#isKnown = true;
      this.#isReadyThere = info.isReady;
      if (!wasReady) this.#onReady(info);
    }
    // The other peer sends no states before it has heard that this one is ready, and repeats itself until then.
    const isUnheard = isRepeated && this.#replica.nowMs() - this.#saidOnMs >= ON_AGAIN_MS;
    if (isNew || !isAnswer || !info.isReady || !wasReady || isUnheard) this.#sayOn();
    this.pump(false);
  }

  onPeerOff({ channel, reason }: MessageOf<'peerOff'>): void {
    if (channel !== this.#channel) return;
    this.#replica.say('warn', 'a peer does not speak', { peer: this.node, reason });
    this.#giveUp();
  }

  onFeed(message: MessageOf<'feed'>): void {
    const { channel, log, index, items } = message;
    if (channel !== this.#channel || !this.#isReady || this.#absorbed !== null || log !== this.#position?.log)
      return this.#stray();
    this.#onConfirmed(message.got);
    if (index > this.#position.index) {
      this.#isGotDue = true;
      return this.#sayGot();
    }
    const fault = this.#takeItems(index, items);
    this.#unconfirmed.push({ index: this.#position.index, length: this.#replica.store.log.length });
    if (fault !== null) return this.#onFault(fault);
    this.#noteCaughtUp();
  }

  onGot({ channel, log, index, isLazy }: MessageOf<'got'>): void {
    if (channel !== this.#channel || log !== this.#replica.log() || this.#states !== null) return this.#stray();
    const isWoken = this.#isLazyThere && !isLazy;
    this.#isLazyThere = isLazy;
    const isSame = index === this.#confirmed;
    this.#onConfirmed(index);
    const nowMs = this.#replica.nowMs();
    if ((isSame && this.#next > index && nowMs - this.#wentBackMs >= GO_BACK_MS) || isWoken) this.#goBack(nowMs);
    this.pump(false);
  }

  onStates({ channel, log, floor, after, next, isLast, items }: MessageOf<'states'>): void {
    const replica = this.#replica;
    if (channel !== this.#channel || log !== this.#absorbed?.log || floor !== this.#absorbed.index)
      return this.#stray();
    if (this.#statesDue !== null || after !== this.#absorbedAfter) {
      // A page that came before: the word that it is here was lost.
      if (this.#statesDue === null && next === this.#absorbedAfter && !isLast) this.#sayStatesGot(floor, next);
      return this.#stray();
    }
    const count = this.#reader.open(items);
    for (let i = 0; i < count; i += 1) {
      if (this.#reader.next() !== null) return this.#off('malformed');
      const { kind, type, id, payload } = this.#reader;
      if (kind === 'snapshot' && replica.absorb(objectName(type, id), payload)) replica.counts.statesTaken += 1;
      else if (kind === 'vector') {
        if (OpChains.decode(payload) === null) return this.#off('malformed');
        this.#chains = payload.slice();
      } else return this.#off('malformed');
    }
    if (count < 0 || (isLast && this.#chains === null)) return this.#off('malformed');
    replica.noteAbsorbing({ peer: this.#info?.peer ?? '', floor, after: next });
    this.#statesDue = { next, number: replica.store.number, floor, isLast };
  }

  onStatesGot({ channel, log, floor, next }: MessageOf<'statesGot'>): void {
    const states = this.#states;
    if (channel !== this.#channel || log !== this.#replica.log() || states === null) return this.#stray();
    if (floor !== states.floor || next !== states.next) return this.#stray();
    states.after = next;
    if (states.phase === 'last') {
      this.#states = null;
      this.#resetOutgoing(floor);
      this.pump(false);
    } else this.#sendStates();
  }

  // In the course of turns

  /** Sends what is stored and not sent; with `isTick` also what was held back. */
  pump(isTick: boolean): void {
    if (this.#other === 0 || this.#isOff) return;
    if (this.#states !== null) {
      if (this.#states.phase === 'due' && this.isReady) this.#sendStates();
      return;
    }
    if (this.#isLazyThere && !isTick) return;
    const { log, stored } = this.#replica.store;
    let left = ENTRIES_PER_TURN;
    while (this.#next < stored && this.#credit.isLeft && left > 0) {
      if (this.#next < log.floor) return this.#beginStates(this.#next - 1);
      const segment = log.segmentAt(this.#next);
      if (segment === null) {
        this.#replica.say('warn', 'an entry of the log can not be read', { index: this.#next });
        return;
      }
      left -= this.#addSegment(
        segment,
        Math.min(segment.count, stored - segment.index, this.#next - segment.index + left),
      );
    }
    if (this.#itemsHaveOps || isTick || this.#next - this.#itemsIndex >= ENTRIES_PER_TURN) this.#sendItems();
    if (left === 0) this.#replica.pumpLater();
  }

  /** Something has been stored: what that confirms to the other peer. */
  onStored(): void {
    const { store } = this.#replica;
    const first = this.#unconfirmed[0];
    if (first !== undefined && first.length <= store.stored) {
      let count = 1;
      while ((this.#unconfirmed[count]?.length ?? Infinity) <= store.stored) count += 1;
      const last = this.#unconfirmed[count - 1] as { readonly index: number };
      this.#unconfirmed.splice(0, count);
      if (last.index > this.#confirmedHere) {
        this.#confirmedHere = last.index;
        this.#isGotDue = true;
      }
    }
    const due = this.#statesDue;
    if (due !== null && store.writtenNumber >= due.number) this.#onStatesStored(due);
  }

  /** At the end of a turn. */
  flush(): void {
    if (this.#isGotDue && this.#isReady && this.#absorbed === null) this.#sayGot();
  }

  /** The position to be kept with what has been taken in; null if it is what was kept last. */
  takePosition(): LogPosition | null {
    if (this.#position === null) return null;
    const { log, index } = this.#position;
    if (log === this.#savedPosition?.log && index === this.#savedPosition.index) return null;
    this.#savedPosition = this.#position;
    return this.#position;
  }

  tick(nowMs: number): void {
    if (this.#isOff) {
      if (nowMs >= this.#offUntilMs) {
        this.#isOff = false;
        this.restart();
      }
      return;
    }
    if (!this.isReady) {
      const isWanted = this.#place !== 'far' || this.#other !== 0;
      if (isWanted && nowMs - this.#saidOnMs >= ON_AGAIN_MS) this.#sayOn();
      return;
    }
    this.#tickStates(nowMs);
    if (this.#sent.length > 0 && nowMs - this.#progressMs >= RESEND_MS) this.#goBack(nowMs);
    this.#tickLazy(nowMs);
    this.pump(true);
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
      } else if (this.#isLazyThere) {
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

  #forgetOther(): void {
    this.#other = 0;
    this.#isKnown = false;
    this.#info = null;
    this.#hasStates = false;
    this.#isReady = false;
    this.#isReadyThere = false;
    this.#isLazyHere = this.#wantsLazy;
    this.#states = null;
    this.#absorbed = null;
    this.#statesDue = null;
    this.#chains = null;
    this.#isCaughtUp = false;
    this.#stalledMs = null;
    this.#unconfirmed = [];
    this.#known.clear();
    this.#resetOutgoing(this.#replica.store.stored);
  }

  get #wantsLazy(): boolean {
    return this.#place !== 'tree';
  }

  get #absorbedAfter(): string {
    const absorbing = this.#replica.absorbing();
    const isMine =
      absorbing !== null && absorbing.peer === this.#info?.peer && absorbing.floor === this.#absorbed?.index;
    return isMine ? absorbing.after : '';
  }

  #sayOn(): void {
    const { node, database, options, store } = this.#replica;
    this.#saidOnMs = this.#replica.nowMs();
    const { chains } = store;
    const info: PeerInfo = {
      peer: this.#replica.peer(),
      log: this.#replica.log(),
      length: store.stored,
      floor: store.log.floor,
      isReady: this.#isReady,
      start: this.#start,
      hasStates: this.#hasStates,
      isLazy: this.#wantsLazy,
      position: this.#position,
      chains: chains.size <= CHAINS_TOLD_MAX ? chains.encode() : null,
      absorbing: this.#replica.absorbing(),
      options,
    };
    this.#replica.send({
      type: 'peerOn',
      to: this.node,
      from: node,
      hops: 1,
      database,
      channel: this.#channel,
      answers: this.#other,
      info: infoOfPeer(info),
    });
  }

  /** The other peer's number, and what it has: from where on it gets this peer's log. */
  #meet(channel: number, info: PeerInfo): void {
    const { store } = this.#replica;
    this.#other = channel;
    this.#info = info;
    this.#isLazyThere = info.isLazy;
    const chains = info.chains === null ? null : OpChains.decode(info.chains);
    for (const origin of chains?.origins() ?? []) this.#known.set(origin, chains?.lastTime(origin) ?? 0);
    const resumed = info.position === null ? null : this.#replica.resume(info.position);
    const { floor } = store.log;
    if (resumed !== null && resumed >= floor) this.#start = Math.min(resumed, store.stored);
    else if (store.floorChains.size === 0 || (chains !== null && includes(chains, store.floorChains)))
      this.#start = floor;
    else {
      this.#start = floor;
      this.#beginStates(resumed === null ? -1 : resumed - 1, info.absorbing);
      return;
    }
    this.#resetOutgoing(this.#start);
    if (this.#start > 0) this.#replica.onConfirmed(this.#start);
  }

  /** The other peer has said where its log begins for this one. */
  #onReady(info: PeerInfo): void {
    const start: LogPosition = { log: info.log, index: info.start };
    if (info.hasStates) {
      // If another channel brings what is missing, this one begins anew after that.
      if (!this.#replica.beginAbsorbing(this)) return;
      this.#absorbed = start;
    } else this.#position = start;
    this.#confirmedHere = info.start;
    this.#isReady = true;
    this.#noteCaughtUp();
  }

  #noteCaughtUp(): void {
    if (this.#isCaughtUp || this.#absorbed !== null || this.#position === null) return;
    if (this.#position.index < (this.#info?.length ?? 0)) return;
    this.#isCaughtUp = true;
    this.#replica.onCaughtUp();
  }

  /** Null, or what is wrong. The position moves over what was taken in. */
  #takeItems(index: number, items: Uint8Array): 'malformed' | 'gap' | null {
    const { store, counts } = this.#replica;
    const reader = this.#reader;
    const { log } = this.#position as LogPosition;
    let position = (this.#position as LogPosition).index;
    let at = index;
    let fault: 'malformed' | 'gap' | null = null;
    /** What the other peer has of the origin that the last ops are of. */
    let origin = '' as NodeId;
    let time = 0;
    const note = (): void => {
      if (reader.origin !== origin) {
        if (time > 0) this.#noteThere(origin, time);
        ({ origin, time } = reader);
      } else if (reader.time > time) ({ time } = reader);
    };
    const count = reader.open(items);
    if (count < 0) return 'malformed';
    for (let i = 0; i < count && fault === null; i += 1) {
      if (reader.next() !== null) fault = 'malformed';
      else if (reader.kind === 'run') at += reader.count;
      else if (at < position && (reader.kind === 'op' || reader.kind === 'mention')) at += 1;
      else if (reader.kind === 'mention') {
        note();
        if (store.covers(reader.origin, reader.time)) at += 1;
        else {
          this.#stalledMs ??= this.#replica.nowMs();
          break;
        }
      } else if (reader.kind === 'op') {
        const verdict = store.judge(reader);
        if (verdict === 'gap') {
          fault = 'gap';
          break;
        }
        if (verdict === 'next') {
          store.append(reader);
          counts.fed += 1;
        } else if (verdict === 'forked') counts.forks += 1;
        else counts.seen += 1;
        note();
        at += 1;
      } else fault = 'malformed';
      if (at > position) {
        position = at;
        this.#stalledMs = null;
      }
    }
    reader.release();
    if (time > 0) this.#noteThere(origin, time);
    this.#position = { log, index: position };
    return fault;
  }

  /** The other peer has an op, and thereby all of its origin before it. */
  #noteThere(origin: NodeId, time: number): void {
    if (time > (this.#known.get(origin) ?? 0)) this.#known.set(origin, time);
    this.#replica.onSpread(origin, time);
  }

  #onFault(fault: 'malformed' | 'gap'): void {
    const { counts, nowMs } = this.#replica;
    if (fault === 'malformed') return this.#off('malformed');
    counts.gaps += 1;
    this.#replica.say('warn', 'an op of another peer follows on what is not here', { peer: this.node });
    // By its chains the other peer finds out what is missing. If that does not help, not at once again.
    this.#position = null;
    if (nowMs() - this.#wokenMs < OFF_MS) return this.#giveUp();
    this.#wokenMs = nowMs();
    this.restart();
  }

  #onConfirmed(index: number): void {
    if (index <= this.#confirmed || index > this.#next) return;
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

  #goBack(nowMs: number): void {
    this.#replica.counts.resends += 1;
    this.#wentBackMs = nowMs;
    this.#resetOutgoing(this.#confirmed);
  }

  #resetOutgoing(index: number): void {
    if (this.#items.count > 0) this.#items.take();
    this.#itemsHaveOps = false;
    this.#itemsIndex = index;
    this.#next = index;
    this.#confirmed = index;
    this.#sent = [];
    this.#credit.clear();
    this.#progressMs = this.#replica.nowMs();
  }

  #sendItems(): void {
    if (this.#items.count === 0) return;
    const bytes = this.#items.length + MESSAGE_BYTES;
    const { node, database } = this.#replica;
    this.#isGotDue = false;
    this.#replica.send({
      type: 'feed',
      to: this.node,
      from: node,
      hops: 1,
      database,
      channel: this.#other,
      log: this.#replica.log(),
      index: this.#itemsIndex,
      got: this.#confirmedHere,
      items: this.#items.take(),
    });
    if (this.#sent.length === 0) this.#progressMs = this.#replica.nowMs();
    this.#sent.push({ end: this.#next, bytes });
    this.#credit.add(bytes);
    this.#itemsIndex = this.#next;
    this.#itemsHaveOps = false;
  }

  #sayGot(): void {
    const { node, database } = this.#replica;
    this.#isGotDue = false;
    const head = { type: 'got', to: this.node, from: node, hops: 1, database, channel: this.#other } as const;
    const log = this.#position?.log ?? '';
    this.#replica.send({ ...head, log, index: this.#confirmedHere, isLazy: this.#isLazyHere });
  }

  #tickLazy(nowMs: number): void {
    if (this.#stalledMs !== null) {
      if (this.#isLazyHere && nowMs - this.#stalledMs >= LAZY_WAIT_MS) {
        this.#replica.counts.woken += 1;
        this.#isLazyHere = false;
        this.#wokenMs = nowMs;
      }
      this.#stalledMs = this.#isLazyHere ? this.#stalledMs : null;
      this.#sayGot();
    } else if (this.#wantsLazy && !this.#isLazyHere && nowMs - this.#wokenMs >= LAZY_AGAIN_MS) {
      this.#isLazyHere = true;
      this.#sayGot();
    }
  }

  // States from below the floor

  #beginStates(above: number, absorbing: PeerInfo['absorbing'] = null): void {
    const { log, floorChains } = this.#replica.store;
    const { floor } = log;
    const isResumed = absorbing !== null && absorbing.peer === this.#replica.peer() && absorbing.floor === floor;
    this.#hasStates = true;
    this.#start = floor;
    this.#resetOutgoing(floor);
    const after = isResumed ? absorbing.after : '';
    this.#states = { above, floor, chains: floorChains.encode(), after, next: '', phase: 'due' };
    // In the middle of a feed the other peer does not expect them.
    if (this.isReady) this.restart();
  }

  #sendStates(): void {
    const states = this.#states as StatesSent;
    const { store, counts, node, database } = this.#replica;
    const { feedBytes } = this.#replica.sizes;
    let { after } = states;
    let isLast = false;
    while (this.#items.length < feedBytes && !isLast) {
      const kept = store.keptStates(after, STATES_PER_PAGE);
      isLast = kept.length < STATES_PER_PAGE;
      for (const { object, index, state } of kept) {
        after = object;
        if (index <= states.above) continue;
        const { type, id } = partsOfName(object);
        this.#items.add(encodeSnapshot(type, id, state));
        counts.statesSent += 1;
        if (this.#items.length < feedBytes) continue;
        isLast = isLast && object === kept.at(-1)?.object;
        break;
      }
    }
    if (isLast) this.#items.add(encodeVector(states.chains));
    states.next = after;
    states.phase = isLast ? 'last' : 'sent';
    this.#progressMs = this.#replica.nowMs();
    this.#replica.send({
      type: 'states',
      to: this.node,
      from: node,
      hops: 1,
      database,
      channel: this.#other,
      log: this.#replica.log(),
      floor: states.floor,
      after: states.after,
      next: after,
      isLast,
      items: this.#items.take(),
    });
  }

  #tickStates(nowMs: number): void {
    if (this.#states !== null && nowMs - this.#progressMs >= RESEND_MS) this.#sendStates();
  }

  #onStatesStored(due: StatesDue): void {
    this.#statesDue = null;
    this.#sayStatesGot(due.floor, due.next);
    if (!due.isLast || this.#chains === null) return;
    this.#position = this.#absorbed;
    this.#absorbed = null;
    this.#replica.endAbsorbing(this, this.#chains);
  }

  #sayStatesGot(floor: number, next: string): void {
    const { node, database } = this.#replica;
    const head = { type: 'statesGot', to: this.node, from: node, hops: 1, database, channel: this.#other } as const;
    this.#replica.send({ ...head, log: this.#absorbed?.log ?? '', floor, next });
  }

  #stray(): void {
    this.#replica.counts.strays += 1;
  }

  #off(reason: string, channel = this.#other): void {
    if (reason === 'malformed') this.#replica.counts.malformed += 1;
    const { node, database } = this.#replica;
    this.#replica.say('warn', 'not speaking with a peer', { peer: this.node, reason });
    const off = { type: 'peerOff', to: this.node, from: node, hops: 1, database, channel, reason } as const;
    this.#replica.send(off);
    this.#giveUp();
  }

  /** Not before a while. */
  #giveUp(): void {
    this.#reader.release();
    this.#isOff = true;
    this.#isReady = false;
    this.#states = null;
    this.#absorbed = null;
    this.#other = 0;
    this.#offUntilMs = this.#replica.nowMs() + OFF_MS;
  }
}
