/** The commands `db log` and `db tail`: the changes in the order in which a peer got to know them. */
import { Option } from 'commander';
import type { LogEntry } from '../../client/index.js';
import { objectName } from '../../store/op.js';
import { typeNamed } from '../../store/types/index.js';
import { decodeState } from '../../store/types/object-state.js';
import { addClientOptions, countOption, withClient } from '../client-command.js';
import { examples, type CommandDefinition } from '../command.js';
import { EXIT } from '../exit.js';
import { formatValue } from '../value-text.js';

interface Flags {
  readonly from?: string;
  readonly limit?: number;
  readonly count?: number;
  readonly format: 'text' | 'json';
}

const FORM = [
  'Prints a line for each change: its position, stamp, type/id of the object, payload. A position is one of that',
  'peer’s log; what was compacted is told by a state for each object, without a position.',
];

const formatOption = (): Option =>
  new Option('--format <FORM>', 'words separated by tabs, or JSON').choices(['text', 'json']).default('text');

export const logCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<database>')
      .option('--from <POSITION>', 'only what comes behind this position')
      .addOption(new Option('--limit <N>', 'print at most so many').argParser(countOption('--limit', 1, 1e9)))
      .addOption(formatOption())
      .addHelpText(
        'after',
        ['', ...FORM, examples('swarmbus db log todos', 'swarmbus db log todos --limit 10 --format json')].join('\n'),
      );
    addClientOptions(command);
  },
  run: (command, outside) =>
    withClient(command, outside, async (client) => {
      const [name = ''] = command.args;
      const { from, limit = Infinity, format } = command.opts<Flags>();
      let left = limit;
      for await (const entry of client.log(name, { follow: false, ...(from === undefined ? {} : { from }) })) {
        outside.stdout.write(`${lineOf(entry, format)}\n`);
        left -= 1;
        if (left === 0) break;
      }
      return EXIT.done;
    }),
};

export const tailCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<database>')
      .option('--from <POSITION>', 'begin behind this position, not now')
      .addOption(new Option('--count <N>', 'end after so many changes').argParser(countOption('--count', 1, 1e9)))
      .addOption(formatOption())
      .addHelpText(
        'after',
        [
          '',
          ...FORM,
          'Ends with 130 on Ctrl-C.',
          examples('swarmbus db tail todos', 'swarmbus db tail todos --count 1 --format json'),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  run: (command, outside) =>
    withClient(command, outside, async (client) => {
      const [name = ''] = command.args;
      const { count = Infinity, format, from: given } = command.opts<Flags>();
      const ending = new AbortController();
      const offs = (['SIGINT', 'SIGTERM'] as const).map((signal) => outside.onSignal(signal, () => ending.abort()));
      try {
        const { log, length } = given === undefined ? await client.inspectDatabase(name) : {};
        const from = given ?? `${String(log)}:${String(length)}`;
        outside.stderr.write(`swarmbus: from ${from}\n`);
        let left = count;
        for await (const entry of client.log(name, { from, signal: ending.signal })) {
          outside.stdout.write(`${lineOf(entry, format)}\n`);
          left -= 1;
          if (left === 0) return EXIT.done;
        }
        return EXIT.interrupted;
      } finally {
        for (const off of offs) off();
      }
    }),
};

function lineOf(entry: LogEntry, format: 'text' | 'json'): string {
  const { position, type, id } = entry;
  if (entry.kind === 'op') {
    const { stamp, prev, payload } = entry;
    if (format === 'json') return formatValue({ position, stamp, prev, type, id, payload });
    return [position ?? '', stamp, objectName(type, id), formatValue(payload)].join('\t');
  }
  const known = typeNamed(type);
  const state = known === null ? entry.state : (decodeState(known, entry.state)?.view() ?? entry.state);
  if (format === 'json') return formatValue({ type, id, state });
  return ['', 'state', objectName(type, id), formatValue(state)].join('\t');
}
