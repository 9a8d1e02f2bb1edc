/**
 * Messages to binary frames and back, by the message table. A frame is one or more concatenated MessagePack arrays.
 * What comes in is a claim: a message that is not what the table says is delivered as `Malformed` and the rest of the
 * frame is read on; only where no further message can be found is the frame given up. A value is walked over, never
 * built; a message for another node is not even read, but for its head.
 */
import type { NodeId, NodeRef } from '../store/node-id.js';
import { FrameReader, VALUE_DEPTH_MAX } from '../store/frame-reader.js';
import type { FrameWriter } from '../store/frame-writer.js';
import { CACHE_REQUESTS, DATABASE_REQUESTS } from './message.js';
import type {
  Bytes,
  ClientReply,
  ClientRequest,
  Info,
  LinkMessage,
  Malformed,
  Message,
  OptionTypes,
  Relay,
  RequestId,
  RoutedMessage,
} from './message.js';
import { readValue, writeValue } from './msgpack.js';
import { nodeIdHalves, nodeIdText } from './node-id-table.js';
import { isEmpty, NO_OPTIONS, PLAN_BY_NAME, plansByTag, ROW_PLANS, shownName, SLOTS } from './row-plan.js';
import type { FieldPlan, RowPlan } from './row-plan.js';

export interface DecodeLimits {
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
}

/** Which messages a connection may bring, and thereby which rows of the table are known to it. */
export interface Incoming {
  'client requests': ClientRequest | Malformed;
  'client replies': ClientReply | Malformed;
  node: LinkMessage | RoutedMessage | Relay | Malformed;
}
export type Direction = keyof Incoming;

/** Each malformed message is answered, so one frame may not hold any number of them. */
export const MALFORMED_PER_FRAME_MAX = 1000;

type PlansByTag = readonly (RowPlan | undefined)[];

const PLANS: Readonly<Record<Direction, PlansByTag>> = {
  'client requests': plansByTag((plan) => plan.form === 'request'),
  'client replies': plansByTag((plan) => plan.form === 'reply'),
  node: plansByTag((plan) => plan.form === 'notice' || plan.form === 'routed'),
};
/** What travels within a message: what the owner of a key is asked, or the peer of a database, and any reply. */
const INNER_REQUESTS: readonly string[] = [...CACHE_REQUESTS, ...DATABASE_REQUESTS];
const INNER_PLANS = plansByTag((plan) => plan.form === 'reply' || INNER_REQUESTS.includes(plan.name));
/** From here on a tag is routed, whether this version knows it or not. */
const ROUTED_TAG_MIN = Math.min(...ROW_PLANS.filter((plan) => plan.form === 'routed').map((plan) => plan.tag));
/** Elements of a routed message that a relay reads: tag, to, from, hops. */
const ROUTED_HEAD = 4;
/** Bytes of these without the tag, which have one form only: two uint64 and a uint8. */
const NODE_BYTES = 9;
const ROUTED_HEAD_BYTES = 2 * NODE_BYTES + 2;
/** Messages to one node are passed on together up to so many, and up to about so many bytes. */
const RELAY_COUNT_MAX = 256;
const RELAY_BYTES_MAX = 16_384;

/** One per decoding under way: a message may be delivered into the next decoding, where nodes share a process. */
let spare: Decoder | null = null;

/**
 * Delivers each message of a frame in order. `bytes` is borrowed: whatever is delivered has copies. Returns null, or
 * why no more messages can be found in the frame; what precedes the fault has been delivered by then. `self` is the
 * node that reads: a routed message to another node becomes a `Relay`. Null reads all.
 */
export function decodeFrame<D extends Direction>(
  bytes: Uint8Array,
  limits: DecodeLimits,
  direction: D,
  self: NodeId | null,
  deliver: (message: Incoming[D]) => void,
): string | null {
  const decoder = spare ?? new Decoder();
  spare = null;
  try {
    return decoder.decode(bytes, limits, PLANS[direction], direction === 'node' ? self : null, deliver as Deliver);
  } finally {
    decoder.release();
    spare = decoder;
  }
}

/** Appends the message to the frame that the writer holds. */
export function encodeMessage(message: Message | Relay, writer: FrameWriter): void {
  if (message.type === 'relay') writer.raw(message.bytes);
  else writeMessage(message, writer, 0);
}

type Delivered = Incoming[Direction];
type Deliver = (message: Delivered) => void;

/** Values of the message that is being encoded, and of the one within it. */
const encodingSlots: unknown[] = Array.from({ length: 2 * SLOTS }, () => null);

function writeMessage(message: Message, writer: FrameWriter, base: number): void {
  const plan = PLAN_BY_NAME.get(message.type) as RowPlan;
  const { fields, headCount } = plan;
  const slots = encodingSlots;
  plan.take(message, slots, base);
  const first = base + headCount;
  let count = fields.length;
  while (count > 0 && isAbsent(fields[count - 1] as FieldPlan, slots[first + count - 1])) count -= 1;
  writer.array(1 + headCount + count);
  writer.integer(plan.tag);
  if (headCount === 1) {
    const id = slots[base] as RequestId | null;
    if (id === null) writer.nil();
    else writer.integer(id);
  } else if (headCount > 1) {
    writeNode(writer, slots[base] as NodeId);
    writeNode(writer, slots[base + 1] as NodeId);
    writer.uint8(slots[base + 2] as number);
  }
  for (let i = 0; i < count; i += 1) writeField(writer, fields[i] as FieldPlan, slots[first + i]);
}

function isAbsent(field: FieldPlan, value: unknown): boolean {
  return field.isOptional && (value === null || (field.kind === 'options' && isEmpty(value as Info)));
}

function writeNode(writer: FrameWriter, id: NodeId): void {
  const { upper32, lower32 } = nodeIdHalves(id);
  writer.uint64(upper32, lower32);
}

function writeField(writer: FrameWriter, field: FieldPlan, value: unknown): void {
  if (value === null && field.isOptional) {
    writer.nil();
    return;
  }
  switch (field.kind) {
    case 'key':
    case 'text':
      writer.text(value as string);
      return;
    case 'integer':
    case 'signed':
      writer.integer(value as number);
      return;
    case 'boolean':
      writer.boolean(value as boolean);
      return;
    case 'info':
      writeValue(writer, value);
      return;
    case 'node':
      writeNode(writer, value as NodeId);
      return;
    case 'nodes':
      writeNodes(writer, value as readonly NodeRef[]);
      return;
    case 'bytes':
      writer.bin(value as Uint8Array);
      return;
    case 'keys': {
      const keys = value as readonly string[];
      writer.array(keys.length);
      for (const key of keys) writer.text(key);
      return;
    }
    case 'value':
      writer.raw(value as Bytes);
      return;
    case 'message': {
      const start = writer.beginBin();
      writeMessage(value as Message, writer, SLOTS);
      writer.endBin(start);
      return;
    }
    case 'options':
      writeOptions(writer, field, value as Info);
      return;
  }
}

function writeNodes(writer: FrameWriter, nodes: readonly NodeRef[]): void {
  writer.array(nodes.length);
  for (const { node, incarnation } of nodes) {
    writer.array(2);
    writeNode(writer, node);
    writer.integer(incarnation);
  }
}

function writeOptions(writer: FrameWriter, field: FieldPlan, options: Info): void {
  let count = 0;
  for (const name of field.optionNames) if (options[name] !== undefined) count += 1;
  writer.map(count);
  if (count === 0) return;
  for (const name of field.optionNames) {
    const value = options[name];
    if (value === undefined) continue;
    writer.text(name);
    if (typeof value === 'number') writer.integer(value);
    else if (typeof value === 'boolean') writer.boolean(value);
    else writer.text(value as string);
  }
}

/**
 * Whether a routed head begins at `next` that names the same node and hop count as the one at `head`: without a look at
 * who the nodes are.
 */
function goesAlike(bytes: Uint8Array, head: number, next: number): boolean {
  for (let i = 0; i < NODE_BYTES; i += 1) if (bytes[next + i] !== bytes[head + i]) return false;
  const from = next + NODE_BYTES;
  const hops = from + NODE_BYTES;
  // Of an id's 64 bits the upper four are none.
  if (bytes[from] !== bytes[head] || (bytes[from + 1] as number) > 0x0f) return false;
  return bytes[hops] === bytes[head + 2 * NODE_BYTES] && bytes[hops + 1] === bytes[head + 2 * NODE_BYTES + 1];
}

class Decoder {
  readonly #reader = new FrameReader();
  readonly #slots: unknown[] = Array.from({ length: 2 * SLOTS }, () => null);
  /** Where the hop counts of messages are that are passed on together. */
  readonly #hopsAt = new Uint32Array(RELAY_COUNT_MAX);
  #limits: DecodeLimits = { keyBytesMax: 0, valueBytesMax: 0 };

  /** What is wrong with the message being read; `#isLost` says that it is no message at all. */
  #isLost = false;
  #id: RequestId | null = null;
  #code: Malformed['code'] = 'BAD_REQUEST';
  #reason = '';
  #info: Info | null = null;

  decode(
    bytes: Uint8Array,
    limits: DecodeLimits,
    plans: PlansByTag,
    self: NodeId | null,
    deliver: Deliver,
  ): string | null {
    const reader = this.#reader;
    reader.reset(bytes);
    this.#limits = limits;
    if (bytes.length === 0) return 'the frame is empty';
    let malformedCount = 0;
    while (!reader.isAtEnd) {
      const start = reader.position;
      this.#isLost = false;
      this.#id = null;
      const message = this.#message(plans, self, start, 0);
      if (message !== null) {
        deliver(message as Delivered);
        continue;
      }
      reader.seek(start);
      if (this.#isLost || !reader.skipDeep()) return `no message at byte ${start}`;
      malformedCount += 1;
      if (malformedCount > MALFORMED_PER_FRAME_MAX) return `more than ${MALFORMED_PER_FRAME_MAX} malformed messages`;
      deliver({ type: 'malformed', id: this.#id, code: this.#code, reason: this.#reason, info: this.#info });
    }
    return null;
  }

  release(): void {
    this.#reader.release();
    const slots = this.#slots;
    // A loop: the method takes longer than decoding does.
    for (let i = 0; i < slots.length; i += 1) slots[i] = null;
  }

  /**
   * The message that begins here, at `start`, or null and the fault. Its values are put in the slots from `base` on,
   * which is above 0 for a message within a message.
   */
  #message(plans: PlansByTag, self: NodeId | null, start: number, base: number): Message | Relay | null {
    const reader = this.#reader;
    const elements = reader.readArray();
    const tag = elements < 1 ? NaN : reader.readInteger();
    if (!(tag >= 0)) {
      this.#isLost = base === 0;
      return this.#fault('a message is an array that begins with its tag');
    }
    const plan = tag < plans.length ? plans[tag] : undefined;
    if (plan === undefined) return this.#unknown(plans, tag, elements, self, start, base);
    if (plan.form === 'routed') {
      if (elements < ROUTED_HEAD) return this.#faultElements(plan, elements);
      if (!this.#routedHead(base)) return null;
      if (self !== null && this.#slots[base] !== self) return this.#relay(start, elements, base, plan.isDroppable);
    } else if (plan.headCount > 0 && elements > 1 && !this.#idHead(plan, base)) return null;
    if (elements < plan.elementsMin || elements > plan.elementsMax) return this.#faultElements(plan, elements);
    return this.#fields(plan, elements, base) ? plan.build(this.#slots, base) : null;
  }

  /** A message with a tag that has no row: from a newer version, if it is to be passed on. */
  #unknown(
    plans: PlansByTag,
    tag: number,
    elements: number,
    self: NodeId | null,
    start: number,
    base: number,
  ): Relay | null {
    if (plans === PLANS.node) {
      if (
        self !== null &&
        tag >= ROUTED_TAG_MIN &&
        elements >= ROUTED_HEAD &&
        this.#routedHead(base) &&
        this.#slots[base] !== self
      ) {
        return this.#relay(start, elements, base, false);
      }
    } else if (elements > 1 && base === 0) {
      const id = this.#reader.readInteger();
      if (id >= 0) this.#id = id;
    }
    return this.#fault(`no message has the tag ${tag} here`, 'UNSUPPORTED', { name: String(tag) });
  }

  #idHead(plan: RowPlan, base: number): boolean {
    const id = this.#reader.readInteger();
    if (id >= 0) {
      if (base === 0) this.#id = id;
      this.#slots[base] = id;
      return true;
    }
    if (plan.isIdless && this.#reader.readNil()) {
      this.#slots[base] = null;
      return true;
    }
    this.#fault('id: an integer from 0 to 2^53 - 1 is expected');
    return false;
  }

  #routedHead(base: number): boolean {
    const reader = this.#reader;
    const to = this.#node();
    const from = to === null ? null : this.#node();
    // The hop count has two bytes, so that a relay can write its own over it.
    const hops = from !== null && reader.nextByte === 0xcc ? reader.readInteger() : NaN;
    if (!(hops >= 0)) {
      this.#fault('to, from, hops: two uint64 of 60 bits and a uint8 are expected');
      return false;
    }
    this.#slots[base] = to;
    this.#slots[base + 1] = from;
    this.#slots[base + 2] = hops;
    return true;
  }

  /** The message that begins at `start`, whose head was just read, and those behind it that go the same way. */
  #relay(start: number, elements: number, base: number, isDroppable: boolean): Relay | null {
    const reader = this.#reader;
    const hopsAt = this.#hopsAt;
    const to = this.#slots[base] as NodeId;
    const hops = this.#slots[base + 2] as number;
    const head = reader.position - ROUTED_HEAD_BYTES;
    hopsAt[0] = reader.position - 1;
    if (!reader.skipDeep(elements - ROUTED_HEAD)) return this.#fault('cut off');
    let count = 1;
    let end = reader.position;
    for (; count < RELAY_COUNT_MAX && end - start < RELAY_BYTES_MAX; count += 1) {
      const more = reader.readArray();
      const tag = more < ROUTED_HEAD ? NaN : reader.readInteger();
      if (!(tag >= ROUTED_TAG_MIN) || (PLANS.node[tag]?.isDroppable === true) !== isDroppable) break;
      const next = reader.position;
      if (!goesAlike(reader.bytes, head, next)) break;
      hopsAt[count] = next + ROUTED_HEAD_BYTES - 1;
      reader.seek(next + ROUTED_HEAD_BYTES);
      if (!reader.skipDeep(more - ROUTED_HEAD)) break;
      end = reader.position;
    }
    // What is next is read anew, whatever is wrong with it.
    reader.seek(end);
    const bytes = reader.copyShared(start, end);
    for (let i = 0; i < count; i += 1) bytes[(hopsAt[i] as number) - start] = hops + 1;
    return { type: 'relay', to, hops, count, isDroppable, bytes };
  }

  /** Puts the fields in their slots. False, and the fault, if one is not what the row says. */
  #fields(plan: RowPlan, elements: number, base: number): boolean {
    const { fields, headCount } = plan;
    const slots = this.#slots;
    const given = elements - 1 - headCount;
    const first = base + headCount;
    for (let i = 0; i < fields.length; i += 1) {
      const field = fields[i] as FieldPlan;
      if (i >= given || (field.acceptsNil && this.#reader.readNil())) {
        slots[first + i] = field.absent;
        continue;
      }
      const value = this.#field(plan, field, base);
      if (value === null) return false;
      slots[first + i] = value;
    }
    return true;
  }

  /** The next value as the field's kind says, or null and the fault. */
  #field(plan: RowPlan, field: FieldPlan, base: number): unknown {
    const reader = this.#reader;
    switch (field.kind) {
      case 'key':
        return this.#key(field);
      case 'text':
        return reader.readText() ?? this.#faultField(field, 'text is expected');
      case 'integer': {
        const value = reader.readInteger();
        return value >= 0 ? value : this.#faultField(field, 'an integer from 0 to 2^53 - 1 is expected');
      }
      case 'signed': {
        const value = reader.readInteger();
        return Number.isNaN(value) ? this.#faultField(field, 'an integer within 2^53 is expected') : value;
      }
      case 'boolean':
        return reader.readBoolean() ?? this.#faultField(field, 'a boolean is expected');
      case 'options':
        return this.#options(field);
      case 'info':
        return this.#infoMap(field);
      case 'node':
        return this.#node() ?? this.#faultField(field, 'a uint64 of 60 bits is expected');
      case 'nodes':
        return this.#nodes(field);
      case 'bytes':
        return this.#bytes(field);
      case 'keys':
        return this.#keys(field);
      case 'value':
        return this.#value(plan, field);
      case 'message':
        return this.#inner(field, base);
    }
  }

  #key(field: FieldPlan): string | null {
    const reader = this.#reader;
    const length = reader.readTextLength();
    if (length <= 0) return this.#faultField(field, 'text is expected, a byte at least');
    if (length > this.#limits.keyBytesMax) return this.#faultTooLarge(field, this.#limits.keyBytesMax);
    return reader.takeText(length) ?? this.#faultField(field, 'the text is no UTF-8');
  }

  #node(): NodeId | null {
    const reader = this.#reader;
    return reader.readUint64() ? nodeIdText(reader.upper32, reader.lower32) : null;
  }

  #nodes(field: FieldPlan): readonly NodeRef[] | null {
    const reader = this.#reader;
    const count = reader.readArray();
    const nodes: NodeRef[] = [];
    for (let i = 0; i < count; i += 1) {
      const node = reader.readArray() === 2 ? this.#node() : null;
      const incarnation = node === null ? NaN : reader.readInteger();
      if (node === null || !(incarnation >= 0))
        return this.#faultField(field, 'pairs of node and incarnation are expected');
      nodes.push({ node, incarnation });
    }
    return count < 0 ? this.#faultField(field, 'an array is expected') : nodes;
  }

  #bytes(field: FieldPlan): Uint8Array | null {
    const reader = this.#reader;
    const length = reader.readBinLength();
    if (length < 0) return this.#faultField(field, 'a bin is expected');
    const start = reader.position;
    reader.seek(start + length);
    return reader.copyShared(start, start + length);
  }

  #keys(field: FieldPlan): readonly string[] | null {
    const count = this.#reader.readArray();
    const keys: string[] = [];
    for (let i = 0; i < count; i += 1) {
      const key = this.#key(field);
      if (key === null) return null;
      keys.push(key);
    }
    return count < 0 ? this.#faultField(field, 'an array is expected') : keys;
  }

  #options(field: FieldPlan): Info | null {
    const reader = this.#reader;
    const count = reader.readMap();
    if (count < 0) return this.#faultField(field, 'a map is expected');
    if (count === 0) return NO_OPTIONS;
    const options: Record<string, unknown> = {};
    for (let i = 0; i < count; i += 1) {
      const name = reader.readText();
      if (name === null) return this.#faultField(field, 'names are text');
      const option = field.options.get(name);
      if (option === undefined) return this.#faultUnknown(field, shownName(name));
      if (reader.readNil()) continue;
      const value = this.#option(option.kind);
      if (value === null) return this.#faultField(field, `${name} is expected to be ${option.kind}`);
      // The plan's text, not the one just read, which would have to be looked up among all property names.
      options[option.name] = value;
    }
    return options;
  }

  #option(kind: keyof OptionTypes): unknown {
    const reader = this.#reader;
    if (kind === 'boolean') return reader.readBoolean();
    if (kind === 'text') return reader.readText();
    const value = reader.readInteger();
    return Number.isNaN(value) ? null : value;
  }

  #infoMap(field: FieldPlan): Info | null {
    const reader = this.#reader;
    const start = reader.position;
    const isMap = reader.readMap() >= 0;
    reader.seek(start);
    if (isMap && reader.skip()) {
      reader.seek(start);
      const info = readValue(reader);
      if (!(info instanceof Map)) return info as Info;
    }
    return this.#faultField(field, `a map with text keys is expected, at most ${VALUE_DEPTH_MAX} levels deep`);
  }

  #value(plan: RowPlan, field: FieldPlan): Bytes | null {
    const reader = this.#reader;
    const start = reader.position;
    if (!reader.skip()) return this.#faultField(field, `nested more than ${VALUE_DEPTH_MAX} levels deep`);
    const end = reader.position;
    if (end - start > this.#limits.valueBytesMax) return this.#faultTooLarge(field, this.#limits.valueBytesMax);
    // The store takes a copy of its own; everybody else lets go of it soon.
    return reader.copyShared(start, end);
  }

  #inner(field: FieldPlan, base: number): Message | null {
    const reader = this.#reader;
    const length = reader.readBinLength();
    if (length < 0) return this.#faultField(field, 'a message in a bin is expected');
    const start = reader.position;
    const outerEnd = reader.limit(start + length);
    const message = this.#message(INNER_PLANS, null, start, base + SLOTS) as Message | null;
    const isWhole = reader.isAtEnd;
    reader.limit(outerEnd);
    if (message === null) {
      this.#reason = `${field.name}: ${this.#reason}`;
      return null;
    }
    return isWhole ? message : this.#faultField(field, 'exactly one message is expected');
  }

  #faultElements(plan: RowPlan, elements: number): null {
    const { elementsMin, elementsMax } = plan;
    const range = elementsMin === elementsMax ? `${elementsMin}` : `${elementsMin} to ${elementsMax}`;
    return this.#fault(`${plan.name} has ${range} elements, not ${elements}`);
  }

  #faultTooLarge(field: FieldPlan, max: number): null {
    return this.#fault(`${field.name}: at most ${max} bytes are allowed`, 'TOO_LARGE', { max });
  }

  #faultUnknown(field: FieldPlan, name: string): null {
    return this.#fault(`${field.name}: ${name} is unknown`, 'UNSUPPORTED', { name });
  }

  #faultField(field: FieldPlan, what: string): null {
    return this.#fault(`${field.name}: ${what}`);
  }

  #fault(reason: string, code: Malformed['code'] = 'BAD_REQUEST', info: Info | null = null): null {
    this.#reason = reason;
    this.#code = code;
    this.#info = info;
    return null;
  }
}
