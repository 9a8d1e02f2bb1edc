import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { byteText, canonicalValue } from '../../src/store/canonical-value.js';
import { packValue, unpackValue } from '../../src/transport/msgpack.js';
import { concat, encodedInteger, encodedText, encodedValue } from '../transport/encoded-value.js';

const canonical = (bytes: Uint8Array): Uint8Array | null => canonicalValue(bytes, 100);

describe('the canonical encoding of a value', () => {
  it('is the same for equal values and leads back to them', () => {
    fc.assert(
      fc.property(encodedValue, (bytes) => {
        const once = canonical(bytes);
        if (once === null) return;
        expect(canonical(once)).toEqual(once);
        expect(canonical(packValue(unpackValue(bytes)))).toEqual(once);
      }),
    );
  });

  it('does not depend on the order of a map', () => {
    const key = fc.oneof(fc.string(), fc.integer());
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(key, fc.integer()), { selector: ([k]) => k }), (pairs) => {
        const turned = [...pairs].reverse();
        expect(canonical(packValue(new Map(turned)))).toEqual(canonical(packValue(new Map(pairs))));
      }),
    );
  });

  it.each<[string, number[], number[]]>([
    ['a wide integer', [0xcf, 0, 0, 0, 0, 0, 0, 0, 5], [5]],
    ['a float without fraction', [0xca, 0x40, 0xa0, 0, 0], [5]],
    ['minus zero', [0xcb, 0x80, 0, 0, 0, 0, 0, 0, 0], [0]],
    ['a float of 32 bits', [0xca, 0x3f, 0, 0, 0], [0xcb, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0]],
    ['any NaN', [0xca, 0x7f, 0xc0, 0, 9], [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]],
    ['a long head', [0xdb, 0, 0, 0, 1, 97], [0xa1, 97]],
    ['a long timestamp', [0xc7, 12, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], [0xd6, 0xff, 0, 0, 0, 1]],
  ])('of %s is the short one', (_what, bytes, short) => {
    expect([...(canonical(Uint8Array.from(bytes)) ?? [])]).toEqual(short);
  });

  it('is not there for what is no single value, no UTF-8, too deep, or has a key twice', () => {
    for (const bytes of [[], [0xc1], [1, 1], [0xa1, 0xff], [0x82, 1, 1, 0xcc, 1, 2]])
      expect(canonical(Uint8Array.from(bytes))).toBeNull();
    expect(canonicalValue(Uint8Array.of(0x91, 0x91, 1), 2)).not.toBeNull();
    expect(canonicalValue(Uint8Array.of(0x91, 0x91, 1), 1)).toBeNull();
    fc.assert(fc.property(fc.uint8Array(), (bytes) => expect(() => canonical(bytes)).not.toThrow()));
  });

  it('orders as bytes what is text of bytes', () => {
    const bytes = fc.oneof(encodedInteger, encodedText, fc.uint8Array());
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const order = byteText(a) < byteText(b) ? -1 : byteText(a) === byteText(b) ? 0 : 1;
        expect(order).toBe(Math.sign(Buffer.compare(concat([a]), concat([b]))));
      }),
    );
  });
});
