/** The command `db import`: the records of a file as objects, each written as a change of its own. */
import { Option } from 'commander';
import type { Database } from '../../client/index.js';
import { Tally } from '../bulk.js';
import { addClientOptions, timeoutOf, withClient } from '../client-command.js';
import { examples, type CommandDefinition } from '../command.js';
import { EXIT, failure, type ExitCode } from '../exit.js';
import { keyPattern } from '../load.js';
import type { Outside } from '../outside.js';
import { createProgress, formatCount } from '../progress.js';
import {
  formatOf,
  readRecords,
  withFirst,
  type FileRecord,
  type RecordChunk,
  type RecordFormat,
} from '../record-file.js';
import { plainValue } from '../value-text.js';
import { inTime } from './in-time.js';
import { isKindName, write, writeDelta, type Delta, type KindName } from './kind.js';
import { openForWriting } from './object.js';

interface Flags {
  readonly id?: string;
  readonly format?: RecordFormat;
  readonly spread?: boolean;
  readonly keep?: string;
}

/** What a record says. */
interface Given {
  readonly type: KindName;
  readonly id: string;
  readonly value: unknown;
  readonly delta: Delta | null;
}

/** Changes on their way to the peer, beyond which it is waited for. */
const AHEAD_MAX = 5000;

export const importCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<database>')
      .argument('<file>', 'what `db export` printed, or other records with --id; - for standard input')
      .option('--id <PATTERN>', 'take each record as the fields of an lww object with such an id: DE/{cityId}')
      .addOption(
        new Option('--format <FORM>', 'what the file holds (default: by its name, else jsonl)').choices([
          'json',
          'jsonl',
          'csv',
        ]),
      )
      .option('--spread', 'wait until a second peer has all, not only the first')
      .option('--keep <DIR>', 'keep the replica there, so that what is under way outlives this command')
      .addHelpText(
        'after',
        [
          '',
          'Into an empty database this makes what was exported. Elsewhere it is added to what is there: fields are',
          'overwritten, counters go up, sets unite, texts are replaced. Exit code 1 if any record failed.',
          examples(
            'swarmbus db import todos todos.jsonl',
            `swarmbus db import cities cities.json --id '{country}/{cityId}'`,
            'swarmbus db export todos --url ws://a:7101 | swarmbus db import todos - --url ws://b:7101',
          ),
        ].join('\n'),
      );
    addClientOptions(command);
  },

  async run(command, outside) {
    const [name = '', path = ''] = command.args;
    const { id, format, spread = false, keep } = command.opts<Flags>();
    const read = id === undefined ? readExported : readPlain(keyPattern(id, '--id'));
    const file = { path, format: format ?? formatOf(path) ?? 'jsonl', delimiter: ',' };
    const chunks = readRecords(file, outside.stdin);
    try {
      // A file that can't be read is told before a node is asked.
      const first = await chunks.next();
      return await withClient(command, outside, async (client) => {
        const timeoutMs = timeoutOf(command);
        const database = await openForWriting(client, name, keep, timeoutMs);
        try {
          return await writeAll(database, withFirst(first, chunks), read, { timeoutMs, spread }, outside);
        } finally {
          await database.close();
        }
      });
    } finally {
      await chunks.return(undefined);
    }
  },
};

async function writeAll(
  database: Database,
  chunks: AsyncIterable<RecordChunk>,
  read: (record: unknown) => Given,
  { timeoutMs, spread }: { readonly timeoutMs: number; readonly spread: boolean },
  outside: Outside,
): Promise<ExitCode> {
  const tally = new Tally();
  const progress = createProgress('import', outside);
  const interrupt = new AbortController();
  const forgets = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
    outside.onSignal(signal, () => {
      if (interrupt.signal.aborted) outside.exit(EXIT.interrupted);
      interrupt.abort();
    }),
  );
  const storedIn = (promise: Promise<void>): Promise<void> => inTime(promise, timeoutMs, 'the peer to store changes');
  let ahead: Promise<void> = Promise.resolve();
  let unwaited = 0;
  let summary: string;
  try {
    for await (const { records, fraction } of chunks) {
      for (const record of records) {
        if (interrupt.signal.aborted || tally.isHopeless) break;
        const writing = writeOne(database, record, read, tally);
        // Waiting for nothing would cost more than the writing.
        if (writing !== null) await writing;
        unwaited += 1;
        if (unwaited < AHEAD_MAX) continue;
        // Half of them are on their way while the other half is awaited.
        await storedIn(ahead);
        ahead = database.stored();
        ahead.catch(nothing);
        unwaited = 0;
      }
      progress.update(fraction, tally.done);
      if (interrupt.signal.aborted || tally.isHopeless) break;
    }
    await storedIn(database.stored());
    if (spread) await inTime(database.spread(), timeoutMs, 'a second peer to store changes');
  } finally {
    summary = progress.stop();
    for (const forget of forgets) forget();
  }
  outside.stdout.write(`stored ${summary}\n`);
  if (interrupt.signal.aborted) {
    outside.stderr.write(`swarmbus: interrupted; what was stored (${formatCount(tally.done)}) stays stored\n`);
    return EXIT.interrupted;
  }
  if (tally.failed === 0) return EXIT.done;
  throw failure(EXIT.failed, tally.failures() + (tally.isHopeless ? '; gave up after 1,000 failures in a row' : ''));
}

/** Null if it is done. */
function writeOne(
  database: Database,
  { record, fault, where }: FileRecord,
  read: (record: unknown) => Given,
  tally: Tally,
): Promise<void> | null {
  const fail = (error: unknown): void => tally.fail(where, error);
  try {
    if (fault !== null) throw new Error(fault);
    const { type, id, value, delta } = read(record);
    const writing = delta === null ? write(database, type, id, value) : writeDelta(database, id, delta);
    if (writing !== undefined) return writing.then(() => tally.succeed(), fail);
    tally.succeed();
  } catch (error) {
    fail(error);
  }
  return null;
}

/** A record as `db export` prints it. */
function readExported(record: unknown): Given {
  const { type, id, value, delta = null } = (record ?? {}) as Readonly<Record<string, unknown>>;
  if (!isKindName(type)) throw new Error(`no type: "type" is lww, counter, set or text (for other records use --id)`);
  if (typeof id !== 'string') throw new Error('no id: "id" is a text');
  if (value === undefined) throw new Error('there is no "value"');
  if (delta !== null && (type !== 'text' || !Array.isArray(delta))) throw new Error('"delta" is an array, for texts');
  return { type, id, value: plainValue(value), delta: delta as Delta | null };
}

function readPlain(idOf: (record: unknown) => string): (record: unknown) => Given {
  return (record) => ({ type: 'lww', id: idOf(record), value: record, delta: null });
}

function nothing(): void {}
