/**
 * The canonical encoding of a value: equal values have equal bytes, in whatever form of MessagePack they were written.
 * Integers are the shortest, floats without fraction within 2^53 are integers, other floats take 64 bits, maps are in the
 * order of their keys' bytes, timestamps and extensions as short as they can be.
 */
import { readValue, writeValue } from './careful-value.js';
import { FrameReader, HEAD } from './frame-reader.js';
import { FrameWriter } from './frame-writer.js';

const source = new FrameReader();
const target = new FrameWriter();

/** In memory of its own. Null if the bytes are no value nesting at most that deep, have a text that is no UTF-8, or a key twice. */
export function canonicalValue(bytes: Uint8Array, depthMax: number): Uint8Array | null {
  source.reset(bytes);
  if (!source.skip(depthMax) || !source.isAtEnd) return null;
  source.seek(0);
  target.reset();
  return transcode(source, target) ? target.copy() : null;
}

/** `reader` stands before a well-formed value. */
function transcode(reader: FrameReader, writer: FrameWriter): boolean {
  const start = reader.position;
  switch (reader.readHead()) {
    case HEAD.nil:
      writer.nil();
      return true;
    case HEAD.boolean:
      writer.boolean(reader.flag);
      return true;
    case HEAD.integer:
      writer.integer(reader.number);
      return true;
    case HEAD.big:
      writer.big(reader.big);
      return true;
    case HEAD.float:
      writeFloat(writer, reader.number);
      return true;
    case HEAD.text: {
      const text = reader.takeText(reader.length);
      if (text !== null) writer.text(text);
      return text !== null;
    }
    case HEAD.array: {
      const count = reader.length;
      writer.array(count);
      for (let i = 0; i < count; i += 1) if (!transcode(reader, writer)) return false;
      return true;
    }
    case HEAD.map:
      return transcodeMap(reader, writer, reader.length);
    default:
      reader.seek(start);
      writeValue(writer, readValue(reader));
      return true;
  }
}

function transcodeMap(reader: FrameReader, writer: FrameWriter, count: number): boolean {
  const values = new Map<string, Uint8Array>();
  for (let i = 0; i < count; i += 1) {
    // The pair is written behind what there is, and taken off again: pairs are sorted when all are known.
    const start = writer.length;
    if (!transcode(reader, writer)) return false;
    const key = byteText(writer.copy(start));
    if (!transcode(reader, writer)) return false;
    if (values.has(key)) return false;
    values.set(key, writer.copy(start));
    writer.truncate(start);
  }
  writer.map(count);
  for (const [, pair] of [...values].sort(([a], [b]) => (a < b ? -1 : 1))) writer.raw(pair);
  return true;
}

function writeFloat(writer: FrameWriter, number: number): void {
  if (Number.isSafeInteger(number)) writer.integer(number + 0);
  else writer.float(Number.isNaN(number) ? NaN : number);
}

/** Text of which each character is a byte: their orders agree. */
export function byteText(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 1) text += String.fromCharCode(bytes[i] as number);
  return text;
}
