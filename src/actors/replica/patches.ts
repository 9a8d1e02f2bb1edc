/**
 * Who wants to hear of which objects of a replica. A subscription catches up page by page, as its client asks: states of
 * what lies below the floor, then the log from there or from the client's position on; or, for a client that comes from
 * another peer and says what it holds, the objects that differ. Then it is live, and hears of what is stored as it comes.
 *
 * Invariants: ops reach a subscription in the order of the log, each stored before; `isLive` says that nothing is missing
 * (R3); those who want the same get the same bytes, which are made once.
 */
import { ItemsWriter } from '../../store/items-writer.js';
import { versionOf } from '../../store/object-version.js';
import type { ObjectVersion } from '../../store/object-version.js';
import { encodeSnapshot, partsOfName } from '../../store/op.js';
import type { LogSegment } from '../../store/oplog.js';
import type { Subscription } from '../../store/subscription.js';
import type { MessageOf, RequestId } from '../../transport/message.js';
import type { Ref } from '../runtime/kind.js';
import type { ReplicaCounts } from './counts.js';
import type { ReplicaStore } from './store.js';
import type { Uncovered } from './uncovered.js';

export interface PatchesReplica {
  readonly store: ReplicaStore;
  readonly counts: ReplicaCounts;
  /** Of one page, or one patch. */
  readonly patchBytes: number;
  readonly uncovered: Uncovered;
  /** As the client keeps it. */
  positionText(index: number): string;
  tell(session: Ref, message: MessageOf<'patch'>, isNotice: boolean): void;
}

/** Entries and objects that one page looks at, at most. */
const LOOKS_PER_PAGE = 20_000;
/** To make a state, or to compare it, costs as much as to look at so many entries. */
const LOOKS_PER_STATE = 100;
const STATES_PER_READ = 256;
/** A single object with more ops than that is sent as its state. */
const OPS_OF_OBJECT_MAX = 64;

/** Whose subscription it is. */
export interface Subscriber {
  readonly session: Ref;
  /** It has been sent states with ops that the chains did not cover. */
  hasSeenUncovered: boolean;
}

/** One subscription of a client. */
export class ClientSubscription {
  readonly subscriber: Subscriber;
  readonly id: RequestId;
  readonly filter: Subscription;
  /** What the client holds, by object; null: it says so by its position. */
  readonly held: ReadonlyMap<string, ObjectVersion> | null;
  isLive = false;
  /** States of objects that changed at or above this index are sent. */
  above: number;
  /** Where the log begins for it. */
  next: number;
  /** The object after which states go on; null: all have been looked at. */
  after: string | null;
  /** The log's floor when those states were looked through from the first one on. */
  floor: number;
  /** With `held`: kept states up to this index have been looked at before. */
  keptAbove = -1;
  /** The number of the object with which those go on that have no kept state; null: all have been looked at. */
  object: number | null;

  constructor(
    subscriber: Subscriber,
    id: RequestId,
    filter: Subscription,
    start: { readonly index: number | null; readonly held: ReadonlyMap<string, ObjectVersion> | null },
    store: ReplicaStore,
  ) {
    this.subscriber = subscriber;
    this.id = id;
    this.filter = filter;
    this.held = start.held;
    const { floor } = store.log;
    this.floor = floor;
    if (start.held !== null) {
      // States as they are when they are looked at; what comes after this moment is sent again by the log.
      this.above = -1;
      this.next = store.stored;
      this.after = '';
      this.object = 0;
    } else {
      this.above = start.index ?? -1;
      this.next = Math.max(start.index ?? 0, floor);
      // Also where nothing was compacted here: states of another peer may have been taken in.
      this.after = (start.index ?? -1) < floor ? '' : null;
      this.object = null;
    }
  }
}

/** All live subscriptions to the same. */
interface Topic {
  readonly filter: Subscription;
  readonly subscriptions: Set<ClientSubscription>;
  readonly items: ItemsWriter;
}

export class Patches {
  readonly #replica: PatchesReplica;
  readonly #topics = new Map<string, Topic>();
  readonly #byObject = new Map<string, Topic>();
  readonly #byPattern = new Set<Topic>();
  /** Of the log as it is. */
  readonly #ofAll = new Set<Topic>();
  readonly #touched = new Set<Topic>();
  /** Subscriptions that are not live yet. */
  readonly #behind = new Set<ClientSubscription>();
  readonly #page = new ItemsWriter();
  #pageHasStates = false;

  constructor(replica: PatchesReplica) {
    this.#replica = replica;
  }

  get topicCount(): number {
    return this.#topics.size;
  }

  /** Answers with the next page under that request's id. */
  sendPage(subscription: ClientSubscription, id: RequestId): void {
    const { subscriber, filter } = subscription;
    const { store, counts, uncovered } = this.#replica;
    this.#pageHasStates = false;
    if (!subscription.isLive) {
      this.#behind.add(subscription);
      if (filter.objectName !== null) this.#addObject(subscription, filter.objectName);
      else this.#addPage(subscription);
      const isDone = subscription.after === null && subscription.object === null && subscription.next >= store.stored;
      if (isDone) this.#goLive(subscription);
    }
    if (this.#pageHasStates && uncovered.isAny) subscriber.hasSeenUncovered = true;
    counts.patches += 1;
    const { isLive } = subscription;
    // In the middle of states there is no way to say how far they have come: it would begin anew.
    const isInLog = subscription.after === null && subscription.object === null;
    const position = this.#replica.positionText(isInLog ? subscription.next : Math.max(0, subscription.above));
    this.#replica.tell(subscriber.session, { type: 'patch', id, position, isLive, items: this.#page.take() }, false);
  }

  end(subscription: ClientSubscription): void {
    this.#behind.delete(subscription);
    if (!subscription.isLive) return;
    const topic = this.#topics.get(keyOf(subscription.filter));
    if (topic === undefined || !topic.subscriptions.delete(subscription) || topic.subscriptions.size > 0) return;
    this.#topics.delete(keyOf(subscription.filter));
    const { objectName } = subscription.filter;
    if (objectName !== null) this.#byObject.delete(objectName);
    this.#byPattern.delete(topic);
    this.#ofAll.delete(topic);
  }

  /** Entries have been stored: from the one up to the other. */
  onStored(from: number, to: number): void {
    if (this.#topics.size === 0) return;
    const { log } = this.#replica.store;
    for (let index = from; index < to;) {
      const segment = log.segmentAt(index);
      if (segment === null) return;
      const end = Math.min(to, segment.index + segment.count);
      for (const topic of this.#ofAll) this.#add(topic, segment, index, end);
      if (this.#byObject.size > 0 || this.#byPattern.size > 0) this.#addByObject(segment, index, end);
      index = end;
    }
    for (const topic of this.#touched) this.#publish(topic, to);
    this.#touched.clear();
  }

  /** A state of another peer, with ops that are not in the log here. */
  onState(name: string, state: Uint8Array): void {
    const { type, id } = partsOfName(name);
    const snapshot = encodeSnapshot(type, id, state);
    const { store, uncovered } = this.#replica;
    const isUncovered = uncovered.isAny;
    // Whoever is on the way may have passed that object: it looks at all of them once more.
    for (const subscription of this.#behind) {
      if (!covers(subscription.filter, name)) continue;
      subscription.above = subscription.keptAbove = -1;
      subscription.after = '';
    }
    for (const topic of [this.#byObject.get(name), ...this.#byPattern, ...this.#ofAll]) {
      if (topic === undefined || !covers(topic.filter, name)) continue;
      topic.items.add(snapshot);
      this.#replica.counts.statesPatched += 1;
      if (isUncovered) for (const { subscriber } of topic.subscriptions) subscriber.hasSeenUncovered = true;
      this.#publish(topic, store.stored);
    }
  }

  #addByObject(segment: LogSegment, from: number, to: number): void {
    const { log } = this.#replica.store;
    for (let index = from; index < to;) {
      const object = log.objectAt(index);
      let end = index + 1;
      // What comes of one object in a row is copied at once.
      while (end < to && log.objectAt(end) === object) end += 1;
      const topic = this.#byObject.size > 0 ? this.#byObject.get(log.nameOf(object)) : undefined;
      if (topic !== undefined) this.#add(topic, segment, index, end);
      for (const other of this.#byPattern) {
        if (other.filter.covers(log.typeOf(object), log.idOf(object))) this.#add(other, segment, index, end);
      }
      index = end;
    }
  }

  /** Entries of one segment. */
  #add(topic: Topic, { index, bytes, starts }: LogSegment, from: number, to: number): void {
    topic.items.addRange(bytes, starts[from - index] as number, starts[to - index] as number, to - from);
    this.#replica.counts.opsPatched += to - from;
    if (topic.items.length >= this.#replica.patchBytes) this.#publish(topic, to);
    else this.#touched.add(topic);
  }

  #publish(topic: Topic, end: number): void {
    if (topic.items.count === 0) return;
    const items = topic.items.take();
    const position = this.#replica.positionText(end);
    for (const { subscriber, id } of topic.subscriptions) {
      this.#replica.counts.patches += 1;
      this.#replica.tell(subscriber.session, { type: 'patch', id, position, isLive: true, items }, true);
    }
  }

  #goLive(subscription: ClientSubscription): void {
    const { filter } = subscription;
    subscription.isLive = true;
    this.#behind.delete(subscription);
    subscription.next = this.#replica.store.stored;
    const present = this.#topics.get(keyOf(filter));
    if (present !== undefined) {
      present.subscriptions.add(subscription);
      return;
    }
    const topic: Topic = { filter, subscriptions: new Set([subscription]), items: new ItemsWriter() };
    this.#topics.set(keyOf(filter), topic);
    if (filter.objectName !== null) this.#byObject.set(filter.objectName, topic);
    else if (filter.isLog) this.#ofAll.add(topic);
    else this.#byPattern.add(topic);
  }

  /** All that is missing of one object: its state where that is shorter, or the only thing that is left. */
  #addObject(subscription: ClientSubscription, name: string): void {
    const { store } = this.#replica;
    const { log } = store;
    subscription.object = null;
    if (subscription.held !== null) {
      subscription.after = null;
      this.#addIfOther(subscription, name);
    } else {
      const kept = subscription.after === null ? null : store.keptState(name);
      subscription.after = null;
      const object = log.numberOf(name);
      const entries = object === undefined ? [] : log.entriesOf(object, subscription.next);
      const isShorter = entries.length > OPS_OF_OBJECT_MAX;
      if (isShorter && this.#addState(name)) subscription.next = store.stored;
      else {
        if (kept !== null && kept.index > subscription.above) this.#addSnapshot(name, kept.state);
        for (const index of entries) if (index < store.stored) this.#addEntry(index);
      }
    }
    subscription.next = store.stored;
  }

  #addPage(subscription: ClientSubscription): void {
    this.#noteCompaction(subscription);
    let looks = this.#addStates(subscription);
    looks = this.#addObjects(subscription, looks);
    if (subscription.after !== null || subscription.object !== null) return;
    const { filter } = subscription;
    const { store } = this.#replica;
    const { log } = store;
    // The floor may have risen above what was to come.
    if (subscription.next < log.floor) {
      subscription.above = subscription.next;
      subscription.after = '';
      subscription.next = log.floor;
      return;
    }
    for (; subscription.next < store.stored && looks < LOOKS_PER_PAGE; subscription.next += 1, looks += 1) {
      if (this.#page.length >= this.#replica.patchBytes) return;
      const object = log.objectAt(subscription.next);
      if (filter.isLog || filter.covers(log.typeOf(object), log.idOf(object))) this.#addEntry(subscription.next);
    }
  }

  /** Of what was to come object by object there may be kept states since the last page, and nothing else. */
  #noteCompaction(subscription: ClientSubscription): void {
    const { floor } = this.#replica.store.log;
    const { held, after, object } = subscription;
    if (held === null || (after === null && object === null) || subscription.floor >= floor) return;
    subscription.keptAbove = after === null ? subscription.floor : -1;
    subscription.after = '';
    subscription.floor = floor;
  }

  /** Kept states, in the order of their names. How many have been looked at. */
  #addStates(subscription: ClientSubscription): number {
    const { store } = this.#replica;
    let looks = 0;
    while (subscription.after !== null && looks < LOOKS_PER_PAGE) {
      const kept = store.keptStates(subscription.after, STATES_PER_READ);
      for (const { object, index, state } of kept) {
        if (this.#page.length >= this.#replica.patchBytes) return LOOKS_PER_PAGE;
        subscription.after = object;
        looks += subscription.held === null ? 1 : LOOKS_PER_STATE;
        if (!covers(subscription.filter, object)) continue;
        if (subscription.held !== null) {
          if (index > subscription.keptAbove) this.#addIfOther(subscription, object);
        } else if (index > subscription.above) this.#addSnapshot(object, state);
      }
      if (kept.length < STATES_PER_READ) subscription.after = null;
    }
    return looks;
  }

  /** Objects that the client may hold and that have no kept state. */
  #addObjects(subscription: ClientSubscription, looksSoFar: number): number {
    const { store } = this.#replica;
    const { log } = store;
    let looks = looksSoFar;
    if (subscription.after !== null) return looks;
    while (subscription.object !== null && looks < LOOKS_PER_PAGE && this.#page.length < this.#replica.patchBytes) {
      if (subscription.object >= log.objectNumbers) {
        subscription.object = null;
        break;
      }
      const name = log.nameAt(subscription.object);
      subscription.object += 1;
      looks += LOOKS_PER_STATE;
      if (name === null || !covers(subscription.filter, name)) continue;
      // Newer ones are of a compaction under way.
      const kept = store.keptState(name);
      if (kept === null || kept.index > subscription.floor) this.#addIfOther(subscription, name);
    }
    return looks;
  }

  /** The object as it is, if the client holds another version of it, or none. */
  #addIfOther({ held }: ClientSubscription, name: string): void {
    const state = this.#replica.store.stateOf(name);
    if (state === null) return;
    const theirs = held?.get(name);
    if (theirs !== undefined) {
      const ours = versionOf(state.vector);
      if (ours.count === theirs.count && ours.digest === theirs.digest) return;
    }
    this.#addSnapshot(name, state.encode());
  }

  #addState(name: string): boolean {
    const state = this.#replica.store.stateOf(name);
    if (state === null) return false;
    this.#addSnapshot(name, state.encode());
    return true;
  }

  #addSnapshot(name: string, state: Uint8Array): void {
    const { type, id } = partsOfName(name);
    this.#replica.counts.statesPatched += 1;
    this.#pageHasStates = true;
    this.#page.add(encodeSnapshot(type, id, state));
  }

  #addEntry(index: number): void {
    const segment = this.#replica.store.log.segmentAt(index);
    if (segment === null) return;
    const i = index - segment.index;
    this.#replica.counts.opsPatched += 1;
    this.#page.addRange(segment.bytes, segment.starts[i] as number, segment.starts[i + 1] as number, 1);
  }
}

const covers = (filter: Subscription, name: string): boolean => {
  if (filter.isLog) return true;
  const { type, id } = partsOfName(name);
  return filter.covers(type, id);
};

/** Equal for those who want the same. */
const keyOf = ({ type, id, prefix, isLog }: Subscription): string => JSON.stringify([type, id, prefix, isLog]);
