import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeFrame, encodeMessage, MALFORMED_PER_FRAME_MAX } from '../../src/transport/binary-codec.js';
import { FrameWriter } from '../../src/store/frame-writer.js';
import { VALUE_DEPTH_MAX } from '../../src/store/frame-reader.js';
import type { ClientReply, ClientRequest, Malformed, Message } from '../../src/transport/message.js';
import { packValue } from '../../src/transport/msgpack.js';
import { decodeText, encodeText, jsonToValue, valueToJson } from '../../src/transport/text-codec.js';
import { encodedValue, meaningOf } from './encoded-value.js';
import { limits, messageArbitrary, rows, wrongWith } from './message-arbitrary.js';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

function decode(text: string): { messages: (ClientRequest | Malformed)[]; reason: string | null; isArray: boolean } {
  const messages: (ClientRequest | Malformed)[] = [];
  const outcome = decodeText(text, limits, (message) => messages.push(message));
  return { messages, ...outcome };
}

describe('values', () => {
  it.each([
    ['null', 'c0'],
    ['true', 'c3'],
    ['5', '05'],
    ['-5', 'fb'],
    ['1.5', 'cb3ff8000000000000'],
    ['-0.0', 'cb8000000000000000'],
    ['1e+300', 'cb7e37e43c8800759c'],
    ['9007199254740991', 'cf001fffffffffffff'],
    ['{"$int":"9007199254740992"}', 'cf0020000000000000'],
    ['{"$int":"18446744073709551615"}', 'cfffffffffffffffff'],
    ['{"$int":"-9223372036854775808"}', 'd38000000000000000'],
    ['{"$float":"NaN"}', 'cb7ff8000000000000'],
    ['{"$float":"Infinity"}', 'cb7ff0000000000000'],
    ['{"$float":"-Infinity"}', 'cbfff0000000000000'],
    ['"\u00e9\\n"', 'a3c3a90a'],
    ['{"$bytes":"AQI="}', 'c4020102'],
    ['{"$bytes":""}', 'c400'],
    ['{"$ext":[-1,"AAAAAQ=="]}', 'd6ff00000001'],
    ['{"$ext":[114,""]}', 'c70072'],
    ['[]', '90'],
    ['[1,[2]]', '92019102'],
    ['{}', '80'],
    ['{"a":1,"b":null}', '82a16101a162c0'],
    ['{"__proto__":1}', '81a95f5f70726f746f5f5f01'],
    ['{"$map":[[1,"a"],[[],{}]]}', '8201a1619080'],
    ['{"$map":[["a",1],["a",2]]}', '82a16101a16102'],
    ['{"$map":[[{"$map":[[null,0]]},0]]}', '8181c00000'],
    ['{"$$bytes":5}', '81a6246279746573 05'],
    ['{"$$":5}', '81a12405'],
    ['{"$$$a":5}', '81a324246105'],
    ['{"$bytes":1,"$int":2}', '82a624627974657301a424696e7402'],
  ])('%s is %s, and back', (json, hex) => {
    expect(jsonToValue(json)).toEqual(bytes(hex));
    expect(valueToJson(bytes(hex))).toBe(json);
  });

  it.each([
    ['an integral float is an integer', '[1.0,1e3]', '9201cd03e8'],
    ['a number beyond 2^53 - 1 is a float', '9007199254740993', 'cb4340000000000000'],
    ['of two equal keys the last one counts', '{"a":1,"a":2}', '81a16102'],
    ['half a surrogate pair is U+FFFD', '"\\ud800"', 'a3efbfbd'],
    ['a small $int is an integer', '{"$int":"-5"}', 'fb'],
    ['a $map may have text keys', '{"$map":[["a",1]]}', '81a16101'],
  ])('%s', (_what, json, hex) => {
    expect(jsonToValue(json)).toEqual(bytes(hex));
  });

  it('text that is no UTF-8 is read as U+FFFD', () => {
    expect(valueToJson(bytes('a261ff'))).toBe('"a\ufffd"');
  });

  it.each([
    ['{"$foo":1}', '$foo'],
    ['{"$":1}', '$ '],
    ['{"$bytes":1}', '$bytes'],
    ['{"$bytes":"AQ"}', '$bytes'],
    ['{"$bytes":"A Q="}', '$bytes'],
    ['{"$bytes":"AQI_"}', '$bytes'],
    ['{"$int":5}', '$int'],
    ['{"$int":"5.0"}', '$int'],
    ['{"$int":"0x10"}', '$int'],
    ['{"$int":""}', '$int'],
    ['{"$int":"18446744073709551616"}', '$int'],
    ['{"$int":"-9223372036854775809"}', '$int'],
    [`{"$int":"${'9'.repeat(1000)}"}`, '$int'],
    ['{"$float":"nan"}', '$float'],
    ['{"$float":1}', '$float'],
    ['{"$ext":[128,""]}', '$ext'],
    ['{"$ext":[1.5,""]}', '$ext'],
    ['{"$ext":[1]}', '$ext'],
    ['{"$ext":[1,"",2]}', '$ext'],
    ['{"$ext":{}}', '$ext'],
    ['{"$map":{}}', '$map'],
    ['{"$map":[1]}', '$map'],
    ['{"$map":[[1]]}', '$map'],
    ['[[{"a":{"$foo":1}}]]', '$foo'],
  ])('%s stands for no value', (json, reason) => {
    expect(() => jsonToValue(json)).toThrow(reason);
    const { messages } = decode(`{"type":"set","id":7,"key":"k","value":${json}}`);
    expect(messages).toMatchObject([{ type: 'malformed', id: 7, code: 'BAD_REQUEST' }]);
    expect(jsonToValue('1')).toEqual(bytes('01'));
  });

  it('[TX2] what one form stored, the other reads', () => {
    fc.assert(
      fc.property(encodedValue, (value) => {
        const json = valueToJson(value);
        const back = jsonToValue(json);
        expect(meaningOf(back)).toBe(meaningOf(value));
        expect(valueToJson(back)).toBe(valueToJson(jsonToValue(valueToJson(back))));
      }),
      { numRuns: 1500 },
    );
  });

  it('plain JSON is itself', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (json) => {
        fc.pre(!json.includes('"$') && !/-0\b(?!\.)/.test(json));
        expect(JSON.parse(valueToJson(jsonToValue(json)))).toEqual(JSON.parse(json));
        expect(meaningOf(jsonToValue(json))).toBe(meaningOf(packValue(JSON.parse(json))));
      }),
      { numRuns: 500 },
    );
  });
});

describe.each(rows.filter(([, { form }]) => form === 'request'))('request %s', (name, row) => {
  const message = messageArbitrary(name) as fc.Arbitrary<ClientRequest>;
  const asText = (each: ClientRequest): Record<string, unknown> =>
    JSON.parse(encodeText(each)) as Record<string, unknown>;

  it('[TX4] is the same in text and in binary', () => {
    fc.assert(
      fc.property(message, (each) => {
        const { messages, reason, isArray } = decode(encodeText(each));
        expect({ reason, isArray }).toEqual({ reason: null, isArray: false });
        expect(wrongWith(messages[0])).toBeNull();
        expect(meaningOfMessage(messages[0] as Message)).toBe(meaningOfMessage(each));
      }),
      { numRuns: 100 },
    );
  });

  it('is refused with a field too many, and with a required one missing', () => {
    fc.assert(
      fc.property(message, (each) => {
        const id = each.id;
        for (const extra of ['nope', '__proto__', 'meta2']) {
          const text = `${encodeText(each).slice(0, -1)},"${extra}":1}`;
          expect(decode(text).messages).toMatchObject([{ type: 'malformed', id, code: 'BAD_REQUEST' }]);
        }
        for (const field of row.fields) {
          const json = asText(each);
          delete json[field.name];
          const expected =
            field.kind === 'options' ? { type: name, options: {} } : { type: 'malformed', id, code: 'BAD_REQUEST' };
          expect(decode(JSON.stringify(json)).messages).toMatchObject([expected]);
        }
      }),
      { numRuns: 5 },
    );
  });

  it('is refused with its id where a field holds another type', () => {
    fc.assert(
      fc.property(message, (each) => {
        for (const field of row.fields) {
          if (field.kind === 'value') continue;
          for (const wrong of [[], 1.5, field.kind === 'options' ? 'x' : {}]) {
            const { messages } = decode(JSON.stringify({ ...asText(each), [field.name]: wrong }));
            expect(messages).toMatchObject([{ type: 'malformed', id: each.id, code: 'BAD_REQUEST' }]);
            expect(messages[0]).toHaveProperty('reason', expect.stringContaining(`${field.name}: `));
          }
        }
      }),
      { numRuns: 5 },
    );
  });
});

/** A message by its binary form, in which the value is compared by what it means. */
function meaningOfMessage(message: Message): string {
  const writer = new FrameWriter();
  encodeMessage(message, writer);
  return meaningOf(writer.bytes);
}

describe.each(rows.filter(([, { form }]) => form === 'reply'))('reply %s', (name, row) => {
  it('says in text what it says in binary', () => {
    fc.assert(
      fc.property(messageArbitrary(name), (each) => {
        const values = each as unknown as Record<string, unknown>;
        const whole = encodeText(each as ClientReply);
        const json = JSON.parse(whole) as Record<string, unknown>;
        const fields = row.fields.filter((field) => values[field.name] !== null).map((field) => field.name);
        expect(Object.keys(json)).toEqual(['type', 'id', ...fields]);
        expect(json['type']).toBe(name);
        expect(json['id']).toBe(values['id']);
        for (const field of row.fields) {
          const value = values[field.name];
          if (value === null) continue;
          if (field.kind === 'value') expect(whole).toContain(`,"${field.name}":${valueToJson(value as Uint8Array)}}`);
          else if (field.kind === 'info') expect(whole).toContain(`,"${field.name}":${valueToJson(packValue(value))}`);
          else expect(json[field.name]).toEqual(value);
        }
      }),
      { numRuns: 60 },
    );
  });
});

describe('frames', () => {
  it('of the issue', () => {
    const { messages } = decode('{"type":"set","id":1,"key":"k","value":{"a":[1,2]}}');
    expect(messages).toEqual([{ type: 'set', id: 1, key: 'k', options: {}, value: bytes('81a161920102') }]);
    const binary: unknown[] = [];
    decodeFrame(bytes('95 03 01 a16b c0 81a161920102'), limits, 'client requests', null, (each) => binary.push(each));
    expect(messages).toEqual(binary);
  });

  it('[TX3] are an object or an array of objects', () => {
    expect(decode('[]')).toEqual({ messages: [], reason: null, isArray: true });
    expect(decode('[{"type":"ping","id":1},7,{"type":"ping","id":2}]')).toMatchObject({
      messages: [
        { type: 'ping', id: 1 },
        { type: 'malformed', id: null },
        { type: 'ping', id: 2 },
      ],
      reason: null,
      isArray: true,
    });
    for (const text of ['', '7', '"ping"', 'null', 'true', '{', '{"type":"ping","id":1}{}', 'PING\\r\\n', '\\u0000']) {
      const { messages, reason, isArray } = decode(text);
      expect(messages).toEqual([]);
      expect(isArray).toBe(false);
      expect(reason).toContain('a text frame');
    }
  });

  it.each([
    ['no type', '{"id":7}', 7, 'BAD_REQUEST', null],
    ['a type that is no text', '{"type":2,"id":7}', 7, 'BAD_REQUEST', null],
    ['an unknown type', '{"type":"nope","id":7}', 7, 'UNSUPPORTED', { name: 'nope' }],
    ['a type like a method', '{"type":"constructor","id":7}', 7, 'UNSUPPORTED', { name: 'constructor' }],
    ['a reply', '{"type":"missing","id":7}', 7, 'UNSUPPORTED', { name: 'missing' }],
    ['a message between nodes', '{"type":"beat","id":7}', 7, 'UNSUPPORTED', { name: 'beat' }],
    ['no id', '{"type":"ping"}', null, 'BAD_REQUEST', null],
    ['an id below 0', '{"type":"ping","id":-1}', null, 'BAD_REQUEST', null],
    ['an id with a fraction', '{"type":"ping","id":1.5}', null, 'BAD_REQUEST', null],
    ['an id beyond 2^53', '{"type":"ping","id":9007199254740992}', null, 'BAD_REQUEST', null],
    ['an id that is text', '{"type":"ping","id":"7"}', null, 'BAD_REQUEST', null],
    ['an unknown option', '{"type":"get","id":7,"key":"k","options":{"nope":1}}', 7, 'UNSUPPORTED', { name: 'nope' }],
    [
      'an option __proto__',
      '{"type":"get","id":7,"key":"k","options":{"__proto__":1}}',
      7,
      'UNSUPPORTED',
      { name: '__proto__' },
    ],
    ['an empty key', '{"type":"get","id":7,"key":""}', 7, 'BAD_REQUEST', null],
    ['a key with half a surrogate pair', '{"type":"get","id":7,"key":"\\ud800"}', 7, 'BAD_REQUEST', null],
    ['a long key', `{"type":"get","id":7,"key":"${'\u00e9'.repeat(33)}"}`, 7, 'TOO_LARGE', { max: 64 }],
    ['a long value', `{"type":"set","id":7,"key":"k","value":"${'v'.repeat(4096)}"}`, 7, 'TOO_LARGE', { max: 4096 }],
  ])('with %s', (_what, text, id, code, info) => {
    const { messages, reason } = decode(text);
    expect(reason).toBeNull();
    expect(messages).toEqual([{ type: 'malformed', id, code, info, reason: expect.any(String) as unknown as string }]);
  });

  it('with long names are told their beginning', () => {
    const long = 'x'.repeat(10_000);
    for (const text of [
      `{"type":"${long}","id":7}`,
      `{"type":"ping","id":7,"${long}":1}`,
      `{"type":"get","id":7,"key":"k","options":{"${long}":1}}`,
      `{"type":"set","id":7,"key":"k","value":{"$${long}":1}}`,
    ]) {
      const [message] = decode(text).messages;
      expect(message).toMatchObject({ type: 'malformed', id: 7 });
      expect(JSON.stringify(message).length).toBeLessThan(300);
    }
  });

  it('with an integral float, or -0, for an integer', () => {
    expect(decode('{"type":"ping","id":7.0}').messages).toEqual([{ type: 'ping', id: 7 }]);
    expect(decode('{"type":"ping","id":-0}').messages).toEqual([{ type: 'ping', id: 0 }]);
    expect(
      decode('{"type":"set","id":1,"key":"k","options":{"ttlMs":-0.0,"meta":null},"value":null}').messages,
    ).toEqual([{ type: 'set', id: 1, key: 'k', options: { ttlMs: 0 }, value: bytes('c0') }]);
  });

  it('with a key __proto__ keep it as a key, in their values too', () => {
    expect(decode('{"type":"get","id":7,"key":"__proto__"}').messages).toEqual([
      { type: 'get', id: 7, key: '__proto__', options: {} },
    ]);
    expect(decode('{"type":"ping","id":7,"__proto__":{"type":"get"}}').messages).toMatchObject([
      { type: 'malformed', id: 7 },
    ]);
    const [set] = decode('{"type":"set","id":7,"key":"k","value":{"__proto__":{"a":1}}}').messages;
    expect(set).toHaveProperty('value', bytes('81a95f5f70726f746f5f5f81a16101'));
    expect(({} as Record<string, unknown>)['a']).toBeUndefined();
  });
});

describe('hostile text', () => {
  const set = (value: string): string => `{"type":"set","id":7,"key":"k","value":${value}}`;

  it('nests too deep', () => {
    const arrays = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth);
    const maps = (depth: number): string => `${'{"$map":[[1,'.repeat(depth)}1${']]}'.repeat(depth)}`;
    const forms = (depth: number): string => `${'{"$$a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    for (const nested of [arrays, maps, forms]) {
      expect(decode(set(nested(VALUE_DEPTH_MAX))).messages).toMatchObject([{ type: 'set' }]);
      for (const depth of [VALUE_DEPTH_MAX + 1, 10_000]) {
        expect(decode(set(nested(depth))).messages).toMatchObject([
          { type: 'malformed', id: 7, code: 'BAD_REQUEST', reason: 'value: nested more than 128 levels deep' },
        ]);
      }
    }
    expect(decode(arrays(10_000)).messages).toMatchObject([{ type: 'malformed' }]);
    expect(decode('['.repeat(1 << 20)).reason).toContain('JSON');
    expect(decode('{"a":'.repeat(100_000)).reason).toContain('JSON');
  });

  it('holds a million of something', () => {
    expect(decode(`[${'{},'.repeat(300_000)}{}]`).reason).toContain('malformed');
    expect(decode(`[${'{},'.repeat(300_000)}{}]`).messages).toHaveLength(MALFORMED_PER_FRAME_MAX);
    expect(decode(set(`[${'{},'.repeat(300_000)}{}]`)).messages).toMatchObject([{ code: 'TOO_LARGE' }]);
    expect(decode(set('1'.repeat(1_000_000))).messages).toMatchObject([{ type: 'set' }]);
  });

  it('never throws, and delivers what the table says', () => {
    const piece = fc.oneof(
      fc.json(),
      fc.string(),
      fc.constantFrom(
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"',
        '$',
        '"type"',
        '"set"',
        '"get"',
        '"id"',
        '"key"',
        '"value"',
        '7',
        '"$map"',
        '"$int"',
        '\\u0000',
      ),
    );
    const message = fc.oneof(
      ...rows.filter(([, row]) => row.form === 'request').map(([name]) => messageArbitrary(name)),
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')),
      fc.tuple(message, fc.nat(), fc.nat({ max: 3 }), piece).map(([each, at, gone, inserted]) => {
        const whole = encodeText(each as ClientRequest);
        const start = at % (whole.length + 1);
        return whole.slice(0, start) + inserted + whole.slice(start + gone);
      }),
    );
    fc.assert(
      fc.property(text, (each) => {
        const { messages } = decode(each);
        for (const delivered of messages) expect(wrongWith(delivered)).toBeNull();
      }),
      { numRuns: 3000 },
    );
  });
});
