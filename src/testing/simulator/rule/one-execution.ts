/**
 * A request takes effect at most once in the whole swarm (C5): each `set` that was executed has one stamp, whoever
 * executed it, and whatever reply to it is on its way somewhere.
 */
import type { Hop } from '../../../actors/runtime/runtime.js';
import type { ClientReply, MessageOf } from '../../../transport/message.js';
import { ACTOR } from './rule-watch.js';
import type { RuleWatch } from './rule-watch.js';

export class OneExecution implements RuleWatch {
  readonly invariant = 'one execution';
  readonly types = ['stored', 'answer'];
  /** By the id of the request, which is unique in a run. */
  readonly #stamps = new Map<number, string>();
  readonly #found: string[] = [];

  onStart(): void {}

  onHop(node: number, { from, type, message, atMs }: Hop): void {
    if (type === 'stored') this.#onReply(node, message as MessageOf<'stored'>, atMs);
    else if (type === 'answer' && from === ACTOR.store) {
      const reply = (message as MessageOf<'answer'>).message as ClientReply;
      if (reply.type === 'stored') this.#onReply(node, reply, atMs);
    }
  }

  found(): readonly string[] {
    return this.#found;
  }

  #onReply(node: number, { id, meta }: MessageOf<'stored'>, atMs: number): void {
    const stamp = meta?.['stamp'];
    if (typeof stamp !== 'string') return;
    const former = this.#stamps.get(id);
    if (former === undefined) this.#stamps.set(id, stamp);
    else if (former !== stamp) {
      this.#found.push(
        `request ${id} was executed twice, as ${former} and, told at n${node} at ${atMs.toFixed(1)}, ${stamp}`,
      );
    }
  }
}
