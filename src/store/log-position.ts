/**
 * What positions in a log mean: at each start the log gets a new incarnation, and the table says at which index each one
 * began. A position is worth something up to where its incarnation ended; so those in what a restored disk has forgotten
 * lead back to the last common entry (RULES RE).
 */
import { FrameReader } from './frame-reader.js';
import { FrameWriter } from './frame-writer.js';

interface Incarnation {
  readonly name: string;
  /** Index of its first entry. */
  readonly first: number;
}

/** Older ones are forgotten: whoever was away for so many starts is compared by chains. */
const INCARNATIONS_MAX = 256;

const writer = new FrameWriter();
const reader = new FrameReader();

export class LogTable {
  #incarnations: Incarnation[] = [];

  /** The name of the present incarnation; '' before the first. */
  get present(): string {
    return this.#incarnations.at(-1)?.name ?? '';
  }

  begin(name: string, first: number): void {
    this.#incarnations.push({ name, first });
    if (this.#incarnations.length > INCARNATIONS_MAX) this.#incarnations.shift();
  }

  /** Where the position is in a log of that length now; null if nobody can tell. */
  resume(name: string, index: number, length: number): number | null {
    const at = this.#incarnations.findIndex((other) => other.name === name);
    if (at < 0) return null;
    const end = this.#incarnations[at + 1]?.first ?? length;
    return Math.min(index, end);
  }

  encode(): Uint8Array {
    writer.reset();
    writer.array(this.#incarnations.length);
    for (const { name, first } of this.#incarnations) {
      writer.array(2);
      writer.text(name);
      writer.integer(first);
    }
    const bytes = writer.copy();
    writer.reset();
    return bytes;
  }

  /** Null if the bytes are not what `encode` writes. */
  static decode(bytes: Uint8Array): LogTable | null {
    reader.reset(bytes);
    const count = reader.readArray();
    const table = new LogTable();
    for (let i = 0; i < count; i += 1) {
      if (reader.readArray() !== 2) return null;
      const name = reader.readText();
      const first = reader.readInteger();
      if (name === null || !(first >= 0)) return null;
      table.#incarnations.push({ name, first });
    }
    return count < 0 || !reader.isAtEnd ? null : table;
  }
}
