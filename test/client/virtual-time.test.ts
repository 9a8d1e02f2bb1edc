/** With its timers injected the client needs no real time at all. */
import { expect, it } from '@jest/globals';
import { connect } from '../../src/client/index.js';
import type { SocketConstructor, Timers } from '../../src/client/index.js';
import { HeldSocket, encoded } from './held-socket.js';

class VirtualTimers implements Timers {
  #nowMs = 0;
  readonly #due = new Map<object, { readonly atMs: number; readonly callback: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  setTimeout(callback: () => void, delayMs: number): object {
    const timer = {};
    this.#due.set(timer, { atMs: this.#nowMs + delayMs, callback });
    return timer;
  }

  clearTimeout(timer: unknown): void {
    this.#due.delete(timer as object);
  }

  /** Fires all that is due until then, in order, with the promises that follow on each. */
  async advance(spanMs: number): Promise<void> {
    const endMs = this.#nowMs + spanMs;
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const [next] = [...this.#due].sort(([, a], [, b]) => a.atMs - b.atMs);
      if (next === undefined || next[1].atMs > endMs) break;
      this.#nowMs = next[1].atMs;
      this.#due.delete(next[0]);
      next[1].callback();
    }
    this.#nowMs = endMs;
  }

  get runningCount(): number {
    return this.#due.size;
  }
}

it('runs in virtual time: deadline, pings, reconnect', async () => {
  const timers = new VirtualTimers();
  const statuses: [number, string, string | undefined][] = [];
  const connecting = connect('ws://held', {
    timers,
    random: () => 0.5,
    WebSocket: HeldSocket as unknown as SocketConstructor,
    onStatus: ({ status, error }) => statuses.push([timers.now(), status, error?.code]),
  });
  await timers.advance(0);
  const client = await connecting;
  const first = HeldSocket.last;

  const timedOut = client.get('k').catch((error: unknown) => error);
  await timers.advance(4999);
  expect(client.status).toBe('open');
  await timers.advance(1);
  expect(await timedOut).toMatchObject({ code: 'TIMEOUT' });

  // The silence is suspicious now: a ping at once, another after 5 s, given up after 5 more, dialled after half of 100 ms.
  await timers.advance(10_050);
  expect(statuses).toEqual([
    [0, 'open', undefined],
    [15_000, 'connecting', 'DISCONNECTED'],
    [15_050, 'open', undefined],
  ]);
  const second = HeldSocket.last;
  expect(second).not.toBe(first);

  // Without requests it takes the interval of 30 s, and an answer puts it off.
  await timers.advance(30_000);
  second.receive(encoded({ type: 'pong', id: 0 }));
  await timers.advance(30_000 + 5000 + 4999);
  expect(client.status).toBe('open');
  await timers.advance(1);
  expect(client.status).toBe('connecting');

  await client.close();
  expect(timers.runningCount).toBe(0);
});
