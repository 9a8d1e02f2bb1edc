/**
 * A replica: one database at one peer. It owns the log, lets clients in, gives and takes what other peers have, and keeps
 * all of it; the rooms of this actor know how: replica-store.ts what is kept, replica-client.ts ops of clients,
 * replica-patches.ts what clients hear, replica-feed.ts other peers, replica-compaction.ts what is given up.
 *
 * Invariants (R1): what is taken in during a turn is written at its end, and only when it is stored it is relayed and
 * acknowledged, in the order of the log; a turn costs one write and one message for each peer and subscription at most.
 */
import type { OpDisk, OpDisks } from '../disk/op-disk.js';
import { drawNodeId } from '../store/node-id.js';
import type { NodeId } from '../store/node-id.js';
import { decodeIncarnations, LogIncarnations, parsePosition } from '../store/log-position.js';
import type { LogPosition } from '../store/log-position.js';
import { parseVersions } from '../store/object-version.js';
import { Subscription } from '../store/subscription.js';
import { formatTime, timeOfMs } from '../store/stamp.js';
import { forDatabaseRequests, refused } from '../transport/message.js';
import type { DatabaseReply, DatabaseRequest, MessageOf, RefusalCode, RequestId } from '../transport/message.js';
import type { Addresses } from './addresses.js';
import { drawPeer, isSame, optionsOf, parseOptions } from './database-options.js';
import type { DatabaseOptions } from './database-options.js';
import type { FeedCredit } from './feed-credit.js';
import type {
  Continue,
  DatabaseNotice,
  OtherPeer,
  Peers,
  PeerMessage,
  Released,
  ReplicaMessage,
  ReplicaReady,
  Written,
} from './message.js';
import type { PeerInfo } from './peer-info.js';
import { OpenDatabase } from './replica-client.js';
import type { ClientReplica } from './replica-client.js';
import { ReplicaCompaction } from './replica-compaction.js';
import type { ReplicaCounts } from './replica-counts.js';
import { ReplicaDigests } from './replica-digests.js';
import { Feed } from './replica-feed.js';
import type { FeedReplica } from './replica-feed.js';
import { ReplicaGrants } from './replica-grants.js';
import { replicaMachine } from './replica-machine.js';
import type { ReplicaEvent } from './replica-machine.js';
import { ClientSubscription, ReplicaPatches } from './replica-patches.js';
import { ReplicaStore } from './replica-store.js';
import { defineKind, drop, refuse, stash } from './runtime/kind.js';
import type { Ref, Self, Terminated, TimerId } from './runtime/kind.js';
import { OPENS_MAX, OPENS_PER_SESSION_MAX, SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_PER_SESSION_MAX } from './settings.js';
import type { Identity, Settings } from './settings.js';

interface Args {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
  readonly disks: OpDisks;
  readonly name: string;
  /** What the database is to be; null: it is on disk. */
  readonly creation: { readonly options: DatabaseOptions; readonly peer: string; readonly isJoining: boolean } | null;
  readonly counts: ReplicaCounts;
  readonly credit: FeedCredit;
}

/** The record of what the database is, and which of its peers this one is. */
interface Meta {
  readonly options: DatabaseOptions;
  readonly peer: string;
  /** Other peers had more when it was made, and not all of that is here yet. */
  readonly isJoining: boolean;
}

/** What one session has here. */
interface SessionHere {
  readonly opens: Map<RequestId, OpenDatabase>;
  readonly subscriptions: Map<RequestId, OpenDatabase>;
}

/** An `opened` that waits for the grant to be on disk. */
interface Opening {
  readonly open: OpenDatabase;
  readonly number: number;
  readonly info: Readonly<Record<string, unknown>>;
}

const META_RECORD = 'meta';
const TABLE_RECORD = 'log';
const ABSORBING_RECORD = 'absorbing';
const POSITION_RECORDS = 'position:';
const TICK_MS = 250;
/** While nobody is waiting for anything. */
const IDLE_TICK_MS = 60_000;
/** How often it is looked whether ops have become too old. */
const AGE_MS = 5000;
/** Between two slices of what takes many turns. */
const PAUSE_MS = 1;
const RETRY_WRITE_MS = 1000;
const ENTRIES_PER_SLICE = 10_000;
const CHANNELS_PER_MS = 1024;

export class Replica {
  readonly #self: Self<ReplicaMessage, ReplicaEvent>;
  readonly #args: Args;
  #disk: OpDisk | null = null;
  #diskFault = '';
  #meta: Meta | null = null;
  #hasRecords = false;
  #store: ReplicaStore | null = null;
  #table: LogIncarnations | null = null;
  #grants: ReplicaGrants | null = null;
  #patches: ReplicaPatches | null = null;
  #compaction: ReplicaCompaction | null = null;
  #digests: ReplicaDigests | null = null;

  readonly #sessions = new Map<Ref, SessionHere>();
  #openCount = 0;
  #subscriptionCount = 0;
  readonly #byOrigin = new Map<NodeId, Set<OpenDatabase>>();
  #openings: Opening[] = [];
  /** Open databases with ops that wait, with ops not stored, not spread, with something to be told after the turn. */
  readonly #waiting = new Set<OpenDatabase>();
  readonly #unanswered = new Set<OpenDatabase>();
  readonly #unspread = new Set<OpenDatabase>();
  readonly #touched = new Set<OpenDatabase>();
  #clientReplica: ClientReplica | null = null;

  readonly #feeds = new Map<NodeId, Feed>();
  #feedReplica: FeedReplica | null = null;
  #absorber: Feed | null = null;
  #absorbing: PeerInfo['absorbing'] = null;
  /** Feeds begin anew in the next turn: the log has another incarnation. */
  #isRenewed = false;
  #confirmed = 0;
  #lastChannel: number;
  #toldStored = 0;
  #isPumping = false;
  #isTickDue = false;
  #timer: TimerId | null = null;
  #timerMs = Infinity;
  #agedMs = -Infinity;

  constructor(self: Self<ReplicaMessage, ReplicaEvent>, args: Args) {
    this.#self = self;
    this.#args = args;
    this.#lastChannel = args.identity.incarnation * CHANNELS_PER_MS;
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
    const [store, table] = [this.#store, this.#table];
    return store === null || table === null ? null : { store, table, peerCount: this.#feeds.size };
  }

  // Commands

  recover(): ReplicaEvent | void {
    const { identity, creation, counts, name } = this.#args;
    const disk = this.#disk as OpDisk;
    const kept = decodeRecord(disk.record(META_RECORD));
    const options = kept === null ? null : parseOptions((kept['options'] ?? {}) as Record<string, unknown>);
    this.#hasRecords = options !== null;
    this.#meta =
      kept === null || options === null
        ? creation
        : { options, peer: String(kept['peer']), isJoining: kept['isJoining'] === true };
    if (this.#meta === null) {
      this.#self.log('error', 'the database is not there or was never finished', { database: name });
      return 'fail';
    }
    const { ref } = this.#self;
    const store = new ReplicaStore(disk, this.#meta.options.isRelaxed, counts, {
      written: (fault) => void ref.tell({ type: 'written', fault } satisfies Written, ref),
    });
    this.#store = store;
    this.#self.log('debug', 'recovering', { database: name, node: identity.node, entries: disk.length - disk.floor });
    this.#continue('recovery');
  }

  /** Everything that was taken in is to be on disk, and then the disk is let go of. */
  keepAll(): ReplicaEvent | void {
    for (const { opens } of this.#sessions.values()) {
      for (const open of opens.values())
        this.#notify(open.session, { type: 'closed', id: open.id, reason: 'the peer stops' });
    }
    this.#sessions.clear();
    this.#keepPositions();
    this.#store?.flush();
    return this.#closeIfKept();
  }

  // Recovery

  onContinue({ what }: Continue): ReplicaEvent | void {
    switch (what) {
      case 'recovery':
        return this.#recoverMore();
      case 'compaction':
        if (this.#compaction?.goOn() === true) this.#continue('compaction');
        break;
      case 'digests':
        if (this.#digests?.goOn() === true) this.#continue('digests');
        break;
      case 'feeds':
        this.#isPumping = false;
        for (const feed of this.#feeds.values()) feed.pump(false);
        break;
    }
    this.#self.flushLater();
  }

  // From clients

  onTooEarly({ id }: DatabaseRequest, session: Ref): void {
    this.#tell(session, refused(id, 'BUSY', 'the database is being read from disk', { retryAfterMs: 200 }), false);
    this.#release(session, [id]);
  }

  onOpen(request: MessageOf<'openDatabase'>, session: Ref): void {
    const { id, options } = request;
    const meta = this.#meta as Meta;
    const store = this.#store as ReplicaStore;
    if (meta.isJoining) {
      this.#release(session, [id]);
      return this.#refuse(session, id, 'BUSY', 'this peer does not have all of the database yet', {
        retryAfterMs: 500,
      });
    }
    const here = this.#sessions.get(session);
    if (this.#openCount >= OPENS_MAX || (here?.opens.size ?? 0) >= OPENS_PER_SESSION_MAX) {
      this.#release(session, [id]);
      return this.#refuse(session, id, 'BUSY', 'too many open databases', { max: OPENS_PER_SESSION_MAX });
    }
    const grants = this.#grants as ReplicaGrants;
    const granted = options.readOnly === true ? null : grants.open(options, this.#self.wallMs());
    if (granted !== null && 'refusal' in granted) {
      this.#release(session, [id]);
      return this.#refuse(session, id, 'FORBIDDEN', granted.refusal, { name: granted.name });
    }
    const open = new OpenDatabase(this.#clientReplica as ClientReplica, session, id, granted?.replica ?? null);
    this.#addOpen(open);
    const { identity } = this.#args;
    const former = options.replica !== undefined && options.replica !== open.origin ? options.replica : null;
    const info = {
      replica: open.origin,
      // What is here of the chain that the client can't go on with.
      formerTime: former === null ? null : textOf(store.chains.lastTime(former as NodeId)),
      scheme: meta.options.scheme,
      isShared: meta.options.isShared,
      types: meta.options.types,
      fromTime: textOf(granted?.fromTime ?? 0),
      untilTime: textOf(granted?.untilTime ?? 0),
      peer: meta.peer,
      node: identity.node,
      log: this.#logName,
    };
    this.#openings.push({ open, number: store.number, info });
    if (granted === null) this.#sayOpened();
    this.#self.flushLater();
  }

  onClose({ id, open: openId }: MessageOf<'closeDatabase'>, session: Ref): void {
    const open = this.#sessions.get(session)?.opens.get(openId);
    if (open === undefined) return this.#refuseScope(session, id);
    this.#release(session, [openId, ...open.subscriptions.keys()]);
    this.#removeOpen(open);
    this.#tell(session, { type: 'closed', id, reason: null }, false);
  }

  onSubmit(request: MessageOf<'submit'>, session: Ref): void {
    const open = this.#sessions.get(session)?.opens.get(request.open);
    if (open === undefined) return this.#refuseScope(session, request.id);
    open.onSubmit(request);
    if (open.isWaiting) this.#waiting.add(open);
    this.#tickLater();
    this.#touch(open);
  }

  onSubscribe(request: MessageOf<'subscribe'>, session: Ref): void {
    const { id, options, have } = request;
    const here = this.#sessions.get(session);
    const open = here?.opens.get(request.open);
    const refuseAs = (code: RefusalCode, text: string, info: Readonly<Record<string, unknown>> | null = null): void => {
      this.#release(session, [id]);
      this.#refuse(session, id, code, text, info);
    };
    if (here === undefined || open === undefined) return refuseAs('FORBIDDEN', NO_OPEN, { name: 'wrong scope' });
    if (here.subscriptions.size >= SUBSCRIPTIONS_PER_SESSION_MAX || this.#subscriptionCount >= SUBSCRIPTIONS_MAX) {
      return refuseAs('BUSY', 'too many subscriptions', { max: SUBSCRIPTIONS_PER_SESSION_MAX });
    }
    const filter = Subscription.of(options);
    if (typeof filter === 'string') return refuseAs('BAD_REQUEST', filter);
    const held = parseVersions(have);
    if (held === 'bad')
      return refuseAs('BAD_REQUEST', 'have: nil or an array of [type, id, count, digest] is expected');
    const position = options.position === undefined ? null : parsePosition(options.position);
    if (position === null && options.position !== undefined)
      return refuseAs('BAD_REQUEST', 'position: log:index is expected');
    const store = this.#store as ReplicaStore;
    // States of another peer that are being taken in have no place in the log yet: whoever comes meanwhile gets all.
    const isWhole = position === null || this.#absorbing !== null;
    const index = isWhole ? null : (this.#table as LogIncarnations).resolve(position, store.stored);
    // A position of this peer says all; what the client names object by object is for those that come from elsewhere.
    const start = { index, held: index === null ? held : null };
    const subscription = new ClientSubscription(session, id, filter, start, store);
    here.subscriptions.set(id, open);
    open.subscriptions.set(id, subscription);
    this.#subscriptionCount += 1;
    (this.#patches as ReplicaPatches).sendPage(subscription, id);
  }

  onNext({ id, subscription: of }: MessageOf<'next'>, session: Ref): void {
    const subscription = this.#sessions.get(session)?.subscriptions.get(of)?.subscriptions.get(of);
    if (subscription === undefined) return this.#refuseScope(session, id);
    (this.#patches as ReplicaPatches).sendPage(subscription, id);
  }

  onUnsubscribe({ id, subscription: of }: MessageOf<'unsubscribe'>, session: Ref): void {
    const here = this.#sessions.get(session);
    const subscription = here?.subscriptions.get(of)?.subscriptions.get(of);
    if (here !== undefined && subscription !== undefined) {
      this.#patches?.end(subscription);
      here.subscriptions.get(of)?.subscriptions.delete(of);
      here.subscriptions.delete(of);
      this.#subscriptionCount -= 1;
      this.#release(session, [of]);
    }
    this.#tell(session, { type: 'unsubscribed', id }, false);
  }

  onCreate({ id, options }: MessageOf<'createDatabase'>, session: Ref): void {
    const meta = this.#meta as Meta;
    const isFit =
      isSame(optionsOf(options, meta.options), meta.options) &&
      (options.peer === undefined || options.peer === meta.peer);
    if (!isFit) {
      return this.#refuse(session, id, 'CONFLICT', 'the database exists with other options', {
        options: meta.options,
        peer: meta.peer,
      });
    }
    this.#tell(session, { type: 'databaseInfo', id, info: this.#report() }, false);
  }

  onInspect({ id, options }: MessageOf<'inspectDatabase'>, session: Ref): void {
    if (options.digests !== true) return this.#tell(session, { type: 'databaseInfo', id, info: this.#report() }, false);
    const digests = this.#digests as ReplicaDigests;
    if (digests.isFull) return this.#refuse(session, id, 'BUSY', 'digests are being computed', { retryAfterMs: 1000 });
    if (digests.ask((stateDigest) => this.#tellDigests(session, id, stateDigest))) this.#continue('digests');
  }

  onCompact({ id }: MessageOf<'compactDatabase'>, session: Ref): void {
    const compaction = this.#compaction as ReplicaCompaction;
    const isBegun = compaction.begin(this.#compactableEnd(), () =>
      this.#tell(session, { type: 'databaseInfo', id, info: this.#report() }, false),
    );
    if (!isBegun)
      return this.#refuse(session, id, 'BUSY', 'the database is being compacted, or read by a new peer', {
        retryAfterMs: 1000,
      });
    this.#continue('compaction');
  }

  onTerminated({ who }: Terminated): void {
    const here = this.#sessions.get(who);
    if (here === undefined) return;
    for (const open of here.opens.values()) this.#removeOpen(open);
    this.#sessions.delete(who);
  }

  // From other peers

  onPeers({ peers }: Peers): ReplicaEvent | void {
    const present = new Map(peers.map((peer) => [peer.node, peer]));
    for (const [node, feed] of this.#feeds) {
      if (present.has(node)) continue;
      feed.end();
      this.#feeds.delete(node);
      if (this.#absorber === feed) this.#absorber = null;
    }
    for (const peer of peers) this.#addFeed(peer);
    this.#giveWay(peers);
    this.#tickLater();
    this.#self.flushLater();
    if (peers.length > 0) return this.#self.status === 'degraded' ? 'behind' : this.#currentIfAll();
    this.#finishJoining();
    this.#noteConfirmed();
    return 'alone';
  }

  onPeerMessage(message: PeerMessage): ReplicaEvent | void {
    const feed = this.#feeds.get(message.from);
    if (feed === undefined) {
      this.#args.counts.strays += 1;
      return;
    }
    switch (message.type) {
      case 'peerOn':
        feed.onPeerOn(message);
        break;
      case 'feed':
        feed.onFeed(message);
        for (const open of this.#waiting) this.#goOn(open);
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
    this.#self.flushLater();
    return this.#currentIfAll();
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

  // Upkeep

  onTick(): ReplicaEvent | void {
    this.#timer = null;
    this.#timerMs = Infinity;
    this.#isTickDue = true;
    const nowMs = this.#self.now();
    for (const feed of this.#feeds.values()) feed.tick(nowMs);
    for (const open of this.#waiting) {
      open.tick(nowMs);
      this.#goOn(open);
    }
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
    const store = this.#store;
    if (store === null || this.#table === null) return;
    if (store.log.unwrittenBytes > 0 || this.#isTickDue) this.#keepPositions();
    this.#isTickDue = false;
    store.flush();
    this.#onProgress();
    if (this.#isRenewed) {
      this.#isRenewed = false;
      for (const feed of this.#feeds.values()) feed.restart();
    }
    for (const feed of this.#feeds.values()) feed.flush();
    for (const open of this.#touched) open.flush();
    this.#touched.clear();
  }

  end(): void {
    for (const feed of this.#feeds.values()) feed.end();
    if (this.#diskFault !== '')
      this.#self.log('error', 'the database can not be opened', { database: this.#args.name, reason: this.#diskFault });
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

  /** All is known: the log gets a new incarnation (RULES RE), and whoever waits is served. */
  #begin(): ReplicaEvent {
    const { counts, addresses, name } = this.#args;
    const store = this.#store as ReplicaStore;
    const meta = this.#meta as Meta;
    this.#toldStored = store.stored;
    const kept = store.record(TABLE_RECORD);
    this.#table = (kept === null ? null : decodeIncarnations(kept)) ?? new LogIncarnations();
    this.#renewLog();
    if (!this.#hasRecords) this.#putMeta(meta);
    this.#absorbing = parseAbsorbing(decodeRecord(store.record(ABSORBING_RECORD)));
    this.#grants = new ReplicaGrants(store, meta.options, meta.peer, counts, this.#self.random);
    this.#patches = new ReplicaPatches({
      store,
      counts,
      patchBytes: this.#args.settings.replicaSizes.patchBytes,
      positionText: (index) => `${this.#logName}:${index}`,
      tell: (session, patch, isNotice) => this.#tell(session, patch, isNotice),
    });
    this.#compaction = new ReplicaCompaction(store, counts, (reason) =>
      this.#self.log('warn', 'the database can not be compacted', { database: name, reason }),
    );
    this.#digests = new ReplicaDigests(store);
    this.#clientReplica = this.#forClients();
    this.#feedReplica = this.#forFeeds();
    const ready: ReplicaReady = { type: 'replicaReady', database: name, peer: meta.peer };
    addresses.databases.tell(ready, this.#self.ref);
    this.#tickLater();
    this.#self.flushLater();
    return 'recovered';
  }

  #renewLog(): void {
    const store = this.#store as ReplicaStore;
    const table = this.#table as LogIncarnations;
    table.begin(drawNodeId(this.#self.random), store.log.length);
    store.putRecord(TABLE_RECORD, table.encode());
  }

  #putMeta(meta: Meta): void {
    this.#meta = meta;
    this.#store?.putRecord(META_RECORD, encodeRecord(meta));
  }

  #finishJoining(): void {
    const meta = this.#meta as Meta;
    if (meta.isJoining && this.#absorber === null) this.#putMeta({ ...meta, isJoining: false });
  }

  /** More may be stored, spread or written than was told. */
  #onProgress(): void {
    const store = this.#store as ReplicaStore;
    const [from, to] = [this.#toldStored, store.stored];
    if (to > from) {
      this.#toldStored = to;
      this.#patches?.onStored(from, to);
    }
    for (const feed of this.#feeds.values()) {
      feed.onStored();
      feed.pump(false);
    }
    for (const open of this.#unanswered) {
      open.onStored();
      if (!open.hasUnanswered) this.#unanswered.delete(open);
      this.#touched.add(open);
    }
    if (this.#compaction?.onWritten() === true) this.#continue('compaction');
    this.#sayOpened();
  }

  #sayOpened(): void {
    const { writtenNumber } = this.#store as ReplicaStore;
    let count = 0;
    for (const { open, number, info } of this.#openings) {
      if (open.origin !== null && number > writtenNumber) break;
      count += 1;
      const times = {
        storedTime: textOf(open.storedTime),
        spreadTime: textOf(Math.min(open.storedTime, open.spreadTime)),
      };
      const clock = formatTime(timeOfMs(this.#self.wallMs()));
      if (this.#sessions.get(open.session)?.opens.get(open.id) !== open) continue;
      this.#tell(open.session, { type: 'opened', id: open.id, info: { ...info, ...times, clock } }, false);
    }
    if (count > 0) this.#openings.splice(0, count);
  }

  // Those who have the database open

  #addOpen(open: OpenDatabase): void {
    const { session, id, origin } = open;
    const here = this.#sessions.get(session);
    if (here === undefined) {
      this.#sessions.set(session, { opens: new Map([[id, open]]), subscriptions: new Map() });
      this.#self.watch(session);
    } else here.opens.set(id, open);
    this.#openCount += 1;
    if (open.isUnspread) this.#unspread.add(open);
    if (origin === null) return;
    const same = this.#byOrigin.get(origin);
    if (same === undefined) this.#byOrigin.set(origin, new Set([open]));
    else same.add(open);
  }

  #removeOpen(open: OpenDatabase): void {
    const { session, id, origin, subscriptions } = open;
    const here = this.#sessions.get(session);
    here?.opens.delete(id);
    this.#openCount -= 1;
    for (const [of, subscription] of subscriptions) {
      this.#patches?.end(subscription);
      here?.subscriptions.delete(of);
      this.#subscriptionCount -= 1;
    }
    open.end();
    for (const opens of [this.#waiting, this.#unanswered, this.#unspread, this.#touched]) opens.delete(open);
    const same = origin === null ? undefined : this.#byOrigin.get(origin);
    if (origin === null || same === undefined || !same.delete(open)) return;
    if (same.size === 0) this.#byOrigin.delete(origin);
  }

  #touch(open: OpenDatabase): void {
    this.#touched.add(open);
    if (open.hasUnanswered) this.#unanswered.add(open);
    if (open.isUnspread) this.#unspread.add(open);
    this.#self.flushLater();
  }

  #goOn(open: OpenDatabase): void {
    open.onProgress();
    if (!open.isWaiting) this.#waiting.delete(open);
    this.#touch(open);
  }

  /** Another peer has more of the log, or there is none any more. */
  #noteConfirmed(): void {
    for (const open of this.#unspread) {
      open.onConfirmed();
      if (!open.isUnspread) this.#unspread.delete(open);
      this.#touched.add(open);
    }
    this.#self.flushLater();
  }

  #forClients(): ClientReplica {
    const { counts, settings } = this.#args;
    return {
      counts,
      requestTimeoutMs: settings.requestTimeoutMs,
      store: this.#store as ReplicaStore,
      options: (this.#meta as Meta).options,
      spread: () => (this.#feeds.size === 0 ? Infinity : this.#confirmed),
      hasPeers: () => this.#feeds.size > 0,
      nowMs: () => this.#self.now(),
      wallMs: () => this.#self.wallMs(),
      objectionToTime: (origin, time) => (this.#grants as ReplicaGrants).objectionTo(origin, time),
      tell: (session, reply, isNotice) => this.#tell(session, reply, isNotice),
    };
  }

  // Other peers

  /** Two nodes that made the database at once may have drawn one peer id. The one with the higher node id draws anew. */
  #giveWay(peers: readonly OtherPeer[]): void {
    const meta = this.#meta as Meta;
    const rival = peers.find(({ peer, node }) => peer === meta.peer && node < this.#args.identity.node);
    if (rival === undefined) return;
    const { counts, addresses, name } = this.#args;
    const store = this.#store as ReplicaStore;
    const peer = drawPeer(meta.options, new Set([meta.peer, ...peers.map((other) => other.peer)]), this.#self.random);
    if (peer === null) return;
    this.#self.log('warn', 'another peer has this peer id', { database: name, peer: meta.peer, drawn: peer });
    this.#putMeta({ ...meta, peer });
    this.#grants = new ReplicaGrants(store, meta.options, peer, counts, this.#self.random);
    const ready: ReplicaReady = { type: 'replicaReady', database: name, peer };
    addresses.databases.tell(ready, this.#self.ref);
  }

  #addFeed(peer: OtherPeer): void {
    const present = this.#feeds.get(peer.node);
    if (present !== undefined) return present.setPlace(peer);
    const kept = decodeRecord((this.#store as ReplicaStore).record(`${POSITION_RECORDS}${peer.node}`));
    const position = kept === null ? null : parsePosition(`${String(kept['log'])}:${String(kept['index'])}`);
    this.#feeds.set(peer.node, new Feed(this.#feedReplica as FeedReplica, peer, position));
  }

  #keepPositions(): void {
    for (const feed of this.#feeds.values()) {
      const position = feed.takePosition();
      if (position !== null) this.#store?.putRecord(`${POSITION_RECORDS}${feed.node}`, encodeRecord(position));
    }
  }

  #currentIfAll(): ReplicaEvent | void {
    if (this.#self.status !== 'catchingUp') return;
    let count = 0;
    for (const feed of this.#feeds.values()) {
      if (!feed.isTree) continue;
      if (!feed.isCaughtUp) return;
      count += 1;
    }
    if (count === 0) return;
    this.#finishJoining();
    return 'current';
  }

  #forFeeds(): FeedReplica {
    const { identity, name, counts, credit, addresses, settings } = this.#args;
    return {
      node: identity.node,
      database: name,
      counts,
      sizes: settings.replicaSizes,
      credit,
      store: this.#store as ReplicaStore,
      options: (this.#meta as Meta).options,
      peer: () => (this.#meta as Meta).peer,
      log: () => this.#logName,
      absorbing: () => this.#absorbing,
      resume: (position: LogPosition) =>
        (this.#table as LogIncarnations).resolve(position, (this.#store as ReplicaStore).stored),
      nextChannel: () => {
        this.#lastChannel += 1;
        return this.#lastChannel;
      },
      nowMs: () => this.#self.now(),
      send: (message) => void addresses.router.tell(message, this.#self.ref),
      pumpLater: () => {
        if (this.#isPumping) return;
        this.#isPumping = true;
        this.#continue('feeds');
      },
      onConfirmed: (index) => {
        if (index <= this.#confirmed) return;
        this.#confirmed = index;
        this.#noteConfirmed();
      },
      onSpread: (origin, time) => {
        for (const open of this.#byOrigin.get(origin) ?? []) {
          open.onSpread(time);
          this.#touched.add(open);
        }
      },
      onCaughtUp: () => this.#self.flushLater(),
      beginAbsorbing: (feed) => {
        if (this.#absorber !== null && this.#absorber !== feed) return false;
        this.#absorber = feed;
        return true;
      },
      absorb: (object, state) => this.#absorb(object, state),
      endAbsorbing: (_feed, chains) => this.#endAbsorbing(chains),
      noteAbsorbing: (absorbing) => {
        this.#absorbing = absorbing;
        this.#store?.putRecord(ABSORBING_RECORD, encodeRecord(absorbing ?? {}));
      },
      say: (level, text, fields) => this.#self.log(level, text, { database: name, ...fields }),
    };
  }

  /** Joins a state of another peer with what is here. False: it is none. */
  #absorb(object: string, bytes: Uint8Array): boolean {
    const store = this.#store as ReplicaStore;
    const joined = store.joined(object, bytes);
    if (joined === null) return false;
    store.putState({ object, index: store.log.length, state: joined });
    this.#patches?.onState(object, joined);
    return true;
  }

  /** What is here now covers more than the log says: positions in it are worth nothing any more. */
  #endAbsorbing(chains: Uint8Array): void {
    const store = this.#store as ReplicaStore;
    this.#absorber = null;
    this.#absorbing = null;
    store.putRecord(ABSORBING_RECORD, null);
    store.cover(chains);
    this.#table = new LogIncarnations();
    this.#renewLog();
    this.#keepPositions();
    this.#isRenewed = true;
    for (const open of this.#waiting) this.#goOn(open);
  }

  // Compaction

  /** The log up to there can be given up without sending states to peers that are only a little behind. */
  #compactableEnd(): number {
    let end = (this.#store as ReplicaStore).stored;
    for (const feed of this.#feeds.values()) end = Math.min(end, feed.isSendingStates ? 0 : feed.needsFrom);
    return end;
  }

  #compactByAge(): void {
    const { compactAfterMs } = (this.#meta as Meta).options;
    const store = this.#store as ReplicaStore;
    const compaction = this.#compaction as ReplicaCompaction;
    const nowMs = this.#self.now();
    if (compactAfterMs === 0 || compaction.isRunning || nowMs - this.#agedMs < AGE_MS) return;
    this.#agedMs = nowMs;
    for (const feed of this.#feeds.values()) if (feed.isSendingStates) return;
    const cutoff = timeOfMs(this.#self.wallMs() - compactAfterMs);
    // Not for every op that becomes too old.
    const isWorthwhile = store.isOlder(store.log.floor, timeOfMs(this.#self.wallMs() - 1.1 * compactAfterMs));
    if (isWorthwhile && compaction.begin(store.firstSince(cutoff), () => {})) this.#continue('compaction');
  }

  // What is told

  #report(): Record<string, unknown> {
    const store = this.#store as ReplicaStore;
    const { options, peer, isJoining } = this.#meta as Meta;
    return {
      database: this.#args.name,
      node: this.#args.identity.node,
      peer,
      log: this.#logName,
      length: store.stored,
      floor: store.log.floor,
      objects: store.log.objectCount,
      origins: store.chains.size,
      unwrittenBytes: store.log.unwrittenBytes,
      status: this.#self.status,
      isJoining,
      options,
      opens: this.#openCount,
      subscriptions: this.#subscriptionCount,
      peers: [...this.#feeds.values()].map((feed) => feed.report()),
    };
  }

  #tellDigests(session: Ref, id: RequestId, stateDigest: string): void {
    const chainDigest = (this.#store as ReplicaStore).chains.digest();
    const info = { ...this.#report(), chainDigest, stateDigest };
    this.#tell(session, { type: 'databaseInfo', id, info }, false);
  }

  #tell(session: Ref, reply: DatabaseReply, isNotice: boolean): void {
    if (isNotice) this.#notify(session, reply);
    else session.tell(reply, this.#self.ref);
  }

  #notify(session: Ref, notice: DatabaseReply): void {
    session.tell({ type: 'databaseNotice', notice } satisfies DatabaseNotice, this.#self.ref);
  }

  #refuse(
    session: Ref,
    id: RequestId,
    code: RefusalCode,
    text: string,
    info: Readonly<Record<string, unknown>> | null = null,
  ): void {
    session.tell(refused(id, code, text, info), this.#self.ref);
  }

  #refuseScope(session: Ref, id: RequestId): void {
    this.#refuse(session, id, 'FORBIDDEN', NO_OPEN, { name: 'wrong scope' });
  }

  #release(session: Ref, ids: readonly RequestId[]): void {
    this.#args.addresses.databases.tell({ type: 'released', session, ids } satisfies Released, this.#self.ref);
  }

  get #logName(): NodeId {
    return (this.#table as LogIncarnations).last?.log as NodeId;
  }

  // In the course of time

  /** In another turn of the event loop, so that others get theirs. */
  #continue(what: Continue['what']): void {
    this.#self.after(PAUSE_MS, { type: 'continue', what } satisfies Continue);
  }

  #tickLater(): void {
    const delayMs = this.#feeds.size > 0 || this.#waiting.size > 0 ? TICK_MS : IDLE_TICK_MS;
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

const NO_OPEN = 'nothing is open under that id';

const parseAbsorbing = (kept: Record<string, unknown> | null): PeerInfo['absorbing'] => {
  const { peer, floor, after } = kept ?? {};
  return typeof peer === 'string' && typeof floor === 'number' && typeof after === 'string'
    ? { peer, floor, after }
    : null;
};

const textOf = (time: number): string | null => (time === 0 ? null : formatTime(time));

const toBytes = new TextEncoder();
const toText = new TextDecoder();
const encodeRecord = (record: object): Uint8Array => toBytes.encode(JSON.stringify(record));
const decodeRecord = (bytes: Uint8Array | null): Record<string, unknown> | null =>
  bytes === null ? null : (JSON.parse(toText.decode(bytes)) as Record<string, unknown>);

const on = Replica.prototype;

const ofDatabase = {
  openDatabase: on.onOpen,
  closeDatabase: on.onClose,
  submit: on.onSubmit,
  subscribe: on.onSubscribe,
  next: on.onNext,
  unsubscribe: on.onUnsubscribe,
  createDatabase: on.onCreate,
  inspectDatabase: on.onInspect,
  compactDatabase: on.onCompact,
} as const;
const ofPeers = {
  peerOn: on.onPeerMessage,
  feed: on.onPeerMessage,
  got: on.onPeerMessage,
  states: on.onPeerMessage,
  statesGot: on.onPeerMessage,
  peerOff: on.onPeerMessage,
} as const;
const noPeers = { peerOn: drop, feed: drop, got: drop, states: drop, statesGot: drop, peerOff: drop } as const;
const always = {
  peers: on.onPeers,
  writeNow: on.onWriteNow,
  written: on.onWritten,
  continue: on.onContinue,
  terminated: on.onTerminated,
  count: on.onCount,
  tick: on.onTick,
} as const;
const serving = { ...always, ...ofPeers, ...ofDatabase } as const;
const { databases: _databases, ...tooEarly } = forDatabaseRequests(on.onTooEarly);
const { databases: _stashed, ...stashed } = forDatabaseRequests(stash);
const { databases: _refused, ...refusing } = forDatabaseRequests(refuse);

export const replicaKind = defineKind({
  name: 'replica',
  machine: replicaMachine,
  create: (self: Self<ReplicaMessage, ReplicaEvent>, args: Args) => new Replica(self, args),
  tables: {
    opening: { ...always, ...noPeers, ...stashed, peers: stash, tick: drop },
    recovering: { ...always, ...noPeers, ...tooEarly, peers: stash, tick: drop },
    degraded: serving,
    catchingUp: serving,
    live: serving,
    closing: { ...always, ...noPeers, ...refusing, peers: drop, terminated: drop, tick: drop },
    closed: {
      ...noPeers,
      ...refusing,
      peers: drop,
      writeNow: drop,
      written: drop,
      continue: drop,
      terminated: drop,
      count: drop,
      tick: drop,
    },
  },
  commands: { recover: on.recover, keepAll: on.keepAll },
  mailbox: {
    capacity: 65_536,
    overflow: {
      peerOn: 'dropNew',
      feed: 'dropNew',
      got: 'dropNew',
      states: 'dropNew',
      statesGot: 'dropNew',
      peerOff: 'dropNew',
      peers: 'never',
      writeNow: 'never',
      written: 'never',
      continue: 'never',
      terminated: 'never',
      count: 'never',
      tick: 'never',
    },
  },
  refusal: (message: ReplicaMessage) =>
    'id' in message ? refused(message.id, 'BUSY', 'the database has too much to do', { retryAfterMs: 100 }) : null,
  onFlush: on.flush,
  onEnd: on.end,
});
