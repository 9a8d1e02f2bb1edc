import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { NodeId } from '../../src/store/node-id.js';
import { OpChains } from '../../src/store/op-chain.js';
import type { Verdict } from '../../src/store/op-chain.js';

const a = 'A' as NodeId;
const op = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);

function chainsOf(...times: number[]): OpChains {
  const chains = new OpChains();
  times.forEach((time, i) => chains.append(a, time, times[i - 1] ?? 0, op(time)));
  return chains;
}

describe('the verdict on an op', () => {
  it.each<[string, number, number, Verdict]>([
    ['its first one again', 10, 0, 'seen'],
    ['the last but one again', 20, 10, 'seen'],
    ['the last one again', 30, 20, 'seen'],
    ['the one behind the last', 40, 30, 'next'],
    ['one behind what is not here', 50, 40, 'gap'],
    ['another one behind an older one', 40, 20, 'forked'],
    ['another first one, later', 40, 0, 'forked'],
    ['one between the last two', 25, 20, 'forked'],
    ['one with the time of the last and another preceding one', 30, 10, 'forked'],
    ['one behind a stamp that was never in the chain', 40, 25, 'forked'],
  ])('[RA] for %s', (_what, time, prevTime, verdict) => {
    expect(chainsOf(10, 20, 30).verdict(a, time, prevTime)).toBe(verdict);
  });

  it('[RA] of a new origin is next for its first op only', () => {
    const chains = new OpChains();
    expect(chains.verdict(a, 5, 0)).toBe('next');
    expect(chains.verdict(a, 5, 4)).toBe('gap');
    expect(chains.lastTime(a)).toBe(0);
    expect(chains.digestOf(a)).toBe('');
  });

  it('[RA] lets through each op of a chain once, in order, whatever comes twice or early', () => {
    const chain = fc.uniqueArray(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 12, size: 'max' });
    fc.assert(
      fc.property(chain, fc.array(fc.nat(), { maxLength: 200, size: 'max' }), (drawn, arrivals) => {
        const times = [...drawn].sort((x, y) => x - y);
        const chains = new OpChains();
        let stored = 0;
        for (const arrival of arrivals) {
          const number = arrival % times.length;
          const verdict = chains.verdict(a, times[number] ?? 0, times[number - 1] ?? 0);
          expect(verdict).toBe(number < stored ? 'seen' : number === stored ? 'next' : 'gap');
          if (verdict !== 'next') continue;
          chains.append(a, times[number] ?? 0, times[number - 1] ?? 0, op(number));
          stored += 1;
        }
        expect(chains.lastTime(a)).toBe(times[stored - 1] ?? 0);
      }),
    );
  });
});

describe('chains', () => {
  const entries = fc.uniqueArray(
    fc.tuple(fc.constantFrom('A', 'B', 'C0d', 'Xgritzk0_D', 'Z', 'z'), fc.integer({ min: 1, max: 2 ** 50 })),
    { selector: ([origin]) => origin },
  );
  const filled = (list: readonly (readonly [string, number])[]): OpChains => {
    const chains = new OpChains();
    for (const [origin, time] of list) {
      chains.append(origin as NodeId, time, 0, op(1, time));
      chains.append(origin as NodeId, time + 7, time, op(2));
    }
    return chains;
  };

  it('[RI] have the digest of all bytes in their order', () => {
    const whole = op(9, 1, 2, 3, 9);
    const [one, other] = [new OpChains(), new OpChains()];
    one.append(a, 1, 0, op(1, 2, 3));
    other.append(a, 1, 0, whole, 1, 4);
    expect(other.digestOf(a)).toBe(one.digestOf(a));
    expect(one.digestOf(a)).toMatch(/^[0-9a-f]{16}$/);
    const twice = chainsOf(1, 2);
    const turned = new OpChains();
    turned.append(a, 1, 0, op(2));
    turned.append(a, 2, 1, op(1));
    expect(turned.digestOf(a)).not.toBe(twice.digestOf(a));
    expect(turned.digest()).not.toBe(twice.digest());
    // Each bit of each byte counts, and so does where an op ends.
    const bytes = Uint8Array.from({ length: 11 }, (_, i) => i);
    const digests = new Set<string>();
    for (let bit = 0; bit <= 88; bit += 1) {
      const changed = Uint8Array.from(bytes);
      if (bit < 88) changed[bit >>> 3] = (changed[bit >>> 3] as number) ^ (1 << (bit & 7));
      const chains = new OpChains();
      chains.append(a, 1, 0, changed);
      digests.add(chains.digestOf(a));
    }
    for (let end = 0; end < 11; end += 1) {
      const chains = new OpChains();
      chains.append(a, 1, 0, bytes, 0, end);
      digests.add(chains.digestOf(a));
    }
    expect(digests.size).toBe(100);
  });

  it('are back from their bytes, whole and one by one', () => {
    fc.assert(
      fc.property(entries, (list) => {
        const chains = filled(list);
        const bytes = chains.encode();
        expect(filled([...list].reverse()).encode()).toEqual(bytes);
        const again = OpChains.decode(bytes);
        expect(again?.encode()).toEqual(bytes);
        expect(again?.digest()).toBe(chains.digest());
        const single = new OpChains();
        for (const origin of chains.origins()) {
          expect(single.restoreChain(origin, chains.encodeChain(origin) as Uint8Array)).toBe(true);
          expect(single.verdict(origin, chains.lastTime(origin) + 1, chains.lastTime(origin))).toBe('next');
        }
        expect(single.encode()).toEqual(bytes);
      }),
    );
    expect(new OpChains().encodeChain(a)).toBeNull();
  });

  it('[RH] adopt longer ones, and name those that are forked', () => {
    const [mine, theirs] = [chainsOf(1, 2), chainsOf(1, 2, 3)];
    theirs.append('B' as NodeId, 9, 0, op(9));
    expect(mine.adopt(theirs.encode())).toEqual([]);
    expect(mine.encode()).toEqual(theirs.encode());
    expect(theirs.adopt(chainsOf(1).encode())).toEqual([]);
    expect(mine.encode()).toEqual(theirs.encode());
    const forked = chainsOf(1, 2);
    forked.append(a, 3, 2, op(77));
    expect(mine.adopt(forked.encode())).toEqual(['A']);
    expect(mine.encode()).toEqual(theirs.encode());
  });

  it('take nothing from bytes that are none', () => {
    const chains = chainsOf(1, 2);
    const bytes = chains.encode();
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 40 }),
          fc.nat().map((cut) => bytes.subarray(0, cut % bytes.length)),
        ),
        (some) => {
          const decoded = OpChains.decode(some);
          expect(decoded === null || decoded.size <= some.length).toBe(true);
          new OpChains().restoreChain(a, some);
          if (decoded === null) expect(chains.adopt(some)).toBeNull();
        },
      ),
    );
    expect(OpChains.decode(bytes.subarray(0, -1))).toBeNull();
    expect(chains.encode()).toEqual(bytes);
  });

  it('grow to a hundred thousand origins, and no further', () => {
    const chains = new OpChains();
    const name = (number: number): NodeId => `A${String(number).padStart(6, '0')}x` as NodeId;
    for (let i = 0; i < 100_000; i += 1) chains.append(name(i), i + 1, 0, op(1));
    expect(chains.hasRoomFor(name(7))).toBe(true);
    expect(chains.hasRoomFor(a)).toBe(false);
    const bytes = chains.encode();
    expect(bytes.length / 100_000).toBeLessThan(40);
    expect(OpChains.decode(bytes)?.lastTime(name(99_999))).toBe(100_000);
    expect(chains.adopt(chainsOf(1).encode())).toBeNull();
  });
});
