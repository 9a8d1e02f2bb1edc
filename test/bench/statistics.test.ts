/** Medians, ratios within a round, and what counts as a change. */
import { describe, expect, it } from '@jest/globals';
import { differs, spread } from '../../bench/statistics.mjs';
import { ratioOf, summarise, summariseFacts } from '../../bench/summary.mjs';
import { measurement, rounds } from './recorded.js';

describe('the spread of some values', () => {
  it('is their median with the least and the greatest', () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3, count: 3 });
    expect(spread([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4, count: 4 });
  });

  it('is none where something could not be measured', () => {
    for (const values of [[], [1, null], [1, NaN], [Infinity]]) expect(spread(values)).toBeNull();
  });
});

describe('a change', () => {
  const steady = { median: 100, min: 99, max: 101, count: 5 };

  it('is one where ranges are apart by more than their width', () => {
    expect(differs(steady, { median: 110, min: 109, max: 111, count: 5 })).toBe(true);
    expect(differs(steady, { median: 90, min: 89, max: 91, count: 5 })).toBe(true);
  });

  it('is none where ranges overlap, are wide, or differ by less than 3 %', () => {
    expect(differs(steady, { median: 110, min: 100, max: 111, count: 5 })).toBe(false);
    expect(differs(steady, { median: 110, min: 102, max: 130, count: 5 })).toBe(false);
    expect(differs(steady, { median: 102.5, min: 102.4, max: 102.6, count: 5 })).toBe(false);
  });

  it('is not to be told from one or two rounds', () => {
    expect(differs(steady, { median: 500, min: 500, max: 500, count: 1 })).toBeNull();
    expect(differs({ ...steady, count: 2 }, steady)).toBeNull();
  });
});

describe('a summary', () => {
  const measurements = rounds([
    ['GET 50 x 16', 'redis-server', 1000, 2],
    ['GET 50 x 16', 'swarmbus', 1300, 1],
  ]);

  it('takes ratios within a round, so that a slow round changes none', () => {
    const [redis, own] = summarise(measurements);
    expect(own?.requestsPerSecond).toEqual({ median: 1300, min: 650, max: 1326, count: 3 });
    expect(own?.ratio?.median).toBeCloseTo(1.3);
    expect(own?.ratio?.min).toBeCloseTo(1.3);
    expect(own?.cpuRatio?.median).toBeCloseTo(2);
    expect(redis?.ratio?.median).toBe(1);
  });

  it('has latencies of all rounds together', () => {
    const slow = measurement({
      scenario: 'GET 50 x 16',
      system: 'swarmbus',
      round: 3,
      requestsPerSecond: 1300,
      latenciesUs: [9000],
    });
    const own = summarise([...measurements, slow]).find(({ system }) => system === 'swarmbus');
    expect(own?.allLatencyUs['p9999']).toBeGreaterThan(8990);
    expect(own?.curve[0]?.[1]).toBeCloseTo(100, 0);
    expect(own?.curve.at(-1)?.[1]).toBeGreaterThan(8990);
  });

  it('compares with any other system', () => {
    const read = (one: { requestsPerSecond: number }): number => one.requestsPerSecond;
    expect(ratioOf(measurements, 'owner', 'GET 50 x 16', 'redis-server', 'swarmbus', read)?.median).toBeCloseTo(
      1 / 1.3,
    );
    expect(ratioOf(measurements, 'owner', 'GET 50 x 16', 'redis-server', 'nats', read)).toBeNull();
  });

  it('puts the values of one fact together, those of other sizes apart', () => {
    const fact = { section: 's', name: 'time', system: 'swarmbus', unit: 'ms' };
    const facts = [1, 3].map((value) => ({ ...fact, value }));
    expect(summariseFacts([...facts, { ...fact, x: 4, value: 9 }])).toEqual([
      { ...fact, value: { median: 2, min: 1, max: 3, count: 2 } },
      { ...fact, x: 4, value: { median: 9, min: 9, max: 9, count: 1 } },
    ]);
  });
});
