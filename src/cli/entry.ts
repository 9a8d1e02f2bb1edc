/** The commands on the keys that one names: `get`, `set`, `delete`, `touch`, `incr`. */
import { Option } from 'commander';
import type { Outcome } from '../client/index.js';
import { parseStamp } from '../store/stamp.js';
import { addClientOptions, durationOption, withClient } from './client-command.js';
import { examples, type CommandDefinition } from './command.js';
import { EXIT, failure, type ExitCode } from './exit.js';
import { isForPeople, type Outside } from './outside.js';
import { DURATION_FORM, parseDuration } from './quantity.js';
import { givenValue } from './given-value.js';
import { formatValue } from './value-text.js';

export const getCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<key...>')
      .option('--raw', 'print texts and bytes as they are')
      .option('--meta', 'print the stamp and the remaining time as well')
      .addHelpText(
        'after',
        [
          '',
          'Prints JSON; what JSON lacks as {"$bytes": "<base64>"}, {"$int": "<decimal>"} and the like.',
          'Of several keys it prints a line for each: {"key": ..., "value": ...}.',
          'Exit code 4 if a key is nowhere in the swarm.',
          examples(
            'swarmbus get greeting',
            'swarmbus get logo --raw > logo.png',
            'swarmbus get greeting --meta',
            'swarmbus get user:1 user:2 user:3',
          ),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  async run(command, outside) {
    const keys = keysOf(command.args);
    const [key = ''] = keys;
    const { raw = false, meta = false } = command.opts<{ raw?: boolean; meta?: boolean }>();
    if (raw && meta) throw failure(EXIT.usage, '--raw and --meta exclude each other: keep one of them');
    if (keys.length > 1 && (raw || meta)) throw failure(EXIT.usage, '--raw and --meta are for one key: name one');
    return withClient(command, outside, async (client) => {
      if (keys.length > 1) {
        return reportAll(outside, await client.getMany(keys), (name, value) =>
          value === undefined ? null : formatValue({ key: name, value }),
        );
      }
      if (meta) {
        const entry = await client.getEntry(key);
        if (entry === undefined) throw missing(key);
        print(outside, formatValue(entry, isForPeople(outside.stdout)));
        return EXIT.done;
      }
      const value = await client.get(key);
      if (value === undefined) throw missing(key);
      if (raw && value instanceof Uint8Array) outside.stdout.write(value);
      else print(outside, raw && typeof value === 'string' ? value : formatValue(value, isForPeople(outside.stdout)));
      return EXIT.done;
    });
  },
};

interface SetFlags {
  readonly string?: boolean;
  readonly ttl?: number;
  readonly if?: 'absent' | 'present';
  readonly ifStamp?: string;
}

export const setCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<key>')
      .argument('<value>', 'JSON; - reads it from standard input')
      .option('--string', 'take the value as text, not as JSON')
      .addOption(
        new Option('--ttl <TIME>', 'let it expire after 500 (ms), 5s, 10m, 1h, 2d').argParser(durationOption('--ttl')),
      )
      .addOption(
        new Option('--if <STATE>', 'only if the key has no value, or only if it has one').choices([
          'absent',
          'present',
        ] as const),
      )
      .addOption(ifStampOption())
      .addHelpText(
        'after',
        [
          '',
          'Where a condition does not hold, nothing is stored: exit code 1, and the message names the present stamp.',
          'Bytes are {"$bytes": "<base64>"}, integers beyond 2^53 {"$int": "<decimal>"}: a plain number would be rounded.',
          examples(
            `swarmbus set greeting '"hello"'`,
            'swarmbus set greeting hello --string --ttl 1h',
            `swarmbus set user:7 '{"name": "Ada", "tags": ["a", "b"]}'`,
            'swarmbus set page - --string < index.html',
            'swarmbus set lock me --string --ttl 30s --if absent',
            `printf '{"$bytes": "%s"}' "$(base64 < logo.png | tr -d "\\n")" | swarmbus set logo -`,
          ),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  async run(command, outside) {
    const key = keyOf(command.args);
    const { string: isText = false, ttl, if: condition, ifStamp } = command.opts<SetFlags>();
    const [, given = ''] = command.args;
    const value = await givenValue(given, isText, outside);
    return withClient(command, outside, async (client) => {
      await client.set(key, value, {
        ...(ttl === undefined ? {} : { ttlMs: ttl }),
        ...(condition === undefined ? {} : { if: condition }),
        ...(ifStamp === undefined ? {} : { ifStamp }),
      });
      print(outside, 'stored');
      return EXIT.done;
    });
  },
};

export const deleteCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<key...>')
      .addOption(ifStampOption())
      .addHelpText(
        'after',
        [
          '',
          'Exit code 4 if there was no such key.',
          examples('swarmbus delete greeting', 'swarmbus delete user:1 user:2'),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  async run(command, outside) {
    const keys = keysOf(command.args);
    const { ifStamp } = command.opts<{ ifStamp?: string }>();
    if (keys.length > 1 && ifStamp !== undefined) throw failure(EXIT.usage, '--if-stamp is for one key: name one');
    return withClient(command, outside, async (client) => {
      if (keys.length > 1) {
        return reportAll(outside, await client.deleteMany(keys), (key, existed) =>
          existed ? `deleted: ${key}` : null,
        );
      }
      const [key = ''] = keys;
      if (!(await client.delete(key, ifStamp === undefined ? {} : { ifStamp }))) throw missing(key);
      print(outside, 'deleted');
      return EXIT.done;
    });
  },
};

export const touchCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<key>')
      .argument('<ttl>', '500 (ms), 5s, 10m, 1h, 2d; 0 for no expiry')
      .addHelpText(
        'after',
        ['', 'Exit code 4 if there is no such key.', examples('swarmbus touch session:7 30m')].join('\n'),
      );
    addClientOptions(command);
  },
  async run(command, outside) {
    const key = keyOf(command.args);
    const ttlMs = parseDuration(command.args[1] ?? '');
    if (ttlMs === undefined)
      throw failure(EXIT.usage, `ttl: must be 0, or ${DURATION_FORM}, not ${JSON.stringify(command.args[1])}`);
    return withClient(command, outside, async (client) => {
      if (!(await client.touch(key, ttlMs))) throw missing(key);
      print(outside, ttlMs === 0 ? 'does not expire' : `expires in ${ttlMs} ms`);
      return EXIT.done;
    });
  },
};

export const incrCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<key>')
      .argument('[by]', 'an integer; put -- before one below 0', '1')
      .addOption(
        new Option('--ttl <TIME>', 'let a key that is created expire after 500 (ms), 5s, 10m, 1h, 2d').argParser(
          durationOption('--ttl'),
        ),
      )
      .addHelpText(
        'after',
        ['', 'Prints the sum.', examples('swarmbus incr visits', 'swarmbus incr stock -- -3')].join('\n'),
      );
    addClientOptions(command);
  },
  async run(command, outside) {
    const key = keyOf(command.args);
    const [, text = ''] = command.processedArgs as string[];
    const by = /^-?\d{1,16}$/.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(by))
      throw failure(EXIT.usage, `by: must be a whole number within 2^53, not ${JSON.stringify(text)}`);
    const { ttl } = command.opts<{ ttl?: number }>();
    return withClient(command, outside, async (client) => {
      print(outside, String(await client.incr(key, by, ttl === undefined ? {} : { ttlMs: ttl })));
      return EXIT.done;
    });
  },
};

/** A line for each key: on stdout what it got, on stderr why it got nothing. The worst of them is the exit code. */
function reportAll<T>(
  outside: Outside,
  outcomes: readonly Outcome<T>[],
  line: (key: string, value: T) => string | null,
): ExitCode {
  let exitCode: ExitCode = EXIT.done;
  for (const { key, value, error } of outcomes) {
    const text = error === null ? line(key, value) : null;
    if (text !== null) print(outside, text);
    else if (error === null) {
      outside.stderr.write(`swarmbus: missing: ${key}\n`);
      if (exitCode === EXIT.done) exitCode = EXIT.missing;
    } else {
      outside.stderr.write(`swarmbus: ${key}: ${error.code}: ${error.message}\n`);
      exitCode = EXIT.failed;
    }
  }
  return exitCode;
}

function ifStampOption(): Option {
  const option = new Option('--if-stamp <STAMP>', 'only if the key has the value of this stamp (see get --meta)');
  return option.argParser((text) => {
    if (parseStamp(text) !== null) return text;
    throw failure(EXIT.usage, `--if-stamp: must be a stamp as get --meta prints it, not ${JSON.stringify(text)}`);
  });
}

function keysOf(args: readonly string[]): readonly string[] {
  for (const key of args) keyOf([key]);
  return args;
}

function keyOf(args: readonly string[]): string {
  const [key = ''] = args;
  if (key === '') throw failure(EXIT.usage, 'a key has at least one character');
  return key;
}

function missing(key: string): Error {
  return failure(EXIT.missing, `missing: ${key}`);
}

function print(outside: Outside, text: string): void {
  outside.stdout.write(`${text}\n`);
}
