/**
 * `set`: values, each at most once; of an add and a remove that don't know of each other the add wins. An op's payload is
 * a map `{add: [value, ...], remove: [[value, stamp, ...], ...]}` of which either may be left out. A value's *dots* are
 * the stamps of the ops that added it; a remove names those that its author saw, and takes away them and what the same
 * origins had added before. So it comes to the same whether a remove is applied before or after an add that it doesn't
 * name. One op's removes come before its adds.
 *
 * Kept are for each value, of each origin, the last dot that was not removed: older ones would be removed with it. What a
 * remove names that has not been seen yet (which no honest author writes) is kept as *early* until it has been.
 * Values are equal if their canonical encodings are.
 */
import { byteText, canonicalValue } from '../canonical-value.js';
import { FrameReader } from '../frame-reader.js';
import { FrameWriter } from '../frame-writer.js';
import { parseNodeId } from '../node-id.js';
import type { NodeId } from '../node-id.js';
import { PAYLOAD_DEPTH_MAX } from '../op.js';
import { formatStamp, formatTime, parseTime } from '../stamp.js';
import type { Stamp } from '../stamp.js';
import { beginArray, beginMap, frozenValue, packPlain, readStamp, sorted, takeValue } from './plain-value.js';
import type { Bytes, ReplicatedType, Vector } from './replicated-type.js';

interface Dotted {
  /** Canonical. */
  readonly value: Bytes;
  /** Origin => time. */
  readonly dots: Map<string, number>;
}

/** By the text of the value's bytes. */
type Values = Map<string, Dotted>;

export interface SetBody {
  readonly present: Values;
  readonly early: Values;
}

export type SetView = readonly unknown[];

const PAYLOAD_OBJECTION = 'a map {add: [value, ...], remove: [[value, stamp, ...], ...]} is expected';
const reader = new FrameReader();
const writer = new FrameWriter();

const payloads = {
  add: (values: readonly unknown[]): Bytes => checked({ add: values }),

  /** Removes what is there now of these values. Null if nothing is. */
  remove(body: SetBody, values: readonly unknown[]): Bytes | null {
    const found: Dotted[] = [];
    for (const key of new Set(values.map(keyOf))) {
      const dotted = body.present.get(key);
      if (dotted !== undefined) found.push(dotted);
    }
    return found.length === 0 ? null : removal(found);
  },

  /** Removes all that is there now. Null if nothing is. */
  clear: (body: SetBody): Bytes | null => (body.present.size === 0 ? null : removal([...body.present.values()])),
};

export const set: ReplicatedType<SetBody, SetView, typeof payloads> = {
  name: 'set',
  payloads,
  create: () => ({ present: new Map(), early: new Map() }),

  objectionTo(payload) {
    const count = beginMap(reader, payload, PAYLOAD_DEPTH_MAX);
    let former = '';
    for (let i = 0; i < count; i += 1) {
      const field = reader.readText();
      if (field === former) return PAYLOAD_OBJECTION;
      const objection =
        field === 'add' ? objectionToAdds() : field === 'remove' ? objectionToRemoves() : PAYLOAD_OBJECTION;
      if (objection !== null) return objection;
      former = field as string;
    }
    return count < 0 || count > 2 ? PAYLOAD_OBJECTION : null;
  },

  asksForBody: false,
  objectionToWriting: () => null,

  rewriting: () => (payload, renamed) => {
    const { adds, removes } = partsOf(payload);
    if (removes.length === 0) return payload;
    writer.reset();
    writer.map(2);
    writer.text('add');
    writer.array(adds.length);
    for (const value of adds) writer.raw(value);
    writeRemoves(removes.map(({ value, dots }) => ({ value, dots: dots.flatMap((dot) => renamed(dot)) })));
    return writer.copy();
  },

  together: (_body, work) => work(),

  apply(body, vector, stamp, payload) {
    const { adds, removes } = partsOf(payload);
    for (const { value, dots } of removes) {
      for (const dot of dots) remove(body, vector, value, dot);
    }
    for (const value of adds) add(body, value, stamp);
    forgetSeen(body, (origin) => (origin === stamp.origin ? stamp.time : (vector.get(origin) ?? 0)));
  },

  join(body, vector, other, otherVector) {
    // What one side lacks of the other's, though it has seen it, was removed; what it hasn't seen may be removed early.
    for (const [key, { dots }] of body.present) {
      const others = other.present.get(key)?.dots;
      for (const [origin, time] of dots) {
        const isRemoved = time <= (otherVector.get(origin) ?? 0) && (others?.get(origin) ?? 0) < time;
        if (isRemoved || time <= earlyTime(other, key, origin)) drop(body.present, key, origin);
      }
    }
    for (const [key, { value, dots }] of other.present) {
      for (const [origin, time] of dots) joinDot(body, vector, key, value, origin, time);
    }
    for (const [key, { value, dots }] of other.early) {
      for (const [origin, time] of dots) raise(body.early, key, value, origin, time);
    }
    forgetSeen(body, (origin) => Math.max(vector.get(origin) ?? 0, otherVector.get(origin) ?? 0));
  },

  encode(body) {
    writer.reset();
    writer.array(2);
    writeValues(body.present);
    writeValues(body.early);
    return writer.copy();
  },

  decode(bytes) {
    if (beginArray(reader, bytes) !== 2) return null;
    const present = readValues();
    const early = present === null ? null : readValues();
    return present === null || early === null ? null : { present, early };
  },

  /** In the order of the canonical encodings: numbers before text, short texts by length, then by their bytes. */
  view: (body) => Object.freeze(sorted(body.present).map(([, { value }]) => frozenValue(value))),
};

function objectionToAdds(): string | null {
  const count = reader.readArray();
  for (let i = 0; i < count; i += 1) if (readElement() === null) return VALUE_OBJECTION;
  return count < 0 ? PAYLOAD_OBJECTION : null;
}

const VALUE_OBJECTION = 'a value has a text that is no UTF-8, or a key twice';

function objectionToRemoves(): string | null {
  const count = reader.readArray();
  for (let i = 0; i < count; i += 1) {
    const length = reader.readArray();
    if (length < 2) return PAYLOAD_OBJECTION;
    if (readElement() === null) return VALUE_OBJECTION;
    for (let dot = 1; dot < length; dot += 1) if (readStamp(reader) === null) return PAYLOAD_OBJECTION;
  }
  return count < 0 ? PAYLOAD_OBJECTION : null;
}

/** Of a payload without objections. */
function partsOf(payload: Bytes): { adds: Bytes[]; removes: { value: Bytes; dots: Stamp[] }[] } {
  const adds: Bytes[] = [];
  const removes: { value: Bytes; dots: Stamp[] }[] = [];
  const fields = beginMap(reader, payload);
  for (let field = 0; field < fields; field += 1) {
    const isAdd = reader.readText() === 'add';
    const count = reader.readArray();
    for (let i = 0; i < count; i += 1) {
      const length = isAdd ? 1 : reader.readArray();
      const value = readElement() as Bytes;
      if (isAdd) {
        adds.push(value);
        continue;
      }
      const dots: Stamp[] = [];
      for (let dot = 1; dot < length; dot += 1) dots.push(readStamp(reader) as Stamp);
      removes.push({ value, dots });
    }
  }
  return { adds, removes };
}

/** The next value in its canonical form, or null if it has none. */
function readElement(): Bytes | null {
  return canonicalValue(takeValue(reader), PAYLOAD_DEPTH_MAX);
}

function add(body: SetBody, value: Bytes, { origin, time }: Stamp): void {
  const key = byteText(value);
  if (time > earlyTime(body, key, origin)) raise(body.present, key, value, origin, time);
}

function remove(body: SetBody, vector: Vector, value: Bytes, { origin, time }: Stamp): void {
  const key = byteText(value);
  const dot = body.present.get(key)?.dots.get(origin);
  if (dot !== undefined && dot <= time) drop(body.present, key, origin);
  if (time > (vector.get(origin) ?? 0)) raise(body.early, key, value, origin, time);
}

/** A dot of the other side, unless it was removed here. */
function joinDot(body: SetBody, vector: Vector, key: string, value: Bytes, origin: string, time: number): void {
  if (time > Math.max(vector.get(origin) ?? 0, earlyTime(body, key, origin)))
    raise(body.present, key, value, origin, time);
}

function earlyTime(body: SetBody, key: string, origin: string): number {
  return body.early.size === 0 ? 0 : (body.early.get(key)?.dots.get(origin) ?? 0);
}

function raise(values: Values, key: string, value: Bytes, origin: string, time: number): void {
  let dotted = values.get(key);
  if (dotted === undefined) values.set(key, (dotted = { value, dots: new Map() }));
  if (time > (dotted.dots.get(origin) ?? 0)) dotted.dots.set(origin, time);
}

function drop(values: Values, key: string, origin: string): void {
  const dots = values.get(key)?.dots;
  dots?.delete(origin);
  if (dots?.size === 0) values.delete(key);
}

/** Removes were early until the ops that they name, or later ones of their origins, have been seen. */
function forgetSeen(body: SetBody, seenTime: (origin: string) => number): void {
  for (const [key, { dots }] of body.early) {
    for (const [origin, time] of dots) if (time <= seenTime(origin)) drop(body.early, key, origin);
  }
}

function writeValues(values: Values): void {
  writer.array(values.size);
  for (const [, { value, dots }] of sorted(values)) {
    writer.array(2);
    writer.raw(value);
    writer.array(dots.size);
    for (const [origin, time] of sorted(dots)) {
      writer.array(2);
      writer.text(origin);
      writer.text(formatTime(time));
    }
  }
}

function readValues(): Values | null {
  const values: Values = new Map();
  const count = reader.readArray();
  for (let i = 0; i < count; i += 1) {
    if (reader.readArray() !== 2) return null;
    const value = readElement();
    const dotCount = reader.readArray();
    if (value === null || dotCount < 1) return null;
    const key = byteText(value);
    for (let dot = 0; dot < dotCount; dot += 1) {
      if (reader.readArray() !== 2) return null;
      const origin = parseNodeId(reader.readText() ?? '');
      const time = parseTime(reader.readText() ?? '');
      if (origin === null || time === null) return null;
      raise(values, key, value, origin, time);
    }
  }
  return count < 0 ? null : values;
}

function removal(found: readonly Dotted[]): Bytes {
  writer.reset();
  writer.map(1);
  writeRemoves(
    found.map(({ value, dots }) => {
      return { value, dots: sorted(dots).map(([origin, time]) => ({ time, origin: origin as NodeId })) };
    }),
  );
  return writer.copy();
}

function writeRemoves(removes: readonly { readonly value: Bytes; readonly dots: readonly Stamp[] }[]): void {
  writer.text('remove');
  writer.array(removes.length);
  for (const { value, dots } of removes) {
    writer.array(1 + dots.length);
    writer.raw(value);
    for (const dot of dots) writer.text(formatStamp(dot));
  }
}

function keyOf(value: unknown): string {
  const canonical = canonicalValue(packPlain(value), PAYLOAD_DEPTH_MAX);
  if (canonical === null) throw new RangeError(VALUE_OBJECTION);
  return byteText(canonical);
}

function checked(payload: object): Bytes {
  const bytes = packPlain(payload);
  const objection = set.objectionTo(bytes);
  if (objection !== null) throw new RangeError(objection);
  return bytes;
}
