import { describe, expect, it } from '@jest/globals';
import { formatValue, parseValue } from '../../src/cli/value-text.js';

describe('values as text', () => {
  it.each<[string, unknown, string]>([
    ['a text', 'hello', '"hello"'],
    ['nil', null, 'null'],
    ['numbers', [1, -2.5, 0], '[1,-2.5,0]'],
    ['a map', { a: [1, { b: true }] }, '{"a":[1,{"b":true}]}'],
    ['bytes', new Uint8Array([0, 255]), '{"$bytes":"AP8="}'],
    ['an integer beyond 2^53', 2n ** 60n, '{"$int":"1152921504606846976"}'],
    ['what is no number', [NaN, -Infinity], '[{"$float":"NaN"},{"$float":"-Infinity"}]'],
    ['a map with other keys than text', new Map([[1, 'a']]), '{"$map":[[1,"a"]]}'],
    ['an own object with such a key', { $bytes: 'mine' }, '{"$$bytes":"mine"}'],
    ['and one with two keys', { $bytes: 'mine', a: 1 }, '{"$bytes":"mine","a":1}'],
  ])('%s is printed, and read again', (_, value, text) => {
    expect(formatValue(value)).toBe(text);
    expect(parseValue(text, 'it')).toEqual(value);
  });

  it('keeps a point in time', () => {
    for (const time of [0, 1_700_000_000_123, -1, 253_402_300_799_000]) {
      const date = new Date(time);
      expect(parseValue(formatValue(date), 'it')).toEqual(date);
    }
  });

  it('is laid out for people', () => expect(formatValue({ a: [1] }, true)).toBe('{\n  "a": [\n    1\n  ]\n}'));

  it('says how to write a text', () => {
    expect(() => parseValue('hello', 'the value')).toThrow(
      /^the value is no JSON \(.*\): texts need quotes that the shell leaves alone, '"text"', or --string$/,
    );
  });

  it('refuses numbers that would be rounded, and no others', () => {
    for (const text of ['9007199254740992', '-9007199254740993', '{"a": [1, 12345678901234567890]}']) {
      expect(() => parseValue(text, 'it')).toThrow(
        /^it holds -?\d+, which would be rounded: write \{"\$int": "-?\d+"\}/,
      );
    }
    for (const text of ['9007199254740991', '1e300', '-1.5', '0.1', '"9007199254740993"', '{"9007199254740993": 1}'])
      expect(formatValue(parseValue(text, 'it'))).toBe(JSON.stringify(JSON.parse(text)));
    expect(parseValue('{"$int": "9007199254740993"}', 'it')).toBe(9007199254740993n);
    expect(parseValue(String.raw`"\" 9007199254740993"`, 'it')).toBe('" 9007199254740993');
  });

  it('refuses a form that there is not', () => {
    expect(() => parseValue('{"$oid":"a"}', 'the value')).toThrow(/^the value is no JSON \(\$oid is no known form/);
  });
});
