import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HybridClock } from '../../src/store/clock.js';
import type { NodeId } from '../../src/store/node-id.js';
import { msOfTime, timeOfMs } from '../../src/store/stamp.js';

const wallMs = Date.UTC(2026, 0, 1);

describe('the hybrid clock', () => {
  it('[T2] follows the wall clock', () => {
    const clock = new HybridClock('A' as NodeId);
    expect(clock.tick(wallMs)).toBe(timeOfMs(wallMs));
    expect(clock.tick(wallMs)).toBe(timeOfMs(wallMs) + 1);
    expect(clock.tick(wallMs + 1)).toBe(timeOfMs(wallMs + 1));
    expect(clock.last).toBe(timeOfMs(wallMs + 1));
  });

  it('[T2] carries into the milliseconds after 4,096 times of one', () => {
    const clock = new HybridClock('A' as NodeId);
    let time = 0;
    for (let i = 0; i <= 4096; i += 1) time = clock.tick(wallMs);
    expect(time).toBe(timeOfMs(wallMs + 1));
    expect(msOfTime(time)).toBe(wallMs + 1);
    expect(clock.tick(wallMs + 1)).toBe(time + 1);
  });

  it('[T2] gives a time above every one seen, whatever the wall clock does', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ wallMs: fc.integer({ min: wallMs - 1000, max: wallMs + 1000 }) }),
        fc.record({ heard: fc.integer({ min: timeOfMs(wallMs - 1000), max: timeOfMs(wallMs + 1000) }) }),
      ),
    );
    fc.assert(
      fc.property(steps, (list) => {
        const clock = new HybridClock('A' as NodeId);
        let highest = 0;
        for (const step of list) {
          if ('heard' in step) {
            clock.observe(step.heard);
            highest = Math.max(highest, step.heard);
          } else {
            const time = clock.tick(step.wallMs);
            expect(time).toBe(Math.max(highest + 1, timeOfMs(step.wallMs)));
            highest = time;
          }
          expect(clock.last).toBe(highest);
        }
      }),
    );
  });
});
