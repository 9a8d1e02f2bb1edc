/**
 * A home's table: key hash => owner and claim number (RULES V2, O4). Each bucket is an open-addressing table in one
 * array of integers, so that a bucket which moves to another home is dropped whole, and a million keys cost some 45
 * bytes each. Invariant: per owner, count and digest are those of its entries; the bytes in use never exceed the limit.
 */
import { KeyDigest } from './key-digest.js';
import { BUCKETS, HASH_BYTES, bucketOf, putWord, word } from './key-hash.js';
import type { KeyHash } from './key-hash.js';
import type { NodeId } from './node-id.js';

export interface Claimed {
  readonly owner: NodeId;
  readonly claim: number;
}

interface Bucket {
  words: Uint32Array;
  count: number;
}

interface Owner {
  readonly node: NodeId;
  readonly index: number;
  readonly digest: KeyDigest;
}

/** Words of an entry: the hash (4), the owner's index (0 = free), the claim's lower and upper half. */
const STRIDE = 7;
const OWNER = 4;
const CLAIM_LOW = 5;
const CLAIM_HIGH = 6;
const HIGH = 2 ** 32;
/** Entries of a bucket's first array. */
const FIRST_CAPACITY = 4;
const BUCKET_BYTES = 160;
/** Above this share an array becomes half as large again. */
const LOAD_MAX = 0.8;

export class DirectoryTable {
  readonly #bytesMax: number;
  readonly #buckets: (Bucket | null)[] = Array.from({ length: BUCKETS }, () => null);
  /** By index, from 1. */
  readonly #owners: (Owner | null)[] = [null];
  readonly #ownerByNode = new Map<NodeId, Owner>();
  #count = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  /** Memory of the entries' arrays. */
  get bytes(): number {
    return this.#bytes;
  }

  get(hash: KeyHash): Claimed | null {
    const bucket = this.#buckets[bucketOf(hash)] ?? null;
    const at = bucket === null ? -1 : find(bucket.words, hash);
    return bucket === null || at < 0 ? null : this.#claimed(bucket.words, at);
  }

  /** Enters or changes the owner of a key. False, and nothing has changed, if there is no room for one more. */
  put(hash: KeyHash, owner: NodeId, claim: number): boolean {
    const number = bucketOf(hash);
    let bucket = this.#buckets[number] ?? null;
    let at = bucket === null ? -1 : find(bucket.words, hash);
    if (bucket !== null && at >= 0) {
      this.#uncount(bucket.words, at, hash);
    } else {
      bucket = this.#withRoom(number, bucket);
      if (bucket === null) return false;
      at = findFree(bucket.words, hash);
      for (let i = 0; i < OWNER; i += 1) bucket.words[at + i] = word(hash, 4 * i);
      bucket.count += 1;
      this.#count += 1;
    }
    const { words } = bucket;
    const record = this.#ownerOf(owner);
    words[at + OWNER] = record.index;
    words[at + CLAIM_LOW] = claim >>> 0;
    words[at + CLAIM_HIGH] = Math.floor(claim / HIGH);
    record.digest.add(hash, claim);
    return true;
  }

  /** False: there was none. */
  delete(hash: KeyHash): boolean {
    const bucket = this.#buckets[bucketOf(hash)] ?? null;
    const at = bucket === null ? -1 : find(bucket.words, hash);
    if (bucket === null || at < 0) return false;
    this.#uncount(bucket.words, at, hash);
    closeGap(bucket.words, at);
    bucket.count -= 1;
    this.#count -= 1;
    return true;
  }

  /** Forgets all keys of a bucket, whose home is elsewhere now. */
  dropBucket(number: number): void {
    const bucket = this.#buckets[number] ?? null;
    if (bucket === null) return;
    forEachEntry(bucket.words, (at) => this.#uncount(bucket.words, at, hashAt(bucket.words, at)));
    this.#count -= bucket.count;
    this.#bytes -= bucket.words.byteLength + BUCKET_BYTES;
    this.#buckets[number] = null;
  }

  /** Forgets all keys of an owner, which is gone. */
  dropOwner(node: NodeId): void {
    const owner = this.#ownerByNode.get(node);
    if (owner === undefined) return;
    for (let number = 0; number < BUCKETS && owner.digest.count > 0; number += 1) {
      for (const { hash } of this.entriesOf(number, node)) this.delete(hash);
    }
    this.#ownerByNode.delete(node);
    this.#owners[owner.index] = null;
  }

  owners(): NodeId[] {
    return [...this.#ownerByNode.keys()];
  }

  /** Of all keys of an owner. */
  digestOf(node: NodeId): KeyDigest {
    return this.#ownerByNode.get(node)?.digest ?? new KeyDigest();
  }

  /** Of an owner's keys in one bucket. */
  bucketDigestOf(number: number, node: NodeId): KeyDigest {
    const digest = new KeyDigest();
    for (const { hash, claim } of this.entriesOf(number, node)) digest.add(hash, claim);
    return digest;
  }

  /** An owner's keys in one bucket, in no particular order. */
  entriesOf(number: number, node: NodeId): { hash: KeyHash; claim: number }[] {
    const bucket = this.#buckets[number] ?? null;
    const owner = this.#ownerByNode.get(node);
    const entries: { hash: KeyHash; claim: number }[] = [];
    if (bucket === null || owner === undefined) return entries;
    const { words } = bucket;
    forEachEntry(words, (at) => {
      if (words[at + OWNER] === owner.index) entries.push({ hash: hashAt(words, at), claim: claimAt(words, at) });
    });
    return entries;
  }

  #claimed(words: Uint32Array, at: number): Claimed {
    return { owner: (this.#owners[words[at + OWNER] as number] as Owner).node, claim: claimAt(words, at) };
  }

  #uncount(words: Uint32Array, at: number, hash: KeyHash): void {
    (this.#owners[words[at + OWNER] as number] as Owner).digest.remove(hash, claimAt(words, at));
  }

  #ownerOf(node: NodeId): Owner {
    const known = this.#ownerByNode.get(node);
    if (known !== undefined) return known;
    const free = this.#owners.indexOf(null, 1);
    const index = free < 0 ? this.#owners.length : free;
    const owner: Owner = { node, index, digest: new KeyDigest() };
    this.#owners[index] = owner;
    this.#ownerByNode.set(node, owner);
    return owner;
  }

  /** The bucket with room for one more entry, or null where the limit forbids it. */
  #withRoom(number: number, bucket: Bucket | null): Bucket | null {
    const capacity = bucket === null ? 0 : bucket.words.length / STRIDE;
    if (bucket !== null && bucket.count + 1 <= capacity * LOAD_MAX) return bucket;
    const larger = bucket === null ? FIRST_CAPACITY : Math.ceil(capacity * 1.5);
    const more = (larger - capacity) * STRIDE * 4 + (bucket === null ? BUCKET_BYTES : 0);
    if (this.#bytes + more > this.#bytesMax) return null;
    const words = new Uint32Array(larger * STRIDE);
    this.#bytes += more;
    if (bucket === null) {
      const created: Bucket = { words, count: 0 };
      this.#buckets[number] = created;
      return created;
    }
    const former = bucket.words;
    forEachEntry(former, (at) => {
      words.set(former.subarray(at, at + STRIDE), findFreeFrom(words, former[at + 1] as number));
    });
    bucket.words = words;
    return bucket;
  }
}

/** Where the entry begins, or -1. Arrays are never full, so the search ends. */
function find(words: Uint32Array, hash: KeyHash): number {
  const h0 = word(hash, 0);
  const h1 = word(hash, 4);
  const h2 = word(hash, 8);
  const h3 = word(hash, 12);
  for (let at = startOf(words, h1); words[at + OWNER] !== 0; at = nextOf(words, at)) {
    if (words[at + 1] === h1 && words[at] === h0 && words[at + 2] === h2 && words[at + 3] === h3) return at;
  }
  return -1;
}

function findFree(words: Uint32Array, hash: KeyHash): number {
  return findFreeFrom(words, word(hash, 4));
}

function findFreeFrom(words: Uint32Array, h1: number): number {
  let at = startOf(words, h1);
  while (words[at + OWNER] !== 0) at = nextOf(words, at);
  return at;
}

/** Moves entries back over a gap, so that each is still found from its start without crossing a free place. */
function closeGap(words: Uint32Array, gap: number): void {
  let free = gap;
  for (let at = nextOf(words, gap); words[at + OWNER] !== 0; at = nextOf(words, at)) {
    const start = startOf(words, words[at + 1] as number);
    // It stays if its start lies behind the gap, on the way from the gap to where it is.
    const isBehind = free <= at ? free < start && start <= at : free < start || start <= at;
    if (isBehind) continue;
    words.copyWithin(free, at, at + STRIDE);
    free = at;
  }
  words.fill(0, free, free + STRIDE);
}

function startOf(words: Uint32Array, h1: number): number {
  return (h1 % (words.length / STRIDE)) * STRIDE;
}

function nextOf(words: Uint32Array, at: number): number {
  return at + STRIDE === words.length ? 0 : at + STRIDE;
}

function forEachEntry(words: Uint32Array, visit: (at: number) => void): void {
  for (let at = 0; at < words.length; at += STRIDE) if (words[at + OWNER] !== 0) visit(at);
}

function hashAt(words: Uint32Array, at: number): KeyHash {
  const hash = new Uint8Array(HASH_BYTES);
  for (let i = 0; i < OWNER; i += 1) putWord(hash, 4 * i, words[at + i] as number);
  return hash;
}

function claimAt(words: Uint32Array, at: number): number {
  return (words[at + CLAIM_HIGH] as number) * HIGH + (words[at + CLAIM_LOW] as number);
}
