import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { KeyHasher } from '../../src/store/key-hash.js';
import { Keyspace } from '../../src/store/keyspace.js';
import type { Entry, Policy } from '../../src/store/keyspace.js';
import type { NodeId } from '../../src/store/node-id.js';

const origin = 'A' as NodeId;
const SEED = [1, 2] as const;
const hasher = new KeyHasher(new Uint8Array(16));

function bytes(length: number): Uint8Array {
  return new Uint8Array(length);
}

interface Limits {
  storeBytesMax: number;
  keysMax: number;
  policy: Policy;
}

interface ModelEntry {
  /** Null: a tombstone. */
  value: Uint8Array | null;
  size: number;
  time: number;
  expiresAtMs: number;
  isUsed: boolean;
}

/** What a keyspace promises, by the most direct means: a map in the order of use, with second chances. */
class Model {
  readonly #limits: Limits;
  readonly entries = new Map<string, ModelEntry>();
  bytes = 0;
  evicted = 0;
  expired = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get(key: string, nowMs: number, isUse: boolean): Uint8Array | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined || isExpired(entry, nowMs) || entry.value === null) return undefined;
    if (isUse) entry.isUsed = true;
    return entry.value;
  }

  set(key: string, value: Uint8Array | null, time: number, expiresAtMs: number, nowMs: number): boolean {
    const { storeBytesMax, keysMax, policy } = this.#limits;
    const size = Buffer.byteLength(key) + (value?.length ?? 0);
    if (size > storeBytesMax || storeBytesMax === 0 || keysMax === 0) return false;
    const former = this.entries.get(key);
    const isPresent = former !== undefined && !isExpired(former, nowMs);
    if (former !== undefined && !isPresent) this.delete(key, nowMs);
    if (policy === 'refuse' || value === null) {
      const [growth, more] = isPresent ? [size - former.size, 0] : [size, 1];
      while (this.bytes + growth > storeBytesMax || this.entries.size + more > keysMax) {
        if (this.expire(nowMs, 1) === 0) return false;
      }
    }
    if (isPresent) {
      this.bytes += size - former.size;
      Object.assign(former, { value, size, time, expiresAtMs, isUsed: true });
      if (this.bytes <= storeBytesMax) return true;
      this.entries.delete(key);
      while (this.bytes > storeBytesMax) this.#makeRoom(nowMs, former);
      this.entries.set(key, former);
      return true;
    }
    while (this.bytes + size > storeBytesMax || this.entries.size + 1 > keysMax) this.#makeRoom(nowMs, null);
    this.entries.set(key, { value, size, time, expiresAtMs, isUsed: false });
    this.bytes += size;
    return true;
  }

  #makeRoom(nowMs: number, kept: ModelEntry | null): void {
    if (this.expire(nowMs, 1) > 0) return;
    for (const [key, entry] of this.entries) {
      if (entry !== kept && !entry.isUsed) {
        this.#remove(key);
        this.evicted += 1;
        return;
      }
      entry.isUsed = false;
      this.entries.delete(key);
      this.entries.set(key, entry);
    }
  }

  delete(key: string, nowMs: number): boolean {
    const entry = this.entries.get(key);
    if (entry === undefined) return false;
    this.#remove(key);
    if (isExpired(entry, nowMs)) this.#countExpired(entry);
    return !isExpired(entry, nowMs);
  }

  expire(nowMs: number, countMax: number): number {
    let count = 0;
    for (; count < countMax; count += 1) {
      const key = this.#firstToExpire(nowMs);
      if (key === null) break;
      this.#countExpired(this.entries.get(key));
      this.#remove(key);
    }
    return count;
  }

  #countExpired(entry: ModelEntry | undefined): void {
    if (entry?.value !== null) this.expired += 1;
  }

  #firstToExpire(nowMs: number): string | null {
    let first: string | null = null;
    let firstMs = Infinity;
    for (const [key, entry] of this.entries) {
      if (!isExpired(entry, nowMs) || entry.expiresAtMs >= firstMs) continue;
      first = key;
      firstMs = entry.expiresAtMs;
    }
    return first;
  }

  #remove(key: string): void {
    this.bytes -= this.entries.get(key)?.size ?? 0;
    this.entries.delete(key);
  }
}

function isExpired(entry: { expiresAtMs: number }, nowMs: number): boolean {
  return entry.expiresAtMs !== 0 && entry.expiresAtMs <= nowMs;
}

function expectSame(keyspace: Keyspace, model: Model): void {
  expect(keyspace.bytes).toBe(model.bytes);
  expect(keyspace.count).toBe(model.entries.size);
  expect(keyspace.evicted).toBe(model.evicted);
  expect(keyspace.expired).toBe(model.expired);
}

const valueOf = (keyspace: Keyspace, entry: Entry | undefined): Uint8Array | undefined =>
  entry === undefined ? undefined : keyspace.read(entry);

const isEqual = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one === undefined || other === undefined
    ? one === other
    : one.length === other.length && one.every((byte, i) => byte === other[i]);

describe('a keyspace', () => {
  it('gives back a copy of what was set, of which it took a copy', () => {
    const keyspace = new Keyspace({ storeBytesMax: 100, keysMax: 10, policy: 'lru' }, SEED, hasher);
    const value = bytes(3);
    expect(keyspace.set('k', value, 7, origin, 0, 0)).toBe(true);
    const entry = keyspace.get('k', 0);
    expect(entry).toMatchObject({ time: 7, origin, expiresAtMs: 0 });
    const read = valueOf(keyspace, entry);
    expect(read).toEqual(bytes(3));
    value.fill(0xee);
    expect(valueOf(keyspace, entry)).toEqual(bytes(3));
    keyspace.set('k', Uint8Array.of(9, 9, 9), 8, origin, 0, 0);
    expect(read).toEqual(bytes(3));
    expect(keyspace.peek('k', 0)).toMatchObject({ time: 8 });
    expect(keyspace.get('other', 0)).toBeUndefined();
    expect(keyspace.delete('k', 0)).toBe(true);
    expect(keyspace.delete('k', 0)).toBe(false);
    expect(keyspace.get('k', 0)).toBeUndefined();
    expect([keyspace.bytes, keyspace.count]).toEqual([0, 0]);
  });

  it('[C7] counts the bytes of keys in UTF-8 and of values', () => {
    const keyspace = new Keyspace({ storeBytesMax: 1000, keysMax: 10, policy: 'lru' }, SEED, hasher);
    const keys = ['a', 'é', '€', '\u{1F600}', '\ud800', '\udc00x', '\ud83dy', '__proto__'];
    let sum = 0;
    for (const key of keys) {
      keyspace.set(key, bytes(5), 1, origin, 0, 0);
      sum += Buffer.byteLength(key) + 5;
      expect(keyspace.bytes).toBe(sum);
    }
  });

  it('[C7] fills both limits to the last byte and key', () => {
    const keyspace = new Keyspace({ storeBytesMax: 10, keysMax: 2, policy: 'lru' }, SEED, hasher);
    expect(keyspace.set('k', bytes(9), 1, origin, 0, 0)).toBe(true);
    expect(keyspace.bytes).toBe(10);
    keyspace.set('k', bytes(4), 2, origin, 0, 0);
    keyspace.set('l', bytes(4), 3, origin, 0, 0);
    expect([keyspace.bytes, keyspace.count, keyspace.evicted]).toEqual([10, 2, 0]);
    keyspace.set('m', bytes(0), 4, origin, 0, 0);
    expect([keyspace.bytes, keyspace.count, keyspace.evicted]).toEqual([6, 2, 1]);
  });

  it('[C7] refuses what is larger than a limit and changes nothing', () => {
    const keyspace = new Keyspace({ storeBytesMax: 10, keysMax: 2, policy: 'lru' }, SEED, hasher);
    keyspace.set('k', bytes(5), 1, origin, 0, 0);
    expect(keyspace.set('k', bytes(10), 2, origin, 0, 0)).toBe(false);
    expect(keyspace.set('l', bytes(10), 2, origin, 0, 0)).toBe(false);
    expect(keyspace.get('k', 0)?.time).toBe(1);
    expect([keyspace.bytes, keyspace.count, keyspace.evicted]).toEqual([6, 1, 0]);
  });

  it.each([
    { storeBytesMax: 0, keysMax: 10, policy: 'lru' as const },
    { storeBytesMax: 10, keysMax: 0, policy: 'lru' as const },
    { storeBytesMax: 0, keysMax: 0, policy: 'lru' as const },
  ])('[C7] stores nothing with %j', (limits) => {
    const keyspace = new Keyspace(limits, SEED, hasher);
    expect(keyspace.set('k', bytes(0), 1, origin, 0, 0)).toBe(false);
    expect(keyspace.set('', bytes(0), 1, origin, 0, 0)).toBe(false);
    expect(keyspace.get('k', 0)).toBeUndefined();
    expect(keyspace.delete('k', 0)).toBe(false);
    expect([keyspace.bytes, keyspace.count]).toEqual([0, 0]);
  });

  it('[C7] takes limits that it can never reach', () => {
    const keyspace = new Keyspace(
      { storeBytesMax: Infinity, keysMax: Number.MAX_SAFE_INTEGER, policy: 'lru' },
      SEED,
      hasher,
    );
    for (let i = 0; i < 100; i += 1) keyspace.set(`k${i}`, bytes(i), i, origin, 0, 0);
    expect(keyspace.count).toBe(100);
    expect(
      new Keyspace({ storeBytesMax: Infinity, keysMax: Infinity, policy: 'lru' }, SEED, hasher).set(
        'k',
        bytes(1),
        1,
        origin,
        0,
        0,
      ),
    ).toBe(true);
  });

  it('[C7] evicts what was used least recently; a peek is no use', () => {
    const keyspace = new Keyspace({ storeBytesMax: 100, keysMax: 3, policy: 'lru' }, SEED, hasher);
    for (const key of ['a', 'b', 'c']) keyspace.set(key, bytes(1), 1, origin, 0, 0);
    keyspace.get('a', 0);
    keyspace.peek('b', 0);
    keyspace.set('d', bytes(1), 1, origin, 0, 0);
    expect(['a', 'b', 'c', 'd'].filter((key) => keyspace.peek(key, 0))).toEqual(['a', 'c', 'd']);
  });

  it('[K2] an update that no longer fits evicts others, never itself', () => {
    const keyspace = new Keyspace({ storeBytesMax: 12, keysMax: 10, policy: 'lru' }, SEED, hasher);
    for (const key of ['a', 'b', 'c']) keyspace.set(key, bytes(3), 1, origin, 0, 0);
    expect(keyspace.set('a', bytes(7), 2, origin, 0, 0)).toBe(true);
    expect(keyspace.peek('a', 0)?.time).toBe(2);
    expect(keyspace.peek('b', 0)).toBeUndefined();
    expect(keyspace.peek('c', 0)?.time).toBe(1);
    expect(keyspace.set('a', bytes(11), 3, origin, 0, 0)).toBe(true);
    expect([keyspace.bytes, keyspace.count, keyspace.evicted]).toEqual([12, 1, 2]);
  });

  it('[C9] an expired entry is absent from its very moment on', () => {
    const keyspace = new Keyspace({ storeBytesMax: 100, keysMax: 10, policy: 'lru' }, SEED, hasher);
    keyspace.set('k', bytes(1), 1, origin, 500, 0);
    expect(keyspace.get('k', 499.9)).toBeDefined();
    expect(keyspace.get('k', 500)).toBeUndefined();
    expect(keyspace.peek('k', 500)).toBeUndefined();
    expect(keyspace.delete('k', 500)).toBe(false);
    expect([keyspace.bytes, keyspace.count, keyspace.expired]).toEqual([0, 0, 1]);
  });

  it('[C9] set without expiry clears an expiry', () => {
    const keyspace = new Keyspace({ storeBytesMax: 100, keysMax: 10, policy: 'lru' }, SEED, hasher);
    keyspace.set('k', bytes(1), 1, origin, 500, 0);
    keyspace.set('k', bytes(1), 2, origin, 0, 1);
    expect(keyspace.nextExpiryMs).toBeNull();
    expect(keyspace.expire(1000, 10)).toBe(0);
    expect(keyspace.get('k', 1000)?.time).toBe(2);
  });

  it('[C9] expires in slices, the earliest first', () => {
    const keyspace = new Keyspace({ storeBytesMax: 10_000, keysMax: 1000, policy: 'lru' }, SEED, hasher);
    for (let i = 0; i < 100; i += 1) keyspace.set(`k${i}`, bytes(1), 1, origin, 100 + ((i * 37) % 100), 0);
    expect(keyspace.nextExpiryMs).toBe(100);
    expect(keyspace.expire(149, 30)).toBe(30);
    expect(keyspace.nextExpiryMs).toBe(130);
    expect(keyspace.expire(149, 30)).toBe(20);
    expect(keyspace.nextExpiryMs).toBe(150);
    expect([keyspace.count, keyspace.expired]).toEqual([50, 50]);
  });

  it('[C7] makes room by what has expired before anything is evicted', () => {
    const keyspace = new Keyspace({ storeBytesMax: 100, keysMax: 2, policy: 'lru' }, SEED, hasher);
    keyspace.set('old', bytes(1), 1, origin, 0, 0);
    keyspace.set('brief', bytes(1), 1, origin, 5, 0);
    keyspace.set('new', bytes(1), 1, origin, 0, 5);
    expect(keyspace.peek('old', 5)).toBeDefined();
    expect([keyspace.evicted, keyspace.expired]).toEqual([0, 1]);
  });

  it('holds values of any size, and follows an entry that grows and shrinks', () => {
    const keyspace = new Keyspace({ storeBytesMax: 1e7, keysMax: 100, policy: 'lru' }, SEED, hasher);
    const lengths = [0, 1, 40, 5000, 8000, 8192, 20_000, 3, 100_000, 9000, 0, 70];
    const filled = (length: number, i: number): Uint8Array => bytes(length).fill(i + 1);
    lengths.forEach((length, i) => {
      for (const key of ['a', 'b', 'c', 'k'.repeat(9000)]) {
        keyspace.set(key, filled(length, i), i, origin, i % 2 === 0 ? 0 : 1000, 0);
        expect(isEqual(valueOf(keyspace, keyspace.get(key, 0)), filled(length, i))).toBe(true);
      }
    });
    expect(['a', 'b', 'c'].map((key) => keyspace.peek(key, 0)?.time)).toEqual([11, 11, 11]);
    expect(keyspace.bytes).toBe(3 + 9000 + 4 * 70);
    for (const key of ['b', 'k'.repeat(9000), 'a', 'c']) expect(keyspace.delete(key, 0)).toBe(true);
    expect([keyspace.bytes, keyspace.count, keyspace.nextExpiryMs]).toEqual([0, 0, null]);
  });

  it('keeps a claim through updates, not through an end', () => {
    const keyspace = new Keyspace({ storeBytesMax: 1000, keysMax: 10, policy: 'lru' }, SEED, hasher);
    keyspace.set('k', bytes(3), 1, origin, 0, 0);
    expect(keyspace.peek('k', 0)?.claim).toBe(0);
    keyspace.owned.put('k', hasher.hash('k'), Number.MAX_SAFE_INTEGER);
    keyspace.set('k', bytes(300), 2, 'B' as NodeId, 0, 0);
    expect(keyspace.peek('k', 0)).toMatchObject({ claim: Number.MAX_SAFE_INTEGER, time: 2, origin: 'B' });
    keyspace.delete('k', 0);
    keyspace.set('k', bytes(3), 3, origin, 0, 0);
    expect(keyspace.peek('k', 0)).toMatchObject({ claim: 0, origin });
  });

  it('[C7] holds tombstones: absent for all but peekAny, counted, with an expiry of their own', () => {
    const keyspace = new Keyspace({ storeBytesMax: 1000, keysMax: 10, policy: 'lru' }, SEED, hasher);
    keyspace.set('key', bytes(30), 1, origin, 0, 0);
    expect(keyspace.setTombstone('key', 2, origin, 500, 0)).toBe(true);
    expect([keyspace.get('key', 0), keyspace.peek('key', 0)]).toEqual([undefined, undefined]);
    expect(keyspace.peekAny('key', 0)).toMatchObject({ isTombstone: true, time: 2, valueBytes: 0, expiresAtMs: 500 });
    expect(keyspace.touch('key', 900, 0)).toBe(false);
    expect([keyspace.bytes, keyspace.count, keyspace.nextExpiryMs]).toEqual([3, 1, 500]);
    keyspace.set('key', bytes(4), 3, origin, 0, 0);
    expect(keyspace.get('key', 0)).toMatchObject({ isTombstone: false, time: 3 });
    keyspace.setTombstone('key', 4, origin, 500, 0);
    expect(keyspace.peekAny('key', 500)).toBeUndefined();
    expect(keyspace.expire(500, 10)).toBe(1);
    expect([keyspace.bytes, keyspace.count, keyspace.expired]).toEqual([0, 0, 0]);
    keyspace.setTombstone('key', 5, origin, 0, 0);
    expect([keyspace.delete('key', 0), keyspace.delete('key', 0)]).toEqual([true, false]);
  });

  it('[C7] [C9] tells of what made room or expired, also whoever asks for other keys meanwhile', () => {
    const removed: string[] = [];
    const keyspace: Keyspace = new Keyspace({ storeBytesMax: 1000, keysMax: 2, policy: 'lru' }, SEED, hasher, (key) => {
      removed.push(key);
      keyspace.peek('quite another key', 0);
    });
    keyspace.set('\ufeffbrief', bytes(1), 1, origin, 5, 0);
    keyspace.set('é', bytes(1), 1, origin, 0, 0);
    keyspace.set('new', bytes(2), 2, origin, 0, 5);
    keyspace.set('newer', bytes(2), 3, origin, 0, 5);
    keyspace.delete('new', 5);
    expect(removed).toEqual(['\ufeffbrief', 'é']);
    expect(keyspace.peek('newer', 5)?.time).toBe(3);
    expect([keyspace.count, keyspace.bytes]).toEqual([1, 7]);
  });

  it('[C9] touch moves the moment of expiry', () => {
    const keyspace = new Keyspace({ storeBytesMax: 1000, keysMax: 2, policy: 'lru' }, SEED, hasher);
    keyspace.set('k', bytes(1), 1, origin, 5, 0);
    expect([keyspace.touch('k', 50, 1), keyspace.touch('absent', 50, 1)]).toEqual([true, false]);
    expect([keyspace.nextExpiryMs, keyspace.peek('k', 49)?.expiresAtMs]).toEqual([50, 50]);
    expect(keyspace.touch('k', 0, 1)).toBe(true);
    expect([keyspace.nextExpiryMs, keyspace.peek('k', 1e6)?.time]).toEqual([null, 1]);
    keyspace.touch('k', 60, 1);
    expect(keyspace.touch('k', 70, 60)).toBe(false);
  });

  it('scans in steps: what is there all the time is visited once, whatever changes between them', () => {
    const keyspace = new Keyspace({ storeBytesMax: 1e7, keysMax: 1e5, policy: 'lru' }, SEED, hasher);
    for (let i = 0; i < 2000; i += 1) keyspace.set(`stays${i}`, bytes(i % 100), i, origin, 0, 0);
    keyspace.set('schlüssel', bytes(1), 1, origin, 5, 0);
    keyspace.setTombstone('gone', 1, origin, 5, 0);
    const visited: string[] = [];
    for (let part = 0; part < Keyspace.parts; part += 1) {
      keyspace.scan(part, 0, (key, entry) => {
        visited.push(key);
        expect(entry.isTombstone).toBe(key === 'gone');
      });
      for (let i = 0; i < 20; i += 1) keyspace.set(`comes${part}-${i}`, bytes(5), 1, origin, 0, 0);
      keyspace.set(`stays${part}`, bytes(500), 1, origin, 0, 0);
    }
    const stayed = visited.filter((key) => !key.startsWith('comes'));
    expect(stayed.length).toBe(2002);
    expect(new Set(visited).size).toBe(visited.length);
    expect(stayed).toEqual(expect.arrayContaining(['schlüssel', 'gone', 'stays0', 'stays1999']));
    keyspace.scan(0, 5, (key) => expect(['schlüssel', 'gone']).not.toContain(key));
  });

  it('pays no more for a key that comes and goes when it is the only one', () => {
    const elapsedMs = (others: number): number => {
      const keyspace = new Keyspace({ storeBytesMax: 1e9, keysMax: 65_536, policy: 'lru' }, SEED, hasher);
      for (let i = 0; i < others; i += 1) keyspace.set(`other${i}`, bytes(0), 1, origin, 0, 0);
      const startMs = performance.now();
      for (let i = 0; i < 20_000; i += 1) {
        keyspace.set('k', bytes(0), i, origin, 0, 0);
        keyspace.delete('k', 0);
      }
      return performance.now() - startMs;
    };
    elapsedMs(1);
    const amongOthersMs = elapsedMs(1);
    expect(elapsedMs(0)).toBeLessThan(20 * amongOthersMs + 50);
  });

  it('[C7] [C9] [K2] does what the model does', () => {
    const key = fc.oneof(fc.constantFrom('a', 'b', 'c', 'é', '\u{1F600}', '__proto__'), fc.string({ maxLength: 3 }));
    const step = fc.oneof(
      fc.record({ do: fc.constant('get' as const), key }),
      fc.record({ do: fc.constant('peek' as const), key }),
      fc.record({ do: fc.constant('delete' as const), key }),
      fc.record({ do: fc.constant('set' as const), key, length: fc.nat(24), ttlMs: fc.constantFrom(0, 0, 1, 3, 9) }),
      fc.record({ do: fc.constant('bury' as const), key, ttlMs: fc.constantFrom(1, 3, 9) }),
      fc.record({ do: fc.constant('expire' as const), countMax: fc.nat(3) }),
      fc.record({ do: fc.constant('wait' as const), ms: fc.nat(4) }),
    );
    const limits = fc.record({
      storeBytesMax: fc.nat(60),
      keysMax: fc.oneof(fc.nat(6), fc.constant(1e6)),
      policy: fc.constantFrom<Policy>('lru', 'refuse'),
    });
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 80 }), (someLimits, steps) => {
        const keyspace = new Keyspace(someLimits, SEED, hasher);
        const model = new Model(someLimits);
        let nowMs = 1;
        steps.forEach((one, i) => {
          if (one.do === 'get')
            expect(valueOf(keyspace, keyspace.get(one.key, nowMs))).toEqual(model.get(one.key, nowMs, true));
          else if (one.do === 'peek')
            expect(valueOf(keyspace, keyspace.peek(one.key, nowMs))).toEqual(model.get(one.key, nowMs, false));
          else if (one.do === 'delete') expect(keyspace.delete(one.key, nowMs)).toBe(model.delete(one.key, nowMs));
          else if (one.do === 'expire')
            expect(keyspace.expire(nowMs, one.countMax)).toBe(model.expire(nowMs, one.countMax));
          else if (one.do === 'wait') nowMs += one.ms;
          else if (one.do === 'bury') {
            const expiresAtMs = nowMs + one.ttlMs - i / 1000;
            const isStored = keyspace.setTombstone(one.key, i, origin, expiresAtMs, nowMs);
            expect(isStored).toBe(model.set(one.key, null, i, expiresAtMs, nowMs));
          } else {
            const value = bytes(one.length);
            // Unequal moments, so that which entry expires first is never a matter of taste.
            const expiresAtMs = one.ttlMs === 0 ? 0 : nowMs + one.ttlMs - i / 1000;
            const isStored = keyspace.set(one.key, value, i, origin, expiresAtMs, nowMs);
            expect(isStored).toBe(model.set(one.key, value, i, expiresAtMs, nowMs));
          }
          expectSame(keyspace, model);
        });
      }),
      { numRuns: 500 },
    );
  });

  it.each<{ keysMax: number; policy: Policy }>([
    { keysMax: 100, policy: 'lru' },
    { keysMax: 1e9, policy: 'lru' },
    { keysMax: 100, policy: 'refuse' },
    { keysMax: 1e9, policy: 'refuse' },
  ])('12. [C7] [K3] is exact after a million operations with %j', ({ keysMax, policy }) => {
    const limits = { storeBytesMax: 4096, keysMax, policy };
    const keyspace = new Keyspace(limits, SEED, hasher);
    const model = new Model(limits);
    const keys = Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? `key-${i}` : `schlüssel-${i}`));
    const values = Array.from({ length: 64 }, (_, length) => bytes(length));
    let seed = 42;
    const below = (limit: number): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((seed / 2 ** 32) * limit);
    };
    let refused = 0;
    for (let i = 0; i < 1_000_000; i += 1) {
      const nowMs = i / 10;
      const key = keys[below(keys.length)] ?? '';
      const what = below(20);
      let isSame = true;
      if (what < 1) {
        const expiresAtMs = nowMs + 1 + below(40) + i / 1e9;
        isSame =
          keyspace.setTombstone(key, i, origin, expiresAtMs, nowMs) === model.set(key, null, i, expiresAtMs, nowMs);
      } else if (what < 9) {
        const value = values[below(values.length)] ?? bytes(0);
        const expiresAtMs = below(2) === 0 ? 0 : nowMs + 1 + below(40) + i / 1e9;
        const isStored = keyspace.set(key, value, i, origin, expiresAtMs, nowMs);
        if (!isStored) refused += 1;
        isSame = isStored === model.set(key, value, i, expiresAtMs, nowMs);
      } else if (what < 17) isSame = isEqual(valueOf(keyspace, keyspace.get(key, nowMs)), model.get(key, nowMs, true));
      else if (what < 18) isSame = keyspace.delete(key, nowMs) === model.delete(key, nowMs);
      else isSame = keyspace.expire(nowMs, 2) === model.expire(nowMs, 2);
      isSame &&= keyspace.bytes <= limits.storeBytesMax && keyspace.count <= keysMax;
      // Plain comparisons: as many calls of expect would take a minute.
      if (isSame && keyspace.bytes === model.bytes && keyspace.count === model.entries.size) continue;
      expectSame(keyspace, model);
      throw new Error(`operation ${i} on ${key} differs`);
    }
    expectSame(keyspace, model);
    expect(model.expired).toBeGreaterThan(1000);
    if (policy === 'lru') expect([model.evicted > 1000, refused]).toEqual([true, 0]);
    else expect([model.evicted, refused > 1000]).toEqual([0, true]);
  });
});

describe('room that is kept free', () => {
  it('[K3] [C7] counts as taken, and is given only where nothing has to go for it', () => {
    const removed: string[] = [];
    const keyspace = new Keyspace({ storeBytesMax: 100, keysMax: 4, policy: 'lru' }, SEED, hasher, (key) =>
      removed.push(key),
    );
    keyspace.set('a', bytes(29), 1, origin, 0, 0);
    keyspace.set('b', bytes(29), 1, origin, 50, 0);
    expect(keyspace.reserve(41, 1, 0)).toBe(false);
    expect(keyspace.reserve(40, 3, 0)).toBe(false);
    expect(keyspace.reserve(40, 2, 0)).toBe(true);
    expect(keyspace.reserve(1, 0, 0)).toBe(false);
    expect(removed).toEqual([]);
    // What is stored meanwhile makes room among the others.
    keyspace.set('c', bytes(9), 1, origin, 0, 0);
    expect(removed).toEqual(['a']);
    keyspace.unreserve(40, 2);
    keyspace.set('d', bytes(39), 1, origin, 0, 0);
    expect([keyspace.count, keyspace.bytes, removed.length]).toEqual([3, 80, 1]);
    // An entry whose time has come is nothing that would have to go.
    expect(keyspace.reserve(50, 1, 49)).toBe(false);
    expect(keyspace.reserve(50, 1, 50)).toBe(true);
    expect(removed).toEqual(['a', 'b']);
  });
});
