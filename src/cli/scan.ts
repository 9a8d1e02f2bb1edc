/** The command `scan`: the keys of the whole swarm. */
import { Option } from 'commander';
import { addClientOptions, countOption, withClient } from './client-command.js';
import { examples, type CommandDefinition } from './command.js';
import { EXIT, failure } from './exit.js';
import { formatValue } from './value-text.js';

const PAGE_MAX = 1000;

interface Flags {
  readonly limit?: number;
  readonly format: 'text' | 'json';
}

export const scanCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('[prefix]', 'only keys that begin with it', '')
      .addOption(new Option('--limit <N>', 'print at most so many').argParser(countOption('--limit', 1, 1e9)))
      .addOption(new Option('--format <FORM>', 'a key as it is, or as JSON').choices(['text', 'json']).default('text'))
      .addHelpText(
        'after',
        [
          '',
          'Prints a line for each key, in no order. Each key that is there all the time is among them; exit code 1 if',
          'nodes came or went meanwhile, so that some may be missing.',
          examples('swarmbus scan', 'swarmbus scan user: --limit 10', 'swarmbus scan --format json | wc -l'),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  run: (command, outside) =>
    withClient(command, outside, async (client) => {
      const [prefix = ''] = command.processedArgs as string[];
      const { limit = Infinity, format } = command.opts<Flags>();
      let left = limit;
      let cursor: string | null = null;
      do {
        const page = await client.scan(prefix, {
          limit: Math.min(left, PAGE_MAX),
          ...(cursor === null ? {} : { cursor }),
        });
        for (const key of page.keys) outside.stdout.write(`${format === 'json' ? formatValue(key) : key}\n`);
        left -= page.keys.length;
        ({ cursor } = page);
        if (page.isIncomplete && left > 0) {
          throw failure(
            EXIT.failed,
            'incomplete: the members of the swarm changed, so that keys may be missing; scan again',
          );
        }
      } while (cursor !== null && left > 0);
      return EXIT.done;
    }),
};
