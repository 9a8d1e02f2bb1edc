import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Addresses } from '../../src/actors/addresses.js';
import { locatorKind } from '../../src/actors/locator.js';
import { createTestRuntime } from '../../src/actors/runtime/index.js';
import type { Probe, Ref, TestRuntime } from '../../src/actors/runtime/index.js';
import type { LocatorMessage } from '../../src/actors/message.js';
import type { NodeId } from '../../src/store/node-id.js';

const [A, B, C] = ['1A', '1B', '1C'] as [NodeId, NodeId, NodeId];
const path = {
  type: 'path',
  nodes: [
    { id: A, name: 'a' },
    { id: B, name: 'b' },
    { id: C, name: 'c' },
  ],
} as const;

let runtime: TestRuntime;
let session: Probe;
let finder: Probe;
let router: Probe;
let locator: Ref<LocatorMessage>;

beforeEach(() => {
  runtime = createTestRuntime();
  [session, finder, router] = [runtime.probe('session'), runtime.probe('finder'), runtime.probe('router')];
  const addresses = { finder: finder.ref, router: router.ref } as unknown as Addresses;
  const identity = { node: A, incarnation: 1, name: 'a', swarm: 's', version: '0' };
  locator = runtime.spawn(locatorKind, 'locator', { identity, addresses });
});
afterEach(() => runtime.close());

const located = (owner: unknown, id = 1): LocatorMessage => ({ type: 'located', id, info: { owner } });

it('[TR1] a node of the way that does not answer has no time', () => {
  session.tell(locator, { type: 'trace', id: 7, key: 'k' });
  finder.expect('trace', { id: 1, key: 'k' });
  runtime.advance(2);
  finder.tell(locator, { type: 'step', id: 1, step: 'search' });
  runtime.advance(3);
  finder.tell(locator, located(C));
  router.expect('findPath', { number: 1, to: C });
  router.tell(locator, { ...path, number: 1 });
  router.expect('hail', { to: B, from: A });
  router.expect('hail', { to: C, from: A });
  runtime.advance(4);
  router.tell(locator, { type: 'hailed', to: A, from: B, hops: 1, number: 1 });
  session.expectNone();
  runtime.advance(1000);
  const info = {
    owner: { id: C, name: 'c' },
    steps: [{ step: 'search', ms: 2 }],
    ms: 5,
    path: [
      { id: A, name: 'a', ms: 0 },
      { id: B, name: 'b', ms: 4 },
      { id: C, name: 'c', ms: null },
    ],
  };
  expect(session.expect('located', { id: 7 })).toMatchObject({ info });
});

it('answers a hail, and takes one answer of each node that it asked, and no other', () => {
  router.tell(locator, { type: 'hail', to: A, from: B, hops: 2, number: 9 });
  router.expect('hailed', { to: B, from: A, number: 9 });
  session.tell(locator, { type: 'trace', id: 7, key: 'k' });
  finder.expect('trace');
  finder.tell(locator, located(B));
  router.expect('findPath');
  router.tell(locator, { type: 'path', number: 1, nodes: path.nodes.slice(0, 2) });
  router.expect('hail', { to: B });
  for (const [from, number] of [
    [C, 1],
    [B, 2],
    [A, 1],
  ] as const) {
    router.tell(locator, { type: 'hailed', to: A, from, hops: 1, number });
  }
  session.expectNone();
  for (let i = 0; i < 2; i += 1) router.tell(locator, { type: 'hailed', to: A, from: B, hops: 1, number: 1 });
  session.expect('located', { id: 7 });
  session.expectNone();
});

it('takes an owner that is none for nobody, and one that is out of reach for one without a name', () => {
  for (const owner of ['no id!', 7, null]) {
    session.tell(locator, { type: 'where', id: 7, key: 'k' });
    finder.tell(locator, located(owner, finder.expect('where')['id' as never]));
    expect(session.expect('located')).toMatchObject({ info: { owner: null, path: [] } });
  }
  session.tell(locator, { type: 'where', id: 8, key: 'k' });
  finder.tell(locator, located(C, finder.expect('where')['id' as never]));
  router.tell(locator, { type: 'path', number: router.expect('findPath')['number' as never], nodes: [] });
  expect(session.expect('located')).toMatchObject({ info: { owner: { id: C, name: null }, path: [] } });
});

it('passes a refusal on under the id of the request', () => {
  session.tell(locator, { type: 'where', id: 7, key: 'k' });
  finder.expect('where');
  finder.tell(locator, { type: 'refused', id: 1, code: 'TIMEOUT', message: 'no answer in time', info: null });
  session.expect('refused', { id: 7, code: 'TIMEOUT' });
});

it('refuses with BUSY what is too much at once', () => {
  for (let id = 0; id <= 1024; id += 1) session.tell(locator, { type: 'where', id, key: 'k' });
  session.expect('refused', { id: 1024, code: 'BUSY', info: { retryAfterMs: 100 } });
  session.expectNone();
});
