/** A hundred thousand mutated frames thrown at sessions and links: each gets a named outcome, and nobody else notices. */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { startSwarm } from '../../src/testing/index.js';
import { decodeFrame } from '../../src/transport/binary-codec.js';
import type { ClientEnd } from '../../src/transport/memory-bus.js';
import { CLOSE, REFUSAL_CODES } from '../../src/transport/message.js';
import type { ClientReply } from '../../src/transport/message.js';
import { chance, mutate, samplePool } from '../transport/mutation.js';
import { Stranger } from './stranger.js';

const FRAMES = 100_000;
const FRAMES_PER_RUN = 1000;
const LIMITS = { keyBytesMax: 4096, valueBytesMax: 1 << 20 };

it('[CL4] 100,000 mutated frames at a session: refused by name or closed by code, others are served', async () => {
  const pool = samplePool();
  await using swarm = await startSwarm({ nodes: 1, virtual: true });
  const witness = await swarm.client(0);
  await witness.set('witness', 1);
  const outcomes = { replies: 0, refused: 0, closed: 0 };
  let frames = 0;
  /** Kept until the end: what is thrown in a connection's callback is the connection's affair. */
  const faults: string[] = [];
  /** An enemy's connection, opened again whenever it was closed on him. */
  class Enemy {
    #end: ClientEnd | null = null;

    send(bytes: Uint8Array): void {
      this.#end?.send(bytes);
    }

    open(): void {
      if (this.#end !== null) return;
      this.#end = swarm.connect(0, {
        onOpen: () => {},
        onFrame: (data) => {
          decodeFrame(data as Uint8Array, LIMITS, 'client replies', null, (message) => {
            const reply = message as ClientReply;
            if (reply.type !== 'refused') outcomes.replies += 1;
            else if ((REFUSAL_CODES as readonly string[]).includes(reply.code)) outcomes.refused += 1;
            else faults.push(`refused with ${reply.code}`);
          });
        },
        onClosed: (code) => {
          outcomes.closed += 1;
          if (code !== CLOSE.badFrame) faults.push(`closed with ${code}`);
          this.#end = null;
        },
      });
    }
  }
  const enemies = Array.from({ length: 25 }, () => new Enemy());
  await fc.assert(
    fc.asyncProperty(fc.integer(), async (seed) => {
      const below = chance(seed);
      const pick = (): Uint8Array => pool[below(pool.length)] as Uint8Array;
      for (let i = 0; i < FRAMES_PER_RUN; i += enemies.length) {
        for (const enemy of enemies) enemy.open();
        swarm.advance(5);
        for (const enemy of enemies) {
          frames += 1;
          enemy.send(mutate(pick(), pick(), below));
        }
        swarm.advance(10);
      }
      expect(await witness.get('witness')).toBe(1);
    }),
    { numRuns: FRAMES / FRAMES_PER_RUN },
  );
  expect(faults).toEqual([]);
  expect(frames).toBe(FRAMES);
  // Most frames are made from messages between nodes, which no client may send: few are still requests.
  for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(FRAMES / 200);
  const { sent, processed, queued, stashed, dropped, dead } = swarm.node(0).runtime.counters;
  expect(processed + queued + stashed + dropped.overflow + dropped.decision + dropped.refused + dead).toBe(sent);
}, 120_000);

it('[CL4] mutated frames at a link close that link; the swarm stays whole', async () => {
  const pool = samplePool();
  await using swarm = await startSwarm({ nodes: 2, topology: 'line', virtual: true });
  const client = await swarm.client(0);
  await client.set('k', 1);
  const below = chance(7);
  for (let round = 0; round < 200; round += 1) {
    const stranger = new Stranger(`X${round}x`);
    stranger.dial(swarm, 0, `stranger-${round}`);
    stranger.greet(swarm);
    for (let i = 0; i < 20 && stranger.closed === null; i += 1) {
      stranger.sendBytes(mutate(pool[below(pool.length)] as Uint8Array, pool[below(pool.length)] as Uint8Array, below));
      swarm.advance(2);
    }
    if (stranger.closed === null) stranger.hangUp();
    swarm.advance(20);
  }
  swarm.advance(40_000);
  await swarm.settle();
  expect(await client.get('k')).toBe(1);
  expect(await (await swarm.client(1)).get('k')).toBe(1);
}, 120_000);
