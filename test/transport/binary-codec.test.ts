import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { NodeId } from '../../src/store/node-id.js';
import { decodeFrame, encodeMessage, MALFORMED_PER_FRAME_MAX } from '../../src/transport/binary-codec.js';
import type { Direction } from '../../src/transport/binary-codec.js';
import { FrameWriter } from '../../src/store/frame-writer.js';
import { VALUE_DEPTH_MAX } from '../../src/store/frame-reader.js';
import type { Malformed, Message, Relay, Row } from '../../src/transport/message.js';
import { concat, elementsOf, encodedInteger, encodedValue, meaningOf, uint } from './encoded-value.js';
import { limits, messageArbitrary, nodeId, rows, wrongWith } from './message-arbitrary.js';

type Delivered = Message | Malformed | Relay;

const directionOf = ({ form }: Row): Direction =>
  form === 'request' ? 'client requests' : form === 'reply' ? 'client replies' : 'node';

function decode(
  bytes: Uint8Array | readonly number[],
  direction: Direction = 'client requests',
  self: NodeId | null = null,
): { messages: Delivered[]; reason: string | null } {
  const messages: Delivered[] = [];
  const reason = decodeFrame(Uint8Array.from(bytes), limits, direction, self, (message) => messages.push(message));
  return { messages, reason };
}

function encode(...messages: (Message | Relay)[]): Uint8Array {
  const writer = new FrameWriter();
  for (const message of messages) encodeMessage(message, writer);
  return writer.copy();
}

const bytes = (...parts: (number | string | readonly number[])[]): Uint8Array =>
  concat(
    parts.map((part) => {
      if (typeof part === 'number') return Uint8Array.of(part);
      if (typeof part !== 'string') return Uint8Array.from(part);
      const text = new TextEncoder().encode(part);
      return concat([Uint8Array.of(0xa0 | text.length), text]);
    }),
  );

const HEAD_COUNT = { request: 1, reply: 1, notice: 0, routed: 3 };
const arrayOf = (parts: readonly Uint8Array[]): Uint8Array => concat([Uint8Array.of(0x90 | parts.length), ...parts]);

const A = '1' as NodeId;
const B = 'Xgritzk0_D' as NodeId;
const A_BYTES = [0xcf, 0x00, 0x40, 0, 0, 0, 0, 0, 0];

describe('vectors written by hand', () => {
  const get = { type: 'get', id: 7, key: 'k', options: {} };
  const vectors: [what: string, direction: Direction, frame: Uint8Array, message: object, isCanonical: boolean][] = [
    ['get', 'client requests', bytes(0x93, 2, 7, 'k'), get, true],
    ['get with empty options', 'client requests', bytes(0x94, 2, 7, 'k', 0x80), get, false],
    ['get with nil for options', 'client requests', bytes(0x94, 2, 7, 'k', 0xc0), get, false],
    ['get with array 16', 'client requests', bytes(0xdc, 0, 3, 2, 7, 'k'), get, false],
    [
      'get with array 32, str 8 and int 64',
      'client requests',
      bytes(0xdd, 0, 0, 0, 3, [0xd3, 0, 0, 0, 0, 0, 0, 0, 2], 7, [0xd9, 1, 107]),
      get,
      false,
    ],
    ['get with a float for the id', 'client requests', bytes(0x93, 2, [0xca, 0x40, 0xe0, 0, 0], 'k'), get, false],
    [
      'get with a double for the tag',
      'client requests',
      bytes(0x93, [0xcb, 0x40, 0, 0, 0, 0, 0, 0, 0], 7, 'k'),
      get,
      false,
    ],
    [
      'get with the largest id',
      'client requests',
      bytes(0x93, 2, [0xcf, 0, 0x1f, 255, 255, 255, 255, 255, 255], 'k'),
      { ...get, id: Number.MAX_SAFE_INTEGER },
      true,
    ],
    [
      'set',
      'client requests',
      bytes(0x95, 3, 7, 'k', [0x81], 'ttlMs', [0xcd, 0x01, 0xf4], [0x91, 0xc3]),
      { type: 'set', id: 7, key: 'k', options: { ttlMs: 500 }, value: Uint8Array.of(0x91, 0xc3) },
      true,
    ],
    [
      'set with a negative option',
      'client requests',
      bytes(0x95, 3, 7, 'k', [0x81], 'ttlMs', [0xff], [0xc0]),
      { type: 'set', id: 7, key: 'k', options: { ttlMs: -1 }, value: Uint8Array.of(0xc0) },
      true,
    ],
    [
      'set with a nil option',
      'client requests',
      bytes(0x95, 3, 7, 'k', [0x81], 'meta', [0xc0], [0xc0]),
      { type: 'set', id: 7, key: 'k', options: {}, value: Uint8Array.of(0xc0) },
      false,
    ],
    ['ping', 'client requests', bytes(0x92, 12, 0), { type: 'ping', id: 0 }, true],
    ['missing', 'client replies', bytes(0x92, 35, 7), { type: 'missing', id: 7 }, true],
    [
      'value',
      'client replies',
      bytes(0x94, 34, 7, 0xc0, 'v'),
      { type: 'value', id: 7, meta: null, value: Uint8Array.of(0xa1, 118) },
      true,
    ],
    ['stored', 'client replies', bytes(0x92, 36, 7), { type: 'stored', id: 7, meta: null }, true],
    [
      'stored with meta',
      'client replies',
      bytes(0x93, 36, 7, [0x81], 'stamp', '1-2'),
      { type: 'stored', id: 7, meta: { stamp: '1-2' } },
      true,
    ],
    [
      'refused without id',
      'client replies',
      bytes(0x94, 63, 0xc0, 'BUSY', 'later'),
      { type: 'refused', id: null, code: 'BUSY', message: 'later', info: null },
      true,
    ],
    ['beat', 'node', bytes(0x91, [0xcc, 130]), { type: 'beat' }, true],
    [
      'echo',
      'node',
      bytes(0x96, [0xcc, 133], A_BYTES, 5, 0xc0, 9, [0x91, 0x92], A_BYTES, 3),
      { type: 'echo', asker: A, number: 5, owner: null, clock: 9, answered: [{ node: A, incarnation: 3 }] },
      true,
    ],
    [
      'notMine',
      'node',
      bytes(0x96, [0xcc, 162], A_BYTES, A_BYTES, [0xcc, 1], 5, 9),
      { type: 'notMine', to: A, from: A, hops: 1, number: 5, clock: 9 },
      true,
    ],
    [
      'answer',
      'node',
      bytes(0x97, [0xcc, 161], A_BYTES, A_BYTES, [0xcc, 0], 5, 9, [0xc5, 0, 3, 0x92, 35, 7]),
      { type: 'answer', to: A, from: A, hops: 0, number: 5, clock: 9, message: { type: 'missing', id: 7 } },
      true,
    ],
  ];

  it.each(vectors)('%s', (_what, direction, frame, message, isCanonical) => {
    expect(decode(frame, direction)).toEqual({ messages: [message], reason: null });
    if (isCanonical) expect(encode(message as Message)).toEqual(frame);
  });

  it('[FR1] reads concatenated messages in order', () => {
    const frame = bytes(0x92, 12, 1, 0x92, 12, 2, 0x92, 12, 3);
    expect(decode(frame).messages.map((message) => 'id' in message && message.id)).toEqual([1, 2, 3]);
  });
});

describe.each(rows)('%s', (name, row) => {
  const direction = directionOf(row);
  const message = messageArbitrary(name);

  it('comes back as it was sent', () => {
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 3 }), (messages) => {
        expect(decode(encode(...messages), direction)).toEqual({ messages, reason: null });
        for (const each of messages) expect(wrongWith(each)).toBeNull();
      }),
      { numRuns: 60 },
    );
  });

  it('[FR3] is refused with an element too many or too few', () => {
    fc.assert(
      fc.property(message, (each) => {
        const frame = encode(each);
        const full = 1 + HEAD_COUNT[row.form] + row.fields.length;
        const parts = elementsOf(frame);
        while (parts.length <= full) parts.push(Uint8Array.of(0xc0));
        const longer = arrayOf(parts);
        const [refused, ...others] = decode(longer, direction).messages;
        expect(refused).toMatchObject({ type: 'malformed', code: 'BAD_REQUEST', info: null });
        expect(others).toEqual([]);
        const shorter = bytes(0x91, 0xcc, row.tag);
        const minimum = full - row.fields.length + row.fields.findLastIndex((field) => !field.optional) + 1;
        const { messages, reason } = decode(shorter, direction);
        expect(reason).toBeNull();
        expect(messages).toMatchObject(
          minimum === 1 ? [{ type: name }] : [{ type: 'malformed', code: 'BAD_REQUEST', id: null }],
        );
      }),
      { numRuns: 5 },
    );
  });

  it('[FR2] is refused, with its id, where a field holds another type', () => {
    // An extension is what no field but a value takes.
    const wrong = bytes(0xd4, 0x55, 0);
    fc.assert(
      fc.property(message, (each) => {
        const parts = elementsOf(encode(each));
        const headEnd = 1 + HEAD_COUNT[row.form];
        for (const [i, field] of row.fields.entries()) {
          if (field.kind === 'value') continue;
          const wrongParts = [...parts];
          while (wrongParts.length <= headEnd + i) wrongParts.push(Uint8Array.of(0xc0));
          wrongParts[headEnd + i] = wrong;
          const { messages, reason } = decode(concat([arrayOf(wrongParts), encode(each)]), direction);
          expect(reason).toBeNull();
          expect(messages[0]).toMatchObject({ type: 'malformed', code: 'BAD_REQUEST', info: null });
          expect(messages[0]).toHaveProperty('reason', expect.stringContaining(`${field.name}: `));
          expect(messages[0]).toHaveProperty('id', 'id' in each ? each.id : null);
          expect(messages.slice(1)).toEqual([each]);
        }
      }),
      { numRuns: 10 },
    );
  });

  it('is refused where its head holds another type', () => {
    fc.assert(
      fc.property(message, (each) => {
        const parts = elementsOf(encode(each));
        for (let i = 1; i <= HEAD_COUNT[row.form]; i += 1) {
          const { messages, reason } = decode(arrayOf(parts.with(i, Uint8Array.of(0xa1, 0x37))), direction);
          expect(reason).toBeNull();
          expect(messages).toMatchObject([{ type: 'malformed', code: 'BAD_REQUEST', id: null }]);
        }
      }),
      { numRuns: 5 },
    );
  });

  it('is no message when cut off anywhere', () => {
    fc.assert(
      fc.property(message, (each) => {
        const frame = encode(each);
        const whole = encode({ type: 'ping', id: 1 });
        // Looked at together: an assertion for each of them would cost more than all that is tested.
        const lengths = Array.from({ length: frame.length - 1 }, (_, i) => i + 1);
        const unnoticed = lengths.filter((length) => {
          const { messages, reason } = decode(frame.subarray(0, length), direction);
          return messages.length > 0 || reason !== 'no message at byte 0';
        });
        expect(unnoticed).toEqual([]);
        if (direction !== 'client requests') return;
        const { messages, reason } = decode(concat([whole, frame.subarray(0, frame.length - 1)]));
        expect(messages).toHaveLength(1);
        expect(reason).toBe(`no message at byte ${whole.length}`);
      }),
      { numRuns: 5 },
    );
  });
});

it('leaves no tag of one direction to another', () => {
  for (const direction of ['client requests', 'client replies', 'node'] as const) {
    for (const [, row] of rows) {
      if (directionOf(row) === direction) continue;
      const tag = [0xcc, row.tag];
      const frame = bytes(0x94, tag, 7, 0xc0, 0xc0);
      const id = direction === 'node' ? null : 7;
      expect(decode(frame, direction).messages).toMatchObject([
        { type: 'malformed', code: 'UNSUPPORTED', id, info: { name: String(row.tag) } },
      ]);
    }
  }
});

describe('what is refused, and what only then', () => {
  const refusal = (frame: Uint8Array): Delivered | undefined => {
    const { messages, reason } = decode(concat([frame, bytes(0x92, 12, 9)]));
    expect(reason).toBeNull();
    expect(messages).toHaveLength(2);
    expect(messages[1]).toEqual({ type: 'ping', id: 9 });
    return messages[0];
  };

  it('[FR3] an unknown tag: UNSUPPORTED with the tag', () => {
    expect(refusal(bytes(0x93, 29, 7, 'k'))).toMatchObject({ id: 7, code: 'UNSUPPORTED', info: { name: '29' } });
    expect(refusal(bytes(0x91, 29))).toMatchObject({ id: null, code: 'UNSUPPORTED', info: { name: '29' } });
    const huge = [0xcf, 0, 0x1f, 255, 255, 255, 255, 255, 255];
    expect(refusal(bytes(0x92, huge, 7))).toMatchObject({ code: 'UNSUPPORTED', info: { name: '9007199254740991' } });
  });

  it('[FR3] an unknown option: UNSUPPORTED with its name', () => {
    for (const name of ['nope', '__proto__', 'constructor', '']) {
      expect(refusal(bytes(0x94, 2, 7, 'k', 0x81, name, 1))).toMatchObject({
        id: 7,
        code: 'UNSUPPORTED',
        info: { name },
      });
    }
  });

  it('an unknown option with a long name: its beginning', () => {
    const name = concat([bytes(0xda, [...uint(60_000, 2)]), new Uint8Array(60_000).fill(120)]);
    const message = refusal(concat([bytes(0x94, 2, 7, 'k', 0x81), name, bytes(1)]));
    expect(message).toMatchObject({ code: 'UNSUPPORTED', info: { name: `${'x'.repeat(64)}...` } });
    expect(JSON.stringify(message).length).toBeLessThan(300);
  });

  it('[LM2] a key or a value over its limit: TOO_LARGE with the limit', () => {
    const long = 'k'.repeat(limits.keyBytesMax);
    const get = (key: string): Uint8Array => encode({ type: 'get', id: 7, key, options: {} });
    expect(decode(get(long)).messages).toMatchObject([{ type: 'get', key: long }]);
    expect(refusal(get(`${long}k`))).toMatchObject({ id: 7, code: 'TOO_LARGE', info: { max: limits.keyBytesMax } });
    expect(refusal(get(`${'\u00e9'.repeat(limits.keyBytesMax / 2)}k`))).toMatchObject({ code: 'TOO_LARGE' });
    const set = (length: number): Uint8Array =>
      encode({
        type: 'set',
        id: 7,
        key: 'k',
        options: {},
        value: concat([bytes(0xc5, [...uint(length - 3, 2)]), new Uint8Array(length - 3)]),
      });
    expect(decode(set(limits.valueBytesMax)).messages).toMatchObject([{ type: 'set' }]);
    expect(refusal(set(limits.valueBytesMax + 1))).toMatchObject({
      id: 7,
      code: 'TOO_LARGE',
      info: { max: limits.valueBytesMax },
    });
  });

  it.each([
    ['an id below 0', bytes(0x92, 12, 0xff)],
    ['an id of 2^53', bytes(0x92, 12, 0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0)],
    ['an id with a fraction', bytes(0x92, 12, 0xca, 0x3f, 0, 0, 0)],
    ['an id that is NaN', bytes(0x92, 12, 0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0)],
    ['an id that is nil', bytes(0x92, 12, 0xc0)],
    ['an id that is text', bytes(0x92, 12, '7')],
  ])('%s: BAD_REQUEST without id', (_what, frame) => {
    expect(refusal(frame)).toMatchObject({ type: 'malformed', code: 'BAD_REQUEST', id: null });
  });

  it.each([
    ['an empty key', bytes(0x93, 2, 7, 0xa0)],
    ['a key that is no UTF-8', bytes(0x93, 2, 7, 0xa1, 0xff)],
    ['a key with half a surrogate pair', bytes(0x93, 2, 7, 0xa3, 0xed, 0xa0, 0x80)],
    ['a key in an overlong form', bytes(0x93, 2, 7, 0xa2, 0xc0, 0x80)],
    ['a key as bin', bytes(0x93, 2, 7, 0xc4, 1, 107)],
    ['options that are an array', bytes(0x94, 2, 7, 'k', 0x90)],
    ['an option name that is no text', bytes(0x94, 2, 7, 'k', 0x81, 1, 1)],
    ['an option of another type', bytes(0x94, 2, 7, 'k', 0x81, 'meta', 1)],
    ['an option with a fraction', bytes(0x95, 3, 7, 'k', 0x81, 'ttlMs', [0xca, 0x3f, 0, 0, 0], 0xc0)],
  ])('%s: BAD_REQUEST with the id', (_what, frame) => {
    expect(refusal(frame)).toMatchObject({ type: 'malformed', code: 'BAD_REQUEST', id: 7 });
  });

  it('[FR6] a value nested too deep: BAD_REQUEST, and the next message is found', () => {
    const nested = (depth: number): Uint8Array => concat([new Uint8Array(depth - 1).fill(0x91), bytes(0x90)]);
    const set = (value: Uint8Array): Uint8Array => concat([bytes(0x95, 3, 7, 'k', 0x80), value]);
    expect(decode(set(nested(VALUE_DEPTH_MAX))).messages).toMatchObject([{ type: 'set' }]);
    expect(refusal(set(nested(VALUE_DEPTH_MAX + 1)))).toMatchObject({ id: 7, code: 'BAD_REQUEST' });
    expect(refusal(set(nested(10_000)))).toMatchObject({ id: 7, code: 'BAD_REQUEST' });
    const mapped = new Uint8Array(20_001).map((_, i) => (i === 20_000 ? 0xc0 : i % 2 === 0 ? 0x81 : 0xa0));
    expect(refusal(set(mapped))).toMatchObject({ id: 7, code: 'BAD_REQUEST' });
  });
});

describe('a value', () => {
  it('[FR6] is kept byte by byte, whatever it holds and in whatever form', () => {
    fc.assert(
      fc.property(encodedValue, fc.boolean(), (value, isRequest) => {
        fc.pre(value.length <= limits.valueBytesMax);
        const frame = isRequest
          ? concat([bytes(0x95, 3, 7, 'k', 0x80), value])
          : concat([bytes(0x94, 34, 7, 0xc0), value]);
        const [message] = decode(frame, isRequest ? 'client requests' : 'client replies').messages;
        expect(message).toHaveProperty('value', value);
        expect(encode(message as Message)).toEqual(frame);
      }),
      { numRuns: 500 },
    );
  });

  it('outlives the frame that it was borrowed from', () => {
    const frame = Uint8Array.from(
      bytes(
        0x95,
        3,
        7,
        'k',
        0x80,
        [0xc4, 100],
        Array.from({ length: 100 }, () => 1),
      ),
    );
    for (const borrowed of [frame, Buffer.from(frame)]) {
      const messages: Delivered[] = [];
      decodeFrame(borrowed, limits, 'client requests', null, (message) => messages.push(message));
      borrowed.fill(0);
      const { value } = messages[0] as Message & { value: Uint8Array };
      expect(value[50]).toBe(1);
      expect(value.buffer).not.toBe(borrowed.buffer);
      expect(value.constructor).toBe(Uint8Array);
    }
  });
});

describe('a routed message to another node', () => {
  const forward: Message = {
    type: 'forward',
    to: A,
    from: B,
    hops: 3,
    number: 70_000,
    behind: 0,
    floor: 69_000,
    incarnation: 2 ** 41,
    claim: 0,
    passes: 0,
    budgetMs: 900,
    clock: 2 ** 50,
    message: { type: 'get', id: 1, key: 'k', options: {} },
  };

  it('[RT2] is a relay, passed on as it came but for its hop count', () => {
    const frame = encode(forward);
    const { messages } = decode(frame, 'node', B);
    const next = encode({ ...forward, hops: 4 });
    expect(messages).toEqual([{ type: 'relay', to: A, hops: 3, count: 1, isDroppable: true, bytes: next }]);
    expect(encode(messages[0] as Relay)).toEqual(next);
  });

  it('[RT2] is passed on together with those behind it that go the same way', () => {
    const numbered = (count: number, change: Partial<typeof forward>): (typeof forward)[] =>
      Array.from({ length: count }, (_, number) => ({ ...forward, number, ...change }));
    const encodeAll = (messages: readonly (typeof forward)[]): Uint8Array =>
      concat(messages.map((message) => encode(message)));
    const C = 'C' as NodeId;
    // Another hop count, another node, this node, another sender, a fault.
    const [a, b, c, d, e] = [
      numbered(300, {}),
      numbered(2, { hops: 7 }),
      numbered(1, { to: C }),
      numbered(1, { to: B }),
      [...numbered(1, { from: C }), ...numbered(2, {})],
    ];
    const frame = concat([...[a, b, c, d, e].map(encodeAll), bytes(0x92, 0xcc, 200, 1), encodeAll(numbered(1, {}))]);
    const { messages, reason } = decode(frame, 'node', B);
    expect(reason).toBeNull();
    const relay = (run: readonly (typeof forward)[]): Relay => {
      const [{ to, hops }] = run as [typeof forward];
      const passed = encodeAll(run.map((message) => ({ ...message, hops: hops + 1 })));
      return { type: 'relay', to, hops, count: run.length, isDroppable: true, bytes: passed };
    };
    const counts = messages.map((message) => (message.type === 'relay' ? message.count : message.type));
    expect(counts.slice(0, -6).reduce((sum: number, count) => sum + (count as number), 0)).toBe(300);
    expect(Math.min(...(counts.slice(0, -7) as number[]))).toBeGreaterThan(100);
    expect(messages.slice(-6)).toMatchObject([
      relay(b),
      relay(c),
      d[0] as object,
      relay(e),
      { type: 'malformed' },
      relay(numbered(1, {})),
    ]);
    const first = concat(messages.slice(0, -6).map((message) => (message as Relay).bytes));
    expect(first).toEqual(encodeAll(a.map((message) => ({ ...message, hops: 4 }))));
    // Cut off within a run: what is whole goes on.
    const cut = encodeAll(a.slice(0, 3)).subarray(0, -1);
    expect(decode(cut, 'node', B)).toMatchObject({
      messages: [relay(a.slice(0, 2))],
      reason: expect.stringMatching(/^no message at byte/),
    });
  });

  it('[RT2] is not passed on behind others either where its head is none', () => {
    const good = encode(forward);
    const [head, tag, to, from, hops, ...rest] = [good.subarray(0, 1), ...elementsOf(good)] as [
      ...[Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array],
      ...Uint8Array[],
    ];
    const upper = Uint8Array.from(from);
    upper[1] = 0x10;
    for (const bad of [
      [tag, to, upper, hops],
      [tag, to, bytes(0xc0), hops],
      [tag, to, from, bytes(3)],
    ]) {
      const { messages } = decode(concat([good, head, ...bad, ...rest, good]), 'node', B);
      expect(messages[0]).toMatchObject({ type: 'relay', count: 1, bytes: encode({ ...forward, hops: 4 }) });
      expect(messages.slice(1).every((message) => message.type !== 'relay' || message.count === 1)).toBe(true);
      expect(messages[1]).toMatchObject({ type: 'malformed' });
    }
  });

  it('is read where it is addressed to, or where nobody is', () => {
    expect(decode(encode(forward), 'node', A).messages).toEqual([forward]);
    expect(decode(encode(forward), 'node', null).messages).toEqual([forward]);
  });

  it('[RT2] of a newer version is passed on by its head, and refused by its receiver', () => {
    const tag = fc.oneof(fc.integer({ min: 250, max: 400 }), fc.constantFrom(70_000, 2 ** 32, Number.MAX_SAFE_INTEGER));
    const rest = fc.array(encodedValue, { maxLength: 20 });
    fc.assert(
      fc.property(tag, nodeId, nodeId, fc.integer({ min: 0, max: 255 }), rest, (newTag, to, from, hops, values) => {
        const known = elementsOf(encode({ ...forward, to, from, hops }));
        const writer = new FrameWriter();
        writer.array(4 + values.length);
        writer.integer(newTag);
        for (const part of [...known.slice(1, 4), ...values]) writer.raw(part);
        const frame = writer.copy();
        const self = to === A ? B : A;
        const { messages, reason } = decode(frame, 'node', self);
        expect(reason).toBeNull();
        expect(messages).toMatchObject([{ type: 'relay', to, hops, count: 1 }]);
        const passed = encode(messages[0] as Relay);
        const next = (hops + 1) % 256;
        expect(decode(passed, 'node', self).messages).toMatchObject([{ type: 'relay', to, hops: next, count: 1 }]);
        expect(elementsOf(passed).slice(4)).toEqual(elementsOf(frame).slice(4));
        expect(decode(frame, 'node', to).messages).toMatchObject([
          { type: 'malformed', code: 'UNSUPPORTED', id: null, info: { name: String(newTag) } },
        ]);
      }),
      { numRuns: 200 },
    );
  });

  it('is passed on however deep it nests', () => {
    const parts = elementsOf(encode(forward));
    const deep = concat([new Uint8Array(10_000).fill(0x91), bytes(0xc0)]);
    const frame = arrayOf([...parts.slice(0, 4), deep]);
    expect(decode(frame, 'node', B).messages).toMatchObject([{ type: 'relay' }]);
  });

  it('is no message when cut off', () => {
    const frame = encode(forward);
    for (let length = 1; length < frame.length; length += 1) {
      expect(decode(frame.subarray(0, length), 'node', B)).toEqual({ messages: [], reason: 'no message at byte 0' });
    }
  });

  it('needs its hop count in two bytes, and ids of 60 bits', () => {
    const parts = elementsOf(encode(forward));
    for (const [i, part] of [
      [3, bytes(3)],
      [3, bytes(0xcd, 0, 3)],
      [1, bytes(0xce, 0, 0, 0, 1)],
      [2, bytes(0xcf, 0x10, 0, 0, 0, 0, 0, 0, 0)],
    ] as const) {
      expect(decode(arrayOf(parts.with(i, part)), 'node', B).messages).toMatchObject([
        { type: 'malformed', code: 'BAD_REQUEST' },
      ]);
    }
  });
});

describe('a message within a message', () => {
  const around = (inner: Uint8Array): Uint8Array =>
    bytes(0x97, [0xcc, 161], A_BYTES, A_BYTES, [0xcc, 0], 5, 9, [0xc4, inner.length, ...inner]);

  it('may be longer than 16 bits say', () => {
    const value = concat([bytes(0xc6, [...uint(70_000, 4)]), new Uint8Array(70_000)]);
    const answer: Message = {
      type: 'answer',
      to: A,
      from: A,
      hops: 0,
      number: 1,
      clock: 2,
      message: { type: 'value', id: 3, meta: null, value },
    };
    const messages: Delivered[] = [];
    const large = { keyBytesMax: 10, valueBytesMax: 1e6 };
    expect(decodeFrame(encode(answer), large, 'node', null, (message) => messages.push(message))).toBeNull();
    expect(messages).toEqual([answer]);
  });

  it.each([
    ['nothing', bytes()],
    ['no array', bytes(7)],
    ['an unknown tag', bytes(0x92, 29, 7)],
    ['a request that no owner answers', bytes(0x92, 12, 7)],
    ['a notice', bytes(0x91, [0xcc, 130])],
    ['an id that is text', bytes(0x92, 35, 'x')],
    ['more than one message', bytes(0x92, 35, 7, 0x92, 35, 7)],
    ['half a message', bytes(0x93, 2, 7)],
    ['a text that runs over its end', bytes(0x93, 2, 7, 0xa2, 107)],
  ])('that is %s is malformed, without an id', (_what, inner) => {
    const { messages, reason } = decode(concat([around(inner), around(bytes(0x92, 35, 7))]), 'node', A);
    expect(reason).toBeNull();
    expect(messages).toMatchObject([
      { type: 'malformed', id: null, reason: expect.stringContaining('message: ') as unknown as string },
      { type: 'answer', message: { type: 'missing', id: 7 } },
    ]);
  });
});

describe('a frame that can be no frame', () => {
  const seconds = (run: () => void): number => {
    const start = performance.now();
    run();
    return (performance.now() - start) / 1000;
  };

  it('[FR4] is given up at its first fault, after what precedes it', () => {
    expect(decode([])).toEqual({ messages: [], reason: 'the frame is empty' });
    for (const junk of [0xc1, 0x80, 0x90, 0xc0, 7, 0xa0]) {
      const { messages, reason } = decode(bytes(0x92, 12, 7, junk));
      expect(messages).toEqual([{ type: 'ping', id: 7 }]);
      expect(reason).toBe('no message at byte 3');
    }
    expect(decode(bytes(0x92, 'get', 7)).reason).toBe('no message at byte 0');
    expect(decode(bytes(0x92, 0xff, 7)).reason).toBe('no message at byte 0');
  });

  it.each([0x80, 0x90, 0xc1, 0x91, 0xdd, 0xff])('of a million bytes %p costs nothing', (byte) => {
    const frame = new Uint8Array(1 << 20).fill(byte);
    const taken = seconds(() => {
      for (const direction of ['client requests', 'client replies', 'node'] as const) {
        expect(decodeFrame(frame, limits, direction, A, () => expect(true).toBe(false))).toBe('no message at byte 0');
      }
    });
    expect(taken).toBeLessThan(2);
  });

  it.each([
    ['array', [0xdd, 255, 255, 255, 255]],
    ['map', [0xdf, 255, 255, 255, 255]],
    ['bin', [0xc6, 255, 255, 255, 255]],
    ['text', [0xdb, 255, 255, 255, 255]],
    ['extension', [0xc9, 255, 255, 255, 255, 1]],
  ])('claims an %s of four thousand million: refused at once', (_what, head) => {
    const rest = new Uint8Array(1 << 20);
    const taken = seconds(() => {
      expect(decode(concat([Uint8Array.from(head), rest])).reason).toBe('no message at byte 0');
      for (const frame of [
        bytes(0x95, 3, 7, 'k', 0x80, head),
        bytes(0x93, 2, 7, head),
        bytes(0x94, 2, 7, 'k', head),
        bytes(0x95, 3, 7, 'k', 0x80, [0x92, 0x91], head),
      ]) {
        expect(decode(concat([frame, rest])).reason).toBe('no message at byte 0');
      }
    });
    expect(taken).toBeLessThan(5);
  });

  it('[LM6] holds too many malformed messages', () => {
    const frame = new Uint8Array(1 << 20).map((_, i) => (i % 2 === 0 ? 0x91 : 29));
    const { messages, reason } = decode(frame);
    expect(messages).toHaveLength(MALFORMED_PER_FRAME_MAX);
    expect(reason).toContain('malformed');
  });
});

it('a frame may be decoded while another is being delivered', () => {
  const seen: string[] = [];
  decodeFrame(bytes(0x93, 2, 1, 'a', 0x93, 2, 2, 'b'), limits, 'client requests', null, (outer) => {
    decodeFrame(bytes(0x93, 2, 3, 'c', 0x93, 2, 4, 'd'), limits, 'client requests', null, (inner) => {
      if (outer.type === 'get' && inner.type === 'get') seen.push(outer.key + inner.key);
    });
  });
  expect(seen).toEqual(['ac', 'ad', 'bc', 'bd']);
});

it('[FR5] reads integers in every form, and no others', () => {
  fc.assert(
    fc.property(encodedInteger, (id) => {
      const value = Number(meaningOf(id));
      const [message] = decode(concat([bytes(0x92, 12), id])).messages;
      if (Number.isSafeInteger(value) && value >= 0) expect(message).toEqual({ type: 'ping', id: value });
      else expect(message).toMatchObject({ type: 'malformed', id: null });
    }),
    { numRuns: 500 },
  );
});
