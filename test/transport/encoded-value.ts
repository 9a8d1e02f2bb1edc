// MessagePack values as bytes, in every form that the specification allows, and a reader of them
// that shares nothing with the code under test.

import fc from 'fast-check';
import { anyCharacter } from './any-character.js';

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}

const bytesOf = (...parts: (number | Uint8Array)[]): Uint8Array =>
  concat(parts.map((part) => (typeof part === 'number' ? Uint8Array.of(part) : part)));

/** Big-endian. */
export const uint = (value: number | bigint, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, i) => Number((BigInt(value) >> BigInt(8 * (size - 1 - i))) & 0xffn));

const float64 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return bytes;
};

const float32 = (value: number): Uint8Array => {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value);
  return bytes;
};

/** Heads with a length of 1, 2 or 4 bytes; those too short for the length are left out. */
const headed = (length: number, heads: [head: number, size: number][], fixed: number, fixedMax: number) =>
  fc.constantFrom(
    ...(length <= fixedMax ? [bytesOf(fixed | length)] : []),
    ...heads.filter(([, size]) => length < 2 ** (8 * size)).map(([head, size]) => bytesOf(head, uint(length, size))),
  );

export const encodedInteger: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.integer({ min: 0, max: 0x7f }).map((n) => bytesOf(n)),
  fc.integer({ min: 0xe0, max: 0xff }).map((n) => bytesOf(n)),
  ...(
    [
      [0xcc, 1],
      [0xcd, 2],
      [0xce, 4],
      [0xcf, 8],
      [0xd0, 1],
      [0xd1, 2],
      [0xd2, 4],
      [0xd3, 8],
    ] as const
  ).map(([head, size]) => fc.uint8Array({ minLength: size, maxLength: size }).map((bytes) => bytesOf(head, bytes))),
  fc.bigInt({ min: -(2n ** 54n), max: 2n ** 54n }).map((n) => bytesOf(0xd3, uint(BigInt.asUintN(64, n), 8))),
);

const encodedFloat = fc.oneof(
  fc.double().map((n) => bytesOf(0xcb, float64(n))),
  fc.constantFrom(NaN, Infinity, -Infinity, -0, 0, 1, 2 ** 53, 1e300).map((n) => bytesOf(0xcb, float64(n))),
  fc.float().map((n) => bytesOf(0xca, float32(n))),
);

const utf8 = new TextEncoder();
const someText = fc.oneof(
  fc.string({ unit: anyCharacter, maxLength: 40 }),
  fc.string({ maxLength: 300 }),
  fc.constantFrom('__proto__', 'constructor', 'toString', '$bytes', '$$', '$', '1', '\ufefftext', '\u{1f600}', ''),
);

export const encodedText: fc.Arbitrary<Uint8Array> = someText.chain((text) => {
  const bytes = utf8.encode(text);
  const heads: [number, number][] = [
    [0xd9, 1],
    [0xda, 2],
    [0xdb, 4],
  ];
  return headed(bytes.length, heads, 0xa0, 31).map((head) => bytesOf(head, bytes));
});

const encodedBin = fc.uint8Array({ maxLength: 40 }).chain((bytes) => {
  const heads: [number, number][] = [
    [0xc4, 1],
    [0xc5, 2],
    [0xc6, 4],
  ];
  return headed(bytes.length, heads, 0, -1).map((head) => bytesOf(head, bytes));
});

const extensionType = fc.oneof(
  fc.integer({ min: 0, max: 255 }),
  fc.constantFrom(0x72, 0x62, 0x69, 0x70, 0x73, 0x78, 0xff),
);
const encodedExtension = fc.oneof(
  fc
    .tuple(extensionType, fc.uint8Array({ maxLength: 20 }))
    .map(([type, bytes]) => bytesOf(0xc7, bytes.length, type, bytes)),
  fc
    .tuple(extensionType, fc.integer({ min: 0, max: 4 }))
    .chain(([type, power]) =>
      fc
        .uint8Array({ minLength: 2 ** power, maxLength: 2 ** power })
        .map((bytes) => bytesOf(0xd4 + power, type, bytes)),
    ),
);

const scalar = fc.oneof(
  fc.constantFrom(0xc0, 0xc2, 0xc3).map((byte) => bytesOf(byte)),
  encodedInteger,
  encodedFloat,
  encodedText,
  encodedBin,
  encodedExtension,
);

/** Any MessagePack value, with texts that are UTF-8, and no key twice in a map. */
export const encodedValue: fc.Arbitrary<Uint8Array> = fc.letrec<{ value: Uint8Array }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'value' },
    { arbitrary: scalar, weight: 3 },
    {
      arbitrary: fc.array(tie('value'), { maxLength: 4, depthIdentifier: 'value' }).chain((elements) =>
        headed(
          elements.length,
          [
            [0xdc, 2],
            [0xdd, 4],
          ],
          0x90,
          15,
        ).map((head) => concat([head, ...elements])),
      ),
      weight: 1,
    },
    {
      arbitrary: fc
        .uniqueArray(
          fc.tuple(
            fc.oneof({ arbitrary: encodedText, weight: 6 }, { arbitrary: tie('value'), weight: 1 }),
            tie('value'),
          ),
          {
            maxLength: 4,
            depthIdentifier: 'value',
            selector: ([key]) => meaningOf(key),
          },
        )
        .chain((pairs) =>
          headed(
            pairs.length,
            [
              [0xde, 2],
              [0xdf, 4],
            ],
            0x80,
            15,
          ).map((head) => concat([head, ...pairs.flat()])),
        ),
      weight: 1,
    },
  ),
})).value;

/**
 * What bytes mean, as a text that is equal for equal values: integers whatever their size or form, integral floats
 * among them; maps in the order of their keys, unless one is there twice.
 */
export function meaningOf(bytes: Uint8Array): string {
  const [meaning, end] = meaningAt(bytes, 0);
  if (end !== bytes.length) throw new Error(`${bytes.length - end} bytes are left over`);
  return meaning;
}

/** The elements of the one array that the bytes are. */
export function elementsOf(bytes: Uint8Array): Uint8Array[] {
  const first = bytes[0] as number;
  let position = first === 0xdd ? 5 : first === 0xdc ? 3 : 1;
  const elements: Uint8Array[] = [];
  while (position < bytes.length) {
    const [, end] = meaningAt(bytes, position);
    elements.push(bytes.slice(position, end));
    position = end;
  }
  return elements;
}

function meaningAt(bytes: Uint8Array, start: number): [meaning: string, end: number] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const byte = view.getUint8(start);
  const next = start + 1;
  const number = (size: number): number =>
    Number(BigInt(`0x${Buffer.from(bytes.subarray(next, next + size)).toString('hex')}`));
  const hex = (at: number, length: number): [string, number] => {
    if (at + length > bytes.length) throw new Error('cut off');
    return [Buffer.from(bytes.subarray(at, at + length)).toString('hex'), at + length];
  };
  const text = (at: number, length: number): [string, number] => [
    JSON.stringify(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(at, at + length))),
    hex(at, length)[1],
  ];
  const bin = (at: number, length: number): [string, number] => {
    const [content, end] = hex(at, length);
    return [`bin ${content}`, end];
  };
  const extension = (at: number, length: number): [string, number] => {
    const [content, end] = hex(at + 1, length);
    return [`ext ${view.getInt8(at)} ${content}`, end];
  };
  const many = (at: number, count: number): [string[], number] => {
    const parts: string[] = [];
    let end = at;
    for (let i = 0; i < count; i += 1) {
      const [part, partEnd] = meaningAt(bytes, end);
      parts.push(part);
      end = partEnd;
    }
    return [parts, end];
  };
  const array = (at: number, count: number): [string, number] => {
    const [parts, end] = many(at, count);
    return [`[${parts.join(', ')}]`, end];
  };
  const map = (at: number, count: number): [string, number] => {
    const [parts, end] = many(at, 2 * count);
    const pairs = Array.from({ length: count }, (_, i) => [parts[2 * i] ?? '', parts[2 * i + 1] ?? ''] as const);
    const keys = new Set(pairs.map(([key]) => key));
    if (keys.size === count) pairs.sort(([a], [b]) => (a < b ? -1 : 1));
    return [`{${pairs.map(([key, value]) => `${key}: ${value}`).join(', ')}}`, end];
  };
  const float = (value: number, end: number): [string, number] => {
    const isInteger = Number.isSafeInteger(value) && !Object.is(value, -0);
    return [isInteger ? String(value) : `float ${Object.is(value, -0) ? '-0' : value}`, end];
  };
  if (byte < 0x80) return [String(byte), next];
  if (byte < 0x90) return map(next, byte & 15);
  if (byte < 0xa0) return array(next, byte & 15);
  if (byte < 0xc0) return text(next, byte & 31);
  if (byte >= 0xe0) return [String(byte - 256), next];
  switch (byte) {
    case 0xc0:
      return ['nil', next];
    case 0xc2:
      return ['false', next];
    case 0xc3:
      return ['true', next];
    case 0xc4:
      return bin(next + 1, number(1));
    case 0xc5:
      return bin(next + 2, number(2));
    case 0xc6:
      return bin(next + 4, number(4));
    case 0xc7:
      return extension(next + 1, number(1));
    case 0xc8:
      return extension(next + 2, number(2));
    case 0xc9:
      return extension(next + 4, number(4));
    case 0xca:
      return float(view.getFloat32(next), next + 4);
    case 0xcb:
      return float(view.getFloat64(next), next + 8);
    case 0xcc:
      return [String(view.getUint8(next)), next + 1];
    case 0xcd:
      return [String(view.getUint16(next)), next + 2];
    case 0xce:
      return [String(view.getUint32(next)), next + 4];
    case 0xcf:
      return [String(view.getBigUint64(next)), next + 8];
    case 0xd0:
      return [String(view.getInt8(next)), next + 1];
    case 0xd1:
      return [String(view.getInt16(next)), next + 2];
    case 0xd2:
      return [String(view.getInt32(next)), next + 4];
    case 0xd3:
      return [String(view.getBigInt64(next)), next + 8];
    case 0xd9:
      return text(next + 1, number(1));
    case 0xda:
      return text(next + 2, number(2));
    case 0xdb:
      return text(next + 4, number(4));
    case 0xdc:
      return array(next + 2, number(2));
    case 0xdd:
      return array(next + 4, number(4));
    case 0xde:
      return map(next + 2, number(2));
    case 0xdf:
      return map(next + 4, number(4));
    case 0xc1:
      throw new Error('0xc1 is never used');
    default:
      return extension(next, 2 ** (byte - 0xd4));
  }
}
