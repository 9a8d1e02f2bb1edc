/**
 * Makes a failing plan smaller, as long as it fails in the same way: fewer faults, nodes and requests, plainer options.
 * Whatever is left out, the rest of a plan happens as it did, so that little is left that has nothing to do with it.
 */
import { areDispensable } from './graph.js';
import type { Plan, PlannedFault } from './plan.js';

/** `fails`: whether the plan fails in the way that is looked for. `isOver`: time is up; the smallest so far is taken. */
export const shrinkPlan = (plan: Plan, fails: (plan: Plan) => boolean, isOver: () => boolean): Plan => {
  let best = plan;
  const attempt = (candidate: Plan): boolean => {
    if (isOver() || !fails(candidate)) return false;
    best = candidate;
    return true;
  };
  for (let before = Infinity; sizeOf(best) < before && !isOver();) {
    before = sizeOf(best);
    minimize(best.faults, (faults) => attempt({ ...best, faults }));
    minimize(best.requests, (requests) => attempt({ ...best, requests }));
    for (let node = best.nodes - 1; node >= 0; node -= 1) {
      const smaller = withoutNode(best, node);
      if (smaller !== null) attempt(smaller);
    }
    for (const name of Object.keys(best.settings)) {
      const { [name as keyof Plan['settings']]: _left, ...settings } = best.settings;
      attempt({ ...best, settings });
    }
    if (best.encodesEveryHop) attempt({ ...best, encodesEveryHop: false });
    if (best.hasDisks) attempt({ ...best, hasDisks: false });
    if (best.watchers.length > 0) attempt({ ...best, watchers: [] });
    if (best.requests.some(({ retries }) => retries > 0)) {
      attempt({ ...best, requests: best.requests.map((request) => ({ ...request, retries: 0 })) });
    }
  }
  return best;
};

const sizeOf = ({ faults, requests, nodes, settings, encodesEveryHop, hasDisks, watchers }: Plan): number =>
  faults.length +
  requests.length +
  nodes +
  Object.keys(settings).length +
  watchers.length +
  (encodesEveryHop ? 1 : 0) +
  (hasDisks ? 1 : 0);

/** Leaves out halves, then smaller and smaller parts, of what `attempt` accepts without them. */
export const minimize = <T>(items: readonly T[], attempt: (items: readonly T[]) => boolean): readonly T[] => {
  let left = items;
  if (left.length > 0 && attempt([])) return [];
  for (let size = Math.ceil(left.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < left.length;) {
      const without = [...left.slice(0, at), ...left.slice(at + size)];
      if (without.length < left.length && without.length > 0 && attempt(without)) left = without;
      else at += size;
    }
  }
  return left;
};

/** The plan without one node and what befell it; its clients ask the first node. Null if the others would fall apart. */
const withoutNode = (plan: Plan, gone: number): Plan | null => {
  if (plan.nodes === 1 || !areDispensable(plan.nodes, plan.edges, new Set([gone]))) return null;
  const renumber = (node: number): number => (node > gone ? node - 1 : node);
  const renumberEdge = ([a, b]: Plan['edges'][number]): Plan['edges'][number] => [renumber(a), renumber(b)];
  const isLeft = (edge: Plan['edges'][number]): boolean => !edge.includes(gone);
  const faults = plan.faults.flatMap((fault): PlannedFault[] => {
    if ('node' in fault) return fault.node === gone ? [] : [{ ...fault, node: renumber(fault.node) }];
    if ('edge' in fault) return isLeft(fault.edge) ? [{ ...fault, edge: renumberEdge(fault.edge) }] : [];
    return [{ ...fault, edges: fault.edges.filter(isLeft).map(renumberEdge) }];
  });
  return {
    ...plan,
    nodes: plan.nodes - 1,
    edges: plan.edges.filter(isLeft).map(renumberEdge),
    clients: plan.clients.map((node) => (node === gone ? 0 : renumber(node))),
    watchers: plan.watchers.map((node) => (node === gone ? 0 : renumber(node))),
    faults,
  };
};
