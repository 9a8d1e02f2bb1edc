/** How the benchmark counts latencies: the layout of buckets, percentiles, and the text form that plotters read. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { bucketOf, latencyUs, mergeBuckets, percentileNs, toHgrm, valueOf } from '../../bench/histogram.mjs';

/** Buckets of these times in nanoseconds. */
function bucketsOf(times: number[]): number[][] {
  return mergeBuckets(times.map((ns) => [[bucketOf(ns), 1]]));
}

describe('buckets', () => {
  it('hold a time to a tenth of a percent, and are in order', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (ns) => {
        const value = valueOf(bucketOf(ns));
        expect(value).toBeGreaterThanOrEqual(ns);
        expect(value - ns).toBeLessThanOrEqual(ns / 1000);
        expect(bucketOf(value + 1)).toBe(bucketOf(ns) + 1);
      }),
    );
  });

  it('hold each time below 1024 ns by itself', () => {
    for (const ns of [0, 1, 1000, 1023]) expect(valueOf(bucketOf(ns))).toBe(ns);
  });
});

describe('percentiles', () => {
  const times = Array.from({ length: 1000 }, (_, i) => i + 1);

  it('are the least time that so many do not exceed', () => {
    const buckets = bucketsOf(times);
    expect(percentileNs(buckets, 50)).toBe(500);
    expect(percentileNs(buckets, 99.9)).toBe(999);
    expect(percentileNs(buckets, 100)).toBe(1000);
    expect(percentileNs(buckets, 0)).toBe(1);
    expect(percentileNs([], 50)).toBeNull();
  });

  it('are those of all rounds together', () => {
    const merged = mergeBuckets([bucketsOf(times.slice(0, 300)), bucketsOf(times.slice(300)), []]);
    expect(merged).toEqual(bucketsOf(times));
    expect(latencyUs(merged)).toEqual({ p50: 0.5, p90: 0.9, p99: 0.99, p999: 0.999, p9999: 1, max: 1 });
  });
});

it('writes the text form of HdrHistogram, from 0 to 100 %, with mean and deviation', () => {
  const lines = toHgrm(bucketsOf([1000, 1000, 1000, 5000])).split('\n');
  const rows = lines.slice(2).filter((line) => line !== '' && !line.startsWith('#'));
  const columns = rows.map((line) => line.trim().split(/ +/).map(Number));
  expect(lines[0]).toBe('       Value     Percentile TotalCount 1/(1-Percentile)');
  expect(columns[0]).toEqual([1, 0, 3, 1]);
  expect(rows.at(-1)).toMatch(/^ +5\.00\d 1\.0{12} +4 +inf$/);
  for (const column of [0, 1, 2]) {
    const values = columns.map((row) => row[column] as number);
    expect(values).toEqual(values.toSorted((a, b) => a - b));
  }
  expect(lines.find((line) => line.startsWith('#[Mean'))).toMatch(/Mean {4}= +2\.00\d, StdDeviation {3}= +1\.73\d\]/);
  expect(lines.find((line) => line.startsWith('#[Max'))).toMatch(/Max {5}= +5\.00\d, Total count {4}= +4\]/);
});
