// Mailbox and timers against the simplest thing that does the same.

import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Mailbox } from '../../../src/actors/runtime/mailbox.js';
import { Ring } from '../../../src/actors/runtime/ring.js';
import { Timers } from '../../../src/actors/runtime/timers.js';
import type { TimerOwner } from '../../../src/actors/runtime/timers.js';

describe('Mailbox', () => {
  it('behaves like a list of pairs', () => {
    const step = fc.constantFrom('push', 'push', 'push', 'shift', 'remove', 'unshift', 'shrink', 'sample', 'release');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const mailbox = new Mailbox<number, string>();
        let list: [number, string][] = [];
        let next = 0;
        for (const what of steps) {
          if (what === 'push') {
            mailbox.push(next, String(next));
            list.push([next, String(next)]);
            next += 1;
          } else if (what === 'shift' && list.length > 0) {
            expect([mailbox.first(), mailbox.second()]).toEqual(list.shift());
            mailbox.shift();
          } else if (what === 'remove' && list.length > 0) {
            const index = list.findIndex(([n]) => n % 5 === 0);
            expect(mailbox.remove((n) => n % 5 === 0)).toBe(index >= 0);
            if (index >= 0) list.splice(index, 1);
          } else if (what === 'unshift') {
            const older = new Mailbox<number, string>();
            const pairs = Array.from({ length: 5 }, (_, i): [number, string] => [next + i, String(next + i)]);
            for (const [first, second] of pairs) older.push(first, second);
            next += 5;
            mailbox.unshiftAll(older);
            expect(older.size).toBe(0);
            list = [...pairs, ...list];
          } else if (what === 'shrink') mailbox.shrink();
          else if (what === 'sample') mailbox.sample();
          else if (what === 'release' && list.length === 0) mailbox.release();
          expect(mailbox.size).toBe(list.length);
        }
        const rest: [number, string][] = [];
        for (; mailbox.size > 0; mailbox.shift()) rest.push([mailbox.first(), mailbox.second()]);
        expect(rest).toEqual(list);
      }),
    );
  });

  it('starts with nothing, doubles, and gives back what it did not need', () => {
    const mailbox = new Mailbox<number, null>();
    expect(mailbox.room).toBe(0);
    for (let n = 0; n < 100; n++) mailbox.push(n, null);
    expect(mailbox.room).toBe(128);
    mailbox.sample();
    while (mailbox.size > 0) mailbox.shift();
    expect(mailbox.shrink()).toBe(true);
    expect(mailbox.room).toBe(128);
    expect(mailbox.shrink()).toBe(false);
    expect(mailbox.room).toBe(8);
    mailbox.release();
    expect(mailbox.room).toBe(0);
  });
});

describe('Ring', () => {
  it('keeps order while it grows', () => {
    const ring = new Ring<number>(2);
    const out: (number | undefined)[] = [];
    for (let n = 0; n < 100; n++) {
      ring.push(n);
      if (n % 3 === 0) out.push(ring.shift());
    }
    while (ring.size > 0) out.push(ring.shift());
    expect(out).toEqual(Array.from({ length: 100 }, (_, n) => n));
    expect(ring.shift()).toBeUndefined();
  });
});

describe('Timers', () => {
  it('behave like a sorted list; an id is never that of another timer', () => {
    const step = fc.oneof(
      { weight: 4, arbitrary: fc.record({ set: fc.nat(50), owner: fc.nat(2) }) },
      { weight: 4, arbitrary: fc.record({ cancel: fc.nat(300) }) },
      fc.record({ pass: fc.nat(20) }),
      fc.record({ endAll: fc.nat(2) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const timers = new Timers();
        const owners: TimerOwner[] = [0, 1, 2].map(() => ({ timers: null }));
        let list: { id: number; at: number; order: number; owner: number }[] = [];
        const ids: number[] = [];
        let now = 0;
        for (const [order, what] of steps.entries()) {
          if ('set' in what) {
            const id = timers.set(now + what.set, owners[what.owner] as TimerOwner, 0, order);
            expect(ids).not.toContain(id);
            ids.push(id);
            list.push({ id, at: now + what.set, order, owner: what.owner });
          } else if ('cancel' in what) {
            const id = ids[what.cancel % Math.max(1, ids.length)] ?? 0;
            const timer = timers.get(id);
            expect(timer !== null).toBe(list.some((one) => one.id === id));
            if (timer !== null) timers.end(timer);
            list = list.filter((one) => one.id !== id);
          } else if ('endAll' in what) {
            const owner = owners[what.endAll] as TimerOwner;
            while (owner.timers !== null) timers.end(owner.timers);
            list = list.filter((one) => one.owner !== what.endAll);
          } else {
            now += what.pass;
            const due = list.filter(({ at }) => at <= now).sort((a, b) => a.at - b.at || a.order - b.order);
            list = list.filter(({ at }) => at > now);
            for (const { id, order: payload } of due) {
              const timer = timers.due(now);
              expect([timer?.id, timer?.payload]).toEqual([id, payload]);
              if (timer !== null) timers.end(timer);
            }
            expect(timers.due(now)).toBeNull();
          }
          expect(timers.liveCount).toBe(list.length);
          expect(timers.nextAtMs()).toBe(list.length === 0 ? null : Math.min(...list.map(({ at }) => at)));
        }
      }),
    );
  });
});
