/**
 * `text`: a Yjs document, plain text or a rich one. An op's payload is a Yjs update (version 1) as bin, the state is the
 * document's own update. A view is the string of the document's text named `text`; editors for rich documents bind to the
 * document itself. This is the one file that knows Yjs.
 *
 * Yjs numbers what each of its clients writes and takes what bears a known number for known. So an origin writes under
 * one client id, made from its name, and no other may: else two could write different things under one number, and
 * replicas would differ by what came first. Yjs also tidies formatting after remote changes by deletes of its own, which
 * are no ops: that is switched off.
 */
import * as Y from 'yjs';
// The types of Yjs are those of an ES module, also for what is compiled to CommonJS.
import type { Doc } from 'yjs' with { 'resolution-mode': 'import' };
import { decodeBase64x64 } from '../base64x64.js';
import { FrameReader } from '../frame-reader.js';
import { FrameWriter } from '../frame-writer.js';
import type { NodeId } from '../node-id.js';
import type { Bytes, ReplicatedType } from './replicated-type.js';

export interface TextBody {
  /** To be read and observed; to be changed where `watch` is told of it, or by `payloads`. */
  readonly doc: Doc;
}

/** Formatting: names and values as Yjs has them, such as `{bold: true}`. */
export type TextAttributes = Readonly<Record<string, unknown>>;

type Update = ReturnType<typeof Y.decodeUpdate>;

/** What a Yjs client may have written, in units of Yjs: it does not read larger numbers back in all places. */
const CLOCK_MAX = 2 ** 31 - 1;
/** The one text that `view` shows. */
const ROOT = 'text';
/** Of a document in which nobody writes. */
const NOBODY = 0;
/** Marks the transactions of `payloads`, of which a watch is not told. */
const EDIT = Symbol('edit');
/** Marks what comes from elsewhere. */
const REMOTE = Symbol('remote');
const UNKNOWN_OBJECTION = 'the update has what Yjs does not write';
const UPDATE_OBJECTION = 'a Yjs update as bin is expected';

const reader = new FrameReader();
const writer = new FrameWriter();

/**
 * These change the body's document at once and return the op's payload: the op has to be applied to the state next.
 * `index` and `length` count UTF-16 code units of the text; RangeError for what lies outside.
 */
const payloads = {
  insert(body: TextBody, origin: NodeId, index: number, text: string, attributes: TextAttributes = {}): Bytes {
    checkRange(body, index, 0);
    if (text === '') throw new RangeError('nothing to insert');
    return edit(body, origin, (root) => root.insert(index, text, attributes));
  },

  remove(body: TextBody, origin: NodeId, index: number, length: number): Bytes {
    checkRange(body, index, length);
    if (length === 0) throw new RangeError('nothing to remove');
    return edit(body, origin, (root) => root.delete(index, length));
  },

  /** An attribute of null takes the formatting off. */
  format(body: TextBody, origin: NodeId, index: number, length: number, attributes: TextAttributes): Bytes {
    checkRange(body, index, length);
    if (length === 0) throw new RangeError('nothing to format');
    return edit(body, origin, (root) => root.format(index, length, attributes));
  },

  /**
   * For editors that change the document themselves: tells the payload of each op that this makes, one for each local
   * transaction. `origin` is the author from now on. Returns what ends it.
   */
  watch({ doc }: TextBody, origin: NodeId, told: (payload: Bytes) => void): () => void {
    doc.clientID = clientOf(origin);
    const onUpdate = (update: Uint8Array, source: unknown): void => {
      if (source !== EDIT && source !== REMOTE) told(binOf(update));
    };
    doc.on('update', onUpdate);
    return () => doc.off('update', onUpdate);
  },
};

export const text: ReplicatedType<TextBody, string, typeof payloads> = {
  name: 'text',
  payloads,

  create() {
    const doc = new Y.Doc();
    doc.clientID = NOBODY;
    doc.getText(ROOT);
    doc.on('afterTransaction', keepFormatting);
    return { doc };
  },

  objectionTo(payload) {
    const update = updateIn(payload);
    if (update === null) return UPDATE_OBJECTION;
    let next = -1;
    let client = NOBODY;
    for (const struct of update.structs) {
      const { id, length } = struct;
      if (next >= 0 && (id.client !== client || id.clock !== next))
        return 'an update of one Yjs client, without gaps, is expected';
      if (!(length > 0) || id.clock + length > CLOCK_MAX) return UPDATE_OBJECTION;
      if (!Number.isSafeInteger(id.client) || struct instanceof Y.Skip || !isSoundStruct(struct))
        return UNKNOWN_OBJECTION;
      client = id.client;
      next = id.clock + length;
    }
    for (const [author, ranges] of update.ds.clients) {
      if (!Number.isSafeInteger(author)) return UPDATE_OBJECTION;
      for (const { clock, len } of ranges) if (!(len > 0) || clock + len > CLOCK_MAX) return UPDATE_OBJECTION;
    }
    return null;
  },

  asksForBody: true,
  objectionToWriting({ doc }, stamp, payload) {
    const update = updateIn(payload);
    if (update === null) return UPDATE_OBJECTION;
    const own = clientOf(stamp.origin);
    const first = update.structs[0];
    const last = update.structs.at(-1);
    if (first !== undefined && first.id.client !== own) return `the Yjs client id of ${stamp.origin} is ${own}`;
    if (first !== undefined && first.id.clock > Y.getState(doc.store, own)) return 'what the update follows is missing';
    const ownEnd = Math.max(Y.getState(doc.store, own), last === undefined ? 0 : last.id.clock + last.length);
    const isHere = (client: number, end: number): boolean =>
      end <= (client === own ? ownEnd : Y.getState(doc.store, client));
    const isNamedHere = ({ client, clock }: Y.ID): boolean => isHere(client, clock + 1);
    if (!update.structs.every((struct) => holdsForNamed(struct, isNamedHere)))
      return 'what the update names is missing';
    for (const [client, ranges] of update.ds.clients) {
      for (const { clock, len } of ranges)
        if (!isHere(client, clock + len)) return 'what the update deletes is missing';
    }
    if (!areNeighboursAtOnePlace(doc, update.structs)) return UNKNOWN_OBJECTION;
    return null;
  },

  /** Under the Yjs client id of `next`, and with the numbers that follow on what that one has written here. */
  rewriting({ doc }, next) {
    const own = clientOf(next);
    const ownStart = Y.getState(doc.store, own);
    let first: Y.ID | null = null;
    const renamed = (id: Y.ID): Y.ID =>
      first !== null && id.client === first.client && id.clock >= first.clock
        ? Y.createID(own, id.clock - first.clock + ownStart)
        : id;
    return (payload) => {
      const update = updateIn(payload);
      forget();
      const begin = update?.structs[0]?.id;
      if (first === null && begin !== undefined && begin.client !== own) first = begin;
      return update === null || first === null ? payload : binOf(renamedUpdate(update, first, renamed));
    };
  },

  together({ doc }, work) {
    doc.transact(work, REMOTE);
  },

  apply(body, _vector, _stamp, payload) {
    const item = payload === lastPayload ? lastItem : null;
    forget();
    if (item !== null && integrate(body, item)) return;
    const update = bytesIn(payload);
    if (update !== null) applyUpdate(body, update);
  },

  join(body, _vector, other) {
    applyUpdate(body, Y.encodeStateAsUpdate(other.doc, Y.encodeStateVector(body.doc)));
  },

  encode: ({ doc }) => binOf(Y.encodeStateAsUpdate(doc)),

  decode(bytes) {
    const update = bytesIn(bytes);
    if (update === null || decodeUpdate(update) === null) return null;
    const body = text.create();
    try {
      applyUpdate(body, update);
    } catch {
      return null;
    }
    const { pendingStructs, pendingDs } = body.doc.store;
    return pendingStructs === null && pendingDs === null ? body : null;
  },

  // oxlint-disable-next-line typescript/no-base-to-string -- its toString is the text.
  view: ({ doc }) => doc.getText(ROOT).toString(),
};

/** The Yjs client id under which that origin writes: 49 bits, so that two of one document hardly ever meet. */
export function clientOf(origin: NodeId): number {
  if (origin !== lastOrigin) {
    lastClient = computeClient(origin);
    lastOrigin = origin;
  }
  return lastClient;
}

/** Of whom it was asked last: most ops follow one of the same origin. */
let lastOrigin: NodeId | null = null;
let lastClient = NOBODY;

function computeClient(origin: NodeId): number {
  const halves = decodeBase64x64(origin);
  if (halves === null) throw new RangeError(`${origin} is no origin`);
  const low = mix(halves.lo ^ mix(halves.hi));
  const high = mix(halves.hi ^ mix(low ^ halves.lo));
  return (high >>> 15) * 2 ** 32 + (low >>> 0) || 1;
}

function edit({ doc }: TextBody, origin: NodeId, change: (root: Y.Text) => void): Bytes {
  let written: Uint8Array | null = null;
  const onUpdate = (update: Uint8Array): void => {
    written = update;
  };
  doc.clientID = clientOf(origin);
  doc.on('update', onUpdate);
  doc.transact(() => change(doc.getText(ROOT)), EDIT);
  doc.off('update', onUpdate);
  // An update without content: formatting that is there already.
  return binOf(written ?? Uint8Array.of(0, 0));
}

/** Yjs takes another client id where its own comes from elsewhere: ours is not by chance, and stays. */
function applyUpdate({ doc }: TextBody, update: Uint8Array): void {
  const { clientID } = doc;
  const isOwn = clientID !== NOBODY && Y.parseUpdateMeta(update).to.has(clientID);
  if (isOwn) doc.clientID = NOBODY;
  try {
    Y.applyUpdate(doc, update, REMOTE);
  } finally {
    doc.clientID = clientID;
  }
}

/**
 * As Yjs does with an update of that item alone, without reading it once more. False, and nothing is changed, where there
 * is more to do than to put it in its place: then the update is to be applied.
 */
function integrate({ doc }: TextBody, item: Y.Item): boolean {
  const { store } = doc;
  const isNext = item.id.clock === Y.getState(store, item.id.client);
  if (!isNext || doc.clientID !== NOBODY || store.pendingStructs !== null || store.pendingDs !== null) return false;
  let isWhole = false;
  doc.transact((transaction) => {
    transaction.local = false;
    isWhole = item.getMissing(transaction, store) === null;
    if (isWhole) item.integrate(transaction, 0);
  }, REMOTE);
  return isWhole;
}

/** Yjs would delete formatting that it finds to be without effect: deletes that are no ops, made by who happens to see it. */
function keepFormatting(transaction: Y.Transaction): void {
  transaction._needFormattingCleanup = false;
}

function checkRange({ doc }: TextBody, index: number, length: number): void {
  const end = doc.getText(ROOT).length;
  if (!(Number.isInteger(index) && Number.isInteger(length) && index >= 0 && length >= 0 && index + length <= end))
    throw new RangeError(`${index}, ${length} is not within the ${end} of the text`);
}

/**
 * Whether Yjs can integrate it, and write it again: it names nothing of its own client that comes later, no client that is
 * no number to Yjs (which reads larger ones in its first format only), and no documents within.
 */
function isSoundStruct(struct: Update['structs'][number]): boolean {
  const { id } = struct;
  const isSound = ({ client, clock }: Y.ID): boolean =>
    Number.isSafeInteger(client) && clock <= CLOCK_MAX && (client !== id.client || clock < id.clock);
  return holdsForNamed(struct, isSound) && !(struct instanceof Y.Item && struct.content instanceof Y.ContentDoc);
}

/** The update, written again by other ids. What is deleted on both sides of `first` is told apart. */
function renamedUpdate(update: Update, first: Y.ID, renamed: (id: Y.ID) => Y.ID): Uint8Array {
  const { structs, ds } = update;
  const written: number[] = [];
  writeNumber(written, structs.length > 0 ? 1 : 0);
  const begin = structs[0]?.id;
  const encoder = new Y.UpdateEncoderV1();
  if (begin !== undefined) {
    const { client, clock } = renamed(begin);
    for (const number of [structs.length, client, clock]) writeNumber(written, number);
    for (const struct of structs) {
      if (struct instanceof Y.Item) {
        const { origin, rightOrigin } = struct;
        const parent: unknown = struct.parent;
        if (origin !== null) struct.origin = renamed(origin);
        if (rightOrigin !== null) struct.rightOrigin = renamed(rightOrigin);
        if (parent instanceof Y.ID) struct.parent = renamed(parent);
      }
      struct.write(encoder, 0);
    }
  }
  for (const byte of encoder.toUint8Array()) written.push(byte);
  const deleted = new Map<number, [clock: number, length: number][]>();
  const remove = (id: Y.ID, length: number): void => {
    const { client, clock } = renamed(id);
    const ranges = deleted.get(client);
    if (ranges === undefined) deleted.set(client, [[clock, length]]);
    else ranges.push([clock, length]);
  };
  for (const [client, ranges] of ds.clients) {
    for (const { clock, len } of ranges) {
      const before = client === first.client ? Math.max(0, Math.min(len, first.clock - clock)) : len;
      if (before > 0) remove(Y.createID(client, clock), before);
      if (before < len) remove(Y.createID(client, clock + before), len - before);
    }
  }
  writeNumber(written, deleted.size);
  for (const [client, ranges] of deleted) {
    for (const number of [client, ranges.length, ...ranges.flat()]) writeNumber(written, number);
  }
  return Uint8Array.from(written);
}

/** As Yjs does: seven bits to a byte, the lowest first. */
function writeNumber(bytes: number[], number: number): void {
  let rest = number;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push(0x80 | (rest % 128));
  bytes.push(rest);
}

/** Whether it holds for what the struct names. */
function holdsForNamed(struct: Update['structs'][number], holds: (id: Y.ID) => boolean): boolean {
  if (!(struct instanceof Y.Item)) return true;
  const { origin, rightOrigin } = struct;
  const parent: unknown = struct.parent;
  return (
    (origin === null || holds(origin)) &&
    (rightOrigin === null || holds(rightOrigin)) &&
    (!(parent instanceof Y.ID) || holds(parent))
  );
}

/** Which list, map or text something is in, and there under which key; one that is not there is named by a text. */
interface Place {
  readonly parent: unknown;
  readonly key: string | null;
}

/** Of what was collected together with the list or map that it was in. */
const GONE: Place = { parent: null, key: null };

/**
 * Whether each item's neighbours are of one and the same list or map, which Yjs takes for granted: it would put the item
 * elsewhere in a document that has collected one of them. What an update names is known to be here or in it.
 */
function areNeighboursAtOnePlace(doc: Y.Doc, structs: Update['structs']): boolean {
  const places: Place[] = [];
  const placeAt = (id: Y.ID): Place => {
    const own = indexOf(structs, id);
    return own >= 0 ? (places[own] ?? GONE) : placeOf(Y.getItem(doc.store, id));
  };
  for (const struct of structs) {
    if (!(struct instanceof Y.Item)) {
      places.push(GONE);
      continue;
    }
    const { origin, rightOrigin, parentSub } = struct;
    const parent: unknown = struct.parent;
    const left = origin === null ? null : placeAt(origin);
    const right = rightOrigin === null ? null : placeAt(rightOrigin);
    if (left !== null && right !== null && (left.parent !== right.parent || left.key !== right.key)) return false;
    let place = left ?? right;
    if (parent instanceof Y.ID) {
      const own = indexOf(structs, parent);
      const above: unknown = own >= 0 ? structs[own] : Y.getItem(doc.store, parent);
      if (above instanceof Y.Item && !isTypeContent(above.content)) return false;
      place = above instanceof Y.Item ? { parent: typeIn(above, parent), key: parentSub } : GONE;
    } else if (typeof parent === 'string') place = { parent: doc.share.get(parent) ?? parent, key: parentSub };
    places.push(place ?? GONE);
  }
  return true;
}

function isTypeContent(content: unknown): boolean {
  return content instanceof Y.ContentType || content instanceof Y.ContentDeleted;
}

/** What the items below it have for their parent, if it has not been deleted. */
function typeIn({ content }: Y.Item, { client, clock }: Y.ID): unknown {
  return content instanceof Y.ContentType ? content.type : `${client} ${clock}`;
}

function placeOf(struct: unknown): Place {
  if (!(struct instanceof Y.Item) || !(struct.parent instanceof Y.AbstractType)) return GONE;
  return { parent: struct.parent, key: struct.parentSub };
}

/** Of the struct that has that id, among those of one client in the order of their clocks; or -1. */
function indexOf(structs: Update['structs'], { client, clock }: Y.ID): number {
  let low = 0;
  let high = structs.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const { id, length } = structs[middle] as Update['structs'][number];
    if (id.client !== client) return -1;
    if (clock < id.clock) high = middle - 1;
    else if (clock >= id.clock + length) low = middle + 1;
    else return middle;
  }
  return -1;
}

/** What was read last: who is asked about a payload is asked twice, and applies it next. */
let lastPayload: Bytes | null = null;
let lastUpdate: Update | null = null;
/** The item that is all of it, as where somebody types. */
let lastItem: Y.Item | null = null;

/** The update in a payload, or null. */
function updateIn(payload: Bytes): Update | null {
  if (payload !== lastPayload) {
    lastItem = readTyped(payload);
    if (lastItem !== null) lastUpdate = { structs: [lastItem], ds: NOTHING_DELETED };
    else {
      const bytes = bytesIn(payload);
      lastUpdate = bytes === null ? null : decodeUpdate(bytes);
    }
    lastPayload = payload;
  }
  return lastUpdate;
}

/** Who changes what was read last, or makes it a part of a document. */
function forget(): void {
  lastPayload = lastUpdate = lastItem = null;
}

const NOTHING_DELETED = Y.createDeleteSet();
/** The kind of an item with text, which has no parent of its own where it has a neighbour. */
const TEXT_KIND = 4;
const KIND_BITS = 0x1f;
const HAS_LEFT = 0x80;
const HAS_RIGHT = 0x40;

/**
 * The one item of an update that inserts text beside something, and does nothing else, as most do: many times as fast as
 * Yjs reads it. Null for all others, and for whatever Yjs might read differently.
 */
function readTyped(payload: Bytes): Y.Item | null {
  reader.reset(payload);
  const length = reader.readBinLength();
  const start = reader.position;
  // One client, and one struct of it.
  if (length < 2 || start + length !== payload.length || payload[start] !== 1 || payload[start + 1] !== 1) return null;
  reader.seek(start + 2);
  const id = readId(payload);
  const info = reader.nextByte;
  if ((info & KIND_BITS) !== TEXT_KIND || (info & (HAS_LEFT | HAS_RIGHT)) === 0) return null;
  reader.seek(reader.position + 1);
  const left = (info & HAS_LEFT) === 0 ? null : readId(payload);
  const right = (info & HAS_RIGHT) === 0 ? null : readId(payload);
  const size = readNumber(payload);
  // Behind the text is how many clients' items are deleted: none.
  if (!(size >= 0) || payload[reader.position + size] !== 0) return null;
  const typed = reader.takeText(size);
  const isSound = isSafe(id) && (left === null || isSafe(left)) && (right === null || isSafe(right));
  if (typed === null || !isSound) return null;
  return new Y.Item(id, null, left, null, right, null, null, new Y.ContentString(typed));
}

function readId(bytes: Uint8Array): Y.ID {
  return Y.createID(readNumber(bytes), readNumber(bytes));
}

function isSafe({ client, clock }: Y.ID): boolean {
  return Number.isSafeInteger(client) && Number.isSafeInteger(clock);
}

/** As `writeNumber` writes it; NaN at the end of the bytes. */
function readNumber(bytes: Uint8Array): number {
  let number = 0;
  let factor = 1;
  for (let at = reader.position; at < bytes.length; at += 1) {
    const byte = bytes[at] as number;
    number += (byte & 0x7f) * factor;
    factor *= 128;
    if (byte > 0x7f) continue;
    reader.seek(at + 1);
    return number;
  }
  return NaN;
}

function decodeUpdate(bytes: Uint8Array): Update | null {
  try {
    return Y.decodeUpdate(bytes);
  } catch {
    return null;
  }
}

/** The content of a bin, in memory of its own: Yjs keeps parts of it. Null for something else. */
function bytesIn(bin: Bytes): Uint8Array | null {
  reader.reset(bin);
  const length = reader.readBinLength();
  const start = reader.position;
  return length < 0 || start + length !== bin.length ? null : reader.copy(start, start + length);
}

function binOf(bytes: Uint8Array): Bytes {
  writer.reset();
  writer.bin(bytes);
  return writer.copy();
}

function mix(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x7feb352d);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x846ca68b);
  return mixed ^ (mixed >>> 16);
}
