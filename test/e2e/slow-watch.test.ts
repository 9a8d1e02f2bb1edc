/** A client that watches and does not read, at a real node: nobody else feels it, and it is not deceived. */
import { describe, expect, it } from '@jest/globals';
import type { Client } from '../../src/client/index.js';
import { pause, until, useProcesses, type NodeProcess } from './processes.js';
import { openRaw, pack, type RawClient } from './raw-client.js';

const processes = useProcesses(120_000);
const VALUE = 'x'.repeat(10_000);
/** As in src/actors/session.ts. */
const SLOW_MS = 10_000;
const WATCH = 7;

interface Sessions {
  readonly gaps: number;
  readonly slow: number;
  readonly slowClosed: number;
}

const sessionsOf = async (node: NodeProcess): Promise<Sessions> =>
  (await node.inspect<{ sessions: Sessions }>('counters')).sessions;

/** Watches all keys, and has heard so. */
const watcher = async (node: NodeProcess): Promise<RawClient> => {
  const client = await openRaw(node.url);
  client.send(pack([8, WATCH, { prefix: '', values: true }]));
  await client.reply(WATCH);
  return client;
};

/** The 99th percentile of the time for a get and a set, in ms, while `isOver` is not. */
const p99 = async (client: Client, isOver: () => boolean): Promise<number> => {
  const times: number[] = [];
  for (let i = 0; !isOver(); i += 1) {
    const beganMs = performance.now();
    await client.set('other', i);
    expect(await client.get('other')).toBe(i);
    times.push(performance.now() - beganMs);
    await pause(2);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)] ?? NaN;
};

describe('13. a client that watches and does not read', () => {
  it('[LM5] [WT6] slows nobody down, is closed with a reason and counted', async () => {
    const node = await processes.node();
    const [writer, other, keen] = [await node.client(), await node.client(), await node.client()];
    const watch = keen.watch({ prefix: 'k', values: true });
    await watch.ready;
    const before = performance.now();
    const quiet = await p99(other, () => performance.now() - before > 1000);

    const deaf = await watcher(node);
    deaf.socket.pause();
    const beganMs = performance.now();
    let written = 0;
    const isClosed = async (): Promise<boolean> => (await sessionsOf(node)).slowClosed === 1;
    let isOver = false;
    const busy = p99(other, () => isOver);
    // Somebody who reads misses nothing meanwhile.
    const read = (async () => {
      let count = 0;
      for await (const { kind } of watch) {
        if (kind === 'delete') return count;
        expect(kind).toBe('set');
        count += 1;
      }
      return -1;
    })();
    while (performance.now() - beganMs < 2 * SLOW_MS && !isOver) {
      for (let i = 0; i < 20; i += 1) await writer.set(`k${written++ % 50}`, VALUE);
      await pause(10);
      isOver = await isClosed();
    }
    expect(isOver).toBe(true);
    expect(performance.now() - beganMs).toBeGreaterThan(SLOW_MS - 1000);
    await writer.delete('k0');
    expect(await read).toBe(written);
    // Generous for a machine that has other work; a node that waited for the deaf one would take seconds.
    expect(await busy).toBeLessThan(Math.max(250, 20 * quiet));
    expect(await sessionsOf(node)).toMatchObject({ slow: 1, slowClosed: 1 });
    expect((await sessionsOf(node)).gaps).toBeGreaterThan(0);
    deaf.socket.resume();
    expect(await deaf.end(15_000)).toEqual({ code: 1013, reason: 'the client reads too slowly' });
  }, 60_000);

  it('[WT2] [WT6] that reads on in time has each change, or a gap in its place', async () => {
    const node = await processes.node();
    const writer = await node.client();
    const late = await watcher(node);
    late.socket.pause();
    const count = 2000;
    for (let i = 0; i < count; i += 1) await writer.set(`k${i}`, VALUE);
    await until(async () => (await sessionsOf(node)).gaps > 0, 'a gap');
    late.socket.resume();
    await pause(500);
    await writer.set('last', VALUE);
    const changes = (): unknown[][] => (late.replies as unknown[][]).filter(([tag, id]) => tag === 40 && id === WATCH);
    await until(() => changes().some(([, , , key]) => key === 'last'), 'the last change');
    expect(late.closed).toBeNull();

    // In order, without a hole before the gap, and nothing after it but what came later.
    let next = 0;
    let isGap = false;
    for (const [, , kind, key] of changes()) {
      if (kind === 'gap') isGap = true;
      else if (key !== 'last') {
        const number = Number(String(key).slice(1));
        if (!isGap) expect(number).toBe(next);
        else expect(number).toBeGreaterThanOrEqual(next);
        if (number > next) expect(isGap).toBe(true);
        isGap = false;
        next = number + 1;
      }
    }
    expect(next < count ? isGap : true).toBe(true);
    expect(changes().some(([, , kind]) => kind === 'gap')).toBe(true);
    expect(await sessionsOf(node)).toMatchObject({ slowClosed: 0 });
  }, 60_000);
});
