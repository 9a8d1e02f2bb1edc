/** The command `db export`: the objects of a database as JSON lines. */
import { Option } from 'commander';
import { once } from 'node:events';
import { partsOfName } from '../../store/op.js';
import type { ObjectState } from '../../store/types/object-state.js';
import type { TextBody } from '../../store/types/text.js';
import { addClientOptions, withClient } from '../client-command.js';
import { examples, type CommandDefinition } from '../command.js';
import { EXIT } from '../exit.js';
import type { Outside } from '../outside.js';
import { createProgress } from '../progress.js';
import { formatValue } from '../value-text.js';
import { KIND_NAMES, type Delta } from './kind.js';
import { entriesIn, readObjects, type Choice } from './objects.js';

/** Lines written at once. */
const LINES = 1000;

export const exportCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<database>')
      .addOption(new Option('--type <TYPE>', 'only objects of this type').choices([...KIND_NAMES]))
      .option('--prefix <TEXT>', 'only objects whose ids begin with it')
      .addHelpText(
        'after',
        [
          '',
          'Prints a line for each object, in the order of type and id: {"type": ..., "id": ..., "value": ...}; for texts',
          'with formatting also "delta". `db import` writes the same objects, as new changes: the history stays behind.',
          examples('swarmbus db export cities > cities.jsonl', 'swarmbus db export cities --prefix DE/ | wc -l'),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  run: (command, outside) =>
    withClient(command, outside, async (client) => {
      const [name = ''] = command.args;
      const { type, prefix } = command.opts<Choice>();
      const choice = { ...(type === undefined ? {} : { type }), ...(prefix === undefined ? {} : { prefix }) };
      const expected = entriesIn(await client.inspectDatabase(name));
      const progress = createProgress('read', outside);
      let states;
      try {
        states = await readObjects(client, name, choice, (count) =>
          progress.update(Math.min(1, count / expected), count),
        );
      } finally {
        progress.stop();
      }
      const names = [...states.keys()].toSorted();
      let richer = 0;
      for (let at = 0; at < names.length; at += LINES) {
        const lines = names.slice(at, at + LINES).map((object) => {
          const state = states.get(object) as ObjectState;
          if (hasMoreThanText(state)) richer += 1;
          return `${lineOf(object, state)}\n`;
        });
        await writeOut(outside, lines.join(''));
      }
      if (richer > 0) {
        outside.stderr.write(
          `swarmbus: ${richer} document${richer === 1 ? '' : 's'} of the type text: only the text named "text" is there\n`,
        );
      }
      return EXIT.done;
    }),
};

function lineOf(name: string, state: ObjectState): string {
  const { type, id } = partsOfName(name);
  const value = state.view();
  const delta = type === 'text' ? deltaOf(state.body as TextBody) : null;
  return formatValue(delta === null ? { type, id, value } : { type, id, value, delta });
}

/** Null where nothing is formatted. */
function deltaOf({ doc }: TextBody): Delta | null {
  const delta = doc.getText('text').toDelta() as Delta;
  return delta.some(({ attributes }) => attributes !== undefined) ? delta : null;
}

/** Editors may keep other things than the one text in a document. */
function hasMoreThanText(state: ObjectState): boolean {
  return state.type.name === 'text' && (state.body as TextBody).doc.share.size > 1;
}

async function writeOut({ stdout }: Pick<Outside, 'stdout'>, text: string): Promise<void> {
  if (!stdout.write(text)) await once(stdout, 'drain');
}
