/** The commands on one key: `get`, `set`, `delete`. */
import { Option } from 'commander';
import { isUtf8 } from 'node:buffer';
import { buffer } from 'node:stream/consumers';
import { addClientOptions, durationOption, withClient } from './client-command.js';
import { examples, type CommandDefinition } from './command.js';
import { EXIT, failure } from './exit.js';
import { isForPeople, type Outside } from './outside.js';
import { formatValue, parseValue } from './value-text.js';

export const getCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<key>')
      .option('--raw', 'print texts and bytes as they are')
      .option('--meta', 'print the stamp and the remaining time as well')
      .addHelpText(
        'after',
        [
          '',
          'Prints JSON; what JSON lacks as {"$bytes": "<base64>"}, {"$int": "<decimal>"} and the like.',
          'Exit code 4 if the key is nowhere in the swarm.',
          examples('swarmbus get greeting', 'swarmbus get logo --raw > logo.png', 'swarmbus get greeting --meta'),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  async run(command, outside) {
    const key = keyOf(command.args);
    const { raw = false, meta = false } = command.opts<{ raw?: boolean; meta?: boolean }>();
    if (raw && meta) throw failure(EXIT.usage, '--raw and --meta exclude each other: keep one of them');
    return withClient(command, outside, async (client) => {
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

export const setCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<key>')
      .argument('<value>', 'JSON; - reads it from standard input')
      .option('--string', 'take the value as text, not as JSON')
      .addOption(
        new Option('--ttl <TIME>', 'let it expire after 500 (ms), 5s, 10m, 1h, 2d').argParser(durationOption('--ttl')),
      )
      .addHelpText(
        'after',
        [
          '',
          'Bytes are {"$bytes": "<base64>"}, integers beyond 2^53 {"$int": "<decimal>"}: a plain number would be rounded.',
          examples(
            `swarmbus set greeting '"hello"'`,
            'swarmbus set greeting hello --string --ttl 1h',
            `swarmbus set user:7 '{"name": "Ada", "tags": ["a", "b"]}'`,
            'swarmbus set page - --string < index.html',
            `printf '{"$bytes": "%s"}' "$(base64 < logo.png | tr -d "\\n")" | swarmbus set logo -`,
          ),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  async run(command, outside) {
    const key = keyOf(command.args);
    const { string: isText = false, ttl } = command.opts<{ string?: boolean; ttl?: number }>();
    const [, given = ''] = command.args;
    const text = given === '-' ? textOf(await buffer(outside.stdin)) : given;
    const value = isText ? text : parseValue(text, given === '-' ? 'standard input' : 'the value');
    return withClient(command, outside, async (client) => {
      await client.set(key, value, ttl === undefined ? {} : { ttlMs: ttl });
      print(outside, 'stored');
      return EXIT.done;
    });
  },
};

export const deleteCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<key>')
      .addHelpText(
        'after',
        ['', 'Exit code 4 if there was no such key.', examples('swarmbus delete greeting')].join('\n'),
      );
    addClientOptions(command);
  },
  async run(command, outside) {
    const key = keyOf(command.args);
    return withClient(command, outside, async (client) => {
      if (!(await client.delete(key))) throw missing(key);
      print(outside, 'deleted');
      return EXIT.done;
    });
  },
};

/** Text that was cut or is none would be stored with replacement characters in it. */
function textOf(bytes: Buffer): string {
  if (!isUtf8(bytes))
    throw failure(EXIT.usage, 'standard input is no text in UTF-8: bytes are stored as {"$bytes": "<base64>"}');
  return bytes.toString('utf8');
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
