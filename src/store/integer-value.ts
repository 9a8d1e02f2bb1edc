/**
 * Integers within 2^53 as encoded values, for the one command that counts. All forms of MessagePack are read, a float
 * without fraction included; the shortest one is written.
 */

/** The integer that the value is, or null: another kind of value, a fraction, or beyond 2^53 - 1 either way. */
export function decodeInteger(value: Uint8Array): number | null {
  const [head = 0xc1] = value;
  if (value.length === 1) return head < 0x80 ? head : head >= 0xe0 ? head - 0x100 : null;
  const view = new DataView(value.buffer, value.byteOffset + 1, value.length - 1);
  const read = READERS.get(head);
  if (read === undefined || view.byteLength !== read.bytes) return null;
  const number = read.from(view);
  // Zero is added so that a float's -0 becomes an integer's 0.
  return Number.isSafeInteger(number) ? number + 0 : null;
}

/** `number`: an integer within 2^53; RangeError for others. */
export function encodeInteger(number: number): Uint8Array {
  if (!Number.isSafeInteger(number)) throw new RangeError(`${number} is no integer within 2^53`);
  if (number >= -32 && number < 128) return Uint8Array.of(number & 0xff);
  for (const { head, bytes, min, max, to } of WRITERS) {
    if (number < min || number > max) continue;
    const value = new Uint8Array(1 + bytes);
    value[0] = head;
    to(new DataView(value.buffer, 1), number);
    return value;
  }
  throw new RangeError(`no form for ${number}`);
}

interface Reader {
  readonly bytes: number;
  readonly from: (view: DataView) => number;
}

interface Writer {
  readonly head: number;
  readonly bytes: number;
  readonly min: number;
  readonly max: number;
  readonly to: (view: DataView, number: number) => void;
}

const { MAX_SAFE_INTEGER, MIN_SAFE_INTEGER } = Number;

const READERS: ReadonlyMap<number, Reader> = new Map<number, Reader>([
  [0xca, { bytes: 4, from: (view) => view.getFloat32(0) }],
  [0xcb, { bytes: 8, from: (view) => view.getFloat64(0) }],
  [0xcc, { bytes: 1, from: (view) => view.getUint8(0) }],
  [0xcd, { bytes: 2, from: (view) => view.getUint16(0) }],
  [0xce, { bytes: 4, from: (view) => view.getUint32(0) }],
  // A 64-bit integer that is not safe is not safe as a number either: rounding keeps it beyond 2^53 - 1.
  [0xcf, { bytes: 8, from: (view) => Number(view.getBigUint64(0)) }],
  [0xd0, { bytes: 1, from: (view) => view.getInt8(0) }],
  [0xd1, { bytes: 2, from: (view) => view.getInt16(0) }],
  [0xd2, { bytes: 4, from: (view) => view.getInt32(0) }],
  [0xd3, { bytes: 8, from: (view) => Number(view.getBigInt64(0)) }],
]);

const WRITERS: readonly Writer[] = [
  { head: 0xcc, bytes: 1, min: 0, max: 0xff, to: (view, number) => view.setUint8(0, number) },
  { head: 0xd0, bytes: 1, min: -0x80, max: 0, to: (view, number) => view.setInt8(0, number) },
  { head: 0xcd, bytes: 2, min: 0, max: 0xffff, to: (view, number) => view.setUint16(0, number) },
  { head: 0xd1, bytes: 2, min: -0x8000, max: 0, to: (view, number) => view.setInt16(0, number) },
  { head: 0xce, bytes: 4, min: 0, max: 0xffff_ffff, to: (view, number) => view.setUint32(0, number) },
  { head: 0xd2, bytes: 4, min: -0x8000_0000, max: 0, to: (view, number) => view.setInt32(0, number) },
  {
    head: 0xcf,
    bytes: 8,
    min: 0,
    max: MAX_SAFE_INTEGER,
    to: (view, number) => view.setBigUint64(0, BigInt(number)),
  },
  {
    head: 0xd3,
    bytes: 8,
    min: MIN_SAFE_INTEGER,
    max: 0,
    to: (view, number) => view.setBigInt64(0, BigInt(number)),
  },
];
