// What a decoder meets in an open network: 100,000 frames, each a few steps away from a right one,
// or nothing but chance.

import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { NodeId } from '../../src/store/node-id.js';
import { decodeFrame, encodeMessage } from '../../src/transport/binary-codec.js';
import type { Direction } from '../../src/transport/binary-codec.js';
import { FrameWriter } from '../../src/transport/frame-writer.js';
import { packValue } from '../../src/transport/msgpack.js';
import { limits, messageArbitrary, rows, wrongWith } from './message-arbitrary.js';

const FRAMES = 100_000;
const FRAMES_PER_RUN = 500;
const DIRECTIONS: readonly Direction[] = ['client requests', 'client replies', 'node'];
const SELF = 'Xgritzk0_D' as NodeId;

/** Bytes that mean something wherever they stand. */
const TELLING = Uint8Array.of(
  0,
  1,
  0x7f,
  0x80,
  0x81,
  0x90,
  0x91,
  0x9f,
  0xa0,
  0xa1,
  0xbf,
  0xc0,
  0xc1,
  0xc2,
  0xc4,
  0xc6,
  0xc7,
  0xc9,
  0xca,
  0xcb,
  0xcc,
  0xcd,
  0xce,
  0xcf,
  0xd3,
  0xd4,
  0xd8,
  0xd9,
  0xdb,
  0xdc,
  0xdd,
  0xde,
  0xdf,
  0xe0,
  0xff,
);

/** A generator for the mutations, since a hundred thousand of fast-check's own would take minutes: mulberry32. */
function chance(seed: number): (limit: number) => number {
  let state = seed | 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

function mutate(frame: Uint8Array, other: Uint8Array, below: (limit: number) => number): Uint8Array {
  let bytes = Array.from(frame);
  for (let steps = below(4); steps >= 0; steps -= 1) {
    const at = below(bytes.length + 1);
    switch (below(8)) {
      case 0:
        bytes[at % Math.max(1, bytes.length)] = below(256);
        break;
      case 1:
      case 2:
        bytes[at % Math.max(1, bytes.length)] = TELLING[below(TELLING.length)] as number;
        break;
      case 3:
        bytes.splice(at, 1 + below(3));
        break;
      case 4:
        bytes.splice(at, 0, TELLING[below(TELLING.length)] as number);
        break;
      case 5:
        bytes.length = at;
        break;
      case 6:
        bytes = [...bytes.slice(0, at), ...other.slice(below(other.length + 1))];
        break;
      default:
        bytes = Array.from({ length: below(40) }, () => below(256));
        break;
    }
  }
  return Uint8Array.from(bytes);
}

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

function samplePool(): Uint8Array[] {
  const writer = new FrameWriter();
  const pool: Uint8Array[] = [packValue({ a: [1, 'x', null] })];
  for (const [name] of rows) {
    for (const messages of fc.sample(fc.array(messageArbitrary(name), { minLength: 1, maxLength: 2 }), 12)) {
      writer.reset();
      for (const message of messages) encodeMessage(message, writer);
      pool.push(writer.copy());
    }
  }
  return pool;
}
