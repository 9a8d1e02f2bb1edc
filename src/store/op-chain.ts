/**
 * The chains of a database: each op names the preceding one of its origin (RULES RA), and is stored only directly after
 * it. Of each origin the last op's time is kept, the time of the one before it, and a digest rolled over the bytes of all
 * its ops (RI), through compaction too. A hundred thousand origins take some ten megabytes.
 */
import { FrameReader } from './frame-reader.js';
import { FrameWriter } from './frame-writer.js';
import { KeyHasher, putWord, word } from './key-hash.js';
import { parseNodeId } from './node-id.js';
import type { NodeId } from './node-id.js';

/**
 * What can be told of an op from the last two times of its origin:
 * - `next`: it follows the last one.
 * - `seen`: it is the last one or one before, as far as can be told: ops below the one before the last are not compared.
 * - `gap`: it follows one that is not here yet.
 * - `forked`: the origin has written two ops after the same one. It names as preceding one below the last, or lies
 *   between the last two, or has the time of the last and another preceding one.
 */
export type Verdict = 'next' | 'seen' | 'gap' | 'forked';

/** Origins of one database. */
export const ORIGINS_MAX = 100_000;

const DIGEST_BYTES = 8;
const INITIAL_ORIGINS = 64;
const hasher = new KeyHasher(new Uint8Array(16));
const reader = new FrameReader();
const writer = new FrameWriter();

export class OpChains {
  readonly #numbers = new Map<NodeId, number>();
  /** The origin that was asked for last, as most ops follow one of the same; -1: it has none. */
  #lastOrigin = '' as NodeId;
  #lastNumber = -1;
  #highestTime = 0;
  // By the origin's number.
  #times = new Float64Array(INITIAL_ORIGINS);
  #prevTimes = new Float64Array(INITIAL_ORIGINS);
  #digests = new Uint32Array(2 * INITIAL_ORIGINS);

  get size(): number {
    return this.#numbers.size;
  }

  origins(): IterableIterator<NodeId> {
    return this.#numbers.keys();
  }

  /** Highest time of all ops; 0 for none. */
  get highestTime(): number {
    return this.#highestTime;
  }

  /** Time of the origin's last op; 0 for none. */
  lastTime(origin: NodeId): number {
    const number = this.#numberOf(origin);
    return number < 0 ? 0 : (this.#times[number] as number);
  }

  /** 16 hexadecimal digits; '' for an origin without ops. */
  digestOf(origin: NodeId): string {
    const number = this.#numbers.get(origin);
    if (number === undefined) return '';
    return hex(this.#digests[2 * number + 1] as number) + hex(this.#digests[2 * number] as number);
  }

  verdict(origin: NodeId, time: number, prevTime: number): Verdict {
    const number = this.#numberOf(origin);
    const last = number < 0 ? 0 : (this.#times[number] as number);
    if (time > last) return prevTime === last ? 'next' : prevTime > last ? 'gap' : 'forked';
    const beforeLast = number < 0 ? 0 : (this.#prevTimes[number] as number);
    if (time <= beforeLast) return 'seen';
    return time === last && prevTime === beforeLast ? 'seen' : 'forked';
  }

  /** Whether one more origin can be taken. */
  hasRoomFor(origin: NodeId): boolean {
    return this.#numberOf(origin) >= 0 || this.#numbers.size < ORIGINS_MAX;
  }

  /** The op whose verdict was `next` is stored. `op`: its bytes from `start` to `end`. */
  append(origin: NodeId, time: number, prevTime: number, op: Uint8Array, start = 0, end = op.length): void {
    const number = this.#take(origin);
    // Two lanes of 32 bits, each word into both: many times as fast as SipHash, and no less apt to show a fault.
    let low = (this.#digests[2 * number] as number) ^ (end - start);
    let high = this.#digests[2 * number + 1] as number;
    let at = start;
    for (; at + 4 <= end; at += 4) {
      const block = word(op, at);
      low = Math.imul(low ^ block, 0x9e3779b1);
      low ^= low >>> 15;
      high = Math.imul(high ^ block ^ low, 0x85ebca6b);
      high ^= high >>> 13;
    }
    for (; at < end; at += 1) {
      low = Math.imul(low ^ (op[at] as number), 0x9e3779b1);
      low ^= low >>> 15;
      high = Math.imul(high ^ (op[at] as number) ^ low, 0x85ebca6b);
      high ^= high >>> 13;
    }
    this.#put(number, time, prevTime, mix(low ^ mix(high)), mix(high ^ mix(low + 1)));
  }

  /** One of 64 bits, in 16 hexadecimal digits, of all chains. */
  digest(): string {
    const bytes = this.encode();
    const digest = hasher.hashBytes(bytes, 0, bytes.length);
    return hex(word(digest, 4)) + hex(word(digest, 0));
  }

  /** Canonical: `[[origin, time, time - prevTime, digest], ...]` by origin, the digest as bin of 8. */
  encode(): Uint8Array {
    writer.reset();
    writer.array(this.#numbers.size);
    for (const [origin, number] of [...this.#numbers].sort(([a], [b]) => (a < b ? -1 : 1))) {
      writer.array(4);
      writer.text(origin);
      this.#write(number);
    }
    return writer.copy();
  }

  /** One origin's chain, for a record of its own: `[time, time - prevTime, digest]`. Null if it has none. */
  encodeChain(origin: NodeId): Uint8Array | null {
    const number = this.#numbers.get(origin);
    if (number === undefined) return null;
    writer.reset();
    writer.array(3);
    this.#write(number);
    return writer.copy();
  }

  /** False for what `encodeChain` does not write. */
  restoreChain(origin: NodeId, bytes: Uint8Array): boolean {
    reader.reset(bytes);
    return reader.readArray() === 3 && this.hasRoomFor(origin) && this.#restore(origin, reader) && reader.isAtEnd;
  }

  /**
   * Takes the chains that are longer from what `encode` wrote elsewhere: their ops came with snapshots. Answers the
   * origins of which both have the same last time and another digest: they are forked. Null, and nothing is changed, if
   * the bytes are no chains, or there is no room for them.
   */
  adopt(bytes: Uint8Array): NodeId[] | null {
    const others = OpChains.decode(bytes);
    if (others === null) return null;
    let news = 0;
    for (const origin of others.origins()) if (!this.#numbers.has(origin)) news += 1;
    if (this.size + news > ORIGINS_MAX) return null;
    const forked: NodeId[] = [];
    for (const [origin, theirs] of others.#numbers) {
      const time = others.#times[theirs] as number;
      const last = this.lastTime(origin);
      if (time === last && others.digestOf(origin) !== this.digestOf(origin)) forked.push(origin);
      if (time <= last) continue;
      const [low = 0, high = 0] = others.#digests.subarray(2 * theirs, 2 * theirs + 2);
      this.#put(this.#take(origin), time, others.#prevTimes[theirs] as number, low, high);
    }
    return forked;
  }

  #numberOf(origin: NodeId): number {
    if (origin !== this.#lastOrigin) {
      this.#lastOrigin = origin;
      this.#lastNumber = this.#numbers.get(origin) ?? -1;
    }
    return this.#lastNumber;
  }

  #take(origin: NodeId): number {
    const known = this.#numberOf(origin);
    if (known >= 0) return known;
    const number = this.#numbers.size;
    if (number === this.#times.length) {
      this.#times = grown(this.#times, new Float64Array(2 * number));
      this.#prevTimes = grown(this.#prevTimes, new Float64Array(2 * number));
      this.#digests = grown(this.#digests, new Uint32Array(4 * number));
    }
    this.#numbers.set(origin, number);
    this.#lastNumber = number;
    return number;
  }

  #put(number: number, time: number, prevTime: number, low: number, high: number): void {
    if (time > this.#highestTime) this.#highestTime = time;
    this.#times[number] = time;
    this.#prevTimes[number] = prevTime;
    this.#digests[2 * number] = low;
    this.#digests[2 * number + 1] = high;
  }

  #write(number: number): void {
    const time = this.#times[number] as number;
    const digest = new Uint8Array(DIGEST_BYTES);
    putWord(digest, 0, this.#digests[2 * number] as number);
    putWord(digest, 4, this.#digests[2 * number + 1] as number);
    writer.integer(time);
    writer.integer(time - (this.#prevTimes[number] as number));
    writer.bin(digest);
  }

  #restore(origin: NodeId, from: FrameReader): boolean {
    const time = from.readInteger();
    const delta = from.readInteger();
    if (!(time >= 1) || !(delta >= 1 && delta <= time) || from.readBinLength() !== DIGEST_BYTES) return false;
    const { bytes, position } = from;
    from.seek(position + DIGEST_BYTES);
    this.#put(this.#take(origin), time, time - delta, word(bytes, position), word(bytes, position + 4));
    return true;
  }

  /** The chains of what `encode` wrote, or null. */
  static decode(bytes: Uint8Array): OpChains | null {
    const chains = new OpChains();
    reader.reset(bytes);
    const count = reader.readArray();
    if (count < 0 || count > ORIGINS_MAX) return null;
    let former = '';
    for (let i = 0; i < count; i += 1) {
      if (reader.readArray() !== 4) return null;
      const origin = parseNodeId(reader.readText() ?? '');
      if (origin === null || origin <= former || !chains.#restore(origin, reader)) return null;
      former = origin;
    }
    return reader.isAtEnd ? chains : null;
  }
}

function grown<Numbers extends Float64Array | Uint32Array>(former: Numbers, larger: Numbers): Numbers {
  larger.set(former);
  return larger;
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
  return mixed ^ (mixed >>> 16);
}

function hex(half: number): string {
  return half.toString(16).padStart(8, '0');
}
