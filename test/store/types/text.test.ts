import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import * as Y from 'yjs';
import type { NodeId } from '../../../src/store/node-id.js';
import { ObjectState, decodeState } from '../../../src/store/types/object-state.js';
import { clientOf, text } from '../../../src/store/types/text.js';
import { packValue } from '../../../src/transport/msgpack.js';
import { encodedValue } from '../../transport/encoded-value.js';
import { describeLaws } from './laws.js';

const part = fc.nat(1000);
const insert = fc.record({
  kind: fc.constant('insert' as const),
  at: part,
  text: fc.string({ minLength: 1, maxLength: 5 }),
});
const bold = fc.record({ kind: fc.constant('bold' as const), at: part, length: part, isOn: fc.boolean() });
const remove = fc.record({ kind: fc.constant('remove' as const), at: part, length: part });
const rich = fc.record({ kind: fc.constant('rich' as const), at: part, pick: fc.nat(6) });

/** What an editor might do, to a document of any kind. */
function editRichly(doc: Y.Doc, at: number, pick: number): void {
  const list = doc.getArray('list');
  const map = doc.getMap('map');
  const xml = doc.getXmlFragment('xml');
  const index = at % (list.length + 1);
  const nested = list.toArray().find((item) => item instanceof Y.Text);
  const paragraph = xml.firstChild;
  if (pick === 0) list.insert(index, [at, { at }]);
  else if (pick === 1) list.insert(index, [new Y.Text(`n${at}`)]);
  else if (pick === 2 && list.length > 0) list.delete(at % list.length, 1);
  else if (pick === 3) map.set(`k${at % 3}`, at % 2 === 0 ? at : new Y.Map([['x', at]]));
  else if (pick === 4) map.delete(`k${at % 3}`);
  else if (pick === 5 && nested !== undefined) nested.insert(0, 'b', { bold: at % 2 === 0 });
  else if (paragraph instanceof Y.XmlElement) {
    paragraph.setAttribute('a', `${at}`);
    if (at % 3 === 0) xml.delete(0, 1);
    else paragraph.insert(0, [new Y.XmlText(`t${at}`)]);
  } else xml.insert(0, [new Y.XmlElement('p')]);
}

const someUpdate = fc.array(fc.tuple(part, fc.nat(6)), { minLength: 1, maxLength: 12 }).map((edits) => {
  const doc = new Y.Doc();
  doc.clientID = clientOf('Hostile' as NodeId);
  doc.getText('text').insert(0, 'hello');
  for (const [at, pick] of edits) editRichly(doc, at, pick);
  doc.getText('text').delete(1, 2);
  return Y.encodeStateAsUpdate(doc);
});

const mutatedUpdate = fc
  .tuple(someUpdate, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }))
  .map(([update, changes]) => {
    const bytes = Uint8Array.from(update);
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
    return packValue(bytes);
  });

/** As Yjs writes numbers. */
function varint(number: number): number[] {
  return number < 128 ? [number] : [128 + (number % 128), ...varint(Math.floor(number / 128))];
}

describeLaws({
  type: text,
  isCausal: true,
  stepsMax: 20,
  command: fc.oneof({ arbitrary: insert, weight: 3 }, remove, bold, rich),
  write({ body }, origin, command) {
    const { length } = body.doc.getText('text');
    const { insert: add, format, remove: take, watch } = text.payloads;
    if (command.kind === 'insert') return add(body, origin, command.at % (length + 1), command.text);
    if (command.kind === 'rich') {
      const told: Uint8Array[] = [];
      const end = watch(body, origin, (payload) => told.push(payload));
      body.doc.transact(() => editRichly(body.doc, command.at, command.pick));
      end();
      return told[0] ?? null;
    }
    const at = length === 0 ? 0 : command.at % length;
    const count = Math.min(1 + (command.length % 4), length - at);
    if (count === 0) return null;
    return command.kind === 'remove'
      ? take(body, origin, at, count)
      : format(body, origin, at, count, { bold: command.isOn || null });
  },
  hostile: fc.oneof(encodedValue, fc.uint8Array({ maxLength: 40 }).map(packValue), mutatedUpdate, mutatedUpdate),
});

describe('text', () => {
  const state = (): ObjectState<ReturnType<typeof text.create>, string, (typeof text)['payloads']> =>
    new ObjectState(text);
  const a = 'A' as NodeId;
  const b = 'B' as NodeId;

  it('[R9] merges what is written at the same time', () => {
    const [one, other] = [state(), state()];
    const first = text.payloads.insert(one.body, a, 0, 'hello');
    for (const side of [one, other]) side.apply({ time: 1, origin: a }, first);
    const mine = text.payloads.insert(one.body, a, 5, ' world');
    one.apply({ time: 2, origin: a }, mine);
    const theirs = text.payloads.insert(other.body, b, 0, 'oh, ');
    other.apply({ time: 2, origin: b }, theirs);
    one.apply({ time: 2, origin: b }, theirs);
    other.apply({ time: 2, origin: a }, mine);
    expect(one.view()).toBe('oh, hello world');
    expect(other.encode()).toEqual(one.encode());
  });

  it('goes on under the client id of its origin after a reload', () => {
    const one = state();
    one.apply({ time: 1, origin: a }, text.payloads.insert(one.body, a, 0, 'x'));
    const again = decodeState(text, one.encode());
    if (again === null) throw new Error('not decoded');
    const told: Uint8Array[] = [];
    text.payloads.watch(again.body, a, (payload) => told.push(payload));
    again.body.doc.getText('text').insert(1, 'y');
    expect(told.map((payload) => one.objectionToWriting({ time: 2, origin: a }, payload))).toEqual([null]);
    one.apply({ time: 2, origin: a }, told[0] as Uint8Array);
    // Its own op comes back to a document that lacks it: the id stays.
    const older = state();
    text.payloads.watch(older.body, a, (payload) => told.push(payload));
    older.join(one);
    older.body.doc.getText('text').insert(0, 'z');
    expect(told.length).toBe(2);
    expect(one.objectionToWriting({ time: 3, origin: a }, told[1] as Uint8Array)).toBeNull();
  });

  it('[RA] takes from an origin only what is written under its own client id, and follows what is there', () => {
    const one = state();
    const stranger = state();
    const payload = text.payloads.insert(stranger.body, a, 0, 'x');
    const second = text.payloads.insert(stranger.body, a, 0, 'y');
    const deletion = text.payloads.remove(stranger.body, a, 0, 1);
    const foreign = text.payloads.insert(stranger.body, b, 1, 'z');
    expect(text.objectionTo(payload)).toBeNull();
    expect(one.objectionToWriting({ time: 1, origin: b }, payload)).toMatch(/client id/);
    expect(one.objectionToWriting({ time: 1, origin: a }, second)).toMatch(/follows is missing/);
    expect(one.objectionToWriting({ time: 1, origin: a }, deletion)).toMatch(/deletes is missing/);
    expect(one.objectionToWriting({ time: 1, origin: b }, foreign)).toMatch(/names is missing/);
    expect(one.objectionToWriting({ time: 1, origin: a }, payload)).toBeNull();
  });

  it.each<[string, unknown]>([
    ['text', 'x'],
    ['nothing', new Uint8Array(0)],
    ['what is no update', Uint8Array.of(1, 2, 3)],
  ])('refuses %s', (_what, payload) => {
    expect(text.objectionTo(packValue(payload))).toMatch(/expected/);
  });

  it('refuses updates of two clients, and documents within documents', () => {
    const two = state();
    text.payloads.insert(two.body, a, 0, 'x');
    text.payloads.insert(two.body, b, 0, 'y');
    expect(text.objectionTo(two.type.encode(two.body))).toMatch(/one Yjs client/);
    const outer = new Y.Doc();
    outer.getMap('m').set('inner', new Y.Doc());
    expect(text.objectionTo(packValue(Y.encodeStateAsUpdate(outer)))).toMatch(/does not write/);
  });

  it('[R5] refuses an item between neighbours of two lists', () => {
    const one = state();
    const told: Uint8Array[] = [];
    const { doc } = one.body;
    text.payloads.watch(one.body, a, (payload) => told.push(payload));
    doc.getText('text').insert(0, 'ab');
    doc.getText('other').insert(0, 'cd');
    for (const [i, payload] of told.entries()) one.apply({ time: i + 1, origin: a }, payload);
    const copy = decodeState(text, one.encode())?.body ?? text.create();
    const payload = text.payloads.insert(copy, b, 1, 'x');
    expect(one.objectionToWriting({ time: 9, origin: b }, payload)).toBeNull();
    // The clock of the right neighbour comes last before the text, behind its Yjs client id.
    const mutated = Uint8Array.from(payload);
    const end = mutated.lastIndexOf('x'.charCodeAt(0)) - 2;
    expect(mutated[end]).toBe(1);
    mutated[end] = 3;
    expect(text.objectionTo(mutated)).toBeNull();
    expect(one.objectionToWriting({ time: 9, origin: b }, mutated)).toMatch(/does not write/);
  });

  it('[R5] takes of an update that has its client twice no more than Yjs does, also where it was asked about', () => {
    const payload = text.payloads.insert(text.create(), a, 0, 'x');
    const client = varint(clientOf(a));
    // Behind a bin's head of two bytes: one client, one struct, and last that nothing is deleted.
    const update = Uint8Array.from([2, ...payload.subarray(3, -1), 0, ...client, 1, 0]);
    const twice = packValue(update);
    const doc = new Y.Doc();
    Y.applyUpdate(doc, update);
    const one = state();
    expect(one.objectionToWriting({ time: 1, origin: a }, twice)).toBeNull();
    one.apply({ time: 1, origin: a }, twice);
    expect(one.view()).toBe(doc.getText('text').toJSON());
    expect(one.view()).toBe('');
  });

  it('[R5] puts what somebody types where Yjs puts it, whatever the bytes are', () => {
    const typing = fc.record({
      base: fc.string({ minLength: 1, maxLength: 5 }),
      at: part,
      typed: fc.string({ minLength: 1, maxLength: 5, unit: 'binary' }),
      changes: fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 2 }),
      tail: fc.uint8Array({ maxLength: 1 }),
    });
    fc.assert(
      fc.property(typing, ({ base, at, typed, changes, tail }) => {
        const one = state();
        one.apply({ time: 1, origin: a }, text.payloads.insert(text.create(), a, 0, base));
        const copy = decodeState(text, one.encode()) ?? state();
        const bin = text.payloads.insert(copy.body, b, at % (base.length + 1), typed);
        const update = Uint8Array.from([...bin.subarray(2), ...tail]);
        for (const [i, byte] of changes) update[i % update.length] = byte;
        const payload = packValue(update);
        if (text.objectionTo(payload) !== null) return;
        const doc = new Y.Doc();
        Y.applyUpdate(doc, Y.encodeStateAsUpdate(one.body.doc));
        Y.applyUpdate(doc, update);
        one.apply({ time: 2, origin: b }, payload);
        expect(text.encode(one.body)).toEqual(packValue(Y.encodeStateAsUpdate(doc)));
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses the ids of clients that Yjs reads but can not write again', () => {
    const large = [255, 255, 255, 255, 255, 255, 255, 31];
    // One struct of client 5 at clock 0: ten deleted units, whose parent is the item 0 of a client of 2 ** 54 - 1.
    const update = Uint8Array.from([1, 1, 5, 0, 1, 0, ...large, 0, 10, 0]);
    const [struct] = Y.decodeUpdate(update).structs;
    expect(struct instanceof Y.Item && struct.parent).toMatchObject({ clock: 0 });
    expect(text.objectionTo(packValue(update))).toContain('Yjs');
  });

  it('refuses deletes of nothing, and clocks that are too large', () => {
    expect(text.objectionTo(packValue(Uint8Array.of(0, 1, 5, 1, 0, 1)))).toBeNull();
    expect(text.objectionTo(packValue(Uint8Array.of(0, 1, 5, 1, 0, 0)))).toMatch(/expected/);
    const huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
    expect(text.objectionTo(packValue(Uint8Array.of(0, 1, 5, 1, ...huge, 1)))).toMatch(/expected/);
    expect(text.objectionTo(packValue(Uint8Array.of(1, 1, 5, ...huge, 0, 1, 0)))).toMatch(/expected/);
  });

  it.each([
    [-1, 1],
    [0.5, 1],
    [0, 3],
    [3, 0],
    [0, 0],
  ])('removes nothing from %d on %d', (index, length) => {
    const one = state();
    text.payloads.insert(one.body, a, 0, 'xy');
    expect(() => text.payloads.remove(one.body, a, index, length)).toThrow(RangeError);
    expect(one.view()).toBe('xy');
  });
});
