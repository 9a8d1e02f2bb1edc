import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { NodeId, NodeRef } from '../../src/store/node-id.js';
import { SearchTable } from '../../src/store/search-table.js';

const [a, b, c, d, e] = ['A', 'B', 'C', 'D', 'E'] as [NodeId, NodeId, NodeId, NodeId, NodeId];

function ref(node: NodeId, incarnation = 1): NodeRef {
  return { node, incarnation };
}

describe('a search', () => {
  it('is begun once', () => {
    const table = new SearchTable(10);
    expect(table.begin(a, 1, b, [c, d], 100)).toMatchObject({
      asker: a,
      number: 1,
      parent: b,
      waiting: 2,
      done: false,
    });
    expect(table.begin(a, 1, c, [d], 100)).toBeNull();
    expect(table.begin(a, 2, b, [c], 100)).not.toBeNull();
    expect(table.begin(b, 1, null, [c], 100)).not.toBeNull();
    expect(table.count).toBe(3);
  });

  it('is done at once where there is nobody to ask', () => {
    const table = new SearchTable(10);
    expect(table.begin(a, 1, b, [], 100)).toMatchObject({ waiting: 0, done: true, answered: [] });
    expect(table.expire(100)).toEqual([]);
  });

  it('[V8] is done when all neighbours have answered, and gathers who answered', () => {
    const table = new SearchTable(10);
    table.begin(a, 1, b, [c, d, e], 100);
    expect(table.echo(a, 1, c, null, [ref(c), ref(e)])).toMatchObject({ waiting: 2, done: false });
    expect(table.echo(a, 1, d, null, [ref(d), ref(e), ref(e, 2)])).toMatchObject({ waiting: 1, done: false });
    expect(table.echo(a, 1, e, null, [])).toMatchObject({
      waiting: 0,
      done: true,
      owner: null,
      answered: [ref(c), ref(e), ref(d), ref(e), ref(e, 2)],
    });
  });

  it('[V8] takes a crossing query for the echo', () => {
    const table = new SearchTable(10);
    table.begin(a, 1, b, [c, d], 100);
    expect(table.awaits(a, 1, c)).toBe(true);
    expect(table.crossing(a, 1, c)).toMatchObject({ waiting: 1, done: false, answered: [] });
    expect(table.awaits(a, 1, c)).toBe(false);
    expect(table.crossing(a, 1, e)).toBeUndefined();
    expect(table.crossing(a, 1, d)).toMatchObject({ waiting: 0, done: true });
  });

  it('is done as soon as an owner is found, and only once', () => {
    const table = new SearchTable(10);
    table.begin(a, 1, b, [c, d], 100);
    expect(table.echo(a, 1, c, e, [ref(c)])).toMatchObject({ owner: e, done: true, waiting: 1 });
    expect(table.awaits(a, 1, d)).toBe(true);
    expect(table.echo(a, 1, d, null, [ref(d)])).toBeUndefined();
    expect(table.get(a, 1)).toMatchObject({ owner: e, answered: [ref(c)], waiting: 0 });
  });

  it('ignores echoes that nobody waits for', () => {
    const table = new SearchTable(10);
    expect(table.echo(a, 1, c, null, [])).toBeUndefined();
    table.begin(a, 1, b, [c, d], 100);
    expect(table.echo(a, 1, e, e, [ref(e)])).toBeUndefined();
    expect(table.echo(a, 1, c, null, [])).toBeDefined();
    expect(table.echo(a, 1, c, e, [ref(e)])).toBeUndefined();
    expect(table.get(a, 1)).toMatchObject({ owner: null, answered: [], done: false, waiting: 1 });
  });

  it('does not wait for a lost neighbour', () => {
    const table = new SearchTable(10);
    table.begin(a, 1, b, [c], 100);
    table.begin(a, 2, b, [c, d], 100);
    table.begin(a, 3, b, [d], 100);
    expect(table.lose(c)).toMatchObject([{ number: 1, done: true, answered: [] }]);
    expect(table.lose(c)).toEqual([]);
    expect(table.lose(d).map((search) => search.number)).toEqual([2, 3]);
  });

  it('is seen until its deadline, done or not', () => {
    const table = new SearchTable(10);
    table.begin(a, 1, b, [], 100);
    table.begin(a, 2, b, [c], 200);
    table.begin(a, 3, b, [c], 150);
    expect(table.expire(99)).toEqual([]);
    expect(table.begin(a, 1, c, [], 100)).toBeNull();
    expect(table.expire(100)).toEqual([]);
    expect(table.count).toBe(2);
    // The third is due before the second and goes with it.
    expect(table.expire(199)).toEqual([]);
    expect(table.expire(200)).toMatchObject([{ number: 2 }, { number: 3, done: false }]);
    expect(table.count).toBe(0);
    expect(table.begin(a, 1, b, [], 2000)).not.toBeNull();
  });

  it('is dropped, the oldest first, when there are too many', () => {
    const table = new SearchTable(2);
    for (const number of [1, 2, 3]) table.begin(a, number, b, [c], 100);
    expect([table.count, table.dropped]).toEqual([2, 1]);
    expect(table.get(a, 1)).toBeUndefined();
    expect(table.get(a, 3)).toBeDefined();
    table.begin(a, 3, c, [], 100);
    expect(table.dropped).toBe(1);
    // Whoever waits for it is told by the next look at the time, and once.
    expect(table.expire(0)).toMatchObject([{ number: 1, done: false }]);
    expect(table.expire(0)).toEqual([]);
  });
});

describe('a flood', () => {
  interface Query {
    from: number;
    to: number;
    visited: readonly NodeId[];
  }
  type Message = Query | { from: number; to: number; answered: readonly NodeRef[] };

  it('[V8] visits each node once, by at most two messages per link, and its answer covers all', () => {
    const graph = fc.integer({ min: 1, max: 9 }).chain((size) =>
      fc.record({
        size: fc.constant(size),
        /** The parent of each node but the first: a tree, so that the graph is connected. */
        tree: fc.tuple(...Array.from({ length: size - 1 }, (_, i) => fc.nat(i))),
        chords: fc.array(fc.tuple(fc.nat(size - 1), fc.nat(size - 1)), { maxLength: 12 }),
        /** In which order the links deliver; each link keeps the order of its messages. */
        order: fc.array(fc.nat(1000), { maxLength: 60 }),
      }),
    );
    fc.assert(
      fc.property(graph, ({ size, tree, chords, order }) => {
        const ids = Array.from({ length: size }, (_, i) => `N${i + 1}` as NodeId);
        const neighbours = ids.map(() => new Set<number>());
        for (const [x, y] of [...tree.map((parent, i) => [parent, i + 1] as const), ...chords]) {
          if (x === y) continue;
          neighbours[x]?.add(y);
          neighbours[y]?.add(x);
        }
        const tables = ids.map(() => new SearchTable(10));
        const queue: Message[] = [];
        const sent = new Map<string, number>();
        const visits: number[] = [];
        let result: readonly NodeRef[] | null = null;
        const send = (message: Message): void => {
          const link = [message.from, message.to].toSorted((x, y) => x - y).join('-');
          sent.set(link, (sent.get(link) ?? 0) + 1);
          queue.push(message);
        };
        const finish = (at: number, parent: NodeId | null, answered: readonly NodeRef[]): void => {
          const all = [...answered, ref(ids[at] ?? a)];
          if (parent === null) result = all;
          else send({ from: at, to: ids.indexOf(parent), answered: all });
        };
        const visit = (at: number, from: number | null, visited: readonly NodeId[]): boolean => {
          const parent = from === null ? null : (ids[from] ?? null);
          const next = [...(neighbours[at] ?? [])].filter((to) => !visited.includes(ids[to] ?? a));
          const search = tables[at]?.begin(
            ids[0] ?? a,
            1,
            parent,
            next.map((to) => ids[to] ?? a),
            100,
          );
          if (!search) return false;
          visits.push(at);
          for (const to of next) send({ from: at, to, visited: [...visited, ids[at] ?? a] });
          if (search.done) finish(at, search.parent, search.answered);
          return true;
        };
        visit(0, null, [ids[0] ?? a]);
        for (let step = 0; queue.length > 0; step += 1) {
          const chosen = queue[(order[step] ?? 0) % queue.length];
          const message = queue.find((one) => one.from === chosen?.from && one.to === chosen.to);
          if (message === undefined) break;
          queue.splice(queue.indexOf(message), 1);
          const { from, to } = message;
          const table = tables[to];
          const asker = ids[0] ?? a;
          const sender = ids[from] ?? a;
          if ('answered' in message) {
            const search = table?.echo(asker, 1, sender, null, message.answered);
            if (search?.done) finish(to, search.parent, search.answered);
          } else if (!visit(to, from, message.visited)) {
            const isCrossing = table?.awaits(asker, 1, sender) ?? false;
            const search = table?.crossing(asker, 1, sender);
            if (!isCrossing) send({ from: to, to: from, answered: [] });
            else if (search?.done) finish(to, search.parent, search.answered);
          }
        }
        expect(visits.toSorted((x, y) => x - y)).toEqual(ids.map((_, i) => i));
        expect(Math.max(0, ...sent.values())).toBeLessThanOrEqual(2);
        expect(new Set(result)).toEqual(new Set(ids.map((id) => ref(id))));
        expect(result).toHaveLength(size);
      }),
      { numRuns: 500 },
    );
  });
});
