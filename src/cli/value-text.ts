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

/** Throws a Failure that names `what` if the text is no JSON, stands for no value, or has a number that would be rounded. */
export function parseValue(text: string, what: string): unknown {
  let value: unknown;
  try {
    value = unpackValue(jsonToValue(text));
  } catch (error) {
    const advice = `texts need quotes that the shell leaves alone, '"text"', or --string`;
    throw failure(EXIT.usage, `${what} is no JSON (${messageOf(error)}): ${advice}`);
  }
  const rounded = roundedNumber(text);
  if (rounded === null) return value;
  throw failure(
    EXIT.usage,
    `${what} holds ${rounded}, which would be rounded: write {"$int": "${rounded}"} up to 64 bits`,
  );
}

/** The first whole number of a JSON text that no JavaScript number holds exactly, or null. */
function roundedNumber(text: string): string | null {
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|-?[\d.eE+-]+/gs)) {
    if (/^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token))) return token;
  }
  return null;
}

/** The value of parsed JSON in which such objects stand for what JSON lacks. Throws RangeError if it stands for none. */
export function plainValue(json: unknown): unknown {
  const text = JSON.stringify(json);
  return text.includes('"$') ? unpackValue(jsonToValue(text)) : json;
}
