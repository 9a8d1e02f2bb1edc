/**
 * With a key that is handed over go the results of the writes to it that may be repeated (RULES D1). A shadow of what
 * each owner has executed for other nodes decides, and the number of records that it announces. Repeated writes go to
 * whom they were sent to first (D2), so that no request is executed twice without them.
 */
import type { Members } from '../../../actors/message.js';
import type { Hop } from '../../../actors/runtime/runtime.js';
import type { NodeId } from '../../../store/node-id.js';
import type { CacheRequest, MessageOf } from '../../../transport/message.js';
import { isRead } from '../../../actors/cache-request.js';
import { ACTOR, keysOfCopies } from './rule-watch.js';
import type { RuleWatch } from './rule-watch.js';

interface Asker {
  incarnation: number;
  /** Of numbers below it no result is needed any more. */
  floor: number;
  /** The keys of writes that came, by number. */
  readonly asked: Map<number, string>;
  /** Those that were executed. */
  readonly executed: Map<number, string>;
}

export class RecordsTravel implements RuleWatch {
  readonly invariant = 'records travel with their keys';
  readonly types = ['forward', 'record', 'members', 'answer', 'take'];
  readonly #askers = new Map<number, Map<NodeId, Asker>>();
  readonly #found: string[] = [];

  onStart(node: number): void {
    this.#askers.set(node, new Map());
  }

  onHop(node: number, { from, to, type, message, atMs }: Hop): void {
    const askers = this.#askers.get(node);
    if (askers === undefined) return;
    if (to === ACTOR.store) {
      if (type === 'forward') onForward(askers, message as MessageOf<'forward'>);
      else if (type === 'record') onRecord(askers, message as MessageOf<'record'>);
      else if (type === 'members') onMembers(askers, message as unknown as Members);
    } else if (from === ACTOR.store) {
      if (type === 'answer') onAnswer(askers, message as MessageOf<'answer'>);
      else if (type === 'take') this.#onTake(node, askers, message as MessageOf<'take'>, atMs);
    }
  }

  found(): readonly string[] {
    return this.#found;
  }

  #onTake(node: number, askers: ReadonlyMap<NodeId, Asker>, message: MessageOf<'take'>, atMs: number): void {
    const keys = new Set(keysOfCopies(message.copies));
    let due = 0;
    for (const { executed } of askers.values()) for (const key of executed.values()) if (keys.has(key)) due += 1;
    if (message.records >= due) return;
    this.#found.push(`n${node} gave keys away at ${atMs.toFixed(1)} with ${message.records} records instead of ${due}`);
  }
}

const onForward = (askers: Map<NodeId, Asker>, message: MessageOf<'forward'>): void => {
  const { from, incarnation, floor, number } = message;
  const request = message.message as CacheRequest;
  if (isRead(request)) return;
  const asker = heardOf(askers, from, incarnation, floor);
  if (asker !== null && number >= asker.floor) asker.asked.set(number, request.key);
};

/** What a former owner knew of an asker holds here as well. */
const onRecord = (askers: Map<NodeId, Asker>, { asker, askerIncarnation, floor }: MessageOf<'record'>): void => {
  heardOf(askers, asker, askerIncarnation, floor);
};

/** Null: of a former life. */
const heardOf = (askers: Map<NodeId, Asker>, node: NodeId, incarnation: number, floor: number): Asker | null => {
  let asker = askers.get(node);
  if (asker === undefined || incarnation > asker.incarnation) {
    asker = { incarnation, floor: 0, asked: new Map(), executed: new Map() };
    askers.set(node, asker);
  }
  if (incarnation < asker.incarnation) return null;
  if (floor > asker.floor) {
    asker.floor = floor;
    for (const numbers of [asker.asked, asker.executed]) {
      for (const older of numbers.keys()) if (older < floor) numbers.delete(older);
    }
  }
  return asker;
};

const onAnswer = (askers: ReadonlyMap<NodeId, Asker>, { to, number, message }: MessageOf<'answer'>): void => {
  const asker = askers.get(to);
  const key = asker?.asked.get(number);
  if (asker === undefined || key === undefined) return;
  // What was refused for want of time or room was not executed.
  if (message.type !== 'refused') asker.executed.set(number, key);
};

/** Whoever is gone may be forgotten. */
const onMembers = (askers: Map<NodeId, Asker>, { members }: Members): void => {
  const present = new Set(members.map(({ node }) => node));
  for (const asker of askers.keys()) if (!present.has(asker)) askers.delete(asker);
};
