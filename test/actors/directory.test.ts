/** A home and a key that passes from one owner to another: what its table says in the moments that swarms hardly reach. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Addresses } from '../../src/actors/addresses.js';
import { directoryKind } from '../../src/actors/directory.js';
import type { DirectoryMessage } from '../../src/actors/message.js';
import { createTestRuntime } from '../../src/actors/runtime/index.js';
import type { Probe, Ref, TestRuntime } from '../../src/actors/runtime/index.js';
import { DEFAULT_SETTINGS } from '../../src/actors/settings.js';
import { KeyDigest } from '../../src/store/key-digest.js';
import type { NodeId } from '../../src/store/node-id.js';
import { encodeBuckets, encodeClaims, encodePassing, encodeSummaries } from '../../src/store/statement.js';
import { VERDICT } from '../../src/store/taking.js';
import type { MessageOf, RoutedMessage } from '../../src/transport/message.js';

const [HOME, GIVER, TAKER] = ['1H', '1G', '1T'] as [NodeId, NodeId, NodeId];
const hash = Uint8Array.from({ length: 16 }, (_, i) => i);
/** The bucket of that hash. */
const BUCKET = 0x100;

let runtime: TestRuntime;
let router: Probe<RoutedMessage>;
let directory: Ref<DirectoryMessage>;
let views: Record<NodeId, number>;

const members = (...nodes: NodeId[]): DirectoryMessage => ({
  type: 'members',
  view: 1,
  incarnation: 1,
  members: nodes.map((node) => ({
    node,
    incarnation: 1,
    view: views[node] as number,
    hops: 1,
    isHome: node === HOME,
    isStore: true,
  })),
});

const head = (from: NodeId): { to: NodeId; from: NodeId; hops: number; clock: number } => ({
  to: HOME,
  from,
  hops: 1,
  clock: 1,
});
const pairOf = (node: NodeId) => ({
  homeIncarnation: 1,
  homeView: 1,
  incarnation: 1,
  view: views[node] as number,
});

/** The latest answer of that type, which is taken out. */
const told = <T extends RoutedMessage['type']>(type: T): Extract<RoutedMessage, { type: T }> => {
  runtime.run();
  const message = router.received.findLast((one) => one.type === type);
  if (message === undefined) throw new Error(`no ${type}`);
  return message as Extract<RoutedMessage, { type: T }>;
};

/** States all that the node owns: nothing, or the one key under that number. */
const register = (node: NodeId, claim: number | null): void => {
  const digest = new KeyDigest();
  if (claim !== null) digest.add(hash, claim);
  const count = claim === null ? 0 : 1;
  const registered = (): number => router.received.filter(({ type }) => type === 'registered').length;
  const before = registered();
  const pair = pairOf(node);
  router.tell(directory, { type: 'register', ...head(node), ...pair, count, digest: digest.value });
  runtime.run();
  if (registered() > before) return;
  const summary = claim === null ? [] : [{ bucket: BUCKET, count: 1, digest: digest.value }];
  router.tell(directory, { type: 'buckets', ...head(node), ...pair, summary: encodeSummaries(summary) });
  runtime.run();
  if (registered() > before) return;
  const keys = encodeBuckets([{ bucket: BUCKET, keys: claim === null ? [] : [{ hash, claim }] }]);
  router.tell(directory, { type: 'entries', ...head(node), ...pair, keys });
  runtime.run();
  expect(registered()).toBe(before + 1);
};

let lastNumber = 0;
const transfer = (given: number, claim: number, floor = 0): number => {
  lastNumber += 1;
  const keys = encodePassing([{ hash, given, claim }]);
  const message: MessageOf<'transfer'> = {
    type: 'transfer',
    ...head(TAKER),
    ...pairOf(TAKER),
    number: lastNumber,
    floor,
    giver: GIVER,
    keys,
  };
  router.tell(directory, message);
  const { number, verdicts } = told('transferred');
  expect(number).toBe(lastNumber);
  return verdicts[0] as number;
};

const lookUp = (): [outcome: string, owner: NodeId | null, claim: number] => {
  const question = { number: 1, claim: 0, hash, isSearched: false };
  router.tell(directory, { type: 'lookup', ...head(HOME), ...pairOf(HOME), ...question });
  const { outcome, owner, claim } = told('place');
  return [outcome, owner, claim];
};

const seek = (by: NodeId, read: MessageOf<'get'> | MessageOf<'incr'>): RoutedMessage[] => {
  const before = router.received.length;
  const question = { number: 7, hash, read: 70, budgetMs: 500, message: read };
  router.tell(directory, { type: 'seek', ...head(by), ...pairOf(by), ...question });
  runtime.run();
  return router.received.slice(before) as RoutedMessage[];
};

beforeEach(() => {
  views = { [HOME]: 1, [GIVER]: 1, [TAKER]: 1 };
  runtime = createTestRuntime();
  router = runtime.probe<RoutedMessage>('router');
  const addresses = { router: router.ref } as unknown as Addresses;
  const hashSecret = new Uint8Array(16);
  const identity = { node: HOME, incarnation: 1, name: 'h', swarm: 's', version: '0', hashSecret };
  directory = runtime.spawn(directoryKind, 'directory', { identity, settings: DEFAULT_SETTINGS, addresses });
  router.tell(directory, members(HOME, GIVER, TAKER));
  register(HOME, null);
  register(GIVER, 5);
  register(TAKER, null);
});
afterEach(() => runtime.close());

describe('a read that the home may hand on', () => {
  const get: MessageOf<'get'> = { type: 'get', id: 3, key: 'k', options: {} };

  it('[O1] goes to the owner in the name of who asked; nobody else hears of it', () => {
    expect(seek(TAKER, get)).toMatchObject([
      {
        type: 'forward',
        to: GIVER,
        from: TAKER,
        number: 70,
        incarnation: 1,
        claim: 5,
        floor: 0,
        passes: 0,
        message: get,
      },
    ]);
  });

  it('[O6] is answered to the owner itself, and where nobody owns the key', () => {
    expect(seek(GIVER, get)).toMatchObject([{ type: 'place', to: GIVER, number: 7, outcome: 'owned', owner: GIVER }]);
    router.tell(directory, { type: 'release', ...head(GIVER), number: 1, keys: encodeClaims([{ hash, claim: 5 }]) });
    expect(seek(TAKER, get).at(-1)).toMatchObject({ type: 'place', to: TAKER, number: 7, outcome: 'absent' });
  });

  it('[O2] is not handed on under another pair, and a write never', () => {
    views[TAKER] = 2;
    expect(seek(TAKER, get)).toMatchObject([{ type: 'place', outcome: 'stale' }]);
    views[TAKER] = 1;
    expect(seek(TAKER, { type: 'incr', id: 4, key: 'k', by: 1, options: {} })).toEqual([]);
  });
});

describe('a key that passes from one owner to another', () => {
  it("[H1] is the new one's when the home says yes, however often it is asked", () => {
    expect(lookUp()).toEqual(['owned', GIVER, 5]);
    expect(transfer(5, 9)).toBe(VERDICT.yes);
    expect(transfer(5, 9)).toBe(VERDICT.yes);
    expect(lookUp()).toEqual(['owned', TAKER, 9]);
  });

  it('[O4] passes only under the number that is named', () => {
    expect(transfer(4, 9)).toBe(VERDICT.no);
    expect(lookUp()).toEqual(['owned', GIVER, 5]);
  });

  it('[O2] does not pass under another pair, nor before the giver has stated what it owns', () => {
    views[TAKER] = 2;
    expect(transfer(5, 9)).toBe(VERDICT.later);
    views[TAKER] = 1;
    views[GIVER] = 2;
    router.tell(directory, { type: 'renumbered', node: GIVER, view: 2 });
    expect(transfer(4, 9)).toBe(VERDICT.later);
    register(GIVER, 4);
    expect(transfer(4, 9)).toBe(VERDICT.yes);
  });

  it("[H1] [O1] is the giver's again if the new owner states what it owns before it has heard the yes", () => {
    expect(transfer(5, 9)).toBe(VERDICT.yes);
    views[TAKER] = 2;
    router.tell(directory, { type: 'renumbered', node: TAKER, view: 2 });
    register(TAKER, null);
    expect(lookUp()).toEqual(['owned', GIVER, 5]);
    expect(transfer(5, 9)).toBe(VERDICT.yes);
    expect(lookUp()).toEqual(['owned', TAKER, 9]);
  });

  it('[H1] [O4] is gone if the new owner leaves it out later', () => {
    expect(transfer(5, 9)).toBe(VERDICT.yes);
    expect(transfer(5, 9, lastNumber + 1)).toBe(VERDICT.yes);
    register(GIVER, null);
    views[TAKER] = 2;
    router.tell(directory, { type: 'renumbered', node: TAKER, view: 2 });
    register(TAKER, null);
    expect(lookUp()).toEqual(['absent', null, 0]);
  });

  it('[H1] [P1] is one copy while both state it: nothing is compared', () => {
    expect(transfer(5, 9)).toBe(VERDICT.yes);
    views[GIVER] = 2;
    router.tell(directory, { type: 'renumbered', node: GIVER, view: 2 });
    register(GIVER, 5);
    expect(lookUp()).toEqual(['owned', TAKER, 9]);
    expect(router.received.some(({ type }) => type === 'freeze')).toBe(false);
  });

  it('[P1] [O4] of two copies with one stamp keeps the one that was handed over', () => {
    // At a home that has not seen the key pass, both state it.
    views[TAKER] = 2;
    router.tell(directory, { type: 'renumbered', node: TAKER, view: 2 });
    register(TAKER, 9);
    expect(lookUp()[0]).toBe('stale');
    expect(transfer(5, 10)).toBe(VERDICT.later);
    const { contest } = told('freeze');
    const frozen = { type: 'frozen', contest, hash, time: 7, origin: GIVER } as const;
    router.tell(directory, { ...frozen, ...head(GIVER), claim: 5 });
    router.tell(directory, { ...frozen, ...head(TAKER), claim: 9 });
    runtime.run();
    const thaws = router.received.filter(({ type }) => type === 'thaw') as MessageOf<'thaw'>[];
    expect(new Map(thaws.map(({ to, isKept }) => [to, isKept]))).toEqual(
      new Map([
        [GIVER, false],
        [TAKER, true],
      ]),
    );
    expect(lookUp()).toEqual(['owned', TAKER, 9]);
  });

  it("[H1] is the new one's if the giver vanished and nobody else has it, once all have said so", () => {
    router.tell(directory, members(HOME, TAKER));
    expect(lookUp()).toEqual(['absent', null, 0]);
    expect(transfer(5, 9)).toBe(VERDICT.yes);
    expect(lookUp()).toEqual(['owned', TAKER, 9]);
  });
});

describe('a member that states what it owns', () => {
  it('[O1] [O5] is registered when all is stated, also when it asks again because an answer is late', () => {
    const keys = [0x100, 0x200].map((bucket) => {
      const digest = new KeyDigest();
      const key = Uint8Array.from({ length: 16 }, (_, at) => (at < 2 ? bucket >> (8 * at) : at));
      digest.add(key, 7);
      return { bucket, key, digest };
    });
    views[TAKER] = 2;
    router.tell(directory, { type: 'renumbered', node: TAKER, view: 2 });
    const pair = { ...head(TAKER), ...pairOf(TAKER) };
    const ask = (): void => router.tell(directory, { type: 'register', ...pair, count: 2, digest: 1 });
    const entries = ({ bucket, key }: (typeof keys)[0]): void =>
      router.tell(directory, {
        type: 'entries',
        ...pair,
        keys: encodeBuckets([{ bucket, keys: [{ hash: key, claim: 7 }] }]),
      });
    const isRegistered = (): boolean => {
      runtime.run();
      return router.received.some((message) => message.type === 'registered' && message.view === 2);
    };
    ask();
    ask();
    const summary = keys.map(({ bucket, digest: { count, value } }) => ({ bucket, count, digest: value }));
    const buckets = { type: 'buckets', ...pair, summary: encodeSummaries(summary) } as const;
    router.tell(directory, buckets);
    ask();
    entries(keys[0] as (typeof keys)[0]);
    ask();
    router.tell(directory, buckets);
    expect(isRegistered()).toBe(false);
    entries(keys[0] as (typeof keys)[0]);
    expect(isRegistered()).toBe(false);
    entries(keys[1] as (typeof keys)[0]);
    expect(isRegistered()).toBe(true);
  });
});
