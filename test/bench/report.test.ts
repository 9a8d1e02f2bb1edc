/** What is made of a run: the table of costs, the report in both forms, and the comparison of two of them. */
import { describe, expect, it } from '@jest/globals';
import { costsOf } from '../../bench/costs.mjs';
import { describeChanges, readChanges } from '../../bench/report/changes.mjs';
import { toHtml } from '../../bench/report/html.mjs';
import { toMarkdown } from '../../bench/report/markdown.mjs';
import { barChart, lineChart } from '../../bench/report/plot.mjs';
import { measurement, report, rounds } from './recorded.js';

const FACTS = [
  { section: 'million', name: 'resident bytes per key', system: 'redis-server', value: 160, unit: 'B' },
  { section: 'million', name: 'resident bytes per key', system: 'swarmbus', value: 240, unit: 'B' },
  { section: 'million', name: 'pause of the event loop p99.9 (GET 50 x 16)', system: 'swarmbus', value: 3, unit: 'ms' },
  {
    section: 'million',
    name: 'pause of the event loop p99.9 (SET 50 x 16)',
    system: 'swarmbus',
    value: 30,
    unit: 'ms',
  },
  {
    section: 'owner',
    name: 'messages for one GET, known',
    system: 'swarmbus',
    value: 4,
    required: 4,
    unit: 'messages',
  },
  {
    section: 'replicas',
    name: 'ops from a client to a durable peer, in batches',
    system: 'swarmbus',
    value: 250_000,
    unit: 'ops/s',
  },
  { section: 'replicas', name: 'edits of a document, to hocuspocus', system: 'swarmbus', value: 4, unit: 'x' },
  {
    section: 'replicas',
    name: 'edits of a document, to hocuspocus, by processor time',
    system: 'swarmbus',
    value: 6,
    unit: 'x',
  },
  { section: 'replicas', name: 'opening a database of 20,000 ops', system: 'swarmbus', value: 9, unit: 'ms' },
  { section: 'owner', name: 'bytes', system: 'swarmbus', x: 4, value: 7, unit: 'B' },
  { section: 'owner', name: 'bytes', system: 'swarmbus', x: 8, value: 9, unit: 'B' },
];

function run(own: number) {
  const measurements = [
    ...rounds([
      ['GET 50 x 16', 'redis-server', 1000, 2],
      ['GET 50 x 16', 'swarmbus', own, 1],
      ['GET 50 x 16', 'bare', 1600, 1],
      ['GET 50 x 16', 'swarmbus-1-hop', 400, 5],
      ['GET 50 x 16', 'nats-leaf', 100, 50],
      ['ECHO 50 x 16', 'echo', 9000, 1],
    ]),
    measurement({
      section: 'hops',
      scenario: 'GET 50 x 16',
      system: 'swarmbus-2-hop',
      round: 0,
      requestsPerSecond: 300,
      processes: { 'swarmbus-2-hop relay 1': 1.4 },
    }),
  ];
  const made = report(measurements, FACTS);
  return { ...made, costs: costsOf(made) };
}

describe('the table of costs', () => {
  const costs = run(1300).costs;
  const find = (text: string) => costs.find(({ what }) => what.includes(text));

  it.each([
    ['GET at the owner, 50 x 16', 1.3, true],
    ['GET one hop away, 50 x 16, to a local', 0.4, false],
    ['through a leaf node', 4, false],
    ['keep of a bare server: GET 50 x 16', 0.8125, true],
    ['messages for one GET', 4, true],
    ['relay hop', 1.4, true],
    ['memory per key', 1.5, false],
    ['pause of the event loop', 30, false],
    ['to a durable peer', 250_000, true],
    ['to Hocuspocus', 4, false],
  ])('has for "%s" what was reached', (what, reached, holds) => {
    expect(find(what)?.reached?.median).toBeCloseTo(reached);
    expect(find(what)?.holds).toBe(holds);
  });

  it('tells ratios by processor time beside them', () => {
    expect(find('GET at the owner, 50 x 16')?.byCpu?.median).toBeCloseTo(2);
    expect(find('to Hocuspocus')?.byCpu?.median).toBeCloseTo(6);
  });

  it('says of what was not measured neither yes nor no', () => {
    expect(find('SET at the owner, 10 x 128')).toMatchObject({ reached: null, holds: null });
    expect(find('idle session')).toMatchObject({ reached: null, holds: null });
    expect(find('opening a database of 1,000,000 ops')).toMatchObject({ reached: null, holds: null });
  });
});

it('is written as Markdown: machine, notes, what is missing, tables', () => {
  const text = toMarkdown(run(1300));
  for (const part of [
    '2 x CPU <1>, 2.0 GiB, Linux 6, node 20, commit abc',
    'Note: busy.',
    'Not measured: nats. nats-server is not installed: `make bench-deps`.',
    'Repeat with `node bench/main.mjs`.',
  ])
    expect(text).toContain(part);
  expect(text).toMatch(
    /\| GET at the owner, 50 x 16, to redis-server +\| at least 1 x +\| 1\.30 \(1\.30 to 1\.30\) +\| +2\.00 \| yes +\|/,
  );
  expect(text).toMatch(
    /\| GET 50 x 16 \| swarmbus +\| +1,300 \(650 to 1,326\) \| +1\.30 \(1\.30 to 1\.30\) \| +2\.00 \|/,
  );
  expect(text).toMatch(/\| nodes +\| +4 \| +8 \|\n.*\n\| bytes \(B\) \| 7\.00 \| 9\.00 \|/);
  expect(text).toMatch(/\| ECHO 50 x 16 \| +9,000/);
});

it('is written as a page that needs nothing else, with its text escaped', () => {
  const page = toHtml(run(1300));
  expect(page).toContain('2 x CPU &lt;1&gt;');
  expect(page).not.toContain('CPU <1>');
  expect(page).not.toMatch(/<(script|link|img|iframe)|url\(|@import|https?:/);
  const balance = (tag: string): number[] => [page.split(`<${tag}`).length, page.split(`</${tag}>`).length];
  for (const tag of ['figure', 'svg', 'table', 'details', 'div', 'text', 'title']) {
    const [opened, closed] = balance(tag);
    expect([tag, opened]).toEqual([tag, closed]);
  }
  for (const title of [
    'GET 50 x 16: requests per second',
    'GET 50 x 16: latency of a batch',
    'bytes, B',
    'a node leaves',
  ])
    expect(page).toContain(`<figcaption>${title}`);
  expect(page).not.toMatch(/NaN|Infinity|undefined/);
});

describe('plots', () => {
  it('draw bars in proportion', () => {
    const svg = barChart({
      title: 'a',
      bars: [
        { name: 'x', value: 10 },
        { name: 'y', value: 5 },
      ],
    });
    const widths = [...svg.matchAll(/width="([\d.]+)"/g)].map(([, width]) => Number(width));
    expect(widths[0]).toBeCloseTo(2 * (widths[1] as number), 0);
  });

  it('place points from left to right and from bottom to top, on every kind of axis', () => {
    for (const xScale of ['linear', 'log', 'percentile']) {
      for (const yScale of ['linear', 'log']) {
        const points = [
          [1, 2],
          [50, 30],
          [99, 400],
        ];
        const svg = lineChart({
          title: 'a',
          xLabel: 'x',
          yLabel: 'y',
          xScale,
          yScale,
          series: [{ name: 's', points }],
        });
        const drawn = [...svg.matchAll(/cx="([\d.]+)" cy="([\d.]+)"/g)].map(([, x, y]) => [Number(x), Number(y)]);
        expect(drawn).toHaveLength(3);
        for (const axis of [0, 1]) {
          const values = drawn.map((point) => (axis === 0 ? point[0] : -(point[1] as number)) as number);
          expect(values).toEqual(values.toSorted((a, b) => a - b));
          expect(new Set(values).size).toBe(3);
        }
      }
    }
  });

  it('survive having nothing, one point, or only zeros to show', () => {
    for (const points of [
      [],
      [[1, 0]],
      [
        [1, 0],
        [2, 0],
      ],
    ]) {
      for (const scale of ['linear', 'log']) {
        const svg = lineChart({
          title: 'a',
          xLabel: 'x',
          yLabel: 'y',
          xScale: scale,
          yScale: scale,
          series: [{ name: 's', points }],
        });
        expect(svg).not.toMatch(/NaN|Infinity/);
      }
    }
  });
});

describe('the comparison of two reports', () => {
  it('tells what has changed, by ratio where there is one, and the rest as noise', () => {
    const [a, b] = [run(1300), run(1950)];
    const changes = readChanges(a, b);
    expect(changes.changed).toMatchObject([
      { what: 'owner: GET 50 x 16, swarmbus, ratio to redis-server', isMore: true, isBetter: true },
    ]);
    const text = describeChanges(a, b, changes);
    expect(text).toContain('better   +50 %  owner: GET 50 x 16, swarmbus, ratio to redis-server: 1.30');
    expect(describeChanges(b, a, readChanges(b, a))).toContain('worse    -33 %');
    expect(text).toMatch(/within noise: \d+; measured too rarely to judge: \d+\n$/);
  });

  it('finds nothing between a report and itself', () => {
    const same = run(1300);
    expect(readChanges(same, same).changed).toEqual([]);
    expect(describeChanges(same, same, readChanges(same, same))).toContain('nothing has changed beyond noise');
  });
});
