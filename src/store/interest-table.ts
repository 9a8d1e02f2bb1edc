/**
 * Who is interested in which keys: in one key, or in all with a prefix. Finding those for a key costs one look-up for
 * the key and one for each length that a prefix has.
 */
export interface Interest {
  /** The key, or the prefix, which may be empty. */
  readonly text: string;
  readonly isPrefix: boolean;
}

export class InterestTable<Who> {
  readonly #keys = new Map<string, Set<Who>>();
  /** By the length of the prefix. */
  readonly #prefixes = new Map<number, Map<string, Set<Who>>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Each `who` at most once for an interest. */
  add({ text, isPrefix }: Interest, who: Who): void {
    const texts = isPrefix ? getOrAdd(this.#prefixes, text.length, () => new Map<string, Set<Who>>()) : this.#keys;
    const all = getOrAdd(texts, text, () => new Set<Who>());
    if (!all.has(who)) this.#count += 1;
    all.add(who);
  }

  /** Does nothing if it is not there. */
  remove({ text, isPrefix }: Interest, who: Who): void {
    const texts = isPrefix ? this.#prefixes.get(text.length) : this.#keys;
    const all = texts?.get(text);
    if (texts === undefined || all === undefined || !all.delete(who)) return;
    this.#count -= 1;
    if (all.size > 0) return;
    texts.delete(text);
    if (isPrefix && texts.size === 0) this.#prefixes.delete(text.length);
  }

  /** Calls `visit` for each who has an interest in the key, once for each of the interests. */
  match(key: string, visit: (who: Who) => void): void {
    for (const who of this.#keys.get(key) ?? []) visit(who);
    for (const [length, texts] of this.#prefixes) {
      if (length > key.length) continue;
      for (const who of texts.get(key.slice(0, length)) ?? []) visit(who);
    }
  }
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const present = map.get(key);
  if (present !== undefined) return present;
  const value = create();
  map.set(key, value);
  return value;
}
