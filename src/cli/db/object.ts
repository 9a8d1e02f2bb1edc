/** The commands `db get` and `db set`: objects by their ids. */
import { Option } from 'commander';
import { fileStorage } from '../../client/index.js';
import type { Database } from '../../client/index.js';
import { addClientOptions, timeoutOf, withClient } from '../client-command.js';
import { examples, type CommandDefinition } from '../command.js';
import { EXIT, failure, type ExitCode } from '../exit.js';
import { givenValue } from '../given-value.js';
import { isForPeople, type SwarmClient } from '../outside.js';
import { formatValue } from '../value-text.js';
import { follow, KIND_NAMES, removeMembers, write, type KindName } from './kind.js';
import { inTime } from './in-time.js';

const typeOption = (): Option =>
  new Option('--type <TYPE>', 'type of the object').choices([...KIND_NAMES]).default('lww');

export const getCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<database>')
      .argument('<id...>')
      .addOption(typeOption())
      .addHelpText(
        'after',
        [
          '',
          'Prints JSON: the fields of lww, the sum of counter, the members of set, the text of text.',
          'Of several objects it prints a line for each: {"id": ..., "value": ...}.',
          'Exit code 4 if nobody has written to an object.',
          examples('swarmbus db get todos todo:1', 'swarmbus db get todos visits --type counter'),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  run: (command, outside) =>
    withClient(command, outside, async (client) => {
      const [name = '', ...ids] = command.args;
      const { type } = command.opts<{ type: KindName }>();
      const database = await inTime(client.database(name, { readOnly: true }), timeoutOf(command), `opening ${name}`);
      try {
        let exitCode: ExitCode = EXIT.done;
        for (const id of ids) {
          const object = await inTime(follow(database, type, id), timeoutOf(command), id);
          if (!object.exists) {
            outside.stderr.write(`swarmbus: missing: ${type} ${id}\n`);
            exitCode = EXIT.missing;
          } else if (ids.length > 1) outside.stdout.write(`${formatValue({ id, value: object.state })}\n`);
          else outside.stdout.write(`${formatValue(object.state, isForPeople(outside.stdout))}\n`);
        }
        return exitCode;
      } finally {
        await database.close();
      }
    }),
};

interface SetFlags {
  readonly type: KindName;
  readonly string?: boolean;
  readonly remove?: boolean;
  readonly spread?: boolean;
  readonly keep?: string;
}

export const setCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<database>')
      .argument('<id>')
      .argument('<value>', 'JSON; - reads it from standard input')
      .addOption(typeOption())
      .option('--string', 'take the value as text, not as JSON')
      .option('--remove', 'with --type set: remove these members')
      .option('--spread', 'wait until a second peer has it, not only the first')
      .option('--keep <DIR>', 'keep the replica there, and go on with it the next time')
      .addHelpText(
        'after',
        [
          '',
          'lww: an object of fields; those not named stay, null removes one. counter: a number to add. set: an array',
          'of members to add. text: the text that it is to be.',
          'Each call writes under a replica id of its own, unless it finds one in the directory of --keep.',
          examples(
            `swarmbus db set todos todo:1 '{"title": "write", "done": false}'`,
            'swarmbus db set todos visits 1 --type counter',
            `swarmbus db set todos tags '["new", "home"]' --type set`,
            'swarmbus db set todos note - --type text --string < note.txt',
          ),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  async run(command, outside) {
    const [name = '', id = '', given = ''] = command.args;
    const { type, string: isText = false, remove = false, spread = false, keep } = command.opts<SetFlags>();
    if (remove && type !== 'set') throw failure(EXIT.usage, '--remove is for --type set');
    const value = await givenValue(given, isText, outside);
    return withClient(command, outside, async (client) => {
      const timeoutMs = timeoutOf(command);
      const database = await openForWriting(client, name, keep, timeoutMs);
      try {
        if (remove) await removeMembers(database, id, value);
        else await inTime(Promise.resolve(write(database, type, id, value)), timeoutMs, id);
        await inTime(database.stored(), timeoutMs, 'the peer to store it');
        if (spread) await inTime(database.spread(), timeoutMs, 'a second peer to store it');
        outside.stdout.write(spread ? 'stored at a second peer\n' : 'stored\n');
        return EXIT.done;
      } finally {
        await database.close();
      }
    });
  },
};

/** Rejects as well where the peer will never take what is written. */
export async function openForWriting(
  client: SwarmClient,
  name: string,
  keep: string | undefined,
  timeoutMs: number,
): Promise<Database> {
  const options = keep === undefined ? {} : { storage: fileStorage(keep) };
  return inTime(client.database(name, options), timeoutMs, `opening ${name}`);
}
