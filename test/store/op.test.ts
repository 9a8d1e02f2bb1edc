import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { NodeId } from '../../src/store/node-id.js';
import {
  ID_BYTES_MAX,
  ItemReader,
  PAYLOAD_DEPTH_MAX,
  RUN_MAX,
  TYPE_CHARS_MAX,
  encodeItems,
  encodeOp,
  encodeOpWithSeen,
  encodeRun,
  encodeSnapshot,
  encodeVector,
  objectName,
  objectionToName,
  partsOfName,
} from '../../src/store/op.js';
import type { Op } from '../../src/store/op.js';
import type { Stamp } from '../../src/store/stamp.js';
import { packValue } from '../../src/transport/msgpack.js';
import { concat, encodedValue } from '../transport/encoded-value.js';

const origins = fc.constantFrom('X', 'Xgritzk0_D', 'Yabc01', 'A~') as fc.Arbitrary<NodeId>;
const stamps: fc.Arbitrary<Stamp> = fc.record({ time: fc.integer({ min: 1, max: 2 ** 53 - 1 }), origin: origins });
const types = fc.constantFrom('lww', 'counter', 'x'.repeat(TYPE_CHARS_MAX), 'my.Type_1-a');
const ids = fc
  .string({ unit: 'binary', minLength: 1, maxLength: 60 })
  .filter((id) => objectionToName('lww', id) === null);
const ops: fc.Arbitrary<Op> = fc
  .record({ stamp: stamps, prev: fc.maxSafeNat(), type: types, id: ids, payload: encodedValue })
  .map(({ prev, ...op }) => ({ ...op, prevTime: prev % op.stamp.time }));

function read(bytes: Uint8Array): ItemReader {
  const reader = new ItemReader();
  expect(reader.readAt(bytes, 0)).toBeNull();
  return reader;
}

function objectionTo(elements: unknown[]): string | null {
  return new ItemReader().readAt(packValue(elements), 0);
}

const good = ['1PTNwwFc~~-Xgritzk0_D', '1PTNwwFc~~'.slice(0, 5), 'lww', 'id', null];

describe('an op', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(ops, (op) => {
        const bytes = encodeOp(op);
        const reader = read(bytes);
        const { time, origin, prevTime, type, id } = reader;
        expect({ stamp: { time, origin }, prevTime, type, id, payload: reader.copyPayload() }).toEqual(op);
        expect(reader.payload).toEqual(op.payload);
        expect([reader.kind, reader.start, reader.end, reader.seenCount]).toEqual(['op', 0, bytes.length, -1]);
        expect(reader.copyOp()).toEqual(bytes);
        expect(reader.takeSeen()).toEqual([]);
      }),
    );
  });

  it('[RC] keeps its bytes beside what its author had seen', () => {
    fc.assert(
      fc.property(ops, fc.array(stamps, { maxLength: 20 }), (op, seen) => {
        const bytes = encodeOp(op);
        const reader = read(encodeOpWithSeen(bytes, seen));
        expect(reader.takeSeen()).toEqual(seen);
        expect(reader.seenCount).toBe(seen.length);
        expect(reader.copyOp()).toEqual(bytes);
        expect([reader.time, reader.origin]).toEqual([op.stamp.time, op.stamp.origin]);
      }),
    );
  });

  it.each<[string, unknown[]]>([
    ['bad stamp', ['0-X', '0', 'lww', 'id', null]],
    ['bad stamp', ['1PTN', '0', 'lww', 'id', null]],
    ['bad stamp', ['1PTN-', '0', 'lww', 'id', null]],
    ['bad stamp', ['-X', '0', 'lww', 'id', null]],
    ['bad stamp', ['1PTN+X', '0', 'lww', 'id', null]],
    ['bad stamp', ['1PTN0-X', '0', 'lww', 'id', null]],
    ['bad stamp', ['1PTN-X0', '0', 'lww', 'id', null]],
    ['bad stamp', ['1PTN-~', '0', 'lww', 'id', null]],
    ['bad stamp', ['~-X', '0', 'lww', 'id', null]],
    ['bad stamp', [7, '0', 'lww', 'id', null]],
    ['bad stamp', ['1PTNwwFc~~-Xgritzk0_D_', '0', 'lww', 'id', null]],
    ['bad prev', ['1PTN-X', '1PTN', 'lww', 'id', null]],
    ['bad prev', ['1PTN-X', '1PTN-X', 'lww', 'id', null]],
    ['bad prev', ['1PTN-X', '', 'lww', 'id', null]],
    ['bad prev', ['1PTN-X', 0, 'lww', 'id', null]],
    ['bad type', ['1PTN-X', '0', '', 'id', null]],
    ['bad type', ['1PTN-X', '0', 'a/b', 'id', null]],
    ['bad type', ['1PTN-X', '0', 'ä', 'id', null]],
    ['bad type', ['1PTN-X', '0', 'x'.repeat(TYPE_CHARS_MAX + 1), 'id', null]],
    ['bad id', ['1PTN-X', '0', 'lww', '', null]],
    ['bad id', ['1PTN-X', '0', 'lww', 'ä'.repeat(ID_BYTES_MAX / 2) + 'a', null]],
    ['bad id', ['1PTN-X', '0', 'lww', 1, null]],
    ['bad seen', [...good, null]],
    ['bad seen', [...good, ['1PTN']]],
    ['bad run', [0]],
    ['bad run', [1.5]],
    ['bad run', [RUN_MAX + 1]],
    ['bad mention', ['1']],
    ['no item', []],
    ['no item', [1, 2, 3, 4]],
    ['no item', [...good, [], 7]],
    ['no item', ['vectors', []]],
  ])('is refused for a %s: %j', (objection, elements) => {
    expect(objectionTo(elements)).toMatch(new RegExp(`^${objection}`));
  });

  it('is refused if its payload nests too deep, is cut off, or its id is no UTF-8', () => {
    const nested = (depth: number): Uint8Array => Uint8Array.from([...Array<number>(depth).fill(0x91), 0xc0]);
    const withPayload = (payload: Uint8Array): Uint8Array =>
      concat([Uint8Array.of(0x95), ...good.slice(0, 4).map((element) => packValue(element)), payload]);
    expect(new ItemReader().readAt(withPayload(nested(PAYLOAD_DEPTH_MAX)), 0)).toBeNull();
    expect(new ItemReader().readAt(withPayload(nested(PAYLOAD_DEPTH_MAX + 1)), 0)).toMatch(/^bad payload/);
    expect(new ItemReader().readAt(withPayload(Uint8Array.of(0xc4, 9)), 0)).toMatch(/^bad payload/);
    const bytes = withPayload(Uint8Array.of(0xc0));
    bytes[bytes.length - 2] = 0xff;
    expect(new ItemReader().readAt(bytes, 0)).toMatch(/^bad id/);
  });

  it('has one form of its head, so that equal ops have equal bytes', () => {
    const bytes = packValue(good);
    expect(new ItemReader().readAt(concat([Uint8Array.of(0xdc, 0, 5), bytes.subarray(1)]), 0)).toMatch(/^no item/);
  });

  it('is not written with a stamp or a name that would not be read', () => {
    const op: Op = {
      stamp: { time: 5, origin: 'X' as NodeId },
      prevTime: 4,
      type: 'lww',
      id: 'a',
      payload: packValue(1),
    };
    expect(() => encodeOp({ ...op, prevTime: 5 })).toThrow(RangeError);
    expect(() => encodeOp({ ...op, type: 'a/b' })).toThrow(RangeError);
    expect(() => encodeOp({ ...op, id: '' })).toThrow(RangeError);
    expect(() => encodeOp({ ...op, id: '\ud800' })).toThrow(RangeError);
    expect(() => encodeRun(0)).toThrow(RangeError);
    expect(() => encodeSnapshot('lww', 'x'.repeat(257), packValue(1))).toThrow(RangeError);
  });
});

describe('items', () => {
  it('are read one after the other', () => {
    const stamp = { time: 9, origin: 'X' as NodeId };
    const op = encodeOp({ stamp, prevTime: 3, type: 'set', id: 'ü', payload: packValue({ a: [1] }) });
    const bytes = encodeItems([
      op,
      encodeRun(70_000),
      encodeSnapshot('lww', 'a/b', packValue([[], 'body'])),
      encodeVector(packValue([['X', 9, 0]])),
      encodeOpWithSeen(op, [stamp]),
    ]);
    const reader = new ItemReader();
    expect(reader.open(bytes)).toBe(5);
    expect(reader.next()).toBeNull();
    expect([reader.kind, reader.type, reader.id, reader.copyOp()]).toEqual(['op', 'set', 'ü', op]);
    expect(reader.next()).toBeNull();
    expect([reader.kind, reader.count]).toEqual(['run', 70_000]);
    expect(reader.next()).toBeNull();
    expect([reader.kind, reader.type, reader.id]).toEqual(['snapshot', 'lww', 'a/b']);
    expect(reader.copyPayload()).toEqual(packValue([[], 'body']));
    expect(reader.next()).toBeNull();
    expect([reader.kind, reader.copyPayload()]).toEqual(['vector', packValue([['X', 9, 0]])]);
    expect(reader.isAtEnd).toBe(false);
    expect(reader.next()).toBeNull();
    expect([reader.kind, reader.takeSeen()]).toEqual(['op', [stamp]]);
    expect(reader.isAtEnd).toBe(true);
    expect(reader.next()).toMatch(/^no item/);
    expect(reader.readAt(bytes, 1)).toBeNull();
    expect([reader.end, reader.time, reader.prevTime]).toEqual([1 + op.length, 9, 3]);
    reader.release();
    expect(reader.open(packValue({}))).toBe(-1);
  });

  it('never throw, whatever the bytes', () => {
    const reader = new ItemReader();
    const drain = (bytes: Uint8Array): void => {
      if (reader.open(bytes) >= 0) while (reader.next() === null) expect(reader.end).toBeLessThanOrEqual(bytes.length);
      for (let i = 0; i < Math.min(bytes.length, 20); i += 1) {
        const objection = reader.readAt(bytes, i);
        expect(objection === null || objection.length > 8).toBe(true);
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), drain));
    fc.assert(
      fc.property(fc.array(ops, { maxLength: 4 }), fc.nat(), fc.nat(255), fc.nat(), (list, at, byte, cut) => {
        const bytes = encodeItems(list.map((op) => encodeOp(op)));
        bytes[at % bytes.length] = byte;
        drain(bytes.subarray(0, Math.max(1, bytes.length - (cut % 40))));
        drain(bytes);
      }),
    );
  });

  it('give the same op back where the op that was read is written again', () => {
    fc.assert(
      fc.property(ops, fc.nat(), fc.nat(255), (op, at, byte) => {
        const bytes = encodeOp(op);
        bytes[at % bytes.length] = byte;
        const reader = new ItemReader();
        if (reader.readAt(bytes, 0) !== null || reader.kind !== 'op') return;
        const { time, origin, prevTime, type, id } = reader;
        const again = encodeOp({ stamp: { time, origin }, prevTime, type, id, payload: reader.copyPayload() });
        expect(read(again).copyPayload()).toEqual(reader.copyPayload());
      }),
    );
  });
});

it('names of objects have their parts back', () => {
  fc.assert(
    fc.property(types, ids, (type, id) => {
      expect(partsOfName(objectName(type, id))).toEqual({ type, id });
    }),
  );
});
