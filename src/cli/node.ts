/**
 * The command `node`: one node from its options to its end. The first SIGTERM or SIGINT lets it leave in order, the
 * second ends it at once.
 */
import { hostname } from 'node:os';
import { Option } from 'commander';
import { examples, type CommandDefinition } from './command.js';
import { EXIT, codeOf, failure, messageOf } from './exit.js';
import { createLog } from './log.js';
import { NODE_FLAGS, parseNodeOptions, type Flag, type NodeOptions } from './node-options.js';
import type { RunningNode } from '../node.js';
import type { Outside } from './outside.js';

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
    const log = createLog(options.logLevel, options.name, outside);
    for (const warning of warnings) log('warn', warning);
    for (const note of notes) log('info', note);

    const asked = stopAsked(outside, command.getOptionValue('untilStdinEnds') === true);
    try {
      const node = await start(options, log, outside);
      log('info', 'listening', {
        node: node.id,
        urls: node.urls,
        listener: node.listenerKind,
        because: reasonFor(options, node),
      });
      const asking = asked.promise.then((because) => {
        log('info', 'stopping', { because });
        return node.stop();
      });
      const { reason, exitCode } = await Promise.race([asking, node.stopped]);
      log('info', 'stopped', { because: reason });
      if (exitCode !== EXIT.done) outside.stderr.write(`swarmbus: ${reason}\n`);
      return exitCode;
    } finally {
      asked.forget();
    }
  },
};

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

async function start(
  options: NodeOptions,
  log: Parameters<Outside['startNode']>[1],
  outside: Outside,
): Promise<RunningNode> {
  const { logLevel: _ofThisProcess, ...own } = options;
  try {
    return await outside.startNode(own, log);
  } catch (error) {
    // What keeps a node from starting is for its operator to change, like any other wrong option.
    if (codeOf(error) === 'STARTUP') throw failure(EXIT.usage, messageOf(error));
    throw error;
  }
}

function reasonFor(options: NodeOptions, node: RunningNode): string {
  if (options.listener !== null) return `--listener ${options.listener}`;
  return node.listenerKind === 'uws' ? 'it is the faster one' : 'uWebSockets.js could not be loaded';
}

/** Resolves with the reason to stop. From then on the next signal ends the process at once. */
function stopAsked(outside: Outside, endsWithStdin: boolean): { promise: Promise<string>; forget(): void } {
  let resolve!: (reason: string) => void;
  const promise = new Promise<string>((settle) => {
    resolve = settle;
  });
  let isAsked = false;
  const forgets = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
    outside.onSignal(signal, () => {
      if (isAsked) outside.exit(EXIT.interrupted);
      isAsked = true;
      resolve(signal);
    }),
  );
  if (endsWithStdin) {
    const onEnd = (): void => resolve('end of standard input');
    outside.stdin.on('end', onEnd).on('close', onEnd).on('error', onEnd).resume();
    forgets.push(() => void outside.stdin.pause());
  }
  return {
    promise,
    forget() {
      for (const forget of forgets) forget();
    },
  };
}
