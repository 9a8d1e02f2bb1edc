/**
 * Values as JSON text, for the terminal, in the form of text frames: what JSON lacks takes objects with one key
 * ({"$bytes": ...}, {"$int": ...}, ...), so that what `get` prints can be given to `set`.
 */
import { packValue, unpackValue } from '../transport/msgpack.js';
import { jsonToValue, valueToJson } from '../transport/text-codec.js';
import { EXIT, failure, messageOf } from './exit.js';

/** One line, or, laid out for people, many. */
export function formatValue(value: unknown, isLaidOut = false): string {
  const json = valueToJson(packValue(value));
  return isLaidOut ? JSON.stringify(JSON.parse(json), null, 2) : json;
}

/** Throws a Failure that names `what` if the text is no JSON or stands for no value. */
export function parseValue(text: string, what: string): unknown {
  try {
    return unpackValue(jsonToValue(text));
  } catch (error) {
    throw failure(EXIT.usage, `${what} is no JSON (${messageOf(error)}): quote texts as '"text"', or use --string`);
  }
}

/** The value of parsed JSON in which such objects stand for what JSON lacks. Throws RangeError if it stands for none. */
export function plainValue(json: unknown): unknown {
  const text = JSON.stringify(json);
  return text.includes('"$') ? unpackValue(jsonToValue(text)) : json;
}
