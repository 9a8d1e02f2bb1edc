/**
 * A database in a client's hands: the objects that it follows, what it writes to them, also without a connection, and the
 * promise that nothing written is lost or done twice (R3, R4). What it knows outlives it in a storage.
 */
import { ItemReader, objectionToName, objectName } from '../../store/op.js';
import type { Stamp } from '../../store/stamp.js';
import { versionOf } from '../../store/object-version.js';
import { parseNodeId } from '../../store/node-id.js';
import type { NodeId } from '../../store/node-id.js';
import { NO_REWRITING } from '../../store/types/replicated-type.js';
import { counter } from '../../store/types/counter.js';
import { lww } from '../../store/types/lww.js';
import { set } from '../../store/types/set.js';
import type { Bytes } from '../../transport/message.js';
import { packValue, unpackValue } from '../../transport/msgpack.js';
import { SwarmError } from '../errors.js';
import { memoryStorage } from '../storage/memory.js';
import type { KeptOp, ReplicaStorage, ReplicaStore } from '../storage/storage.js';
import type { Timers } from '../timers.js';
import { Collection } from './collection.js';
import { covers, Interests } from './interests.js';
import type { KeptInterest } from './interests.js';
import type { ObjectKind } from './object-kind.js';
import { Outbox } from './outbox.js';
import type { Rewriter } from './outbox.js';
import { handleOf, ReplicatedObject } from './replicated-object.js';
import type { ObjectHandle, ObjectHost } from './replicated-object.js';
import { Sync } from './sync.js';
import type { Filter, Interest, SyncHost, SyncStatus } from './sync.js';
import type { Upstream } from './upstream.js';

export interface DatabaseOptions {
  /** Where replicas outlive the process. Default: in memory, for as long as the client lives. */
  readonly storage?: ReplicaStorage;
  /** Name that the replica's id is to begin with, where the database's scheme has room for it. */
  readonly client?: string;
  /** Nothing is written, and no id is taken. Default false. */
  readonly readOnly?: boolean;
  /** Called when ops can't be submitted as they are: see `Database.rebase` and `discard`. They stay. */
  readonly onStuck?: (error: SwarmError) => void;
  /** Called after each change of `status`. */
  readonly onStatus?: (status: SyncStatus) => void;
  /** Called when the storage fails: what was written is in memory only. It is tried again with the next change. */
  readonly onStorageError?: (error: Error) => void;
}

/** What is common to all databases of a client. */
export interface DatabaseContext {
  readonly upstream: Upstream;
  readonly timers: Timers;
  wallMs(): number;
}

/** A kind of which nothing is known but that there is one. */
type AnyKind = ObjectKind<unknown, unknown, unknown, object>;

/** Objects that are named to another peer; what is more comes again as a whole. */
const HAVE_MAX = 10_000;
/** Types whose ops are written anew without their objects. */
const SIMPLE: ReadonlySet<string> = new Set([lww.name, counter.name, set.name]);
/** What has changed is kept at the latest after this time; what was written, at once. */
const KEEP_MS = 200;
/** So far the clock may be ahead of the peer's, which takes stamps up to a minute ahead. */
const AHEAD_MS_MAX = 30_000;

export class Database implements SyncHost, ObjectHost {
  readonly name: string;
  readonly outbox = new Outbox();
  readonly #options: DatabaseOptions;
  readonly #context: DatabaseContext;
  readonly #store: ReplicaStore;
  readonly #sync: Sync;
  readonly #kinds = new Map<string, AnyKind>();
  readonly #objects = new Map<string, ReplicatedObject>();
  readonly #interests = new Interests();
  /** States that were kept, of objects that nobody has asked for yet in this run. */
  readonly #keptStates = new Map<string, Bytes>();
  readonly #collections = new Set<Collection<unknown>>();
  /** Some interests have not been live yet. */
  #hasUnsettled = false;
  /** What was kept by an earlier run. */
  #known: ReplicaRecord | null = null;
  #peer: string | null = null;
  #storedTime = 0;
  /** Up to which op somebody waits: it gets another time where it is written anew. */
  readonly #awaited = new Set<{ time: number }>();
  #aheadMs = 0;
  #error: SwarmError | null = null;
  /** Objects that have changed since the storage was told. */
  readonly #unkept = new Set<string>();
  readonly #opsUnkept: KeptOp[] = [];
  #isKeepDue = false;
  #writesOpen = 0;
  #keepTimer: unknown = null;
  /** Of the last change that was to be kept. */
  #storageError: Error | null = null;
  #waiters: { readonly isDone: () => boolean; resolve(): void; reject(error: SwarmError): void }[] = [];
  readonly #reader = new ItemReader();

  private constructor(name: string, options: DatabaseOptions, context: DatabaseContext, store: ReplicaStore) {
    this.name = name;
    this.#options = options;
    this.#context = context;
    this.#store = store;
    this.#restore();
    const { client = null, readOnly = false } = options;
    this.#sync = new Sync(this, context.upstream, { database: name, client, isReadOnly: readOnly }, context.timers);
  }

  /** Resolves when something is known of the database: from the storage, or from a peer. */
  static async open(name: string, options: DatabaseOptions, context: DatabaseContext): Promise<Database> {
    const store = await (options.storage ?? memoryStorage()).open(name).catch((cause: Error) => {
      throw new SwarmError('UNREACHABLE', `the storage can't be opened: ${cause.message}`, { cause });
    });
    const database = new Database(name, options, context, store);
    database.#sync.start();
    if (database.outbox.grant !== null || (options.readOnly === true && store.kept.record !== null)) return database;
    try {
      await database.#until(() => database.status === 'live');
    } catch (error) {
      await database.close();
      throw error;
    }
    return database;
  }

  /** `offline`, `opening`, `live` (open at a peer), `stuck` (see `rebase`, `discard`) or `closed`. */
  get status(): SyncStatus {
    return this.#sync.status;
  }

  /** The id under which this client writes here, or null: it only reads. */
  get replica(): string | null {
    return this.outbox.grant?.replica ?? null;
  }

  /** Changes that no second peer is known to have. */
  get pendingCount(): number {
    return this.outbox.pending.length;
  }

  /**
   * An object, whether it exists yet or not. Resolves when its state is known: as a peer has it, or, without a connection,
   * as it is known here.
   */
  async object<Body, View, Payloads, Writers extends object>(
    id: string,
    kind: ObjectKind<Body, View, Payloads, Writers>,
  ): Promise<ObjectHandle<View, Writers>> {
    this.#assertOpen();
    const objection = objectionToName(kind.type.name, id);
    if (objection !== null) throw new SwarmError('BAD_REQUEST', objection);
    this.#know(kind as unknown as AnyKind);
    const interest = this.#want({ type: kind.type.name, object: id });
    const object = this.#objectOf(kind.type.name, id) as unknown as ReplicatedObject<Body, View, Payloads>;
    await this.#until(() => interest.isLive || this.status === 'offline' || this.status === 'stuck');
    return handleOf(object, kind);
  }

  /** All objects of a kind whose ids begin with `prefix`, now and as they come. Resolves as `object` does. */
  async objects<Body, View, Payloads, Writers extends object>(
    kind: ObjectKind<Body, View, Payloads, Writers>,
    prefix = '',
  ): Promise<Collection<ObjectHandle<View, Writers>>> {
    this.#assertOpen();
    this.#know(kind as unknown as AnyKind);
    const { name } = kind.type;
    const interest = this.#want(prefix === '' ? { type: name } : { type: name, prefix });
    for (const kept of this.#keptStates.keys()) {
      if (kept.startsWith(`${name}/${prefix}`)) this.#objectOf(name, kept.slice(name.length + 1));
    }
    const collection = new Collection<ObjectHandle<View, Writers>>(name, prefix, (object) =>
      handleOf(object as unknown as ReplicatedObject<Body, View, Payloads>, kind),
    );
    this.#collections.add(collection as Collection<unknown>);
    for (const object of this.#objects.values()) collection.offer(object);
    await this.#until(() => interest.isLive || this.status === 'offline' || this.status === 'stuck');
    return collection;
  }

  /**
   * For writing to an object that is not followed, as bulk imports do: its state is neither asked for nor kept. Writers
   * that look at the state see only what they themselves have written; so it is not for texts.
   */
  writer<Body, View, Payloads, Writers extends object>(
    id: string,
    kind: ObjectKind<Body, View, Payloads, Writers>,
  ): Writers {
    this.#assertOpen();
    const { type } = kind;
    const objection = objectionToName(type.name, id);
    if (objection !== null) throw new SwarmError('BAD_REQUEST', objection);
    this.#know(kind as unknown as AnyKind);
    const getAuthor = (): NodeId | null => this.author;
    return kind.writersOf({
      body: type.create(),
      get origin() {
        return getAuthor();
      },
      author: () => this.assertAuthor(),
      write: (payload) => {
        const followed = this.#followed(type.name, id);
        if (followed === null) this.#append(type.name, id, payload);
        else this.write(followed, payload);
      },
    });
  }

  /**
   * Resolves when all that has been written so far is in the storage, and so outlives this program. Rejects where the
   * storage fails; it is tried again with the next change.
   */
  async kept(): Promise<void> {
    // A write before it may have failed, and what it was to keep goes with the next.
    do await this.#keepAll();
    while (this.#storageError === null && (this.#writesOpen > 0 || this.#opsUnkept.length > 0));
    if (this.#storageError === null) return;
    const { message } = this.#storageError;
    throw new SwarmError('UNREACHABLE', `the storage can't be written: ${message}`, { cause: this.#storageError });
  }

  /** Resolves when all that has been written so far is on a peer's disk. */
  stored(): Promise<void> {
    return this.#untilAll((time) => this.#storedTime >= time || this.outbox.pending.length === 0);
  }

  /** Resolves when a second peer has all that has been written so far, so that it survives the loss of any one disk. */
  spread(): Promise<void> {
    return this.#untilAll((time) => (this.outbox.pending[0]?.time ?? Infinity) > time);
  }

  /**
   * For when `status` is `stuck`: submits what waits once more, as if it were written now. What a peer that was lost had
   * stored of it may take effect twice, should that peer come back: hence by decision only (RULES RD).
   */
  rebase(): void {
    this.#assertOpen();
    this.#sync.rebase();
  }

  /**
   * For when `status` is `stuck` over a change that no peer will take, whatever its stamp (`onStuck` has the reason, such as
   * `bad payload`): gives it up, with what waits of the same object after it, and submits the rest once more. The object
   * is as the peer has it. Tells which one it is; null: nothing waits. Throws SwarmError BAD_REQUEST where nothing is stuck.
   */
  discard(): { readonly type: string; readonly id: string } | null {
    this.#assertOpen();
    if (this.status !== 'stuck') throw new SwarmError('BAD_REQUEST', 'nothing is stuck');
    const discarded = this.#sync.discard();
    if (discarded === null) return null;
    const object = this.#objectOf(discarded.type, discarded.id);
    if (object !== null) {
      object.clear(false);
      for (const { time, type, id, payload } of this.outbox.pending) {
        const isOn = type === discarded.type && id === discarded.id;
        if (isOn) object.applyOwn({ time, origin: this.assertAuthor() }, payload);
      }
      this.#tell(object);
    }
    const name = objectName(discarded.type, discarded.id);
    this.#keptStates.delete(name);
    this.#unkept.add(name);
    this.#restart(discarded.type, discarded.id);
    this.#keepSoon(0);
    this.#settle();
    return discarded;
  }

  /** Keeps what there is, and lets go of the storage. What has not been sent is sent by the next one to open it. */
  async close(): Promise<void> {
    this.#sync.stop();
    this.#finish(new SwarmError('CLOSED', 'the database was closed'));
    await this.#keepAll();
    await this.#store.close();
  }

  // For the objects

  get author(): NodeId | null {
    return this.outbox.grant?.replica ?? null;
  }

  assertAuthor(): NodeId {
    this.#assertOpen();
    if (this.author === null) throw new SwarmError('FORBIDDEN', 'the database is open for reading only');
    return this.author;
  }

  write(object: ReplicatedObject, payload: Bytes): void {
    object.applyOwn(this.#append(object.type, object.id, payload), payload);
    this.#unkept.add(objectName(object.type, object.id));
    this.#tell(object);
  }

  // For the synchronisation

  get interests(): Iterable<Interest> {
    return this.#interests.wanted;
  }

  get peer(): string | null {
    return this.#peer;
  }

  /** By the clock of the last peer, if this client's is too far ahead of it: no peer would take such stamps. */
  wallMs(): number {
    return this.#context.wallMs() - this.#aheadMs;
  }

  /** Ops of types that nobody has asked for yet, and that need more for it than the payload, stay as they are. */
  readonly rewriter: Rewriter = (type, id, next) => {
    const object = this.#objectOf(type, id);
    if (object !== null) return object.rewriting(next);
    return type === set.name ? set.rewriting(set.create(), next) : NO_REWRITING;
  };

  get canRewrite(): boolean {
    return this.outbox.pending.every(({ type }) => this.#kinds.has(type) || SIMPLE.has(type));
  }

  onPeerTime(wallMs: number): void {
    const aheadMs = this.#context.wallMs() - wallMs;
    this.#aheadMs = aheadMs > AHEAD_MS_MAX ? aheadMs : 0;
  }

  onOpened(peer: string): void {
    if (peer !== this.#peer) this.#interests.forgetPositions();
    this.#peer = peer;
    this.#keepSoon(0);
  }

  have(interest: Interest): Bytes {
    // At the peer that it is from, the position says it all.
    const held: [string, string, number, number][] = [];
    if (interest.position === null) {
      for (const object of this.#objects.values()) {
        if (object.heldVector.size === 0 || !covers(interest.filter, object)) continue;
        const { count, digest } = versionOf(object.heldVector);
        held.push([object.type, object.id, count, digest]);
        if (held.length === HAVE_MAX) break;
      }
    }
    return packValue(held.length === 0 ? null : held);
  }

  onItems(_interest: Interest, items: Bytes): string | null {
    const count = this.#reader.open(items);
    if (count < 0) return 'items that are no array';
    const changed = new Set<ReplicatedObject>();
    for (let i = 0; i < count; i += 1) {
      const objection = this.#reader.next() ?? this.#take(changed);
      if (objection !== null) return objection;
    }
    for (const object of changed) {
      this.#unkept.add(objectName(object.type, object.id));
      this.#tell(object);
    }
    this.#keepSoon(KEEP_MS);
    return null;
  }

  onLive(_interest: Interest): void {
    this.#settleObjects();
    this.#settle();
  }

  onAcked(storedTime: number, spreadTime: number): void {
    this.#storedTime = Math.max(this.#storedTime, storedTime);
    this.outbox.noteStored(storedTime);
    if (this.outbox.drop(spreadTime)) this.#keepSoon(KEEP_MS);
    this.#settleObjects();
    this.#settle();
  }

  onStoredBefore(time: number): void {
    if (this.outbox.drop(time)) this.#keepSoon(0);
    this.#settle();
  }

  onRebased(): void {
    const origin = this.outbox.grant?.replica;
    if (origin === undefined) return;
    this.#opsUnkept.length = 0;
    this.#storedTime = this.outbox.storedTime;
    for (const last of this.#awaited) last.time = this.outbox.pending.at(-1)?.time ?? 0;
    const cleared = new Set<ReplicatedObject>();
    // The grant's former holder may have written under this id.
    const isUsed = this.outbox.settledTime > 0;
    for (const { number, op, time, type, id, payload } of this.outbox.pending) {
      this.#keepOp(number, op);
      const name = objectName(type, id);
      this.#unkept.add(name);
      const object = this.#objectOf(type, id);
      if (object === null) {
        // Nobody has asked for it in this run: whoever does gets it from the peer, and not as it was kept.
        this.#keptStates.delete(name);
        this.#restart(type, id, isUsed);
        continue;
      }
      // The former stamps go with all else, and the peer tells all else again.
      if (!cleared.has(object)) object.clear(isUsed);
      cleared.add(object);
      object.applyOwn({ time, origin }, payload);
    }
    for (const object of cleared) {
      this.#restart(object.type, object.id, isUsed);
      this.#tell(object);
    }
    this.#keepSoon(0);
  }

  onStuck(error: SwarmError): void {
    this.#options.onStuck?.(error);
    this.#settle();
  }

  onStatus(status: SyncStatus): void {
    this.#settle();
    if (status === 'closed') this.#finish(this.#error ?? new SwarmError('CLOSED', 'the client was closed'));
    this.#options.onStatus?.(status);
  }

  onRefused(error: SwarmError): void {
    this.#error = error;
    this.#finish(error);
  }

  // What is known

  #know(kind: AnyKind): void {
    if (this.#kinds.has(kind.type.name)) return;
    this.#kinds.set(kind.type.name, kind);
    this.#sync.onTypeKnown();
  }

  /** Null for a type that nobody has asked for. */
  #objectOf(type: string, id: string): ReplicatedObject | null {
    const name = objectName(type, id);
    const known = this.#objects.get(name);
    if (known !== undefined) return known;
    const kind = this.#kinds.get(type);
    if (kind === undefined) return null;
    const object = new ReplicatedObject(this, kind.type, id);
    this.#objects.set(name, object);
    const kept = this.#keptStates.get(name);
    if (kept !== undefined) object.join(kept);
    this.#keptStates.delete(name);
    if (this.#interests.isIn(type, id, ({ hasBeenLive }) => hasBeenLive)) object.settle();
    // What was written last may not be in the state that was kept.
    const origin = this.outbox.grant?.replica;
    for (const pending of this.outbox.pending) {
      if (origin === undefined || pending.type !== type || pending.id !== id) continue;
      object.applyOwn({ time: pending.time, origin }, pending.payload);
    }
    for (const collection of this.#collections) collection.offer(object);
    return object;
  }

  /** What is live is all that was written here before, if the peer has that. */
  #settleObjects(): void {
    if (!this.#hasUnsettled || this.#sync.storedHere < this.outbox.settledTime) return;
    this.#hasUnsettled = false;
    for (const interest of this.#interests.wanted) {
      if (!interest.isLive && !interest.hasBeenLive) this.#hasUnsettled = true;
      if (!interest.isLive || interest.hasBeenLive) continue;
      interest.hasBeenLive = true;
      for (const object of this.#objectsOf(interest.filter)) {
        if (!object.settle()) continue;
        this.#unkept.add(objectName(object.type, object.id));
        this.#tell(object);
      }
    }
  }

  /** Those that are here. */
  #objectsOf(filter: Filter): readonly ReplicatedObject[] {
    const { type, object } = filter;
    if (object === undefined) return [...this.#objects.values()].filter((other) => covers(filter, other));
    const known = this.#objects.get(objectName(type, object));
    return known === undefined ? [] : [known];
  }

  /**
   * The object if it is followed, or was and is kept: all that is written to it here has to be in its state, in order, or
   * what comes later would hide what came before.
   */
  #followed(type: string, id: string): ReplicatedObject | null {
    const name = objectName(type, id);
    const known = this.#objects.get(name);
    if (known !== undefined) return known;
    const isWanted = this.#interests.isIn(type, id, () => true);
    return isWanted || this.#keptStates.has(name) ? this.#objectOf(type, id) : null;
  }

  /** One more op, on its way to the storage and to the peer. Its stamp. */
  #append(type: string, id: string, payload: Bytes): Stamp {
    this.#assertOpen();
    const { number, op, time } = this.outbox.write(type, id, payload, this.wallMs());
    this.#keepOp(number, op);
    this.#keepSoon(0);
    return { time, origin: this.assertAuthor() };
  }

  #want(filter: Filter): Interest {
    const { interest, isNew } = this.#interests.want(filter);
    if (!isNew) return interest;
    this.#hasUnsettled = true;
    this.#sync.add(interest);
    return interest;
  }

  /** Reads the item under the reader. */
  #take(changed: Set<ReplicatedObject>): string | null {
    const reader = this.#reader;
    if (reader.kind !== 'op' && reader.kind !== 'snapshot') return `a ${reader.kind} among the items of a patch`;
    const object = this.#objectOf(reader.type, reader.id);
    if (object === null) return null;
    changed.add(object);
    if (reader.kind === 'snapshot') {
      const objection = object.join(reader.copyPayload());
      if (objection !== null) return objection;
      for (const [origin, time] of object.heldVector) {
        const id = parseNodeId(origin);
        if (id !== null) this.outbox.observe(id, time);
      }
      return null;
    }
    const { time, origin } = reader;
    this.outbox.observe(origin, time);
    return object.apply({ time, origin }, reader.copyPayload());
  }

  /** Follows from the beginning whatever covers the object. `isUsed`: see `ReplicatedObject.clear`. */
  #restart(type: string, id: string, isUsed = false): void {
    this.#hasUnsettled ||= isUsed;
    for (const interest of this.#interests.restart(type, id, isUsed)) {
      this.#sync.drop(interest);
      interest.isLive = false;
      this.#sync.add(interest);
    }
  }

  #tell(object: ReplicatedObject): void {
    object.tell();
    for (const collection of this.#collections) collection.tell(object);
  }

  // Promises

  #assertOpen(): void {
    if (this.status === 'closed') throw this.#error ?? new SwarmError('CLOSED', 'the database was closed');
  }

  #until(isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      if (this.status === 'closed') reject(this.#error ?? new SwarmError('CLOSED', 'the database was closed'));
      else this.#waiters.push({ isDone, resolve, reject });
    });
  }

  /** Until it is so of all that has been written so far, under whatever stamps: `isDone` is given that of the last. */
  async #untilAll(isDone: (time: number) => boolean): Promise<void> {
    const last = { time: this.outbox.pending.at(-1)?.time ?? 0 };
    this.#awaited.add(last);
    try {
      await this.#until(() => isDone(last.time));
    } finally {
      this.#awaited.delete(last);
    }
  }

  #settle(): void {
    const waiters = this.#waiters;
    this.#waiters = waiters.filter(({ isDone }) => !isDone());
    for (const waiter of waiters) if (waiter.isDone()) waiter.resolve();
  }

  #finish(error: SwarmError): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter.reject(error);
    for (const object of this.#objects.values()) object.end();
  }

  // The storage

  #restore(): void {
    const { record, ops, states } = this.#store.kept;
    for (const [name, state] of states) this.#keptStates.set(name, state);
    const known = record === null ? null : readRecord(record);
    if (known === null) return;
    this.#peer = known.peer;
    this.#interests.restore(known.interests);
    this.#known = known;
    if (known.grant !== null && this.#options.readOnly !== true) {
      this.outbox.restore(known.grant, known.lastTime, known.seen, ops);
    }
  }

  #keepSoon(afterMs: number): void {
    if (afterMs === 0) {
      // All of one tick at once.
      if (this.#isKeepDue) return;
      this.#isKeepDue = true;
      queueMicrotask(() => void this.#keepAll());
    } else this.#keepTimer ??= this.#context.timers.setTimeout(() => void this.#keepAll(), afterMs);
  }

  #keepOp(number: number, op: Bytes): void {
    this.outbox.hold(number);
    this.#opsUnkept.push({ number, op });
  }

  #keepAll(): Promise<void> {
    this.#isKeepDue = false;
    this.#context.timers.clearTimeout(this.#keepTimer);
    this.#keepTimer = null;
    const names = [...this.#unkept];
    const opsAdded = this.#opsUnkept.splice(0);
    this.#unkept.clear();
    const states = new Map<string, Bytes | null>();
    for (const name of names) {
      const object = this.#objects.get(name);
      if (object !== undefined) states.set(name, object.encode());
      else if (!this.#keptStates.has(name)) states.set(name, null);
    }
    const change = { record: this.#record(), opsAdded, opsFloor: this.outbox.floor, states };
    // What can't be kept is not to stay here for ever.
    const release = (): void => {
      const last = opsAdded.at(-1);
      if (last !== undefined && this.outbox.release(last.number)) this.#sync.proceed();
    };
    this.#writesOpen += 1;
    const written = (): void => {
      this.#writesOpen -= 1;
      // What a write before this one could not keep is tried again.
      if (this.#storageError !== null && this.#opsUnkept.length > 0) this.#keepSoon(0);
      else this.#storageError = null;
      release();
    };
    return this.#store.write(change).then(written, (error: Error) => {
      this.#writesOpen -= 1;
      this.#storageError = error;
      // Nothing of it is kept: it goes with the next.
      for (const name of names) this.#unkept.add(name);
      this.#opsUnkept.unshift(...opsAdded.filter(({ number }) => number >= this.outbox.floor));
      this.#options.onStorageError?.(error);
      release();
    });
  }

  #record(): Bytes {
    // Who only reads leaves what is to be written as it is.
    const { grant, lastTime, seen } = (this.#options.readOnly === true ? this.#known : null) ?? this.outbox;
    return packValue([
      this.#peer,
      grant === null ? null : [grant.replica, grant.fromTime, grant.untilTime],
      lastTime,
      this.#interests.encode(),
      [...seen],
    ]);
  }
}

interface ReplicaRecord {
  readonly peer: string | null;
  readonly grant: { replica: NonNullable<ReturnType<typeof parseNodeId>>; fromTime: number; untilTime: number } | null;
  readonly lastTime: number;
  readonly interests: readonly KeptInterest[];
  readonly seen: ReadonlyMap<NodeId, number>;
}

/** Null for what another version has kept. */
function readRecord(bytes: Bytes): ReplicaRecord | null {
  try {
    const [peer, grant, lastTime, interests, seen] = unpackValue(bytes) as [
      string | null,
      [string, number, number] | null,
      number,
      KeptInterest[],
      [NodeId, number][] | undefined,
    ];
    const replica = grant === null ? null : parseNodeId(grant[0]);
    return {
      peer,
      grant: grant === null || replica === null ? null : { replica, fromTime: grant[1], untilTime: grant[2] },
      lastTime,
      interests,
      seen: new Map(seen),
    };
  } catch {
    return null;
  }
}
