/**
 * `lww`: a map of fields, of each of which the last write wins, by stamp. An op's payload is a map of text to any value;
 * nil removes a field. What removed a field is remembered with its stamp, or a write that is older would bring it back.
 */
import { FrameReader } from '../frame-reader.js';
import { FrameWriter } from '../frame-writer.js';
import { PAYLOAD_DEPTH_MAX } from '../op.js';
import { compareStamps, formatStamp } from '../stamp.js';
import type { Stamp } from '../stamp.js';
import { beginArray, beginMap, frozenValue, packPlain, readStamp, setOwn, sorted, takeValue } from './plain-value.js';
import { NO_REWRITING } from './replicated-type.js';
import type { Bytes, ReplicatedType } from './replicated-type.js';

/** Bytes of a field's name in UTF-8. */
export const FIELD_BYTES_MAX = 256;

interface Field {
  readonly stamp: Stamp;
  /** As its author encoded it; nil: removed. */
  readonly value: Bytes;
}

export type LwwBody = Map<string, Field>;
export type LwwView = Readonly<Record<string, unknown>>;

const MAP_OBJECTION = 'a map of fields is expected';
const NIL = 0xc0;
const reader = new FrameReader();
const writer = new FrameWriter();

const payloads = {
  /** Of an object with the fields that change. Null and undefined remove one. */
  set(fields: Readonly<Record<string, unknown>>): Bytes {
    const payload = packPlain({ ...fields });
    const objection = lww.objectionTo(payload);
    if (objection !== null) throw new RangeError(objection);
    return payload;
  },
};

export const lww: ReplicatedType<LwwBody, LwwView, typeof payloads> = {
  name: 'lww',
  payloads,
  create: () => new Map(),

  objectionTo(payload) {
    reader.reset(payload);
    const count = reader.readMap();
    if (count < 0) return MAP_OBJECTION;
    for (let i = 0; i < count; i += 1) {
      const length = reader.readTextLength();
      if (length < 0 || length > FIELD_BYTES_MAX || !reader.skipText(length))
        return `a field's name is text of at most ${FIELD_BYTES_MAX} bytes of UTF-8`;
      if (!reader.skip(PAYLOAD_DEPTH_MAX - 1)) return MAP_OBJECTION;
    }
    return reader.isAtEnd ? null : MAP_OBJECTION;
  },

  asksForBody: false,
  objectionToWriting: () => null,
  rewriting: () => NO_REWRITING,
  together: (_body, work) => work(),

  apply(body, _vector, stamp, payload) {
    const count = beginMap(reader, payload);
    for (let i = 0; i < count; i += 1) {
      const name = reader.readText() as string;
      const former = body.get(name);
      if (former !== undefined && compareStamps(former.stamp, stamp) > 0) reader.skip();
      else body.set(name, { stamp, value: takeValue(reader) });
    }
  },

  join(body, _vector, other) {
    for (const [name, field] of other) {
      const former = body.get(name);
      if (former === undefined || compareStamps(former.stamp, field.stamp) < 0) body.set(name, field);
    }
  },

  encode(body) {
    writer.reset();
    writer.array(body.size);
    for (const [name, { stamp, value }] of sorted(body)) {
      writer.array(3);
      writer.text(name);
      writer.text(formatStamp(stamp));
      writer.raw(value);
    }
    return writer.copy();
  },

  decode(bytes) {
    const count = beginArray(reader, bytes);
    if (count < 0) return null;
    const body: LwwBody = new Map();
    for (let i = 0; i < count; i += 1) {
      if (reader.readArray() !== 3) return null;
      const length = reader.readTextLength();
      if (length < 0 || length > FIELD_BYTES_MAX) return null;
      const name = reader.takeText(length);
      const stamp = readStamp(reader);
      if (name === null || stamp === null) return null;
      body.set(name, { stamp, value: takeValue(reader) });
    }
    return body;
  },

  /** The fields that are there, in the order of their names. */
  view(body) {
    const view: Record<string, unknown> = {};
    for (const [name, { value }] of sorted(body)) if (value[0] !== NIL) setOwn(view, name, frozenValue(value));
    return Object.freeze(view);
  },
};
