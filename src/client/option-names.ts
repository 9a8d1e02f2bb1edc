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
};
const OF_WATCH = ['key', 'prefix', 'values', 'signal'] as const;
const OF_CONNECT = [
  'token',
  'name',
  'requestTimeoutMs',
  'connectTimeoutMs',
  'reconnect',
  'queueMax',
  'pingIntervalMs',
  'WebSocket',
  'onStatus',
  'signal',
  'timers',
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

export function checkConnectOptions(given: object & { readonly reconnect?: object }): void {
  checkOptions('connect', given, OF_CONNECT);
  if (given.reconnect !== undefined) checkOptions('reconnect', given.reconnect, OF_RECONNECT);
}
