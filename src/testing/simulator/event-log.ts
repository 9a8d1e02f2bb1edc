/** What happened in a run, as lines for people: kept while it runs, the last ones that matter shown afterwards. */
import type { Hop } from '../../actors/runtime/runtime.js';
import type { RunWatcher } from './run-plan.js';

interface Event {
  readonly atMs: number;
  readonly text: string;
  /** Null for what concerns all keys. */
  readonly key: string | null;
}

const EVENTS_KEPT = 200_000;

export class EventLog implements RunWatcher {
  #events: Event[] = [];

  onHop(atMs: number, node: number, { from, to, type, message }: Hop): void {
    this.#add({ atMs, key: keyIn(message), text: `n${node} ${from} -> ${to} ${type}` });
  }

  onFault(atMs: number, text: string): void {
    this.#add({ atMs, key: null, text: `FAULT ${text}` });
  }

  /** The last lines until that time about one key, or about all, and the faults between them. */
  last(count: number, untilMs: number, key: string | null): string[] {
    return this.#events
      .filter((event) => event.atMs <= untilMs && (key === null || event.key === key || event.text.startsWith('FAULT')))
      .slice(-count)
      .map(({ atMs, text }) => `${atMs.toFixed(2)} ${text}`);
  }

  #add(event: Event): void {
    this.#events.push(event);
    if (this.#events.length === 2 * EVENTS_KEPT) this.#events = this.#events.slice(EVENTS_KEPT);
  }
}

/** The key that a message is about: its own, or that of the request that it carries. */
const keyIn = (message: object): string | null => {
  if ('key' in message && typeof message.key === 'string') return message.key;
  for (const name of ['request', 'message'] as const) {
    const inner = (message as Readonly<Record<string, unknown>>)[name];
    if (typeof inner === 'object' && inner !== null) return keyIn(inner);
  }
  return null;
};
