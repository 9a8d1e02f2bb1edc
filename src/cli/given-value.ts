/** The value that a command line gives: JSON or text, in the argument or, for `-`, on standard input. */
import { isUtf8 } from 'node:buffer';
import { buffer } from 'node:stream/consumers';
import { EXIT, failure } from './exit.js';
import type { Outside } from './outside.js';
import { parseValue } from './value-text.js';

/** Throws a Failure for what is neither. */
export async function givenValue(given: string, isText: boolean, outside: Pick<Outside, 'stdin'>): Promise<unknown> {
  const text = given === '-' ? textOf(await buffer(outside.stdin)) : given;
  return isText ? text : parseValue(text, given === '-' ? 'standard input' : 'the value');
}

/** Text that was cut or is none would be stored with replacement characters in it. */
function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes))
    throw failure(EXIT.usage, 'standard input is no text in UTF-8: bytes are stored as {"$bytes": "<base64>"}');
  return bytes.toString('utf8');
}
