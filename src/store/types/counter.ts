/**
 * `counter`: a sum. An op's payload is a number to add: an integer within 2^53, or a fraction within that range. Kept are
 * the sums of each origin, whose ops come in one order everywhere: so the sums are equal to the last bit, and joining is
 * taking, of each origin, what the side has that saw more of it. Integers are exact as long as sums stay within 2^53.
 */
import { FrameReader } from '../frame-reader.js';
import { FrameWriter } from '../frame-writer.js';
import { parseNodeId } from '../node-id.js';
import { begin, beginArray, packPlain, readNumber, sorted } from './plain-value.js';
import { NO_REWRITING } from './replicated-type.js';
import type { Bytes, ReplicatedType } from './replicated-type.js';

/** Origin => sum. */
export type CounterBody = Map<string, number>;

const reader = new FrameReader();
const writer = new FrameWriter();

const payloads = {
  /** `delta`: a finite number within 2^53. */
  add(delta: number): Bytes {
    const payload = packPlain(delta);
    const objection = counter.objectionTo(payload);
    if (objection !== null) throw new RangeError(objection);
    return payload;
  },
};

export const counter: ReplicatedType<CounterBody, number, typeof payloads> = {
  name: 'counter',
  payloads,
  create: () => new Map(),

  objectionTo: (payload) => (isDelta(numberOf(payload)) ? null : 'a number within 2^53 is expected'),

  asksForBody: false,
  objectionToWriting: () => null,
  rewriting: () => NO_REWRITING,
  together: (_body, work) => work(),

  apply(body, _vector, stamp, payload) {
    body.set(stamp.origin, (body.get(stamp.origin) ?? 0) + numberOf(payload));
  },

  join(body, vector, other, otherVector) {
    for (const [origin, sum] of other) {
      if ((otherVector.get(origin) ?? 0) > (vector.get(origin) ?? 0)) body.set(origin, sum);
    }
  },

  encode(body) {
    writer.reset();
    writer.array(body.size);
    for (const [origin, sum] of sorted(body)) {
      writer.array(2);
      writer.text(origin);
      if (Number.isSafeInteger(sum)) writer.integer(sum);
      else writer.float(sum);
    }
    return writer.copy();
  },

  decode(bytes) {
    const count = beginArray(reader, bytes);
    if (count < 0) return null;
    const body: CounterBody = new Map();
    for (let i = 0; i < count; i += 1) {
      if (reader.readArray() !== 2) return null;
      const origin = parseNodeId(reader.readText() ?? '');
      const sum = readNumber(reader);
      if (origin === null || Number.isNaN(sum)) return null;
      body.set(origin, sum);
    }
    return body;
  },

  view(body) {
    // In one order: the sum of fractions depends on it.
    let sum = 0;
    for (const [, part] of sorted(body)) sum += part;
    return sum;
  },
};

/** NaN for what is no number. */
function numberOf(payload: Bytes): number {
  return begin(reader, payload) ? readNumber(reader) : NaN;
}

function isDelta(number: number): boolean {
  return Math.abs(number) <= Number.MAX_SAFE_INTEGER;
}
