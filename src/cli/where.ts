/** The commands `where` and `trace`: which node stores a key, and how a request gets there. */
import { Option, type Command } from 'commander';
import type { NodeName } from '../client/index.js';
import { addClientOptions, withClient } from './client-command.js';
import { examples, type CommandDefinition } from './command.js';
import { EXIT, failure } from './exit.js';
import { isForPeople, type Outside } from './outside.js';
import { formatTable } from './table.js';
import { formatValue } from './value-text.js';

export const whereCommand: CommandDefinition = {
  declare(command) {
    command.argument('<key>');
    addFormatOption(command);
    command.addHelpText(
      'after',
      ['', 'Exit code 4 if no node stores it.', examples('swarmbus where user:7')].join('\n'),
    );
    addClientOptions(command);
  },
  run: (command, outside) =>
    withClient(command, outside, async (client) => {
      const [key = ''] = command.args;
      const location = await client.where(key);
      if (location.owner === null) throw failure(EXIT.missing, `missing: ${key}`);
      if (isText(command, outside)) {
        outside.stdout.write(`${nameOf(location.owner)}\t${location.path.map(nameOf).join(' > ')}\n`);
      } else outside.stdout.write(`${formatValue(location)}\n`);
      return EXIT.done;
    }),
};

export const traceCommand: CommandDefinition = {
  declare(command) {
    command.argument('<key>');
    addFormatOption(command);
    command.addHelpText(
      'after',
      [
        '',
        'First what the asked node does and when it begins: here (it stores the key), learned (it knew the owner from',
        'before), home (it asks the node that knows), search (it asks all nodes). Then each node on the way, with the',
        'time to it and back.',
        'Exit code 4 if no node stores the key.',
        examples('swarmbus trace user:7', 'swarmbus trace user:7 --format json'),
      ].join('\n'),
    );
    addClientOptions(command);
  },
  run: (command, outside) =>
    withClient(command, outside, async (client) => {
      const [key = ''] = command.args;
      const trace = await client.trace(key);
      if (trace.owner === null) throw failure(EXIT.missing, `missing: ${key}`);
      if (!isText(command, outside)) {
        outside.stdout.write(`${formatValue(trace)}\n`);
        return EXIT.done;
      }
      const steps = trace.steps.map(({ step, ms }) => [step, ms.toFixed(2)]);
      steps.push(['answered', trace.ms.toFixed(2)]);
      const hops = trace.path.map((node, i) => [String(i), nameOf(node), node.ms === null ? '-' : node.ms.toFixed(2)]);
      outside.stdout.write(
        `${formatTable(['step', 'ms'], steps, outside)}${formatTable(['hop', 'node', 'ms'], hops, outside)}`,
      );
      return EXIT.done;
    }),
};

function addFormatOption(command: Command): void {
  command.addOption(
    new Option('--format <FORM>', 'how to print it (default: text in a terminal, else json)').choices(['text', 'json']),
  );
}

function isText(command: Command, outside: Outside): boolean {
  const { format } = command.opts<{ format?: 'text' | 'json' }>();
  return format === undefined ? isForPeople(outside.stdout) : format === 'text';
}

function nameOf({ id, name }: NodeName): string {
  return name ?? id;
}
