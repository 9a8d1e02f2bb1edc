/**
 * A node that holds a copy which its home has not made an entry yet lets requests for the key wait (RULES H1): it says
 * neither that it has nothing nor that the key is not its own. Clients would mostly hear the same in the end, as a home
 * that names the new owner has told it so before.
 */
import type { Absent } from '../../../actors/message.js';
import type { Hop } from '../../../actors/runtime/runtime.js';
import { TAKING } from '../../../store/taking.js';
import { CACHE_REQUESTS } from '../../../transport/message.js';
import type { CacheRequest, MessageOf } from '../../../transport/message.js';
import { ACTOR, keysOfCopies } from './rule-watch.js';
import type { RuleWatch } from './rule-watch.js';

interface Taker {
  /** The keys of each batch, by giver and number. */
  readonly batches: Map<string, readonly string[]>;
  /** Keys of copies that wait for their home. */
  readonly waiting: Set<string>;
  /** Requests that came while their key waited: the keys, by id for those of this node, else by asker and number. */
  asked: Map<string, string>;
}

export class IncomingWaits implements RuleWatch {
  readonly invariant = 'requests wait for incoming copies';
  readonly types = [...REQUESTS, ...RELEASING, 'forward', 'take', 'taken', 'absent', 'notMine', 'answer'];
  readonly #takers = new Map<number, Taker>();
  readonly #found: string[] = [];

  onStart(node: number): void {
    this.#takers.set(node, { batches: new Map(), waiting: new Set(), asked: new Map() });
  }

  onHop(node: number, hop: Hop): void {
    const { from, to, type, message, atMs } = hop;
    const taker = this.#takers.get(node);
    if (taker === undefined) return;
    if (to === ACTOR.store) {
      if (type === 'forward') onForward(taker, message as MessageOf<'forward'>);
      else if (type === 'take') {
        const { from: giver, number, copies } = message as MessageOf<'take'>;
        const keys = keysOfCopies(copies);
        if (keys.length > 0) taker.batches.set(`${giver} ${number}`, keys);
        release(taker);
      } else if (RELEASING.has(type)) release(taker);
      else if (REQUESTS.has(type)) {
        const { id, key } = message as unknown as CacheRequest;
        if (taker.waiting.has(key)) taker.asked.set(`${id}`, key);
      }
    } else if (from === ACTOR.store) {
      if (type === 'taken') onTaken(taker, message as MessageOf<'taken'>);
      else if (type === 'absent') {
        const { request, isPassedBack } = message as unknown as Absent;
        if (!isPassedBack) this.#onDenied(node, taker, `${request.id}`, atMs);
      } else if (isDenial(hop)) {
        const { to: asker, number } = message as MessageOf<'notMine' | 'answer'>;
        this.#onDenied(node, taker, `${asker} ${number}`, atMs);
      }
    }
  }

  found(): readonly string[] {
    return this.#found;
  }

  #onDenied(node: number, { asked }: Taker, request: string, atMs: number): void {
    const key = asked.get(request);
    if (key !== undefined) this.#found.push(`n${node} denied ${key} at ${atMs.toFixed(1)}, of which a copy waited`);
  }
}

const REQUESTS: ReadonlySet<string> = new Set(CACHE_REQUESTS);

/** What may end the wait of copies: then their requests are served, and answered by what is there. */
const RELEASING: ReadonlySet<string> = new Set(['transferred', 'members', 'renumbered', 'drain']);

const release = (taker: Taker): void => {
  taker.waiting.clear();
  taker.asked = new Map();
};

const isDenial = ({ type, message }: Hop): boolean =>
  type === 'notMine' || (type === 'answer' && (message as MessageOf<'answer'>).message.type === 'missing');

const onTaken = ({ batches, waiting }: Taker, { to, number, states }: MessageOf<'taken'>): void => {
  for (const [i, key] of (batches.get(`${to} ${number}`) ?? []).entries()) {
    if (states[i] === TAKING.waiting) waiting.add(key);
  }
};

const onForward = ({ waiting, asked }: Taker, { from, number, behind, message }: MessageOf<'forward'>): void => {
  const { key } = message as CacheRequest;
  // One that follows another has to take its way, whatever is here.
  if (waiting.has(key) && behind === 0) asked.set(`${from} ${number}`, key);
};
