/**
 * The client: promises on one side, one connection at a time on the other. Each command is a request in calls.ts, where
 * its fate is decided; the connection is the business of uplink.ts.
 */
import { CLOSE } from '../transport/message.js';
import type { Info, Key } from '../transport/message.js';
import {
  aborted,
  checkedInteger,
  checkedKey,
  checkedTtl,
  packed,
  readCount,
  readDatabaseInfo,
  readDeleted,
  readEntry,
  readKeys,
  readLocated,
  readReport,
  readStored,
  readTouched,
  readValue,
} from './call.js';
import type { Entry, KeyPage, Location, Read, Trace } from './call.js';
import { Calls } from './calls.js';
import type {
  CallOptions,
  ClientStatus,
  ConnectOptions,
  CreateOptions,
  DeleteOptions,
  IncrOptions,
  ScanOptions,
  SetOptions,
} from './client-options.js';
import { Database } from './database/database.js';
import type { DatabaseOptions } from './database/database.js';
import { Lines } from './database/lines.js';
import { DatabaseLog } from './database/log.js';
import type { LogOptions } from './database/log.js';
import { checkDatabaseOptions, checkLogOptions, checkWatchOptions } from './option-names.js';
import { outcomesOf } from './outcome.js';
import type { Outcome } from './outcome.js';
import { SwarmError } from './errors.js';
import type { OpenSocket } from './socket.js';
import { systemTimers } from './timers.js';
import type { Timers } from './timers.js';
import { Uplink } from './uplink.js';
import type { Connected } from './uplink.js';
import { Watch } from './watch.js';
import type { WatchOptions } from './watch.js';
import { Watches } from './watches.js';

const REQUEST_TIMEOUT_MS = 5000;
const QUEUE_MAX = 10_000;

const nothing = (): void => {};

export class Client {
  readonly #options: ConnectOptions;
  readonly #timers: Timers;
  readonly #uplink: Uplink;
  readonly #calls: Calls;
  readonly #watches: Watches;
  readonly #lines: Lines;

  constructor(openSocket: OpenSocket, urls: readonly string[], options: ConnectOptions, connected: Connected) {
    const { timers = systemTimers, requestTimeoutMs = REQUEST_TIMEOUT_MS, queueMax = QUEUE_MAX } = options;
    this.#options = options;
    this.#timers = timers;
    this.#uplink = new Uplink(openSocket, urls, options, timers, requestTimeoutMs, connected, {
      onReply: (reply) => {
        if (reply.type === 'change') this.#watches.onChange(reply);
        else if (!this.#lines.take(reply)) this.#calls.onReply(reply);
      },
      onFrameEnd: () => this.#calls.onProgress(),
      onOpen: () => {
        this.#openLines();
        this.#calls.onOpen();
      },
      onLost: (error) => {
        this.#calls.onLost(error);
        this.#watches.onLost();
        this.#lines.lose();
      },
      onDialling: () => this.#watches.onDialling(),
      onEnd: (error, reason) => this.#calls.onEnd(error, reason),
      onClosed: (error) => {
        this.#watches.onClosed(error);
        this.#lines.close();
      },
    });
    this.#lines = new Lines(this.#uplink);
    this.#calls = new Calls(this.#uplink, timers, requestTimeoutMs, queueMax);
    this.#watches = new Watches(this.#uplink, this.#calls, timers);
  }

  /** What the node told of itself and of its limits: {node, swarm, protocol, limits}. Of the last one while connecting. */
  get info(): Info {
    return this.#uplink.info;
  }

  get status(): ClientStatus {
    return this.#uplink.status;
  }

  /** Address of the node connected to, or null. */
  get url(): string | null {
    return this.#uplink.url;
  }

  /** Resolves when the client is closed and its socket is gone: with what ended it, or undefined after `close`. */
  get closed(): Promise<SwarmError | undefined> {
    return this.#uplink.closed;
  }

  /** The value, or undefined if the key has none. A stored nil is null. */
  get<T = unknown>(key: Key, options: CallOptions = {}): Promise<T | undefined> {
    return this.#calls.ask((id) => ({ type: 'get', id, key: checkedKey(key), options: {} }), readValue<T>, options);
  }

  /** The value with its stamp and the time it has left, or undefined if the key has none. */
  getEntry<T = unknown>(key: Key, options: CallOptions = {}): Promise<Entry<T> | undefined> {
    return this.#calls.ask(
      (id) => ({ type: 'get', id, key: checkedKey(key), options: { meta: true } }),
      readEntry<T>,
      options,
    );
  }

  /**
   * Stores a value: anything that MessagePack carries, as it is at the time of the call. undefined becomes nil;
   * functions and symbols are refused with BAD_REQUEST. Resolves with the stamp of the change.
   */
  set(key: Key, value: unknown, options: SetOptions = {}): Promise<{ readonly stamp: string }> {
    const { ttlMs, if: condition, ifStamp } = options;
    return this.#calls.ask(
      (id) => ({
        type: 'set',
        id,
        key: checkedKey(key),
        options: {
          meta: true,
          ...(ttlMs === undefined ? {} : { ttlMs: checkedTtl(ttlMs) }),
          ...(condition === undefined ? {} : { if: condition }),
          ...(ifStamp === undefined ? {} : { ifStamp }),
        },
        value: packed(value),
      }),
      readStored,
      options,
    );
  }

  /** Resolves with whether the key had a value. */
  delete(key: Key, options: DeleteOptions = {}): Promise<boolean> {
    const { ifStamp } = options;
    const given = ifStamp === undefined ? {} : { ifStamp };
    return this.#calls.ask(
      (id) => ({ type: 'delete', id, key: checkedKey(key), options: given }),
      readDeleted,
      options,
    );
  }

  /** Lets the value expire after `ttlMs`, or never: 0. Resolves with whether there is one; value and stamp stay. */
  touch(key: Key, ttlMs: number, options: CallOptions = {}): Promise<boolean> {
    return this.#calls.ask(
      (id) => ({ type: 'touch', id, key: checkedKey(key), ttlMs: ttlMs === 0 ? 0 : checkedTtl(ttlMs) }),
      readTouched,
      options,
    );
  }

  /**
   * Adds `by` to an integer within 2^53 and resolves with the sum. A key without value counts as 0. Fails with TYPE
   * where the value is no such integer, or the sum would be none.
   */
  incr(key: Key, by = 1, options: IncrOptions = {}): Promise<number> {
    const { ttlMs } = options;
    return this.#calls.ask(
      (id) => ({
        type: 'incr',
        id,
        key: checkedKey(key),
        by: checkedInteger(by),
        options: ttlMs === undefined ? {} : { ttlMs: checkedTtl(ttlMs) },
      }),
      readCount,
      options,
    );
  }

  /** As `get`, for many keys in one frame (of more than the node takes at once, in several). One outcome for each. */
  getMany<T = unknown>(keys: Iterable<Key>, options: CallOptions = {}): Promise<Outcome<T | undefined>[]> {
    return outcomesOf(keys, (key) => this.get<T>(key, options));
  }

  /** As `set`, for many keys. The options are for all of them; of two entries with one key the later one stays. */
  setMany(
    entries: Iterable<readonly [Key, unknown]>,
    options: Omit<SetOptions, 'ifStamp'> = {},
  ): Promise<Outcome<{ readonly stamp: string }>[]> {
    const list = [...entries];
    return outcomesOf(
      list.map(([key]) => key),
      (key, i) => this.set(key, list[i]?.[1], options),
    );
  }

  /** As `delete`, for many keys. */
  deleteMany(keys: Iterable<Key>, options: CallOptions = {}): Promise<Outcome<boolean>[]> {
    return outcomesOf(keys, (key) => this.delete(key, options));
  }

  /** One page of the keys of the whole swarm that begin with the prefix; the next one by the cursor of the former. */
  scan(prefix = '', options: ScanOptions & { readonly cursor?: string } = {}): Promise<KeyPage> {
    const { cursor, limit } = options;
    const given = { ...(cursor === undefined ? {} : { cursor }), ...(limit === undefined ? {} : { limit }) };
    return this.#calls.ask((id) => ({ type: 'scan', id, prefix, options: given }), readKeys, options);
  }

  /**
   * All keys of the swarm that begin with the prefix, page by page, in no order. Each that is there all the time comes at
   * least once. Where that can't be said, because nodes came or went meanwhile, it ends by throwing UNKNOWN.
   */
  async *keys(prefix = '', options: ScanOptions = {}): AsyncGenerator<Key, void, void> {
    let page = await this.scan(prefix, options);
    yield* page.keys;
    while (page.cursor !== null) {
      page = await this.scan(prefix, { ...options, cursor: page.cursor });
      yield* page.keys;
    }
    if (page.isIncomplete) throw new SwarmError('UNKNOWN', 'the members of the swarm changed: keys may be missing');
  }

  /**
   * The changes of one key, or of all keys with a prefix, as they happen: `for await (const change of client.watch(…))`.
   * Those of one key come with rising stamps. Where some may have been missed (a node or a connection was lost, or they
   * came faster than they were read) a change of kind `gap` says so.
   */
  watch<T = unknown>(options: WatchOptions): Watch<T> {
    checkWatchOptions(options);
    const { key, prefix, signal } = options;
    if ((key === undefined) === (prefix === undefined)) {
      throw new SwarmError('BAD_REQUEST', 'either a key or a prefix is to be watched');
    }
    if (key !== undefined) checkedKey(key);
    if (signal?.aborted === true) throw aborted(signal, false);
    const watch = new Watch<T>(this.#watches, options);
    this.#watches.add(watch as Watch);
    return watch;
  }

  /** Which node stores the key, and over which nodes a request gets there. */
  where(key: Key, options: CallOptions = {}): Promise<Location> {
    return this.#calls.ask((id) => ({ type: 'where', id, key: checkedKey(key) }), readLocated<Location>, options);
  }

  /** How the key is found now, step by step, and how long each node on the way takes to answer. */
  trace(key: Key, options: CallOptions = {}): Promise<Trace> {
    return this.#calls.ask((id) => ({ type: 'trace', id, key: checkedKey(key) }), readLocated<Trace>, options);
  }

  /** Resolves with the time from here to the node and back, in milliseconds. */
  ping(options: CallOptions = {}): Promise<number> {
    const read: Read<number> = (reply, resolve, call) => {
      if (reply.type !== 'pong') return false;
      resolve(this.#timers.now() - (call.sentMs ?? 0));
      return true;
    };
    return this.#calls.ask((id) => ({ type: 'ping', id }), read, options);
  }

  /** What the node knows of itself: `what` is `node`, `topology`, `counters` or `actors`. */
  inspect(what: string, options: CallOptions = {}): Promise<Info> {
    return this.#calls.ask((id) => ({ type: 'inspect', id, what: checkedKey(what) }), readReport, options);
  }

  /**
   * Opens a database for reading and writing its objects, with or without a connection. Resolves when something is known
   * of it: from the storage, or from a peer. Rejects with what keeps it from being opened, such as UNKNOWN where no node in
   * reach holds a database of that name: see `createDatabase`.
   */
  database(name: string, options: DatabaseOptions = {}): Promise<Database> {
    checkDatabaseOptions(options);
    const { wallMs = Date.now } = this.#options;
    return Database.open(name, options, { upstream: this.#lines, timers: this.#timers, wallMs });
  }

  /**
   * Reads the log of a peer: `for await (const entry of client.log('todos'))`. Nothing is written, and no replica id is
   * taken. It begins when it is read, and can be read once.
   */
  log(database: string, options: LogOptions = {}): DatabaseLog {
    checkLogOptions(options);
    return new DatabaseLog(this.#lines, this.#timers, database, options);
  }

  /**
   * Makes the node a peer of the database: of a new one, or, where another node of the swarm has one of that name, of that
   * one, whose options are then to be left out or the same. Resolves with what there is to know of it, as `inspectDatabase`.
   */
  createDatabase(database: string, options: CreateOptions & CallOptions = {}): Promise<Info> {
    const { scheme, peer, isShared, isRelaxed, types, compactAfterMs } = options;
    const given = {
      ...(scheme === undefined ? {} : { scheme }),
      ...(peer === undefined ? {} : { peer }),
      ...(isShared === undefined ? {} : { shared: isShared }),
      ...(isRelaxed === undefined ? {} : { relaxed: isRelaxed }),
      ...(types === undefined ? {} : { types: types.join(',') }),
      ...(compactAfterMs === undefined ? {} : { compactAfterMs }),
    };
    return this.#calls.ask(
      (id) => ({ type: 'createDatabase', id, database, options: given }),
      readDatabaseInfo,
      options,
    );
  }

  /** What databases there are in the swarm, and which of them the node has: {databases: [...]}. */
  databases(options: CallOptions = {}): Promise<Info> {
    return this.#calls.ask((id) => ({ type: 'databases', id }), readDatabaseInfo, options);
  }

  /** What the node knows of a database that it has; with `digests`, also those by which peers are compared. */
  inspectDatabase(database: string, options: { readonly digests?: boolean } & CallOptions = {}): Promise<Info> {
    const given = options.digests === true ? { digests: true } : {};
    return this.#calls.ask(
      (id) => ({ type: 'inspectDatabase', id, database, options: given }),
      readDatabaseInfo,
      options,
    );
  }

  /** Has the node replace its log of the database by the states of the objects, up to now. */
  compactDatabase(database: string, options: CallOptions = {}): Promise<Info> {
    return this.#calls.ask((id) => ({ type: 'compactDatabase', id, database }), readDatabaseInfo, options);
  }

  /** Takes no more requests, waits for those that are open, then closes. */
  drain(): Promise<void> {
    this.#calls.drain();
    return this.#uplink.closed.then(nothing);
  }

  /** Closes at once. Open requests fail with CLOSED; those that wait are not sent. Resolves when the socket is gone. */
  close(): Promise<void> {
    this.#uplink.end(null);
    return this.#uplink.closed.then(nothing);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #openLines(): void {
    const { connection } = this.#uplink;
    if (connection === null) return;
    this.#lines.open({
      write: (request) => connection.write(request),
      flush: () => connection.flush(),
      fail: (reason) => connection.fail(new SwarmError('DISCONNECTED', `${connection.url}: ${reason}`), CLOSE.badFrame),
    });
  }
}
