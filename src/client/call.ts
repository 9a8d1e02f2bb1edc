/**
 * One request and whoever waits for it: what may be asked, how each reply is read, how a failure is named. Knows
 * nothing of connections.
 */
import { packValue, unpackValue } from '../transport/msgpack.js';
import type { Bytes, CacheRequest, ClientReply, Info, Key, MessageOf } from '../transport/message.js';
import { SwarmError, refusalCode } from './errors.js';

export interface Entry<T = unknown> {
  readonly value: T;
  /** Id of the change that stored the value: later ones of a key sort higher, as text. */
  readonly stamp: string;
  /** Time left, or null if the value does not expire. */
  readonly ttlMs: number | null;
}

export type Request =
  | CacheRequest
  | MessageOf<
      | 'scan'
      | 'watch'
      | 'unwatch'
      | 'ping'
      | 'inspect'
      | 'createDatabase'
      | 'databases'
      | 'inspectDatabase'
      | 'compactDatabase'
    >;

const WRITES: ReadonlySet<Request['type']> = new Set([
  'set',
  'delete',
  'touch',
  'incr',
  'createDatabase',
  'compactDatabase',
]);

/** Some of the keys of the swarm. */
export interface KeyPage {
  /** Perhaps fewer than asked for, or none, though there are more. */
  readonly keys: readonly Key[];
  /** Where the next page begins, or null: this was the last one. */
  readonly cursor: string | null;
  /** On the last page: the members changed since the first one, or one is missed, so that keys may be missing. */
  readonly isIncomplete: boolean;
}

/** A node, as others know it. */
export interface NodeName {
  readonly id: string;
  /** Null if the node is no longer in sight. */
  readonly name: string | null;
}

/** Where a key is. */
export interface Location {
  /** The node that stores it, or null: none does. */
  readonly owner: NodeName | null;
  /** The nodes that a request passes, from the one that was asked to the owner. */
  readonly path: readonly NodeName[];
}

/** How a key was found just now, with times in ms. */
export interface Trace {
  readonly owner: NodeName | null;
  /**
   * What the asked node did, and when it began: `here` (it stores the key itself), `learned` (it knew the owner from
   * before), `home` (it asked the key's home), `search` (it asked all nodes); later versions may know more.
   */
  readonly steps: readonly { readonly step: string; readonly ms: number }[];
  /** When the owner had answered. */
  readonly ms: number;
  /** From the asked node to the owner, with the time from there to each and back; null for one that did not answer. */
  readonly path: readonly (NodeName & { readonly ms: number | null })[];
}

/** A request and whoever waits for it. */
export interface Call {
  readonly id: number;
  readonly request: Request;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  /** When it was sent on the present connection; null while it waits. */
  sentMs: number | null;
  /** A leaving node gave it back undone; it goes to the next one. */
  isReturned: boolean;
  /** The last word of a busy node that is to be asked again. */
  refusal: MessageOf<'refused'> | null;
  isSettled: boolean;
  /** Resolves the promise; false if the reply is none to this request. Throws SwarmError for an unreadable value. */
  readonly answer: (reply: ClientReply) => boolean;
  readonly reject: (error: SwarmError) => void;
  /** Takes the listener off the caller's signal. */
  readonly forget: () => void;
}

/** Reads the result of a request from its reply and resolves with it; false if the reply is none to it. */
export type Read<T> = (reply: ClientReply, resolve: (value: T) => void, call: Call) => boolean;

export function readValue<T>(reply: ClientReply, resolve: (value: T | undefined) => void): boolean {
  if (reply.type === 'missing') resolve(undefined);
  else if (reply.type === 'value') resolve(unpacked<T>(reply.value));
  else return false;
  return true;
}

export function readEntry<T>(reply: ClientReply, resolve: (entry: Entry<T> | undefined) => void): boolean {
  if (reply.type === 'missing') {
    resolve(undefined);
    return true;
  }
  if (reply.type !== 'value' || typeof reply.meta?.['stamp'] !== 'string') return false;
  const { stamp, ttlMs } = reply.meta;
  resolve({
    value: unpacked<T>(reply.value),
    stamp,
    ttlMs: typeof ttlMs === 'number' ? ttlMs : null,
  });
  return true;
}

export function readStored(reply: ClientReply, resolve: (stored: { readonly stamp: string }) => void): boolean {
  if (reply.type !== 'stored' || typeof reply.meta?.['stamp'] !== 'string') return false;
  resolve({ stamp: reply.meta['stamp'] });
  return true;
}

export function readDeleted(reply: ClientReply, resolve: (existed: boolean) => void): boolean {
  if (reply.type === 'deleted') resolve(reply.existed);
  return reply.type === 'deleted';
}

export function readTouched(reply: ClientReply, resolve: (isPresent: boolean) => void): boolean {
  if (reply.type !== 'stored' && reply.type !== 'missing') return false;
  resolve(reply.type === 'stored');
  return true;
}

export function readCount(reply: ClientReply, resolve: (sum: number) => void): boolean {
  const sum = reply.type === 'value' ? unpacked(reply.value) : null;
  if (typeof sum !== 'number') return false;
  resolve(sum);
  return true;
}

export function readKeys(reply: ClientReply, resolve: (page: KeyPage) => void): boolean {
  if (reply.type !== 'keys') return false;
  const { keys, cursor, incomplete } = reply;
  resolve({ keys, cursor, isIncomplete: incomplete === true });
  return true;
}

/** What `located` holds is taken as the node tells it, like a report. */
export function readLocated<T extends Location | Trace>(reply: ClientReply, resolve: (info: T) => void): boolean {
  if (reply.type === 'located') resolve(reply.info as unknown as T);
  return reply.type === 'located';
}

export function readReport(reply: ClientReply, resolve: (info: Info) => void): boolean {
  if (reply.type === 'report') resolve(reply.info);
  return reply.type === 'report';
}

export function readDatabaseInfo(reply: ClientReply, resolve: (info: Info) => void): boolean {
  if (reply.type === 'databaseInfo') resolve(reply.info);
  return reply.type === 'databaseInfo';
}

export function packed(value: unknown): Bytes {
  try {
    return packValue(value);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new SwarmError('BAD_REQUEST', `the value can't be stored: ${reason}`, { cause });
  }
}

export function unpacked<T>(bytes: Bytes): T {
  try {
    return unpackValue(bytes) as T;
  } catch (cause) {
    throw new SwarmError('TYPE', 'the stored value has no form in JavaScript', { cause });
  }
}

export function checkedKey(key: Key): Key {
  if (typeof key !== 'string' || key === '') {
    throw new SwarmError('BAD_REQUEST', 'a key is a text of at least one character');
  }
  // UTF-8 has no form for half a surrogate pair, and two such keys would become one.
  if (/[\ud800-\udfff]/u.test(key)) {
    throw new SwarmError('BAD_REQUEST', 'the key is no well-formed text: it has half a surrogate pair');
  }
  return key;
}

export function checkedTtl(ttlMs: number): number {
  if (Number.isSafeInteger(ttlMs) && ttlMs > 0) return ttlMs;
  throw new SwarmError('BAD_REQUEST', 'ttlMs is a whole number of milliseconds above 0');
}

export function checkedInteger(by: number): number {
  if (Number.isSafeInteger(by)) return by;
  throw new SwarmError('BAD_REQUEST', 'an integer within 2^53 can be added, nothing else');
}

export function isWrite({ request }: Call): boolean {
  return WRITES.has(request.type);
}

/** A write that was sent: nobody here knows whether it took effect. */
export function isApplicable(call: Call): boolean {
  return call.sentMs !== null && isWrite(call);
}

export function refusalOf(call: Call, { code, message, info }: MessageOf<'refused'>): SwarmError {
  const known = refusalCode(code);
  const maybeApplied = isWrite(call) && (known === 'UNKNOWN' || known === 'TIMEOUT');
  return new SwarmError(known, known === code ? message : `${code}: ${message}`, {
    info,
    maybeApplied,
  });
}

export function unknown(cause: SwarmError): SwarmError {
  const message = `the connection was lost before the answer: the write may have taken effect (${cause.message})`;
  return new SwarmError('UNKNOWN', message, { maybeApplied: true, cause });
}

export function closedUnknown(): SwarmError {
  const message = 'the client was closed before the answer: the write may have taken effect';
  return new SwarmError('CLOSED', message, { maybeApplied: true });
}

export function aborted(signal: AbortSignal, maybeApplied: boolean): SwarmError {
  const cause: unknown = signal.reason;
  return new SwarmError('ABORTED', 'the caller aborted the request', { cause, maybeApplied });
}
