/** The finder between store, router and owners: the moments that swarms hardly reach. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Addresses } from '../../src/actors/addresses.js';
import { finderKind } from '../../src/actors/finder/finder-kind.js';
import type { FinderMessage, Locate } from '../../src/actors/message.js';
import { createTestRuntime } from '../../src/actors/runtime/index.js';
import type { AnyMessage, Probe, Ref, TestRuntime } from '../../src/actors/runtime/index.js';
import { DEFAULT_SETTINGS } from '../../src/actors/settings.js';
import type { NodeId } from '../../src/store/node-id.js';
import type { CacheRequest, MessageOf } from '../../src/transport/message.js';

const [SELF, FORMER, NEXT] = ['1S', '1F', '1N'] as [NodeId, NodeId, NodeId];
const KEY = 'k';

let runtime: TestRuntime;
let [store, router, session]: Probe[] = [];
let finder: Ref<FinderMessage>;

/** The store gives a request of the session back. */
const giveBack = (request: CacheRequest, deadlineMs: number | null = null): void =>
  store!.tell(finder, {
    type: 'absent',
    request,
    asker: session!.ref,
    passed: null,
    deadlineMs,
    isPassedBack: false,
  });
/** A request of the session that the store gives back. */
const ask = (type: 'get' | 'incr', id: number): void => {
  const request = (
    type === 'get' ? { type, id, key: KEY, options: {} } : { type, id, key: KEY, by: 1, options: {} }
  ) as MessageOf<'get'> | MessageOf<'incr'>;
  giveBack(request as CacheRequest);
  runtime.run();
};
const own = (owner: NodeId, claim: number): void => {
  store!.tell(finder, { type: 'located', key: KEY, outcome: 'owned', owner, claim, clock: 1 });
  runtime.run();
};
const head = (
  from: NodeId,
  number: number,
): { to: NodeId; from: NodeId; hops: number; number: number; clock: number } => ({
  to: SELF,
  from,
  hops: 1,
  number,
  clock: 1,
});
/** What was sent to the owner, as [number, id]. */
const sentTo = (owner: NodeId): number[][] =>
  (router!.received as readonly AnyMessage[])
    .filter((message): message is MessageOf<'forward'> => message.type === 'forward')
    .filter(({ to }) => to === owner)
    .map(({ number, message }) => [number, message.id as number]);
const locateCount = (): number => store!.received.filter(({ type }) => type === 'locate').length;

beforeEach(() => {
  runtime = createTestRuntime();
  [store, router, session] = ['store', 'router', 'session'].map((name) => runtime.probe(name));
  const addresses = { store: store!.ref, router: router!.ref } as unknown as Addresses;
  const identity = { node: SELF, incarnation: 1, name: 's', swarm: 's', version: '0', hashSecret: new Uint8Array(16) };
  finder = runtime.spawn(finderKind, 'finder', { identity, settings: DEFAULT_SETTINGS, addresses });
  router!.tell(finder, { type: 'view', members: [SELF, FORMER, NEXT], incarnations: [1, 1, 1], missed: 0, number: 1 });
  store!.tell(finder, { type: 'serve' });
  runtime.run();
  ask('get', 1);
  own(FORMER, 5);
  router!.tell(finder, { type: 'answer', ...head(FORMER, 1), message: { type: 'missing', id: 1 } });
  runtime.run();
});
afterEach(() => runtime.close());

describe('the time of a request', () => {
  const request: MessageOf<'get'> = { type: 'get', id: 31, key: 'other', options: {} };

  it('[C4] goes on when it is asked anew, and when it has waited before', () => {
    const dueMs = runtime.time.nowMs + 40;
    giveBack(request, dueMs);
    runtime.advance(10);
    store!.tell(finder, { type: 'located', key: 'other', outcome: 'here', owner: null, claim: 0, clock: 1 });
    runtime.run();
    expect(store!.received.at(-1)).toMatchObject({ type: 'retry', request, deadlineMs: dueMs });
    giveBack(request, dueMs);
    const before = session!.received.length;
    runtime.advance(20);
    expect(session!.received.length).toBe(before);
    runtime.advance(11);
    expect(session!.received.at(-1)).toMatchObject({ type: 'refused', id: 31, code: 'TIMEOUT' });
  });
});

describe('a get that the home may hand on to the owner', () => {
  const OTHER = 'other';
  const begin = (id: number): void => {
    const request: MessageOf<'get'> = { type: 'get', id, key: OTHER, options: {} };
    giveBack(request);
    runtime.run();
  };
  const locates = (): (Locate['read'] | null)[] =>
    (store!.received as readonly AnyMessage[])
      .filter((message): message is Locate => message.type === 'locate' && (message as Locate).key === OTHER)
      .map(({ read }) => read);
  const answered = (): number => store!.received.filter(({ type }) => type === 'answered').length;
  const repliesOf = (id: number): unknown[] =>
    (session!.received as readonly AnyMessage[]).filter((reply) => (reply as { id?: number }).id === id);

  it('[C3] is answered by whom it came to; what waits behind it follows to him', () => {
    begin(21);
    const [read] = locates();
    expect(read).toMatchObject({ request: { id: 21 } });
    begin(22);
    router!.tell(finder, { type: 'answer', ...head(NEXT, read!.number), message: { type: 'missing', id: 21 } });
    runtime.run();
    expect(repliesOf(21)).toMatchObject([{ type: 'missing' }]);
    expect(answered()).toBe(1);
    expect(sentTo(NEXT).map(([, id]) => id)).toEqual([22]);
  });

  it('[O6] asks the home for the name where it came to somebody who has nothing', () => {
    begin(21);
    const [read] = locates();
    router!.tell(finder, { type: 'notMine', ...head(NEXT, read!.number) });
    runtime.advance(20);
    expect(locates()).toEqual([read, null]);
    expect(repliesOf(21)).toEqual([]);
  });

  it('[C4] is over at its deadline, and then asks nothing any more', () => {
    begin(21);
    runtime.advance(DEFAULT_SETTINGS.requestTimeoutMs + 1000);
    expect(repliesOf(21)).toMatchObject([{ type: 'refused', code: 'TIMEOUT' }]);
    const before = locates().length;
    runtime.advance(2000);
    expect(locates().length).toBe(before);
    expect(answered()).toBe(1);
  });
});

describe('a key that has another owner than this node has learned', () => {
  it('[C3] is not looked up before all that was sent to the former one has come back; then its requests keep their order', () => {
    ask('get', 2);
    ask('incr', 3);
    expect(sentTo(FORMER)).toEqual([1, 2, 3].map((number) => [number, number]));
    router!.tell(finder, { type: 'notMine', ...head(FORMER, 2) });
    ask('get', 4);
    runtime.advance(100);
    expect(locateCount()).toBe(1);
    router!.tell(finder, { type: 'notMine', ...head(FORMER, 3) });
    runtime.advance(20);
    expect(locateCount()).toBe(2);
    own(NEXT, 6);
    expect(sentTo(NEXT)).toEqual([2, 3, 4].map((number) => [number, number]));
  });

  it('[C3] is looked up at once where nothing else was sent, and in time where what was sent never comes back', () => {
    ask('get', 2);
    router!.tell(finder, { type: 'notMine', ...head(FORMER, 2) });
    runtime.run();
    expect(locateCount()).toBe(2);
    own(FORMER, 7);
    ask('incr', 3);
    runtime.advance(DEFAULT_SETTINGS.requestTimeoutMs / 2);
    ask('get', 4);
    router!.tell(finder, { type: 'notMine', ...head(FORMER, 4) });
    runtime.advance(DEFAULT_SETTINGS.requestTimeoutMs / 2 + 50);
    expect(session!.received).toContainEqual(expect.objectContaining({ type: 'refused', id: 3, code: 'TIMEOUT' }));
    expect(locateCount()).toBeGreaterThan(2);
    own(NEXT, 8);
    expect(sentTo(NEXT)).toEqual([[4, 4]]);
  });
});

it('[O3] a home that can not tell after a search either is asked again in a while, not at once', () => {
  const key = 'alone';
  const request: CacheRequest = { type: 'incr', id: 9, key, by: 1, options: {} };
  const sent = (probe: Probe, type: string): number => probe.received.filter((message) => message.type === type).length;
  const refuse = (): void => {
    store!.tell(finder, { type: 'located', key, outcome: 'again', owner: null, claim: 0, clock: 1 });
    runtime.run();
  };
  giveBack(request);
  runtime.run();
  for (let i = 0; sent(router!, 'find') === 0; i += 1) {
    expect(i).toBeLessThan(20);
    refuse();
    runtime.advance(20);
  }
  const { number } = router!.received.findLast(({ type }) => type === 'find') as unknown as { number: number };
  router!.tell(finder, { type: 'searched', number, owner: null, isComplete: true, clock: 1 });
  runtime.run();
  refuse();
  expect(sent(router!, 'find')).toBe(1);
  const asked = sent(store!, 'locate');
  runtime.advance(20);
  expect(sent(store!, 'locate')).toBe(asked + 1);
});

describe('a view that has changed', () => {
  const see = (formerIncarnation: number): void => {
    const incarnations = [1, formerIncarnation, 1];
    router!.tell(finder, { type: 'view', members: [SELF, FORMER, NEXT], incarnations, missed: 0, number: 2 });
    runtime.run();
  };
  const refusals = (): unknown[] =>
    (session!.received as readonly AnyMessage[]).flatMap((reply) =>
      reply.type === 'refused' ? [[(reply as MessageOf<'refused'>).id, (reply as MessageOf<'refused'>).code]] : [],
    );

  it('[GT3] has all asked again that is under way: the owner knows what is done', () => {
    ask('get', 2);
    ask('incr', 3);
    ask('get', 4);
    see(1);
    expect(sentTo(FORMER).map(([, id]) => id)).toEqual([1, 2, 3, 4, 2, 3, 4]);
    expect(refusals()).toEqual([]);
  });

  it('[D2] has a write asked again of no other owner, also where it finds no way the second time', () => {
    ask('incr', 3);
    see(1);
    const [[number]] = sentTo(FORMER).slice(-1) as [[number]];
    router!.tell(finder, { type: 'unrouted', number });
    runtime.advance(50);
    own(NEXT, 6);
    expect(sentTo(NEXT)).toEqual([]);
    router!.tell(finder, { type: 'view', members: [SELF, NEXT], incarnations: [1, 1], missed: 1, number: 3 });
    runtime.run();
    expect(refusals()).toEqual([[3, 'UNKNOWN']]);
  });

  it('[D2] has a write given up whose owner was started again, and a read that it has followed', () => {
    ask('get', 2);
    ask('incr', 3);
    ask('get', 4);
    see(2);
    expect(refusals()).toEqual([
      [2, 'UNKNOWN'],
      [3, 'UNKNOWN'],
    ]);
    expect(sentTo(FORMER).map(([, id]) => id)).toEqual([1, 2, 3, 4]);
    own(FORMER, 6);
    expect(sentTo(FORMER).map(([, id]) => id)).toEqual([1, 2, 3, 4, 4]);
  });
});
