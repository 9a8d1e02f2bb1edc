import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { FrameReader } from '../../src/store/frame-reader.js';
import { VALUE_DEPTH_MAX } from '../../src/store/frame-reader.js';
import { Extension, packValue, readValue, unpackValue } from '../../src/transport/msgpack.js';
import { encodedValue, meaningOf } from './encoded-value.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytes = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

describe('vectors of the specification', () => {
  it.each([
    [null, 'c0'],
    [false, 'c2'],
    [true, 'c3'],
    [0, '00'],
    [127, '7f'],
    [128, 'cc80'],
    [255, 'ccff'],
    [256, 'cd0100'],
    [65_535, 'cdffff'],
    [65_536, 'ce00010000'],
    [4_294_967_295, 'ceffffffff'],
    [4_294_967_296, 'cf0000000100000000'],
    [Number.MAX_SAFE_INTEGER, 'cf001fffffffffffff'],
    [2n ** 53n, 'cf0020000000000000'],
    [2n ** 64n - 1n, 'cfffffffffffffffff'],
    [-1, 'ff'],
    [-32, 'e0'],
    [-33, 'd0df'],
    [-128, 'd080'],
    [-129, 'd1ff7f'],
    [-32_768, 'd18000'],
    [-32_769, 'd2ffff7fff'],
    [-2_147_483_648, 'd280000000'],
    [-2_147_483_649, 'd3ffffffff7fffffff'],
    [Number.MIN_SAFE_INTEGER, 'd3ffe0000000000001'],
    [-(2n ** 53n), 'd3ffe0000000000000'],
    [-(2n ** 63n), 'd38000000000000000'],
    [1.5, 'cb3ff8000000000000'],
    [-0, 'cb8000000000000000'],
    [NaN, 'cb7ff8000000000000'],
    [Infinity, 'cb7ff0000000000000'],
    [1e300, 'cb7e37e43c8800759c'],
    ['', 'a0'],
    ['a', 'a161'],
    ['\u00e9\u{1f600}', 'a6c3a9f09f9880'],
    ['x'.repeat(32), `d920${'78'.repeat(32)}`],
    [Uint8Array.of(), 'c400'],
    [Uint8Array.of(1, 2), 'c4020102'],
    [[], '90'],
    [[1, [2]], '92019102'],
    [{}, '80'],
    [{ a: 1 }, '81a16101'],
    [new Map<unknown, unknown>([[1, 'a']]), '8101a161'],
    [new Extension(5, Uint8Array.of(1)), 'd40501'],
    [new Extension(-128, bytes('0102030405060708090a0b0c0d0e0f10')), 'd8800102030405060708090a0b0c0d0e0f10'],
    [new Extension(0x72, Uint8Array.of()), 'c70072'],
    [new Extension(1, Uint8Array.of(1, 2, 3)), 'c70301010203'],
    [new Date(1_000), 'd6ff00000001'],
    [new Date(1), 'd7ff003d090000000000'],
    [new Date(2 ** 34 * 1000 - 1), 'd7ffee2e1f03ffffffff'],
    [new Date(2 ** 34 * 1000), 'c70cff000000000000000400000000'],
    [new Date(-1), 'c70cff3b8b87c0ffffffffffffffff'],
  ])('%p is %s', (value, expected) => {
    expect(hex(packValue(value))).toBe(expected);
    expect(unpackValue(bytes(expected))).toStrictEqual(value);
  });
});

it('packs what it unpacked to an equal value', () => {
  fc.assert(
    fc.property(encodedValue, (encoded) => {
      const meaning = meaningOf(encoded);
      // A Date has one form of several; a Map takes -0 for 0.
      fc.pre(!meaning.includes('ext -1 ') && !meaning.includes('float -0: '));
      expect(meaningOf(packValue(unpackValue(encoded)))).toBe(meaning);
    }),
    { numRuns: 1000 },
  );
});

it('agrees with another implementation, which takes -0 for 0', () => {
  const packr = new Packr({
    useRecords: false,
    variableMapSize: true,
    encodeUndefinedAsNil: true,
    int64AsType: 'bigint',
  });
  const text = fc.string({ unit: 'grapheme', maxLength: 80 });
  const any = fc.anything({
    key: text,
    maxDepth: 4,
    values: [
      text,
      fc.integer(),
      fc.double().map((n) => n + 0),
      fc.boolean(),
      fc.constant(null),
      fc.uint8Array({ maxLength: 300 }),
    ],
    withNullPrototype: false,
  });
  fc.assert(
    fc.property(any, (value) => {
      expect(meaningOf(packValue(value))).toBe(meaningOf(packr.pack(value)));
      expect(unpackValue(packr.pack(value))).toEqual(value);
    }),
    { numRuns: 500 },
  );
});

class Celsius {
  readonly degrees: number;

  constructor(degrees: number) {
    this.degrees = degrees;
  }
}

class Fahrenheit {
  readonly #degrees: number;

  constructor(degrees: number) {
    this.#degrees = degrees;
  }

  toJSON(): string {
    return `${this.#degrees} F`;
  }
}

describe('what JavaScript has and MessagePack has not', () => {
  it.each([
    ['undefined', undefined, null],
    ['undefined within', [undefined, { a: undefined }], [null, { a: null }]],
    ['a hole', Array(1), [null]],
    ['an object without prototype', Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }],
    ['an instance', new Celsius(20), { degrees: 20 }],
    ['an instance with toJSON', new Fahrenheit(68), '68 F'],
    ['a Map with text keys', new Map([['a', 1]]), { a: 1 }],
    ['a bigint that is small', 5n, 5],
    ['half a surrogate pair', 'a\ud800b', 'a\ufffdb'],
    ['half a surrogate pair in a long text', `${'x'.repeat(100)}\udc00`, `${'x'.repeat(100)}\ufffd`],
    ['a Buffer', Buffer.from([1, 2]), Uint8Array.of(1, 2)],
    [
      'what another realm made',
      structuredClone({ m: new Map([[1, new Date(5)]]) }),
      { m: new Map([[1, new Date(5)]]) },
    ],
  ])('%s becomes what it is like', (_what, value, expected) => {
    expect(unpackValue(packValue(value))).toEqual(expected);
  });

  const cycle: unknown[] = [];
  cycle.push({ cycle });
  it.each<[string, unknown, RegExp]>([
    ['a function', () => 1, /function/],
    ['a symbol', Symbol('s'), /symbol/],
    ['a Set', new Set([1]), /Set/],
    ['an Error', new Error('e'), /Error/],
    ['a RegExp', /x/, /RegExp/],
    ['a Promise', Promise.resolve(), /Promise/],
    ['an ArrayBuffer', new ArrayBuffer(1), /ArrayBuffer/],
    ['other typed arrays', [new Float64Array(1)], /Float64Array/],
    ['a DataView', new DataView(new ArrayBuffer(1)), /DataView/],
    ['an invalid Date', new Date(NaN), /Date/],
    ['an integer of 65 bits', 2n ** 64n, /64 bits/],
    ['a negative integer of 65 bits', -(2n ** 63n) - 1n, /64 bits/],
    ['a cycle', cycle, /128 levels/],
  ])('%s is refused', (_what, value, reason) => {
    expect(() => packValue(value)).toThrow(reason);
    expect(hex(packValue('after'))).toBe('a56166746572');
  });

  it('an extension has a type of 8 bits', () => {
    for (const type of [-129, 128, 0.5, NaN]) expect(() => new Extension(type, Uint8Array.of())).toThrow(RangeError);
  });

  it('a value nests as deep as nodes take it, and no deeper', () => {
    const nested = (depth: number): unknown => (depth === 1 ? [] : [nested(depth - 1)]);
    expect(unpackValue(packValue(nested(VALUE_DEPTH_MAX)))).toEqual(nested(VALUE_DEPTH_MAX));
    expect(() => packValue(nested(VALUE_DEPTH_MAX + 1))).toThrow(RangeError);
  });
});

describe('hostile bytes', () => {
  it('no extension is more than bytes', () => {
    for (const type of [0, 0x42, 0x62, 0x65, 0x69, 0x70, 0x72, 0x73, 0x74, 0x78, 0xff]) {
      for (const encoded of [
        bytes(`d4 ${hex(Uint8Array.of(type))} 40`),
        bytes(`c7 06 ${hex(Uint8Array.of(type))} 92a161a16181`),
      ]) {
        const extension = unpackValue(encoded) as Extension;
        expect(extension).toBeInstanceOf(Extension);
        expect(extension.type).toBe((type << 24) >> 24);
        expect(packValue(extension)).toEqual(encoded);
      }
    }
  });

  it('a timestamp that no Date is as exact as stays an extension', () => {
    for (const text of [
      'd7ff 0000000500000000',
      'd7ff ffffffff00000000',
      'c70cff 00000000 7fffffffffffffff',
      'd5ff 0000',
    ]) {
      const extension = unpackValue(bytes(text));
      expect(extension).toBeInstanceOf(Extension);
      expect(packValue(extension)).toEqual(bytes(text));
    }
  });

  it('a key __proto__ is a key', () => {
    const encoded = bytes('82 a9 5f5f70726f746f5f5f 81 a161 01 a162 02');
    const value = unpackValue(encoded) as Record<string, unknown>;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(value['a']).toBeUndefined();
    expect(Object.keys(value)).toEqual(['__proto__', 'b']);
    expect(packValue(value)).toEqual(encoded);
  });

  it('of a key that is there twice the last one counts', () => {
    expect(unpackValue(bytes('82 a161 01 a161 02'))).toEqual({ a: 2 });
  });

  it.each([
    ['nothing', ''],
    ['two values', '0101'],
    ['the byte that is never used', 'c1'],
    ['half a value', '92 01'],
    ['an array of four thousand million', 'dd ffffffff'],
    ['a map of four thousand million', 'df ffffffff 01'],
    ['129 levels', `${'91'.repeat(128)}90`],
    ['100,000 levels', `${'91'.repeat(100_000)}90`],
  ])('%s: RangeError', (_what, text) => {
    expect(() => unpackValue(bytes(text))).toThrow(RangeError);
    expect(unpackValue(bytes('07'))).toBe(7);
  });

  it('a million empty maps take a moment', () => {
    const encoded = new Uint8Array(1 << 20).fill(0x80);
    encoded.set(bytes('dd 000ffffb'));
    expect(unpackValue(encoded)).toHaveLength((1 << 20) - 5);
  });
});

it('unpacks what it owns: the bytes may change afterwards', () => {
  const encoded = packValue(Uint8Array.of(1, 2, 3));
  const value = unpackValue(encoded);
  encoded.fill(0);
  expect(value).toEqual(Uint8Array.of(1, 2, 3));
});

it('packs while it packs', () => {
  class Packed {
    toJSON(): unknown {
      return packValue('inner');
    }
  }
  expect(unpackValue(packValue(['outer', new Packed(), 'outer']))).toEqual(['outer', packValue('inner'), 'outer']);
});

describe('whatever unpacks it, a value is the same', () => {
  const byHand = (encoded: Uint8Array): unknown => {
    const reader = new FrameReader();
    reader.reset(encoded);
    if (!reader.skip() || !reader.isAtEnd) return 'none';
    reader.seek(0);
    return readValue(reader);
  };
  const unpacked = (encoded: Uint8Array): unknown => {
    try {
      return unpackValue(encoded);
    } catch {
      return 'none';
    }
  };

  it('also where some of its bytes are wrong', () => {
    const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 });
    fc.assert(
      fc.property(encodedValue, changes, (encoded, changed) => {
        const inArray = Uint8Array.of(0x92, ...encoded, ...encoded);
        for (const [at, byte] of changed) inArray[1 + (at % (inArray.length - 1))] = byte;
        expect(unpacked(inArray)).toEqual(byHand(inArray));
      }),
      { numRuns: 2000 },
    );
  });

  it('also where a text is no UTF-8, short or long, as value or key', () => {
    const piece = fc.constantFrom('61', 'c3a9', 'efbbbf', 'f09f9880', 'eda080', 'c3', 'e282', 'f09f98', 'ff', 'c0af');
    const text = fc.array(piece, { maxLength: 60 }).map((pieces) => bytes(pieces.join('')));
    fc.assert(
      fc.property(text, (content) => {
        const pair = Uint8Array.of(0x81, 0xd9, content.length, ...content, 0xd9, content.length, ...content);
        const short = content.subarray(0, 31);
        const shortPair = Uint8Array.of(0x81, 0xa0 | short.length, ...short, 0xa0 | short.length, ...short);
        for (const encoded of [pair, shortPair, Uint8Array.of(0x92, ...pair, ...shortPair)]) {
          expect(unpacked(encoded)).toEqual(byHand(encoded));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('a byte order mark is part of the text', () => {
    for (const length of [1, 64, 65, 300]) {
      const text = `\ufeff${'x'.repeat(length)}`;
      expect(unpackValue(packValue([text, { [text]: text }]))).toEqual([text, { [text]: text }]);
    }
  });

  it('short or long, from a Buffer too, and the bytes are left as they were', () => {
    for (const count of [1, 10_000]) {
      const value = Array.from({ length: count }, (_, i) => ({ bin: Uint8Array.of(1, 2), i }));
      for (const encoded of [packValue(value), Buffer.from(packValue(value))]) {
        expect(unpackValue(encoded)).toStrictEqual(value);
        expect(Object.hasOwn(encoded, 'dataView')).toBe(false);
      }
    }
  });
});
