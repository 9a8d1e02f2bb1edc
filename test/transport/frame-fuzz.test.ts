// What a decoder meets in an open network: 100,000 frames, each a few steps away from a right one,
// or nothing but chance.

import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { NodeId } from '../../src/store/node-id.js';
import { decodeFrame } from '../../src/transport/binary-codec.js';
import type { Direction } from '../../src/transport/binary-codec.js';
import { limits, wrongWith } from './message-arbitrary.js';
import { chance, mutate, samplePool } from './mutation.js';

const FRAMES = 100_000;
const FRAMES_PER_RUN = 500;
const DIRECTIONS: readonly Direction[] = ['client requests', 'client replies', 'node'];
const SELF = 'Xgritzk0_D' as NodeId;

/** What a delivered message keeps in memory, roughly: its bytes and the characters of its texts. */
function sizeOf(value: unknown): number {
  if (value instanceof Uint8Array || typeof value === 'string') return value.length;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce((size: number, part) => size + sizeOf(part), 0);
}

it('100,000 mutated frames are decoded without a throw, into messages of the table, in their own size', () => {
  const pool = samplePool();
  let frames = 0;
  const outcomes = { whole: 0, faulty: 0, malformed: 0, relay: 0, message: 0 };
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const below = chance(seed);
      const pick = (): Uint8Array => pool[below(pool.length)] as Uint8Array;
      for (let i = 0; i < FRAMES_PER_RUN; i += 1) {
        frames += 1;
        const frame = mutate(pick(), pick(), below);
        const direction = DIRECTIONS[below(DIRECTIONS.length)] as Direction;
        let size = 0;
        let count = 0;
        const reason = decodeFrame(frame, limits, direction, below(2) === 0 ? SELF : null, (message) => {
          const wrong = wrongWith(message);
          if (wrong !== null) throw new Error(`${wrong} in ${Buffer.from(frame).toString('hex')}`);
          count += 1;
          if (message.type === 'malformed') outcomes.malformed += 1;
          else {
            size += sizeOf(message);
            outcomes[message.type === 'relay' ? 'relay' : 'message'] += 1;
          }
        });
        outcomes[reason === null ? 'whole' : 'faulty'] += 1;
        // The names of types and ids are the decoder's own: at most 10 + 2 * 10 characters in a message.
        const isBounded = size <= frame.length + 64 * count && count <= frame.length;
        if (!isBounded) throw new Error(`${size} bytes from ${Buffer.from(frame).toString('hex')}`);
      }
    }),
    { numRuns: FRAMES / FRAMES_PER_RUN },
  );
  expect(frames).toBe(FRAMES);
  // Neither all right nor all wrong: the mutations reach every outcome.
  for (const count of Object.values(outcomes)) expect(count).toBeGreaterThan(FRAMES / 200);
}, 60_000);
