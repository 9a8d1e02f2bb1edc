/**
 * Whatever an owner has heard of time before it executes a request, the request's stamp is above it (RULES O7): so the
 * stamps of a key increase over all its owners, whichever clocks they have. Most keys that change hands do so long after
 * their last change, and clocks are near each other, so that hardly any history shows it.
 */
import type { Conclude, LocalStoreMessage } from '../../../actors/message.js';
import type { Hop } from '../../../actors/runtime/runtime.js';
import { parseStamp } from '../../../store/stamp.js';
import type { ClientReply, MessageOf } from '../../../transport/message.js';
import type { NodeLife } from '../../node-life.js';
import { ACTOR } from './rule-watch.js';
import type { RuleWatch } from './rule-watch.js';

/** What tells a store of time. */
const TELLING = {
  forward: true,
  place: true,
  compare: true,
  wanted: true,
  registered: true,
  released: true,
  freeze: true,
  thaw: true,
  take: true,
  taken: true,
  record: true,
  transferred: true,
  locate: true,
  conclude: true,
  observe: true,
  probe: true,
} satisfies Record<Extract<LocalStoreMessage, { readonly clock: number }>['type'], true>;

interface Due {
  readonly node: number;
  readonly heard: number;
}

export class ClockHeard implements RuleWatch {
  readonly invariant = 'stamps are above what was heard';
  readonly types = [...Object.keys(TELLING), 'stored', 'answer'];
  /** By node: the highest time that its store was told. */
  readonly #heard = new Map<number, number>();
  /** By the id of a request, which is unique in a run: what its owner had heard when it was to execute it. */
  readonly #due = new Map<number, Due>();
  readonly #found: string[] = [];

  onStart(node: number): void {
    this.#heard.delete(node);
  }

  onHop(node: number, { from, to, type, message, atMs }: Hop, life: NodeLife): void {
    if (to === ACTOR.store) {
      const { clock } = message as { readonly clock?: unknown };
      if (typeof clock === 'number') this.#heard.set(node, Math.max(clock, this.#heard.get(node) ?? 0));
      if (type !== 'conclude') return;
      const heard = this.#heard.get(node) ?? 0;
      for (const { request } of (message as unknown as Conclude).requests) this.#due.set(request.id, { node, heard });
    } else if (from === ACTOR.store && type === 'stored') {
      this.#onStored(node, message as MessageOf<'stored'>, life, atMs);
    } else if (from === ACTOR.store && type === 'answer') {
      const reply = (message as MessageOf<'answer'>).message as ClientReply;
      if (reply.type === 'stored') this.#onStored(node, reply, life, atMs);
    }
  }

  found(): readonly string[] {
    return this.#found;
  }

  #onStored(node: number, { id, meta }: MessageOf<'stored'>, life: NodeLife, atMs: number): void {
    const due = this.#due.get(id);
    if (due?.node !== node) return;
    this.#due.delete(id);
    const text = meta?.['stamp'];
    const stamp = typeof text === 'string' ? parseStamp(text) : null;
    if (stamp === null || stamp.origin !== life.identity.node || stamp.time > due.heard) return;
    this.#found.push(
      `n${node} stamped request ${id}, told at ${atMs.toFixed(1)}, ${due.heard - stamp.time} below what it had heard`,
    );
  }
}
