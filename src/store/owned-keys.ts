/**
 * The keys that this node owns, by bucket: with the number of each key's claim (RULES O4), and the count and digest of
 * each bucket, which are what the node states to the buckets' homes (O1). The hash of a key is not kept: it is computed
 * again where it is needed, which is when a key comes, goes or is stated.
 */
import { KeyDigest } from './key-digest.js';
import { BUCKETS, bucketOf, sameHash } from './key-hash.js';
import type { KeyHash, KeyHasher } from './key-hash.js';

/** A link in the list of its bucket. */
interface Owned {
  readonly key: string;
  claim: number;
  before: Owned | null;
  after: Owned | null;
}

export class OwnedKeys {
  readonly #hasher: KeyHasher;
  readonly #owned = new Map<string, Owned>();
  readonly #first: (Owned | null)[] = Array.from({ length: BUCKETS }, () => null);
  readonly #digests: (KeyDigest | null)[] = Array.from({ length: BUCKETS }, () => null);

  constructor(hasher: KeyHasher) {
    this.#hasher = hasher;
  }

  get count(): number {
    return this.#owned.size;
  }

  /** The number of the claim under which the key is owned, or null. */
  claimOf(key: string): number | null {
    return this.#owned.get(key)?.claim ?? null;
  }

  /** The key is owned from now on, or under another number. */
  put(key: string, hash: KeyHash, claim: number): void {
    const number = bucketOf(hash);
    const digest = this.#digestOf(number);
    const known = this.#owned.get(key);
    if (known !== undefined) {
      digest.remove(hash, known.claim);
      known.claim = claim;
    } else {
      const first = this.#first[number] ?? null;
      const owned: Owned = { key, claim, before: null, after: first };
      if (first !== null) first.before = owned;
      this.#first[number] = owned;
      this.#owned.set(key, owned);
    }
    digest.add(hash, claim);
  }

  /** The key is owned no longer: under which number it was and its hash, or null if it wasn't. */
  remove(key: string): { readonly hash: KeyHash; readonly claim: number } | null {
    const owned = this.#owned.get(key);
    if (owned === undefined) return null;
    const hash = this.#hasher.hash(key);
    const number = bucketOf(hash);
    this.#owned.delete(key);
    if (owned.before === null) this.#first[number] = owned.after;
    else owned.before.after = owned.after;
    if (owned.after !== null) owned.after.before = owned.before;
    this.#digestOf(number).remove(hash, owned.claim);
    return { hash, claim: owned.claim };
  }

  /** The owned key of this hash, or null. Takes as long as its bucket is large. */
  find(hash: KeyHash): string | null {
    for (let owned = this.#first[bucketOf(hash)] ?? null; owned !== null; owned = owned.after) {
      if (sameHash(this.#hasher.hash(owned.key), hash)) return owned.key;
    }
    return null;
  }

  /** Null: no key of the bucket is, or ever was, owned. */
  digestOf(bucket: number): KeyDigest | null {
    return this.#digests[bucket] ?? null;
  }

  /** The owned keys of a bucket, latest first. */
  entriesOf(bucket: number): { readonly key: string; readonly hash: KeyHash; readonly claim: number }[] {
    const entries: { key: string; hash: KeyHash; claim: number }[] = [];
    for (let owned = this.#first[bucket] ?? null; owned !== null; owned = owned.after) {
      entries.push({ key: owned.key, hash: this.#hasher.hash(owned.key), claim: owned.claim });
    }
    return entries;
  }

  #digestOf(bucket: number): KeyDigest {
    return (this.#digests[bucket] ??= new KeyDigest());
  }
}
