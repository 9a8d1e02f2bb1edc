/**
 * C4: `missing` is answered only if no acknowledged copy existed, throughout the request, at a running node with an
 * uninterrupted path to the answering home since the heartbeat time-out before it. Who the home was is not known here.
 * So an answer is judged where it makes no difference: where all nodes that ran at all ran all the time, and hung
 * together by links that nothing disturbed.
 */
import { showOperation } from '../../checker/operation.js';
import { reachOf } from '../../shape.js';
import type { Disturbance, Life, MissedCopy } from '../evidence.js';
import type { Edge } from '../plan.js';

export interface MissingContext {
  readonly edges: readonly Edge[];
  readonly lives: readonly Life[];
  readonly disturbances: readonly Disturbance[];
  readonly heartbeatTimeoutMs: number;
}

export const checkTrueMissing = (missedCopies: readonly MissedCopy[], context: MissingContext): string[] =>
  missedCopies
    .filter(({ operation }) =>
      isUndisturbed(context, operation.invokedMs - context.heartbeatTimeoutMs, operation.returnedMs),
    )
    .map(({ operation, holders }) => `${showOperation(operation)}, while ${namesOf(holders)} had it`);

const isUndisturbed = ({ edges, lives, disturbances }: MissingContext, fromMs: number, toMs: number): boolean => {
  const running = lives.filter(({ bornMs, endedMs }) => bornMs < toMs && endedMs > fromMs);
  if (running.some(({ bornMs, endedMs }) => bornMs > fromMs || endedMs < toMs)) return false;
  const disturbing = disturbances.filter((each) => each.fromMs <= toMs && each.toMs >= fromMs);
  const nodes = running.map(({ node }) => node);
  if (disturbing.some((each) => each.nodes.some((node) => nodes.includes(node)))) return false;
  const disturbed = disturbing.flatMap((each) => each.edges);
  const whole = edges.filter(([a, b]) => !disturbed.some(([c, d]) => (a === c && b === d) || (a === d && b === c)));
  const [first] = nodes;
  return first !== undefined && reachOf(nodes, whole).get(first)?.size === new Set(nodes).size;
};

const namesOf = (holders: number): string =>
  Array.from({ length: 32 }, (_, node) => node)
    .filter((node) => (holders & (1 << node)) !== 0)
    .map((node) => `n${node}`)
    .join(', ');
