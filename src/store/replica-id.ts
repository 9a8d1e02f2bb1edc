/**
 * Ids of replicas: Base64x64, up to ten characters, divided by a database's scheme into the chunks primus, peer, client
 * and session. A scheme is four digits that add up to ten, such as `0262`. Trailing chunks may be unfilled, and a filled
 * one is never zero: so each id names one place in the tree of primuses, peers, clients and sessions. `Xgritzk0_D` is in
 * `0163` the session `0_D` of the client `gritzk` of the peer `X`.
 */
import { decodeBase64x64 } from './base64x64.js';
import { parseNodeId } from './node-id.js';
import type { NodeId } from './node-id.js';

/** An id that a scheme has parsed. It may be the origin of stamps. */
export type ReplicaId = NodeId & { readonly replicaId: true };

/** From the root of the tree down. */
export type Level = 'primus' | 'peer' | 'client' | 'session';

/** The chunks without their trailing zeros; '' for an unfilled one. */
export type Chunks = Readonly<Record<Level, string>>;

const LEVELS: readonly Level[] = ['primus', 'peer', 'client', 'session'];
const DIGITS = 10;
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~';

/** Null unless the text is four digits that add up to ten, with room for peers and clients. */
export function parseScheme(text: string): Scheme | null {
  if (!/^\d{4}$/.test(text)) return null;
  const widths = text.split('').map(Number);
  const sum = widths.reduce((total, width) => total + width, 0);
  return sum === DIGITS && widths[1] !== 0 && widths[2] !== 0 ? new Scheme(text, widths) : null;
}

export class Scheme {
  readonly text: string;
  readonly #widths: Readonly<Record<Level, number>>;
  readonly #ends: Readonly<Record<Level, number>>;

  /** By `parseScheme`. */
  constructor(text: string, [primus = 0, peer = 0, client = 0, session = 0]: readonly number[]) {
    this.text = text;
    this.#widths = { primus, peer, client, session };
    this.#ends = { primus, peer: primus + peer, client: primus + peer + client, session: DIGITS };
  }

  /** Whether clients have sessions. If not, a client has one replica, itself. */
  get hasSessions(): boolean {
    return this.#widths.session > 0;
  }

  widthOf(level: Level): number {
    return this.#widths[level];
  }

  /** Null if the text is no Base64x64, is reserved, or has a zero before a filled chunk. */
  parse(text: string): ReplicaId | null {
    const id = parseNodeId(text);
    if (id === null) return null;
    const chunks = this.chunksOf(id as ReplicaId);
    let isFilled = true;
    for (const level of LEVELS) {
      if (this.#widths[level] === 0) continue;
      if (chunks[level] !== '' && !isFilled) return null;
      isFilled = chunks[level] !== '';
    }
    return id as ReplicaId;
  }

  chunksOf(id: ReplicaId): Chunks {
    return {
      primus: this.#chunk(id, 'primus'),
      peer: this.#chunk(id, 'peer'),
      client: this.#chunk(id, 'client'),
      session: this.#chunk(id, 'session'),
    };
  }

  /** RangeError for chunks that are no id of this scheme: too long, no Base64x64, or one left out before another. */
  compose(chunks: Partial<Chunks>): ReplicaId {
    let text = '';
    for (const level of LEVELS) {
      const chunk = chunks[level] ?? '';
      if (chunk.length > this.#widths[level]) throw new RangeError(`${chunk} is no ${level} of scheme ${this.text}`);
      text += chunk.padEnd(this.#widths[level], '0');
    }
    const id = this.parse(withoutZeros(text));
    if (id === null) throw new RangeError(`${text} is no id of scheme ${this.text}`);
    return id;
  }

  /** The level of its last filled chunk. */
  levelOf(id: ReplicaId): Level {
    for (const level of LEVELS) if (id.length <= this.#ends[level] && this.#widths[level] > 0) return level;
    return 'session';
  }

  /** Whether it may write: a session, or, in schemes without sessions, a client. */
  isReplica(id: ReplicaId): boolean {
    return this.levelOf(id) === (this.hasSessions ? 'session' : 'client');
  }

  isPeer(id: ReplicaId): boolean {
    return this.levelOf(id) === 'peer';
  }

  /** The peer that it belongs to, itself included; null for a primus. */
  peerOf(id: ReplicaId): ReplicaId | null {
    return this.#ancestor(id, 'peer');
  }

  /** The client that it belongs to, itself included; null for peers and primuses. */
  clientOf(id: ReplicaId): ReplicaId | null {
    return this.#ancestor(id, 'client');
  }

  isSessionOf(session: ReplicaId, client: ReplicaId): boolean {
    return this.levelOf(client) === 'client' && this.levelOf(session) === 'session' && this.isUnder(session, client);
  }

  /** Whether `above` is on the way from the root to it, itself included. */
  isUnder(id: ReplicaId, above: ReplicaId): boolean {
    return this.#cut(id, this.#ends[this.levelOf(above)]) === above;
  }

  /** How many ids that level has in one of the level above: their numbers are 1 to that. */
  countOf(level: Level): number {
    return 64 ** this.#widths[level] - 1;
  }

  /** The chunk of that number, from 1 to `countOf(level)`; RangeError for others. */
  chunkOf(level: Level, number: number): string {
    if (!(Number.isSafeInteger(number) && number >= 1 && number <= this.countOf(level)))
      throw new RangeError(`no ${level} has the number ${number}`);
    let text = '';
    let rest = number;
    for (let i = 0; i < this.#widths[level]; i += 1) {
      text = ALPHABET.charAt(rest % 64) + text;
      rest = Math.floor(rest / 64);
    }
    return withoutZeros(text);
  }

  /** The inverse of `chunkOf`; NaN for what is none of that level. */
  numberOf(level: Level, chunk: string): number {
    const width = this.#widths[level];
    if (chunk.length > width || decodeBase64x64(chunk) === null) return NaN;
    let number = 0;
    for (const digit of chunk.padEnd(width, '0')) number = number * 64 + ALPHABET.indexOf(digit);
    return number > 0 ? number : NaN;
  }

  #chunk(id: ReplicaId, level: Level): string {
    const end = this.#ends[level];
    return withoutZeros(id.slice(end - this.#widths[level], end));
  }

  #ancestor(id: ReplicaId, level: Level): ReplicaId | null {
    const start = this.#ends[level] - this.#widths[level];
    return id.length > start ? this.#cut(id, this.#ends[level]) : null;
  }

  #cut(id: ReplicaId, end: number): ReplicaId {
    return withoutZeros(id.slice(0, end)) as ReplicaId;
  }
}

function withoutZeros(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 48) end -= 1;
  return text.slice(0, end);
}
