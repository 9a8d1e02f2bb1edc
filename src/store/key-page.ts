/**
 * A page of the keys of a keyspace. The position at which the next one goes on is a part of the keyspace and a key in
 * it, so that nothing has to be kept between pages: what is there from the first page to the last one is in one of them,
 * whatever comes and goes meanwhile.
 */
import { Keyspace } from './keyspace.js';

export interface Position {
  readonly part: number;
  /** Keys of the part up to this one, in the order of their UTF-16, have been in a page. */
  readonly after: string;
}

export const FIRST_POSITION: Position = { part: 0, after: '' };

export interface KeyPage {
  readonly keys: readonly string[];
  /** Null: these were the last. */
  readonly next: Position | null;
}

/** No further part is looked at after so many keys, in UTF-16 units, or so many entries, whatever their keys. */
const PAGE_UNITS_MAX = 256 * 1024;
const VISITS_MAX = 10_000;

/** At most `countMax` keys with the prefix, perhaps fewer, or none, though there are more. */
export function keyPageOf(
  keyspace: Keyspace,
  prefix: string,
  from: Position,
  countMax: number,
  nowMs: number,
): KeyPage {
  const keys: string[] = [];
  let units = 0;
  let visits = 0;
  let { part, after } = from;
  for (; part < Keyspace.parts; part += 1, after = '') {
    if (keys.length >= countMax || units >= PAGE_UNITS_MAX || visits >= VISITS_MAX)
      return { keys, next: { part, after } };
    const found: string[] = [];
    keyspace.scan(part, nowMs, (key, { isTombstone }) => {
      visits += 1;
      if (!isTombstone && key > after && key.startsWith(prefix)) found.push(key);
    });
    found.sort((a, b) => (a < b ? -1 : 1));
    for (const [at, key] of found.entries()) {
      keys.push(key);
      units += key.length;
      if (at + 1 < found.length && (keys.length >= countMax || units >= PAGE_UNITS_MAX)) {
        return { keys, next: { part, after: key } };
      }
    }
  }
  return { keys, next: null };
}
