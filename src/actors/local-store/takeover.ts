/**
 * The side of the node that gets the entries of one that leaves (RULES H1). A copy is *incoming* until the key's home
 * has switched the key to this node: it has its room (K3), is neither served nor taken for absent, and requests for it
 * wait. Then it is an entry like any other, under a claim of this node's, and the giver is told so. A part of the local
 * store, not an actor of its own.
 *
 * What the home says counts under the pair under which it was asked (O2). The giver keeps its copy, and states it, until
 * it has heard that this one is active: so the key is in somebody's statement at any time, whoever vanishes meanwhile.
 */
import { decodeCopies } from '../../store/entry-copy.js';
import type { EntryCopy } from '../../store/entry-copy.js';
import type { MovingRecord } from '../../store/execution-record.js';
import { sameHash } from '../../store/key-hash.js';
import type { KeyHash } from '../../store/key-hash.js';
import type { NodeId } from '../../store/node-id.js';
import { encodePassing } from '../../store/statement.js';
import { TAKING, VERDICT } from '../../store/taking.js';
import type { Taking } from '../../store/taking.js';
import { CACHE_REQUESTS } from '../../transport/message.js';
import type { ClientReply, Key, MessageOf } from '../../transport/message.js';
import type { Members } from '../message.js';
import { samePair } from '../pair.js';
import type { Pair } from '../pair.js';
import type { Registration } from './registration.js';
import type { StoreHost } from './store-host.js';

export type ReplyRecord = MovingRecord<ClientReply>;

/** What a takeover needs of the store that it is a part of. */
export interface TakeoverHost extends StoreHost {
  hash(key: Key): KeyHash;
  /** A number for a claim, above that one: of two copies with one stamp the one with the higher number stays. */
  nextClaim(above: number): number;
  /** Neither is the key here, nor is a claim of it under way. */
  isUnknown(key: Key): boolean;
  /** What the entry will take of the room. */
  sizeOf(copy: EntryCopy): number;
  reserve(bytes: number): boolean;
  unreserve(bytes: number): void;
  /** Makes the copy an entry, in the room that was reserved for it. */
  activate(incoming: Incoming, records: readonly ReplyRecord[]): void;
}

export interface Incoming {
  readonly copy: EntryCopy;
  readonly hash: KeyHash;
  readonly claim: number;
  /** Monotonic ms of this node; 0 = never. It goes on counting while the copy waits (RULES T4). */
  readonly expiresAtMs: number;
  readonly bytes: number;
  readonly batch: Batch;
  /** Its place in the batch. */
  readonly index: number;
  state: Taking;
  /** The number of the message by which its home is being asked for it; 0: by none. */
  transfer: number;
}

/** What a giver sent at once. */
interface Batch {
  readonly giver: NodeId;
  readonly number: number;
  /** Null until they have come; of those that wait no longer, what became of them. */
  copies: (Incoming | Taking)[] | null;
  waiting: number;
  recordsDue: number;
  /** By asker and number. */
  readonly records: Map<string, ReplyRecord>;
}

interface Giver {
  incarnation: number;
  isPresent: boolean;
  /** Of batches below nothing more is to come, and what comes is late. */
  floor: number;
  readonly batches: Map<number, Batch>;
}

/** Keys that a home is asked for by one message. */
interface Transfer {
  readonly home: NodeId;
  readonly pair: Pair;
  readonly giver: NodeId;
  readonly keys: readonly Incoming[];
  sentAtMs: number;
}

const AGAIN_MS = 500;
/** Pause before a home is asked again that could not tell. */
const ASK_AGAIN_MS = 20;
const KEYS_MAX = 512;
/** A giver has fewer batches under way. */
const BATCHES_MAX = 64;
const RECORDS_MAX = 65_536;

export class Takeover {
  readonly #host: TakeoverHost;
  readonly #registration: Registration;
  readonly #givers = new Map<NodeId, Giver>();
  readonly #incoming = new Map<Key, Incoming>();
  readonly #transfers = new Map<number, Transfer>();
  /** Copies for which their home is to be asked. */
  #due: Incoming[] = [];
  #dueAtMs = Infinity;
  #lastTransfer = 0;
  #isClosed = false;
  readonly counts = { takenOver: 0, takeoversRefused: 0, takeoversVoid: 0, takeoversMalformed: 0 };

  constructor(host: TakeoverHost, registration: Registration) {
    this.#host = host;
    this.#registration = registration;
  }

  /** Copies that are not active yet. */
  get count(): number {
    return this.#incoming.size;
  }

  isIncoming(key: Key): boolean {
    return this.#incoming.has(key);
  }

  /** This node is leaving itself: it takes nothing more. */
  close(): void {
    this.#isClosed = true;
  }

  // From the giver

  onTake(message: MessageOf<'take'>): void {
    const batch = this.#batchOf(message.from, message.number, message.floor);
    if (batch === null) return;
    if (batch.copies === null && message.copies.length > 0) {
      const copies = decodeCopies(message.copies);
      if (copies === null) {
        this.counts.takeoversMalformed += 1;
        return;
      }
      batch.recordsDue = message.records;
      batch.copies = copies.map((copy, index) => this.#take(batch, copy, index));
      this.#askWhenComplete(batch);
    }
    this.#tell(batch);
  }

  onRecord({ from, number, asker, askerIncarnation, floor, asked, key, message }: MessageOf<'record'>): void {
    const batch = this.#batchOf(from, number, 0);
    if (batch === null || batch.records.size >= RECORDS_MAX) return;
    if ((CACHE_REQUESTS as readonly string[]).includes(message.type)) {
      this.counts.takeoversMalformed += 1;
      return;
    }
    const name = `${asker} ${asked}`;
    if (batch.records.has(name)) return;
    const result = message as ClientReply;
    batch.records.set(name, { asker, incarnation: askerIncarnation, floor, number: asked, key, result });
    this.#askWhenComplete(batch);
  }

  // From the home

  onTransferred({ from, number, verdicts }: MessageOf<'transferred'>): void {
    const transfer = this.#transfers.get(number);
    if (transfer === undefined || transfer.home !== from || verdicts.length !== transfer.keys.length) return;
    this.#transfers.delete(number);
    const holds = this.#holds(transfer);
    for (const [i, incoming] of transfer.keys.entries()) {
      if (incoming.transfer !== number || incoming.state !== TAKING.waiting) continue;
      incoming.transfer = 0;
      if (holds && verdicts[i] === VERDICT.yes) this.#activate(incoming);
      else if (holds && verdicts[i] === VERDICT.no) this.#drop(incoming);
      else this.#ask(incoming, ASK_AGAIN_MS);
    }
  }

  /** The home compares copies of this key: what it has said about an incoming one before is void. */
  onFreeze(hash: KeyHash): void {
    for (const incoming of this.#incoming.values()) {
      if (incoming.transfer === 0 || !sameHash(incoming.hash, hash)) continue;
      this.counts.takeoversVoid += 1;
      incoming.transfer = 0;
      this.#ask(incoming, ASK_AGAIN_MS);
    }
  }

  // Upkeep

  onMembers({ members }: Members): void {
    const present = new Map(members.map(({ node, incarnation }) => [node, incarnation]));
    for (const [node, incarnation] of present) {
      const giver = this.#givers.get(node);
      if (giver === undefined) {
        this.#givers.set(node, { incarnation, isPresent: true, floor: 0, batches: new Map() });
      } else {
        if (giver.incarnation !== incarnation) this.#orphan(giver);
        giver.incarnation = incarnation;
        giver.isPresent = true;
      }
    }
    for (const [node, giver] of this.#givers) {
      if (present.has(node)) continue;
      this.#orphan(giver);
      giver.isPresent = false;
      if (giver.batches.size === 0) this.#givers.delete(node);
    }
    this.onPairs();
  }

  /** Homes or this node have other views: what was asked under the former ones is asked anew. */
  onPairs(): void {
    for (const [number, transfer] of this.#transfers) if (!this.#holds(transfer)) this.#askAnew(number, transfer);
  }

  /** Asks what is due, and again what was not answered. */
  remind(): void {
    const nowMs = this.#host.now();
    for (const [number, transfer] of this.#transfers) {
      if (nowMs - transfer.sentAtMs < AGAIN_MS) continue;
      if (this.#holds(transfer)) this.#send(number, transfer);
      else this.#askAnew(number, transfer);
    }
    if (this.#dueAtMs <= nowMs) this.#askDue();
    if (this.#transfers.size > 0) this.#host.remindWithin(AGAIN_MS);
    if (this.#due.length > 0) this.#host.remindWithin(Math.max(1, this.#dueAtMs - nowMs));
  }

  #batchOf(from: NodeId, number: number, floor: number): Batch | null {
    const giver = this.#givers.get(from);
    if (giver?.isPresent !== true) return null;
    if (floor > giver.floor) {
      giver.floor = floor;
      for (const [older, batch] of giver.batches) {
        if (older >= floor) continue;
        // The giver has taken these keys back.
        for (const copy of batch.copies ?? []) if (typeof copy === 'object') this.#drop(copy);
        giver.batches.delete(older);
      }
    }
    if (number < giver.floor) return null;
    const known = giver.batches.get(number);
    if (known !== undefined) return known;
    if (giver.batches.size >= BATCHES_MAX) return null;
    const batch: Batch = { giver: from, number, copies: null, waiting: 0, recordsDue: 0, records: new Map() };
    giver.batches.set(number, batch);
    return batch;
  }

  #take(batch: Batch, copy: EntryCopy, index: number): Incoming | Taking {
    const { key, ttlMs, given } = copy;
    const bytes = this.#host.sizeOf(copy);
    const isWelcome = !this.#isClosed && !this.#incoming.has(key) && this.#host.isUnknown(key);
    if (!isWelcome || !this.#host.reserve(bytes)) {
      this.counts.takeoversRefused += 1;
      return isWelcome ? TAKING.noRoom : TAKING.refused;
    }
    const expiresAtMs = ttlMs === 0 ? 0 : this.#host.now() + ttlMs;
    const [hash, claim] = [this.#host.hash(key), this.#host.nextClaim(given)];
    const state = TAKING.waiting;
    const incoming: Incoming = { copy, hash, claim, expiresAtMs, bytes, batch, index, state, transfer: 0 };
    this.#incoming.set(key, incoming);
    batch.waiting += 1;
    return incoming;
  }

  #askWhenComplete({ copies, records, recordsDue }: Batch): void {
    if (copies === null || records.size < recordsDue) return;
    for (const copy of copies) if (typeof copy === 'object' && copy.transfer === 0) this.#ask(copy, 0);
  }

  #ask(incoming: Incoming, delayMs: number): void {
    if (incoming.state !== TAKING.waiting) return;
    this.#due.push(incoming);
    this.#dueAtMs = Math.min(this.#dueAtMs, this.#host.now() + delayMs);
    this.#host.remindWithin(Math.max(1, delayMs));
  }

  #askDue(): void {
    const due = this.#due;
    this.#due = [];
    this.#dueAtMs = Infinity;
    /** By giver and home. */
    const open = new Map<string, Incoming[]>();
    const ask = (home: NodeId, pair: Pair, keys: readonly Incoming[]): void => {
      const giver = (keys[0] as Incoming).batch.giver;
      this.#lastTransfer += 1;
      for (const incoming of keys) incoming.transfer = this.#lastTransfer;
      const transfer: Transfer = { home, pair, giver, keys, sentAtMs: 0 };
      this.#transfers.set(this.#lastTransfer, transfer);
      this.#send(this.#lastTransfer, transfer);
    };
    const pairs = new Map<NodeId, Pair>();
    for (const incoming of new Set(due)) {
      if (incoming.state !== TAKING.waiting || incoming.transfer !== 0) continue;
      const home = this.#registration.homeOf(incoming.hash);
      const pair = this.#registration.pairFor(incoming.hash);
      // Where no member is a home there is nobody to ask.
      if (home === null) this.#activate(incoming);
      else if (pair === null) this.#ask(incoming, ASK_AGAIN_MS);
      else {
        pairs.set(home, pair);
        const name = `${incoming.batch.giver} ${home}`;
        const keys = open.get(name) ?? [];
        keys.push(incoming);
        open.set(name, keys);
        if (keys.length < KEYS_MAX) continue;
        open.delete(name);
        ask(home, pair, keys);
      }
    }
    for (const keys of open.values()) {
      const home = this.#registration.homeOf((keys[0] as Incoming).hash) as NodeId;
      ask(home, pairs.get(home) as Pair, keys);
    }
  }

  #askAnew(number: number, transfer: Transfer): void {
    this.#transfers.delete(number);
    for (const incoming of transfer.keys) {
      if (incoming.transfer !== number) continue;
      incoming.transfer = 0;
      this.#ask(incoming, ASK_AGAIN_MS);
    }
  }

  #holds({ home, pair, keys }: Transfer): boolean {
    const { hash } = keys[0] as Incoming;
    const present = this.#registration.homeOf(hash) === home ? this.#registration.pairFor(hash) : null;
    return present !== null && samePair(present, pair);
  }

  #activate(incoming: Incoming): void {
    const { copy, batch, bytes } = incoming;
    this.#host.unreserve(bytes);
    this.#incoming.delete(copy.key);
    const records = [...batch.records.values()].filter(({ key }) => key === copy.key);
    this.#host.activate(incoming, records);
    this.counts.takenOver += 1;
    this.#end(incoming, TAKING.active);
  }

  #drop(incoming: Incoming): void {
    if (incoming.state !== TAKING.waiting) return;
    this.#host.unreserve(incoming.bytes);
    this.#incoming.delete(incoming.copy.key);
    this.counts.takeoversRefused += 1;
    this.#end(incoming, TAKING.refused);
  }

  #end(incoming: Incoming, state: Taking): void {
    const { batch, copy } = incoming;
    incoming.state = state;
    incoming.transfer = 0;
    // The batch is remembered for longer than its values need be.
    if (batch.copies !== null) batch.copies[incoming.index] = state;
    this.#host.resume(copy.key);
    batch.waiting -= 1;
    if (batch.waiting > 0) return;
    const giver = this.#givers.get(batch.giver);
    if (giver?.isPresent === true) this.#tell(batch);
    else if (giver?.batches.delete(batch.number) === true && giver.batches.size === 0) {
      this.#givers.delete(batch.giver);
    }
  }

  /** The giver is gone, and with it what it has not sent. What has come is kept if its home knows of no other owner. */
  #orphan(giver: Giver): void {
    for (const [number, batch] of giver.batches) {
      batch.recordsDue = 0;
      this.#askWhenComplete(batch);
      if (batch.waiting === 0) giver.batches.delete(number);
    }
  }

  #send(number: number, transfer: Transfer): void {
    const { home, pair, giver, keys } = transfer;
    transfer.sentAtMs = this.#host.now();
    let floor = number;
    for (const open of this.#transfers.keys()) floor = Math.min(floor, open);
    const passing = keys.map(({ hash, copy, claim }) => ({ hash, given: copy.given, claim }));
    const head = { to: home, from: this.#host.node, hops: 1, clock: this.#host.clock() };
    this.#host.send({ type: 'transfer', ...head, ...pair, number, floor, giver, keys: encodePassing(passing) });
    this.#host.remindWithin(AGAIN_MS);
  }

  #tell({ giver, number, copies }: Batch): void {
    const states = Uint8Array.from(copies ?? [], (copy) => (typeof copy === 'object' ? copy.state : copy));
    const head = { to: giver, from: this.#host.node, hops: 1, clock: this.#host.clock() };
    this.#host.send({ type: 'taken', ...head, number, states });
  }
}
