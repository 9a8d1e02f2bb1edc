/** Each rule watch is shown messages that it must accept, and messages that it must not. */
import { expect, it } from '@jest/globals';
import type { Hop } from '../../src/actors/runtime/runtime.js';
import type { AnyMessage } from '../../src/actors/runtime/kind.js';
import { ClockHeard } from '../../src/testing/simulator/rule/clock-heard.js';
import { HomeAnswers } from '../../src/testing/simulator/rule/home-answers.js';
import { IncomingWaits } from '../../src/testing/simulator/rule/incoming-waits.js';
import { MergeFreezes } from '../../src/testing/simulator/rule/merge-freezes.js';
import { MergeKeepsOne } from '../../src/testing/simulator/rule/merge-keeps-one.js';
import { MovedKeyTold } from '../../src/testing/simulator/rule/moved-key-told.js';
import { OneExecution } from '../../src/testing/simulator/rule/one-execution.js';
import { RecordsTravel } from '../../src/testing/simulator/rule/records-travel.js';
import { RecoveryWaits } from '../../src/testing/simulator/rule/recovery-waits.js';
import { ACTOR } from '../../src/testing/simulator/rule/rule-watch.js';
import type { RuleWatch } from '../../src/testing/simulator/rule/rule-watch.js';
import { SearchWaits } from '../../src/testing/simulator/rule/search-waits.js';
import { WatchedRules } from '../../src/testing/simulator/rule/watched-rules.js';
import { WholeDatabase } from '../../src/testing/simulator/rule/whole-database.js';
import { encodeCopies } from '../../src/store/entry-copy.js';
import type { NodeId } from '../../src/store/node-id.js';
import { formatStamp } from '../../src/store/stamp.js';
import { encodeBuckets } from '../../src/store/statement.js';
import { TAKING } from '../../src/store/taking.js';
import type { NodeLife } from '../../src/testing/node-life.js';

const LIFE = { identity: { node: 'A' } } as unknown as NodeLife;

/** Where from, where to, the message, and when. */
type Step = readonly [from: string, to: string, message: AnyMessage, atMs?: number];

const foundBy = (rule: RuleWatch, steps: readonly Step[], life = LIFE): number => {
  const rules = new WatchedRules([rule]);
  for (const [from, to, message, atMs = 0] of steps) {
    rules.onHop(0, { from, to, type: message.type, message, atMs } satisfies Hop, life);
  }
  return rules.broken()[0]?.texts.length ?? NaN;
};

const { store, router, finder, directory, node } = ACTOR;
const hash = new Uint8Array(16);
const pair = { homeIncarnation: 1, homeView: 5, incarnation: 2, view: 7 };

const members = (view: number, ...others: readonly (readonly [string, number])[]): Step => [
  router,
  directory,
  {
    type: 'members',
    view,
    incarnation: 1,
    members: others.map(([name, seen]) => ({ node: name, incarnation: 2, view: seen })),
  } as AnyMessage,
];
const registered = (to: string, given = pair): Step => [
  directory,
  router,
  { type: 'registered', to, ...given } as AnyMessage,
];
const lookup = (from: string, isSearched = false, given = pair): Step => [
  router,
  directory,
  { type: 'lookup', from, number: 3, claim: 9, hash, isSearched, ...given } as AnyMessage,
];
const place = (to: string, outcome: string): Step => [
  directory,
  router,
  { type: 'place', to, number: 3, outcome, hash } as AnyMessage,
];

it('[O2] a claim is granted under the present pair', () => {
  const found = (...steps: Step[]): number => foundBy(new HomeAnswers(), steps);
  const view = members(5, ['B', 7]);
  expect(found(view, registered('B'), lookup('B'), place('B', 'granted'))).toBe(0);
  expect(found(view, lookup('B', true), place('B', 'granted'))).toBe(1);
  expect(found(view, registered('B'), members(6, ['B', 7]), lookup('B', true), place('B', 'granted'))).toBe(1);
  expect(found(view, registered('B'), lookup('B', true), members(6, ['B', 7]), place('B', 'granted'))).toBe(0);
  expect(found(members(5, ['B', 8]), registered('B'), lookup('B', true), place('B', 'granted'))).toBe(1);
  const older = { ...pair, view: 6 };
  expect(found(members(5, ['B', 6]), registered('B'), lookup('B', true, older), place('B', 'granted'))).toBe(1);
});

it('[O1] that nobody owns a key is said when all have registered', () => {
  const found = (...steps: Step[]): number => foundBy(new HomeAnswers(), steps);
  const view = members(5, ['B', 7], ['C', 7]);
  const both = [registered('B'), registered('C')];
  expect(found(view, ...both, lookup('B'), place('B', 'absent'))).toBe(0);
  expect(found(view, registered('B'), lookup('B'), place('B', 'absent'))).toBe(1);
  expect(found(view, registered('B'), lookup('B'), place('B', 'unsettled'))).toBe(0);
  expect(found(view, registered('B'), lookup('B'), place('B', 'granted'))).toBe(1);
  expect(found(view, registered('B'), lookup('B', true), place('B', 'granted'))).toBe(0);
  // What the asker itself has stated is granted to it again, whoever else is to state his keys.
  const keys = encodeBuckets([{ bucket: 1, keys: [{ hash, claim: 8 }] }]);
  const stated = (from: string): Step => [router, directory, { type: 'entries', from, keys } as AnyMessage];
  expect(found(view, registered('B'), stated('B'), lookup('B'), place('B', 'granted'))).toBe(0);
  expect(found(view, registered('B'), stated('C'), lookup('B'), place('B', 'granted'))).toBe(1);
  const renumbered: Step = [router, directory, { type: 'renumbered', node: 'C', view: 8 } as AnyMessage];
  expect(found(view, ...both, renumbered, lookup('B'), place('B', 'absent'))).toBe(1);
  expect(
    found(view, ...both, renumbered, registered('C', { ...pair, view: 8 }), lookup('B'), place('B', 'absent')),
  ).toBe(0);
});

it('[D1] a request has one stamp', () => {
  const stored = (id: number, stamp: string) => ({ type: 'stored', id, meta: { stamp } });
  const answer = (id: number, stamp: string): Step => [
    store,
    router,
    { type: 'answer', to: 'B', message: stored(id, stamp) } as AnyMessage,
  ];
  const reply: Step = [store, '/node/session', stored(1, '5-A') as AnyMessage];
  expect(foundBy(new OneExecution(), [answer(1, '5-A'), answer(1, '5-A'), reply, answer(2, '6-A')])).toBe(0);
  expect(foundBy(new OneExecution(), [answer(1, '5-A'), answer(1, '6-A')])).toBe(1);
  expect(foundBy(new OneExecution(), [reply, answer(1, '5-B')])).toBe(1);
});

it('[P1] of two copies one stays', () => {
  const thaw = (contest: number, isKept: boolean): Step => [
    directory,
    router,
    { type: 'thaw', from: 'A', contest, isKept } as AnyMessage,
  ];
  expect(foundBy(new MergeKeepsOne(), [thaw(1, false), thaw(1, true), thaw(2, true)])).toBe(0);
  expect(foundBy(new MergeKeepsOne(), [thaw(1, false), thaw(2, true)])).toBe(1);
});

it('[V8] a search waits for all whom it asked', () => {
  const begin: Step = [finder, router, { type: 'find', number: 3, budgetMs: 100 } as AnyMessage];
  const search = { type: 'search', asker: 'A', number: 3 } as AnyMessage;
  const asked: Step[] = [
    [router, 'link-1', search],
    [router, 'link-2', search],
  ];
  const echo = (link: string): Step => [link, router, { type: 'echo', asker: 'A', number: 3 } as AnyMessage];
  const searched = (owner: string | null, atMs = 0): Step => [
    router,
    finder,
    { type: 'searched', number: 3, owner } as AnyMessage,
    atMs,
  ];
  const found = (...steps: Step[]): number => foundBy(new SearchWaits(), [begin, ...asked, ...steps]);
  expect(found(echo('link-1'), echo('link-2'), searched(null))).toBe(0);
  expect(found(echo('link-1'), ['link-2', router, search], searched(null))).toBe(0);
  expect(found(echo('link-1'), searched(null))).toBe(1);
  expect(found(echo('link-1'), searched('B'))).toBe(0);
  expect(found(echo('link-1'), searched(null, 100))).toBe(0);
  expect(found(echo('link-1'), ['link-2', router, { type: 'linkDown' } as AnyMessage], searched(null))).toBe(0);
  expect(found(echo('link-1'), [router, 'link-2', { type: 'spurned' } as AnyMessage], searched(null))).toBe(0);
});

it('[H3] what came from the disk waits for the homes', () => {
  const get = (kind: string, key = 'k'): Step => [
    router,
    store,
    { type: 'forward', from: 'B', number: 3, message: { type: kind, key } } as AnyMessage,
  ];
  const answer = (type: string): Step => [
    store,
    router,
    { type: 'answer', to: 'B', number: 3, message: { type } } as AnyMessage,
  ];
  const joined = (atMs: number): Step => [store, node, { type: 'registeredAll' } as AnyMessage, atMs];
  const found = (...steps: Step[]): number =>
    foundBy(new RecoveryWaits(() => ['k']), [[store, node, { type: 'recovered' } as AnyMessage], ...steps]);
  expect(found(joined(0), get('get'), answer('value'), joined(1))).toBe(0);
  expect(found(get('get'), answer('value'), joined(1))).toBe(1);
  expect(found(get('get'), answer('value'), joined(0))).toBe(0);
  expect(found(get('get'), answer('value'))).toBe(1);
  expect(found(get('get'), answer('missing'), joined(1))).toBe(0);
  expect(found(get('incr'), answer('value'), joined(1))).toBe(0);
  expect(found(get('get', 'other'), answer('value'), joined(1))).toBe(0);
});

it('[V5] a new link gets the whole database before the own edges', () => {
  const up: Step = ['link-1', router, { type: 'linkUp', node: 'B' } as AnyMessage];
  const links = (of: string, link = 'link-1'): Step => [router, link, { type: 'links', node: of } as AnyMessage];
  const found = (...steps: Step[]): number =>
    foundBy(new WholeDatabase(() => ['A', 'B', 'C', 'D'] as NodeId[]), [up, ...steps]);
  expect(found(links('C'), links('B'), links('D'), links('A'), links('A'))).toBe(0);
  expect(found(links('C'), links('D'), links('A'))).toBe(0);
  expect(found(links('C'), links('A'))).toBe(1);
  expect(found(links('C'), links('D', 'link-2'), links('A'))).toBe(1);
  // The router has not kept the link.
  expect(found(links('A', 'link-2'))).toBe(0);
});

it('[O7] a stamp is above what its owner had heard', () => {
  const place = (clock: number): Step => [router, store, { type: 'place', clock } as AnyMessage];
  const conclude: Step = [
    finder,
    store,
    { type: 'conclude', clock: 3, requests: [{ request: { id: 1 } }] } as AnyMessage,
  ];
  const [own, other] = ['NAKocg_iXa', 'nw297caz3d'] as NodeId[] as [NodeId, NodeId];
  const stored = (time: number, origin = own) => ({
    type: 'stored',
    id: 1,
    meta: { stamp: formatStamp({ time, origin }) },
  });
  const life = { identity: { node: own } } as unknown as NodeLife;
  const found = (...steps: Step[]): number => foundBy(new ClockHeard(), steps, life);
  const reply = (time: number, origin?: NodeId): Step => [store, 'session', stored(time, origin) as AnyMessage];
  expect(found(place(8), conclude, reply(9))).toBe(0);
  expect(found(place(8), conclude, reply(8))).toBe(1);
  expect(found(place(1), conclude, reply(3))).toBe(1);
  expect(found(conclude, place(8), reply(4))).toBe(0);
  // Another node has executed it.
  expect(found(place(8), conclude, reply(5, other))).toBe(0);
  const answer = { type: 'answer', to: 'B', number: 3, message: stored(5) } as AnyMessage;
  expect(found(place(8), conclude, [store, router, answer])).toBe(1);
});

it('[P1] what is compared is not written', () => {
  const frozen: Step = [store, router, { type: 'frozen', to: 'H', contest: 4, time: 5, origin: 'A' } as AnyMessage];
  const thaw = (contest = 4): Step => [router, store, { type: 'thaw', from: 'H', contest } as AnyMessage];
  const found = (later: number | null, ...steps: Step[]): number => {
    let looks = 0;
    const stampsOf = () => {
      looks += 1;
      const time = looks === 1 ? 5 : later;
      return new Map(time === null ? [] : [['k', { time, origin: 'A' as NodeId }]]);
    };
    return foundBy(new MergeFreezes(stampsOf), steps);
  };
  expect(found(5, frozen, thaw())).toBe(0);
  expect(found(null, frozen, thaw())).toBe(0);
  expect(found(6, frozen, thaw())).toBe(1);
  expect(found(6, frozen, frozen, thaw())).toBe(1);
  expect(found(6, frozen, thaw(3))).toBe(0);
  expect(found(6, frozen, [router, store, { type: 'members' } as AnyMessage], thaw())).toBe(0);
});

const copies = encodeCopies(
  ['k', 'l'].map((key) => ({ key, value: null, time: 1, origin: 'AAAAAAAAAA' as NodeId, ttlMs: 0, given: 1 })),
);
const membersOf = (...nodes: string[]): Step => [
  router,
  store,
  { type: 'members', members: nodes.map((name) => ({ node: name })) } as AnyMessage,
];

it('[D1] the records of writes go with their keys', () => {
  const forward = (number: number, floor = 0, type = 'set', key = 'k', incarnation = 2): Step => [
    router,
    store,
    { type: 'forward', from: 'B', incarnation, floor, number, message: { type, key } } as AnyMessage,
  ];
  const answer = (number: number, type = 'stored'): Step => [
    store,
    router,
    { type: 'answer', to: 'B', number, message: { type } } as AnyMessage,
  ];
  const take = (records: number): Step => [store, router, { type: 'take', records, copies } as AnyMessage];
  const found = (...steps: Step[]): number => foundBy(new RecordsTravel(), steps);
  expect(found(forward(3), answer(3), take(1))).toBe(0);
  expect(found(forward(3), answer(3), take(0))).toBe(1);
  expect(found(forward(3), take(0))).toBe(0);
  expect(found(forward(3), answer(3, 'refused'), take(0))).toBe(0);
  expect(found(forward(3, 0, 'get'), answer(3, 'value'), take(0))).toBe(0);
  expect(found(forward(3, 0, 'set', 'other'), answer(3), take(0))).toBe(0);
  expect(found(forward(3), answer(3), forward(4, 4), take(0))).toBe(0);
  expect(found(forward(3), answer(3), forward(4, 0, 'set', 'k', 3), take(0))).toBe(0);
  // From a former owner it was heard that the asker has the answer.
  const record = (floor: number): Step => [
    router,
    store,
    { type: 'record', asker: 'B', askerIncarnation: 2, floor } as AnyMessage,
  ];
  expect(found(forward(3), answer(3), record(4), take(0))).toBe(0);
  expect(found(forward(3), answer(3), record(3), take(0))).toBe(1);
  expect(found(forward(3), answer(3), membersOf('A', 'B'), take(0))).toBe(1);
  expect(found(forward(3), answer(3), membersOf('A'), take(0))).toBe(0);
});

it('[H1] searches are told who has got a key', () => {
  const take: Step = [store, router, { type: 'take', to: 'B', number: 7, copies } as AnyMessage];
  const taken = (state: number): Step => [
    router,
    store,
    { type: 'taken', from: 'B', number: 7, states: Uint8Array.of(state, TAKING.waiting) } as AnyMessage,
  ];
  const probe: Step = [router, store, { type: 'probe', asker: 'C', number: 9, key: 'k' } as AnyMessage];
  const probed = (owner: string | null): Step => [
    store,
    router,
    { type: 'probed', asker: 'C', number: 9, owner } as AnyMessage,
  ];
  const found = (...steps: Step[]): number => {
    let isHeld = true;
    const rule = new MovedKeyTold(() => {
      const is = isHeld;
      isHeld = false;
      return is;
    });
    return foundBy(rule, steps);
  };
  expect(found(take, taken(TAKING.active), probe, probed('B'))).toBe(0);
  expect(found(take, taken(TAKING.active), probe, probed(null))).toBe(1);
  expect(found(take, taken(TAKING.refused), probe, probed(null))).toBe(0);
  expect(found(take, probe, taken(TAKING.active), probed(null))).toBe(0);
  expect(found(take, membersOf('A', 'B'), taken(TAKING.active), probe, probed(null))).toBe(1);
  expect(found(take, membersOf('A'), taken(TAKING.active), probe, probed(null))).toBe(0);
});

it('[H1] requests wait for a copy that waits for its home', () => {
  const take: Step = [router, store, { type: 'take', from: 'B', number: 7, copies } as AnyMessage];
  const taken = (state: number): Step => [
    store,
    router,
    { type: 'taken', to: 'B', number: 7, states: Uint8Array.of(state, TAKING.active) } as AnyMessage,
  ];
  const forward = (behind = 0): Step => [
    router,
    store,
    { type: 'forward', from: 'C', number: 9, behind, message: { type: 'get', key: 'k' } } as AnyMessage,
  ];
  const notMine: Step = [store, router, { type: 'notMine', to: 'C', number: 9 } as AnyMessage];
  const answer = (type: string): Step => [
    store,
    router,
    { type: 'answer', to: 'C', number: 9, message: { type } } as AnyMessage,
  ];
  const transferred: Step = [router, store, { type: 'transferred' } as AnyMessage];
  const get: Step = [finder, store, { type: 'get', id: 5, key: 'k' } as AnyMessage];
  const absent = (isPassedBack = false): Step => [
    store,
    finder,
    { type: 'absent', request: { id: 5 }, isPassedBack } as AnyMessage,
  ];
  const found = (state: number, ...steps: Step[]): number =>
    foundBy(new IncomingWaits(), [take, taken(state), ...steps]);
  const { waiting, refused } = TAKING;
  expect(found(waiting, forward(), transferred, notMine)).toBe(0);
  expect(found(waiting, forward(), notMine)).toBe(1);
  expect(found(waiting, forward(), answer('missing'))).toBe(1);
  expect(found(waiting, forward(), answer('value'))).toBe(0);
  expect(found(waiting, forward(1), notMine)).toBe(0);
  expect(found(refused, forward(), notMine)).toBe(0);
  expect(found(waiting, get, absent())).toBe(1);
  expect(found(waiting, get, absent(true))).toBe(0);
  expect(found(waiting, get, transferred, absent())).toBe(0);
});
