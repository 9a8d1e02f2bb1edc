/** What a node has to know of a cache request without looking at the key: whether it makes sense, and what it may do. */
import { encodeInteger } from '../store/integer-value.js';
import { parseStamp } from '../store/stamp.js';
import { CACHE_REQUESTS } from '../transport/message.js';
import type { CacheRequest, Message } from '../transport/message.js';

const NAMES: ReadonlySet<string> = new Set(CACHE_REQUESTS);

export const isCacheRequest = (message: Message): message is CacheRequest => NAMES.has(message.type);

/** Why a well-formed request can't be meant, or null. */
export function faultOf(request: CacheRequest): string | null {
  switch (request.type) {
    case 'get':
    case 'touch':
    case 'where':
    case 'trace':
      return null;
    case 'delete':
      return faultOfStamp(request.options.ifStamp);
    case 'incr':
      return faultOfTtl(request.options.ttlMs);
    case 'set': {
      const { ttlMs, if: condition, ifStamp } = request.options;
      if (condition !== undefined && condition !== 'absent' && condition !== 'present') {
        return 'if must be "absent" or "present"';
      }
      if (condition === 'absent' && ifStamp !== undefined) return 'if: "absent" and ifStamp exclude each other';
      return faultOfTtl(ttlMs) ?? faultOfStamp(ifStamp);
    }
  }
}

/** It changes nothing, so that it may be asked twice. */
export function isRead({ type }: CacheRequest): boolean {
  return type === 'get' || type === 'where' || type === 'trace';
}

/** A set without condition. It is done wherever the key may be; all others depend on what is there. */
export function isPlainSet(request: CacheRequest): boolean {
  return request.type === 'set' && request.options.if === undefined && request.options.ifStamp === undefined;
}

/** Where the key is nowhere, the request makes it. */
export function isCreating(request: CacheRequest): boolean {
  if (request.type === 'incr') return true;
  return request.type === 'set' && request.options.if !== 'present' && request.options.ifStamp === undefined;
}

/** Where the key is nowhere, the request leaves something there: a value, or the memory of a delete. */
export function isClaiming(request: CacheRequest): boolean {
  return isCreating(request) || (request.type === 'delete' && request.options.ifStamp === undefined);
}

/** Bytes of the value that the request leaves where the key is nowhere. */
export function valueBytesOf(request: CacheRequest): number {
  if (request.type === 'incr') return encodeInteger(request.by).length;
  return request.type === 'set' ? request.value.length : 0;
}

const faultOfTtl = (ttlMs: number | undefined): string | null =>
  ttlMs !== undefined && ttlMs <= 0 ? 'ttlMs must be above 0' : null;

const faultOfStamp = (stamp: string | undefined): string | null =>
  stamp !== undefined && parseStamp(stamp) === null ? 'ifStamp is no stamp' : null;
