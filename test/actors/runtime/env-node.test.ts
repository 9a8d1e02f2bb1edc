import { describe, expect, it } from '@jest/globals';
import { nodeEnv } from '../../../src/actors/runtime/env-node.js';

const env = nodeEnv({ log: () => undefined });

describe('nodeEnv', () => {
  it('fires its one alarm when the time has come, not before', async () => {
    const atMs = env.now() + 20;
    const fired: string[] = [];
    env.setAlarm(env.now() + 1, () => fired.push('replaced'));
    const firedMs = await new Promise<number>((resolve) => env.setAlarm(atMs, () => resolve(env.now())));
    expect(firedMs).toBeGreaterThanOrEqual(atMs);
    expect(fired).toEqual([]);
  });

  it('forgets a cleared alarm, waits for one in a month, and is not hurt by one in the past', async () => {
    const fired: string[] = [];
    env.setAlarm(env.now() + 1, () => fired.push('cleared'));
    env.setAlarm(null, () => undefined);
    env.setAlarm(env.now() + 2 ** 32, () => fired.push('too early'));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(fired).toEqual([]);
    await new Promise<void>((resolve) => env.setAlarm(env.now() - 5, resolve));
  });

  it('defers to after what is already due, and draws in range', async () => {
    const order: string[] = [];
    await new Promise<void>((resolve) => {
      env.defer(() => {
        order.push('deferred');
        resolve();
      });
      order.push('now');
    });
    expect(order).toEqual(['now', 'deferred']);
    for (let n = 0; n < 1000; n++) {
      expect(env.random.below(6)).toBeLessThan(6);
      expect(Number.isInteger(env.random.below(6))).toBe(true);
      expect(env.random.uint32()).toBeLessThan(2 ** 32);
    }
    expect(Math.abs(env.wallMs() - Date.now())).toBeLessThan(1000);
  });
});
