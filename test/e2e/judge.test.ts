/** The judge of recorded histories sees what it is there to see, and no more. */
import { describe, expect, it } from '@jest/globals';
import { judge, type Incident, type JudgeOptions } from './judge.js';
import type { Operation, Outcome } from './recording-client.js';

const OPTIONS: JudgeOptions = { heartbeatTimeoutMs: 1000, answerMsMax: 2000 };

type Line = readonly [
  span: string,
  node: number,
  kind: Operation['kind'],
  result: number | 'missing' | 'stored' | 'deleted' | 'lost' | 'UNKNOWN' | 'BUSY',
];

/** One key; operations are numbered from 1. */
const history = (...lines: Line[]): Operation[] =>
  lines.map(([span, node, kind, result], i) => {
    const [fromMs, toMs] = span.split('-').map(Number) as [number, number];
    const isLost = result === 'lost';
    const outcome: Outcome =
      typeof result === 'number'
        ? { type: 'value', value: result }
        : result === 'UNKNOWN' || result === 'BUSY'
          ? { type: 'refused', code: result }
          : result === 'deleted'
            ? { type: 'deleted', existed: true }
            : { type: result };
    const times = { invokedMs: fromMs, returnedMs: isLost ? Infinity : toMs };
    return { number: i + 1, session: 1, node, key: 'k', kind, ...times, outcome, replyCount: isLost ? 0 : 1 };
  });

const faults = (lines: Line[], incidents: Incident[] = [], options: Partial<JudgeOptions> = {}): string[] =>
  judge(history(...lines), incidents, { ...OPTIONS, ...options }).violations.map((text) => text.replace(/:.*/s, ''));

const killed = (node: number, fromMs: number, untilMs: number): Incident => ({
  kind: 'killed',
  node,
  fromMs,
  goneMs: fromMs + 5,
  untilMs,
});
const stopped = (node: number, fromMs: number, goneMs: number): Incident => ({
  kind: 'stopped',
  node,
  fromMs,
  goneMs,
  untilMs: goneMs + 100,
});

const FORBIDDEN = 'a missing that C4 forbids, or an acknowledged write lost';

describe('the judge', () => {
  it.each<[string, Line[], string[]]>([
    [
      'a lost write',
      [
        ['0-1', 0, 'set', 'stored'],
        ['5-6', 1, 'get', 'missing'],
      ],
      [FORBIDDEN],
    ],
    [
      'a value of nobody',
      [
        ['0-1', 0, 'set', 'stored'],
        ['5-6', 1, 'get', 77],
      ],
      ['a value that was never set for this key'],
    ],
    [
      'a stale read',
      [
        ['0-1', 0, 'set', 'stored'],
        ['2-3', 1, 'set', 'stored'],
        ['5-6', 1, 'get', 1],
      ],
      ['a stale read'],
    ],
    [
      'a read of the future',
      [
        ['0-1', 0, 'get', 2],
        ['5-6', 0, 'set', 'stored'],
      ],
      ['read before it was set'],
    ],
    [
      'a read that goes back',
      [
        ['0-1', 0, 'set', 'stored'],
        ['2-20', 1, 'set', 'stored'],
        ['5-6', 1, 'get', 2],
        ['8-9', 2, 'get', 1],
      ],
      ['older than what had been read before'],
    ],
    [
      'a deleted value',
      [
        ['0-1', 0, 'set', 'stored'],
        ['2-3', 1, 'delete', 'deleted'],
        ['5-6', 1, 'get', 1],
      ],
      ['a stale read'],
    ],
    ['a late answer', [['0-3000', 0, 'get', 'missing']], ['late']],
    [
      'an effect of what was refused',
      [
        ['0-1', 0, 'set', 'BUSY'],
        ['5-6', 1, 'get', 1],
      ],
      ['a value that was never set for this key'],
    ],
  ])('finds %s', (_what, lines, found) => {
    expect(faults(lines)).toEqual(found);
  });

  it('finds a second reply', () => {
    const [operation] = history(['0-1', 0, 'get', 'missing']);
    expect(judge([{ ...operation!, replyCount: 2 }], [], OPTIONS).violations).toHaveLength(1);
  });

  it.each<[string, Line[]]>([
    [
      'old or new beside a write',
      [
        ['0-1', 0, 'set', 'stored'],
        ['2-20', 1, 'set', 'stored'],
        ['5-6', 1, 'get', 1],
        ['7-8', 1, 'get', 2],
      ],
    ],
    [
      'missing before the first write',
      [
        ['0-1', 0, 'get', 'missing'],
        ['0-9', 0, 'set', 'stored'],
        ['2-3', 1, 'get', 'missing'],
      ],
    ],
    [
      'missing after a delete',
      [
        ['0-1', 0, 'set', 'stored'],
        ['2-3', 1, 'delete', 'deleted'],
        ['5-6', 1, 'get', 'missing'],
      ],
    ],
    [
      'either after an uncertain write',
      [
        ['0-1', 0, 'set', 'stored'],
        ['2-3', 1, 'set', 'lost'],
        ['5-6', 1, 'get', 1],
        ['7-8', 1, 'get', 2],
      ],
    ],
    [
      'refusals',
      [
        ['0-1', 0, 'set', 'stored'],
        ['5-6', 1, 'get', 'UNKNOWN'],
        ['7-8', 1, 'get', 'BUSY'],
      ],
    ],
  ])('allows %s', (_what, lines) => {
    expect(faults(lines)).toEqual([]);
  });

  it('allows the loss of what a killed node held, and of nothing else', () => {
    const lines: Line[] = [
      ['0-1', 0, 'set', 'stored'],
      ['50-60', 1, 'get', 'missing'],
    ];
    expect(faults(lines, [killed(0, 10, 30)])).toEqual([]);
    expect(faults(lines, [killed(2, 10, 30)])).toEqual([FORBIDDEN]);
    const again: Line[] = [
      ['0-1', 0, 'set', 'stored'],
      ['20-21', 1, 'set', 'stored'],
      ['50-60', 2, 'get', 'missing'],
    ];
    // The second write made a new entry at node 1.
    expect(faults(again, [killed(0, 10, 30)])).toEqual([FORBIDDEN]);
    expect(faults(again, [killed(0, 5, 10), killed(1, 30, 40)])).toEqual([]);
    // An update stays where the entry is.
    expect(faults(again, [killed(1, 30, 40)])).toEqual([FORBIDDEN]);
  });

  it('finds what survived the death of its owner: there was a second copy', () => {
    const lines: Line[] = [
      ['0-1', 0, 'set', 'stored'],
      ['50-60', 1, 'get', 1],
    ];
    expect(faults(lines, [killed(0, 10, 30)])).toEqual(['it had died with its owner']);
    expect(faults(lines, [killed(1, 10, 30)])).toEqual([]);
  });

  it('does not judge the order of a key of which two copies may have arisen', () => {
    const lines: Line[] = [
      ['0-1', 0, 'set', 'stored'],
      ['1500-1510', 1, 'set', 'stored'],
      ['5000-5010', 0, 'get', 1],
    ];
    const shutOut = [stopped(0, 100, 2000)];
    expect(faults(lines, shutOut)).toEqual([]);
    expect(judge(history(...lines), shutOut, OPTIONS).splitKeys).toBe(1);
    // Too short to be given up.
    expect(faults(lines, [stopped(0, 1400, 2000)])).toEqual(['a stale read']);
    expect(faults(lines, [stopped(2, 100, 2000)])).toEqual(['a stale read']);
  });

  it('allows missing while the owner is shut out, and a late answer of a node that was', () => {
    const lines: Line[] = [
      ['0-1', 0, 'set', 'stored'],
      ['1500-1510', 1, 'get', 'missing'],
    ];
    expect(faults(lines, [stopped(0, 100, 2000)])).toEqual([]);
    expect(faults(lines, [stopped(2, 100, 2000)])).toEqual([FORBIDDEN]);
    expect(faults([['0-3000', 0, 'get', 'missing']], [stopped(0, 100, 2900)])).toEqual([]);
    expect(faults([['0-3000', 1, 'get', 'missing']], [stopped(0, 100, 2900)])).toEqual(['late']);
  });
});
