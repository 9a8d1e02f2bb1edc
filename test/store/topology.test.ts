import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { NodeId, NodeRef } from '../../src/store/node-id.js';
import { NEIGHBOURS_MAX, TOPOLOGY_LIMITS, Topology, linkStateInfo, parseLinkState } from '../../src/store/topology.js';
import type { LinkState } from '../../src/store/topology.js';

const ROLES = ['home', 'store'];

/** `B` at its first start; `B2` at its second. */
function ref(text: string): NodeRef {
  return { node: text.charAt(0) as NodeId, incarnation: Number(text.slice(1) || '1') };
}

function refs(texts: string): NodeRef[] {
  return texts === '' ? [] : texts.split(' ').map(ref);
}

/** What the node announces; its neighbours as in 'A C2'. */
function state(text: string, neighbours: string, more: Partial<LinkState> = {}): LinkState {
  const { node, incarnation } = ref(text);
  const name = `node-${node}`;
  return {
    node,
    incarnation,
    sequence: 1,
    name,
    roles: ROLES,
    freeBytes: 0,
    freeKeys: 0,
    clientUrl: null,
    view: 1,
    databases: [],
    neighbours: refs(neighbours),
    ...more,
  };
}

function topologyOf(neighbours: string, ...others: LinkState[]): Topology {
  const topology = new Topology({ node: 'A' as NodeId, incarnation: 1, name: 'node-A', roles: ROLES });
  topology.setNeighbours(refs(neighbours));
  for (const other of others) topology.learn(other, 0);
  return topology;
}

/** The view as text: id, hops, next; in the order of ids. */
function viewOf(topology: Topology): string {
  const members = [...topology.members.values()].map(({ state: { node }, hops, next }) => `${node}${hops}${next}`);
  return members.toSorted().join(' ');
}

const node = (text: string): NodeId => text as NodeId;

describe('announcements', () => {
  it('begin with this node alone', () => {
    const topology = topologyOf('');
    expect(viewOf(topology)).toBe('A0A');
    expect(topology.hopsMax).toBe(1);
    expect(topology.viewNumber).toBe(1);
    expect(topology.nextHop(node('A'))).toBe('A');
    expect(topology.nextHop(node('B'))).toBeNull();
    expect(topology.covers([])).toBe(true);
  });

  it('[K1] of more or less room change neither view nor paths', () => {
    const topology = topologyOf('B', state('B', 'A'));
    const { members, viewNumber } = topology;
    expect(topology.setOwn({ freeBytes: 7, freeKeys: 1 })).toMatchObject({ freeBytes: 7, freeKeys: 1 });
    expect(topology.learn(state('B', 'A', { sequence: 2, freeBytes: 9, freeKeys: 3 }), 0)).toBe('newer');
    expect(topology.members).toBe(members);
    expect(topology.viewNumber).toBe(viewNumber);
    expect(Array.from(members.values(), ({ state: { freeBytes } }) => freeBytes)).toEqual([7, 9]);
  });

  it('of this node rise in sequence and carry the view number', () => {
    const topology = new Topology({ node: node('A'), incarnation: 5, name: 'a', roles: ['store', 'home', 'home'] });
    expect(topology.own).toMatchObject({ incarnation: 5, sequence: 1, roles: ['home', 'store'], view: 1 });
    expect(topology.setNeighbours(refs('B C2 B3'))).toMatchObject({ sequence: 2, neighbours: refs('B3 C2'), view: 1 });
    expect(topology.setOwn({ freeBytes: 7 })).toMatchObject({ sequence: 3, freeBytes: 7, view: 1 });
    expect(topology.setOwn({ roles: ['leaving'] })).toMatchObject({
      sequence: 4,
      freeBytes: 7,
      roles: ['leaving'],
      view: 2,
    });
    expect(topology.own.sequence).toBe(4);
    expect(topology.members.get(node('A'))?.state).toBe(topology.own);
    topology.learn(state('B3', 'A5'), 0);
    expect(topology.viewNumber).toBe(3);
    expect(topology.own.view).toBe(2);
    expect(topology.setOwn({}).view).toBe(3);
  });

  it('of others are newer, known or older by incarnation, then by sequence', () => {
    const topology = topologyOf('B');
    expect(topology.learn(state('B2', 'A', { sequence: 5 }), 0)).toBe('newer');
    expect(topology.learn(state('B2', 'A', { sequence: 5 }), 0)).toBe('known');
    expect(topology.learn(state('B2', '', { sequence: 4 }), 0)).toBe('older');
    expect(topology.learn(state('B1', '', { sequence: 9 }), 0)).toBe('older');
    expect(topology.stateOf(node('B'))?.sequence).toBe(5);
    expect(topology.learn(state('B2', 'A', { sequence: 6 }), 0)).toBe('newer');
    expect(topology.learn(state('B3', 'A', { sequence: 1 }), 0)).toBe('newer');
    expect(topology.all()).toEqual([topology.own, state('B3', 'A')]);
    expect(topology.stateOf(node('A'))).toBe(topology.own);
  });

  it('[V5] of a ghost of this node are told from echoes of its own', () => {
    const topology = topologyOf('B C');
    const { own } = topology;
    expect(topology.learn(own, 0)).toBe('known');
    expect(topology.learn({ ...own, neighbours: refs('B C') }, 0)).toBe('known');
    expect(topology.learn({ ...own, sequence: own.sequence - 1, neighbours: [] }, 0)).toBe('older');
    expect(topology.learn({ ...own, incarnation: 0, sequence: 99 }, 0)).toBe('older');
    expect(topology.learn({ ...own, neighbours: refs('D') }, 0)).toBe('ghost');
    expect(topology.learn({ ...own, sequence: own.sequence + 1 }, 0)).toBe('ghost');
    expect(topology.learn({ ...own, incarnation: 8, sequence: 0 }, 0)).toBe('ghost');
    expect(topology.own).toBe(own);
  });

  it('[V5] go on above a ghost', () => {
    const topology = topologyOf('B', state('B', 'A'));
    expect(viewOf(topology)).toBe('A0A B1B');
    expect(topology.raiseIncarnation(8)).toMatchObject({ incarnation: 9, neighbours: refs('B') });
    expect(topology.learn(state('A8', 'X'), 0)).toBe('older');
    expect(viewOf(topology)).toBe('A0A');
    topology.learn(state('B', 'A9', { sequence: 2 }), 0);
    expect(viewOf(topology)).toBe('A0A B1B');
    expect(topology.raiseIncarnation(3).incarnation).toBe(10);
  });

  it('carry free room to the members without a new view', () => {
    const topology = topologyOf('B', state('B', 'A'));
    const { members, viewNumber } = topology;
    topology.learn(state('B', 'A', { sequence: 2, freeBytes: 99 }), 0);
    expect(topology.members).toBe(members);
    expect(topology.members.get(node('B'))?.state.freeBytes).toBe(99);
    expect(topology.viewNumber).toBe(viewNumber);
  });
});

describe('the view', () => {
  it('[V1] needs both ends of an edge', () => {
    expect(viewOf(topologyOf('B', state('B', '')))).toBe('A0A');
    expect(viewOf(topologyOf('', state('B', 'A')))).toBe('A0A');
    expect(viewOf(topologyOf('B', state('B', 'A C'), state('C', '')))).toBe('A0A B1B');
    expect(viewOf(topologyOf('B', state('B', 'A'), state('C', 'B')))).toBe('A0A B1B');
    expect(viewOf(topologyOf('B', state('B', 'A C'), state('C', 'B')))).toBe('A0A B1B C2B');
  });

  it('[V1] needs matching incarnations', () => {
    expect(viewOf(topologyOf('B', state('B2', 'A')))).toBe('A0A');
    expect(viewOf(topologyOf('B', state('B', 'A2')))).toBe('A0A');
    expect(viewOf(topologyOf('B2', state('B2', 'A C'), state('C2', 'B2')))).toBe('A0A B1B');
    expect(viewOf(topologyOf('B2', state('B2', 'A C2'), state('C2', 'B2')))).toBe('A0A B1B C2B');
  });

  it('[V1] has a number that rises with each change of ids, incarnations or roles', () => {
    const topology = topologyOf('B', state('B', 'A C'), state('C', 'B'));
    let last = topology.viewNumber;
    const expectRise = (isRise: boolean): void => {
      expect(topology.viewNumber).toBe(isRise ? last + 1 : last);
      last = topology.viewNumber;
    };
    topology.learn(state('C', 'B D', { sequence: 2 }), 0);
    expectRise(false);
    topology.learn(state('D', 'C'), 0);
    expectRise(true);
    topology.learn(state('D', 'C', { sequence: 2, roles: ['store'] }), 0);
    expectRise(true);
    topology.learn(state('D', 'C B', { sequence: 3, roles: ['store'], freeBytes: 5, view: 7 }), 0);
    expectRise(false);
    topology.learn(state('D2', 'C'), 0);
    expectRise(true);
    topology.learn(state('C', 'B D2', { sequence: 3 }), 0);
    expectRise(true);
    topology.setNeighbours(refs('B'));
    expectRise(false);
    topology.setNeighbours([]);
    expectRise(true);
  });

  it('of several shortest paths takes the one by the lowest id', () => {
    const topology = topologyOf('C B', state('C', 'A D'), state('B', 'A E'), state('D', 'C F'), state('E', 'B F'));
    topology.learn(state('F', 'D E'), 0);
    expect(viewOf(topology)).toBe('A0A B1B C1C D2C E2B F3B');
    topology.setNeighbours(refs('C'));
    expect(viewOf(topology)).toBe('A0A B5C C1C D2C E4C F3C');
  });

  it('[V6] gives the hop limit: its size, at most 255', () => {
    const ids = Array.from({ length: 299 }, (_, i) => `N${i + 1}` as NodeId);
    const topology = new Topology({ node: node('A'), incarnation: 1, name: 'a', roles: ROLES });
    topology.setNeighbours([{ node: ids[0] ?? node('B'), incarnation: 1 }]);
    ids.forEach((id, i) => {
      const neighbours = [ids[i - 1] ?? node('A'), ids[i + 1]].filter((other) => other !== undefined);
      topology.learn(
        { ...state('B', ''), node: id, neighbours: neighbours.map((other) => ({ node: other, incarnation: 1 })) },
        0,
      );
      if (i === 99) expect(topology.hopsMax).toBe(101);
    });
    expect(topology.members.size).toBe(300);
    expect(topology.members.get(ids[298] ?? node('B'))?.hops).toBe(299);
    expect(topology.hopsMax).toBe(255);
  });

  it('[V8] is covered by answers of all others as they run now', () => {
    const topology = topologyOf('B', state('B', 'A C2'), state('C2', 'B'), state('D', 'C2'));
    expect(topology.covers(refs('B C2'))).toBe(true);
    expect(topology.covers(refs('C2 A B B D'))).toBe(true);
    expect(topology.covers(refs('B'))).toBe(false);
    expect(topology.covers(refs('B C1'))).toBe(false);
    expect(topology.covers(refs('B C1 C2'))).toBe(true);
    expect(topology.covers([])).toBe(false);
  });

  it('names the rivals for its name', () => {
    const topology = topologyOf('B', state('B', 'A', { name: 'node-A' }), state('C', 'B', { name: 'node-A' }));
    expect(topology.nameRivals().map((member) => member.state.node)).toEqual(['B']);
  });

  it('[V1] is what a direct search of the graph finds', () => {
    const ids = 'ABCDEFGHIJKL'.split('') as NodeId[];
    const announcement = fc.record({
      from: fc.nat(ids.length - 1),
      incarnation: fc.integer({ min: 1, max: 2 }),
      sequence: fc.nat(3),
      /** Bits that leave out an edge, or announce the other end's former incarnation. */
      missing: fc.nat(2 ** ids.length),
      stale: fc.nat(2 ** ids.length),
    });
    const graph = fc.array(fc.tuple(fc.nat(ids.length - 1), fc.nat(ids.length - 1)), { maxLength: 30 });
    fc.assert(
      fc.property(graph, fc.array(announcement, { maxLength: 40 }), (edges, announcements) => {
        const own = ids[0] ?? node('A');
        const topology = new Topology({ node: own, incarnation: 1, name: 'a', roles: ROLES });
        const newest = new Map<NodeId, { incarnation: number; sequence: number; neighbours: NodeRef[] }>();
        for (const { from, incarnation, sequence, missing, stale } of [
          ...ids.map((_, i) => ({ from: i, incarnation: 1, sequence: 0, missing: 0, stale: 0 })),
          ...announcements,
        ]) {
          const id = ids[from] ?? own;
          const ends = edges.flatMap(([a, b]) => (a === from ? [b] : b === from ? [a] : []));
          const neighbours = [...new Set(ends)]
            .filter((end) => end !== from && (missing & (1 << end) & (stale >> 1)) === 0)
            .map((end) => {
              const other = ids[end] ?? own;
              const present = newest.get(other)?.incarnation ?? 1;
              return { node: other, incarnation: stale & missing & (1 << end) ? 3 - present : present };
            });
          if (id === own) {
            topology.setNeighbours(neighbours);
            newest.set(own, { incarnation: 1, sequence: 0, neighbours });
            continue;
          }
          const former = newest.get(id);
          const order = former && (incarnation - former.incarnation || sequence - former.sequence);
          const announced = { ...state('B', ''), node: id, incarnation, sequence, neighbours };
          expect(topology.learn(announced, 0)).toBe(
            order === undefined || order > 0 ? 'newer' : order === 0 ? 'known' : 'older',
          );
          if (order === undefined || order > 0) newest.set(id, { incarnation, sequence, neighbours });
          if (from % 3 === 0) expectPaths(topology, newest, own);
        }
        expectPaths(topology, newest, own);
      }),
      { numRuns: 300 },
    );
  });
});

type Graph = ReadonlyMap<NodeId, { incarnation: number; neighbours: readonly NodeRef[] }>;

function expectPaths(topology: Topology, graph: Graph, own: NodeId): void {
  const announces = (from: NodeId, to: NodeId): boolean => {
    const incarnation = graph.get(to)?.incarnation;
    return graph.get(from)?.neighbours.some((other) => other.node === to && other.incarnation === incarnation) ?? false;
  };
  const edgesOf = (id: NodeId): NodeId[] => [...graph.keys()].filter((to) => announces(id, to) && announces(to, id));
  const distances = (start: NodeId): Map<NodeId, number> => {
    const found = new Map([[start, 0]]);
    for (const [id, hops] of found) for (const to of edgesOf(id)) if (!found.has(to)) found.set(to, hops + 1);
    return found;
  };
  const expected = new Map<NodeId, string>();
  const near = edgesOf(own).toSorted();
  const nearDistances = near.map(distances);
  for (const [to, hops] of distances(own)) {
    const next = to === own ? own : near.find((_, i) => nearDistances[i]?.get(to) === hops - 1);
    expected.set(to, `${hops} by ${next}`);
  }
  const actual = new Map(Array.from(topology.members, ([id, { hops, next }]) => [id, `${hops} by ${next}`]));
  expect(actual).toEqual(expected);
  for (const to of graph.keys()) {
    const left = distances(to);
    const path: NodeId[] = left.has(own) ? [own] : [];
    for (let here = path[0]; here !== undefined && here !== to; path.push(here)) {
      const hops = left.get(here) as number;
      here = edgesOf(here)
        .toSorted()
        .find((other) => left.get(other) === hops - 1) as NodeId;
    }
    expect(topology.pathTo(to).map(({ node: id }) => id)).toEqual(path);
  }
}

describe('missed members', () => {
  const line = [state('B', 'A C'), state('C', 'B')];

  it('[C4] are missed until they are back or given up', () => {
    const topology = topologyOf('B', ...line);
    expect(topology.missedCount(0)).toBe(0);
    topology.learn(state('B', 'A', { sequence: 2 }), 10);
    expect(topology.missedCount(1000)).toBe(1);
    expect(topology.missedCount(30_999)).toBe(1);
    expect(topology.missedCount(31_000)).toBe(0);
    topology.setNeighbours([]);
    expect(topology.missedCount(40_000)).toBe(1);
    topology.setNeighbours(refs('B'));
    expect(topology.missedCount(40_001)).toBe(0);
  });

  it('[C4] are back with a new incarnation, too', () => {
    const topology = topologyOf('B', ...line);
    expect(topology.members.size).toBe(3);
    topology.learn(state('B', 'A', { sequence: 2 }), 10);
    expect(topology.missedCount(1000)).toBe(1);
    topology.learn(state('C7', 'B'), 1001);
    expect(topology.missedCount(1001)).toBe(1);
    topology.learn(state('B', 'A C7', { sequence: 3 }), 1002);
    expect(topology.missedCount(1002)).toBe(0);
  });

  it('[C4] are not those that said that they leave, whichever word comes first', () => {
    const leaving = state('C', '', { sequence: 2, roles: ['leaving', 'left'] });
    const cut = state('B', 'A', { sequence: 2 });
    const topology = topologyOf('B', ...line);
    expect(topology.members.size).toBe(3);
    topology.learn(leaving, 0);
    topology.learn(cut, 0);
    expect(viewOf(topology)).toBe('A0A B1B');
    expect(topology.missedCount(0)).toBe(0);
    const other = topologyOf('B', ...line);
    expect(other.members.size).toBe(3);
    other.learn(cut, 0);
    expect(other.missedCount(0)).toBe(1);
    other.learn(leaving, 1);
    expect(other.missedCount(1)).toBe(0);
  });

  it('[C4] are those that vanish while they are leaving, before they had nothing left', () => {
    const topology = topologyOf('B', ...line);
    topology.learn(state('C', 'B', { sequence: 2, roles: ['leaving'] }), 0);
    const { viewNumber } = topology;
    topology.learn(state('B', 'A', { sequence: 2 }), 0);
    expect(topology.missedCount(0)).toBe(1);
    topology.learn(state('B', 'A C', { sequence: 3 }), 1);
    expect(topology.viewNumber).toBe(viewNumber + 2);
    // It counts on the others already: they need no new view for this.
    topology.learn(state('C', 'B', { sequence: 3, roles: ['leaving', 'left'] }), 1);
    expect(topology.viewNumber).toBe(viewNumber + 2);
    topology.learn(state('B', 'A', { sequence: 4 }), 2);
    expect(topology.missedCount(2)).toBe(0);
  });

  it('[C4] are counted from the first look at the time, so never too short', () => {
    const topology = topologyOf('B', ...line);
    expect(topology.members.size).toBe(3);
    topology.setNeighbours([]);
    topology.expireMissed(100_000);
    expect(topology.missedCount(129_999)).toBe(2);
    expect(topology.missedCount(130_000)).toBe(0);
  });

  it('are bounded', () => {
    const topology = new Topology(
      { node: node('A'), incarnation: 1, name: 'a', roles: ROLES },
      { ...TOPOLOGY_LIMITS, statesMax: 2 },
    );
    for (const id of ['B', 'C', 'D', 'E']) {
      topology.learn(state(id, 'A'), 0);
      topology.setNeighbours(refs(id));
      topology.expireMissed(1);
      topology.setNeighbours([]);
      topology.forgetUnreachable(1);
    }
    expect(topology.missedCount(1)).toBe(2);
  });
});

describe('the database', () => {
  it('forgets a node that is out of reach and silent', () => {
    const topology = topologyOf('B', state('B', 'A C'), state('C', 'B'), state('D', ''));
    expect(topology.forgetUnreachable(599_999)).toBe(0);
    topology.learn(state('B', 'A', { sequence: 2 }), 599_999);
    expect(topology.forgetUnreachable(600_000)).toBe(1);
    expect(topology.all().map((known) => known.node)).toEqual(['A', 'B', 'C']);
    topology.learn(state('C', 'B'), 700_000);
    expect(topology.forgetUnreachable(1_200_000)).toBe(0);
    expect(topology.forgetUnreachable(1_300_000)).toBe(1);
    expect(viewOf(topology)).toBe('A0A B1B');
  });

  it('takes in no more than it may hold, and prefers what is in reach', () => {
    const topology = new Topology(
      { node: node('A'), incarnation: 1, name: 'a', roles: ROLES },
      { ...TOPOLOGY_LIMITS, statesMax: 2 },
    );
    topology.setNeighbours(refs('B C D'));
    expect(topology.learn(state('X', ''), 1)).toBe('newer');
    expect(topology.learn(state('Y', ''), 0)).toBe('newer');
    expect(topology.learn(state('B', 'A'), 2)).toBe('newer');
    expect(topology.all().map((known) => known.node)).toEqual(['A', 'X', 'B']);
    expect(topology.learn(state('C', 'A'), 3)).toBe('newer');
    expect(topology.learn(state('D', 'A'), 4)).toBe('known');
    expect(topology.refused).toBe(1);
    expect(topology.learn(state('C', 'A', { sequence: 2 }), 5)).toBe('newer');
    expect(viewOf(topology)).toBe('A0A B1B C1C');
  });
});

describe('a link state on the wire', () => {
  const announced = state('B2', 'A C7', { sequence: 9, freeBytes: 2 ** 40, freeKeys: 7, view: 3 });
  const info = linkStateInfo(announced);
  const read = (change: Record<string, unknown>, incarnation = 2, sequence = 9): LinkState | null =>
    parseLinkState(node('B'), incarnation, sequence, { ...info, ...change });

  it('is read as it was written', () => {
    expect(info).toEqual({
      name: 'node-B',
      roles: ['home', 'store'],
      freeBytes: 2 ** 40,
      freeKeys: 7,
      view: 3,
      neighbours: [
        ['A', 1],
        ['C', 7],
      ],
    });
    expect(read({})).toEqual(announced);
    expect(read({ later: true })).toEqual(announced);
    expect(read({ freeKeys: undefined })).toEqual({ ...announced, freeKeys: 0 });
    expect(read({ roles: ['store', 'home', 'store'] })).toEqual(announced);
    expect(read({ roles: [] })?.roles).toEqual([]);
  });

  it.each([
    ['no name', { name: undefined }],
    ['an empty name', { name: '' }],
    ['a name with a space', { name: 'a b' }],
    ['a name of 65 characters', { name: 'a'.repeat(65) }],
    ['a name with a line break', { name: 'a\n' }],
    ['a number as name', { name: 7 }],
    ['roles that are no list', { roles: 'home' }],
    ['a role that is no text', { roles: [1] }],
    ['a role that is no word', { roles: ['Home!'] }],
    ['too many roles', { roles: Array.from({ length: 17 }, () => 'home') }],
    ['negative room', { freeBytes: -1 }],
    ['a fractional number of keys', { freeKeys: 0.5 }],
    ['a fractional view', { view: 0.5 }],
    ['room beyond 53 bits', { freeBytes: 2 ** 53 }],
    ['a bigint', { view: 1n }],
    ['no neighbours', { neighbours: undefined }],
    ['a neighbour that is no pair', { neighbours: ['A'] }],
    ['a triple', { neighbours: [['A', 1, 1]] }],
    ['an id that is none', { neighbours: [['A0', 1]] }],
    ['a number as id', { neighbours: [[1, 1]] }],
    ['the node itself', { neighbours: [['B', 2]] }],
    [
      'a neighbour twice',
      {
        neighbours: [
          ['A', 1],
          ['A', 2],
        ],
      },
    ],
    ['no incarnation', { neighbours: [['A', null]] }],
    ['an incarnation that leaves no room above', { neighbours: [['A', Number.MAX_SAFE_INTEGER]] }],
  ])('is refused with %s', (_what, change) => {
    expect(read(change)).toBeNull();
  });

  it('is refused with an incarnation or a sequence that is none', () => {
    expect(read({}, -1)).toBeNull();
    expect(read({}, Number.MAX_SAFE_INTEGER)).toBeNull();
    expect(read({}, 2, 0.5)).toBeNull();
  });

  it('has at most a thousand neighbours', () => {
    const pairs = Array.from({ length: NEIGHBOURS_MAX + 1 }, (_, i) => [`N${i}1`, 1]);
    expect(read({ neighbours: pairs.slice(1) })?.neighbours).toHaveLength(NEIGHBOURS_MAX);
    expect(read({ neighbours: pairs })).toBeNull();
  });

  it('is never trusted', () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer(),
        fc.dictionary(fc.constantFrom(...Object.keys(info)), fc.anything()),
        (i, s, change) => {
          const parsed = read(change, i, s);
          if (parsed !== null) expect(parseLinkState(parsed.node, i, s, linkStateInfo(parsed))).toEqual(parsed);
        },
      ),
    );
  });
});
