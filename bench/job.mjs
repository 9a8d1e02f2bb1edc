// What the generator is given: the program itself, compiled for this run, and its jobs. generator/job.h says what they
// look like.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('generator/main.c', import.meta.url));
const READ_BYTES_MIN = 1 << 18;

/** Kinds of reply, as in generator/reply.h. */
export const REPLY = { value: 1, missing: 2, stored: 4, refused: 8, change: 16, number: 32 };

/** Compiles the program into the folder and gives its path. Throws an error of one line where that can't be done. */
export function compileGenerator(folder) {
  const program = join(folder, 'generator');
  try {
    execFileSync('cc', ['-O2', '-o', program, SOURCE], { stdio: ['ignore', 'ignore', 'pipe'], encoding: 'utf8' });
  } catch (error) {
    if (error.code !== 'ENOENT') throw new Error(`the load generator does not compile: ${error.stderr}`);
    throw new Error('no C compiler for the load generator: `make bench-deps`, or apt-get install gcc libc6-dev');
  }
  return program;
}

/**
 * One kind of load: `expected` is what replies may be ({ kinds, valueBytesMin, valueBytesMax }, as the protocol encodes
 * values), `asking` and `watching` how the two kinds of connections begin, `batches` what is sent.
 */
export function encodeJob(protocol, { expected, asking, watching = [], batches = [], inFlight = 1 }) {
  const readBytes = Math.max(READ_BYTES_MIN, 2 * inFlight * (expected.valueBytesMax + 64));
  return Buffer.concat([
    ...[protocol.number, readBytes, expected.kinds, expected.valueBytesMin, expected.valueBytesMax].map(number),
    ...greeting(asking),
    ...greeting(watching),
    number(batches.length),
    ...batches.flatMap(blob),
  ]);
}

function greeting(steps) {
  return [
    number(steps.length),
    ...steps.flatMap(({ variants, mark, end }) => [
      number(variants.length),
      ...variants.flatMap(blob),
      ...blob(mark),
      ...blob(end),
    ]),
  ];
}

function number(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function blob(content) {
  const bytes = Buffer.from(content);
  return [number(bytes.length), bytes];
}
