/** Options by name. One that does not exist is a slip of the caller's, and ignoring it would do something else than was meant. */
import type { Request } from './call.js';
import { didYouMean } from './suggest.js';

const OF_CALLS = ['timeoutMs', 'signal'] as const;

/** What `Client` takes in the options of each request. */
const OF_REQUESTS: Readonly<Record<Request['type'], readonly string[]>> = {
  get: OF_CALLS,
  set: [...OF_CALLS, 'ttlMs', 'if', 'ifStamp'],
  delete: [...OF_CALLS, 'ifStamp'],
  touch: OF_CALLS,
  incr: [...OF_CALLS, 'ttlMs'],
  scan: [...OF_CALLS, 'cursor', 'limit'],
  watch: OF_CALLS,
  unwatch: OF_CALLS,
  where: OF_CALLS,
  trace: OF_CALLS,
  ping: OF_CALLS,
  inspect: OF_CALLS,
  createDatabase: [...OF_CALLS, 'scheme', 'peer', 'isShared', 'isRelaxed', 'types', 'compactAfterMs'],
  databases: OF_CALLS,
  inspectDatabase: [...OF_CALLS, 'digests'],
  compactDatabase: OF_CALLS,
};
const OF_DATABASE = ['storage', 'client', 'readOnly', 'onStuck', 'onStatus', 'onStorageError'] as const;
const OF_WATCH = ['key', 'prefix', 'values', 'signal'] as const;
const OF_LOG = ['from', 'follow', 'type', 'object', 'prefix', 'signal'] as const;
const OF_CONNECT = [
  'token',
  'name',
  'requestTimeoutMs',
  'connectTimeoutMs',
  'offline',
  'reconnect',
  'queueMax',
  'pingIntervalMs',
  'WebSocket',
  'onStatus',
  'signal',
  'timers',
  'wallMs',
  'random',
] as const;
const OF_RECONNECT = ['minMs', 'maxMs'] as const;

/** Throws a TypeError that names the first option that `call` does not have, and the nearest one that it has. */
export function checkOptions(call: string, given: object, known: readonly string[]): void {
  for (const name in given) {
    if (known.includes(name)) continue;
    const advice = didYouMean(name, known) || `; there are ${known.join(', ')}`;
    throw new TypeError(`${call} has no option ${JSON.stringify(name)}${advice}`);
  }
}

export function checkRequestOptions(type: Request['type'], given: object): void {
  checkOptions(type, given, OF_REQUESTS[type]);
}

export function checkWatchOptions(given: object): void {
  checkOptions('watch', given, OF_WATCH);
}

export function checkDatabaseOptions(given: object): void {
  checkOptions('database', given, OF_DATABASE);
}

export function checkLogOptions(given: object): void {
  checkOptions('log', given, OF_LOG);
}

export function checkConnectOptions(given: object & { readonly reconnect?: object }): void {
  checkOptions('connect', given, OF_CONNECT);
  if (given.reconnect !== undefined) checkOptions('reconnect', given.reconnect, OF_RECONNECT);
}
