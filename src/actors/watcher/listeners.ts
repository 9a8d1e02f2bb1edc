/**
 * The nodes whose clients watch what is here: what each wants to hear of, and how much it was told. Each has a count of
 * its own, under an epoch, by which it notices what is lost on the way.
 */
import { InterestTable } from '../../store/interest-table.js';
import type { Interest } from '../../store/interest-table.js';
import type { NodeId } from '../../store/node-id.js';
import type { Bytes, ChangeKind, Key, MessageOf } from '../../transport/message.js';
import type { Identity } from '../settings.js';

/** What a change is told by. */
export interface Change {
  readonly kind: ChangeKind;
  readonly key: Key;
  readonly time: number;
  readonly origin: NodeId;
  readonly value: Bytes | null;
}

/** What they need of the watcher that they are a part of. */
export interface ListenersHost {
  readonly identity: Identity;
  readonly counts: { told: number; interestsRefused: number };
  send(message: MessageOf<'interested' | 'changed'>): void;
  /** The store tells of changes. */
  hasAttention(): boolean;
  /** Nothing has changed here since it does. */
  isFresh(): boolean;
  /** There may be more interests now, or none any more. */
  attend(): void;
}

interface Listener {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly epoch: number;
  sequence: number;
  readonly interests: Map<number, Heard>;
}

interface Heard extends Interest {
  readonly listener: Listener;
  readonly values: boolean;
}

/** Interests of other nodes that are kept; further ones are not confirmed. */
const HEARD_MAX = 65_536;
/** Epochs of one start of a node: above those of its former starts. */
const EPOCHS_PER_MS = 1024;

export class Listeners {
  readonly #host: ListenersHost;
  readonly #listeners = new Map<NodeId, Listener>();
  readonly #heard = new InterestTable<Heard>();
  #lastEpoch: number;
  /** Nodes to be answered when the store tells of changes. */
  #unanswered: { readonly listener: Listener; readonly number: number }[] = [];

  constructor(host: ListenersHost) {
    this.#host = host;
    this.#lastEpoch = host.identity.incarnation * EPOCHS_PER_MS;
  }

  get heardCount(): number {
    return this.#heard.count;
  }

  onAttention(): void {
    for (const { listener, number } of this.#unanswered) this.#confirm(listener, number);
    this.#unanswered = [];
  }

  onInterest(message: MessageOf<'interest'>): void {
    const { from, incarnation, number, text, isPrefix, values } = message;
    const listener = this.#listenerOf(from, incarnation);
    if (listener === null) return;
    if (number > 0) {
      if (this.#heard.count >= HEARD_MAX) {
        this.#host.counts.interestsRefused += 1;
        return;
      }
      this.#forget(listener, number);
      const heard: Heard = { listener, text, isPrefix, values };
      listener.interests.set(number, heard);
      this.#heard.add(heard, heard);
    }
    this.#host.attend();
    if (this.#host.hasAttention() || listener.interests.size === 0) this.#confirm(listener, number);
    else this.#unanswered.push({ listener, number });
  }

  onDisinterest({ from, incarnation, number }: MessageOf<'disinterest'>): void {
    const listener = this.#listenerOf(from, incarnation);
    if (listener === null) return;
    this.#forget(listener, number);
    this.#confirm(listener, number);
    this.#host.attend();
  }

  onView(members: readonly NodeId[]): void {
    for (const node of this.#listeners.keys()) if (!members.includes(node)) this.#drop(node);
  }

  /** Those who want to hear of it. */
  tell({ kind, key, time, origin, value }: Change): void {
    const listeners = new Map<Listener, boolean>();
    this.#heard.match(key, ({ listener, values }) => {
      listeners.set(listener, values || listeners.get(listener) === true);
    });
    for (const [listener, values] of listeners)
      this.#tell(listener, { kind, key, time, origin, value: values ? value : null });
  }

  tellGap(): void {
    for (const listener of this.#listeners.values()) if (listener.interests.size > 0) this.#tell(listener, null);
  }

  /** Null for an earlier start of a node that has started again. */
  #listenerOf(node: NodeId, incarnation: number): Listener | null {
    const present = this.#listeners.get(node);
    if (present !== undefined && present.incarnation >= incarnation) {
      return present.incarnation === incarnation ? present : null;
    }
    if (present !== undefined) this.#drop(node);
    this.#lastEpoch += 1;
    const listener: Listener = { node, incarnation, epoch: this.#lastEpoch, sequence: 0, interests: new Map() };
    this.#listeners.set(node, listener);
    return listener;
  }

  #confirm({ node, epoch, sequence }: Listener, number: number): void {
    const head = { to: node, from: this.#host.identity.node, hops: 1 };
    this.#host.send({ type: 'interested', ...head, number, epoch, sequence, isFresh: this.#host.isFresh() });
  }

  #tell(listener: Listener, change: Change | null): void {
    this.#host.counts.told += 1;
    listener.sequence += 1;
    const { node, epoch, sequence } = listener;
    const head = { type: 'changed', to: node, from: this.#host.identity.node, hops: 1, epoch, sequence } as const;
    const gap = { kind: 'gap', key: null, time: 0, origin: null, value: null } as const;
    this.#host.send({ ...head, ...(change ?? gap) });
  }

  #forget(listener: Listener, number: number): void {
    const heard = listener.interests.get(number);
    if (heard === undefined) return;
    listener.interests.delete(number);
    this.#heard.remove(heard, heard);
  }

  #drop(node: NodeId): void {
    const listener = this.#listeners.get(node);
    if (listener === undefined) return;
    for (const number of listener.interests.keys()) this.#forget(listener, number);
    this.#listeners.delete(node);
    this.#unanswered = this.#unanswered.filter((other) => other.listener !== listener);
    this.#host.attend();
  }
}
