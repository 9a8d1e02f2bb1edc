/** Plans: what is drawn, and how a failing one gets smaller. */
import { expect, it } from '@jest/globals';
import { drawPlan } from '../../src/testing/simulator/draw-plan.js';
import { areDispensable, isRedundant } from '../../src/testing/simulator/graph.js';
import type { Plan } from '../../src/testing/simulator/plan.js';
import { drawProbe, PROBE_KINDS } from '../../src/testing/simulator/probes.js';
import { minimize, shrinkPlan } from '../../src/testing/simulator/shrink.js';

const plans = Array.from({ length: 600 }, (_, seed) => drawPlan(seed));

it('each plan is long, busy and faulty enough, and its graph is connected', () => {
  for (const { nodes, edges, requests, faults, durationMs, clients } of plans) {
    expect(durationMs).toBeGreaterThanOrEqual(60_000);
    expect(requests.length).toBeGreaterThanOrEqual(500);
    expect(faults.length).toBeGreaterThanOrEqual(5);
    expect(requests.every(({ atMs }, i) => atMs >= (requests[i - 1]?.atMs ?? 0))).toBe(true);
    expect(areDispensable(nodes, edges, new Set())).toBe(true);
    expect(edges.every(([a, b]) => a !== b && a < nodes && b < nodes)).toBe(true);
    expect(clients.every((node) => node < nodes)).toBe(true);
    const late = faults.flatMap((fault) => (fault.kind === 'join' ? [fault.node] : []));
    expect(areDispensable(nodes, edges, new Set(late))).toBe(true);
  }
});

it('plans are of all kinds', () => {
  const sizes = new Set(plans.map(({ nodes }) => nodes));
  for (let nodes = 1; nodes <= 25; nodes += 1) expect(sizes).toContain(nodes);
  const kinds = new Set(plans.flatMap(({ faults }) => faults.map(({ kind }) => kind)));
  expect([...kinds].sort()).toEqual(
    ['clock-drift', 'clock-jump', 'clog', 'crash', 'cut', 'half-open', 'join', 'leave', 'pause', 'reset'].sort(),
  );
  const bothWays = ({ edges }: Plan): boolean => edges.some(([a, b]) => edges.some(([c, d]) => c === b && d === a));
  expect(plans.some(bothWays)).toBe(true);
  expect(plans.some(({ nodes, edges }) => edges.every((edge) => !isRedundant(nodes, edges, edge)))).toBe(true);
  expect(plans.some(({ nodes, edges }) => nodes > 2 && edges.every((edge) => isRedundant(nodes, edges, edge)))).toBe(
    true,
  );
});

it('a plan is a function of its seed', () => {
  expect(drawPlan(17)).toEqual(plans[17]);
});

it('probes are short, of all kinds, and functions of their seeds', () => {
  const probes = Array.from({ length: 220 }, (_, seed) => drawProbe(seed));
  expect(new Set(probes.map(({ about }) => about))).toEqual(new Set(PROBE_KINDS));
  expect(drawProbe(17)).toEqual(probes[17]);
  expect(drawProbe(17, 'leaving').about).toBe('leaving');
  for (const { nodes, edges, requests, faults, durationMs, clients } of probes) {
    expect(durationMs).toBeLessThanOrEqual(5000);
    expect(requests.every(({ atMs }, i) => atMs >= (requests[i - 1]?.atMs ?? 0) && atMs < durationMs)).toBe(true);
    expect(clients.every((node) => node < nodes)).toBe(true);
    const late = faults.flatMap((fault) => (fault.kind === 'join' ? [fault.node] : []));
    expect(areDispensable(nodes, edges, new Set(late))).toBe(true);
    expect(late.every((node) => edges.some(([from]) => from === node))).toBe(true);
  }
});

it('nodes that are there from the start hang together', () => {
  for (const { about, nodes, edges, faults } of PROBE_KINDS.flatMap((kind) =>
    Array.from({ length: 100 }, (_, seed) => drawProbe(700_750 + seed, kind)),
  )) {
    const late = faults.flatMap((fault) => (fault.kind === 'join' ? [fault.node] : []));
    expect([about, areDispensable(nodes, edges, new Set(late))]).toEqual([about, true]);
  }
});

it('the smallest part that still fails is found', () => {
  const items = Array.from({ length: 100 }, (_, i) => i);
  expect(minimize(items, (left) => left.includes(13) && left.includes(77))).toEqual([13, 77]);
  expect(minimize(items, () => true)).toEqual([]);
  expect(minimize(items, () => false)).toEqual(items);
});

it('a plan is shrunk to what it needs to fail, and not beyond its time', () => {
  const plan = plans.find(({ faults, nodes }) => nodes > 5 && faults.some(({ kind }) => kind === 'crash')) as Plan;
  const key = plan.requests[50]?.key as string;
  const fails = ({ faults, requests }: Plan): boolean =>
    faults.some(({ kind }) => kind === 'crash') && requests.some((request) => request.key === key);
  const small = shrinkPlan(plan, fails, () => false);
  expect([small.nodes, small.faults.map(({ kind }) => kind), small.requests.map((request) => request.key)]).toEqual([
    expect.any(Number),
    ['crash'],
    [key],
  ]);
  expect(small.nodes).toBeLessThan(plan.nodes);
  expect(small.settings).toEqual({});
  expect(areDispensable(small.nodes, small.edges, new Set())).toBe(true);
  expect(shrinkPlan(plan, fails, () => true)).toBe(plan);
});
