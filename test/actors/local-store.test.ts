/** A store that gets a key from a leaving node, and gives it away: the moments that swarms hardly reach. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Addresses } from '../../src/actors/addresses.js';
import { localStoreKind } from '../../src/actors/local-store/local-store-kind.js';
import type { LocalStoreMessage, Probed } from '../../src/actors/message.js';
import { createTestRuntime } from '../../src/actors/runtime/index.js';
import type { AnyMessage, Probe, Ref, TestRuntime } from '../../src/actors/runtime/index.js';
import { DEFAULT_SETTINGS } from '../../src/actors/settings.js';
import { encodeCopies } from '../../src/store/entry-copy.js';
import { decodeInteger } from '../../src/store/integer-value.js';
import { KeyHasher } from '../../src/store/key-hash.js';
import type { NodeId } from '../../src/store/node-id.js';
import { decodePassing } from '../../src/store/statement.js';
import type { PassingKey } from '../../src/store/statement.js';
import { TAKING, VERDICT } from '../../src/store/taking.js';
import type { CacheRequest, Message, MessageOf } from '../../src/transport/message.js';

/** The store's own node, one that leaves, the home of all keys, and one more that stores. */
const [SELF, GIVER, HOME, NEXT] = ['1S', '1G', '1H', '1N'] as [NodeId, NodeId, NodeId, NodeId];
const KEY = 'k';
const hashSecret = new Uint8Array(16);
const hash = new KeyHasher(hashSecret).hash(KEY);

let runtime: TestRuntime;
let router: Probe;
let finder: Probe;
let node: Probe;
let store: Ref<LocalStoreMessage>;
let view: number;

const all = <T extends Message['type'] | 'probed'>(type: T): Extract<Message | Probed, { type: T }>[] => {
  runtime.run();
  const received: readonly AnyMessage[] = router.received;
  return received.filter((message) => message.type === type) as Extract<Message | Probed, { type: T }>[];
};
const last = <T extends Message['type'] | 'probed'>(type: T): Extract<Message | Probed, { type: T }> => {
  const message = all(type).at(-1);
  if (message === undefined) throw new Error(`no ${type}`);
  return message;
};
const head = (from: NodeId): { to: NodeId; from: NodeId; hops: number; clock: number } => ({
  to: SELF,
  from,
  hops: 1,
  clock: 1,
});
const pair = (): { homeIncarnation: number; homeView: number; incarnation: number; view: number } => ({
  homeIncarnation: 1,
  homeView: 1,
  incarnation: 1,
  view,
});
const tell = (message: LocalStoreMessage): void => {
  router.tell(store, message);
  // What it leads to may wait for others to share a message.
  runtime.advance(2);
};

/** The members of the view, which is a new one; the home confirms what the store states. */
const see = (...nodes: NodeId[]): void => {
  view += 1;
  const members = [SELF, HOME, ...nodes].map((node) => ({
    node,
    incarnation: 1,
    view: 1,
    hops: 1,
    isHome: node === HOME,
    isStore: node === NEXT,
  }));
  tell({ type: 'members', view, incarnation: 1, members });
  runtime.advance(10);
  tell({ type: 'registered', ...head(HOME), ...pair() });
};

const take = (number: number, value: number | null, floor = number): void => {
  const bytes = value === null ? null : Uint8Array.of(value);
  const copies = encodeCopies([{ key: KEY, value: bytes, time: 100, origin: GIVER, ttlMs: 0, given: 5 }]);
  tell({ type: 'take', ...head(GIVER), number, floor, records: 0, copies });
};
const answer = (verdict: number): void => {
  const { number } = last('transfer');
  tell({ type: 'transferred', ...head(HOME), number, verdicts: Uint8Array.of(verdict) });
};
const states = (): number[] => [...last('taken').states];

const ask = (request: CacheRequest, number: number, claim: number, { behind = 0, incarnation = 1 } = {}): void => {
  const record = { number, behind, floor: 1, incarnation, claim, passes: 0, budgetMs: 1000, message: request };
  tell({ type: 'forward', ...head(GIVER), ...record });
};
const get: CacheRequest = { type: 'get', id: 1, key: KEY, options: {} };
const incr: CacheRequest = { type: 'incr', id: 1, key: KEY, by: 1, options: {} };
const probe = (): Probed => {
  tell({ type: 'probe', asker: GIVER, number: 1, key: KEY, clock: 1 });
  return last('probed');
};

beforeEach(() => {
  view = 0;
  runtime = createTestRuntime();
  [router, finder, node] = ['router', 'finder', 'node'].map((name) => runtime.probe(name)) as [Probe, Probe, Probe];
  const addresses = { router: router.ref, finder: finder.ref, node: node.ref } as unknown as Addresses;
  const identity = { node: SELF, incarnation: 1, name: 's', swarm: 's', version: '0', hashSecret };
  store = runtime.spawn(localStoreKind, 'store', { identity, settings: DEFAULT_SETTINGS, addresses, disk: null });
  runtime.run();
  see(GIVER);
});
afterEach(() => runtime.close());

describe('a key that comes in', () => {
  it('[H1] [O6] is neither served nor absent before its home says yes; then it is answered what waited', () => {
    take(1, 7);
    expect(states()).toEqual([TAKING.waiting]);
    expect(probe()).toMatchObject({ owner: null, isPending: true });
    const { given, claim } = (decodePassing(last('transfer').keys) ?? [])[0] as PassingKey;
    expect(given).toBe(5);
    expect(claim).toBeGreaterThan(given);
    ask(get, 1, claim);
    expect([...all('answer'), ...all('notMine')]).toEqual([]);
    answer(VERDICT.yes);
    expect(states()).toEqual([TAKING.active]);
    expect(last('answer').message).toMatchObject({ type: 'value', value: Uint8Array.of(7) });
    expect(probe()).toMatchObject({ owner: SELF, isPending: false });
  });

  it('[H2] is waited for by a node that leaves, though nobody is there to take it: it is lost, and that is said', () => {
    take(1, 7);
    see();
    tell({ type: 'drain', urls: [] });
    runtime.advance(60);
    const emptied = (): unknown[] => node.received.filter(({ type }) => type === 'emptied');
    expect(emptied()).toEqual([]);
    answer(VERDICT.yes);
    runtime.advance(60);
    expect(emptied()).toMatchObject([{ handed: 0, left: 1 }]);
    runtime.takeErrors();
  });

  it('[H1] [K3] is dropped when its home says no, and what waited is sent on', () => {
    take(1, 7);
    ask(get, 1, 0);
    answer(VERDICT.no);
    expect(states()).toEqual([TAKING.refused]);
    expect(last('notMine').number).toBe(1);
    expect(probe()).toMatchObject({ owner: null, isPending: false });
  });

  it('[H1] is not lost with an answer: the home is asked again, and the giver told again', () => {
    take(1, 7);
    const { number } = last('transfer');
    runtime.advance(600);
    expect(all('transfer').map((message) => message.number)).toEqual([number, number]);
    answer(VERDICT.yes);
    answer(VERDICT.yes);
    take(1, 7);
    expect(states()).toEqual([TAKING.active]);
    tell({ type: 'take', ...head(GIVER), number: 1, floor: 1, records: 0, copies: new Uint8Array(0) });
    expect(states()).toEqual([TAKING.active]);
    // Of a batch that it has not got it asks for the copies.
    tell({ type: 'take', ...head(GIVER), number: 2, floor: 1, records: 0, copies: new Uint8Array(0) });
    expect(states()).toEqual([]);
  });

  it('[O2] does not pass by a yes of a former view', () => {
    take(1, 7);
    const { number } = last('transfer');
    see(GIVER, NEXT);
    tell({ type: 'transferred', ...head(HOME), number, verdicts: Uint8Array.of(VERDICT.yes) });
    expect(states()).toEqual([TAKING.waiting]);
    runtime.advance(50);
    expect(last('transfer')).toMatchObject({ view });
    answer(VERDICT.yes);
    expect(states()).toEqual([TAKING.active]);
  });

  it('[P1] does not pass by a yes from before its home compared copies', () => {
    take(1, 7);
    const { number } = last('transfer');
    tell({ type: 'freeze', ...head(HOME), contest: 1, hash });
    expect(last('frozen')).toMatchObject({ origin: null });
    tell({ type: 'transferred', ...head(HOME), number, verdicts: Uint8Array.of(VERDICT.yes) });
    expect(states()).toEqual([TAKING.waiting]);
    runtime.advance(50);
    answer(VERDICT.yes);
    expect(states()).toEqual([TAKING.active]);
  });

  it('[O4] is given up with its batch, and comes late no more', () => {
    take(1, 7);
    take(2, 8);
    expect(states()).toEqual([TAKING.waiting]);
    take(1, 7, 1);
    answer(VERDICT.yes);
    ask(get, 1, 0);
    expect(last('answer').message).toMatchObject({ value: Uint8Array.of(8) });
  });

  it('[D1] has a write that waited twice executed once', () => {
    take(1, 7);
    ask(incr, 1, 0);
    ask(incr, 1, 0);
    answer(VERDICT.yes);
    expect(all('answer').map(({ message }) => (message as MessageOf<'value'>).value)).toEqual([
      Uint8Array.of(8),
      Uint8Array.of(8),
    ]);
  });

  it('[D1] has a write executed once that comes again from a node that was out of view for a moment', () => {
    take(7, 1);
    answer(VERDICT.yes);
    ask(incr, 3, 0);
    const { message } = last('answer');
    expect(message).toMatchObject({ type: 'value' });
    see();
    see(GIVER);
    ask(incr, 3, 0);
    expect(all('answer').map(({ message: reply }) => reply)).toEqual([message, message]);
  });

  it('[H1] [D1] waits for all that was executed on it', () => {
    const copies = encodeCopies([{ key: KEY, value: Uint8Array.of(7), time: 1, origin: GIVER, ttlMs: 0, given: 5 }]);
    tell({ type: 'take', ...head(GIVER), number: 1, floor: 1, records: 1, copies });
    runtime.advance(50);
    expect(all('transfer')).toEqual([]);
    const value = Uint8Array.of(99);
    const message = { type: 'value', id: 1, meta: null, value } as const;
    const record = { asker: GIVER, askerIncarnation: 1, floor: 1, asked: 4, key: KEY, message };
    tell({ type: 'record', ...head(GIVER), number: 1, ...record });
    runtime.advance(5);
    answer(VERDICT.yes);
    ask(incr, 4, 0);
    expect(last('answer').message).toMatchObject({ value });
  });
});

describe('a key that goes', () => {
  /** The key is here, and the node is leaving: it has been given to the next node. */
  const give = (): MessageOf<'take'> => {
    take(1, 7);
    answer(VERDICT.yes);
    see(GIVER, NEXT);
    tell({ type: 'drain', urls: [] });
    runtime.advance(5);
    return last('take');
  };
  const taken = (number: number, state: number): void =>
    tell({ type: 'taken', ...head(NEXT), number, states: Uint8Array.of(state) });

  it('[H1] [O6] waits, then sends on who comes, and searches to the next owner', () => {
    const { number, to } = give();
    expect(to).toBe(NEXT);
    ask(get, 1, 5);
    taken(number, TAKING.waiting);
    expect([...all('answer'), ...all('notMine')]).toEqual([]);
    expect(probe()).toMatchObject({ owner: SELF });
    taken(number, TAKING.active);
    expect(last('notMine').number).toBe(1);
    expect(probe()).toMatchObject({ owner: NEXT });
    // Sent by the home before it switched the key: not a word of absence, and nothing is released.
    ask(get, 2, 5);
    expect(last('notMine').number).toBe(2);
    runtime.advance(100);
    expect([...all('answer'), ...all('release')]).toEqual([]);
  });

  it('[H1] [O4] is taken back under another number when the next owner vanishes; what that says later is void', () => {
    const { number } = give();
    tell({ type: 'freeze', ...head(HOME), contest: 1, hash });
    const { claim } = last('frozen');
    ask(get, 1, 0);
    see(GIVER);
    expect(last('answer').message).toMatchObject({ value: Uint8Array.of(7) });
    tell({ type: 'freeze', ...head(HOME), contest: 2, hash });
    expect(last('frozen').claim).toBeGreaterThan(claim);
    taken(number, TAKING.active);
    expect(probe()).toMatchObject({ owner: SELF });
  });

  it('[H1] [D1] is not taken back when the time for leaving is over: the next owner may have it already', () => {
    give();
    runtime.advance(DEFAULT_SETTINGS.drainMs);
    expect(runtime.takeErrors()).toMatchObject([{ text: 'entries handed over', fields: { left: 1 } }]);
    ask(incr, 1, 0);
    see(GIVER);
    expect(all('answer')).toEqual([]);
  });

  it('[P1] [O6] is not denied where its copy lost against another one', () => {
    give();
    ask(get, 1, 5);
    tell({ type: 'freeze', ...head(HOME), contest: 1, hash });
    tell({ type: 'thaw', ...head(HOME), contest: 1, hash, isKept: false });
    expect(last('notMine').number).toBe(1);
    ask(get, 2, 5);
    expect(last('notMine').number).toBe(2);
    runtime.advance(100);
    expect([...all('answer'), ...all('release')]).toEqual([]);
  });

  it('[H1] [H2] is asked after until its fate is known, and given again when it was not taken', () => {
    const { number } = give();
    taken(number, TAKING.waiting);
    runtime.advance(600);
    expect(last('take')).toMatchObject({ number, copies: new Uint8Array(0) });
    taken(number, TAKING.refused);
    ask(get, 1, 0);
    expect(last('answer').message).toMatchObject({ value: Uint8Array.of(7) });
    runtime.advance(200);
    expect(last('take').number).toBeGreaterThan(number);
    expect(last('take').copies.length).toBeGreaterThan(0);
  });
});

describe('[C3] requests of one node for one key', () => {
  beforeEach(() => {
    take(1, 0);
    answer(VERDICT.yes);
  });

  const follow = (number: number, behind: number, incarnation = 1): void =>
    ask(incr, number, 0, { behind, incarnation });
  /** What the requests got, in order: its number, and the sum or that it was sent back. */
  const taken = (): [number, number | string][] => {
    runtime.run();
    const received = router.received as readonly Message[];
    return received.flatMap((message): [number, number | string][] => {
      if (message.type === 'notMine') return [[message.number, 'notMine']];
      if (message.type !== 'answer' || message.message.type !== 'value') return [];
      return [[message.number, decodeInteger(message.message.value as Uint8Array) ?? NaN]];
    });
  };

  it('are taken in the order in which they were sent, whatever came first', () => {
    follow(5, 1);
    follow(4, 3);
    expect(taken()).toEqual([]);
    follow(1, 0);
    expect(taken().map(([number]) => number)).toEqual([1, 4, 5]);
  });

  it('do not wait for what has arrived, nor for another key', () => {
    follow(1, 0);
    follow(7, 6);
    follow(9, 0);
    expect(taken().map(([number]) => number)).toEqual([1, 7, 9]);
  });

  it('are sent back, each with what follows it, when the former one does not come', () => {
    follow(3, 1);
    follow(4, 1);
    runtime.advance(240);
    expect(taken()).toEqual([]);
    runtime.advance(10);
    expect(taken()).toEqual([
      [3, 'notMine'],
      [4, 'notMine'],
    ]);
    // The former one was late only; what comes anew is taken.
    follow(2, 0);
    follow(3, 1);
    follow(4, 1);
    expect(taken().slice(2)).toEqual([
      [2, 1],
      [3, 2],
      [4, 3],
    ]);
  });

  it('follow one that was sent back', () => {
    follow(3, 1);
    runtime.advance(300);
    follow(4, 1);
    expect(taken()).toEqual([
      [3, 'notMine'],
      [4, 'notMine'],
    ]);
  });

  it('are not read for anew after a later change of the key', () => {
    const readings = (): number => router.received.filter(({ type }) => type === 'answer').length;
    ask(get, 1, 0);
    ask(get, 1, 0);
    expect(readings()).toBe(2);
    follow(2, 1);
    expect(taken()).toHaveLength(3);
    ask(get, 1, 0);
    expect(readings()).toBe(3);
  });

  it('wait once, however often they come', () => {
    follow(3, 1);
    runtime.advance(200);
    follow(3, 1);
    runtime.advance(100);
    expect(taken()).toEqual([[3, 'notMine']]);
  });

  it('are known anew after the node began a new life, or was gone for as long as it asks again', () => {
    follow(1, 0);
    follow(2, 1, 2);
    expect(taken()).toEqual([[1, 1]]);
    see();
    const { requestTimeoutMs, heartbeatTimeoutMs } = DEFAULT_SETTINGS;
    runtime.advance(requestTimeoutMs + heartbeatTimeoutMs + 1);
    see(GIVER);
    follow(3, 2, 2);
    runtime.advance(300);
    expect(taken().at(-1)).toEqual([3, 'notMine']);
  });

  it('are not watched over beyond a window of 8192 numbers', () => {
    follow(1, 0);
    follow(9000, 8999);
    follow(9001, 8500);
    expect(taken().map(([number]) => number)).toEqual([1, 9000, 9001]);
  });
});

it('[O6] a claim for which nobody waits any more keeps nobody waiting', () => {
  tell({ type: 'locate', key: KEY, isClaim: true, valueBytes: 1, isSearched: false, read: null, clock: 1 });
  const { claim } = last('lookup');
  // The home has granted it, and its word is lost.
  ask(get, 3, claim);
  expect(all('answer')).toEqual([]);
  tell({ type: 'answered', key: KEY, isOver: false });
  expect(all('answer')).toEqual([]);
  tell({ type: 'answered', key: KEY, isOver: true });
  expect(last('answer').message).toEqual({ type: 'missing', id: 1 });
  runtime.advance(50);
  expect(all('release').length).toBeGreaterThan(0);
});
