/** What must hold of every run: each invariant by its name, with the part of the evidence that it is judged by. */
import { checkAnsweredOnce } from '../checker/answered-once.js';
import { checkLinearizable } from '../checker/linearizable.js';
import type { Operation } from '../checker/operation.js';
import { checkValueWasSet } from '../checker/value-was-set.js';
import { checkDirectoryAgrees } from './check/directory-agrees.js';
import { checkLivesEnd } from './check/lives-end.js';
import { checkBounded } from './check/bounded.js';
import { checkAnswersWhenSettled } from './check/answers-when-settled.js';
import { checkConservation } from './check/conservation.js';
import { checkDeletesStay } from './check/deletes-stay.js';
import { checkExactAccounting } from './check/exact-accounting.js';
import { checkExpiredStaysAway } from './check/expired-stays-away.js';
import { checkNoFlood } from './check/no-flood.js';
import { checkNoLostWrite } from './check/no-lost-write.js';
import { checkNoRefusal } from './check/no-refusal.js';
import { checkOneCopy } from './check/one-copy.js';
import { checkStampOrder } from './check/stamp-order.js';
import { checkStampsIncrease } from './check/stamps-increase.js';
import { checkTrueMissing } from './check/true-missing.js';
import { checkChangesTold, checkEndsTold, checkWatchOrder } from './check/watch-order.js';
import { diameterOf } from './graph.js';
import type { Evidence } from './evidence.js';

export interface Violation {
  readonly invariant: string;
  readonly text: string;
  /** When and about which key, where that is known. */
  readonly atMs?: number;
  readonly key?: string;
}

export interface Judgement {
  /** First things first; empty if all holds. */
  readonly violations: readonly Violation[];
  /** Keys whose linearizability could not be decided. */
  readonly undecided: number;
}

/** Answers may come this much after the time-out: turns, and the way there and back. */
const GRACE_MS = 100;
const GRACE_LATENCIES = 30;
/** A change that was lost is noticed when counts are compared. */
const CHANGE_MS_MAX = 15_000;

/** So many mean delays a link may need for a message. */
const SLOW_LATENCIES = 4;

export const judge = (evidence: Evidence): Judgement => {
  const { plan, settings, history, nodes, counters } = evidence;
  const violations: Violation[] = [];
  const add = (invariant: string, texts: readonly string[]): void => {
    for (const text of texts) violations.push({ invariant, text });
  };
  const hasFaults = plan.faults.length > 0;
  const evicts = (counters.get('store.evicted') ?? 0) > 0;
  // A full node does not remember deletes: they are not to cost it entries.
  const forgets = evicts || (counters.get('store.unburied') ?? 0) > 0;

  add('settles', evidence.unsettled === null ? [] : [evidence.unsettled]);
  add('nothing unexpected', evidence.oddities);
  add('value was set', checkValueWasSet(history));
  add('answered once', checkAnsweredOnce(history, deadlineOf(evidence), evidence.endMs));
  if (!hasFaults) add('no refusal', checkNoRefusal(history, evicts));
  add('true missing', checkTrueMissing(evidence.missedCopies, { ...evidence, edges: plan.edges, ...settings }));
  const partsFromMs = evidence.windows[0]?.toMs ?? Infinity;
  const expiring = new Set(
    partsFromMs === Infinity ? [] : history.filter(({ ttlMs }) => ttlMs > 0).map(({ key }) => key),
  );
  const { seenStamps, goneWithNode } = evidence;
  if (!evicts) add('stamps increase', checkStampsIncrease(nodes, seenStamps, goneWithNode, expiring));
  const hasOneTime = plan.faults.every(({ kind }) => kind !== 'clock-jump' && kind !== 'clock-drift');
  if (!forgets && hasOneTime) add('deletes stay', checkDeletesStay(history, nodes, goneWithNode));
  if (!evicts) add('no lost write', checkNoLostWrite(history, { ...evidence, partsFromMs }));
  const firstWindow = evidence.windows.slice(0, 1);
  add('stamp order', checkStampOrder(history, firstWindow));
  add('changes in order', checkWatchOrder(evidence.watchings));
  if (partsFromMs === Infinity) add('ends told', checkEndsTold(evidence.watchings, nodes));
  add('changes told', checkChangesTold(evidence.watchings, history, firstWindow, CHANGE_MS_MAX));
  const { violations: disorders, undecided } = checkLinearizable(history, {
    windows: evidence.windows,
    evicts,
    effectMsMax: effectMsMax(evidence),
  });
  for (const { invariant, text, stuck } of disorders) {
    violations.push({ invariant, text, atMs: stuck.returnedMs, key: stuck.key });
  }
  // On disk expiry is wall time.
  if (hasOneTime || !plan.hasDisks) {
    add('expired stays away', checkExpiredStaysAway(history, travelMsMax(evidence)));
    add('lives end', checkLivesEnd(history, nodes, travelMsMax(evidence)));
  }
  add('one copy', checkOneCopy(nodes));
  add('exact accounting', checkExactAccounting(nodes, settings));
  add('message conservation', checkConservation(nodes));
  add('bounded', checkBounded(nodes));
  add('no flood', checkNoFlood(evidence.searchesWhenSettled));
  if (evidence.unsettled === null)
    add('answers when settled', checkAnswersWhenSettled(evidence.askedWhenSettled, isTimely(evidence)));
  for (const { invariant, texts } of evidence.broken) add(invariant, texts);
  add('nobody is missed who has left', evidence.missing);
  if (evidence.unsettled === null && (counters.get('directory.full') ?? 0) === 0) {
    add('directory = inverse of stores', checkDirectoryAgrees(nodes));
  }
  add('nothing left behind', evidence.leftBehind);
  return { violations, undecided };
};

/** What an entry may spend on its way from node to node in all: nobody's clock counts it. */
const travelMsMax = ({ plan: { nodes, latency, faults } }: Evidence): number => {
  const travelMs = GRACE_LATENCIES * nodes * (latency.minMs + latency.extraMs);
  return faults.reduce((sum, fault) => sum + ('forMs' in fault ? fault.forMs : 0), travelMs);
};

/** The delay of a link is spread exponentially, and messages wait for those before them. */
const isTimely = ({ plan, settings }: Evidence): boolean => {
  const { edges, nodes, latency } = plan;
  const linkMs = latency.minMs + SLOW_LATENCIES * latency.extraMs;
  return settings.requestTimeoutMs > 2 * diameterOf(edges, nodes) * linkMs;
};

/** The reply is due after the time-out; while the node that was asked stands still, so does its clock. */
const deadlineOf = ({ plan, settings, disturbances }: Evidence): ((operation: Operation) => number) => {
  const graceMs = GRACE_MS + GRACE_LATENCIES * (plan.latency.minMs + plan.latency.extraMs);
  const pauses = disturbances.filter(({ pausedNode }) => pausedNode !== null);
  return ({ node, invokedMs }) => {
    let dueMs = invokedMs + settings.requestTimeoutMs + graceMs;
    for (const { pausedNode, fromMs, endedMs } of pauses) {
      if (pausedNode === node && endedMs > invokedMs && fromMs < dueMs) dueMs += endedMs - Math.max(fromMs, invokedMs);
    }
    return dueMs;
  };
};

/** Nothing of a request is left in the swarm after its time-out, one stall of a link and all pauses (RULES D3). */
const effectMsMax = ({ settings, disturbances }: Evidence): number =>
  disturbances.reduce(
    (sum, { pausedNode, fromMs, endedMs }) => sum + (pausedNode === null ? 0 : endedMs - fromMs),
    settings.requestTimeoutMs + settings.heartbeatTimeoutMs,
  );
