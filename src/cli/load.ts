/** The command `load`: the records of a file, each stored under a key of its own. */
import { Option } from 'commander';
import { addClientOptions, countOption, durationOption, withClient } from './client-command.js';
import { forEachOf, Tally } from './bulk.js';
import { examples, type CommandDefinition } from './command.js';
import { EXIT, failure, type ExitCode } from './exit.js';
import type { Outside } from './outside.js';
import { createProgress } from './progress.js';
import {
  formatOf,
  readRecords,
  withFirst,
  type FileRecord,
  type RecordChunk,
  type RecordFile,
  type RecordFormat,
} from './record-file.js';

interface LoadOptions {
  readonly key: string;
  readonly value?: string;
  readonly ttl?: number;
  readonly format?: RecordFormat;
  readonly delimiter: string;
  readonly inFlight: number;
}

export const loadCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<file>', 'JSON array, JSON lines or CSV with a heading; - for standard input')
      .requiredOption('--key <FIELD>', 'field that holds the key, or a pattern such as city:{id}')
      .option('--value <FIELD>', 'field that holds the value (default: the whole record)')
      .addOption(
        new Option('--format <FORM>', 'what the file holds (default: by its name)').choices(['json', 'jsonl', 'csv']),
      )
      .option('--delimiter <CHAR>', 'what separates the fields of CSV', ',')
      .addOption(
        new Option('--ttl <TIME>', 'let the entries expire after this time').argParser(durationOption('--ttl')),
      )
      .addOption(
        new Option('--in-flight <N>', 'requests open at once')
          .argParser(countOption('--in-flight', 1, 100_000))
          .default(256),
      )
      .addHelpText(
        'after',
        [
          '',
          'Fields of CSV are stored as texts. Exit code 1 if any record failed.',
          examples(
            'swarmbus load users.jsonl --key user:{id}',
            'swarmbus load prices.csv --key sku --value price --ttl 1h',
            'zcat dump.jsonl.gz | swarmbus load - --format jsonl --key id',
          ),
        ].join('\n'),
      );
    addClientOptions(command);
  },

  async run(command, outside) {
    const [path = ''] = command.args;
    const options = command.opts<LoadOptions>();
    const file = fileFor(path, options);
    const keyFor = keyPattern(options.key);
    const chunks = readRecords(file, outside.stdin);
    try {
      // A file that can't be read is told before a node is asked.
      const first = await chunks.next();
      return await withClient(command, outside, (client) => {
        const store = async ({ record, fault }: FileRecord): Promise<void> => {
          if (fault !== null) throw new Error(fault);
          const value = options.value === undefined ? record : fieldOf(record, options.value);
          if (value === undefined) throw new Error(`there is no field ${options.value}`);
          await client.set(keyFor(record), value, options.ttl === undefined ? {} : { ttlMs: options.ttl });
        };
        return storeAll(withFirst(first, chunks), store, options.inFlight, outside);
      });
    } finally {
      await chunks.return(undefined);
    }
  },
};

type Store = (record: FileRecord) => Promise<void>;

async function storeAll(
  chunks: AsyncIterable<RecordChunk>,
  store: Store,
  inFlightMax: number,
  outside: Outside,
): Promise<ExitCode> {
  const tally = new Tally();
  const progress = createProgress('load', outside);
  let isInterrupted = false;
  let fraction = 0;
  const forgets = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
    outside.onSignal(signal, () => {
      if (isInterrupted) outside.exit(EXIT.interrupted);
      isInterrupted = true;
    }),
  );
  async function* records(): AsyncGenerator<FileRecord> {
    for await (const chunk of chunks) {
      yield* chunk.records;
      fraction = chunk.fraction;
    }
  }
  let summary: string;
  try {
    await forEachOf(
      records(),
      inFlightMax,
      () => isInterrupted || tally.isHopeless,
      async (record) => {
        try {
          await store(record);
          tally.succeed();
        } catch (error) {
          tally.fail(record.where, error);
        }
        progress.update(fraction, tally.done);
      },
    );
  } finally {
    summary = progress.stop();
    for (const forget of forgets) forget();
  }
  outside.stdout.write(`stored ${summary}\n`);
  if (isInterrupted) {
    outside.stderr.write('swarmbus: interrupted; what was stored stays stored\n');
    return EXIT.interrupted;
  }
  if (tally.failed === 0) return EXIT.done;
  throw failure(EXIT.failed, tally.failures() + (tally.isHopeless ? '; gave up after 1,000 failures in a row' : ''));
}

function fileFor(path: string, { format, delimiter }: LoadOptions): RecordFile {
  const known = format ?? formatOf(path);
  if (known === undefined)
    throw failure(EXIT.usage, `the name ${path} doesn't say what it holds: use --format json, jsonl or csv`);
  const separator = delimiter === '\\t' ? '\t' : delimiter;
  if (separator.length !== 1 || /["\r\n]/.test(separator))
    throw failure(EXIT.usage, `--delimiter: must be one character, such as ; or \\t, not ${JSON.stringify(delimiter)}`);
  return { path, format: known, delimiter: separator };
}

/** `id` takes the field; `city:{id}` puts fields into a text. */
export function keyPattern(pattern: string, option = '--key'): (record: unknown) => string {
  const names = [...pattern.matchAll(/\{([^{}]+)\}/g)].map(([, name]) => name!);
  if (names.length === 0) {
    if (/[{}]/.test(pattern))
      throw failure(EXIT.usage, `${option}: must be a field or a pattern such as city:{id}, not ${pattern}`);
    return (record) => keyText(record, pattern);
  }
  return (record) => pattern.replace(/\{([^{}]+)\}/g, (_, name: string) => keyText(record, name));
}

function keyText(record: unknown, name: string): string {
  const value = fieldOf(record, name);
  if (typeof value === 'number' || (typeof value === 'string' && value !== '')) return String(value);
  throw new Error(
    value === undefined ? `there is no field ${name}` : `the field ${name} is neither a number nor a text`,
  );
}

/** The field of that name, else, for a name with dots, the field inside of fields. */
function fieldOf(record: unknown, name: string): unknown {
  if (typeof record !== 'object' || record === null) return undefined;
  if (Object.hasOwn(record, name)) return (record as Readonly<Record<string, unknown>>)[name];
  const dot = name.indexOf('.');
  return dot < 0 ? undefined : fieldOf(fieldOf(record, name.slice(0, dot)), name.slice(dot + 1));
}
