// What generator.c is given: the program itself, compiled for this run, and its jobs. See there for their form.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('generator.c', import.meta.url));
const NONE = 0xffff_ffff;

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

/** One kind of load: how to greet, what replies look like, and the batches. */
export function encodeJob(protocol, op, batches) {
  const greeting = protocol.greet();
  const forms = protocol.replyForms(op);
  return Buffer.concat([
    ...blob(greeting?.bytes ?? ''),
    ...blob(greeting?.mark ?? ''),
    number(protocol.isFramed ? 1 : 0),
    number(forms.length),
    ...forms.flatMap(({ length, head }) => [
      number(length),
      number(head.includes(ID) ? head.indexOf(ID) : NONE),
      ...blob(Buffer.from(head.map((byte) => (byte === ID ? 0 : byte)))),
      ...blob(Buffer.from(head.map((byte) => (byte === ID ? 0 : 1)))),
    ]),
    number(batches.length),
    ...batches.flatMap(blob),
  ]);
}

/** Stands in the head of a reply's form where the request's id is, which is one byte. */
export const ID = -1;

function number(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function blob(content) {
  const bytes = Buffer.from(content);
  return [number(bytes.length), bytes];
}
