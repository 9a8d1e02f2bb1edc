/** Each rule watch is shown messages that it must accept, and messages that it must not. */
import { expect, it } from '@jest/globals';
import type { Hop } from '../../src/actors/runtime/runtime.js';
import type { AnyMessage } from '../../src/actors/runtime/kind.js';
import { HomeAnswers } from '../../src/testing/simulator/rule/home-answers.js';
import { MergeKeepsOne } from '../../src/testing/simulator/rule/merge-keeps-one.js';
import { OneExecution } from '../../src/testing/simulator/rule/one-execution.js';
import { RecoveryWaits } from '../../src/testing/simulator/rule/recovery-waits.js';
import { ACTOR } from '../../src/testing/simulator/rule/rule-watch.js';
import type { RuleWatch } from '../../src/testing/simulator/rule/rule-watch.js';
import { SearchWaits } from '../../src/testing/simulator/rule/search-waits.js';
import { encodeBuckets } from '../../src/store/statement.js';
import type { NodeLife } from '../../src/testing/node-life.js';

const LIFE = { identity: { node: 'A' } } as unknown as NodeLife;

/** Where from, where to, the message, and when. */
type Step = readonly [from: string, to: string, message: AnyMessage, atMs?: number];

const foundBy = (rule: RuleWatch, steps: readonly Step[]): number => {
  rule.onStart(0, LIFE);
  for (const [from, to, message, atMs = 0] of steps) {
    rule.onHop(0, { from, to, type: message.type, message, atMs } satisfies Hop, LIFE);
  }
  return rule.found().length;
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
  expect(found(get('get'), answer('missing'), joined(1))).toBe(0);
  expect(found(get('incr'), answer('value'), joined(1))).toBe(0);
  expect(found(get('get', 'other'), answer('value'), joined(1))).toBe(0);
});
