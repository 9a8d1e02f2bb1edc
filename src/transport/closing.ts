/** What all links have in common: when a peer counts as slow, and how a connection is closed. */
import { CLOSE } from './message.js';

/** For how long a link that was closed may still send what it had accepted. Then it is cut. */
export const LINGER_MS = 10_000;
/** The same for a link that is closed because its other end takes nothing: there is nothing to hope for. */
const SLOW_LINGER_MS = 1000;

export const lingerMs = (code: number): number => (code === CLOSE.slow ? SLOW_LINGER_MS : LINGER_MS);

/** The connection broke: no close frame came. Never sent, only reported. */
export const BROKEN = 1006;

export const SLOW = [CLOSE.slow, 'slow: too much is unsent'] as const;
export const TOO_LARGE = [CLOSE.tooLarge, 'frame too large'] as const;
export const FAULT = [CLOSE.internal, 'internal error'] as const;

/** Whether a frame must not be added to what is unsent. An empty backlog takes any frame, however large. */
export const exceedsBacklog = (bufferedBytes: number, frameBytes: number, backlogBytesMax: number): boolean =>
  bufferedBytes > 0 && bufferedBytes + frameBytes > backlogBytesMax;

/** A close frame holds 125 bytes: two of code, the rest reason. */
const REASON_BYTES_MAX = 123;

/** Cuts a reason to what a close frame can carry, between characters. */
export function closeReason(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= REASON_BYTES_MAX) return text;
  let end = REASON_BYTES_MAX;
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
