/**
 * The channels to the other peers of the database, one to each (feed.ts), and what they have in common: how far
 * the log has spread, and which of them brings the states that are being taken in.
 *
 * Invariant: states are taken in from one peer at a time; when all are here, every channel begins anew.
 */
import type { NodeId } from '../../store/node-id.js';
import { OpChains } from '../../store/op-chain.js';
import type { Addresses } from '../addresses.js';
import type { OtherPeer, PeerMessage, ReplicaMessage } from '../message.js';
import type { Self } from '../runtime/kind.js';
import type { Identity, Settings } from '../settings.js';
import type { Clients } from './clients.js';
import type { ReplicaCounts } from './counts.js';
import { Feed } from './feed.js';
import type { FeedCredit } from './feed-credit.js';
import type { FeedReplica } from './line.js';
import type { Patches } from './patches.js';
import type { PeerInfo } from './peer-info.js';
import type { Records } from './records.js';
import type { ReplicaStore } from './store.js';
import type { Uncovered } from './uncovered.js';

/** What they need of the replica that they are a part of. */
export interface ChannelsHost {
  readonly self: Self<ReplicaMessage>;
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
  /** Of the database. */
  readonly name: string;
  readonly counts: ReplicaCounts;
  readonly credit: FeedCredit;
  readonly store: ReplicaStore;
  readonly records: Records;
  readonly patches: Patches;
  readonly clients: Clients;
  readonly uncovered: Uncovered;
  /** `goOn` is called in a later turn. */
  goOnLater(): void;
  /** Puts what those chains cover of the log into the kept states: see compaction.ts. */
  cover(chains: OpChains, onDone: (isDone: boolean) => void): void;
}

/** Numbers of channels rise, across starts too. */
const CHANNELS_PER_MS = 1024;

export class Channels {
  readonly #host: ChannelsHost;
  readonly #self: Self<ReplicaMessage>;
  readonly #store: ReplicaStore;
  readonly #records: Records;
  readonly #feeds = new Map<NodeId, Feed>();
  readonly #forFeeds: FeedReplica;
  #absorber: NodeId | null = null;
  /** Feeds begin anew in the next turn: the log has another incarnation. */
  #isRenewed = false;
  #confirmed = 0;
  #lastChannel: number;
  #isPumping = false;

  constructor(host: ChannelsHost) {
    this.#host = host;
    this.#self = host.self;
    this.#store = host.store;
    this.#records = host.records;
    this.#lastChannel = host.identity.incarnation * CHANNELS_PER_MS;
    this.#forFeeds = this.#feedReplica();
  }

  get count(): number {
    return this.#feeds.size;
  }

  /** Entries below that index are at another peer, or there is none. */
  get spread(): number {
    return this.#feeds.size === 0 ? Infinity : this.#confirmed;
  }

  /** All that the peers of the tree had is here. */
  get areCaughtUp(): boolean {
    let count = 0;
    for (const feed of this.#feeds.values()) {
      if (!feed.isTree) continue;
      if (!feed.isCaughtUp) return false;
      count += 1;
    }
    return count > 0;
  }

  get isSendingStates(): boolean {
    for (const feed of this.#feeds.values()) if (feed.isSendingStates) return true;
    return false;
  }

  /** The log up to there can be given up without sending states to peers that are only a little behind. */
  get compactableEnd(): number {
    let end = this.#store.stored;
    for (const feed of this.#feeds.values()) end = Math.min(end, feed.isSendingStates ? 0 : feed.needsFrom);
    return end;
  }

  reports(): Record<string, unknown>[] {
    return [...this.#feeds.values()].map((feed) => feed.report());
  }

  onPeers(peers: readonly OtherPeer[]): void {
    const present = new Map(peers.map((peer) => [peer.node, peer]));
    for (const [node, feed] of this.#feeds) {
      if (present.has(node)) continue;
      feed.end();
      this.#feeds.delete(node);
      if (this.#absorber === node) this.#absorber = null;
    }
    for (const peer of peers) this.#addFeed(peer);
  }

  /** False: it is not from a peer of the database. */
  onPeerMessage(message: PeerMessage): boolean {
    const feed = this.#feeds.get(message.from);
    if (feed === undefined) {
      this.#host.counts.strays += 1;
      return false;
    }
    switch (message.type) {
      case 'peerOn':
        feed.onPeerOn(message);
        break;
      case 'feed':
        feed.onFeed(message);
        this.#host.clients.goOn();
        break;
      case 'got':
        feed.onGot(message);
        break;
      case 'states':
        feed.onStates(message);
        break;
      case 'statesGot':
        feed.onStatesGot(message);
        break;
      case 'peerOff':
        feed.onPeerOff(message);
        break;
    }
    return true;
  }

  /** Unless states are being taken in: then it is too early. */
  finishJoining(): void {
    const { meta } = this.#records;
    if (!meta.isJoining || this.#absorber !== null) return;
    this.#host.uncovered.keep();
    this.#records.putMeta({ ...meta, isJoining: false });
  }

  /** With what has been taken in. */
  keepPositions(): void {
    for (const feed of this.#feeds.values()) {
      const position = feed.takePosition();
      if (position !== null) this.#records.putPositionAt(feed.node, position);
    }
  }

  // In the course of turns

  /** More may be stored than they were told. */
  onStored(): void {
    for (const feed of this.#feeds.values()) {
      feed.onStored();
      feed.pump(false);
    }
  }

  goOn(): void {
    this.#isPumping = false;
    for (const feed of this.#feeds.values()) feed.pump(false);
  }

  tick(nowMs: number): void {
    for (const feed of this.#feeds.values()) feed.tick(nowMs);
  }

  /** At the end of a turn. */
  flush(): void {
    if (this.#isRenewed) {
      this.#isRenewed = false;
      for (const feed of this.#feeds.values()) feed.restart();
    }
    for (const feed of this.#feeds.values()) feed.flush();
  }

  end(): void {
    for (const feed of this.#feeds.values()) feed.end();
  }

  #addFeed(peer: OtherPeer): void {
    const present = this.#feeds.get(peer.node);
    if (present !== undefined) return present.setPlace(peer);
    this.#feeds.set(peer.node, new Feed(this.#forFeeds, peer, this.#records.positionAt(peer.node)));
  }

  #feedReplica(): FeedReplica {
    const { identity, name, counts, credit, addresses, settings, clients } = this.#host;
    return {
      node: identity.node,
      database: name,
      counts,
      sizes: settings.replicaSizes,
      credit,
      store: this.#store,
      options: this.#records.meta.options,
      peer: () => this.#records.meta.peer,
      log: () => this.#records.logName,
      absorbing: () => this.#records.absorbing,
      resume: (position) => this.#records.resolve(position),
      nextChannel: () => {
        this.#lastChannel += 1;
        return this.#lastChannel;
      },
      nowMs: () => this.#self.now(),
      send: (message) => void addresses.router.tell(message, this.#self.ref),
      pumpLater: () => {
        if (this.#isPumping) return;
        this.#isPumping = true;
        this.#host.goOnLater();
      },
      onConfirmed: (index) => {
        if (index <= this.#confirmed) return;
        this.#confirmed = index;
        clients.onConfirmed();
      },
      onSpread: (origin, time) => clients.onSpread(origin, time),
      onCaughtUp: () => this.#self.flushLater(),
      beginAbsorbing: (node) => {
        if (this.#absorber !== null && this.#absorber !== node) return false;
        this.#absorber = node;
        return true;
      },
      giveUpAbsorbing: (node, peer) => {
        if (this.#absorber === node) this.#absorber = null;
        if (peer !== null && this.#records.absorbing?.peer === peer) this.#noteAbsorbing(null);
      },
      absorb: (object, state) => this.#absorb(object, state),
      endAbsorbing: (chains, onDone) => this.#endAbsorbing(chains, onDone),
      noteAbsorbing: (absorbing) => this.#noteAbsorbing(absorbing),
      say: (level, text, fields) => this.#self.log(level, text, { database: name, ...fields }),
    };
  }

  /** Joins a state of another peer with what is here. False: it is none. */
  #absorb(object: string, bytes: Uint8Array): boolean {
    const store = this.#store;
    const { patches, uncovered } = this.#host;
    const joined = store.joined(object, bytes);
    if (joined === null) return false;
    uncovered.note(joined.vector);
    const state = joined.encode();
    // Above all positions that have been told: those do not include it.
    store.putState({ object, index: store.log.length + 1, state });
    patches.onState(object, state);
    return true;
  }

  #noteAbsorbing(absorbing: PeerInfo['absorbing']): void {
    // Nobody reads at a peer that is joining.
    if (!this.#records.meta.isJoining) this.#host.uncovered.keep();
    this.#records.noteAbsorbing(absorbing);
  }

  /** All states are here. `onDone`: false if the channel has begun anew meanwhile. */
  #endAbsorbing(bytes: Uint8Array, onDone: (isDone: boolean) => boolean): void {
    const chains = OpChains.decode(bytes);
    if (chains === null) return void onDone(false);
    this.#host.cover(chains, (isDone) => {
      if (!onDone(isDone)) return;
      this.#absorber = null;
      this.#store.cover(bytes);
      this.#noteAbsorbing(null);
      this.#records.forgetPositions();
      this.keepPositions();
      this.#isRenewed = true;
      this.#host.clients.goOn();
      this.#self.flushLater();
    });
  }
}
