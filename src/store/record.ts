/**
 * Entries as bytes: a record is one slot of the arena, with the entry's fields, its key and its value side by side, so
 * that a read that is far from others in memory waits for memory once. A large value has a buffer of its own.
 */
import { Arena, NOWHERE, slotOf, SLOT_BYTES_MAX } from './arena.js';
import type { Place, Slab } from './arena.js';
import { BlockCopier, copyBytes } from './block-copier.js';
import { ExpiryHeap } from './expiry-heap.js';
import type { IndexHash } from './index-hash.js';
import type { KeyHash, KeyHasher } from './key-hash.js';
import type { NodeId } from './node-id.js';
import { OriginTable } from './origin-table.js';

/** An entry, read where it is stored. */
export interface Entry {
  /** Bytes of the value; 0 in a tombstone. */
  readonly valueBytes: number;
  /** The stamp: see stamp.ts. */
  readonly time: number;
  readonly origin: NodeId;
  /** Monotonic ms of the owner; 0 = never. From this moment on the entry is absent. */
  readonly expiresAtMs: number;
  /** The number of the claim under which the entry is owned; 0: it isn't. */
  readonly claim: number;
  /** There is no value: the entry tells that it was deleted. */
  readonly isTombstone: boolean;
}

/** Offsets in eights of a byte, words and bytes. What a read needs lies at the end, beside the key and the value. */
const TIME = 0;
const CLAIM = 1;
const OLDER = 4;
const NEWER = 5;
const BEFORE = 6;
const AFTER = 7;
const ORIGIN = 8;
const HEAP_INDEX = 9;
const KEY_BYTES_AND_FLAGS = 10;
const VALUE_BYTES = 11;
const HEAD_BYTES = 48;

const IS_USED = 1;
const IS_TOMBSTONE = 2;
const IS_LARGE = 4;
const FLAGS_LOG2 = 3;

/** A mark that a key begins with is part of the key. */
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** A record that was looked at. */
export class Record implements Entry {
  slab: Slab;
  /** Byte at which it begins. */
  start = 0;
  readonly #origins: OriginTable;
  readonly #expiries: ExpiryHeap;

  constructor(origins: OriginTable, expiries: ExpiryHeap) {
    this.#origins = origins;
    this.#expiries = expiries;
    this.slab = NO_SLAB;
  }

  get valueBytes(): number {
    return this.#word(VALUE_BYTES);
  }

  get time(): number {
    return this.slab.floats[(this.start >> 3) + TIME] as number;
  }

  get origin(): NodeId {
    return this.#origins.at(this.#word(ORIGIN));
  }

  get expiresAtMs(): number {
    const index = this.#word(HEAP_INDEX);
    return index < 0 ? 0 : this.#expiries.timeAt(index);
  }

  get claim(): number {
    return this.slab.floats[(this.start >> 3) + CLAIM] as number;
  }

  get isTombstone(): boolean {
    return (this.#word(KEY_BYTES_AND_FLAGS) & IS_TOMBSTONE) !== 0;
  }

  get isLarge(): boolean {
    return (this.#word(KEY_BYTES_AND_FLAGS) & IS_LARGE) !== 0;
  }

  get keyBytes(): number {
    return this.#word(KEY_BYTES_AND_FLAGS) >>> FLAGS_LOG2;
  }

  get key(): string {
    const keyStart = this.start + HEAD_BYTES;
    return utf8.decode(this.slab.bytes.subarray(keyStart, keyStart + this.keyBytes));
  }

  indexHash(hash: IndexHash): number {
    return hash.of(this.slab.bytes, this.start + HEAD_BYTES, this.keyBytes);
  }

  keyHash(hasher: KeyHasher): KeyHash {
    return hasher.hashBytes(this.slab.bytes, this.start + HEAD_BYTES, this.keyBytes);
  }

  /** What it counts for in the limits. */
  get size(): number {
    return this.keyBytes + this.valueBytes;
  }

  get isUsed(): boolean {
    return (this.#word(KEY_BYTES_AND_FLAGS) & IS_USED) !== 0;
  }

  /** A record that is read again and again is not written to. */
  markUsed(): void {
    const at = (this.start >> 2) + KEY_BYTES_AND_FLAGS;
    const word = this.slab.words[at] as number;
    if ((word & IS_USED) === 0) this.slab.words[at] = word | IS_USED;
  }

  isExpired(nowMs: number): boolean {
    const index = this.#word(HEAP_INDEX);
    return index >= 0 && this.#expiries.timeAt(index) <= nowMs;
  }

  #word(offset: number): number {
    return this.slab.words[(this.start >> 2) + offset] as number;
  }
}

const NO_SLAB: Slab = {
  bytes: new Uint8Array(0),
  words: new Int32Array(0),
  floats: new Float64Array(0),
  view: new DataView(new ArrayBuffer(0)),
  slotBytes: 0,
};

/** What is written into a record. */
export interface Content {
  /** Null in a tombstone. */
  readonly value: Uint8Array | null;
  readonly time: number;
  readonly origin: NodeId;
}

export class Records {
  /** When records expire is kept there only. */
  readonly expiries = new ExpiryHeap(this);
  readonly #arena = new Arena();
  readonly #origins = new OriginTable();
  readonly #copier = new BlockCopier();
  /** Values of large records; null where one was freed. */
  readonly #large: (Uint8Array | null)[] = [];
  readonly #largeHoles: number[] = [];
  #largeBytes = 0;

  /** Memory taken, in bytes. */
  get bytesHeld(): number {
    return this.#arena.bytesHeld + this.#largeBytes;
  }

  /** A view that `look` moves from record to record. */
  createView(): Record {
    return new Record(this.#origins, this.expiries);
  }

  look(view: Record, place: Place): Record {
    const slab = this.#arena.slab(place);
    view.slab = slab;
    view.start = slotOf(place) * slab.slotBytes;
    return view;
  }

  /** Whether the record has this key. */
  hasKey(place: Place, key: Uint8Array, keyBytes: number): boolean {
    const slab = this.#arena.slab(place);
    const { bytes } = slab;
    const start = slotOf(place) * slab.slotBytes;
    if ((slab.words[(start >> 2) + KEY_BYTES_AND_FLAGS] as number) >>> FLAGS_LOG2 !== keyBytes) return false;
    const keyStart = start + HEAD_BYTES;
    for (let i = 0; i < keyBytes; i += 1) if (bytes[keyStart + i] !== key[i]) return false;
    return true;
  }

  /** A record in no list and no heap. Takes copies. */
  create(key: Uint8Array, keyBytes: number, content: Content): Place {
    const { value } = content;
    const isLarge = value !== null && isTooLarge(keyBytes, value.length);
    const place = this.#arena.take(slotBytesFor(keyBytes, value, isLarge));
    const slab = this.#arena.slab(place);
    const start = slotOf(place) * slab.slotBytes;
    copyBytes(key, 0, keyBytes, slab.bytes, start + HEAD_BYTES);
    slab.floats[(start >> 3) + CLAIM] = 0;
    const words = start >> 2;
    slab.words[words + KEY_BYTES_AND_FLAGS] = keyBytes << FLAGS_LOG2;
    slab.words[words + OLDER] = place;
    slab.words[words + NEWER] = place;
    slab.words[words + HEAP_INDEX] = NOWHERE;
    this.#write(slab, start, keyBytes, content, isLarge);
    return place;
  }

  /**
   * Puts other content into the record, which keeps its expiry, its claim and its neighbours. Returns its place: another one, if
   * its size has changed much; whoever knows the former place must be told of it.
   */
  replace(place: Place, content: Content): Place {
    const { value } = content;
    const former = this.#arena.slab(place);
    const formerStart = slotOf(place) * former.slotBytes;
    const keyBytes = (former.words[(formerStart >> 2) + KEY_BYTES_AND_FLAGS] as number) >>> FLAGS_LOG2;
    this.#release(former, formerStart, keyBytes);
    const isLarge = value !== null && isTooLarge(keyBytes, value.length);
    const length = slotBytesFor(keyBytes, value, isLarge);
    if (this.#arena.suits(place, length)) {
      this.#write(former, formerStart, keyBytes, content, isLarge);
      return place;
    }
    const moved = this.#arena.take(length);
    const slab = this.#arena.slab(moved);
    const start = slotOf(moved) * slab.slotBytes;
    copyBytes(former.bytes, formerStart, formerStart + HEAD_BYTES + keyBytes, slab.bytes, start);
    this.#write(slab, start, keyBytes, content, isLarge);
    this.#arena.free(place);
    return moved;
  }

  free(place: Place): void {
    const slab = this.#arena.slab(place);
    const start = slotOf(place) * slab.slotBytes;
    this.#release(slab, start, (slab.words[(start >> 2) + KEY_BYTES_AND_FLAGS] as number) >>> FLAGS_LOG2);
    this.#arena.free(place);
  }

  /** The value, in bytes that stay as they are whatever becomes of the record. Not to be written to. */
  read(record: Record): Uint8Array {
    const { slab, start, keyBytes, valueBytes } = record;
    // A large value is written once, so that many replies with it need no copy each.
    if (record.isLarge) return this.#large[slab.words[largeAt(start, keyBytes)] as number] as Uint8Array;
    const valueStart = start + HEAD_BYTES + keyBytes;
    return this.#copier.copyViewed(slab.view, valueStart, valueStart + valueBytes);
  }

  setClaim(place: Place, claim: number): void {
    const slab = this.#arena.slab(place);
    slab.floats[((slotOf(place) * slab.slotBytes) >> 3) + CLAIM] = claim;
  }

  // What the lists of recency and of buckets and the heap of expiries keep with a record.

  isUsed(place: Place): boolean {
    return (this.#word(place, KEY_BYTES_AND_FLAGS) & IS_USED) !== 0;
  }

  clearUsed(place: Place): void {
    this.#setWord(place, KEY_BYTES_AND_FLAGS, this.#word(place, KEY_BYTES_AND_FLAGS) & ~IS_USED);
  }

  older(place: Place): Place {
    return this.#word(place, OLDER);
  }

  setOlder(place: Place, older: Place): void {
    this.#setWord(place, OLDER, older);
  }

  newer(place: Place): Place {
    return this.#word(place, NEWER);
  }

  setNewer(place: Place, newer: Place): void {
    this.#setWord(place, NEWER, newer);
  }

  before(place: Place): Place {
    return this.#word(place, BEFORE);
  }

  setBefore(place: Place, before: Place): void {
    this.#setWord(place, BEFORE, before);
  }

  after(place: Place): Place {
    return this.#word(place, AFTER);
  }

  setAfter(place: Place, after: Place): void {
    this.#setWord(place, AFTER, after);
  }

  heapIndex(place: Place): number {
    return this.#word(place, HEAP_INDEX);
  }

  setHeapIndex(place: Place, index: number): void {
    this.#setWord(place, HEAP_INDEX, index);
  }

  #word(place: Place, offset: number): number {
    const slab = this.#arena.slab(place);
    return slab.words[((slotOf(place) * slab.slotBytes) >> 2) + offset] as number;
  }

  #setWord(place: Place, offset: number, value: number): void {
    const slab = this.#arena.slab(place);
    slab.words[((slotOf(place) * slab.slotBytes) >> 2) + offset] = value;
  }

  #write(slab: Slab, start: number, keyBytes: number, content: Content, isLarge: boolean): void {
    const { value } = content;
    const words = start >> 2;
    slab.floats[(start >> 3) + TIME] = content.time;
    slab.words[words + ORIGIN] = this.#origins.take(content.origin);
    slab.words[words + VALUE_BYTES] = value === null ? 0 : value.length;
    const flags = (value === null ? IS_TOMBSTONE : 0) | (isLarge ? IS_LARGE : 0);
    const kept = (slab.words[words + KEY_BYTES_AND_FLAGS] as number) & ~(IS_TOMBSTONE | IS_LARGE);
    slab.words[words + KEY_BYTES_AND_FLAGS] = kept | flags;
    if (value === null) return;
    if (isLarge) slab.words[largeAt(start, keyBytes)] = this.#putLarge(value);
    else copyBytes(value, 0, value.length, slab.bytes, start + HEAD_BYTES + keyBytes);
  }

  /** Gives back what the record holds outside its slot. */
  #release(slab: Slab, start: number, keyBytes: number): void {
    this.#origins.free(slab.words[(start >> 2) + ORIGIN] as number);
    if (((slab.words[(start >> 2) + KEY_BYTES_AND_FLAGS] as number) & IS_LARGE) === 0) return;
    const index = slab.words[largeAt(start, keyBytes)] as number;
    this.#largeBytes -= (this.#large[index] as Uint8Array).length;
    this.#large[index] = null;
    this.#largeHoles.push(index);
  }

  #putLarge(value: Uint8Array): number {
    const index = this.#largeHoles.pop() ?? this.#large.length;
    this.#large[index] = value.slice();
    this.#largeBytes += value.length;
    return index;
  }
}

function isTooLarge(keyBytes: number, valueBytes: number): boolean {
  return HEAD_BYTES + keyBytes + valueBytes > SLOT_BYTES_MAX;
}

function slotBytesFor(keyBytes: number, value: Uint8Array | null, isLarge: boolean): number {
  if (isLarge) return HEAD_BYTES + ((keyBytes + 3) & ~3) + 4;
  return HEAD_BYTES + keyBytes + (value === null ? 0 : value.length);
}

/** The word that says which of the large values is a record's, behind its key. */
function largeAt(start: number, keyBytes: number): number {
  return (start + HEAD_BYTES + keyBytes + 3) >> 2;
}
