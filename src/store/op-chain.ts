/**
 * The chains of a database's origins: of each the time of its last op, how many there were, and a digest of them all. An
 * op is stored directly after the one that it names (RULES RA); so what a replica has of an origin is said by one time.
 */
import { ByteHash } from './byte-hash.js';
import { FrameReader } from './frame-reader.js';
import { FrameWriter } from './frame-writer.js';
import { parseNodeId } from './node-id.js';
import type { ItemReader } from './op.js';
import { formatTime, parseTime } from './stamp.js';

/**
 * `next`: directly after the last one. `seen`: here already. `gap`: something before it is missing. `forked`: another op
 * followed on the one that it names, or on one before it in its own branch.
 */
export type Verdict = 'next' | 'seen' | 'gap' | 'forked';

interface Chain {
  time: number;
  count: number;
  digest: number;
}

/** Forked origins that are remembered: what follows on the other branch is no gap. */
const FORKED_MAX = 4096;

const writer = new FrameWriter();
const reader = new FrameReader();
const hash = new ByteHash();

export class OpChains {
  readonly #chains = new Map<string, Chain>();
  readonly #forked = new Set<string>();

  get size(): number {
    return this.#chains.size;
  }

  /** Time of the origin's last op; 0 if there is none. */
  lastOf(origin: string): number {
    return this.#chains.get(origin)?.time ?? 0;
  }

  covers(origin: string, time: number): boolean {
    return time <= this.lastOf(origin);
  }

  /** All that the other one has is here. */
  includes(other: OpChains): boolean {
    for (const [origin, { time }] of other.#chains) if (!this.covers(origin, time)) return false;
    return true;
  }

  /** Of the op that was read. */
  judge({ origin, time, prevTime }: ItemReader): Verdict {
    const last = this.lastOf(origin);
    if (prevTime === last) return 'next';
    if (time <= last) return 'seen';
    if (prevTime > last && !this.#forked.has(origin)) return 'gap';
    if (this.#forked.size < FORKED_MAX) this.#forked.add(origin);
    return 'forked';
  }

  /** The op that was read is the next one. */
  append(op: ItemReader): void {
    const { origin, time } = op;
    const chain = this.#chains.get(origin);
    const digest = hash.begin(chain?.digest ?? 0).add(op.bytes, op.start + 1, op.payloadEnd).value;
    if (chain === undefined) this.#chains.set(origin, { time, count: 1, digest });
    else {
      chain.time = time;
      chain.count += 1;
      chain.digest = digest;
    }
  }

  /** Takes over what the other one has more. */
  join(other: OpChains): void {
    for (const [origin, chain] of other.#chains) {
      if (chain.time > this.lastOf(origin)) this.#chains.set(origin, { ...chain });
    }
  }

  copy(): OpChains {
    const copy = new OpChains();
    copy.join(this);
    return copy;
  }

  *times(): Generator<readonly [string, number]> {
    for (const [origin, { time }] of this.#chains) yield [origin, time];
  }

  /** Equal for equal chains, as far as 53 bits can tell. */
  digest(): string {
    let sum = 0;
    for (const [origin, { digest, time }] of this.#chains) {
      const one = hash.begin(digest).addText(`${formatTime(time)}-${origin}`).value;
      sum = (sum + one) % Number.MAX_SAFE_INTEGER;
    }
    return sum.toString(16);
  }

  /** An array of [origin, time, count, digest]. */
  encode(): Uint8Array {
    writer.reset();
    writer.array(this.#chains.size);
    for (const [origin, { time, count, digest }] of this.#chains) {
      writer.array(4);
      writer.text(origin);
      writer.text(formatTime(time));
      writer.integer(count);
      writer.integer(digest);
    }
    const bytes = writer.copy();
    writer.reset();
    return bytes;
  }

  /** Null if the bytes are not what `encode` writes. */
  static decode(bytes: Uint8Array): OpChains | null {
    reader.reset(bytes);
    const size = reader.readArray();
    if (size < 0) return null;
    const chains = new OpChains();
    for (let i = 0; i < size; i += 1) {
      if (reader.readArray() !== 4) return null;
      const origin = parseNodeId(reader.readText() ?? '');
      const time = parseTime(reader.readText() ?? '');
      const count = reader.readInteger();
      const digest = reader.readInteger();
      if (origin === null || time === null || !(count >= 0) || !(digest >= 0)) return null;
      chains.#chains.set(origin, { time, count, digest });
    }
    return reader.isAtEnd ? chains : null;
  }
}
