/** Each checker of a run is shown evidence that it must accept, and evidence that it must not. */
import { describe, expect, it } from '@jest/globals';
import { checkAnswersWhenSettled } from '../../src/testing/simulator/check/answers-when-settled.js';
import { checkBounded } from '../../src/testing/simulator/check/bounded.js';
import { checkConservation } from '../../src/testing/simulator/check/conservation.js';
import { checkDirectoryAgrees } from '../../src/testing/simulator/check/directory-agrees.js';
import { checkDeletesStay } from '../../src/testing/simulator/check/deletes-stay.js';
import { checkExactAccounting } from '../../src/testing/simulator/check/exact-accounting.js';
import { checkExpiredStaysAway } from '../../src/testing/simulator/check/expired-stays-away.js';
import { checkLivesEnd } from '../../src/testing/simulator/check/lives-end.js';
import { checkNoFlood } from '../../src/testing/simulator/check/no-flood.js';
import { checkNoLostWrite } from '../../src/testing/simulator/check/no-lost-write.js';
import { checkNoRefusal } from '../../src/testing/simulator/check/no-refusal.js';
import { checkOneCopy } from '../../src/testing/simulator/check/one-copy.js';
import { checkStampOrder } from '../../src/testing/simulator/check/stamp-order.js';
import { checkStampsIncrease } from '../../src/testing/simulator/check/stamps-increase.js';
import { checkTrueMissing } from '../../src/testing/simulator/check/true-missing.js';
import type { MissingContext } from '../../src/testing/simulator/check/true-missing.js';
import { checkChangesTold, checkEndsTold, checkWatchOrder } from '../../src/testing/simulator/check/watch-order.js';
import { stableWindows } from '../../src/testing/simulator/disturbance.js';
import { speedPlan } from '../../src/testing/simulator/speed-plan.js';
import type { PlannedFault } from '../../src/testing/simulator/plan.js';
import type { Disturbance, NodeEvidence, ToldChange, Watching } from '../../src/testing/simulator/evidence.js';
import type { NodeId } from '../../src/store/node-id.js';
import { operation } from './history.js';

const node = (index: number, keys: readonly string[] = [], rest: Partial<NodeEvidence> = {}): NodeEvidence => ({
  node: index,
  id: `id${index}`,
  entries: new Map(keys.map((key) => [key, { value: 1, time: 7, bytes: 10, expiresAtMs: 0 }])),
  owned: new Map(),
  directory: new Map(),
  keyCount: keys.length,
  byteCount: 10 * keys.length,
  open: 0,
  lookups: 0,
  messages: { sent: 5, accounted: 5 },
  mailboxes: [{ path: '/node', depthMax: 3, capacity: 4 }],
  ...rest,
});

it('[C1] one copy', () => {
  expect(checkOneCopy([node(0, ['a', 'b']), node(1, ['c'])])).toEqual([]);
  expect(checkOneCopy([node(0, ['a', 'b']), node(1, ['b'])])).toEqual(['b: 1 at n0, 1 at n1']);
});

it('[C7] exact accounting', () => {
  const limits = { keysMax: 2, storeBytesMax: 20 };
  expect(checkExactAccounting([node(0, ['a', 'b'])], limits)).toEqual([]);
  expect(checkExactAccounting([node(0, ['a'], { keyCount: 2 })], limits)).toEqual(['n0 counts 2 keys and has 1']);
  expect(checkExactAccounting([node(0, ['a'], { byteCount: 9 })], limits)).toEqual(['n0 counts 9 bytes and has 10']);
  expect(checkExactAccounting([node(0, ['a', 'b', 'c'])], limits)).toEqual([
    'n0 has 3 keys, above 2',
    'n0 has 30 bytes, above 20',
  ]);
});

it('[C6] stamps increase', () => {
  const found = (time: number, gone: [string, number][] = [], expiring: string[] = []): number =>
    checkStampsIncrease(
      [node(0, ['a'])],
      new Map([['a', { atMs: 50, node: 1, time }]]),
      new Map(gone),
      new Set(expiring),
    ).length;
  expect(found(7)).toBe(0);
  expect(found(8)).toBe(1);
  expect(found(8, [['a', 49]])).toBe(1);
  expect(found(8, [['a', 51]])).toBe(0);
  expect(found(8, [], ['b'])).toBe(1);
  expect(found(8, [], ['a'])).toBe(0);
});

it('[O7] stamps follow the order of the writes', () => {
  const write = (from: number, to: number, time: number, key = 'k') =>
    operation('set', [from, to], { type: 'stored', time }, { key });
  const always = [{ fromMs: 0, toMs: Infinity, startsEmpty: true }];
  expect(checkStampOrder([write(0, 5, 1), write(6, 9, 2), write(10, 12, 3)], always)).toEqual([]);
  expect(checkStampOrder([write(0, 5, 2), write(6, 9, 1)], always)).toHaveLength(1);
  expect(checkStampOrder([write(0, 5, 2), write(6, 9, 2)], always)).toHaveLength(1);
  expect(checkStampOrder([write(0, 5, 3), write(6, 7, 4), write(8, 9, 3)], always)).toHaveLength(1);
  // At the same time, of another key, or outside of what is judged.
  expect(checkStampOrder([write(0, 7, 2), write(6, 9, 1)], always)).toEqual([]);
  expect(checkStampOrder([write(0, 5, 2), write(6, 9, 1, 'other')], always)).toEqual([]);
  expect(checkStampOrder([write(0, 5, 2), write(6, 9, 1)], [{ fromMs: 0, toMs: 8, startsEmpty: true }])).toEqual([]);
});

it('[C6] [T1] deletes stay, also of what was not there', () => {
  const set = operation('set', [0, 5], { type: 'stored' }, { number: 1, key: 'a' });
  const deleted = (from: number, existed: boolean) =>
    operation('delete', [from, from + 1], { type: 'deleted', existed }, { number: 2, key: 'a' });
  const found = (history: Parameters<typeof checkDeletesStay>[0], gone: [string, number][] = []): number =>
    checkDeletesStay(history, [node(0, ['a'])], new Map(gone)).length;
  expect(found([set])).toBe(0);
  expect(found([set, deleted(6, true)])).toBe(1);
  expect(found([set, deleted(6, false)])).toBe(1);
  expect(found([set, deleted(4, true)])).toBe(0);
  expect(found([set, deleted(6, true)], [['a', 6]])).toBe(0);
  const shortLived = (to: number) =>
    operation('set', [to - 1, to], { type: 'stored' }, { number: 3, key: 'a', ttlMs: 5 });
  expect(found([set, deleted(6, true), shortLived(9)])).toBe(0);
  expect(found([set, shortLived(5), deleted(6, true)])).toBe(1);
  expect(found([set, deleted(6, true)], [['a', 5]])).toBe(1);
  expect(found([set, deleted(6, true), operation('incr', [1, 2], { type: 'open' }, { number: 3, key: 'a' })])).toBe(0);
});

it('[C9] [T4] expired stays away', () => {
  const set = operation('set', [0, 5], { type: 'stored' }, { number: 1, ttlMs: 20 });
  const got = (atMs: number) => operation('get', [atMs, atMs + 1], { type: 'value', value: 1 }, { number: 2 });
  const touch = operation('touch', [6, 7], { type: 'stored' }, { number: 3, ttlMs: 90 });
  expect(checkExpiredStaysAway([set, got(35)], 10)).toEqual([]);
  expect(checkExpiredStaysAway([set, got(36)], 10)).toHaveLength(1);
  expect(checkExpiredStaysAway([set, touch, got(36)], 10)).toEqual([]);
  expect(checkExpiredStaysAway([{ ...set, ttlMs: 0 }, got(36)], 10)).toEqual([]);
});

describe('the membership is stable', () => {
  const ring = { ...speedPlan(), requests: [] };
  const leave = (atMs: number, index: number): PlannedFault => ({ kind: 'leave', atMs, node: index, forMs: 500 });
  const until = (faults: PlannedFault[], lossMs = Infinity): number | undefined =>
    stableWindows({ ...ring, faults }, { heartbeatTimeoutMs: 1000 }, 0, 90_000, lossMs)[0]?.toMs;

  it('while nodes leave that leave the others together, until one goes with what it has', () => {
    expect(until([leave(1000, 3), { kind: 'reset', atMs: 30_000, edge: [7, 8] }])).toBe(Infinity);
    expect(until([leave(1000, 3), leave(1010, 4)])).toBe(Infinity);
    expect(until([leave(1000, 3), leave(40_000, 6)])).toBe(Infinity);
    expect(until([leave(1000, 3)], 1200)).toBe(1200);
  });

  it('until too many are gone at once, or a link is lost beside them', () => {
    expect(until([leave(1000, 3), leave(1010, 6)])).toBe(1010);
    expect(until([leave(1000, 3), { kind: 'reset', atMs: 1100, edge: [7, 8] }])).toBe(1100);
    expect(until([{ kind: 'crash', atMs: 2000, node: 1, forMs: 10 }])).toBe(2000);
    // Who has just joined, or leaves as well, is reached through the other neighbour, or not at all.
    expect(until([{ kind: 'join', atMs: 1000, node: 3 }, leave(1500, 2)])).toBe(Infinity);
    expect(until([{ kind: 'join', atMs: 1000, node: 3 }, leave(1500, 2), leave(1600, 4)])).toBe(1600);
  });

  it('until something stands still for too long, alone or with another', () => {
    const clog = (atMs: number, forMs: number): PlannedFault => ({ kind: 'clog', atMs, edge: [0, 1], forMs });
    expect(until([clog(1000, 300), clog(3000, 300), leave(1100, 5)])).toBe(Infinity);
    expect(until([clog(1000, 500)])).toBe(1000);
    expect(until([clog(1000, 300), clog(1100, 300)])).toBe(1000);
  });
});

it('answers when settled', () => {
  expect(checkAnswersWhenSettled([operation('get', [0, 1], { type: 'missing' })], true)).toEqual([]);
  const late = [operation('get', [0, 1], { type: 'refused', code: 'TIMEOUT' })];
  expect(checkAnswersWhenSettled(late, true)).toHaveLength(1);
  expect(checkAnswersWhenSettled(late, false)).toEqual([]);
  expect(checkAnswersWhenSettled([operation('get', [0, Infinity], { type: 'open' })], false)).toHaveLength(1);
});

describe('what a watch is told', () => {
  const origin = 'n1' as NodeId;
  const told = (atMs: number, kind: ToldChange['kind'], time: number, by: string = origin): ToldChange =>
    kind === 'gap'
      ? { atMs, kind, key: null, stamp: null }
      : { atMs, kind, key: 'k', stamp: { time, origin: by as NodeId } };
  const watching = (changes: ToldChange[], toMs = Infinity): Watching => ({ node: 0, fromMs: 10, toMs, changes });

  it('[W2] has stamps that rise', () => {
    expect(checkWatchOrder([watching([told(1, 'set', 1), told(2, 'delete', 2), told(3, 'merge', 1)])])).toEqual([]);
    expect(checkWatchOrder([watching([told(1, 'set', 2), told(2, 'set', 2, 'n2')])])).toEqual([]);
    expect(checkWatchOrder([watching([told(1, 'set', 2), told(2, 'set', 1)])])).toHaveLength(1);
    expect(checkWatchOrder([watching([told(1, 'set', 2), told(2, 'expire', 2)])])).toHaveLength(1);
  });

  it('[W1] leaves out no change without a gap', () => {
    const write = operation('set', [20, 30], { type: 'stored', time: 5 });
    const found = (changes: ToldChange[], toMs = Infinity, windowMs = Infinity): number =>
      checkChangesTold([watching(changes, toMs)], [write], [{ fromMs: 0, toMs: windowMs, startsEmpty: true }], 100)
        .length;
    expect(found([])).toBe(1);
    expect(found([told(25, 'set', 4)])).toBe(1);
    expect(found([told(15, 'gap', 0)])).toBe(1);
    expect(found([told(25, 'set', 5)])).toBe(0);
    expect(found([told(25, 'set', 6)])).toBe(0);
    expect(found([told(25, 'gap', 0)])).toBe(0);
    expect(found([], 120)).toBe(0);
    expect(found([], Infinity, 120)).toBe(0);
  });

  it('does not end with the end of what is there', () => {
    const found = (changes: ToldChange[], toMs = Infinity): number =>
      checkEndsTold([watching(changes, toMs)], [node(0, ['k'])]).length;
    expect(found([told(1, 'set', 1), told(2, 'expire', 2)])).toBe(1);
    expect(found([told(1, 'expire', 1), told(2, 'set', 2)])).toBe(0);
    expect(found([told(1, 'expire', 1), told(2, 'gap', 0)])).toBe(0);
    expect(found([told(1, 'expire', 1)], 5)).toBe(0);
    expect(checkEndsTold([watching([told(1, 'expire', 1)])], [node(0, ['other'])])).toEqual([]);
  });
});

it('message conservation', () => {
  expect(checkConservation([node(0)])).toEqual([]);
  expect(checkConservation([node(0, [], { messages: { sent: 5, accounted: 4 } })])).toHaveLength(1);
});

it('bounded', () => {
  expect(checkBounded([node(0)])).toEqual([]);
  expect(checkBounded([node(0, [], { open: 1 })])).toHaveLength(1);
  expect(checkBounded([node(0, [], { lookups: 1 })])).toHaveLength(1);
  expect(checkBounded([node(0, [], { mailboxes: [{ path: '/node', depthMax: 5, capacity: 4 }] })])).toHaveLength(1);
});

it('no flood', () => {
  expect(checkNoFlood(0)).toEqual([]);
  expect(checkNoFlood(1)).toHaveLength(1);
});

it('no refusal where nothing went wrong', () => {
  const refusedBy = (code: string) => operation('get', [0, 1], { type: 'refused', code });
  expect(checkNoRefusal([refusedBy('BUSY'), operation('get', [0, 1], { type: 'missing' })], false)).toEqual([]);
  expect(checkNoRefusal([refusedBy('TIMEOUT')], false)).toHaveLength(1);
  expect(checkNoRefusal([refusedBy('TIMEOUT')], true)).toEqual([]);
  expect(checkNoRefusal([refusedBy('UNKNOWN')], true)).toHaveLength(1);
  expect(checkNoRefusal([operation('get', [0, Infinity], { type: 'lost' })], true)).toHaveLength(1);
});

describe('[C4] true missing', () => {
  const missed = { operation: operation('get', [100, 110], { type: 'missing' }), holders: 2 };
  const calm: MissingContext = {
    edges: [
      [0, 1],
      [1, 2],
      [2, 0],
    ],
    lives: [0, 1, 2].map((index) => ({ node: index, bornMs: 0, endedMs: Infinity })),
    disturbances: [],
    heartbeatTimeoutMs: 50,
  };
  const disturbance = (rest: Partial<Disturbance>): Disturbance => ({
    fromMs: 60,
    endedMs: 70,
    toMs: 80,
    nodes: [],
    edges: [],
    pausedNode: null,
    ...rest,
  });
  const found = (rest: Partial<MissingContext>): number => checkTrueMissing([missed], { ...calm, ...rest }).length;

  it('finds an answer that overlooked a copy', () => {
    expect(checkTrueMissing([missed], calm)).toEqual(['100.0..110.0 s1 n0 get k -> missing, while n1 had it']);
    expect(checkTrueMissing([], calm)).toEqual([]);
  });

  it('finds it behind one lost link of a ring, and long after a fault', () => {
    expect(found({ disturbances: [disturbance({ edges: [[1, 0]] })] })).toBe(1);
    expect(found({ disturbances: [disturbance({ fromMs: 0, toMs: 49, nodes: [1] })] })).toBe(1);
    expect(found({ lives: [...calm.lives, { node: 3, bornMs: 0, endedMs: 49 }] })).toBe(1);
  });

  it('excuses what a fault explains', () => {
    const cut = disturbance({
      edges: [
        [0, 1],
        [2, 1],
      ],
    });
    expect(found({ disturbances: [cut] })).toBe(0);
    expect(found({ disturbances: [disturbance({ nodes: [2] })] })).toBe(0);
    expect(found({ lives: [...calm.lives, { node: 3, bornMs: 0, endedMs: 55 }] })).toBe(0);
    expect(found({ lives: calm.lives.map((life) => (life.node === 2 ? { ...life, bornMs: 55 } : life)) })).toBe(0);
  });
});

describe('no lost write', () => {
  const set = operation('set', [10, 20], { type: 'stored' }, { number: 3 });
  const found = (
    history: Parameters<typeof checkNoLostWrite>[0],
    nodes: NodeEvidence[] = [],
    gone = -1,
    partsFromMs = Infinity,
  ): number =>
    checkNoLostWrite(history, { nodes, goneWithNode: new Map(gone < 0 ? [] : [['k', gone]]), partsFromMs }).length;

  it('finds a key that is nowhere', () => {
    expect(found([set])).toBe(1);
    expect(found([set], [node(0, ['k'])])).toBe(0);
  });

  it('finds it in spite of what ended before the write, and of what was refused', () => {
    expect(found([operation('delete', [0, 9], { type: 'deleted', existed: true }), set])).toBe(1);
    expect(found([set, operation('delete', [30, 40], { type: 'refused', code: 'BUSY' }, { number: 4 })])).toBe(1);
    expect(found([set], [], 9)).toBe(1);
  });

  it('excuses deletes, even uncertain ones, times to live, and the crash of a node that had it', () => {
    expect(found([set, operation('delete', [30, 40], { type: 'deleted', existed: true })])).toBe(0);
    expect(found([set, operation('delete', [30, Infinity], { type: 'lost' })])).toBe(0);
    expect(found([operation('delete', [0, Infinity], { type: 'open' }), set])).toBe(0);
    expect(found([{ ...set, ttlMs: 5 }])).toBe(0);
    expect(found([set], [], 15)).toBe(0);
  });

  it('excuses an earlier delete only where stamps of two parts may decide', () => {
    const deleted = operation('delete', [0, 9], { type: 'deleted', existed: true });
    expect(found([deleted, set], [], -1, 5)).toBe(0);
    expect(found([deleted, set], [], -1, 30)).toBe(1);
    expect(found([set], [], -1, 5)).toBe(1);
  });

  it('does not take a tombstone for the entry', () => {
    const buried = node(0, [], { entries: new Map([['k', { value: null, time: 1, bytes: 1, expiresAtMs: 0 }]]) });
    expect(found([set], [buried])).toBe(1);
  });
});

it('[O1] [O4] [O5] the directory is the inverse of the stores', () => {
  const knows = (owner: string, claim: number) => ({ directory: new Map([['k', { owner, claim }]]) });
  const owns = (claim: number) => ({ owned: new Map([['k', claim]]) });
  const found = (...nodes: Partial<NodeEvidence>[]): number =>
    checkDirectoryAgrees(nodes.map((rest, index) => node(index, [], rest))).length;
  expect(found({}, {})).toBe(0);
  expect(found(knows('id1', 7), owns(7))).toBe(0);
  expect(found(knows('id1', 7), owns(8))).toBe(1);
  expect(found(knows('id0', 7), owns(7))).toBe(1);
  expect(found(knows('id1', 7), {})).toBe(1);
  expect(found({}, owns(7))).toBe(1);
  expect(found(knows('id1', 7), { ...owns(7), ...knows('id1', 7) })).toBe(1);
});

it('[T4] an entry ends when its set said', () => {
  const set = operation('set', [0, 5], { type: 'stored' }, { number: 1, key: 'a', ttlMs: 100 });
  const found = (expiresAtMs: number, ...more: Parameters<typeof checkLivesEnd>[0]): number => {
    const entries = new Map([['a', { value: 1, time: 7, bytes: 10, expiresAtMs }]]);
    return checkLivesEnd([set, ...more], [node(0, [], { entries })], 10).length;
  };
  expect(found(104)).toBe(0);
  expect(found(115)).toBe(0);
  expect(found(116)).toBe(1);
  expect(found(0)).toBe(1);
  expect(found(999, operation('touch', [6, 7], { type: 'stored' }, { number: 2, key: 'a', ttlMs: 900 }))).toBe(0);
});
