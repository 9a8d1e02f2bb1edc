import { describe, expect, it } from '@jest/globals';
import { Subscription } from '../../src/store/subscription.js';

const objects: [string, string][] = [
  ['lww', 'a'],
  ['lww', 'ab'],
  ['set', 'ab'],
  ['set', 'b'],
];

describe('a subscription', () => {
  it.each<[Record<string, unknown>, boolean[]]>([
    [{ type: 'lww', object: 'ab' }, [false, true, false, false]],
    [{ type: 'lww' }, [true, true, false, false]],
    [{ type: 'lww', prefix: 'ab' }, [false, true, false, false]],
    [{ prefix: 'a' }, [true, true, true, false]],
    [{ prefix: '' }, [true, true, true, true]],
    [{ all: true }, [true, true, true, true]],
    [{ all: false, type: 'set', position: 'A:1' }, [false, false, true, true]],
  ])('[R3] %j covers what it says', (options, covered) => {
    const subscription = Subscription.of(options) as Subscription;
    expect(objects.map(([type, id]) => subscription.covers(type, id))).toEqual(covered);
    expect(subscription.isLog).toBe(options.all === true);
    expect(subscription.objectName).toBe(options.object === undefined ? null : 'lww/ab');
  });

  it.each<[Record<string, unknown>]>([
    [{}],
    [{ object: 'a' }],
    [{ all: 1 }],
    [{ all: true, type: 'lww' }],
    [{ all: true, prefix: '' }],
    [{ type: 1 }],
    [{ type: '' }],
    [{ type: 'a/b' }],
    [{ type: 'lww', object: '' }],
    [{ type: 'lww', object: 'a', prefix: 'a' }],
    [{ type: 'lww', object: 'x'.repeat(257) }],
    [{ prefix: 'x'.repeat(257) }],
    [{ prefix: ['a'] }],
  ])('%j is none', (options) => {
    expect(typeof Subscription.of(options)).toBe('string');
  });
});
