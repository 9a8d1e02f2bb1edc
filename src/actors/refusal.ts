/** What a node says to requests that it does not take, whichever of its actors says it. */
import { refused } from '../transport/message.js';
import type { Info, MessageOf, RequestId } from '../transport/message.js';

/** After a node left it may be a while until it is back. */
const LEAVING_RETRY_MS = 1000;

/** When to come back, and where to go meanwhile. */
export const adviceOn = (urls: readonly string[]): Info =>
  urls.length === 0 ? { retryAfterMs: LEAVING_RETRY_MS } : { retryAfterMs: LEAVING_RETRY_MS, urls };

export const refuseLeaving = (id: RequestId, urls: readonly string[] = []): MessageOf<'refused'> =>
  refused(id, 'DRAINING', 'this node is leaving; use another one', adviceOn(urls));

/** Neither here nor at a node that was asked is room for the entry. */
export const refuseForRoom = (id: RequestId): MessageOf<'refused'> =>
  refused(id, 'OVER_CAPACITY', 'there is no room for the entry', { where: 'store' });
