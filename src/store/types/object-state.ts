/**
 * The state of one object: which ops it includes, by origin, and the body that its type makes of them. Equal sets of ops
 * have equal encodings, `[vector, body]`, with the vector as `[origin, time]` pairs in the order of the origins (R5).
 */
import { FrameReader } from '../frame-reader.js';
import { FrameWriter } from '../frame-writer.js';
import { parseNodeId } from '../node-id.js';
import { formatTime, parseTime } from '../stamp.js';
import type { Stamp } from '../stamp.js';
import { beginArray, sameBytes, sorted } from './plain-value.js';
import type { Bytes, ReplicatedType, Vector } from './replicated-type.js';

const reader = new FrameReader();
const writer = new FrameWriter();

export class ObjectState<Body = unknown, View = unknown, Payloads = unknown> {
  readonly type: ReplicatedType<Body, View, Payloads>;
  readonly body: Body;
  readonly #vector: Map<string, number>;

  constructor(
    type: ReplicatedType<Body, View, Payloads>,
    body: Body = type.create(),
    vector: Map<string, number> = new Map(),
  ) {
    this.type = type;
    this.body = body;
    this.#vector = vector;
  }

  get vector(): Vector {
    return this.#vector;
  }

  /** Whether the op of that stamp is in it. True also for stamps between two of the origin's: they are nobody's. */
  covers(stamp: Stamp): boolean {
    return stamp.time <= (this.#vector.get(stamp.origin) ?? 0);
  }

  /**
   * Why an op may not be written by its author on this state, which is what he has seen at least; null if it may. The
   * payload has passed the type's `objectionTo`.
   */
  objectionToWriting(stamp: Stamp, payload: Bytes): string | null {
    return this.type.objectionToWriting(this.body, stamp, payload);
  }

  /** False, and nothing is changed, if the op is in it already. The payload has passed the type's `objectionTo`. */
  apply(stamp: Stamp, payload: Bytes): boolean {
    if (this.covers(stamp)) return false;
    this.type.apply(this.body, this.#vector, stamp, payload);
    this.#vector.set(stamp.origin, stamp.time);
    return true;
  }

  /** Becomes the state of the ops of both. False if it had all of them. `other` is of the same type, and stays as it is. */
  join(other: ObjectState<Body, View, Payloads>): boolean {
    let isMore = false;
    for (const [origin, time] of other.#vector) if (time > (this.#vector.get(origin) ?? 0)) isMore = true;
    if (!isMore) return false;
    this.type.join(this.body, this.#vector, other.body, other.#vector);
    for (const [origin, time] of other.#vector) {
      if (time > (this.#vector.get(origin) ?? 0)) this.#vector.set(origin, time);
    }
    return true;
  }

  /** In memory of its own. */
  encode(): Bytes {
    const body = this.type.encode(this.body);
    writer.reset();
    writer.array(2);
    writer.array(this.#vector.size);
    for (const [origin, time] of sorted(this.#vector)) {
      writer.array(2);
      writer.text(origin);
      writer.text(formatTime(time));
    }
    writer.raw(body);
    return writer.copy();
  }

  view(): View {
    return this.type.view(this.body);
  }
}

/** Null if the bytes are not what `encode` writes for an object of that type. */
export function decodeState<Body, View, Payloads>(
  type: ReplicatedType<Body, View, Payloads>,
  bytes: Bytes,
): ObjectState<Body, View, Payloads> | null {
  if (beginArray(reader, bytes) !== 2) return null;
  const vector = new Map<string, number>();
  const count = reader.readArray();
  if (count < 0) return null;
  for (let i = 0; i < count; i += 1) {
    if (reader.readArray() !== 2) return null;
    const origin = parseNodeId(reader.readText() ?? '');
    const time = parseTime(reader.readText() ?? '');
    if (origin === null || time === null || time === 0) return null;
    vector.set(origin, time);
  }
  const body = type.decode(reader.bytes.subarray(reader.position));
  if (body === null) return null;
  const state = new ObjectState(type, body, vector);
  return sameBytes(state.encode(), bytes) ? state : null;
}
