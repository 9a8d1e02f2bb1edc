/**
 * Positions in the log of a peer: the incarnation of the log and how many entries come before. An incarnation is drawn at
 * each start of the peer and recorded with the length that the log had then. A peer whose disk was restored to an older
 * state can't know that (RULES RE), but it draws a new incarnation, and those that it has forgotten are in no table: who
 * comes with a position of theirs goes back to the last entry that both sides have.
 */
import { FrameReader } from './frame-reader.js';
import { FrameWriter } from './frame-writer.js';
import { parseNodeId } from './node-id.js';
import type { NodeId } from './node-id.js';

export interface LogPosition {
  /** Of the log: drawn as node ids are. */
  readonly log: NodeId;
  /** Entries before it. */
  readonly index: number;
}

/** Incarnations that are remembered, the last ones. Positions of older ones are none any more. */
export const INCARNATIONS_MAX = 1024;

const reader = new FrameReader();
const writer = new FrameWriter();

/** `log:index` */
export function formatPosition({ log, index }: LogPosition): string {
  return `${log}:${index}`;
}

/** Null for what `formatPosition` does not write. */
export function parsePosition(text: string): LogPosition | null {
  const [logText = '', indexText = '', ...rest] = text.split(':');
  const log = parseNodeId(logText);
  const index = Number(indexText);
  if (log === null || rest.length > 0 || !isIndex(index) || String(index) !== indexText) return null;
  return { log, index };
}

/**
 * The incarnations of a log, oldest first, each with the index at which it began; it ended where the next one began. The
 * log's own peer keeps one, and whoever follows the log keeps the one that it was last told.
 */
export class LogIncarnations {
  readonly #starts: LogPosition[];

  constructor(starts: readonly LogPosition[] = []) {
    this.#starts = [...starts];
  }

  /** The present one, and where it began; null before the first. */
  get last(): LogPosition | null {
    return this.#starts.at(-1) ?? null;
  }

  get starts(): readonly LogPosition[] {
    return this.#starts;
  }

  /** The log starts again, with so many entries; no fewer than where the last incarnation began. */
  begin(log: NodeId, length: number): void {
    if (length < (this.last?.index ?? 0)) throw new RangeError(`a log of ${length} entries began later`);
    this.#starts.push({ log, index: length });
    if (this.#starts.length > INCARNATIONS_MAX) this.#starts.shift();
  }

  /**
   * The index from which a follower goes on who has what lies before that position; `length` is the log's. It is lower
   * than the position's where its incarnation had more entries than are here. Null if the incarnation is not known, or
   * had not begun: `common` may know more.
   */
  resolve(position: LogPosition, length: number): number | null {
    const number = this.#starts.findIndex(({ log }) => log === position.log);
    const start = this.#starts[number];
    if (start === undefined || position.index < start.index) return null;
    return Math.min(position.index, this.#starts[number + 1]?.index ?? length);
  }

  /**
   * How many entries of the log, from its beginning, a follower has in common with it who knows these incarnations of it
   * and has so many entries. `length` is the log's. 0 if no incarnation is known to both.
   */
  common(followed: LogIncarnations, followedLength: number, length: number): number {
    for (let i = followed.#starts.length - 1; i >= 0; i -= 1) {
      const { log } = followed.#starts[i] as LogPosition;
      const end = Math.min(followed.#starts[i + 1]?.index ?? followedLength, followedLength);
      const index = this.resolve({ log, index: end }, length);
      if (index !== null) return index;
    }
    return 0;
  }

  /** `[[log, index], ...]` */
  encode(): Uint8Array {
    writer.reset();
    writer.array(this.#starts.length);
    for (const { log, index } of this.#starts) {
      writer.array(2);
      writer.text(log);
      writer.integer(index);
    }
    return writer.copy();
  }
}

/** Null for what `encode` does not write. */
export function decodeIncarnations(bytes: Uint8Array): LogIncarnations | null {
  reader.reset(bytes);
  const count = reader.readArray();
  if (count < 0 || count > INCARNATIONS_MAX) return null;
  const starts: LogPosition[] = [];
  let former = 0;
  for (let i = 0; i < count; i += 1) {
    if (reader.readArray() !== 2) return null;
    const log = parseNodeId(reader.readText() ?? '');
    const index = reader.readInteger();
    if (log === null || !isIndex(index) || index < former) return null;
    if (starts.some((start) => start.log === log)) return null;
    starts.push({ log, index });
    former = index;
  }
  return reader.isAtEnd ? new LogIncarnations(starts) : null;
}

function isIndex(index: number): boolean {
  return Number.isSafeInteger(index) && index >= 0;
}
