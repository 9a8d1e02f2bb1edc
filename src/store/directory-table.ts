/**
 * A home's table: key hash => owner and claim number (RULES V2, O4). The entries lie side by side in slabs of integers,
 * in no order; each bucket has lists of its own, so that a bucket which moves to another home is dropped whole. What
 * grows is a slab or a bucket's heads at a time, so that no growth is a pause, and little memory is left behind: a
 * million keys cost some 35 bytes each. Invariant: per owner, count and digest are those of its entries; the bytes in
 * use never exceed the limit.
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
  /** The first entries of its lists, + 1; 0: none. An entry is in the list that its hash tells. */
  heads: Int32Array;
  count: number;
}

interface Owner {
  readonly node: NodeId;
  readonly index: number;
  readonly digest: KeyDigest;
}

/** Words of an entry: the hash (4), the owner's index, the claim's lower and upper half, the next entry + 1 or 0. */
const STRIDE_LOG2 = 3;
const ENTRY_BYTES = 4 << STRIDE_LOG2;
const OWNER = 4;
const CLAIM_LOW = 5;
const CLAIM_HIGH = 6;
const NEXT = 7;
const HIGH = 2 ** 32;
const SLAB_LOG2 = 12;
const SLAB_MASK = (1 << SLAB_LOG2) - 1;
const HEADS_MIN = 4;
/** Entries for each head, beyond which a bucket gets twice as many heads. */
const LOAD_MAX = 2;
/** What a bucket takes beside its heads. */
const BUCKET_BYTES = 160;

const NO_ENTRIES: readonly never[] = [];

/** An entry by its number, from 0 on. */
type At = number;

export class DirectoryTable {
  readonly #bytesMax: number;
  readonly #buckets: (Bucket | null)[] = Array<Bucket | null>(BUCKETS).fill(null);
  /** Entries 0 to `count` - 1. */
  readonly #slabs: Uint32Array[] = [];
  /** By index, from 1. */
  readonly #owners: (Owner | null)[] = [null];
  readonly #ownerByNode = new Map<NodeId, Owner>();
  #count = 0;
  #bucketBytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#count;
  }

  /** Memory of the entries and of what finds them. */
  get bytes(): number {
    return this.#count * ENTRY_BYTES + this.#bucketBytes;
  }

  get(hash: KeyHash): Claimed | null {
    const at = this.#find(hash);
    if (at < 0) return null;
    return { owner: (this.#owners[this.#word(at, OWNER)] as Owner).node, claim: this.#claimAt(at) };
  }

  /** Enters or changes the owner of a key. False, and nothing has changed, if there is no room for one more. */
  put(hash: KeyHash, owner: NodeId, claim: number): boolean {
    let at = this.#find(hash);
    if (at >= 0) this.#uncount(at, hash);
    else {
      at = this.#add(hash);
      if (at < 0) return false;
    }
    const record = this.#ownerOf(owner);
    this.#setWord(at, OWNER, record.index);
    this.#setWord(at, CLAIM_LOW, claim >>> 0);
    this.#setWord(at, CLAIM_HIGH, Math.floor(claim / HIGH));
    record.digest.add(hash, claim);
    return true;
  }

  /** False: there was none. */
  delete(hash: KeyHash): boolean {
    const at = this.#find(hash);
    if (at < 0) return false;
    this.#uncount(at, hash);
    this.#remove(at);
    return true;
  }

  /** Forgets all keys of a bucket, whose home is elsewhere now. */
  dropBucket(number: number): void {
    const bucket = this.#buckets[number] ?? null;
    if (bucket === null) return;
    for (let head = 0; head < bucket.heads.length; head += 1) {
      // Each removal may move another entry, perhaps the next one here.
      for (let at = bucket.heads[head] as number; at > 0; at = bucket.heads[head] as number) {
        this.#uncount(at - 1, this.#hashAt(at - 1));
        this.#remove(at - 1);
      }
    }
    this.#bucketBytes -= bucket.heads.byteLength + BUCKET_BYTES;
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
  entriesOf(number: number, node: NodeId): readonly { readonly hash: KeyHash; readonly claim: number }[] {
    const bucket = this.#buckets[number] ?? null;
    // Most are asked for by those who go through all buckets.
    if (bucket === null) return NO_ENTRIES;
    const owner = this.#ownerByNode.get(node);
    if (owner === undefined) return NO_ENTRIES;
    const entries: { hash: KeyHash; claim: number }[] = [];
    for (const head of bucket.heads) {
      for (let at = head - 1; at >= 0; at = this.#word(at, NEXT) - 1) {
        if (this.#word(at, OWNER) !== owner.index) continue;
        entries.push({ hash: this.#hashAt(at), claim: this.#claimAt(at) });
      }
    }
    return entries;
  }

  /** Below 0 if the key is not there. */
  #find(hash: KeyHash): At {
    const bucket = this.#buckets[bucketOf(hash)] ?? null;
    if (bucket === null) return -1;
    const h0 = word(hash, 0);
    const h1 = word(hash, 4);
    const h2 = word(hash, 8);
    const h3 = word(hash, 12);
    for (let at = (bucket.heads[h1 & (bucket.heads.length - 1)] as number) - 1; at >= 0;) {
      const words = this.#slabs[at >> SLAB_LOG2] as Uint32Array;
      const start = (at & SLAB_MASK) << STRIDE_LOG2;
      if (words[start + 1] === h1 && words[start] === h0 && words[start + 2] === h2 && words[start + 3] === h3)
        return at;
      at = (words[start + NEXT] as number) - 1;
    }
    return -1;
  }

  /** An entry for a key that is not there, whose owner is still to be written; below 0 where the limit forbids it. */
  #add(hash: KeyHash): At {
    const number = bucketOf(hash);
    const bucket = this.#withHeads(number);
    if (bucket === null) return -1;
    const at = this.#count;
    if (at >> SLAB_LOG2 === this.#slabs.length) this.#slabs.push(new Uint32Array(1 << (SLAB_LOG2 + STRIDE_LOG2)));
    this.#count += 1;
    bucket.count += 1;
    for (let i = 0; i < OWNER; i += 1) this.#setWord(at, i, word(hash, 4 * i));
    this.#link(bucket.heads, at);
    return at;
  }

  /** The bucket, with heads enough for one more entry, or null where the limit forbids it. */
  #withHeads(number: number): Bucket | null {
    const bucket = this.#buckets[number] ?? null;
    const heads = bucket === null ? 0 : bucket.heads.length;
    const isFull = bucket === null || bucket.count >= heads * LOAD_MAX;
    const larger = isFull ? Math.max(HEADS_MIN, heads * 2) : heads;
    const more = (larger - heads) * 4 + (bucket === null ? BUCKET_BYTES : 0);
    if (this.bytes + ENTRY_BYTES + more > this.#bytesMax) return null;
    if (!isFull) return bucket;
    this.#bucketBytes += more;
    const grown = new Int32Array(larger);
    if (bucket === null) return (this.#buckets[number] = { heads: grown, count: 0 });
    for (const head of bucket.heads) {
      for (let at = head - 1; at >= 0;) {
        const next = this.#word(at, NEXT) - 1;
        this.#link(grown, at);
        at = next;
      }
    }
    bucket.heads = grown;
    return bucket;
  }

  /** The last entry takes the place of the removed one, so that entries stay side by side. */
  #remove(at: At): void {
    const bucket = this.#bucketAt(at);
    this.#relink(bucket, at, this.#word(at, NEXT));
    bucket.count -= 1;
    this.#count -= 1;
    const last = this.#count;
    if (at !== last) {
      this.#relink(this.#bucketAt(last), last, at + 1);
      for (let i = 0; i <= NEXT; i += 1) this.#setWord(at, i, this.#word(last, i));
    }
    // One more than needed is kept, or a key that comes and goes would cost a slab each time.
    if (this.#slabs.length > (last >> SLAB_LOG2) + 2) this.#slabs.pop();
  }

  #link(heads: Int32Array, at: At): void {
    const head = this.#word(at, 1) & (heads.length - 1);
    this.#setWord(at, NEXT, heads[head] as number);
    heads[head] = at + 1;
  }

  /** Whatever leads to the entry leads to another one, or to none. */
  #relink({ heads }: Bucket, at: At, to: number): void {
    const head = this.#word(at, 1) & (heads.length - 1);
    if (heads[head] === at + 1) {
      heads[head] = to;
      return;
    }
    let before = (heads[head] as number) - 1;
    while (this.#word(before, NEXT) !== at + 1) before = this.#word(before, NEXT) - 1;
    this.#setWord(before, NEXT, to);
  }

  #uncount(at: At, hash: KeyHash): void {
    (this.#owners[this.#word(at, OWNER)] as Owner).digest.remove(hash, this.#claimAt(at));
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

  #bucketAt(at: At): Bucket {
    return this.#buckets[this.#word(at, 0) & (BUCKETS - 1)] as Bucket;
  }

  #hashAt(at: At): KeyHash {
    const hash = new Uint8Array(HASH_BYTES);
    for (let i = 0; i < OWNER; i += 1) putWord(hash, 4 * i, this.#word(at, i));
    return hash;
  }

  #claimAt(at: At): number {
    return this.#word(at, CLAIM_HIGH) * HIGH + this.#word(at, CLAIM_LOW);
  }

  #word(at: At, offset: number): number {
    return (this.#slabs[at >> SLAB_LOG2] as Uint32Array)[((at & SLAB_MASK) << STRIDE_LOG2) + offset] as number;
  }

  #setWord(at: At, offset: number, value: number): void {
    (this.#slabs[at >> SLAB_LOG2] as Uint32Array)[((at & SLAB_MASK) << STRIDE_LOG2) + offset] = value;
  }
}
