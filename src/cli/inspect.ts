/** The command `inspect`: what a node knows about itself, as tables or as JSON. */
import { Argument, Option } from 'commander';
import { addClientOptions, withClient } from './client-command.js';
import { examples, type CommandDefinition } from './command.js';
import { EXIT } from './exit.js';
import { isForPeople, type Outside } from './outside.js';
import { formatTable } from './table.js';
import { formatValue } from './value-text.js';

type Info = Readonly<Record<string, unknown>>;
type What = 'node' | 'topology' | 'counters' | 'actors';

export const inspectCommand: CommandDefinition = {
  declare(command) {
    command
      .addArgument(
        new Argument('[what]', 'what to show').choices(['node', 'topology', 'counters', 'actors']).default('node'),
      )
      .addOption(
        new Option('--format <FORM>', 'how to print it (default: text in a terminal, else json)').choices([
          'text',
          'json',
        ]),
      )
      .addHelpText(
        'after',
        examples('swarmbus inspect', 'swarmbus inspect counters', 'swarmbus inspect actors --format json'),
      );
    addClientOptions(command);
  },
  run: (command, outside) =>
    withClient(command, outside, async (client) => {
      const [what = 'node'] = command.processedArgs as (What | undefined)[];
      const { format = isForPeople(outside.stdout) ? 'text' : 'json' } = command.opts<{ format?: 'text' | 'json' }>();
      const report = (await client.inspect(what)) as Info;
      outside.stdout.write(format === 'json' ? `${formatValue(report)}\n` : asText(report, outside));
      return EXIT.done;
    }),
};

/** Plain fields as one table of names and values, then each list of things with its own columns. */
function asText(report: Info, outside: Outside): string {
  const fields: [string, string][] = [];
  const lists: [string, readonly Info[]][] = [];
  const visit = (name: string, value: unknown): void => {
    if (isListOfInfos(value)) lists.push([name, flattened(value)]);
    else if (isInfo(value))
      for (const [key, item] of Object.entries(value)) visit(name === '' ? key : `${name}.${key}`, item);
    else fields.push([name, cell(value)]);
  };
  visit('', report);
  const parts = fields.length === 0 ? [] : [formatTable(['name', 'value'], fields, outside)];
  for (const [name, rows] of lists) {
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
    const table = formatTable(
      columns,
      rows.map((row) => columns.map((column) => cell(row[column]))),
      outside,
    );
    parts.push(`${name}:\n${table}`);
  }
  return parts.join('\n');
}

/** Actors come as a tree; as rows each stands below its parent, and its path tells where it belongs. */
function flattened(rows: readonly Info[]): readonly Info[] {
  return rows.flatMap(({ children, ...row }) => (isListOfInfos(children) ? [row, ...flattened(children)] : [row]));
}

function cell(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.map(cell).join(' ');
  if (isInfo(value))
    return Object.entries(value)
      .map(([name, item]) => `${name}=${cell(item)}`)
      .join(' ');
  return typeof value === 'string' ? value : formatValue(value);
}

function isInfo(value: unknown): value is Info {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function isListOfInfos(value: unknown): value is readonly Info[] {
  return Array.isArray(value) && value.length > 0 && value.every(isInfo);
}
