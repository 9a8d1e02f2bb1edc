/**
 * A peer's log as a client reads it, without taking part in it: no replica id, nothing kept, nothing written. Pages are
 * asked for only when all that came has been taken, and who falls behind what comes live is sent pages again: so what
 * waits for a slow reader is bounded.
 */
import { ItemReader } from '../../store/op.js';
import type { ItemKind } from '../../store/op.js';
import { parsePosition } from '../../store/log-position.js';
import { formatStamp, formatTime } from '../../store/stamp.js';
import type { ClientReply, MessageOf } from '../../transport/message.js';
import { unpackValue } from '../../transport/msgpack.js';
import { refusalCode, SwarmError } from '../errors.js';
import type { Timers } from '../timers.js';
import type { Unnumbered, Upstream, UpstreamConnection, UpstreamUser } from './upstream.js';

export interface LogOptions {
  /** Goes on behind this position, as an entry told it. Default: from the beginning. */
  readonly from?: string;
  /** Goes on with what comes, until it is aborted. Default true; false: ends when all that there is has been told. */
  readonly follow?: boolean;
  /** Of these objects only. Default: of all, as they are in the log. */
  readonly type?: string;
  readonly object?: string;
  readonly prefix?: string;
  readonly signal?: AbortSignal;
}

/** A change, as its author wrote it. */
export interface LoggedOp {
  readonly kind: 'op';
  /** Behind it, for `from`; null where it is not told for each single one. It is of this peer's log only. */
  readonly position: string | null;
  /** `time-origin` */
  readonly stamp: string;
  /** Time of the op before it of the same origin; null: it is that one's first. */
  readonly prev: string | null;
  readonly type: string;
  readonly id: string;
  readonly payload: unknown;
}

/** In place of the ops of an object that have been compacted. */
export interface LoggedState {
  readonly kind: 'snapshot';
  readonly position: null;
  readonly type: string;
  readonly id: string;
  /** In its type's canonical encoding. */
  readonly state: Uint8Array;
}

export type LogEntry = LoggedOp | LoggedState;

/** Which op or state an entry is, in bytes: for those who keep states themselves. */
export interface RawEntry {
  readonly kind: Extract<ItemKind, 'op' | 'snapshot'>;
  readonly time: number;
  readonly origin: string;
  readonly type: string;
  readonly id: string;
  /** An op's payload, or a state. */
  readonly bytes: Uint8Array;
}

/** Where the log is, and whose it is. */
export interface LogSource {
  /** Id of the peer in the database. */
  readonly peer: string;
  /** Id of its node. */
  readonly node: string;
}

/** What has come and not been taken, beyond which nothing more is taken from the peer until it has. */
const BACKLOG_BYTES_MAX = 1024 * 1024;
const RETRY_MS = 500;
/** Refusals that hold only for now. */
const PASSING: ReadonlySet<string> = new Set(['BUSY', 'DRAINING', 'TIMEOUT', 'OVER_CAPACITY']);
const NIL = new Uint8Array([0xc0]);

export class DatabaseLog implements AsyncIterable<LogEntry>, UpstreamUser {
  readonly #database: string;
  readonly #options: LogOptions;
  readonly #upstream: Upstream;
  readonly #timers: Timers;
  readonly #reader = new ItemReader();
  #connection: UpstreamConnection | null = null;
  #open: number | null = null;
  #subscription: number | null = null;
  #source: LogSource | null = null;
  #position: string | null;
  /** All that the peer had at some time since the last page has been told. */
  #isLive = false;
  #patches: MessageOf<'patch'>[] = [];
  #backlogBytes = 0;
  #retryTimer: unknown = null;
  /** What ended it; null: it was left. Undefined: it goes on. */
  #end: SwarmError | null | undefined = undefined;
  #wake: () => void = nothing;

  constructor(upstream: Upstream, timers: Timers, database: string, options: LogOptions) {
    const { from = null } = options;
    this.#upstream = upstream;
    this.#timers = timers;
    this.#database = database;
    this.#options = options;
    this.#position = from;
    if (from !== null && parsePosition(from) === null) {
      throw new SwarmError('BAD_REQUEST', 'from: a position, log:index, as an entry has it, is expected');
    }
  }

  /** The peer whose log it is; null before the first entry is asked for. */
  get source(): LogSource | null {
    return this.#source;
  }

  /** Where the next reader would go on, behind all that was taken; null: it is not known yet. */
  get position(): string | null {
    return this.#position;
  }

  /**
   * The entries, once. Ends when there is no more and nothing is to be followed, or with `signal`. Throws SwarmError:
   * UNKNOWN where no node has the database, or only another peer is left, whose log has an order of its own.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<LogEntry, void, void> {
    for await (const patch of this.#read()) yield* this.#entriesOf(patch);
  }

  /** The same as bytes, by the page. */
  async *pages(): AsyncGenerator<readonly RawEntry[], void, void> {
    for await (const { items } of this.#read()) yield this.#rawOf(items);
  }

  async *#read(): AsyncGenerator<MessageOf<'patch'>, void, void> {
    const { signal, follow = true } = this.#options;
    const onAbort = (): void => this.#finish(null);
    signal?.addEventListener('abort', onAbort, { once: true });
    if (signal?.aborted === true) return;
    this.#upstream.attach(this);
    try {
      for (;;) {
        const patch = this.#patches.shift();
        if (patch !== undefined) {
          this.#backlogBytes -= patch.items.length;
          yield patch;
          this.#position = patch.position;
          if (this.#patches.length === 0) this.#goOn();
        } else if (this.#end !== undefined) {
          if (this.#end !== null) throw this.#end;
          return;
        } else if (this.#isLive && !follow) return;
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#leave();
    }
  }

  // From the client

  onConnected(connection: UpstreamConnection): void {
    this.#connection = connection;
    this.#openNow();
  }

  onLost(): void {
    this.#connection = null;
    this.#forgetAll();
  }

  onClosed(): void {
    this.#connection = null;
    this.#finish(new SwarmError('CLOSED', 'the client was closed'));
  }

  // Opening

  #openNow(): void {
    this.#forgetAll();
    const request = { type: 'openDatabase', database: this.#database, options: { readOnly: true } } as const;
    this.#open = this.#connection?.send(request, (reply) => this.#onOpenReply(reply)) ?? null;
  }

  #onOpenReply(reply: ClientReply): void {
    switch (reply.type) {
      case 'opened':
        return this.#onOpened(reply);
      case 'closed':
        return this.#retry(RETRY_MS);
      case 'refused':
        return this.#onRefused(reply);
      case 'acked':
        return;
      default:
        this.#connection?.fail(`${reply.type} in answer to openDatabase`);
    }
  }

  #onOpened({ info: { peer, node } }: MessageOf<'opened'>): void {
    if (typeof peer !== 'string' || typeof node !== 'string')
      return this.#connection?.fail('opened without what it has to tell');
    if (this.#source !== null && this.#source.peer !== peer) {
      return this.#finish(
        new SwarmError('UNKNOWN', `the peer ${this.#source.peer} is out of reach, and ${peer} has another log`),
      );
    }
    this.#source = { peer, node };
    if (this.#patches.length === 0) this.#subscribe();
  }

  #onRefused({ code, message, info }: MessageOf<'refused'>): void {
    const { retryAfterMs } = info ?? {};
    if (PASSING.has(code)) return this.#retry(typeof retryAfterMs === 'number' ? retryAfterMs : RETRY_MS);
    this.#finish(new SwarmError(refusalCode(code), message, { info }));
  }

  #retry(delayMs: number): void {
    this.#closeOpen();
    this.#timers.clearTimeout(this.#retryTimer);
    this.#retryTimer = this.#timers.setTimeout(() => {
      if (this.#connection !== null && this.#end === undefined) this.#openNow();
    }, delayMs);
  }

  // Pages

  #subscribe(): void {
    const { type, object, prefix } = this.#options;
    const isAll = type === undefined && prefix === undefined;
    // What was told while nobody could take it is behind what was taken.
    const position = this.#patches.at(-1)?.position ?? this.#position;
    const options = {
      ...(isAll ? { all: true } : {}),
      ...(type === undefined ? {} : { type }),
      ...(object === undefined ? {} : { object }),
      ...(prefix === undefined ? {} : { prefix }),
      ...(position === null ? {} : { position }),
    };
    this.#isLive = false;
    const request = { type: 'subscribe', open: this.#open ?? 0, options, have: NIL } as const;
    this.#subscription = this.#connection?.send(request, (reply) => this.#onPatch(reply)) ?? null;
  }

  /** All that has come has been taken. */
  #goOn(): void {
    if (this.#open === null || this.#end !== undefined || this.#isLive) return;
    if (this.#subscription === null) return this.#subscribe();
    this.#connection?.send({ type: 'next', subscription: this.#subscription }, (reply) => this.#onPatch(reply));
  }

  #onPatch(reply: ClientReply): void {
    if (reply.type === 'refused') return this.#onRefused(reply);
    if (reply.type !== 'patch') return this.#connection?.fail(`${reply.type} in answer to subscribe`);
    this.#isLive = reply.isLive;
    this.#patches.push(reply);
    this.#backlogBytes += reply.items.length;
    if (this.#isLive && this.#backlogBytes > BACKLOG_BYTES_MAX) this.#unsubscribe();
    this.#wake();
  }

  /** What comes live comes faster than it is taken: the rest is for pages. */
  #unsubscribe(): void {
    if (this.#subscription === null) return;
    this.#connection?.forget(this.#subscription);
    this.#tell({ type: 'unsubscribe', subscription: this.#subscription });
    this.#subscription = null;
    this.#isLive = false;
  }

  #entriesOf({ position, items }: MessageOf<'patch'>): LogEntry[] {
    const { type, object, prefix } = this.#options;
    const isAll = type === undefined && object === undefined && prefix === undefined;
    const end = isAll ? parsePosition(position) : null;
    const reader = this.#reader;
    const entries: LogEntry[] = [];
    const count = reader.open(items);
    for (let i = 0; i < count; i += 1) {
      this.#readItem();
      if (reader.kind === 'snapshot') {
        const state = reader.copyPayload();
        entries.push({ kind: 'snapshot', position: null, type: reader.type, id: reader.id, state });
        continue;
      }
      entries.push({
        kind: 'op',
        // Ops of the log come without holes, and behind all states.
        position: end === null ? null : `${end.log}:${end.index - (count - 1 - i)}`,
        stamp: formatStamp({ time: reader.time, origin: reader.origin }),
        prev: reader.prevTime === 0 ? null : formatTime(reader.prevTime),
        type: reader.type,
        id: reader.id,
        payload: unpackValue(reader.payload),
      });
    }
    return entries;
  }

  #rawOf(items: Uint8Array): RawEntry[] {
    const reader = this.#reader;
    const entries: RawEntry[] = [];
    const count = reader.open(items);
    for (let i = 0; i < count; i += 1) {
      const kind = this.#readItem();
      const { time, origin, type, id } = reader;
      entries.push({ kind, time, origin, type, id, bytes: reader.copyPayload() });
    }
    return entries;
  }

  #readItem(): 'op' | 'snapshot' {
    const fault = this.#reader.next();
    const { kind } = this.#reader;
    if (fault === null && (kind === 'op' || kind === 'snapshot')) return kind;
    const reason = fault ?? `a ${kind} among the items of a patch`;
    this.#connection?.fail(reason);
    throw new SwarmError('UNKNOWN', `the node has sent what can't be read: ${reason}`);
  }

  // The end

  #finish(error: SwarmError | null): void {
    this.#end ??= error;
    this.#wake();
  }

  #leave(): void {
    this.#end ??= null;
    this.#timers.clearTimeout(this.#retryTimer);
    this.#closeOpen();
    this.#upstream.detach(this);
  }

  #closeOpen(): void {
    if (this.#open !== null) this.#tell({ type: 'closeDatabase', open: this.#open });
    this.#forgetAll();
  }

  /** Whatever comes in answer. */
  #tell(request: Unnumbered): void {
    this.#connection?.send(request, nothing);
  }

  #forgetAll(): void {
    if (this.#subscription !== null) this.#connection?.forget(this.#subscription);
    if (this.#open !== null) this.#connection?.forget(this.#open);
    this.#subscription = null;
    this.#open = null;
    this.#isLive = false;
  }
}

function nothing(): void {}
