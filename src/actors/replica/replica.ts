/**
 * A replica: one database at one peer. It owns the log, and routes each message to the part whose subject it is: clients.ts
 * has those who have the database open, channels.ts the other peers, records.ts what the replica keeps about itself.
 *
 * Invariants (R1): what is taken in during a turn is written at its end, and only when it is stored it is relayed and
 * acknowledged, in the order of the log; a turn costs one write and one message for each peer and subscription at most.
 */
import type { OpDisk, OpDisks } from '../../disk/op-disk.js';
import type { LogIncarnations } from '../../store/log-position.js';
import { timeOfMs } from '../../store/stamp.js';
import type { DatabaseRequest, MessageOf, RequestId } from '../../transport/message.js';
import type { Addresses } from '../addresses.js';
import { drawPeer, isSame, optionsOf } from '../database-options.js';
import type { Continue, OtherPeer, Peers, PeerMessage, ReplicaMessage, ReplicaReady, Written } from '../message.js';
import type { Ref, Self, Terminated, TimerId } from '../runtime/kind.js';
import type { Identity, Settings } from '../settings.js';
import { Channels } from './channels.js';
import { Clients } from './clients.js';
import { Compaction } from './compaction.js';
import type { ReplicaCounts } from './counts.js';
import { Digests } from './digests.js';
import type { FeedCredit } from './feed-credit.js';
import { Patches } from './patches.js';
import { metaOn, Records } from './records.js';
import type { Meta } from './records.js';
import type { ReplicaEvent } from './replica-machine.js';
import { Replies } from './replies.js';
import { ReplicaStore } from './store.js';
import { Uncovered } from './uncovered.js';

export interface ReplicaArgs {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
  readonly disks: OpDisks;
  readonly name: string;
  /** What the database is to be; null: it is on disk. */
  readonly creation: Meta | null;
  readonly counts: ReplicaCounts;
  readonly credit: FeedCredit;
}

/** What there is once all that the disk has is known. */
interface Parts {
  readonly store: ReplicaStore;
  readonly records: Records;
  readonly clients: Clients;
  readonly channels: Channels;
  readonly patches: Patches;
  readonly compaction: Compaction;
  readonly digests: Digests;
}

const TICK_MS = 250;
/** While nobody is waiting for anything. */
const IDLE_TICK_MS = 60_000;
/** How often it is looked whether ops have become too old. */
const AGE_MS = 5000;
/** Between two slices of what takes many turns. */
const PAUSE_MS = 1;
const RETRY_WRITE_MS = 1000;
const ENTRIES_PER_SLICE = 10_000;

export class Replica {
  readonly #self: Self<ReplicaMessage, ReplicaEvent>;
  readonly #args: ReplicaArgs;
  readonly #replies: Replies;
  #disk: OpDisk | null = null;
  #diskFault = '';
  /** What an earlier start has kept. */
  #found: Meta | null = null;
  #store: ReplicaStore | null = null;
  #recovered: Parts | null = null;
  #toldStored = 0;
  #isTickDue = false;
  #timer: TimerId | null = null;
  #timerMs = Infinity;
  #agedMs = -Infinity;

  constructor(self: Self<ReplicaMessage, ReplicaEvent>, args: ReplicaArgs) {
    this.#self = self;
    this.#args = args;
    this.#replies = new Replies(self, args.addresses.databases);
    args.disks.open(
      args.name,
      (disk) => {
        this.#disk = disk;
        self.signal('opened');
      },
      (reason) => {
        this.#diskFault = reason;
        self.signal('fail');
      },
    );
  }

  /** What is kept here, and the incarnations of its log; null before all of it has been read. */
  get kept(): { readonly store: ReplicaStore; readonly table: LogIncarnations; readonly peerCount: number } | null {
    if (this.#recovered === null) return null;
    const { store, records, channels } = this.#recovered;
    return { store, table: records.table, peerCount: channels.count };
  }

  /** In every state that serves. */
  get #parts(): Parts {
    return this.#recovered as Parts;
  }

  // Commands

  recover(): ReplicaEvent | void {
    const { identity, creation, counts, name } = this.#args;
    const disk = this.#disk as OpDisk;
    this.#found = metaOn(disk);
    const meta = this.#found ?? creation;
    if (meta === null) {
      this.#self.log('error', 'the database is not there or was never finished', { database: name });
      return 'fail';
    }
    const { ref } = this.#self;
    this.#store = new ReplicaStore(disk, meta.options.isRelaxed, counts, {
      written: (fault) => void ref.tell({ type: 'written', fault } satisfies Written, ref),
    });
    this.#self.log('debug', 'recovering', { database: name, node: identity.node, entries: disk.length - disk.floor });
    this.#continue('recovery');
  }

  /** Everything that was taken in is to be on disk, and then the disk is let go of. */
  keepAll(): ReplicaEvent | void {
    this.#recovered?.clients.closeAll('the peer stops');
    this.#recovered?.channels.keepPositions();
    this.#store?.flush();
    return this.#closeIfKept();
  }

  // Recovery

  onContinue({ what }: Continue): ReplicaEvent | void {
    switch (what) {
      case 'recovery':
        return this.#recoverMore();
      case 'compaction':
        if (this.#recovered?.compaction.goOn() === true) this.#continue('compaction');
        break;
      case 'digests':
        if (this.#recovered?.digests.goOn() === true) this.#continue('digests');
        break;
      case 'feeds':
        this.#recovered?.channels.goOn();
        break;
    }
    this.#self.flushLater();
  }

  #recoverMore(): ReplicaEvent | void {
    const store = this.#store as ReplicaStore;
    try {
      if (store.recover(ENTRIES_PER_SLICE)) return this.#continue('recovery');
    } catch (fault) {
      this.#diskFault = fault instanceof Error ? fault.message : String(fault);
      return 'fail';
    }
    return this.#begin();
  }

  /** All is known: whoever waits is served. */
  #begin(): ReplicaEvent {
    const { addresses, name, creation } = this.#args;
    const store = this.#store as ReplicaStore;
    this.#toldStored = store.stored;
    const records = new Records(store, (this.#found ?? creation) as Meta, this.#found === null, this.#self.random);
    this.#recovered = this.#createParts(store, records);
    const ready: ReplicaReady = { type: 'replicaReady', database: name, peer: records.meta.peer };
    addresses.databases.tell(ready, this.#self.ref);
    this.#tickLater();
    this.#self.flushLater();
    return 'recovered';
  }

  #createParts(store: ReplicaStore, records: Records): Parts {
    const { counts, name, settings } = this.#args;
    const self = this.#self;
    const replies = this.#replies;
    const uncovered = new Uncovered(store);
    const patches = new Patches({
      store,
      counts,
      uncovered,
      patchBytes: settings.replicaSizes.patchBytes,
      positionText: (index) => `${records.logName}:${index}`,
      tell: (session, patch, isNotice) => replies.tell(session, patch, isNotice),
    });
    const clients: Clients = new Clients({
      ...this.#args,
      self,
      store,
      records,
      patches,
      replies,
      uncovered,
      peers: { spread: () => channels.spread, hasAny: () => channels.count > 0 },
      tickLater: () => this.#tickLater(),
    });
    const channels: Channels = new Channels({
      ...this.#args,
      self,
      store,
      records,
      patches,
      clients,
      uncovered,
      goOnLater: () => this.#continue('feeds'),
      cover: (chains, onDone) => {
        if (compaction.cover(chains, onDone)) this.#continue('compaction');
      },
    });
    const compaction: Compaction = new Compaction(store, counts, (reason) =>
      self.log('warn', 'the database can not be compacted', { database: name, reason }),
    );
    return { store, records, clients, channels, patches, compaction, digests: new Digests(store) };
  }

  // From clients

  onTooEarly({ id }: DatabaseRequest, session: Ref): void {
    const text = 'the database is being read from disk';
    this.#replies.refuse(session, id, 'BUSY', text, { retryAfterMs: 200 });
    this.#replies.release(session, [id]);
  }

  onOpen(request: MessageOf<'openDatabase'>, session: Ref): void {
    this.#parts.clients.onOpen(request, session);
  }

  onClose(request: MessageOf<'closeDatabase'>, session: Ref): void {
    this.#parts.clients.onClose(request, session);
  }

  onSubmit(request: MessageOf<'submit'>, session: Ref): void {
    this.#parts.clients.onSubmit(request, session);
  }

  onSubscribe(request: MessageOf<'subscribe'>, session: Ref): void {
    this.#parts.clients.onSubscribe(request, session);
  }

  onNext(request: MessageOf<'next'>, session: Ref): void {
    this.#parts.clients.onNext(request, session);
  }

  onUnsubscribe(request: MessageOf<'unsubscribe'>, session: Ref): void {
    this.#parts.clients.onUnsubscribe(request, session);
  }

  onCreate({ id, options }: MessageOf<'createDatabase'>, session: Ref): void {
    const { meta } = this.#parts.records;
    const isFit =
      isSame(optionsOf(options, meta.options), meta.options) &&
      (options.peer === undefined || options.peer === meta.peer);
    if (!isFit) {
      return this.#replies.refuse(session, id, 'CONFLICT', 'the database exists with other options', {
        options: meta.options,
        peer: meta.peer,
      });
    }
    this.#replies.tell(session, { type: 'databaseInfo', id, info: this.#report() }, false);
  }

  onInspect({ id, options }: MessageOf<'inspectDatabase'>, session: Ref): void {
    if (options.digests !== true)
      return this.#replies.tell(session, { type: 'databaseInfo', id, info: this.#report() }, false);
    const { digests } = this.#parts;
    if (digests.isFull)
      return this.#replies.refuse(session, id, 'BUSY', 'digests are being computed', { retryAfterMs: 1000 });
    if (digests.ask((stateDigest) => this.#tellDigests(session, id, stateDigest))) this.#continue('digests');
  }

  onCompact({ id }: MessageOf<'compactDatabase'>, session: Ref): void {
    const { compaction, channels } = this.#parts;
    const isBegun = compaction.begin(channels.compactableEnd, () =>
      this.#replies.tell(session, { type: 'databaseInfo', id, info: this.#report() }, false),
    );
    if (!isBegun)
      return this.#replies.refuse(session, id, 'BUSY', 'the database is being compacted, or read by a new peer', {
        retryAfterMs: 1000,
      });
    this.#continue('compaction');
  }

  onTerminated({ who }: Terminated): void {
    this.#recovered?.clients.forget(who);
  }

  // From other peers

  onPeers({ peers }: Peers): ReplicaEvent | void {
    const { channels, clients } = this.#parts;
    channels.onPeers(peers);
    this.#giveWay(peers);
    this.#tickLater();
    this.#self.flushLater();
    if (peers.length > 0) return this.#self.status === 'degraded' ? 'behind' : this.#currentIfAll();
    channels.finishJoining();
    clients.onConfirmed();
    return 'alone';
  }

  onPeerMessage(message: PeerMessage): ReplicaEvent | void {
    if (!this.#parts.channels.onPeerMessage(message)) return;
    this.#self.flushLater();
    return this.#currentIfAll();
  }

  /** Two nodes that made the database at once may have drawn one peer id. The one with the higher node id draws anew. */
  #giveWay(peers: readonly OtherPeer[]): void {
    const { records, clients } = this.#parts;
    const { meta } = records;
    const rival = peers.find(({ peer, node }) => peer === meta.peer && node < this.#args.identity.node);
    if (rival === undefined) return;
    const { addresses, name } = this.#args;
    const peer = drawPeer(meta.options, new Set([meta.peer, ...peers.map((other) => other.peer)]), this.#self.random);
    if (peer === null) return;
    this.#self.log('warn', 'another peer has this peer id', { database: name, peer: meta.peer, drawn: peer });
    records.putMeta({ ...meta, peer });
    clients.onPeerId();
    const ready: ReplicaReady = { type: 'replicaReady', database: name, peer };
    addresses.databases.tell(ready, this.#self.ref);
  }

  #currentIfAll(): ReplicaEvent | void {
    if (this.#self.status !== 'catchingUp' || !this.#parts.channels.areCaughtUp) return;
    this.#parts.channels.finishJoining();
    return 'current';
  }

  // The disk

  onWritten({ fault }: Written): ReplicaEvent | void {
    const store = this.#store as ReplicaStore;
    if (!store.onWritten(fault)) {
      this.#self.log('error', 'ops can not be written; trying again', {
        database: this.#args.name,
        reason: fault ?? '',
      });
      this.#self.after(RETRY_WRITE_MS, { type: 'writeNow' });
      return this.#self.status === 'closing' ? this.#closeIfKept() : undefined;
    }
    this.#onProgress();
    this.#self.flushLater();
    if (this.#self.status !== 'closing') return;
    store.flush();
    return this.#closeIfKept();
  }

  onWriteNow(): void {
    this.#store?.retry();
    this.#self.flushLater();
  }

  // In the course of turns

  onTick(): ReplicaEvent | void {
    const { channels, clients } = this.#parts;
    this.#timer = null;
    this.#timerMs = Infinity;
    this.#isTickDue = true;
    const nowMs = this.#self.now();
    channels.tick(nowMs);
    clients.tick(nowMs);
    this.#compactByAge();
    this.#tickLater();
    this.#self.flushLater();
    return this.#currentIfAll();
  }

  onCount(_message: unknown, from: Ref): void {
    from.tell({ type: 'counters', counters: { ...this.#args.counts } }, this.#self.ref);
  }

  /** The end of a turn: what was taken in goes to the disk, and what is stored by now goes to everybody. */
  flush(): void {
    if (this.#recovered === null) return;
    const { store, channels, clients } = this.#recovered;
    if (store.log.unwrittenBytes > 0 || this.#isTickDue) channels.keepPositions();
    this.#isTickDue = false;
    store.flush();
    this.#onProgress();
    channels.flush();
    clients.flush();
  }

  end(): void {
    this.#recovered?.channels.end();
    if (this.#diskFault !== '')
      this.#self.log('error', 'the database can not be opened', { database: this.#args.name, reason: this.#diskFault });
  }

  /** More may be stored, spread or written than was told. */
  #onProgress(): void {
    if (this.#recovered === null) return;
    const { store, patches, channels, clients, compaction } = this.#recovered;
    const [from, to] = [this.#toldStored, store.stored];
    if (to > from) {
      this.#toldStored = to;
      patches.onStored(from, to);
    }
    channels.onStored();
    clients.onStored();
    if (compaction.onWritten()) this.#continue('compaction');
    clients.sayOpened();
  }

  #compactByAge(): void {
    const { store, records, channels, compaction } = this.#parts;
    const { compactAfterMs } = records.meta.options;
    const nowMs = this.#self.now();
    if (compactAfterMs === 0 || compaction.isRunning || nowMs - this.#agedMs < AGE_MS) return;
    this.#agedMs = nowMs;
    if (channels.isSendingStates) return;
    const cutoff = timeOfMs(this.#self.wallMs() - compactAfterMs);
    // Not for every op that becomes too old.
    const isWorthwhile = store.isOlder(store.log.floor, timeOfMs(this.#self.wallMs() - 1.1 * compactAfterMs));
    if (isWorthwhile && compaction.begin(store.firstSince(cutoff), () => {})) this.#continue('compaction');
  }

  // What is told

  #report(): Record<string, unknown> {
    const { store, records, clients, channels } = this.#parts;
    const { options, peer, isJoining } = records.meta;
    return {
      database: this.#args.name,
      node: this.#args.identity.node,
      peer,
      log: records.logName,
      length: store.stored,
      floor: store.log.floor,
      objects: store.log.objectCount,
      origins: store.chains.size,
      unwrittenBytes: store.log.unwrittenBytes,
      status: this.#self.status,
      isJoining,
      options,
      opens: clients.openCount,
      subscriptions: clients.subscriptionCount,
      peers: channels.reports(),
    };
  }

  #tellDigests(session: Ref, id: RequestId, stateDigest: string): void {
    const chainDigest = this.#parts.store.chains.digest();
    const info = { ...this.#report(), chainDigest, stateDigest };
    this.#replies.tell(session, { type: 'databaseInfo', id, info }, false);
  }

  /** In another turn of the event loop, so that others get theirs. */
  #continue(what: Continue['what']): void {
    this.#self.after(PAUSE_MS, { type: 'continue', what } satisfies Continue);
  }

  #tickLater(): void {
    const { channels, clients } = this.#parts;
    const delayMs = channels.count > 0 || clients.isWaiting ? TICK_MS : IDLE_TICK_MS;
    if (this.#timer !== null && this.#timerMs <= delayMs) return;
    if (this.#timer !== null) this.#self.cancel(this.#timer);
    this.#timerMs = delayMs;
    this.#timer = this.#self.after(delayMs, { type: 'tick' });
  }

  #closeIfKept(): ReplicaEvent | void {
    const store = this.#store;
    // A disk that takes nothing is not waited for.
    if (store !== null && !store.isIdle && !store.isFailing) return;
    const { ref } = this.#self;
    if (store === null) return 'kept';
    store.close((fault) => {
      if (fault !== null)
        this.#self.log('error', 'the last ops are not on disk', { database: ref.path, reason: fault });
      this.#self.signal('kept');
    });
  }
}
