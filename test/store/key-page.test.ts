import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FIRST_POSITION, keyPageOf } from '../../src/store/key-page.js';
import type { Position } from '../../src/store/key-page.js';
import { KeyHasher } from '../../src/store/key-hash.js';
import { Keyspace } from '../../src/store/keyspace.js';
import type { NodeId } from '../../src/store/node-id.js';

const ORIGIN = '1A' as NodeId;
const VALUE = Uint8Array.of(0xc0);

const keyspaceOf = (keys: Iterable<string>, expiresAtMs = 0): Keyspace => {
  const keyspace = new Keyspace(
    { storeBytesMax: 1e9, keysMax: 1e6, policy: 'lru' },
    [1, 2],
    new KeyHasher(new Uint8Array(16)),
  );
  for (const key of keys) keyspace.set(key, VALUE, 1, ORIGIN, expiresAtMs, 0);
  return keyspace;
};

/** All keys, page by page, with what happens between the pages. */
function scan(keyspace: Keyspace, prefix: string, limit: number, between: () => void = () => {}): string[] {
  const all: string[] = [];
  for (let at: Position | null = FIRST_POSITION; at !== null; between()) {
    const page = keyPageOf(keyspace, prefix, at, limit, 0);
    expect(page.keys.length).toBeLessThanOrEqual(limit);
    all.push(...page.keys);
    at = page.next;
  }
  return all;
}

describe('pages of keys', () => {
  it('hold each key with the prefix once', () => {
    const keys = Array.from({ length: 1234 }, (_, i) => `${i % 2 === 0 ? 'even' : 'odd'}:${i}`);
    const keyspace = keyspaceOf(keys);
    for (const limit of [1, 7, 617, 1000]) {
      expect(scan(keyspace, 'even:', limit).sort()).toEqual(keys.filter((key) => key.startsWith('even:')).sort());
    }
    expect(scan(keyspace, '', 100).length).toBe(1234);
    expect(scan(keyspace, 'none', 100)).toEqual([]);
    expect(scan(keyspaceOf([]), '', 100)).toEqual([]);
  });

  it('[W4] hold each key that is there from the first to the last, whatever comes and goes', () => {
    const change = fc.tuple(fc.boolean(), fc.stringMatching(/^[a-e]{1,2}$/));
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4 })), fc.array(change), (stay, changes) => {
        const keyspace = keyspaceOf(stay);
        const found = scan(keyspace, '', 3, () => {
          for (const [isSet, key] of changes.splice(0, 2)) {
            if (isSet) keyspace.set(key, VALUE, 2, ORIGIN, 0, 0);
            else if (!stay.includes(key)) keyspace.delete(key, 0);
          }
        });
        expect(found).toEqual(expect.arrayContaining(stay));
      }),
    );
  });

  it('hold neither what has expired nor what was deleted', () => {
    const keyspace = keyspaceOf(['a', 'b']);
    keyspace.set('c', VALUE, 1, ORIGIN, 5, 0);
    keyspace.setTombstone('b', 2, ORIGIN, 1000, 0);
    expect(keyPageOf(keyspace, '', FIRST_POSITION, 10, 4).keys.toSorted()).toEqual(['a', 'c']);
    expect(keyPageOf(keyspace, '', FIRST_POSITION, 10, 5).keys).toEqual(['a']);
  });

  it('are bounded in length, too', () => {
    const keys = Array.from({ length: 300 }, (_, i) => `${i}`.padEnd(4000, '.'));
    const { keys: first, next } = keyPageOf(keyspaceOf(keys), '', FIRST_POSITION, 1000, 0);
    expect(first.length).toBeLessThan(70);
    expect(next).not.toBeNull();
    expect(scan(keyspaceOf(keys), '', 1000).length).toBe(300);
  });

  it('end at a position that is none', () => {
    expect(keyPageOf(keyspaceOf(['a']), '', { part: 1e9, after: '' }, 10, 0)).toEqual({ keys: [], next: null });
  });
});
