/** The checks of what a run of a database leaves: each notices what it is for, and nothing in a run without faults. */
import { expect, it } from '@jest/globals';
import type { NodeId } from '../../src/store/node-id.js';
import { checkSets } from '../../src/testing/replica-simulator/check/no-op-lost.js';
import { checkSnapshots } from '../../src/testing/replica-simulator/check/snapshots.js';
import type { LogEvidence, WrittenOp } from '../../src/testing/replica-simulator/evidence.js';
import type { ObjectType } from '../../src/testing/replica-simulator/plan.js';

const ORIGIN = 'A1' as NodeId;
const NAMES = { set: 'set/o0', text: 'text/o0' } as const;

const op = (type: ObjectType, time: number, value: number | null, removed: number | null = null): WrittenOp => ({
  writer: 0,
  type,
  object: 'o0',
  value,
  removed,
  atMs: time,
  ids: [{ origin: ORIGIN, time }],
  seen: new Map(),
  number: time,
  isUncertain: false,
  isRebasedByName: false,
  spread: null,
});

const logWith = (name: string, view: unknown): LogEvidence => ({
  node: 0,
  floor: 0,
  entries: [],
  prevTimes: [],
  last: new Map([[ORIGIN, 3]]),
  lastAtFloor: new Map(),
  chainDigest: '',
  states: new Map([[name, { encoded: '', view }]]),
  snapshots: new Map([[name, { vector: new Map([[ORIGIN, 3]]), view }]]),
  mailboxes: [],
});

it.each([
  ['set', [11], [11, 12], [], [11, 99]],
  ['text', '<11>', '<11><12>', '', '<11><99>'],
] as const)('of a %s: what is missing, what is back, what is strange', (type, right, back, missing, strange) => {
  const ops = [op(type, 1, 11), op(type, 2, 12), op(type, 3, null, 12)];
  const found = (view: unknown): string[] => [
    ...checkSets([logWith(NAMES[type], view)], ops),
    ...checkSnapshots([logWith(NAMES[type], view)], ops),
  ];
  expect(found(right)).toEqual([]);
  expect(found(back)).toEqual([expect.stringContaining('12 was removed by')]);
  expect(found(missing)).toEqual([
    expect.stringContaining('is not there'),
    expect.stringContaining('does not show 11'),
  ]);
  expect(found(strange)).toEqual([expect.stringContaining('99 was never added')]);
});

it('of a text: words that are torn, and letters that are none', () => {
  const ops = [op('text', 1, 11), op('text', 2, 12)];
  for (const view of ['<1<12>1>', '<11><12>x'])
    expect(checkSets([logWith(NAMES.text, view)], ops).join()).toContain('words are torn');
});
