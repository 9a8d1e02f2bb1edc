/**
 * Which node to try next, and how long to wait before. Goes round by round over all known addresses: the last good one
 * first, the others shuffled, so that the clients of a lost node spread over the rest. Between two rounds it waits a
 * random part of a span that doubles up to a maximum ("full jitter").
 */

export interface Backoff {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Addresses that a leaving node may teach. */
const LEARNED_MAX = 16;

export class UrlList {
  readonly #configured: readonly string[];
  readonly #backoff: Backoff;
  readonly #random: () => number;
  /** Where leaving nodes sent us. */
  #learned: readonly string[] = [];
  #lastGood: string | null = null;
  /** What is left of this round. */
  #round: string[] = [];
  /** Rounds begun since the last good connection. */
  #rounds = 0;
  /** Nodes that asked to be left alone until then. */
  readonly #notBefore = new Map<string, number>();

  constructor(configured: readonly string[], backoff: Backoff, random: () => number) {
    this.#configured = configured;
    this.#backoff = backoff;
    this.#random = random;
  }

  next(nowMs: number): { readonly url: string; readonly waitMs: number } {
    const inRound = this.#round.shift();
    if (inRound !== undefined) return { url: inRound, waitMs: 0 };
    for (const [url, atMs] of this.#notBefore) if (atMs <= nowMs) this.#notBefore.delete(url);
    const known = this.#known();
    const ready = known.filter((url) => !this.#notBefore.has(url));
    const pauseMs = this.#pauseMs();
    this.#rounds += 1;
    if (ready.length > 0) {
      this.#round = ready;
      return { url: this.#round.shift() as string, waitMs: pauseMs };
    }
    const readyMs = (url: string): number => this.#notBefore.get(url) ?? 0;
    const url = known.reduce((a, b) => (readyMs(b) < readyMs(a) ? b : a));
    return { url, waitMs: Math.max(pauseMs, readyMs(url) - nowMs) };
  }

  /** A node took the connection: the next round begins with it. */
  succeed(url: string): void {
    this.#lastGood = url;
    this.#round = [];
  }

  /** The connection has held: the pauses begin small again. */
  settle(): void {
    this.#rounds = 1;
  }

  /** A node leaves, or has no room: it is not tried before `untilMs`, and `urls` are where it sends us. */
  leave(url: string, untilMs: number, urls: readonly string[]): void {
    this.#notBefore.set(url, untilMs);
    if (this.#lastGood === url) this.#lastGood = null;
    if (urls.length > 0) this.#learned = urls.slice(0, LEARNED_MAX);
    this.#round = [];
  }

  #known(): string[] {
    const first = this.#lastGood === null ? [] : [this.#lastGood];
    return [...new Set([...first, ...this.#shuffled(this.#learned), ...this.#shuffled(this.#configured)])];
  }

  #pauseMs(): number {
    const { minMs, maxMs } = this.#backoff;
    if (this.#rounds === 0) return 0;
    return this.#random() * Math.min(maxMs, minMs * 2 ** (this.#rounds - 1));
  }

  #shuffled(urls: readonly string[]): string[] {
    const shuffled = [...urls];
    for (let i = shuffled.length - 1; i > 0; i -= 1) {
      const j = Math.floor(this.#random() * (i + 1));
      [shuffled[i], shuffled[j]] = [shuffled[j] as string, shuffled[i] as string];
    }
    return shuffled;
  }
}

/** Is it the address of a node? A WebSocket's has no fragment. */
export function isUrl(text: unknown): text is string {
  if (typeof text !== 'string' || !URL.canParse(text)) return false;
  const { protocol, hash } = new URL(text);
  return (protocol === 'ws:' || protocol === 'wss:') && hash === '';
}

/** May a node at `url` send us to `other`? Not from an encrypted connection to an open one: that would show the token. */
export function isUsable(other: unknown, url: string): other is string {
  return isUrl(other) && (other.startsWith('wss:') || !url.startsWith('wss:'));
}
