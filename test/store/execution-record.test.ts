import { describe, expect, it } from '@jest/globals';
import { ExecutionRecord } from '../../src/store/execution-record.js';
import type { NodeId } from '../../src/store/node-id.js';

const A = 'A' as NodeId;

describe('what was executed for other nodes', () => {
  it('[D1] is answered again, not executed again', () => {
    const record = new ExecutionRecord<string>();
    expect(record.judge(A, 1, 5, 7)).toEqual({ kind: 'new' });
    record.record(A, 7, 'k', 'first');
    expect(record.judge(A, 1, 5, 7)).toEqual({ kind: 'known', result: 'first' });
    expect(record.judge(A, 1, 5, 6)).toEqual({ kind: 'new' });
  });

  it('[D1] is forgotten below the floor, and refused there', () => {
    const record = new ExecutionRecord<string>();
    for (let number = 1; number <= 100; number += 1) {
      expect(record.judge(A, 1, Math.max(1, number - 9), number).kind).toBe('new');
      record.record(A, number, 'k', `result ${number}`);
    }
    expect(record.count).toBe(10);
    expect(record.judge(A, 1, 91, 91)).toEqual({ kind: 'known', result: 'result 91' });
    expect(record.judge(A, 1, 91, 90)).toEqual({ kind: 'late' });
    // A floor that comes late does not lower it.
    expect(record.judge(A, 1, 3, 90)).toEqual({ kind: 'late' });
  });

  it('[C3] tells whether a later request for the key was among it', () => {
    const record = new ExecutionRecord<string>();
    record.judge(A, 1, 1, 3);
    record.record(A, 3, 'other', 'result 3');
    expect(record.isOvertaken(A, 1, 2, 'k')).toBe(false);
    record.record(A, 4, 'k', 'result 4');
    expect(record.isOvertaken(A, 1, 2, 'k')).toBe(true);
    expect(record.isOvertaken(A, 2, 2, 'k')).toBe(false);
    expect(record.isOvertaken(A, 1, 5, 'k')).toBe(false);
    record.judge(A, 2, 1, 1);
    expect(record.isOvertaken(A, 2, 1, 'k')).toBe(false);
  });

  it('[D1] begins anew with each life of the asking node, and refuses former lives', () => {
    const record = new ExecutionRecord<string>();
    record.judge(A, 10, 50, 50);
    record.record(A, 50, 'k', 'old');
    expect(record.judge(A, 11, 1, 50)).toEqual({ kind: 'new' });
    expect(record.judge(A, 10, 50, 51)).toEqual({ kind: 'late' });
    expect(record.count).toBe(0);
    record.forget(A);
    expect(record.origins()).toEqual([]);
  });

  it('[D1] [K1] is not executed again while its result is awaited, unless it is taken back', () => {
    const record = new ExecutionRecord<string>();
    for (const number of [7, 8, 9]) {
      record.judge(A, 1, 5, number);
      record.begin(A, number);
      expect(record.judge(A, 1, 5, number)).toEqual({ kind: 'begun' });
    }
    record.record(A, 7, 'k', 'done');
    expect(record.judge(A, 1, 5, 7)).toEqual({ kind: 'known', result: 'done' });
    record.withdraw(A, 8);
    expect(record.judge(A, 1, 5, 8)).toEqual({ kind: 'new' });
    expect(record.judge(A, 1, 10, 9)).toEqual({ kind: 'late' });
    expect(record.judge(A, 2, 1, 9)).toEqual({ kind: 'new' });
  });

  it('[D1] a request below its own floor is not executed', () => {
    expect(new ExecutionRecord<string>().judge(A, 1, 5, 4)).toEqual({ kind: 'late' });
  });

  it('[D1] moves with its key, and does not outdo what the next owner knows', () => {
    const [former, next] = [new ExecutionRecord<string>(), new ExecutionRecord<string>()];
    for (const [number, key] of ['a', 'b', 'a'].entries()) {
      former.judge(A, 1, 1, number + 1);
      former.record(A, number + 1, key, `result ${number + 1}`);
    }
    const moving = former.recordsOf(new Set(['a']));
    expect(moving.map(({ number, key }) => [number, key])).toEqual([
      [1, 'a'],
      [3, 'a'],
    ]);
    next.judge(A, 1, 2, 7);
    for (const record of moving) next.adopt(record);
    expect(next.judge(A, 1, 2, 3)).toEqual({ kind: 'known', result: 'result 3' });
    // Answered already, by the asking node's own word.
    expect(next.judge(A, 1, 2, 1)).toEqual({ kind: 'late' });
    // Nobody sends again what an earlier life has asked.
    next.judge(A, 2, 1, 1);
    for (const record of moving) next.adopt(record);
    expect(next.judge(A, 2, 1, 3)).toEqual({ kind: 'new' });
  });
});
