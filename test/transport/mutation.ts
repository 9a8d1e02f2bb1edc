/** Frames a few steps away from right ones: what a decoder and a session meet in an open network. */
import fc from 'fast-check';
import { encodeMessage } from '../../src/transport/binary-codec.js';
import { FrameWriter } from '../../src/store/frame-writer.js';
import { packValue } from '../../src/transport/msgpack.js';
import { messageArbitrary, rows } from './message-arbitrary.js';

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
export function chance(seed: number): (limit: number) => number {
  let state = seed | 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

export function mutate(frame: Uint8Array, other: Uint8Array, below: (limit: number) => number): Uint8Array {
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

/** Right frames of every row of the table, to mutate. */
export function samplePool(): Uint8Array[] {
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
