/**
 * A tunnel: the way of one open database between a client's session and the nearest peer, where the client's node holds
 * no replica of it. The near end stands for the peer towards the session, the far end for the session towards the peer;
 * a single question (`inspectDatabase`, `compactDatabase`) takes a tunnel of its own.
 *
 * Invariants: what goes through arrives once and in order, or the tunnel breaks, and the client is told `closed` and has
 * its open requests refused; a far end does not outlive its near end by more than `SILENCE_MS_MAX`.
 */
import type { NodeId } from '../../store/node-id.js';
import { forDatabaseReplies, forDatabaseRequests, refused } from '../../transport/message.js';
import type { DatabaseReply, DatabaseRequest, MessageOf, RequestId } from '../../transport/message.js';
import type { Addresses } from '../addresses.js';
import type { DatabaseNotice, Released, TunnelMessage } from '../message.js';
import { defineKind, drop } from '../runtime/kind.js';
import type { Ref, Self, Terminated } from '../runtime/kind.js';
import { tunnelMachine } from './tunnel-machine.js';
import type { TunnelEvent } from './tunnel-machine.js';

/** Counted by all tunnels of a node together. */
export interface TunnelCounts {
  near: number;
  far: number;
  broken: number;
  /** Replies and requests that belong into no tunnel. */
  misfits: number;
  timeouts: number;
}

interface LineArgs {
  readonly self: NodeId;
  readonly addresses: Addresses;
  /** The node at the other end. */
  readonly node: NodeId;
  readonly channel: number;
  readonly counts: TunnelCounts;
}

export interface NearArgs extends LineArgs {
  readonly session: Ref;
  /** The request that the tunnel is for: it ends with what that began, or with its reply. */
  readonly request: DatabaseRequest;
  /** A request that is not answered by then breaks the tunnel. */
  readonly timeoutMs: number;
}

export type FarArgs = LineArgs;

/** How often each end says how much it has sent. */
const BEAT_MS = 1000;
/** An end that hears nothing for so long takes the other one for dead. */
const SILENCE_MS_MAX = 5000;
/** Requests that wait at the near end: a session has no more in flight. */
const CAPACITY = 4096;

const IS_REPLY: ReadonlySet<string> = new Set([...Object.keys(forDatabaseReplies(null)), 'refused']);
const IS_REQUEST: ReadonlySet<string> = new Set(Object.keys(forDatabaseRequests(null)));

/** Numbers what goes one way and checks the numbers of what comes the other way. */
class Line {
  readonly #self: Self<TunnelMessage, TunnelEvent>;
  readonly #args: LineArgs;
  readonly #isBack: boolean;
  #sent = 0;
  #received = 0;
  #heardMs: number;

  constructor(self: Self<TunnelMessage, TunnelEvent>, args: LineArgs, isBack: boolean) {
    this.#self = self;
    this.#args = args;
    this.#isBack = isBack;
    this.#heardMs = self.now();
    self.after(BEAT_MS, { type: 'tick' });
  }

  send(message: DatabaseRequest | DatabaseReply, isNotice: boolean): void {
    this.#sent += 1;
    const { channel, addresses } = this.#args;
    const tunnelled = { type: 'tunnel', ...this.#head(), channel, sequence: this.#sent, isNotice, message } as const;
    addresses.router.tell(tunnelled satisfies MessageOf<'tunnel'>, this.#self.ref);
  }

  /** False: something before it is missing. */
  takes({ sequence }: MessageOf<'tunnel'>): boolean {
    this.#heardMs = this.#self.now();
    this.#received += 1;
    return sequence === this.#received;
  }

  isWhole({ sequence }: MessageOf<'tunnelBeat'>): boolean {
    this.#heardMs = this.#self.now();
    return sequence === this.#received;
  }

  /** False: nothing has been heard for too long. */
  beat(): boolean {
    const { channel, addresses } = this.#args;
    const beat = { type: 'tunnelBeat', ...this.#head(), channel, isBack: this.#isBack, sequence: this.#sent } as const;
    addresses.router.tell(beat satisfies MessageOf<'tunnelBeat'>, this.#self.ref);
    this.#self.after(BEAT_MS, { type: 'tick' });
    return this.#self.now() - this.#heardMs < SILENCE_MS_MAX;
  }

  end(reason: string): void {
    const { channel, addresses } = this.#args;
    const off = { type: 'tunnelOff', ...this.#head(), channel, isBack: this.#isBack, reason } as const;
    addresses.router.tell(off satisfies MessageOf<'tunnelOff'>, this.#self.ref);
  }

  #head(): { to: NodeId; from: NodeId; hops: number } {
    return { to: this.#args.node, from: this.#args.self, hops: 1 };
  }
}

export class NearTunnel {
  readonly #self: Self<TunnelMessage, TunnelEvent>;
  readonly #args: NearArgs;
  readonly #line: Line;
  /** When requests are to be answered, and what each is, by their id. */
  readonly #pending = new Map<RequestId, { readonly request: DatabaseRequest; readonly deadlineMs: number }>();
  #isOpen = false;
  #hasEnded = false;

  constructor(self: Self<TunnelMessage, TunnelEvent>, args: NearArgs) {
    this.#self = self;
    this.#args = args;
    this.#line = new Line(self, args, false);
    args.counts.near += 1;
    self.watch(args.session);
    self.ref.tell(args.request, self.ref);
  }

  onRequest(request: DatabaseRequest): void {
    this.#pending.set(request.id, { request, deadlineMs: this.#self.now() + this.#args.timeoutMs });
    this.#line.send(request, false);
  }

  /** A reply or a notice of the peer, which is a claim. */
  onTunnel(message: MessageOf<'tunnel'>): TunnelEvent | void {
    if (!this.#line.takes(message)) return this.#break('messages were lost on the way from the peer');
    const reply = message.message as DatabaseReply;
    const { session } = this.#args;
    if (!IS_REPLY.has(reply.type)) return this.#misfit();
    if (message.isNotice) {
      session.tell({ type: 'databaseNotice', notice: reply } satisfies DatabaseNotice, this.#self.ref);
      return reply.type === 'closed' && reply.id === this.#args.request.id ? this.#end() : undefined;
    }
    const pending = reply.id === null ? undefined : this.#pending.get(reply.id);
    if (pending === undefined) return this.#misfit();
    this.#pending.delete(pending.request.id);
    session.tell(reply, this.#self.ref);
    return this.#onAnswered(pending.request, reply);
  }

  onBeat(beat: MessageOf<'tunnelBeat'>): TunnelEvent | void {
    if (!this.#line.isWhole(beat)) return this.#break('messages were lost on the way from the peer');
  }

  onOff({ reason }: MessageOf<'tunnelOff'>): TunnelEvent {
    return this.#break(reason);
  }

  onSevered(): TunnelEvent {
    return this.#break('the peer is out of reach');
  }

  onTick(): TunnelEvent | void {
    const nowMs = this.#self.now();
    for (const { deadlineMs } of this.#pending.values()) {
      if (deadlineMs > nowMs) break;
      this.#args.counts.timeouts += 1;
      return this.#break('the peer does not answer');
    }
    if (!this.#line.beat()) return this.#break('the peer is silent');
  }

  /** The session is gone, and with it everything that it had open. */
  onTerminated(_message: Terminated): TunnelEvent {
    return this.#end();
  }

  end(): void {
    if (!this.#hasEnded) this.#break('the node stops');
  }

  #onAnswered(request: DatabaseRequest, reply: DatabaseReply): TunnelEvent | void {
    const isRefused = reply.type === 'refused';
    switch (request.type) {
      case 'openDatabase':
        if (isRefused) return this.#end();
        this.#isOpen = true;
        return;
      case 'subscribe':
        return isRefused ? this.#release(request.id) : undefined;
      case 'unsubscribe':
        return isRefused ? undefined : this.#release(request.subscription);
      case 'submit':
      case 'next':
        return;
      default:
        // The database is closed, or it was a single question.
        return isRefused && request.type === 'closeDatabase' ? undefined : this.#end();
    }
  }

  #release(id: RequestId): void {
    const released: Released = { type: 'released', session: this.#args.session, ids: [id] };
    this.#args.addresses.databases.tell(released, this.#self.ref);
  }

  #misfit(): TunnelEvent {
    this.#args.counts.misfits += 1;
    return this.#break('the peer said what answers nothing');
  }

  #break(reason: string): TunnelEvent {
    const { session, request, counts } = this.#args;
    counts.broken += 1;
    for (const id of this.#pending.keys()) {
      session.tell(refused(id, 'UNKNOWN', `no answer from the peer: ${reason}`), this.#self.ref);
    }
    this.#pending.clear();
    if (this.#isOpen) {
      const notice = { type: 'closed', id: request.id, reason } as const;
      session.tell({ type: 'databaseNotice', notice } satisfies DatabaseNotice, this.#self.ref);
    }
    return this.#end();
  }

  #end(): TunnelEvent {
    this.#hasEnded = true;
    this.#line.end('the client is gone');
    return 'end';
  }
}

export class FarTunnel {
  readonly #self: Self<TunnelMessage, TunnelEvent>;
  readonly #args: FarArgs;
  readonly #line: Line;

  constructor(self: Self<TunnelMessage, TunnelEvent>, args: FarArgs) {
    this.#self = self;
    this.#args = args;
    this.#line = new Line(self, args, true);
    args.counts.far += 1;
  }

  onTunnel(message: MessageOf<'tunnel'>): TunnelEvent | void {
    const request = message.message as DatabaseRequest;
    if (!IS_REQUEST.has(request.type)) {
      this.#args.counts.misfits += 1;
      return this.#break('no request');
    }
    if (!this.#line.takes(message)) return this.#break('messages were lost on the way to the peer');
    this.#args.addresses.databases.tell(request, this.#self.ref);
  }

  onBeat(beat: MessageOf<'tunnelBeat'>): TunnelEvent | void {
    if (!this.#line.isWhole(beat)) return this.#break('messages were lost on the way to the peer');
  }

  onReply(reply: DatabaseReply): void {
    this.#line.send(reply, false);
  }

  onNotice({ notice }: DatabaseNotice): void {
    this.#line.send(notice, true);
  }

  onEnd(): TunnelEvent {
    return 'end';
  }

  onTick(): TunnelEvent | void {
    if (!this.#line.beat()) return this.#break('the client is silent');
  }

  end(): void {
    this.#line.end('the peer has ended the tunnel');
  }

  #break(_reason: string): TunnelEvent {
    this.#args.counts.broken += 1;
    return 'end';
  }
}

const onNear = NearTunnel.prototype;
const onFar = FarTunnel.prototype;

const never = {
  ...forDatabaseReplies('never'),
  refused: 'never',
  databaseNotice: 'never',
  tunnel: 'never',
  tunnelBeat: 'never',
  tunnelOff: 'never',
  severed: 'never',
  terminated: 'never',
  tick: 'never',
} as const;

const closed = {
  ...forDatabaseRequests(drop),
  ...forDatabaseReplies(drop),
  refused: drop,
  databaseNotice: drop,
  tunnel: drop,
  tunnelBeat: drop,
  tunnelOff: drop,
  severed: drop,
  terminated: drop,
  tick: drop,
} as const;

export const nearTunnelKind = defineKind({
  name: 'near-tunnel',
  machine: tunnelMachine,
  create: (self: Self<TunnelMessage, TunnelEvent>, args: NearArgs) => new NearTunnel(self, args),
  tables: {
    open: {
      ...forDatabaseRequests(onNear.onRequest),
      ...forDatabaseReplies(drop),
      refused: drop,
      databaseNotice: drop,
      tunnel: onNear.onTunnel,
      tunnelBeat: onNear.onBeat,
      tunnelOff: onNear.onOff,
      severed: onNear.onSevered,
      terminated: onNear.onTerminated,
      tick: onNear.onTick,
    },
    closed,
  },
  commands: {},
  mailbox: { capacity: CAPACITY, overflow: never },
  refusal: (message: TunnelMessage) =>
    IS_REQUEST.has(message.type)
      ? refused((message as DatabaseRequest).id, 'BUSY', 'the way to the peer is full', { retryAfterMs: 100 })
      : null,
  onEnd: onNear.end,
});

export const farTunnelKind = defineKind({
  name: 'far-tunnel',
  machine: tunnelMachine,
  create: (self: Self<TunnelMessage, TunnelEvent>, args: FarArgs) => new FarTunnel(self, args),
  tables: {
    open: {
      ...forDatabaseRequests(drop),
      ...forDatabaseReplies(onFar.onReply),
      refused: onFar.onReply,
      databaseNotice: onFar.onNotice,
      tunnel: onFar.onTunnel,
      tunnelBeat: onFar.onBeat,
      tunnelOff: onFar.onEnd,
      severed: onFar.onEnd,
      terminated: drop,
      tick: onFar.onTick,
    },
    closed,
  },
  commands: {},
  mailbox: { capacity: CAPACITY, overflow: never },
  onEnd: onFar.end,
});
