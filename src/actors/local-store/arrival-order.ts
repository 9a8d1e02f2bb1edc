/**
 * Requests of one node for one key are taken in the order in which that node sent them, whatever ways they came (C3):
 * relays whose routes change let a later one overtake. Each names the one that it follows; here is known which have
 * arrived, and those that come too early wait for a moment. A part of the local store, not an actor of its own.
 */
import type { NodeId } from '../../store/node-id.js';
import type { MessageOf } from '../../transport/message.js';
import { HELD_REQUESTS_MAX } from '../settings.js';

/** How far back a request can name another one: beyond, order is not watched over. */
const WINDOW = 8192;
/** So long a request waits for the one that it follows: that one is behind by a way through the swarm, or lost. */
const EARLY_MS = 250;

const UNKNOWN = 0;
const ARRIVED = 1;
const RETURNED = 2;

interface Origin {
  incarnation: number;
  highest: number;
  /** What is known of the numbers up to the highest, each at its remainder by the window. */
  readonly states: Uint8Array;
}

/** A request that waits for another one. */
export interface Early {
  readonly forward: MessageOf<'forward'>;
  readonly deadlineMs: number;
  readonly untilMs: number;
}

export class ArrivalOrder {
  readonly #origins = new Map<NodeId, Origin>();
  /** By the request that is waited for. */
  readonly #early = new Map<string, Early>();

  get earlyCount(): number {
    return this.#early.size;
  }

  /**
   * `free`: it is to be taken now, and counts as arrived. `early`: what it follows has not arrived. `returned`: what it
   * follows was sent back, and it has to take the same way.
   */
  admit({ from, incarnation, number, behind }: MessageOf<'forward'>): 'free' | 'early' | 'returned' {
    let origin = this.#origins.get(from);
    if (origin === undefined) {
      origin = { incarnation, highest: 0, states: new Uint8Array(WINDOW) };
      this.#origins.set(from, origin);
    } else if (incarnation !== origin.incarnation) {
      // What is left of a former life is judged by the execution record.
      if (incarnation < origin.incarnation) return 'free';
      origin.incarnation = incarnation;
      origin.highest = 0;
      origin.states.fill(UNKNOWN);
    }
    if (behind > 0) {
      const state = stateOf(origin, number - behind);
      if (state === RETURNED) return 'returned';
      if (state === UNKNOWN) return 'early';
    }
    mark(origin, number, ARRIVED);
    return 'free';
  }

  /** The request was not executed, and its sender is told to look for another owner. */
  sendBack({ from, incarnation, number }: MessageOf<'forward'>): void {
    const origin = this.#origins.get(from);
    if (origin?.incarnation === incarnation) mark(origin, number, RETURNED);
  }

  /** Until when the request waits; null: too many do. */
  wait(forward: MessageOf<'forward'>, deadlineMs: number, nowMs: number): number | null {
    const name = nameOf(forward.from, forward.number - forward.behind);
    const known = this.#early.get(name);
    if (known === undefined && this.#early.size >= HELD_REQUESTS_MAX) return null;
    const untilMs = known?.untilMs ?? nowMs + EARLY_MS;
    this.#early.set(name, { forward, deadlineMs, untilMs });
    return untilMs;
  }

  /** The one that waited for this one, and waits no longer. */
  takeFollower({ from, number }: MessageOf<'forward'>): Early | undefined {
    if (this.#early.size === 0) return undefined;
    const name = nameOf(from, number);
    const follower = this.#early.get(name);
    if (follower !== undefined) this.#early.delete(name);
    return follower;
  }

  /** Those that have waited long enough; they wait no longer. `soonMs`: when the next one will have. */
  takeOverdue(nowMs: number): { readonly overdue: readonly Early[]; readonly soonMs: number | null } {
    const overdue: Early[] = [];
    let soonMs: number | null = null;
    for (const [name, early] of this.#early) {
      if (early.untilMs <= nowMs) {
        overdue.push(early);
        this.#early.delete(name);
      } else soonMs = Math.min(soonMs ?? Infinity, early.untilMs);
    }
    return { overdue, soonMs };
  }

  origins(): NodeId[] {
    return [...this.#origins.keys()];
  }

  /** The node is gone, and with it what it has sent. */
  forget(node: NodeId): void {
    this.#origins.delete(node);
    for (const [name, { forward }] of this.#early) if (forward.from === node) this.#early.delete(name);
  }
}

/** What lies before the window has been there long enough to have arrived. */
function stateOf({ highest, states }: Origin, number: number): number {
  if (number <= highest - WINDOW) return ARRIVED;
  return number > highest ? UNKNOWN : (states[number % WINDOW] as number);
}

function mark(origin: Origin, number: number, state: number): void {
  const { highest, states } = origin;
  if (number <= highest - WINDOW) return;
  if (number > highest) {
    if (number - highest >= WINDOW) states.fill(UNKNOWN);
    else for (let passed = highest + 1; passed < number; passed += 1) states[passed % WINDOW] = UNKNOWN;
    origin.highest = number;
  }
  states[number % WINDOW] = state;
}

function nameOf(from: NodeId, number: number): string {
  return `${from} ${number}`;
}
