/**
 * A node that has handed a key over tells searches who has it until it is gone itself (RULES H1): the new owner may have
 * been asked before it had the key. No client notices when it does not, as long as the question passes the new owner and
 * comes from there in front of the word that the key is taken.
 */
import type { Members, Probe, Probed } from '../../../actors/message.js';
import type { Hop } from '../../../actors/runtime/runtime.js';
import type { NodeId } from '../../../store/node-id.js';
import { TAKING } from '../../../store/taking.js';
import type { MessageOf } from '../../../transport/message.js';
import type { NodeLife } from '../../node-life.js';
import { ACTOR, keysOfCopies } from './rule-watch.js';
import type { RuleWatch } from './rule-watch.js';

interface Giver {
  /** Keys under way, by batch. */
  readonly batches: Map<number, { readonly target: NodeId; readonly keys: readonly string[] }>;
  readonly moved: Set<string>;
  /** Questions of searches that came after their key had been handed over. */
  readonly asked: Map<string, string>;
}

export class MovedKeyTold implements RuleWatch {
  readonly invariant = 'moved keys are reported to searches';
  readonly types = ['take', 'probed', 'members', 'taken', 'probe'];
  readonly #holds: (life: NodeLife, key: string, atMs: number) => boolean;
  readonly #givers = new Map<number, Giver>();
  readonly #found: string[] = [];

  /** `holds`: whether a node has an entry of the key, a tombstone too. */
  constructor(holds: (life: NodeLife, key: string, atMs: number) => boolean) {
    this.#holds = holds;
  }

  onStart(node: number): void {
    this.#givers.set(node, { batches: new Map(), moved: new Set(), asked: new Map() });
  }

  onHop(node: number, { from, to, type, message, atMs }: Hop, life: NodeLife): void {
    const giver = this.#givers.get(node);
    if (giver === undefined) return;
    const { batches, moved, asked } = giver;
    if (from === ACTOR.store && type === 'take') {
      const { to: target, number, copies } = message as MessageOf<'take'>;
      const keys = keysOfCopies(copies);
      if (keys.length > 0) batches.set(number, { target, keys });
    } else if (from === ACTOR.store && type === 'probed') {
      const { asker, number, owner } = message as unknown as Probed;
      const key = asked.get(`${asker} ${number}`);
      asked.delete(`${asker} ${number}`);
      if (key === undefined || owner !== null) return;
      this.#found.push(`n${node} did not tell a search at ${atMs.toFixed(1)} to whom it had given ${key}`);
    } else if (to !== ACTOR.store) return;
    else if (type === 'members') {
      // It takes back what it has given to somebody who is gone.
      const present = new Set((message as unknown as Members).members.map((member) => member.node));
      for (const [number, { target }] of batches) if (!present.has(target)) batches.delete(number);
    } else if (type === 'taken') {
      const { from: target, number, states } = message as MessageOf<'taken'>;
      const batch = batches.get(number);
      if (batch?.target !== target || states.length !== batch.keys.length) return;
      for (const [i, key] of batch.keys.entries()) {
        if (states[i] === TAKING.active && this.#holds(life, key, atMs)) moved.add(key);
      }
    } else if (type === 'probe') {
      const { asker, number, key } = message as unknown as Probe;
      if (moved.has(key) && !this.#holds(life, key, atMs)) asked.set(`${asker} ${number}`, key);
    }
  }

  found(): readonly string[] {
    return this.#found;
  }
}
