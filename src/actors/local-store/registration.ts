/**
 * The owner's side of the directory: which home knows which key, what this node has stated to the homes, and which keys
 * it owns no longer (RULES O1, O2, O5). What a home says counts under the pair of view numbers under which it was
 * asked: once either number changes, the node states anew what it owns, by count and digest, and in full only where
 * the home's table differs. A part of the local store, not an actor of its own.
 *
 * Messages are repeated until they are answered. That they may arrive twice or out of order does no harm: statements
 * count under their pair only, releases for the number they name.
 */
import { HomeMap } from '../../store/home-map.js';
import { KeyDigest } from '../../store/key-digest.js';
import { BUCKETS, bucketOf } from '../../store/key-hash.js';
import type { KeyHash } from '../../store/key-hash.js';
import type { NodeId } from '../../store/node-id.js';
import type { OwnedKeys } from '../../store/owned-keys.js';
import { decodeSummaries, encodeBuckets, encodeClaims, encodeSummaries } from '../../store/statement.js';
import type { BucketSummary, ClaimedKey } from '../../store/statement.js';
import type { MessageOf } from '../../transport/message.js';
import type { Members, Renumbered } from '../message.js';
import type { Pair } from '../pair.js';
import type { StoreHost } from './store-host.js';

/** A home, and how this node stands with it. */
interface Standing {
  readonly home: NodeId;
  incarnation: number;
  view: number;
  /** `due`: to be stated. `stated`: not confirmed yet. `confirmed`: keys may be claimed. */
  status: 'due' | 'stated' | 'confirmed';
  /** When the last message to or from the home about it went or came. */
  sinceMs: number;
}

interface Batch {
  readonly home: NodeId;
  readonly keys: readonly ClaimedKey[];
  sentAtMs: number;
}

/** A view often changes several times in a row; one statement is made for all. */
const STATE_DELAY_MS = 5;
const AGAIN_MS = 500;
/** Releases wait this long for others to share a message. */
const RELEASE_DELAY_MS = 20;
const RELEASE_KEYS_MAX = 512;

export class Registration {
  readonly #host: StoreHost;
  readonly #owned: OwnedKeys;
  readonly #homes = new HomeMap();
  readonly #standings = new Map<NodeId, Standing>();
  #incarnation = 0;
  #view = 0;
  #memberCount = 1;
  /** Keys owned no longer, by home, that have not been sent yet. */
  readonly #leaving = new Map<NodeId, ClaimedKey[]>();
  /** Releases that the home has not acknowledged. */
  readonly #batches = new Map<number, Batch>();
  #lastBatch = 0;
  readonly counts = { registrations: 0, compared: 0, keysStated: 0, releases: 0 };

  constructor(host: StoreHost, owned: OwnedKeys) {
    this.#host = host;
    this.#owned = owned;
  }

  /** Whether all homes have confirmed what this node stated, in a view of more than this node. */
  get isJoined(): boolean {
    if (this.#memberCount < 2) return false;
    for (const { status } of this.#standings.values()) if (status !== 'confirmed') return false;
    return true;
  }

  /** Null: no member of the view is a home. */
  homeOf(hash: KeyHash): NodeId | null {
    return this.#homes.homeOf(bucketOf(hash));
  }

  /** The pair under which this node may ask the key's home, or null while it may not. */
  pairFor(hash: KeyHash): Pair | null {
    const home = this.homeOf(hash);
    const standing = home === null ? undefined : this.#standings.get(home);
    return standing?.status === 'confirmed' ? this.#pairWith(standing) : null;
  }

  // The view

  /** Whether this node's own view is another one than before. */
  onMembers({ view, incarnation, members }: Members): boolean {
    const isNewView = view !== this.#view || incarnation !== this.#incarnation;
    this.#view = view;
    this.#incarnation = incarnation;
    this.#memberCount = members.length;
    const homes = members.filter(({ isHome }) => isHome);
    // What was owned for the former homes is told to them while they still listen.
    this.#sendReleases();
    this.#homes.update(homes.map(({ node }) => node));
    const present = new Set(homes.map(({ node }) => node));
    for (const home of this.#standings.keys()) if (!present.has(home)) this.#leave(home);
    for (const { node, incarnation: homeIncarnation, view: homeView } of homes) {
      const standing = this.#standings.get(node);
      if (standing === undefined) {
        const status = 'due' as const;
        this.#standings.set(node, { home: node, incarnation: homeIncarnation, view: homeView, status, sinceMs: 0 });
      } else if (isNewView || standing.incarnation !== homeIncarnation || standing.view !== homeView) {
        standing.incarnation = homeIncarnation;
        standing.view = homeView;
        standing.status = 'due';
      }
    }
    this.#host.remindWithin(STATE_DELAY_MS);
    return isNewView;
  }

  /** Whether this node has to state anew what it owns for that home. */
  onRenumbered({ node, view }: Renumbered): boolean {
    const standing = this.#standings.get(node);
    if (standing === undefined || standing.view === view) return false;
    standing.view = view;
    standing.status = 'due';
    this.#host.remindWithin(STATE_DELAY_MS);
    return true;
  }

  // Statements

  onCompare(message: MessageOf<'compare'>): void {
    const standing = this.#current(message);
    if (standing === null) return;
    this.counts.compared += 1;
    const summaries: BucketSummary[] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      const digest = this.#owned.digestOf(bucket);
      if (digest === null || digest.count === 0 || this.#homes.homeOf(bucket) !== standing.home) continue;
      summaries.push({ bucket, count: digest.count, digest: digest.value });
    }
    this.#send(standing, { type: 'buckets', summary: encodeSummaries(summaries) });
  }

  onWanted(message: MessageOf<'wanted'>): void {
    const standing = this.#current(message);
    const wanted = standing === null ? null : decodeSummaries(message.summary);
    if (standing === null || wanted === null) return;
    const buckets = wanted
      .filter(({ bucket }) => this.#homes.homeOf(bucket) === standing.home)
      .map(({ bucket }) => ({ bucket, keys: this.#owned.entriesOf(bucket) }));
    for (const { keys } of buckets) this.counts.keysStated += keys.length;
    this.#send(standing, { type: 'entries', keys: encodeBuckets(buckets) });
  }

  /** Whether this was the last home to confirm. */
  onRegistered(message: MessageOf<'registered'>): boolean {
    const standing = this.#current(message);
    if (standing === null || standing.status === 'confirmed') return false;
    standing.status = 'confirmed';
    return this.isJoined;
  }

  // Releases

  /** The key is owned no longer; its home may forget it, if it knows it under this number. */
  release(hash: KeyHash, claim: number): void {
    const home = this.homeOf(hash);
    if (home === null) return;
    this.counts.releases += 1;
    const keys = this.#leaving.get(home);
    if (keys === undefined) this.#leaving.set(home, [{ hash, claim }]);
    else keys.push({ hash, claim });
    if ((keys?.length ?? 1) >= RELEASE_KEYS_MAX) this.#sendReleases();
    else this.#host.remindWithin(RELEASE_DELAY_MS);
  }

  onReleased({ from, number }: MessageOf<'released'>): void {
    if (this.#batches.get(number)?.home === from) this.#batches.delete(number);
  }

  /** Sends what is due, and again what was not answered. */
  remind(): void {
    const nowMs = this.#host.now();
    this.#sendReleases();
    for (const batch of this.#batches.values()) {
      if (nowMs - batch.sentAtMs < AGAIN_MS) break;
      batch.sentAtMs = nowMs;
    }
    for (const [number, batch] of this.#batches) {
      if (batch.sentAtMs === nowMs) this.#sendBatch(number, batch);
    }
    this.#state(nowMs);
    let isWaiting = this.#batches.size > 0;
    for (const { status } of this.#standings.values()) isWaiting ||= status === 'stated';
    if (isWaiting) this.#host.remindWithin(AGAIN_MS);
  }

  /** Tells each home that is to be told how much this node owns for it. */
  #state(nowMs: number): void {
    const due = new Map<NodeId, KeyDigest>();
    for (const { home, status, sinceMs } of this.#standings.values()) {
      if (status === 'due' || (status === 'stated' && nowMs - sinceMs >= AGAIN_MS)) due.set(home, new KeyDigest());
    }
    if (due.size === 0) return;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      const digest = this.#owned.digestOf(bucket);
      if (digest === null || digest.count === 0) continue;
      const home = this.#homes.homeOf(bucket);
      if (home !== null) due.get(home)?.merge(digest);
    }
    for (const [home, { count, value }] of due) {
      const standing = this.#standings.get(home) as Standing;
      standing.status = 'stated';
      this.counts.registrations += 1;
      this.#send(standing, { type: 'register', count, digest: value });
    }
  }

  #leave(home: NodeId): void {
    this.#standings.delete(home);
    this.#leaving.delete(home);
    for (const [number, batch] of this.#batches) if (batch.home === home) this.#batches.delete(number);
  }

  #sendReleases(): void {
    for (const [home, keys] of this.#leaving) {
      this.#lastBatch += 1;
      const batch: Batch = { home, keys, sentAtMs: this.#host.now() };
      this.#batches.set(this.#lastBatch, batch);
      this.#sendBatch(this.#lastBatch, batch);
    }
    this.#leaving.clear();
  }

  #sendBatch(number: number, { home, keys }: Batch): void {
    const { node } = this.#host;
    const clock = this.#host.clock();
    this.#host.send({ type: 'release', to: home, from: node, hops: 1, clock, number, keys: encodeClaims(keys) });
  }

  #pairWith({ incarnation, view }: Standing): Pair {
    return {
      homeIncarnation: incarnation,
      homeView: view,
      incarnation: this.#incarnation,
      view: this.#view,
    };
  }

  /** The standing with the home that sent this, if it speaks of the present pair. */
  #current(message: Pair & { readonly from: NodeId }): Standing | null {
    const standing = this.#standings.get(message.from);
    if (standing === undefined || standing.status === 'due') return null;
    if (message.homeIncarnation !== standing.incarnation || message.homeView !== standing.view) return null;
    if (message.incarnation !== this.#incarnation || message.view !== this.#view) return null;
    standing.sinceMs = this.#host.now();
    return standing;
  }

  #send(
    standing: Standing,
    content:
      | { readonly type: 'register'; readonly count: number; readonly digest: number }
      | { readonly type: 'buckets'; readonly summary: Uint8Array }
      | { readonly type: 'entries'; readonly keys: Uint8Array },
  ): void {
    standing.sinceMs = this.#host.now();
    const head = { to: standing.home, from: this.#host.node, hops: 1, clock: this.#host.clock() };
    this.#host.send({ ...head, ...this.#pairWith(standing), ...content });
    this.#host.remindWithin(AGAIN_MS);
  }
}
