/**
 * How a request fails. There is one error class, and its `code` says which failure it is: a page or a process may hold
 * two builds of this library, so `instanceof` proves nothing and nobody here uses it.
 */
import { REFUSAL_CODES } from '../transport/message.js';
import type { Info, RefusalCode } from '../transport/message.js';

/**
 * Why a request failed:
 * - a code of the node's refusal (`BAD_REQUEST`, `TOO_LARGE`, `OVER_CAPACITY`, ...). Some come from this library too:
 *   `TIMEOUT` (no answer in time), `UNKNOWN` (the connection broke before the answer to a write), `BUSY` (too many
 *   requests wait for a connection), `BAD_REQUEST` and `TOO_LARGE` (it can't be sent at all);
 * - `UNREACHABLE`: no node could be reached while connecting for the first time;
 * - `DISCONNECTED`: a connection that was in use broke. Only in a `StatusChange`, since requests are resent or `UNKNOWN`;
 * - `CLOSED`: the client was closed;
 * - `ABORTED`: the caller's signal said so.
 */
export type ErrorCode = RefusalCode | 'UNREACHABLE' | 'DISCONNECTED' | 'CLOSED' | 'ABORTED';

export interface ErrorDetails {
  readonly info?: Info | null;
  readonly maybeApplied?: boolean;
  readonly cause?: unknown;
}

export class SwarmError extends Error {
  override readonly name = 'SwarmError';
  readonly code: ErrorCode;
  /** What the node told beside the code, such as `max` of TOO_LARGE or `retryAfterMs` of BUSY. */
  readonly info: Info | null;
  /** The request was a write that was sent, and nothing proves that it did not take effect. */
  readonly maybeApplied: boolean;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.code = code;
    this.info = details.info ?? null;
    this.maybeApplied = details.maybeApplied ?? false;
  }
}

/** A code of a later protocol means nothing here, and UNKNOWN claims the least: anything may have happened. */
export function refusalCode(code: string): RefusalCode {
  return REFUSAL_CODES.find((known) => known === code) ?? 'UNKNOWN';
}
