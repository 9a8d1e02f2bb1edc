import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { encodeBase64x64 } from '../../src/store/base64x64.js';
import type { NodeId } from '../../src/store/node-id.js';
import {
  compareStamps,
  formatStamp,
  formatTime,
  msOfTime,
  parseStamp,
  parseTime,
  readTime,
  timeOfMs,
} from '../../src/store/stamp.js';

const a = 'A' as NodeId;
const b = 'B' as NodeId;
const times = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(2 ** 20),
  fc
    .date({ min: new Date('2010-01-01T00:00:00Z'), max: new Date('2079-01-01T00:00:00Z'), noInvalidDate: true })
    .map((date) => timeOfMs(date.getTime())),
);

/** The calendar format straight from its definition. */
function calendarText(iso: string, sequence: number): string {
  const date = new Date(iso);
  const months = (date.getUTCFullYear() - 2010) * 12 + date.getUTCMonth();
  const hi = [Math.floor(months / 64), months % 64, date.getUTCDate() - 1, date.getUTCHours(), date.getUTCMinutes()];
  const ms = date.getUTCMilliseconds();
  const lo = [date.getUTCSeconds(), Math.floor(ms / 64), ms % 64, Math.floor(sequence / 64), sequence % 64];
  const number = (digits: number[]): number => digits.reduce((sum, digit) => sum * 64 + digit, 0);
  return encodeBase64x64(number(hi), number(lo));
}

describe('times', () => {
  it('are read from bytes as from text, whatever these are', () => {
    const digits = fc.stringMatching(/^[0-9A-Z_a-z~]{0,12}$/);
    const anything = fc.string({ unit: 'binary-ascii', maxLength: 12 });
    fc.assert(
      fc.property(fc.oneof(times.map(formatTime), digits, anything), fc.nat(3), (text, before) => {
        const bytes = Buffer.from('~'.repeat(before) + text + '~~');
        expect(readTime(bytes, before, text.length)).toBe(parseTime(text) ?? -1);
      }),
    );
  });

  it.each([
    ['2010-01-01T00:00:00.000Z', 0, '0'],
    ['2010-01-01T00:00:00.000Z', 1, '0000000001'],
    ['2010-02-01T00:00:00.000Z', 0, '01'],
    ['2017-06-30T23:59:59.999Z', 4095, '1PTNwwFc~~'],
  ])('[T2] writes %s, sequence %d, in the calendar format', (iso, sequence, text) => {
    expect(calendarText(iso, sequence)).toBe(text);
    expect(formatTime(timeOfMs(Date.parse(iso)) + sequence)).toBe(text);
  });

  it('[T2] writes the days of all months as the calendar has them', () => {
    for (let ms = Date.UTC(2010, 0, 1); ms < Date.UTC(2079, 0, 1); ms += 86_400_000) {
      const text = calendarText(new Date(ms).toISOString(), 7);
      if (formatTime(timeOfMs(ms) + 7) === text && parseTime(text) === timeOfMs(ms) + 7) continue;
      expect([text, timeOfMs(ms) + 7]).toEqual([formatTime(timeOfMs(ms) + 7), parseTime(text)]);
    }
  });

  it('[T2] gives back every time', () => {
    fc.assert(fc.property(times, (time) => expect(parseTime(formatTime(time))).toBe(time)));
  });

  it('[T2] orders texts as times', () => {
    fc.assert(
      fc.property(times, times, fc.nat(5000), fc.boolean(), (time, other, more, isNear) => {
        const time2 = isNear ? Math.min(time + more, Number.MAX_SAFE_INTEGER) : other;
        const [x, y] = [formatTime(time), formatTime(time2)];
        expect(x === y ? 0 : x < y ? -1 : 1).toBe(Math.sign(time - time2));
      }),
    );
  });

  it('reads only what it writes', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 30 - 1), fc.nat(2 ** 30 - 1), (hi, lo) => {
        const text = encodeBase64x64(hi, lo);
        const time = parseTime(text);
        if (time !== null) expect(formatTime(time)).toBe(text);
      }),
    );
  });

  it.each([
    ['0', 31],
    ['01', 28],
    ['0Q', 31],
    ['0P', 29],
    ['03', 30],
  ])('knows the length of month %s', (month, days) => {
    const text = (day: number): string => encodeBase64x64((month === '0' ? 0 : digit(month)) * 2 ** 18 + day * 4096, 0);
    expect(parseTime(text(days - 1))).not.toBeNull();
    expect(parseTime(text(days))).toBeNull();
  });

  it.each([
    ['an hour of 24', encodeBase64x64(24 << 6, 0)],
    ['a minute of 60', encodeBase64x64(60, 0)],
    ['a second of 60', encodeBase64x64(0, 60 << 24)],
    ['a millisecond of 1000', encodeBase64x64(0, 1000 << 12)],
    ['never', '~'],
    ['an error', '~~~~~~~~~~'],
    ['2080', calendarText('2080-01-01T00:00:00Z', 0)],
    ['nothing', ''],
    ['what is not canonical', '010'],
  ])('refuses %s', (_what, text) => {
    expect(parseTime(text)).toBeNull();
  });

  it.each([-1, 0.5, 2 ** 53, Number.NaN])('does not write %d', (time) => {
    expect(() => formatTime(time)).toThrow(RangeError);
  });

  it('come from the wall clock and lead back to it', () => {
    const ms = Date.UTC(2026, 6, 4, 5, 6, 7, 89);
    expect(msOfTime(timeOfMs(ms) + 4095)).toBe(ms);
    expect(timeOfMs(ms + 0.75)).toBe(timeOfMs(ms));
    expect(timeOfMs(0)).toBe(0);
    expect(Number.isSafeInteger(timeOfMs(Date.UTC(2300, 0, 1)) + 4095)).toBe(true);
  });
});

describe('stamps', () => {
  it('[T2] are ordered by time, then by origin', () => {
    expect(compareStamps({ time: 1, origin: b }, { time: 2, origin: a })).toBeLessThan(0);
    expect(compareStamps({ time: 2, origin: a }, { time: 1, origin: b })).toBeGreaterThan(0);
    expect(compareStamps({ time: 2, origin: a }, { time: 2, origin: b })).toBeLessThan(0);
    expect(compareStamps({ time: 2, origin: b }, { time: 2, origin: a })).toBeGreaterThan(0);
    expect(compareStamps({ time: 2, origin: b }, { time: 2, origin: b })).toBe(0);
  });

  it('[T2] have one text each', () => {
    const stamp = { time: timeOfMs(Date.UTC(2017, 5, 30, 23, 59, 59, 999)) + 4095, origin: 'Xgritzk0_D' as NodeId };
    expect(formatStamp(stamp)).toBe('1PTNwwFc~~-Xgritzk0_D');
    expect(parseStamp(formatStamp(stamp))).toEqual(stamp);
    expect(parseStamp('1PTNwwFc~~+Xgritzk0_D')).toEqual(stamp);
  });

  it.each(['', '-', '1PSN', '1PSN-', '-A', '1PSN-0', '1PSN-A-B', '1PSN+A+B', '~-A', '1PSN A', '1PSN-~'])(
    'refuses %j',
    (text) => {
      expect(parseStamp(text)).toBeNull();
    },
  );
});

function digit(text: string): number {
  return '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~'.indexOf(text.slice(-1));
}
