/**
 * The entries that this node owns, by bucket: with the number of each one's claim (RULES O4), and the count and digest
 * of each bucket, which are what the node states to the buckets' homes (O1). All of it is kept in the entries' records:
 * the claim, and the neighbours in the list of the bucket, so that owning costs no memory of its own. The hash of a key
 * is not kept: it is computed again where it is needed, which is when a key comes, goes or is stated.
 */
import { NOWHERE } from './arena.js';
import type { Place } from './arena.js';
import { KeyDigest } from './key-digest.js';
import { BUCKETS, bucketOf, sameHash } from './key-hash.js';
import type { KeyHash, KeyHasher } from './key-hash.js';
import type { Record, Records } from './record.js';

/** What was owned, and under which number. */
export interface Disowned {
  readonly hash: KeyHash;
  readonly claim: number;
}

export class OwnedKeys {
  readonly #records: Records;
  readonly #view: Record;
  readonly #hasher: KeyHasher;
  readonly #find: (key: string) => Place;
  /** By bucket; the first one's `before` is its bucket, with all bits inverted, which is below NOWHERE's successor. */
  readonly #first = new Int32Array(BUCKETS).fill(NOWHERE);
  readonly #digests: (KeyDigest | null)[] = Array<KeyDigest | null>(BUCKETS).fill(null);
  #count = 0;

  /** `find`: where the record of a key is, if there is one, though it may have expired. */
  constructor(records: Records, hasher: KeyHasher, find: (key: string) => Place) {
    this.#records = records;
    this.#view = records.createView();
    this.#hasher = hasher;
    this.#find = find;
  }

  get count(): number {
    return this.#count;
  }

  /** The number of the claim under which the key is owned, or null. */
  claimOf(key: string): number | null {
    const place = this.#find(key);
    return place === NOWHERE ? null : this.#records.look(this.#view, place).claim || null;
  }

  /** The key, of which there is an entry, is owned from now on, or under another number, which is above 0. */
  put(key: string, hash: KeyHash, claim: number): void {
    const place = this.#find(key);
    if (place === NOWHERE) throw new Error('a key without an entry can not be owned');
    const bucket = bucketOf(hash);
    const digest = (this.#digests[bucket] ??= new KeyDigest());
    const former = this.#records.look(this.#view, place).claim;
    if (former > 0) digest.remove(hash, former);
    else this.#link(place, bucket);
    this.#records.setClaim(place, claim);
    digest.add(hash, claim);
  }

  /** The key is owned no longer: under which number it was and its hash, or null if it wasn't. */
  remove(key: string): Disowned | null {
    const place = this.#find(key);
    return place === NOWHERE ? null : this.disown(place);
  }

  /** The same for the record of a key. */
  disown(place: Place): Disowned | null {
    const { claim } = this.#records.look(this.#view, place);
    if (claim === 0) return null;
    const hash = this.#view.keyHash(this.#hasher);
    this.#unlink(place);
    this.#records.setClaim(place, 0);
    this.#digests[bucketOf(hash)]?.remove(hash, claim);
    return { hash, claim };
  }

  /** The record has moved, and its neighbours do not know. */
  move(to: Place): void {
    const records = this.#records;
    if (records.look(this.#view, to).claim === 0) return;
    const before = records.before(to);
    const after = records.after(to);
    if (before < 0) this.#first[~before] = to;
    else records.setAfter(before, to);
    if (after !== NOWHERE) records.setBefore(after, to);
  }

  /** The owned key of this hash, or null. Takes as long as its bucket is large. */
  find(hash: KeyHash): string | null {
    const records = this.#records;
    for (let place = this.#first[bucketOf(hash)] as Place; place !== NOWHERE; place = records.after(place)) {
      if (sameHash(records.look(this.#view, place).keyHash(this.#hasher), hash)) return this.#view.key;
    }
    return null;
  }

  /** Null: no key of the bucket is, or ever was, owned. */
  digestOf(bucket: number): KeyDigest | null {
    return this.#digests[bucket] ?? null;
  }

  /** The owned keys of a bucket, latest first. */
  entriesOf(bucket: number): { readonly key: string; readonly hash: KeyHash; readonly claim: number }[] {
    const records = this.#records;
    const entries: { key: string; hash: KeyHash; claim: number }[] = [];
    for (let place = this.#first[bucket] as Place; place !== NOWHERE; place = records.after(place)) {
      const { key, claim } = records.look(this.#view, place);
      entries.push({ key, hash: this.#view.keyHash(this.#hasher), claim });
    }
    return entries;
  }

  #link(place: Place, bucket: number): void {
    const records = this.#records;
    const first = this.#first[bucket] as Place;
    if (first !== NOWHERE) records.setBefore(first, place);
    records.setBefore(place, ~bucket);
    records.setAfter(place, first);
    this.#first[bucket] = place;
    this.#count += 1;
  }

  #unlink(place: Place): void {
    const records = this.#records;
    const before = records.before(place);
    const after = records.after(place);
    if (before < 0) this.#first[~before] = after;
    else records.setAfter(before, after);
    if (after !== NOWHERE) records.setBefore(after, before);
    this.#count -= 1;
  }
}
