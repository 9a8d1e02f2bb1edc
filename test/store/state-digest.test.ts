import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { StateDigest } from '../../src/store/state-digest.js';

const changes = fc.array(
  fc.tuple(fc.constantFrom('lww/a', 'lww/b', 'set/ü'), fc.option(fc.uint8Array({ maxLength: 4 }), { freq: 3 })),
  { maxLength: 40, size: 'max' },
);

describe('the digest of states', () => {
  it('[RI] depends on the states that there are, and not on the way to them', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const digest = new StateDigest();
        const last = new Map<string, Uint8Array>();
        for (const [name, state] of list) {
          digest.put(name, state);
          if (state === null) last.delete(name);
          else last.set(name, state);
        }
        const fresh = new StateDigest();
        for (const [name, state] of [...last].reverse()) fresh.put(name, state);
        expect([digest.value, digest.count]).toEqual([fresh.value, last.size]);
        expect(digest.differences(fresh)).toEqual([]);
        expect(digest.value).toMatch(/^[0-9a-f]{16}$/);
      }),
    );
  });

  it('[RI] differs where a state, a name or the line between them does', () => {
    const digestOf = (name: string, ...bytes: number[]): string => {
      const digest = new StateDigest();
      digest.put(name, Uint8Array.from(bytes));
      return digest.value;
    };
    const values = [
      digestOf('lww/a', 1),
      digestOf('lww/a', 2),
      digestOf('lww/b', 1),
      digestOf('lww/', 97, 1),
      digestOf('lww/a'),
    ];
    expect(new Set(values).size).toBe(values.length);
  });

  it('[RI] says which objects differ', () => {
    const [one, other] = [new StateDigest(), new StateDigest()];
    for (const digest of [one, other]) digest.put('lww/a', Uint8Array.of(1));
    one.put('lww/b', Uint8Array.of(1));
    other.put('lww/b', Uint8Array.of(2));
    other.put('lww/c', new Uint8Array(10_000));
    expect(one.differences(other)).toEqual(['lww/b', 'lww/c']);
    expect(other.differences(one).sort()).toEqual(['lww/b', 'lww/c']);
  });
});
