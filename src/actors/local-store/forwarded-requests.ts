/**
 * Requests of other nodes: forwarded by one that believes that the key is here, or passed here by one that has no room
 * for it (RULES K1). What was executed for them is remembered, so that nothing is executed twice (D1), and each is
 * answered from here, whoever executes it in the end. A part of the local store, not an actor of its own.
 */
import type { ExecutionRecord } from '../../store/execution-record.js';
import type { KeyHasher } from '../../store/key-hash.js';
import type { NodeId } from '../../store/node-id.js';
import { refused } from '../../transport/message.js';
import type { CacheRequest, ClientReply, Key, MessageOf } from '../../transport/message.js';
import { isCacheRequest, isRead } from '../cache-request.js';
import type { Absent, Members, Passed } from '../message.js';
import { HELD_REQUESTS_MAX } from '../settings.js';
import type { Settings } from '../settings.js';
import { ArrivalOrder } from './arrival-order.js';
import type { Executor } from './executor.js';
import type { Held, HeldRequests } from './held-requests.js';
import type { Inquiry } from './inquiry.js';
import { PassedLine } from './passed-line.js';
import type { StoreHost } from './store-host.js';

export interface ForwardedHost extends StoreHost {
  /** Nothing new may be owned here. */
  isLeaving(): boolean;
  /** Who comes from the key's home, sent before that knew better, is not to hear that nobody has it. */
  isElsewhere(key: Key): boolean;
  /** The request has been executed. */
  executed(request: CacheRequest): void;
  /** To the finder. */
  tellAbsent(absent: Absent): void;
}

/** The parts of the store that it asks and tells. */
interface Parts {
  readonly executor: Executor;
  readonly held: HeldRequests;
  readonly inquiry: Inquiry;
  readonly hasher: KeyHasher;
  readonly record: ExecutionRecord<ClientReply>;
}

export class ForwardedRequests {
  readonly #host: ForwardedHost;
  readonly #executor: Executor;
  readonly #held: HeldRequests;
  readonly #inquiry: Inquiry;
  readonly #hasher: KeyHasher;
  readonly #record: ExecutionRecord<ClientReply>;
  readonly #requestTimeoutMs: number;
  readonly #line = new PassedLine(HELD_REQUESTS_MAX);
  readonly #order = new ArrivalOrder();
  readonly #keptMs: number;
  /** Nodes that are out of view and may not know it: until when what they have sent is remembered (RULES D1). */
  readonly #vanished = new Map<NodeId, number>();
  /** Requests that were passed here and whose turn has come. */
  #next: Passed[] = [];
  /** Refused because too many waited for their turn. */
  refusedCount = 0;
  readonly #counts = {
    forwarded: 0,
    passedHere: 0,
    notMine: 0,
    repeated: 0,
    late: 0,
    misfits: 0,
    early: 0,
    earlyReturned: 0,
    overtaken: 0,
  };

  constructor(host: ForwardedHost, parts: Parts, settings: Pick<Settings, 'requestTimeoutMs' | 'heartbeatTimeoutMs'>) {
    this.#host = host;
    this.#executor = parts.executor;
    this.#held = parts.held;
    this.#inquiry = parts.inquiry;
    this.#hasher = parts.hasher;
    this.#record = parts.record;
    this.#requestTimeoutMs = settings.requestTimeoutMs;
    // So long a node asks again for what it has asked for, and so long its question may be held up.
    this.#keptMs = settings.requestTimeoutMs + settings.heartbeatTimeoutMs;
  }

  get counts(): Readonly<Record<string, number>> {
    const { openCount, waitingCount } = this.#line;
    return {
      ...this.#counts,
      earlyWaiting: this.#order.earlyCount,
      passed: openCount,
      passedWaiting: waitingCount,
      records: this.#record.count,
    };
  }

  onForward(message: MessageOf<'forward'>): void {
    this.#counts.forwarded += 1;
    // What another node says is a claim: a reply, or a request about a database, has no owner.
    if (!isCacheRequest(message.message)) {
      this.#counts.misfits += 1;
      return;
    }
    this.#take(message, this.#host.now() + Math.min(message.budgetMs, this.#requestTimeoutMs));
  }

  /** Those that have waited for the one that they follow, and in vain, take the way of what is sent back. */
  remind(nowMs: number): void {
    this.#forgetVanished(nowMs);
    if (this.#order.earlyCount === 0) return;
    const { overdue, soonMs } = this.#order.takeOverdue(nowMs);
    for (const { forward } of overdue) {
      this.#counts.earlyReturned += 1;
      this.#sendBack(forward);
    }
    if (soonMs !== null) this.#host.remindBy(soonMs);
  }

  /** A request that waited is judged again: it may have come twice meanwhile, or have been executed elsewhere. */
  judge(message: MessageOf<'forward'>, deadlineMs: number): void {
    const request = message.message as CacheRequest;
    if (!isRead(request)) {
      const judged = this.#record.judge(message.from, message.incarnation, message.floor, message.number);
      if (judged.kind === 'late') {
        this.#counts.late += 1;
        return;
      }
      if (judged.kind === 'known') {
        this.#counts.repeated += 1;
        this.#reply(message, judged.result);
        return;
      }
      if (judged.kind === 'begun') {
        this.#counts.repeated += 1;
        return;
      }
    } else if (this.#record.isOvertaken(message.from, message.incarnation, message.number, request.key)) {
      // Asked again, but a later change of its session is done: what it read the first time holds, or nothing (C3).
      this.#counts.overtaken += 1;
      return;
    }
    if (this.#held.isHeld(request.key)) {
      this.#held.hold({ request, asker: null, forward: message, deadlineMs, isRetry: false, isPassedBack: false });
    } else if (message.passes > 0) this.#servePassed({ forward: message, deadlineMs }, request);
    else this.#serve(message, request, deadlineMs);
  }

  /** A request that was passed here and came back from the finder. */
  retry(passed: Passed): void {
    const request = passed.forward.message as CacheRequest;
    const reply = this.#executor.execute(request, false);
    if (reply === null) {
      this.#tellAbsent(passed, request);
      return;
    }
    this.#host.executed(request);
    this.finish(passed, reply);
    this.serveNext();
  }

  /** The end of a request that was passed here; without a reply it may have been executed elsewhere, and is not again. */
  finish(passed: Passed, reply: ClientReply | null): void {
    const { forward } = passed;
    this.#next.push(...this.#line.close(passed));
    if (reply === null) return;
    const request = forward.message as CacheRequest;
    if (!isRead(request)) this.#record.record(forward.from, forward.number, request.key, reply);
    this.#reply(forward, reply);
  }

  /** An end likewise: it was not executed, and whoever passed it here is to find another place. */
  giveBack(passed: Passed): void {
    const { forward } = passed;
    this.#record.withdraw(forward.from, forward.number);
    this.#tellNotMine(forward);
    this.finish(passed, null);
  }

  /** Not before what the former ones did is complete. */
  serveNext(): void {
    const next = this.#next;
    if (next.length === 0) return;
    this.#next = [];
    const nowMs = this.#host.now();
    for (const { forward, deadlineMs } of next) if (deadlineMs > nowMs) this.judge(forward, deadlineMs);
  }

  /** It does not wait, or no longer. A node that forwarded a request has a deadline of its own for it (RULES D3). */
  refuse(forward: MessageOf<'forward'>, { deadlineMs, isRetry }: Held, refusal: MessageOf<'refused'>): void {
    const reply = refusal.code === 'TIMEOUT' ? null : refusal;
    if (isRetry) {
      this.finish({ forward, deadlineMs }, reply);
      this.serveNext();
    } else if (reply !== null) this.#reply(forward, reply);
  }

  onMembers({ members }: Members): void {
    const present = new Set(members.map(({ node }) => node));
    const nowMs = this.#host.now();
    for (const node of present) this.#vanished.delete(node);
    for (const node of [...this.#record.origins(), ...this.#order.origins()]) {
      if (!present.has(node) && !this.#vanished.has(node)) this.#vanished.set(node, nowMs + this.#keptMs);
    }
    this.#forgetVanished(nowMs);
  }

  /** In its order: it, and whatever waited for it, is judged, waits, or is sent back. */
  #take(message: MessageOf<'forward'>, deadlineMs: number): void {
    switch (this.#order.admit(message)) {
      case 'early':
        return this.#wait(message, deadlineMs);
      case 'returned':
        return this.#sendBack(message);
      case 'free':
    }
    this.judge(message, deadlineMs);
    for (let next = this.#order.takeFollower(message); next !== undefined;) {
      const { forward } = next;
      if (this.#order.admit(forward) === 'free') this.judge(forward, next.deadlineMs);
      else this.#tellNotMine(forward);
      next = this.#order.takeFollower(forward);
    }
  }

  #forgetVanished(nowMs: number): void {
    for (const [node, untilMs] of this.#vanished) {
      // In the order in which they vanished.
      if (untilMs > nowMs) return this.#host.remindBy(untilMs);
      this.#vanished.delete(node);
      this.#record.forget(node);
      this.#order.forget(node);
    }
  }

  #wait(message: MessageOf<'forward'>, deadlineMs: number): void {
    this.#counts.early += 1;
    const untilMs = this.#order.wait(message, deadlineMs, this.#host.now());
    if (untilMs === null) this.#sendBack(message);
    else this.#host.remindBy(untilMs);
  }

  /** With those that wait for it. */
  #sendBack(message: MessageOf<'forward'>): void {
    let next: MessageOf<'forward'> | undefined = message;
    while (next !== undefined) {
      this.#tellNotMine(next);
      next = this.#order.takeFollower(next)?.forward;
    }
  }

  #serve(message: MessageOf<'forward'>, request: CacheRequest, deadlineMs: number): void {
    const reply = this.#executor.execute(request, false);
    if (reply !== null) {
      if (!isRead(request)) this.#record.record(message.from, message.number, request.key, reply);
      this.#host.executed(request);
      this.#reply(message, reply);
      return;
    }
    if (this.#inquiry.isClaimed(request.key)) {
      // The home may have named this node for a claim that is about to be used (RULES O6).
      this.#held.hold({ request, asker: null, forward: message, deadlineMs, isRetry: false, isPassedBack: false });
      return;
    }
    if (message.claim > 0 && !this.#host.isElsewhere(request.key)) {
      this.#inquiry.releaseDangling(this.#hasher.hash(request.key), message.claim);
      if (request.type === 'get') return this.#reply(message, { type: 'missing', id: request.id });
    }
    this.#tellNotMine(message);
  }

  /** The sender has no room for the key: if it is not here, the finder does what it does for clients of this node. */
  #servePassed(passed: Passed, request: CacheRequest): void {
    const { forward, deadlineMs } = passed;
    if (this.#host.isLeaving()) return this.#serve(forward, request, deadlineMs);
    const place = this.#line.join(passed);
    if (place === 'full') {
      this.refusedCount += 1;
      this.#reply(forward, refused(request.id, 'BUSY', 'too many requests wait for room', { retryAfterMs: 100 }));
    }
    if (place !== 'free') return;
    const reply = this.#executor.execute(request, false);
    if (reply !== null) {
      if (!isRead(request)) this.#record.record(forward.from, forward.number, request.key, reply);
      this.#host.executed(request);
      this.#reply(forward, reply);
      return;
    }
    this.#counts.passedHere += 1;
    if (!isRead(request)) this.#record.begin(forward.from, forward.number);
    this.#line.open(passed);
    this.#tellAbsent(passed, request);
  }

  #tellAbsent(passed: Passed, request: CacheRequest): void {
    this.#host.tellAbsent({ type: 'absent', request, asker: null, passed, deadlineMs: null, isPassedBack: false });
  }

  #tellNotMine(message: MessageOf<'forward'>): void {
    this.#counts.notMine += 1;
    this.#order.sendBack(message);
    const head = { to: message.from, from: this.#host.node, hops: 1, number: message.number };
    this.#host.send({ type: 'notMine', ...head, clock: this.#host.clock() } satisfies MessageOf<'notMine'>);
  }

  #reply(message: MessageOf<'forward'>, reply: ClientReply): void {
    const head = { to: message.from, from: this.#host.node, hops: 1, number: message.number };
    const answer = { type: 'answer', ...head, clock: this.#host.clock(), message: reply } as const;
    this.#host.send(answer satisfies MessageOf<'answer'>);
  }
}
