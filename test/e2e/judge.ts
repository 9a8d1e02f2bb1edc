/**
 * Judges what clients of real processes recorded. Each key has one writer, which waits for each answer and, once one was
 * uncertain, tries again at most once and then leaves the key alone; so the order of what was written is known, and every read can be judged.
 *
 * An entry lies at the node through which it was created (C1), so it is known which crash may have taken it.
 */
import { isAnswered, isUncertain, showOperation, type Operation } from './recording-client.js';

/** Something that was done to a node, and from when to when it could be noticed. */
export interface Incident {
  readonly kind: 'killed' | 'stopped';
  readonly node: number;
  readonly fromMs: number;
  /** A killed process was gone; a stopped one went on. */
  readonly goneMs: number;
  /** The node was back, and all nodes saw all again. */
  readonly untilMs: number;
}

export interface JudgeOptions {
  /** After this silence a link is dead. */
  readonly heartbeatTimeoutMs: number;
  /** The latest answer to a request, of a node that runs. */
  readonly answerMsMax: number;
}

export interface Verdict {
  readonly violations: readonly string[];
  readonly readsJudged: number;
  /** Keys of which two copies may have arisen while a node was shut out: no order is promised until they are merged (C3). */
  readonly splitKeys: number;
}

/** For this part of the time-out nobody gives up a silent node: it was heard last at most a beat before. */
const SURE_PATIENCE = 0.7;

/** A span in the life of a key: from one write to the next. */
interface State {
  /** Null: there is none. */
  readonly value: number | null;
  readonly fromMs: number;
  /** When it was answered; infinite if it never was. */
  readonly answeredMs: number;
  /** Nodes that may hold it. */
  readonly owners: ReadonlySet<number>;
}

export function judge(history: readonly Operation[], incidents: readonly Incident[], options: JudgeOptions): Verdict {
  const byKey = new Map<string, Operation[]>();
  for (const operation of history) {
    const operations = byKey.get(operation.key);
    if (operations === undefined) byKey.set(operation.key, [operation]);
    else operations.push(operation);
  }
  const violations: string[] = [];
  let readsJudged = 0;
  let splitKeys = 0;
  for (const operations of byKey.values()) {
    const found = judgeKey(operations, incidents, options);
    violations.push(...found.violations);
    readsJudged += found.readsJudged;
    if (found.isSplit) splitKeys += 1;
  }
  for (const operation of history) {
    const { replyCount, invokedMs, returnedMs } = operation;
    if (replyCount > 1) violations.push(`${replyCount} replies: ${showOperation(operation)}`);
    const isLate = returnedMs - invokedMs > options.answerMsMax && operation.outcome.type !== 'lost';
    if (isLate && !isDisturbed(operation, new Set([operation.node]), incidents, 0))
      violations.push(`late: ${showOperation(operation)}`);
  }
  return { violations, readsJudged, splitKeys };
}

function judgeKey(operations: readonly Operation[], incidents: readonly Incident[], options: JudgeOptions) {
  const violations: string[] = [];
  const { states, splitMs } = statesOf(operations, incidents, options);
  const reads = operations.filter((operation) => operation.kind === 'get' && isAnswered(operation));
  reads.sort((a, b) => a.returnedMs - b.returnedMs);
  /** The latest state that had been read by a time, for reads that began later. */
  const seen: { returnedMs: number; index: number }[] = [];
  let readsJudged = 0;
  for (const read of reads) {
    if (read.returnedMs >= splitMs) continue;
    readsJudged += 1;
    const fault = faultOf(read);
    if (fault !== null) violations.push(`${fault}: ${showOperation(read)}\n${around(operations, read)}`);
  }
  return { violations, readsJudged, isSplit: splitMs < Infinity };

  function faultOf(read: Operation): string | null {
    const { invokedMs, returnedMs, outcome } = read;
    const isPossible = (index: number): boolean => {
      const next = states[index + 1];
      const state = states[index]!;
      // What nobody acknowledged may take effect late, after its writer has tried again.
      const isOver = state.answeredMs < Infinity && next !== undefined && next.answeredMs < invokedMs;
      return state.fromMs <= returnedMs && !isOver;
    };
    if (outcome.type === 'missing') {
      const present = states.findLastIndex((state) => state.answeredMs < invokedMs);
      const isAbsent = states.some(({ value }, index) => value === null && isPossible(index));
      if (isAbsent || isExcused(states[present]!, read)) return null;
      return 'a missing that C4 forbids, or an acknowledged write lost';
    }
    const value = outcome.type === 'value' ? outcome.value : 0;
    const index = states.findIndex((state) => state.value === value);
    if (index < 0) return 'a value that was never set for this key';
    const newest = seen.reduce((max, past) => (past.returnedMs < invokedMs ? Math.max(max, past.index) : max), 0);
    const isCertain = states[index]!.answeredMs < Infinity;
    if (isCertain) seen.push({ returnedMs, index });
    if (!isPossible(index)) return states[index]!.fromMs > returnedMs ? 'read before it was set' : 'a stale read';
    if (isCertain && index < newest) return 'older than what had been read before';
    if (isTaken(states[index]!, read)) return 'it had died with its owner';
    return null;
  }

  /** Every node that may hold it was killed after the write and before the read: a second copy answered. */
  function isTaken({ owners, answeredMs }: State, read: Operation): boolean {
    return [...owners].every((owner) =>
      incidents.some(
        ({ kind, node, fromMs, goneMs }) =>
          kind === 'killed' && node === owner && fromMs > answeredMs && goneMs < read.invokedMs,
      ),
    );
  }

  /** A node that may hold the entry died since it was written, or was shut out when it was asked for. */
  function isExcused({ owners, fromMs }: State, read: Operation): boolean {
    const isDead = incidents.some(
      (incident) =>
        incident.kind === 'killed' &&
        owners.has(incident.node) &&
        incident.goneMs >= fromMs &&
        incident.fromMs <= read.returnedMs,
    );
    return isDead || isDisturbed(read, new Set([...owners, read.node]), incidents, options.heartbeatTimeoutMs);
  }
}

/** What the key held, one state after another, and from when on it may have had two copies. */
function statesOf(operations: readonly Operation[], incidents: readonly Incident[], options: JudgeOptions) {
  const states: State[] = [{ value: null, fromMs: -Infinity, answeredMs: -Infinity, owners: new Set() }];
  let splitMs = Infinity;
  for (const operation of operations) {
    const { kind, node, number, invokedMs, returnedMs } = operation;
    if (kind === 'get') continue;
    if (!isAnswered(operation) && !isUncertain(operation)) continue;
    const last = states.at(-1)!;
    const deaths = incidents.filter(
      (incident) => incident.kind === 'killed' && incident.goneMs >= last.fromMs && incident.fromMs <= returnedMs,
    );
    const mayBeGone = (owner: number): boolean => deaths.some((death) => death.node === owner);
    const isGone = (owner: number): boolean =>
      deaths.some((death) => death.node === owner && death.goneMs < invokedMs && death.fromMs > last.answeredMs);
    const mayBeCreated =
      last.value === null ||
      last.answeredMs === Infinity ||
      [...last.owners].some((owner) => mayBeGone(owner) || isDisturbed(operation, new Set([owner]), incidents, 0));
    const owners = new Set([...last.owners].filter((owner) => !isGone(owner)));
    if (mayBeCreated) owners.add(node);
    // The holder was shut out, or the one that was asked: both sides may have stored it.
    const isSplit = incidents.some((incident) => {
      const isConcerned = owners.has(incident.node) || incident.node === node;
      return isConcerned && shutsOut(incident, operation, options.heartbeatTimeoutMs);
    });
    if (isSplit) splitMs = Math.min(splitMs, invokedMs);
    states.push({
      value: kind === 'set' ? number : null,
      fromMs: invokedMs,
      answeredMs: isAnswered(operation) ? returnedMs : Infinity,
      owners,
    });
  }
  return { states, splitMs };
}

/** The node was stopped for so long that others may have given it up, and was not back in their sight. */
function shutsOut(
  { kind, fromMs, goneMs, untilMs }: Incident,
  { invokedMs, returnedMs }: Operation,
  heartbeatTimeoutMs: number,
): boolean {
  const patienceMs = heartbeatTimeoutMs * SURE_PATIENCE;
  if (kind !== 'stopped' || goneMs - fromMs < patienceMs) return false;
  return fromMs + patienceMs <= returnedMs && untilMs >= invokedMs;
}

/** One of the nodes was dead or shut out while the operation was open, or within `beforeMs` before it. */
function isDisturbed(
  { invokedMs, returnedMs }: Operation,
  nodes: ReadonlySet<number>,
  incidents: readonly Incident[],
  beforeMs: number,
): boolean {
  return incidents.some(
    ({ node, fromMs, untilMs }) => nodes.has(node) && fromMs <= returnedMs && untilMs >= invokedMs - beforeMs,
  );
}

function around(operations: readonly Operation[], read: Operation): string {
  const near = operations.filter(
    (operation) => operation.kind !== 'get' || Math.abs(operation.invokedMs - read.invokedMs) < 500,
  );
  const index = near.indexOf(read);
  return near
    .slice(Math.max(0, index - 12), index + 6)
    .map((operation) => `    ${operation === read ? '*' : ' '} ${showOperation(operation)}`)
    .join('\n');
}
