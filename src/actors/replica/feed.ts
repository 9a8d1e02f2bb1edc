/**
 * What one peer and another have to say to each other about a database: a channel. Each sends the other its log
 * (outgoing.ts); whoever lacks what lies below the floor gets states (states-sent.ts). Here are the numbers under which
 * they speak, and what comes from the other peer.
 *
 * Invariants (RULES RB, RE): the receiver's position moves over what it has taken in, in order, and is confirmed when that
 * is stored; messages of a former channel change nothing. Chains are checked for ops of other peers too (RULES RA).
 */
import type { LogPosition } from '../../store/log-position.js';
import type { NodeId } from '../../store/node-id.js';
import { ItemReader, objectName } from '../../store/op.js';
import { OpChains } from '../../store/op-chain.js';
import type { MessageOf } from '../../transport/message.js';
import type { OtherPeer } from '../message.js';
import type { FeedReplica, Line } from './line.js';
import { Outgoing } from './outgoing.js';
import { infoOfPeer, parsePeerInfo } from './peer-info.js';
import type { PeerInfo } from './peer-info.js';
import { StatesSent } from './states-sent.js';
import { includes } from './store.js';

/** States that came: to be confirmed when that write has ended. */
interface StatesDue {
  readonly next: string;
  readonly floor: number;
  readonly number: number;
  /** What all of them cover, with the last ones. */
  readonly chains: Uint8Array | null;
  /** They are on disk, and what they cover is being put in order. */
  isStored: boolean;
}

const ON_AGAIN_MS = 1000;
/** A mentioned op that has not come another way by then is asked for. */
const LAZY_WAIT_MS = 700;
/** A woken channel is lazy again when nothing was missing for so long. */
const LAZY_AGAIN_MS = 5000;
const OFF_MS = 10_000;
/** Origins whose chains are told when a channel begins. */
const CHAINS_TOLD_MAX = 32_768;

export class Feed {
  readonly node: NodeId;
  readonly #replica: FeedReplica;
  readonly #line: Line;
  readonly #reader = new ItemReader();
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
  readonly #outgoing: Outgoing;
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
  #isCaughtUp = false;

  constructor(replica: FeedReplica, other: OtherPeer, position: LogPosition | null) {
    this.#replica = replica;
    this.node = other.node;
    this.#incarnation = other.incarnation;
    this.#place = other.place;
    this.#position = position;
    this.#savedPosition = position;
    this.#line = {
      node: other.node,
      other: () => this.#other,
      takeGot: () => {
        this.#isGotDue = false;
        return this.#confirmedHere;
      },
    };
    this.#outgoing = new Outgoing(replica, this.#line);
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
    return this.#other === 0 || this.#states !== null ? Infinity : this.#outgoing.confirmed;
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
      confirmed: this.#outgoing.confirmed,
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
    this.#statesDue = null;
    this.#outgoing.end();
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
    this.#outgoing.confirm(message.got);
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
    this.#outgoing.onGot(index, isLazy);
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
    let chains: Uint8Array | null = null;
    const count = this.#reader.open(items);
    for (let i = 0; i < count; i += 1) {
      if (this.#reader.next() !== null) return this.#off('malformed');
      const { kind, type, id, payload } = this.#reader;
      if (kind === 'snapshot' && replica.absorb(objectName(type, id), payload)) replica.counts.statesTaken += 1;
      else if (kind === 'vector') {
        if (OpChains.decode(payload) === null) return this.#off('malformed');
        chains = payload.slice();
      } else return this.#off('malformed');
    }
    if (count < 0 || isLast !== (chains !== null)) return this.#off('malformed');
    replica.noteAbsorbing({ peer: this.#info?.peer ?? '', floor, after: next });
    this.#statesDue = { next, number: replica.store.number, floor, chains, isStored: false };
  }

  onStatesGot({ channel, log, floor, next }: MessageOf<'statesGot'>): void {
    const states = this.#states;
    if (channel !== this.#channel || log !== this.#replica.log() || states === null) return this.#stray();
    switch (states.onGot(floor, next)) {
      case 'stray':
        return this.#stray();
      case 'more':
        return states.send();
      case 'all':
        this.#states = null;
        this.#outgoing.reset(floor);
        this.pump(false);
    }
  }

  // In the course of turns

  /** Sends what is stored and not sent; with `isTick` also what was held back. */
  pump(isTick: boolean): void {
    if (this.#other === 0 || this.#isOff) return;
    if (this.#states !== null) {
      if (this.#states.isDue && this.isReady) this.#states.send();
      return;
    }
    if (!this.#outgoing.pump(isTick)) this.#beginStates(this.#outgoing.next - 1);
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
    if (due !== null && !due.isStored && store.writtenNumber >= due.number) this.#onStatesStored(due);
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
    this.#states?.tick(nowMs);
    this.#outgoing.tick(nowMs);
    this.#tickLazy(nowMs);
    this.pump(true);
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
    this.#isCaughtUp = false;
    this.#stalledMs = null;
    this.#unconfirmed = [];
    this.#outgoing.forgetKnown();
    this.#outgoing.reset(this.#replica.store.stored);
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
    this.#outgoing.isLazy = info.isLazy;
    const chains = info.chains === null ? null : OpChains.decode(info.chains);
    for (const origin of chains?.origins() ?? []) this.#outgoing.learn(origin, chains?.lastTime(origin) ?? 0);
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
    this.#outgoing.reset(this.#start);
    if (this.#start > 0) this.#replica.onConfirmed(this.#start);
  }

  /** The other peer has said where its log begins for this one. */
  #onReady(info: PeerInfo): void {
    const start: LogPosition = { log: info.log, index: info.start };
    if (info.hasStates) {
      // If another channel brings what is missing, this one begins anew after that.
      if (!this.#replica.beginAbsorbing(this.node)) return;
      this.#absorbed = start;
    } else {
      this.#replica.giveUpAbsorbing(this.node, info.peer);
      this.#position = start;
    }
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
    this.#outgoing.learn(origin, time);
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
    const { floor } = this.#replica.store.log;
    const isResumed = absorbing !== null && absorbing.peer === this.#replica.peer() && absorbing.floor === floor;
    this.#hasStates = true;
    this.#start = floor;
    this.#outgoing.reset(floor);
    this.#states = new StatesSent(this.#replica, this.#line, above, isResumed ? absorbing.after : '');
    // In the middle of a feed the other peer does not expect them.
    if (this.isReady) this.restart();
  }

  #onStatesStored(due: StatesDue): void {
    due.isStored = true;
    const { floor, next, chains } = due;
    if (chains === null) {
      this.#statesDue = null;
      return this.#sayStatesGot(floor, next);
    }
    this.#replica.endAbsorbing(chains, (isDone) => {
      if (this.#statesDue !== due) return false;
      this.#statesDue = null;
      if (!isDone) {
        this.#off('the states can not be taken over');
        return false;
      }
      this.#sayStatesGot(floor, next);
      this.#position = this.#absorbed;
      this.#absorbed = null;
      return true;
    });
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
    this.#statesDue = null;
    this.#replica.giveUpAbsorbing(this.node, null);
    this.#other = 0;
    this.#offUntilMs = this.#replica.nowMs() + OFF_MS;
  }
}
