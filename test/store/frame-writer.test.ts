import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FrameReader } from '../../src/store/frame-reader.js';
import { FrameWriter } from '../../src/store/frame-writer.js';
import { anyCharacter } from '../transport/any-character.js';
import { meaningOf } from '../transport/encoded-value.js';

const written = (write: (writer: FrameWriter) => void): string => {
  const writer = new FrameWriter();
  write(writer);
  return Buffer.from(writer.bytes).toString('hex');
};

describe('heads are as short as they can be', () => {
  it.each<[string, (writer: FrameWriter) => void, string]>([
    ['array of 15', (w) => w.array(15), '9f'],
    ['array of 16', (w) => w.array(16), 'dc0010'],
    ['array of 65,536', (w) => w.array(65_536), 'dd00010000'],
    ['map of 15', (w) => w.map(15), '8f'],
    ['map of 16', (w) => w.map(16), 'de0010'],
    ['map of 65,536', (w) => w.map(65_536), 'df00010000'],
    ['uint8', (w) => w.uint8(0), 'cc00'],
    ['uint64', (w) => w.uint64(1, 0xffff_ffff), 'cf00000001ffffffff'],
    ['raw', (w) => w.raw(Uint8Array.of(1, 2)), '0102'],
    ['a range', (w) => w.range(Uint8Array.of(1, 2, 3, 4), 1, 3), '0203'],
    ['a long range', (w) => w.range(new Uint8Array(400).fill(7), 1, 301), '07'.repeat(300)],
    ['a patched byte', (w) => (w.raw(Uint8Array.of(1, 2)), w.patch(1, 9)), '0109'],
    ['bin of nothing', (w) => w.endBin(w.beginBin()), 'c50000'],
  ])('%s', (_what, write, expected) => {
    expect(written(write)).toBe(expected);
  });

  it.each([0, 1, 31, 32, 64, 65, 255, 256, 65_535, 65_536])('text and bin of %d bytes', (length) => {
    for (const text of ['x'.repeat(length), `${'x'.repeat(Math.max(0, length - 2))}\u00e9`, '\u20ac'.repeat(length)]) {
      const writer = new FrameWriter();
      writer.text(text);
      const bytes = new TextEncoder().encode(text);
      const head = bytes.length < 32 ? 1 : bytes.length < 256 ? 2 : bytes.length < 65_536 ? 3 : 5;
      expect(writer.length).toBe(head + bytes.length);
      expect(meaningOf(writer.bytes)).toBe(JSON.stringify(text));
    }
    const writer = new FrameWriter();
    writer.bin(new Uint8Array(length).fill(7));
    expect(writer.length).toBe((length < 256 ? 2 : length < 65_536 ? 3 : 5) + length);
    expect(meaningOf(writer.bytes)).toBe(`bin ${'07'.repeat(length)}`);
  });
});

it('a bin that is written in parts gets its length', () => {
  for (const length of [0, 1, 65_535, 65_536, 200_000]) {
    const writer = new FrameWriter();
    writer.array(2);
    const start = writer.beginBin();
    writer.raw(new Uint8Array(length).fill(7));
    writer.endBin(start);
    writer.text('after');
    expect(meaningOf(writer.bytes)).toBe(`[bin ${'07'.repeat(length)}, "after"]`);
  }
});

it('what was written survives growing', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: anyCharacter, maxLength: 3000 }), { maxLength: 20 }), (texts) => {
      const writer = new FrameWriter();
      writer.array(texts.length);
      for (const text of texts) writer.text(text);
      const reader = new FrameReader();
      reader.reset(writer.bytes);
      expect(reader.readArray()).toBe(texts.length);
      for (const text of texts) expect(reader.readText()).toBe(text.replace(/\p{Surrogate}/gu, '\ufffd'));
      expect(reader.isAtEnd).toBe(true);
    }),
    { numRuns: 50 },
  );
});

it('is used again, and keeps no large buffer', () => {
  const writer = new FrameWriter();
  const small = writer.bytes.buffer;
  writer.raw(new Uint8Array(1000));
  writer.reset();
  expect(writer.length).toBe(0);
  writer.text('again');
  expect(writer.bytes.buffer).toBe(small);
  writer.raw(new Uint8Array(10_000_000));
  expect(writer.bytes.buffer.byteLength).toBeGreaterThanOrEqual(10_000_000);
  writer.reset();
  expect(writer.bytes.buffer.byteLength).toBeLessThan(10_000);
});
