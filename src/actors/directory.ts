/**
 * The directory: which node owns which of the keys whose home is here. It answers lookups, grants claims, takes in what
 * the members state, and decides between two owners of one key.
 *
 * Invariants: a claim is granted only under the present pair of view numbers (RULES O2); "absent" is said only while
 * every member is registered under its present pair (O1); entries change only for the (owner, number) that is named
 * (O4); of two copies the one with the lower stamp is dropped, and not before both were frozen (P1).
 */
import { HybridClock } from '../store/clock.js';
import { DirectoryTable } from '../store/directory-table.js';
import { HomeMap } from '../store/home-map.js';
import { bucketOf, BUCKETS, HASH_BYTES, textOf } from '../store/key-hash.js';
import type { KeyHash } from '../store/key-hash.js';
import type { NodeId } from '../store/node-id.js';
import { compareStamps } from '../store/stamp.js';
import { decodeBuckets, decodeClaims, decodePassing, decodeSummaries, encodeSummaries } from '../store/statement.js';
import type { BucketKeys, BucketSummary, PassingKey } from '../store/statement.js';
import { VERDICT } from '../store/taking.js';
import type { Verdict } from '../store/taking.js';
import { VouchedKeys } from '../store/vouched-keys.js';
import type { MessageOf, RoutedMessage } from '../transport/message.js';
import type { Addresses } from './addresses.js';
import type { Count, DirectoryMessage, Members, Renumbered } from './message.js';
import type { Pair } from './pair.js';
import { alwaysRunning } from './runtime/always-running.js';
import { defineKind } from './runtime/kind.js';
import type { Ref, Self } from './runtime/kind.js';
import type { Identity, Settings } from './settings.js';

interface Args {
  readonly identity: Identity;
  readonly settings: Settings;
  readonly addresses: Addresses;
}

interface Member {
  readonly node: NodeId;
  readonly incarnation: number;
  /** Its present view number, as far as it is known here. */
  view: number;
  /** The view number under which it has registered at this home's present view; 0 before that. */
  registeredView: number;
  /** Under which view number the buckets below are being compared. */
  comparedView: number;
  /** Buckets whose keys the member is still to state; null: it has not said yet what is in which bucket. */
  differing: BucketSummary[] | null;
}

/** Two copies of one key, between which this home decides. */
interface Contest {
  readonly hash: KeyHash;
  readonly owners: Map<NodeId, { readonly time: number; readonly origin: NodeId; readonly claim: number } | null>;
  askedAtMs: number;
}

/** What a member states at once at most, in keys. */
const KEYS_WANTED_MAX = 2048;
const AGAIN_MS = 500;
/** Members that are gone, remembered to count those that come back without having noticed. */
const DROPPED_MAX = 256;
/** Contests at once; the copies of further keys are compared when their owners register again. */
const CONTESTS_MAX = 10_000;
/** Decisions that are remembered, for owners whom the word did not reach. */
const DECISIONS_MAX = 20_000;

export class Directory {
  readonly #self: Self<DirectoryMessage>;
  readonly #node: NodeId;
  readonly #addresses: Addresses;
  readonly #table: DirectoryTable;
  readonly #vouched = new VouchedKeys();
  readonly #homes = new HomeMap();
  readonly #members = new Map<NodeId, Member>();
  /** The view numbers of those that were dropped last. */
  readonly #dropped = new Map<NodeId, Pick<Member, 'incarnation' | 'view'>>();
  readonly #clock: HybridClock;
  #incarnation = 0;
  #view = 0;
  #isHome = false;
  /** Members that have not registered under their present pair. */
  #unregistered = 0;
  readonly #contests = new Map<number, Contest>();
  /** By the text of the hash. */
  readonly #contested = new Map<string, number>();
  /** Who kept its copy, by the number of the contest. */
  readonly #decisions = new Map<number, NodeId>();
  #lastContest = 0;
  #isReminding = false;
  readonly #counts = {
    lookups: 0,
    handedOn: 0,
    granted: 0,
    stale: 0,
    unsettled: 0,
    full: 0,
    registered: 0,
    compared: 0,
    contests: 0,
    contestsCrowded: 0,
    releasesIgnored: 0,
    returnedUnnoticed: 0,
    transferred: 0,
    restored: 0,
    malformed: 0,
  };

  constructor(self: Self<DirectoryMessage>, { identity, settings, addresses }: Args) {
    this.#self = self;
    this.#node = identity.node;
    this.#addresses = addresses;
    this.#table = new DirectoryTable(settings.directoryBytesMax);
    this.#clock = new HybridClock(identity.node);
  }

  /** Who owns what, for checkers to look at: nothing of the actors does. */
  get table(): DirectoryTable {
    return this.#table;
  }

  // The view

  onMembers({ view, incarnation, members }: Members): void {
    const isNewView = view !== this.#view || incarnation !== this.#incarnation;
    this.#view = view;
    this.#incarnation = incarnation;
    const present = new Map(members.map((member) => [member.node, member]));
    this.#isHome = present.get(this.#node)?.isHome === true;
    for (const [node, known] of this.#members) {
      if (present.get(node)?.incarnation === known.incarnation) continue;
      this.#members.delete(node);
      if (this.#dropped.size >= DROPPED_MAX) this.#dropped.clear();
      this.#dropped.set(node, known);
      this.#table.dropOwner(node);
      this.#vouched.forget(node);
    }
    for (const { node, incarnation: started, view: memberView } of members) {
      const known = this.#members.get(node);
      if (known === undefined) {
        const former = this.#dropped.get(node);
        if (former?.incarnation === started && former.view === memberView) this.#counts.returnedUnnoticed += 1;
        this.#dropped.delete(node);
        const fresh = { registeredView: 0, comparedView: 0, differing: null };
        this.#members.set(node, { node, incarnation: started, view: memberView, ...fresh });
      } else {
        known.view = Math.max(known.view, memberView);
        if (isNewView) known.registeredView = known.comparedView = 0;
      }
    }
    for (const bucket of this.#homes.update(members.filter(({ isHome }) => isHome).map(({ node }) => node))) {
      if (this.#homes.homeOf(bucket) !== this.#node) this.#table.dropBucket(bucket);
    }
    if (isNewView) {
      // The owners unfreeze their copies when their view changes, and state them again.
      this.#contests.clear();
      this.#contested.clear();
    }
    this.#countUnregistered();
  }

  onRenumbered({ node, view }: Renumbered): void {
    const member = this.#members.get(node);
    if (member === undefined) return;
    member.view = Math.max(member.view, view);
    this.#countUnregistered();
  }

  // Questions

  onLookup(message: MessageOf<'lookup'>): void {
    if (!this.#isAnswerable(message)) return;
    const { from, hash, claim } = message;
    const claimed = this.#table.get(hash);
    if (claimed !== null && (claimed.owner !== from || claim === 0)) {
      this.#place(message, 'owned', claimed.owner, claimed.claim);
    } else if (claimed === null && this.#unregistered > 0 && !(message.isSearched && claim > 0)) {
      this.#counts.unsettled += 1;
      this.#place(message, 'unsettled');
    } else if (claim === 0) {
      this.#place(message, 'absent');
    } else if (this.#table.put(hash, from, claim)) {
      this.#counts.granted += 1;
      this.#place(message, 'granted', from, claim);
    } else {
      this.#counts.full += 1;
      this.#place(message, 'full');
    }
  }

  /** A read goes on to the owner from here, and not by way of who asks: no node is passed twice without need. */
  onSeek(message: MessageOf<'seek'>): void {
    // Anything else is executed once, by whom its sender has sent it to.
    if (message.message.type !== 'get') {
      this.#counts.malformed += 1;
      return;
    }
    if (!this.#isAnswerable(message)) return;
    const { from, hash, incarnation, read, budgetMs } = message;
    const claimed = this.#table.get(hash);
    if (claimed === null) {
      if (this.#unregistered > 0) this.#counts.unsettled += 1;
      this.#place(message, this.#unregistered > 0 ? 'unsettled' : 'absent');
    } else if (claimed.owner === from) {
      this.#place(message, 'owned', claimed.owner, claimed.claim);
    } else {
      this.#counts.handedOn += 1;
      this.#send({
        type: 'forward',
        to: claimed.owner,
        from,
        hops: 1,
        number: read,
        behind: 0,
        floor: 0,
        incarnation,
        claim: claimed.claim,
        passes: 0,
        budgetMs,
        clock: this.#clock.last,
        message: message.message,
      });
    }
  }

  /** The sender has copies of entries whose owner is leaving, and takes the keys over (RULES H1). */
  onTransfer(message: MessageOf<'transfer'>): void {
    this.#clock.observe(message.clock);
    const { from, number, floor, giver } = message;
    const keys = decodePassing(message.keys);
    if (keys === null) {
      this.#counts.malformed += 1;
      return;
    }
    const isPresent = this.#isRegistered(message, this.#members.get(from));
    if (isPresent) this.#vouched.raiseFloor(from, floor);
    const verdicts = Uint8Array.from(keys, (key) =>
      isPresent ? this.#transfer(from, number, giver, key) : VERDICT.later,
    );
    this.#send({ type: 'transferred', to: from, from: this.#node, hops: 1, clock: this.#clock.last, number, verdicts });
  }

  onRelease({ from, clock, number, keys }: MessageOf<'release'>): void {
    this.#clock.observe(clock);
    for (const { hash, claim } of decodeClaims(keys) ?? []) {
      const claimed = this.#table.get(hash);
      if (claimed?.owner === from && claimed.claim === claim) this.#table.delete(hash);
      else if (claimed !== null) this.#counts.releasesIgnored += 1;
    }
    this.#send({ type: 'released', to: from, from: this.#node, hops: 1, clock: this.#clock.last, number });
  }

  // Statements

  onRegister(message: MessageOf<'register'>): void {
    this.#clock.observe(message.clock);
    const member = this.#members.get(message.from);
    if (member === undefined || !this.#speaksOf(message, member) || message.view < member.registeredView) return;
    const { count, value } = this.#table.digestOf(message.from);
    if (message.view === member.registeredView || (count === message.count && value === message.digest)) {
      this.#register(member, message);
      return;
    }
    if (member.comparedView === message.view && member.differing !== null) {
      // It asks again because it heard nothing for a while: the comparison goes on where it is. Begun anew, it would
      // take a part that is still on its way for the last one.
      this.#wantMore(member, member.differing, message);
      return;
    }
    this.#counts.compared += 1;
    member.comparedView = message.view;
    member.differing = null;
    this.#answer(message, { type: 'compare' });
  }

  /** What the member owns, bucket by bucket: where the table differs, all keys are asked for. */
  onBuckets(message: MessageOf<'buckets'>): void {
    const member = this.#compared(message);
    const summaries = member === null ? null : decodeSummaries(message.summary);
    if (member === null || summaries === null || member.differing !== null) return;
    const differing: BucketSummary[] = [];
    member.differing = differing;
    const stated = new Map(summaries.map((summary) => [summary.bucket, summary]));
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      if (this.#homes.homeOf(bucket) !== this.#node) continue;
      const { count, value } = this.#table.bucketDigestOf(bucket, message.from);
      const summary = stated.get(bucket);
      if (summary === undefined) {
        if (count > 0) this.#take(member, { bucket, keys: [] });
      } else if (summary.count !== count || summary.digest !== value) differing.push(summary);
    }
    this.#wantMore(member, differing, message);
  }

  onEntries(message: MessageOf<'entries'>): void {
    const member = this.#compared(message);
    const buckets = member === null ? null : decodeBuckets(message.keys);
    if (member === null || buckets === null || member.differing === null) return;
    const stated = new Set<number>();
    for (const keys of buckets) {
      if (this.#homes.homeOf(keys.bucket) !== this.#node) continue;
      this.#take(member, keys);
      stated.add(keys.bucket);
    }
    member.differing = member.differing.filter(({ bucket }) => !stated.has(bucket));
    this.#wantMore(member, member.differing, message);
  }

  // Contests

  onFrozen({ from, clock, contest: number, hash, time, origin, claim }: MessageOf<'frozen'>): void {
    this.#clock.observe(clock);
    const contest = this.#contests.get(number);
    if (contest === undefined) {
      const kept = this.#decisions.get(number);
      if (kept !== undefined) this.#thaw(from, number, hash, kept === from);
      return;
    }
    if (!contest.owners.has(from)) return;
    if (origin === null) {
      // It holds nothing any more: the other copy is the only one.
      contest.owners.delete(from);
      if (this.#table.get(contest.hash)?.owner === from) this.#table.delete(contest.hash);
    } else contest.owners.set(from, { time, origin, claim });
    for (const answer of contest.owners.values()) if (answer === null) return;
    this.#decide(number, contest);
  }

  // Upkeep

  onCount(_message: Count, from: Ref): void {
    const counters = {
      ...this.#counts,
      keys: this.#table.count,
      bytes: this.#table.bytes,
      unregistered: this.#unregistered,
      contestsOpen: this.#contests.size,
    };
    from.tell({ type: 'counters', counters }, this.#self.ref);
  }

  onRemind(): void {
    this.#isReminding = false;
    const nowMs = this.#self.now();
    for (const [number, contest] of this.#contests) {
      if (nowMs - contest.askedAtMs >= AGAIN_MS) this.#freeze(number, contest);
    }
    if (this.#contests.size > 0) this.#remindLater();
  }

  /** Whether the message speaks of the present views of this home and of the member, as far as they are known here. */
  #speaksOf(pair: Pair, member: Member): boolean {
    return (
      pair.homeIncarnation === this.#incarnation &&
      pair.homeView === this.#view &&
      pair.incarnation === member.incarnation &&
      pair.view >= member.view
    );
  }

  /** Whether the member may ask under the pair of the message: it has registered under it. */
  #isRegistered(pair: Pair, member: Member | undefined): member is Member {
    return member !== undefined && this.#speaksOf(pair, member) && member.registeredView === pair.view;
  }

  #transfer(to: NodeId, number: number, giver: NodeId, { hash, given, claim }: PassingKey): Verdict {
    if (this.#homes.homeOf(bucketOf(hash)) !== this.#node || this.#contested.has(textOf(hash))) return VERDICT.later;
    const claimed = this.#table.get(hash);
    if (claimed?.owner === to && claimed.claim === claim) return VERDICT.yes;
    const member = this.#members.get(giver);
    if (claimed?.owner === giver && claimed.claim === given) {
      this.#table.put(hash, to, claim);
      this.#vouched.put(to, hash, { giver, given, claim, number });
      this.#counts.transferred += 1;
      return VERDICT.yes;
    }
    // What the giver owns is known only when it has registered; without it, only when all have.
    if (member === undefined ? this.#unregistered > 0 : member.registeredView < member.view) return VERDICT.later;
    if (member !== undefined || claimed !== null) return VERDICT.no;
    // The giver is gone, and its copy is the only one.
    if (!this.#table.put(hash, to, claim)) return VERDICT.no;
    this.#counts.transferred += 1;
    return VERDICT.yes;
  }

  #countUnregistered(): void {
    this.#unregistered = 0;
    // With a node that is no home nobody registers.
    if (!this.#isHome) return;
    for (const { view, registeredView } of this.#members.values()) if (registeredView < view) this.#unregistered += 1;
  }

  #register(member: Member, message: Pair & { readonly from: NodeId }): void {
    member.registeredView = message.view;
    member.differing = null;
    this.#counts.registered += 1;
    this.#countUnregistered();
    this.#answer(message, { type: 'registered' });
  }

  #compared(message: Pair & { readonly from: NodeId; readonly clock: number }): Member | null {
    this.#clock.observe(message.clock);
    const member = this.#members.get(message.from);
    if (member === undefined || !this.#speaksOf(message, member)) return null;
    return member.comparedView === message.view && member.registeredView < message.view ? member : null;
  }

  #wantMore(member: Member, differing: readonly BucketSummary[], message: Pair & { readonly from: NodeId }): void {
    if (differing.length === 0) {
      this.#register(member, message);
      return;
    }
    let keys = 0;
    const wanted: BucketSummary[] = [];
    for (const summary of differing) {
      if (wanted.length > 0 && keys + summary.count > KEYS_WANTED_MAX) break;
      keys += summary.count;
      wanted.push(summary);
    }
    this.#answer(message, { type: 'wanted', summary: encodeSummaries(wanted) });
  }

  /** All keys that a member owns in one bucket. What it no longer owns is forgotten, what somebody else owns contested. */
  #take({ node }: Member, { bucket, keys }: BucketKeys): void {
    const stated = new Set(keys.map(({ hash }) => textOf(hash)));
    for (const { hash, claim } of this.#table.entriesOf(bucket, node)) {
      if (stated.has(textOf(hash))) continue;
      const voucher = this.#vouched.voucherOf(node, hash, claim);
      if (voucher === null) this.#table.delete(hash);
      else {
        this.#table.put(hash, voucher.giver, voucher.given);
        this.#counts.restored += 1;
      }
    }
    for (const { hash, claim } of keys) {
      if (bucketOf(hash) !== bucket) continue;
      const claimed = this.#table.get(hash);
      if (claimed !== null && claimed.owner !== node) {
        // The two copies of a key that is being handed over are one.
        if (this.#vouched.isFrom(node, claim, claimed.owner, hash, claimed.claim)) continue;
        this.#contest(hash, claimed.owner, node);
      } else if (!this.#table.put(hash, node, claim)) this.#counts.full += 1;
    }
  }

  #contest(hash: KeyHash, one: NodeId, other: NodeId): void {
    const text = textOf(hash);
    const known = this.#contested.get(text);
    if (known !== undefined) {
      const contest = this.#contests.get(known) as Contest;
      for (const node of [one, other]) if (!contest.owners.has(node)) contest.owners.set(node, null);
      this.#freeze(known, contest);
      return;
    }
    if (this.#contests.size >= CONTESTS_MAX) {
      this.#counts.contestsCrowded += 1;
      return;
    }
    this.#counts.contests += 1;
    // Above all of a former life, whose answers may still be on their way.
    this.#lastContest = Math.max(this.#lastContest + 1, this.#incarnation * 1024);
    const owners: Contest['owners'] = new Map([
      [one, null],
      [other, null],
    ]);
    const contest: Contest = { hash: hash.slice(), owners, askedAtMs: 0 };
    this.#contests.set(this.#lastContest, contest);
    this.#contested.set(text, this.#lastContest);
    this.#freeze(this.#lastContest, contest);
  }

  #freeze(number: number, contest: Contest): void {
    contest.askedAtMs = this.#self.now();
    const { hash } = contest;
    for (const [owner, answer] of contest.owners) {
      if (answer !== null) continue;
      const clock = this.#clock.last;
      this.#send({ type: 'freeze', to: owner, from: this.#node, hops: 1, clock, contest: number, hash });
    }
    this.#remindLater();
  }

  /** All that hold a copy have frozen it: the highest stamp stays. */
  #decide(number: number, { hash, owners }: Contest): void {
    this.#contests.delete(number);
    this.#contested.delete(textOf(hash));
    let kept: NodeId | null = null;
    for (const [owner, stamp] of owners) {
      const best = kept === null ? null : (owners.get(kept) ?? null);
      if (stamp === null) continue;
      // A copy that was handed over has the stamp of the giver's and a higher number.
      const order = best === null ? 1 : compareStamps(stamp, best) || stamp.claim - best.claim;
      if (order > 0) kept = owner;
    }
    if (kept === null) return;
    this.#table.put(hash, kept, owners.get(kept)?.claim ?? 0);
    this.#decisions.set(number, kept);
    if (this.#decisions.size > DECISIONS_MAX) {
      for (const oldest of this.#decisions.keys()) {
        this.#decisions.delete(oldest);
        break;
      }
    }
    for (const owner of owners.keys()) this.#thaw(owner, number, hash, owner === kept);
  }

  #thaw(to: NodeId, contest: number, hash: KeyHash, isKept: boolean): void {
    this.#send({ type: 'thaw', to, from: this.#node, hops: 1, clock: this.#clock.last, contest, hash, isKept });
  }

  /** Whether this is the key's home, under the pair that is named, and may tell; else the question is answered here. */
  #isAnswerable(question: MessageOf<'lookup' | 'seek'>): boolean {
    this.#clock.observe(question.clock);
    this.#counts.lookups += 1;
    const { from, hash } = question;
    if (hash.length !== HASH_BYTES) {
      this.#counts.malformed += 1;
      return false;
    }
    const isPresent =
      this.#isRegistered(question, this.#members.get(from)) && this.#homes.homeOf(bucketOf(hash)) === this.#node;
    if (isPresent && !this.#contested.has(textOf(hash))) return true;
    this.#counts.stale += 1;
    this.#place(question, 'stale');
    return false;
  }

  #place(question: MessageOf<'lookup' | 'seek'>, outcome: Outcome, owner: NodeId | null = null, claim = 0): void {
    const { from: to, number, hash } = question;
    const clock = this.#clock.last;
    this.#send({ type: 'place', to, from: this.#node, hops: 1, clock, number, hash, outcome, owner, claim });
  }

  #answer(
    { from, homeIncarnation, homeView, incarnation, view }: Pair & { readonly from: NodeId },
    content: { readonly type: 'compare' | 'registered' } | { readonly type: 'wanted'; readonly summary: Uint8Array },
  ): void {
    const head = { to: from, from: this.#node, hops: 1, clock: this.#clock.last };
    this.#send({ ...head, homeIncarnation, homeView, incarnation, view, ...content } as RoutedMessage);
  }

  #send(message: RoutedMessage): void {
    this.#addresses.router.tell(message, this.#self.ref);
  }

  #remindLater(): void {
    if (this.#isReminding) return;
    this.#isReminding = true;
    this.#self.after(AGAIN_MS, { type: 'remind' });
  }
}

/** The outcomes of a lookup: see the message `place`. */
export type Outcome = 'owned' | 'granted' | 'absent' | 'unsettled' | 'stale' | 'full';

const on = Directory.prototype;

export const directoryKind = defineKind({
  name: 'directory',
  machine: alwaysRunning,
  create: (self: Self<DirectoryMessage>, args: Args) => new Directory(self, args),
  tables: {
    running: {
      lookup: on.onLookup,
      seek: on.onSeek,
      register: on.onRegister,
      buckets: on.onBuckets,
      entries: on.onEntries,
      release: on.onRelease,
      transfer: on.onTransfer,
      frozen: on.onFrozen,
      members: on.onMembers,
      renumbered: on.onRenumbered,
      count: on.onCount,
      remind: on.onRemind,
    },
  },
  commands: {},
  mailbox: {
    capacity: 1 << 20,
    overflow: { members: 'never', renumbered: 'never', count: 'never', remind: 'never' },
  },
});
