/** What must hold of every run of a database. */
import type { Violation } from '../simulator/invariants.js';
import { checkPeersEqual, checkWritersEqual } from './check/equal.js';
import { checkGrants } from './check/grants.js';
import { checkCausal, checkChains, checkOnceInLog } from './check/log-order.js';
import { checkCounters, checkFields, checkNoOpLost, checkSets, checkSpread } from './check/no-op-lost.js';
import { checkSnapshots } from './check/snapshots.js';
import type { ReplicaEvidence } from './evidence.js';

/** Faults that may leave a peer alone. */
const PARTING: ReadonlySet<string> = new Set(['cut', 'half-open', 'clog', 'crash', 'pause', 'leave', 'join-peers']);

export const judgeReplicas = (evidence: ReplicaEvidence): Violation[] => {
  const { plan, logs, writers, grants, noticed, unsettled, counters } = evidence;
  const violations: Violation[] = [];
  const add = (invariant: string, texts: readonly string[]): void => {
    for (const text of texts) violations.push({ invariant, text });
  };
  for (const [invariant, text] of noticed) violations.push({ invariant, text });
  add('ends equal', unsettled === null ? [] : [unsettled]);
  // What a relaxed peer has acknowledged may be lost with it.
  const isDiskHurt = plan.faults.some(({ kind }) => kind === 'set-back');
  // A peer without others tells that ops are safe when it has stored them: they may be lost with its disk.
  const ops = evidence.ops.map((op) =>
    isDiskHurt && op.spread !== null && op.spread.disks < 2 ? { ...op, isUncertain: true } : op,
  );
  const mayLose = plan.isRelaxed && plan.faults.some(({ kind }) => kind === 'crash' || kind === 'set-back');
  add('each op once in a log', checkOnceInLog(logs));
  add('chains', checkChains(logs));
  add('causal', checkCausal(logs, ops));
  add('snapshots', checkSnapshots(logs, ops));
  add('grants apart', checkGrants(grants));
  if (unsettled === null) {
    add('peers equal', checkPeersEqual(logs));
    add('writers equal', checkWritersEqual(logs, writers, ops));
    if (!mayLose) {
      add('no op lost', checkNoOpLost(logs, ops));
      add('sets', checkSets(logs, ops));
      add('fields', checkFields(logs, ops));
      add('counters', checkCounters(logs, ops));
    }
  }
  if (!plan.isRelaxed && plan.faults.length === 0) add('spread is on two disks', checkSpread(ops));
  // Where a peer stays alone for long, what ops follow on may be at another one: that is told, and a user may decide.
  const isParted = plan.faults.some(({ kind }) => PARTING.has(kind));
  const givenUp = evidence.givenUp.filter((text) => !isParted || !text.includes('gap:'));
  // One disk may be lost: what was told to be safe is on another one, and all else with its author (R4).
  const isSafe = ops.every(({ isUncertain, spread }) => !isUncertain && (spread === null || spread.disks > 1));
  const disksHurt = plan.faults.filter(({ kind }) => kind === 'set-back').length;
  if (!mayLose && (!isDiskHurt || (disksHurt === 1 && isSafe))) add('nobody gives up', givenUp);
  const malformed = counters.get('databases.malformed') ?? 0;
  add('nothing malformed', malformed > 0 ? [`${malformed} messages between peers`] : []);
  add(
    'bounded',
    logs.flatMap(({ node, mailboxes }) =>
      mailboxes
        .filter(({ depthMax, capacity }) => depthMax > capacity)
        .map(({ path, depthMax, capacity }) => `n${node}: ${depthMax} messages waited for ${path}, above ${capacity}`),
    ),
  );
  return violations;
};
