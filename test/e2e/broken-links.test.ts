/** One link of a ring of processes breaks in each way that networks know, or one node holds still: who notices what. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from '../../src/client/index.js';
import { FaultyRing, HEARTBEAT_TIMEOUT_MS } from './faulty-ring.js';
import { pause, settled, until, useProcesses } from './processes.js';

const NODES = 4;
/** Time for a link to be given up, dialled again and known to all. */
const HEAL_MS = 4 * HEARTBEAT_TIMEOUT_MS;

interface LinkCounts {
  readonly lost: number;
  readonly badFrames: number;
  readonly malformed: number;
}

describe('a ring of four processes', () => {
  let ring: FaultyRing;
  let clients: Client[];
  // Before the processes end, those that were stopped must go on.
  afterAll(() => ring.dispose());
  const processes = useProcesses(90_000);

  beforeAll(async () => {
    ring = new FaultyRing(processes);
    await ring.start(NODES, 7);
    clients = await Promise.all(ring.nodes.map((node) => node.client()));
    await Promise.all(clients.map((client, i) => client.set(`at-${i}`, i)));
  }, 30_000);

  const counts = async (): Promise<LinkCounts[]> =>
    Promise.all(ring.nodes.map(async (node) => (await node.inspect<{ links: LinkCounts }>('counters')).links));

  /** All nodes see all links again, and read from each other. */
  const healed = async (): Promise<void> => {
    await settled(ring.nodes, NODES);
    for (const client of clients)
      expect(await Promise.all(clients.map((_, i) => client.get(`at-${i}`)))).toEqual([0, 1, 2, 3]);
    expect(ring.unexpectedEnds).toEqual([]);
  };

  /** Breaks the link from node 0 to node 1; returns how often each node lost a link until all was well again. */
  const lostBy = async (breakLink: () => void): Promise<number[]> => {
    const before = await counts();
    const link = ring.links[0]!;
    const linksBefore = link.connectionCount;
    breakLink();
    const isBack = (): boolean => link.connectionCount > linksBefore && link.openCount >= 1;
    await until(isBack, 'the link dialled again', HEAL_MS);
    await healed();
    const after = await counts();
    expect(after.map(({ badFrames, malformed }) => badFrames + malformed)).toEqual([0, 0, 0, 0]);
    return after.map(({ lost }, i) => lost - before[i]!.lost);
  };

  /** Requests of others while something is wrong, one after another: their longest time in ms. Throws if one fails. */
  const slowest = async (ms: number, ask: () => Promise<unknown>): Promise<number> => {
    const endMs = performance.now() + ms;
    let longestMs = 0;
    while (performance.now() < endMs) {
      const beganMs = performance.now();
      await ask();
      longestMs = Math.max(longestMs, performance.now() - beganMs);
      await pause(5);
    }
    return longestMs;
  };

  it('dials again when the listening end alone has lost the link', async () => {
    expect(await lostBy(() => ring.links[0]!.resetOneEnd('far'))).toEqual([1, 1, 0, 0]);
  });

  it('takes the new link when the dialling end alone has lost the old one', async () => {
    expect(await lostBy(() => ring.links[0]!.resetOneEnd('near'))).toEqual([1, 1, 0, 0]);
  });

  it('closes a silent link at both ends, and dials again', async () => {
    const link = ring.links[0]!;
    link.silence();
    const isLost = async (): Promise<boolean> => {
      const [first, second] = await counts();
      return first!.lost >= 3 && second!.lost >= 3;
    };
    await until(isLost, 'both ends to give the link up', HEAL_MS);
    // The way round is there meanwhile.
    expect(await clients[0]!.get('at-1')).toBe(1);
    link.heal();
    await healed();
    expect((await counts()).map(({ lost }) => lost)).toEqual([3, 3, 0, 0]);
  });

  it('drops a frame that was cut in the middle, with its link, and nothing else', async () => {
    for (let round = 0; round < 5; round++)
      expect(
        await lostBy(() => {
          ring.links[0]!.cutMidFrame();
          // What is to be cut.
          void clients[0]!.get('at-1').catch(() => {});
        }),
      ).toEqual([1, 1, 0, 0]);
  });

  it('others are served while a node holds still, and it is back when it goes on', async () => {
    const [first, second] = clients as [Client, Client];
    const stopping = ring.stop(3, HEARTBEAT_TIMEOUT_MS + 1000);
    const longestMs = await slowest(HEARTBEAT_TIMEOUT_MS + 500, async () => {
      expect(await second.get('at-0')).toBe(0);
      await first.set('at-1', 1);
      await second.set('at-1', 1);
    });
    await stopping;
    // Nobody waited until the one that was still was given up.
    expect(longestMs).toBeLessThan(HEARTBEAT_TIMEOUT_MS);
    await healed();
  });

  it('others are served while a link is jammed with what nobody reads, in bounded memory', async () => {
    const [first, second, third] = clients as [Client, Client, Client];
    const value = new Uint8Array(256 * 1024);
    await second.set('large', value);
    const residentBytes = ring.nodes[0]!.residentBytes;
    const before = await counts();
    ring.links[0]!.jam();
    // Much more than the link takes; all of it is for the other end.
    const pushed: Promise<unknown>[] = [];
    const push = async (): Promise<void> => {
      while (pushed.length < 120) {
        pushed.push(first.set('large', value).catch(() => {}));
        // This process also is the network: it must not stand still for long.
        if (pushed.length % 4 === 0) await pause(1);
      }
      await Promise.all(pushed);
    };
    const pushing = push();
    const longestMs = await slowest(HEARTBEAT_TIMEOUT_MS, async () => {
      expect(await third.get('at-3')).toBe(3);
      expect(await (clients[3] as Client).get('at-0')).toBe(0);
      await third.set('at-2', 2);
    });
    expect(longestMs).toBeLessThan(HEARTBEAT_TIMEOUT_MS);
    ring.links[0]!.heal();
    await pushing;
    // No other link is brought down by what could not go by that one (LM9).
    const after = await counts();
    const lost = after.map((each, i) => each.lost - before[i]!.lost);
    expect(lost.slice(2)).toEqual([0, 0]);
    expect(Math.max(...lost)).toBeLessThanOrEqual(1);
    if (residentBytes !== null) expect(ring.nodes[0]!.residentBytes! - residentBytes).toBeLessThan(120 * 2 ** 20);
    await healed();
  });
});
