/**
 * Stamps: unique, totally ordered ids of changes. Inside, the time of a stamp is one integer, (ms since 2010-01-01
 * UTC) * 4096 + sequence, which fits 53 bits until September 2079. As text it has Swarm's calendar format: MMDHmSssnn, that is
 * months since January 2010 (two digits of base 64), day of month from 0, hour, minute, second, milliseconds (two),
 * sequence (two), as Base64x64 with trailing zeros dropped. The order of texts is the order of times.
 */
import { decodeBase64x64, encodeBase64x64, readHalf } from './base64x64.js';
import { parseNodeId } from './node-id.js';
import type { NodeId } from './node-id.js';

export interface Stamp {
  readonly time: number;
  /** The node (or replica) that issued it. */
  readonly origin: NodeId;
}

/** Stamps of one millisecond. */
const SEQUENCES = 4096;
/** Unix time in ms of 2010-01-01T00:00:00Z. */
const EPOCH_MS = 1_262_304_000_000;
const DAY_MS = 86_400_000;
/** Days before each month of a year that is no leap year; the thirteenth is the whole year. */
const DAYS_BEFORE_MONTH = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

const TIME_CHARS_MAX = 10;
const HALF_CHARS = 5;
const ZERO = 0x30;

/** The minute of the last time that was read: most times follow one of the same minute. */
let lastMinute = -1;
let lastMinuteMs = -1;

/** Below 0 if `a` is the older one: by time, then by origin. 0 only for equal stamps. */
export function compareStamps(a: Stamp, b: Stamp): number {
  if (a.time !== b.time) return a.time < b.time ? -1 : 1;
  if (a.origin === b.origin) return 0;
  return a.origin < b.origin ? -1 : 1;
}

/** `time-origin`. */
export function formatStamp(stamp: Stamp): string {
  return `${formatTime(stamp.time)}-${stamp.origin}`;
}

/** The stamp, or null for what `formatStamp` does not write. Older texts have `+` in place of `-`. */
export function parseStamp(text: string): Stamp | null {
  const separator = text.search(/[-+]/);
  if (separator < 0) return null;
  const time = parseTime(text.slice(0, separator));
  const origin = parseNodeId(text.slice(separator + 1));
  return time === null || origin === null ? null : { time, origin };
}

/** `time`: an integer from 0 to 2^53 - 1; RangeError for others. */
export function formatTime(time: number): string {
  if (!Number.isSafeInteger(time) || time < 0) throw new RangeError(`${time} is not a time`);
  const sequence = time % SEQUENCES;
  const ms = Math.floor(time / SEQUENCES);
  const dayMs = ms % DAY_MS;
  const { months, day } = monthOfDay(Math.floor(ms / DAY_MS));
  const hour = Math.floor(dayMs / 3_600_000);
  const minute = Math.floor(dayMs / 60_000) % 60;
  const second = Math.floor(dayMs / 1000) % 60;
  return encodeBase64x64(
    (months << 18) | (day << 12) | (hour << 6) | minute,
    (second << 24) | ((dayMs % 1000) << 12) | sequence,
  );
}

/** The time, or null if the text is no Base64x64, names no moment of the calendar or one that 53 bits can't hold. */
export function parseTime(text: string): number | null {
  const halves = decodeBase64x64(text);
  if (halves === null) return null;
  const time = timeOfHalves(halves.hi, halves.lo);
  return time < 0 ? null : time;
}

/** The time whose text is those bytes; -1 for what `parseTime` answers null to. */
export function readTime(bytes: Uint8Array, start: number, length: number): number {
  if (length < 1 || length > TIME_CHARS_MAX) return -1;
  if (length > 1 && bytes[start + length - 1] === ZERO) return -1;
  const hi = readHalf(bytes, start, length);
  const lo = length > HALF_CHARS ? readHalf(bytes, start + HALF_CHARS, length - HALF_CHARS) : 0;
  return hi < 0 || lo < 0 ? -1 : timeOfHalves(hi, lo);
}

/** The first time of a millisecond of Unix time. What lies outside of 2010 to 2079 becomes the nearest end. */
export function timeOfMs(wallMs: number): number {
  const ms = Math.floor(wallMs) - EPOCH_MS;
  return Math.min(Math.max(ms, 0), Math.floor(Number.MAX_SAFE_INTEGER / SEQUENCES)) * SEQUENCES;
}

/** Unix time in ms. */
export function msOfTime(time: number): number {
  return Math.floor(time / SEQUENCES) + EPOCH_MS;
}

/** -1 if it is no moment of the calendar, or one that 53 bits can't hold. */
function timeOfHalves(hi: number, lo: number): number {
  if (hi !== lastMinute) {
    lastMinute = hi;
    lastMinuteMs = msOfMinute(hi);
  }
  const second = lo >>> 24;
  const ms = (lo >>> 12) & 4095;
  if (lastMinuteMs < 0 || second > 59 || ms > 999) return -1;
  const time = (lastMinuteMs + second * 1000 + ms) * SEQUENCES + (lo & 4095);
  return Number.isSafeInteger(time) ? time : -1;
}

/** Milliseconds from 2010-01-01 to a minute, the upper half of a time's number; -1 if the calendar has no such minute. */
function msOfMinute(hi: number): number {
  const months = hi >>> 18;
  const day = (hi >>> 12) & 63;
  const hour = (hi >>> 6) & 63;
  const minute = hi & 63;
  if (hour > 23 || minute > 59) return -1;
  const firstDay = dayOfMonth(months);
  if (day >= dayOfMonth(months + 1) - firstDay) return -1;
  return (firstDay + day) * DAY_MS + (hour * 60 + minute) * 60_000;
}

/** Days from 2010-01-01 to the first of January, `year` years later. Every fourth year is a leap year until 2100. */
function dayOfYear(year: number): number {
  return 365 * year + Math.floor((year + 1) / 4);
}

function isLeap(year: number): boolean {
  return year % 4 === 2;
}

/** Days from 2010-01-01 to the first day of a month. */
function dayOfMonth(months: number): number {
  const year = Math.floor(months / 12);
  const month = months % 12;
  return dayOfYear(year) + daysBefore(year, month);
}

function daysBefore(year: number, month: number): number {
  return (DAYS_BEFORE_MONTH[month] ?? 0) + (month >= 2 && isLeap(year) ? 1 : 0);
}

/** The month since January 2010 and the day in it, both from 0, of a day since 2010-01-01. */
function monthOfDay(days: number): { months: number; day: number } {
  let year = Math.floor(days / 365.25);
  while (dayOfYear(year + 1) <= days) year += 1;
  const dayInYear = days - dayOfYear(year);
  let month = Math.floor(dayInYear / 32);
  while (daysBefore(year, month + 1) <= dayInYear) month += 1;
  return { months: year * 12 + month, day: dayInYear - daysBefore(year, month) };
}
