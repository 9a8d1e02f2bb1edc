/** The watcher between probes: what may be lost on the way, and that a gap covers it. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { Addresses } from '../../src/actors/addresses.js';
import type { WatcherMessage } from '../../src/actors/message.js';
import { createTestRuntime } from '../../src/actors/runtime/index.js';
import type { Probe, Ref, TestRuntime } from '../../src/actors/runtime/index.js';
import { DEFAULT_SETTINGS } from '../../src/actors/settings.js';
import { watcherKind } from '../../src/actors/watcher/watcher-kind.js';
import type { NodeId } from '../../src/store/node-id.js';
import { timeOfMs } from '../../src/store/stamp.js';

const [A, B, C] = ['1A', '1B', '1C'] as [NodeId, NodeId, NodeId];
const TIME = timeOfMs(Date.UTC(2026, 0, 1));

let runtime: TestRuntime;
let session: Probe;
let store: Probe;
let router: Probe;
let finder: Probe;
let watcher: Ref<WatcherMessage>;

beforeEach(() => {
  runtime = createTestRuntime();
  [session, store, router, finder] = [
    runtime.probe('session'),
    runtime.probe('store'),
    runtime.probe('router'),
    runtime.probe('finder'),
  ];
  const addresses = { store: store.ref, router: router.ref, finder: finder.ref } as unknown as Addresses;
  const identity = { node: A, incarnation: 1, name: 'a', swarm: 's', version: '0' };
  watcher = runtime.spawn(watcherKind, 'watcher', { identity, settings: DEFAULT_SETTINGS, addresses });
  tell({ type: 'serve' });
  tell({ type: 'view', members: [A, B], incarnations: [1, 1], missed: 0, number: 2 });
});
afterEach(() => runtime.close());

const tell = (message: WatcherMessage): void => {
  watcher.tell(message);
  runtime.run();
};

const interested = (
  number: number,
  sequence = 0,
  more: { epoch?: number; from?: NodeId; isFresh?: boolean } = {},
): void => {
  const { epoch = 5, from = B, isFresh = false } = more;
  tell({ type: 'interested', to: A, from, hops: 1, number, epoch, sequence, isFresh });
};

const changed = (sequence: number, key = 'k', time = TIME + sequence, epoch = 5): void => {
  tell({ type: 'changed', to: A, from: B, hops: 1, epoch, sequence, kind: 'set', key, time, origin: B, value: null });
};

/** Opens watches of all keys, with these ids. */
const open = (...ids: number[]): void => {
  for (const [i, id] of ids.entries()) {
    session.tell(watcher, { type: 'watch', id, options: { prefix: `${i === 0 ? '' : id}` } });
    router.expect('interest', { to: B, number: i + 1 });
  }
  store.expect('attend', { isOn: true });
  tell({ type: 'attending', number: 0, isFresh: false });
  for (const [i, id] of ids.entries()) {
    session.expectNone();
    interested(i + 1);
    session.expect('watching', { id });
  }
};

const set = { kind: 'set', key: 'k' };
const gap = { kind: 'gap', key: null };

it('[W1] opens a watch when each member has confirmed it, and the store tells of changes', () => {
  session.tell(watcher, { type: 'watch', id: 1, options: { key: 'k' } });
  interested(1);
  session.expectNone();
  tell({ type: 'view', members: [A, B, C], incarnations: [1, 1, 1], missed: 0, number: 3 });
  tell({ type: 'attending', number: 0, isFresh: true });
  session.expectNone();
  interested(1, 0, { from: C, isFresh: true });
  session.expect('watching', { id: 1 });
  session.expectNone();
});

it('[WT2] a change that is missing in the count is covered by a gap', () => {
  open(1);
  changed(1);
  session.expect('change', set);
  changed(3);
  session.expect('change', gap);
  session.expect('change', set);
  // Twice, or late: covered already.
  changed(3);
  changed(2);
  session.expectNone();
  // The last one: only the count tells.
  interested(0, 3);
  session.expectNone();
  interested(0, 4);
  session.expect('change', gap);
  session.expectNone();
});

it('[WT2] the counts are compared while somebody watches', () => {
  open(1);
  runtime.advance(5300);
  router.expect('interest', { to: B, number: 0 });
  store.expect('attend', { isOn: true });
  // One that the store told of had no room here.
  tell({ type: 'attending', number: 1, isFresh: false });
  session.expect('change', gap);
});

it('[W1] a member that has begun anew is told everything again, and the gap comes after that', () => {
  open(1, 2);
  interested(0, 0, { epoch: 6 });
  router.expect('interest', { number: 1 });
  router.expect('interest', { number: 2 });
  // Of its new count, so that what it tells before the gap is not lost either.
  changed(1, 'k', TIME, 6);
  session.expect('change', set);
  interested(1, 1, { epoch: 6 });
  session.expectNone();
  interested(2, 1, { epoch: 6 });
  session.expect('change', { id: 1, ...gap });
  session.expect('change', { id: 2, ...gap });
  session.expectNone();
});

it('[W1] a joiner that has changed nothing yet costs no gap, another one does', () => {
  open(1);
  tell({ type: 'view', members: [A, B, C], incarnations: [1, 1, 1], missed: 0, number: 3 });
  interested(1, 0, { from: C, isFresh: true });
  session.expectNone();
  tell({ type: 'view', members: [A, B], incarnations: [1, 1], missed: 1, number: 4 });
  session.expect('change', gap);
  tell({ type: 'view', members: [A, B, C], incarnations: [1, 1, 1], missed: 0, number: 5 });
  session.expectNone();
  interested(1, 0, { from: C, epoch: 8 });
  session.expect('change', gap);
});

it('[W2] an older change of a key is dropped', () => {
  open(1);
  changed(1, 'k', TIME + 10);
  session.expect('change', set);
  changed(2, 'k', TIME + 9);
  changed(3, 'k', TIME + 10);
  session.expectNone();
  changed(4, 'other', TIME + 9);
  session.expect('change', { key: 'other' });
});

it('tells another node what it wants to hear, counted, and no more when that has changed', () => {
  const from = { to: A, from: B, hops: 1, incarnation: 3 } as const;
  tell({ type: 'interest', ...from, number: 1, text: 'k', isPrefix: true, values: false });
  store.expect('attend', { isOn: true });
  router.expectNone();
  tell({ type: 'attending', number: 7, isFresh: false });
  const { epoch } = router.expect('interested', { to: B, number: 1, sequence: 0 }) as unknown as { epoch: number };
  const change = { type: 'entryChange', kind: 'set', time: TIME, origin: A, value: Uint8Array.of(1) } as const;
  tell({ ...change, number: 8, key: 'k1' });
  tell({ ...change, number: 9, key: 'other' });
  tell({ type: 'interest', ...from, number: 2, text: 'k2', isPrefix: false, values: true });
  router.expect('changed', { epoch, sequence: 1, key: 'k1', value: null });
  router.expect('interested', { number: 2, epoch, sequence: 1 });
  tell({ ...change, number: 10, key: 'k2' });
  router.expect('changed', { sequence: 2, key: 'k2', value: change.value });
  // One was dropped on the way from the store.
  tell({ ...change, number: 12, key: 'k1' });
  router.expect('changed', { sequence: 3, kind: 'gap', key: null });
  router.expect('changed', { sequence: 4, key: 'k1' });
  // An earlier start of the node has nothing to say any more; a later one begins anew.
  tell({ type: 'disinterest', ...from, incarnation: 2, number: 1 });
  router.expectNone();
  tell({ type: 'interest', ...from, incarnation: 4, number: 1, text: 'k1', isPrefix: false, values: false });
  for (const isOn of [false, true]) {
    router.expectNone();
    store.expect('attend', { isOn });
    tell({ type: 'attending', number: 12, isFresh: false });
  }
  expect(router.expect('interested', { sequence: 0 })['epoch' as never]).not.toBe(epoch);
  tell({ type: 'disinterest', ...from, incarnation: 4, number: 1 });
  router.expect('interested');
  store.expect('attend', { isOn: false });
});

it('takes the last word of the store, whatever was asked in between', () => {
  const watch = { type: 'watch', id: 1, options: { key: 'k' } } as const;
  session.tell(watcher, watch);
  session.tell(watcher, { type: 'unwatch', id: 2, watch: 1 });
  session.expect('refused', { id: 1 });
  session.expect('unwatched', { id: 2 });
  session.tell(watcher, watch);
  interested(2);
  for (const isLast of [false, false, true]) {
    session.expectNone();
    tell({ type: 'attending', number: 0, isFresh: false });
    if (isLast) session.expect('watching');
  }
});
