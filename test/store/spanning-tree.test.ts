import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { NodeId } from '../../src/store/node-id.js';
import { treeNeighbours } from '../../src/store/spanning-tree.js';

const nodes = (text: string): NodeId[] => text.split(' ') as NodeId[];

it('takes the nearest, and of equally near ones those with the lower ids', () => {
  const one = (): number => 1;
  expect([...treeNeighbours('A' as NodeId, nodes('C A B'), one)]).toEqual(['B', 'C']);
  expect([...treeNeighbours('B' as NodeId, nodes('B C A'), one)]).toEqual(['A']);
  const line = (a: string, b: string): number => Math.abs(a.charCodeAt(0) - b.charCodeAt(0));
  expect([...treeNeighbours('B' as NodeId, nodes('A B C D'), line)]).toEqual(['A', 'C']);
  expect([...treeNeighbours('A' as NodeId, nodes('A'), line)]).toEqual([]);
});

it('is one tree for all who compute it, in whatever order they know the nodes', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 144, maxLength: 144 }),
      (count, hops) => {
        const all = Array.from({ length: count }, (_, i) => `N${i + 10}` as NodeId);
        const between = (a: NodeId, b: NodeId): number => {
          const [i, k] = [all.indexOf(a), all.indexOf(b)].sort((x, y) => x - y) as [number, number];
          return hops[12 * i + k] as number;
        };
        const near = new Map(all.map((self) => [self, treeNeighbours(self, all.toReversed(), between)]));
        let edges = 0;
        for (const [self, others] of near)
          for (const other of others) {
            expect(near.get(other)?.has(self)).toBe(true);
            edges += 1;
          }
        expect(edges).toBe(2 * (count - 1));
        const reached = new Set([all[0] as NodeId]);
        for (const node of reached) for (const other of near.get(node) ?? []) reached.add(other);
        expect(reached.size).toBe(count);
      },
    ),
  );
});
