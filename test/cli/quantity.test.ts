import { describe, expect, it } from '@jest/globals';
import { formatSize, parseDuration, parseSize } from '../../src/cli/quantity.js';

describe('sizes', () => {
  it.each([
    ['0', 0],
    ['1048576', 1048576],
    ['12B', 12],
    ['1KB', 1000],
    ['1KiB', 1024],
    ['256MiB', 256 * 2 ** 20],
    ['1.5GB', 1.5e9],
    ['2 gib', 2 * 2 ** 30],
    ['1TiB', 2 ** 40],
  ])('%s is %d bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  it.each(['', 'MB', '-1', '1,5GB', '12 elephants', '1e9', '99999999TiB', '1K', '0x10', '1.'])('%s is none', (text) =>
    expect(parseSize(text)).toBeUndefined(),
  );

  it.each([
    [12, '12 B'],
    [1024, '1 KiB'],
    [1536 * 1024, '1.5 MiB'],
  ])('%d is shown as %s', (bytes, text) => expect(formatSize(bytes)).toBe(text));
});

describe('durations', () => {
  it.each([
    ['500', 500],
    ['500ms', 500],
    ['5s', 5000],
    ['1.5s', 1500],
    ['10m', 600_000],
    ['10min', 600_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
  ])('%s is %d ms', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', 's', '-5s', 'soon', '5w', '1h30m'])('%s is none', (text) => expect(parseDuration(text)).toBeUndefined());
});
