/**
 * The command `node`: one node, or workers that are several behind one port, from their options to their end. The first
 * SIGTERM or SIGINT lets them leave in order, the second ends them at once.
 */
import { hostname } from 'node:os';
import { Option } from 'commander';
import { examples, type CommandDefinition } from './command.js';
import { EXIT, codeOf, failure, messageOf } from './exit.js';
import { createLog } from './log.js';
import { NODE_FLAGS, parseNodeOptions, type Flag, type NodeOptions } from './node-options.js';
import type { NodeEnd } from '../actors/node.js';
import type { Log } from '../actors/runtime/env.js';
import type { Outside } from './outside.js';
import { endOf, startSingleNode } from './single-node.js';
import { stopAsked } from './stop-asked.js';
import { objectionToData, objectionToWorkers } from './workers/objection.js';
import { runWorkers } from './workers/run-workers.js';

export const nodeCommand: CommandDefinition = {
  declare(command) {
    for (const flag of NODE_FLAGS) if (!flag.isAdvanced) command.addOption(optionOf(flag));
    command.addOption(new Option('--config <FILE>', 'YAML file with options of the same names'));
    command.optionsGroup('Bounds:');
    for (const flag of NODE_FLAGS) if (flag.isAdvanced) command.addOption(optionOf(flag));
    // For programs that start nodes: the kernel closes the pipe however the program ends, so no node outlives it.
    command.addOption(new Option('--until-stdin-ends').hideHelp());
    command.addHelpText(
      'after',
      [
        '',
        'Every option may also stand in the YAML file (`token-file: secret`) or in the environment',
        '(SWARMBUS_TOKEN_FILE=secret); flags win over the environment, the environment over the file.',
        'Secrets: SWARMBUS_TOKEN, SWARMBUS_LINK_SECRET and SWARMBUS_PROXY_AUTH, or the files named above.',
        'Without --proxy, HTTPS_PROXY (for wss://), HTTP_PROXY (for ws://) and ALL_PROXY are used; NO_PROXY excepts hosts.',
        examples(
          'swarmbus node',
          'swarmbus node --listen 127.0.0.1:7102 --link ws://127.0.0.1:7101',
          'swarmbus node --listen 0.0.0.0:7101 --token-file token --link-secret-file secret',
          'swarmbus node --workers 4',
        ),
      ].join('\n'),
    );
  },

  async run(command, outside) {
    const given = Object.fromEntries(
      [...NODE_FLAGS.map(({ name }) => name), 'config'].flatMap((name) => {
        const value: unknown = command.getOptionValue(attributeOf(name));
        return value === undefined ? [] : [[name, value]];
      }),
    );
    const { options, warnings, notes } = parseNodeOptions(given, outside.env, hostname());
    const objection =
      objectionToWorkers(options, process.platform) ?? objectionToData(options.dataDir, options.workers);
    if (objection !== null) throw failure(EXIT.usage, objection);
    const log = createLog(options.logLevel, options.name, outside);
    for (const warning of warnings) log('warn', warning);
    for (const note of notes) log('info', note);

    const endsWithStdin = command.getOptionValue('untilStdinEnds') === true;
    const end = await (options.workers > 1 ? runWorkers : runHere)(options, log, outside, endsWithStdin);
    if (end.exitCode !== EXIT.done) outside.stderr.write(`swarmbus: ${end.reason}\n`);
    return end.exitCode;
  },
};

async function runHere(
  { logLevel: _ofThisProcess, workers: _one, ...options }: NodeOptions,
  log: Log,
  outside: Outside,
  endsWithStdin: boolean,
): Promise<NodeEnd> {
  const asked = stopAsked(outside, endsWithStdin, () => {});
  try {
    return await endOf(await startSingleNode(options, log, outside), asked.promise, log);
  } catch (error) {
    // What keeps a node from starting is for its operator to change, like any other wrong option.
    if (codeOf(error) === 'STARTUP') throw failure(EXIT.usage, messageOf(error));
    throw error;
  } finally {
    asked.forget();
  }
}

function optionOf({ name, metavar, description, default: byDefault, isList }: Flag): Option {
  const value = metavar === null ? '' : ` <${metavar}>`;
  const notes = [isList ? 'repeatable' : '', byDefault === null || metavar === null ? '' : `default: ${byDefault}`];
  const note = notes.filter((text) => text !== '').join(', ');
  const option = new Option(`--${name}${value}`, note === '' ? description : `${description} (${note})`);
  return isList ? option.argParser((text, previous: string[] | undefined) => [...(previous ?? []), text]) : option;
}

function attributeOf(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
