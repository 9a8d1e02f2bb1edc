/** A rolling digest of a run: two runs of one seed must end with the same. */
export class TraceHash {
  #low = 0x811c9dc5;
  #high = 0x01000193;

  add(text: string): void {
    for (let at = 0; at < text.length; at += 1) {
      this.#low = Math.imul(this.#low ^ text.charCodeAt(at), 0x01000193);
      this.#high = Math.imul(this.#high ^ (this.#low >>> 15), 0x85ebca6b);
    }
  }

  get text(): string {
    return (this.#high >>> 0).toString(16).padStart(8, '0') + (this.#low >>> 0).toString(16).padStart(8, '0');
  }
}
