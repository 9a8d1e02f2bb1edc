/** The commands `id parse` and `id now`: what the short texts of ids and stamps say. They ask no node. */
import { Option } from 'commander';
import { parseNodeId } from '../store/node-id.js';
import { parseScheme, type Scheme } from '../store/replica-id.js';
import { formatTime, msOfTime, parseTime, timeOfMs } from '../store/stamp.js';
import { examples, type CommandDefinition, type CommandGroup } from './command.js';
import { EXIT, failure } from './exit.js';
import { formatTable } from './table.js';
import type { Outside } from './outside.js';

type Fields = Readonly<Record<string, string | number>>;

const SCHEME_DEFAULT = '0262';

const formatOption = (): Option =>
  new Option('--format <FORM>', 'a table, or JSON').choices(['text', 'json']).default('text');

const parseCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<text>', 'an id, a time, or a stamp: time-origin')
      .addOption(
        new Option('--scheme <DIGITS>', 'lengths of primus, peer, client and session in an id')
          .default(SCHEME_DEFAULT)
          .argParser(schemeOption),
      )
      .addOption(formatOption())
      .addHelpText(
        'after',
        [
          '',
          'A text that may be a time as well as an id is explained as both.',
          examples('swarmbus id parse 3AVA5Ks-X1gritzk0A', 'swarmbus id parse Xgritzk0_D --scheme 0163'),
        ].join('\n'),
      );
  },
  run(command, outside) {
    const [text = ''] = command.args;
    const { scheme, format } = command.opts<{ scheme: string; format: 'text' | 'json' }>();
    return Promise.resolve(print(explained(text, parseScheme(scheme) as Scheme), format, outside));
  },
};

const nowCommand: CommandDefinition = {
  declare(command) {
    command
      .addOption(formatOption())
      .addHelpText(
        'after',
        [
          '',
          'The time that a stamp of this moment has.',
          examples('swarmbus id now', 'swarmbus id now --format json'),
        ].join('\n'),
      );
  },
  run(command, outside) {
    const time = timeOfMs(Date.now());
    const { format } = command.opts<{ format: 'text' | 'json' }>();
    if (format === 'json') return Promise.resolve(print(timeFields(time), format, outside));
    outside.stdout.write(`${formatTime(time)}\n`);
    return Promise.resolve(EXIT.done);
  },
};

export const idGroup: CommandGroup = {
  declare(command) {
    command.addHelpText('after', examples('swarmbus id parse 3AVA5Ks-X1gritzk0A', 'swarmbus id now'));
  },
  commands: [
    { name: 'parse', summary: 'explain an id, a time or a stamp', command: parseCommand },
    { name: 'now', summary: 'print the present time as stamps have it', command: nowCommand },
  ],
};

function schemeOption(text: string): string {
  if (parseScheme(text) === null)
    throw failure(EXIT.usage, `--scheme: must be four digits that add up to 10, not ${JSON.stringify(text)}`);
  return text;
}

function explained(text: string, scheme: Scheme): Fields {
  const [timeText = '', ...rest] = text.split('-');
  const time = parseTime(timeText);
  if (rest.length === 1) {
    const origin = idFields(rest[0] as string, scheme);
    if (time !== null && origin !== null) return { ...timeFields(time), ...origin };
  } else if (rest.length === 0) {
    const id = idFields(text, scheme);
    if (time !== null || id !== null) return { ...(time === null ? {} : timeFields(time)), ...id };
  }
  throw failure(
    EXIT.usage,
    `${JSON.stringify(text)} is no id, time or stamp: up to ten of 0-9 A-Z _ a-z ~, without a 0 at the end, or two of` +
      ' these with a - between',
  );
}

function timeFields(time: number): Fields {
  // Stamps of one millisecond are numbered.
  const number = time - timeOfMs(msOfTime(time));
  return { time: formatTime(time), moment: new Date(msOfTime(time)).toISOString(), number };
}

/** Null for what is no id at all; of another scheme's ids only the id. */
function idFields(text: string, scheme: Scheme): Fields | null {
  if (parseNodeId(text) === null) return null;
  const id = scheme.parse(text);
  if (id === null) return { id: text, level: `none of scheme ${scheme.text}` };
  const chunks = Object.entries(scheme.chunksOf(id)).filter(([, chunk]) => chunk !== '');
  return { id, level: scheme.levelOf(id), ...Object.fromEntries(chunks) };
}

function print(fields: Fields, format: 'text' | 'json', outside: Outside): typeof EXIT.done {
  if (format === 'json') outside.stdout.write(`${JSON.stringify(fields)}\n`);
  else {
    const rows = Object.entries(fields).map(([name, value]) => [name, String(value)]);
    outside.stdout.write(formatTable(['name', 'value'], rows, outside));
  }
  return EXIT.done;
}
