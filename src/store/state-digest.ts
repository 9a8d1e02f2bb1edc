/**
 * A digest of the states of many objects (RULES RI): the sum, modulo 2^64, of a hash of each object's name and canonical
 * encoding. It is kept up object by object, in any order. Equal digests mean equal states but for what chance (and
 * whoever sets out to deceive) can do to 64 bits.
 */
import { KeyHasher, word } from './key-hash.js';

interface Half {
  readonly low: number;
  readonly high: number;
}

const TWO_32 = 2 ** 32;
const hasher = new KeyHasher(new Uint8Array(16));
const utf8 = new TextEncoder();
let scratch = new Uint8Array(4096);

export class StateDigest {
  readonly #hashes = new Map<string, Half>();
  #low = 0;
  #high = 0;

  /** Objects that are counted. */
  get count(): number {
    return this.#hashes.size;
  }

  /** `name`: as `objectName` has it. `state`: its canonical encoding; null: there is no such object. */
  put(name: string, state: Uint8Array | null): void {
    const former = this.#hashes.get(name);
    if (former !== undefined) this.#subtract(former);
    if (state === null) {
      this.#hashes.delete(name);
      return;
    }
    const hash = hashOf(name, state);
    this.#hashes.set(name, hash);
    this.#add(hash);
  }

  /** 16 hexadecimal digits. */
  get value(): string {
    return hex(this.#high) + hex(this.#low);
  }

  /** The names whose states differ, and those that only one of the two has. */
  differences(other: StateDigest): string[] {
    const names = new Set([...this.#hashes.keys(), ...other.#hashes.keys()]);
    return [...names].filter((name) => {
      const [mine, theirs] = [this.#hashes.get(name), other.#hashes.get(name)];
      return mine?.low !== theirs?.low || mine?.high !== theirs?.high;
    });
  }

  #add({ low, high }: Half): void {
    const sum = this.#low + low;
    this.#low = sum % TWO_32;
    this.#high = (this.#high + high + (sum >= TWO_32 ? 1 : 0)) % TWO_32;
  }

  #subtract({ low, high }: Half): void {
    const rest = this.#low - low;
    this.#low = (rest + TWO_32) % TWO_32;
    this.#high = (this.#high - high - (rest < 0 ? 1 : 0) + 2 * TWO_32) % TWO_32;
  }
}

/** The name's length comes first, so that no name and state look like another pair. */
function hashOf(name: string, state: Uint8Array): Half {
  const bytes = utf8.encode(name);
  const length = 2 + bytes.length + state.length;
  if (scratch.length < length) scratch = new Uint8Array(2 * length);
  scratch[0] = bytes.length;
  scratch[1] = bytes.length >>> 8;
  scratch.set(bytes, 2);
  scratch.set(state, 2 + bytes.length);
  const hash = hasher.hashBytes(scratch, 0, length);
  return { low: word(hash, 0), high: word(hash, 4) };
}

function hex(half: number): string {
  return half.toString(16).padStart(8, '0');
}
