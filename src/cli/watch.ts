/** The command `watch`: changes as they happen, until it is interrupted. */
import { Option } from 'commander';
import type { Change } from '../client/index.js';
import { addClientOptions, countOption, withClient } from './client-command.js';
import { examples, type CommandDefinition } from './command.js';
import { EXIT, failure } from './exit.js';
import { formatValue } from './value-text.js';

interface Flags {
  readonly key?: string;
  readonly values?: boolean;
  readonly count?: number;
  readonly format: 'text' | 'json';
}

export const watchCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('[prefix]', 'only keys that begin with it')
      .option('--key <KEY>', 'only this key')
      .option('--values', 'print new values as well')
      .addOption(new Option('--count <N>', 'end after so many changes').argParser(countOption('--count', 1, 1e9)))
      .addOption(
        new Option('--format <FORM>', 'words separated by tabs, or JSON').choices(['text', 'json']).default('text'),
      )
      .addHelpText(
        'after',
        [
          '',
          'Prints a line for each change: what it was (set, delete, expire, evict, merge), the key, the stamp, the value.',
          'A gap says that changes may have been missed. Ends with 130 on Ctrl-C.',
          examples('swarmbus watch', 'swarmbus watch user: --values', 'swarmbus watch --key lock --count 1'),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  run(command, outside) {
    const [prefix] = command.processedArgs as (string | undefined)[];
    const { key, values = false, count = Infinity, format } = command.opts<Flags>();
    if (key !== undefined && prefix !== undefined) throw failure(EXIT.usage, 'a prefix and --key exclude each other');
    if (key === '') throw failure(EXIT.usage, 'a key has at least one character');
    return withClient(command, outside, async (client) => {
      const ending = new AbortController();
      const offs = (['SIGINT', 'SIGTERM'] as const).map((signal) => outside.onSignal(signal, () => ending.abort()));
      try {
        const what = key === undefined ? { prefix: prefix ?? '' } : { key };
        const changes = client.watch({ ...what, values, signal: ending.signal });
        await changes.ready;
        outside.stderr.write('swarmbus: watching\n');
        let left = count;
        for await (const change of changes) {
          outside.stdout.write(`${format === 'json' ? asJson(change, values) : asText(change, values)}\n`);
          left -= 1;
          if (left === 0) return EXIT.done;
        }
        return EXIT.interrupted;
      } finally {
        for (const off of offs) off();
      }
    });
  },
};

function asText({ kind, key, stamp, value }: Change, hasValues: boolean): string {
  const words = kind === 'gap' ? [kind] : [kind, key ?? '', stamp ?? ''];
  if (hasValues && value !== undefined) words.push(formatValue(value));
  return words.join('\t');
}

function asJson({ kind, key, stamp, value }: Change, hasValues: boolean): string {
  return formatValue({ kind, key, stamp, ...(hasValues && value !== undefined ? { value } : {}) });
}
