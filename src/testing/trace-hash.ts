// A look-up of `Math` for each byte is what a test pays most for, where globals are intercepted.
const { imul } = Math;

/** A rolling digest of a run: two runs of one seed must end with the same. */
export class TraceHash {
  #low = 0x811c9dc5;
  #high = 0x01000193;
  readonly #numbers = new Map<string, number>();
  readonly #float = new Float64Array(1);
  readonly #halves = new Uint32Array(this.#float.buffer);

  addTime(atMs: number): void {
    this.#float[0] = atMs;
    this.#mix(this.#halves[0] as number);
    this.#mix(this.#halves[1] as number);
  }

  /** Words are few, and come again and again. */
  addWord(word: string): void {
    let number = this.#numbers.get(word);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(word, number);
      for (let at = 0; at < word.length; at += 1) this.#mix(word.charCodeAt(at));
    }
    this.#mix(number);
  }

  addBytes(bytes: Uint8Array): void {
    let sum = bytes.length;
    for (let at = 0; at < bytes.length; at += 1) sum = imul(sum ^ (bytes[at] as number), 0x01000193);
    this.#mix(sum);
  }

  get text(): string {
    return (this.#high >>> 0).toString(16).padStart(8, '0') + (this.#low >>> 0).toString(16).padStart(8, '0');
  }

  #mix(value: number): void {
    this.#low = imul(this.#low ^ value, 0x01000193);
    this.#high = imul(this.#high ^ (this.#low >>> 15), 0x85ebca6b);
    this.#low ^= this.#low >>> 13;
  }
}
