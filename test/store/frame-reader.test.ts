import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FrameReader } from '../../src/store/frame-reader.js';
import { VALUE_DEPTH_MAX } from '../../src/store/frame-reader.js';
import { anyCharacter } from '../transport/any-character.js';
import { concat, encodedInteger, encodedText, encodedValue, meaningOf } from '../transport/encoded-value.js';

const readerOf = (bytes: Uint8Array | readonly number[]): FrameReader => {
  const reader = new FrameReader();
  reader.reset(Uint8Array.from(bytes));
  return reader;
};

const isWellFormed = (text: string): boolean => Buffer.from(text).toString() === text;

describe('skip', () => {
  it('steps over any value, whole, and over no part of one', () => {
    fc.assert(
      fc.property(encodedValue, fc.nat({ max: 9 }), (value, more) => {
        const reader = readerOf(concat([value, new Uint8Array(more)]));
        expect(reader.skip()).toBe(true);
        expect(reader.position).toBe(value.length);
        reader.seek(0);
        expect(reader.skipDeep()).toBe(true);
        expect(reader.position).toBe(value.length);
        const cut = readerOf(value.subarray(0, value.length - 1));
        expect(cut.skip() || cut.skipDeep()).toBe(false);
        expect(cut.position).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  it('is bounded by the end that was set', () => {
    const reader = readerOf([0x92, 1, 2]);
    const former = reader.limit(2);
    expect(reader.skip()).toBe(false);
    reader.limit(former);
    expect(reader.skip()).toBe(true);
  });

  it('goes as deep as a value may, skipDeep to any depth', () => {
    for (const [opening, innermost] of [
      [[0x91], [0x90]],
      [[0x81, 0xa0], [0x80]],
      [
        [0xdc, 0, 1],
        [0xdc, 0, 0],
      ],
    ] as const) {
      const nested = (depth: number): Uint8Array =>
        Uint8Array.from([...Array.from({ length: depth - 1 }, () => opening).flat(), ...innermost]);
      expect(readerOf(nested(VALUE_DEPTH_MAX)).skip()).toBe(true);
      expect(readerOf(nested(VALUE_DEPTH_MAX + 1)).skip()).toBe(false);
      expect(readerOf(nested(10_000)).skip()).toBe(false);
      expect(readerOf(nested(10_000)).skipDeep()).toBe(true);
    }
  });

  it.each([
    ['the byte that is never used', [0xc1]],
    ['nothing', []],
    ['nothing within', [0x91]],
    ['an array 32 of four thousand million', [0xdd, 255, 255, 255, 255, 1, 1, 1]],
    ['a map 32 of four thousand million', [0xdf, 255, 255, 255, 255, 1, 1, 1]],
    ['a map 32 of two thousand million', [0xdf, 128, 0, 0, 0, 1, 1, 1]],
    ['an array that takes what its neighbour needs', [0x92, 0x93, 1, 2, 3]],
    ['a bin 32 that is longer than the frame', [0xc6, 0, 0, 0, 2, 1]],
    ['an ext 32 that is longer than the frame', [0xc9, 255, 255, 255, 255, 1]],
    ['an ext without its type', [0xc7, 0]],
    ['half a float', [0xcb, 0, 0, 0]],
    ['half a length', [0xdc, 0]],
  ])('refuses %s', (_what, bytes) => {
    for (const reader of [readerOf(bytes), readerOf(concat([Uint8Array.from(bytes)]))]) {
      expect(reader.skip()).toBe(false);
      expect(reader.skipDeep()).toBe(false);
      expect(reader.position).toBe(0);
    }
  });
});

it('reads an integer in every form, an integral float among them, or nothing', () => {
  const integerOf = (bytes: Uint8Array): [value: number, position: number] => {
    const reader = readerOf(bytes);
    return [reader.readInteger(), reader.position];
  };
  fc.assert(
    fc.property(fc.oneof(encodedInteger, encodedValue), (value) => {
      const meaning = meaningOf(value).replace('float -0', '0');
      const isInteger = /^-?\d+$/.test(meaning) && Number.isSafeInteger(Number(meaning));
      expect(integerOf(value)).toEqual(isInteger ? [Number(meaning), value.length] : [NaN, 0]);
    }),
    { numRuns: 500 },
  );
});

it('reads text, or nothing', () => {
  fc.assert(
    fc.property(encodedText, fc.uint8Array({ maxLength: 80 }), (text, bytes) => {
      expect(JSON.stringify(readerOf(text).readText())).toBe(meaningOf(text));
      const claimed = concat([Uint8Array.of(0xd9, bytes.length), bytes]);
      const isUtf8 = Buffer.from(Buffer.from(bytes).toString('utf8')).equals(bytes);
      expect(readerOf(claimed).readText()).toBe(isUtf8 ? Buffer.from(bytes).toString('utf8') : null);
    }),
    { numRuns: 500 },
  );
});

it('steps over a text that it is told of, and over no other', () => {
  const reader = readerOf([...Buffer.from('lww'), 0xc0]);
  for (const other of ['', 'lw', 'lwx', 'lwwx']) expect(reader.skipIfSame(other, 3)).toBe(false);
  expect(reader.position).toBe(0);
  expect(reader.skipIfSame('lww', 3)).toBe(true);
  expect(reader.position).toBe(3);
  // One unit of text, but two bytes.
  expect(readerOf(Buffer.from('\u00e9')).skipIfSame('\u00c3\u00a9', 2)).toBe(false);
});

it('steps over text, and says whether it was any', () => {
  const texts = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: anyCharacter }).filter(isWellFormed));
  fc.assert(
    fc.property(texts, (text) => {
      const bytes = Buffer.from(text);
      const reader = readerOf(bytes);
      expect(reader.skipText(bytes.length)).toBe(true);
      expect(reader.position).toBe(bytes.length);
    }),
  );
  expect(readerOf([0x61, 0xff]).skipText(2)).toBe(false);
});

it('stays where it is when something else comes', () => {
  const reader = readerOf([0xd4, 1, 1]);
  expect(reader.readArray()).toBe(-1);
  expect(reader.readMap()).toBe(-1);
  expect(reader.readInteger()).toBeNaN();
  expect(reader.readBoolean()).toBeNull();
  expect(reader.readNil()).toBe(false);
  expect(reader.readText()).toBeNull();
  expect(reader.readBinLength()).toBe(-1);
  expect(reader.readUint64()).toBe(false);
  expect(reader.position).toBe(0);
});

it('reads nothing at the end', () => {
  const reader = readerOf([]);
  expect(reader.readArray()).toBe(-1);
  expect(reader.readMap()).toBe(-1);
  expect(reader.readInteger()).toBeNaN();
  expect(reader.readBoolean()).toBeNull();
  expect(reader.readNil()).toBe(false);
  expect(reader.readText()).toBeNull();
  expect(reader.readBinLength()).toBe(-1);
  expect(reader.readUint64()).toBe(false);
  expect(reader.nextByte).toBe(-1);
  expect(reader.isAtEnd).toBe(true);
});

it('pooled copies are right, and apart from the frame', () => {
  const frame = Uint8Array.from({ length: 5000 }, (_, i) => i % 251);
  const reader = readerOf(frame);
  const copies = Array.from({ length: 300 }, (_, i) => [i, reader.copyShared(i, i + i * 10)] as const);
  reader.bytes.fill(0);
  for (const [i, copy] of copies) expect(Buffer.from(copy).equals(frame.subarray(i, i + i * 10))).toBe(true);
});
