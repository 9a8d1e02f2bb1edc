/**
 * From arguments to an exit code. Only the module of the command that was named is loaded, since a command that takes
 * longer to load than to run is no good in scripts. All that goes wrong ends here as one line on stderr.
 */
import { Command, CommanderError } from 'commander';
import { didYouMean } from '../client/suggest.js';
import { VERSION } from '../version.js';
import { examples, type CommandDefinition, type CommandGroup } from './command.js';
import { EXIT, isFailure, messageOf } from './exit.js';
import type { Outside } from './outside.js';

interface CommandRow {
  readonly name: string;
  readonly summary: string;
  /** For programs, not for people. */
  readonly isHidden?: true;
  readonly load: () => Promise<CommandDefinition | CommandGroup>;
}

const COMMANDS: readonly CommandRow[] = [
  { name: 'node', summary: 'run a node', load: async () => (await import('./node.js')).nodeCommand },
  {
    name: 'worker',
    summary: 'run a node for `node --workers`',
    isHidden: true,
    load: async () => (await import('./workers/worker.js')).workerCommand,
  },
  { name: 'get', summary: 'print the values of keys', load: async () => (await import('./entry.js')).getCommand },
  { name: 'set', summary: 'store a value under a key', load: async () => (await import('./entry.js')).setCommand },
  { name: 'delete', summary: 'delete keys', load: async () => (await import('./entry.js')).deleteCommand },
  { name: 'touch', summary: 'change when a key expires', load: async () => (await import('./entry.js')).touchCommand },
  { name: 'incr', summary: 'add to an integer', load: async () => (await import('./entry.js')).incrCommand },
  { name: 'scan', summary: 'print the keys of the swarm', load: async () => (await import('./scan.js')).scanCommand },
  {
    name: 'watch',
    summary: 'print the changes of keys as they happen',
    load: async () => (await import('./watch.js')).watchCommand,
  },
  {
    name: 'where',
    summary: 'show which node stores a key',
    load: async () => (await import('./where.js')).whereCommand,
  },
  {
    name: 'trace',
    summary: 'show how a key is found, hop by hop',
    load: async () => (await import('./where.js')).traceCommand,
  },
  {
    name: 'ping',
    summary: 'measure the way to a node and back',
    load: async () => (await import('./ping.js')).pingCommand,
  },
  {
    name: 'topology',
    summary: 'show the nodes of the swarm and their links',
    load: async () => (await import('./topology.js')).topologyCommand,
  },
  {
    name: 'inspect',
    summary: 'show what a node knows about itself',
    load: async () => (await import('./inspect.js')).inspectCommand,
  },
  {
    name: 'load',
    summary: 'store the records of a JSON or CSV file',
    load: async () => (await import('./load.js')).loadCommand,
  },
  { name: 'db', summary: 'work with replicated databases', load: async () => (await import('./db/db.js')).dbGroup },
  { name: 'id', summary: 'explain ids, stamps and times', load: async () => (await import('./id.js')).idGroup },
  {
    name: 'demo',
    summary: 'run a ring of three nodes with 135,233 cities in it',
    load: async () => (await import('./demo.js')).demoCommand,
  },
];

/** Commander's words on a value that is none of those allowed. */
const CHOICES = /^option '(--[\w-]+).*' argument '(.*)' is invalid\. Allowed choices are (.*)$/;

/** Runs one command line, without node and script; returns its exit code. Never rejects. */
export async function run(args: readonly string[], outside: Outside): Promise<number> {
  let exitCode: number = EXIT.done;
  const [named, second] = namedCommands(args);
  const program = new Command('swarmbus')
    .description('A decentralised data bus: any node of the swarm serves every key.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'explain')
    .helpCommand('help [command]', 'explain a command')
    .showHelpAfterError(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void outside.stdout.write(text),
      writeErr: (text) => void outside.stderr.write(text),
      outputError: (text, write) => write(errorLine(complaint(text, named, second))),
    })
    .addHelpText(
      'after',
      [
        '',
        'Environment: SWARMBUS_URL (default ws://127.0.0.1:7101) and SWARMBUS_TOKEN for all commands that ask a node.',
        'Exit codes: 0 done, 1 refused or failed, 2 usage, 3 unreachable, 4 missing.',
        examples('swarmbus node', `swarmbus set greeting '"hello"'`, 'swarmbus get greeting'),
      ].join('\n'),
    );

  for (const { name, summary, isHidden = false, load } of COMMANDS) {
    const command = program
      .command(name, { hidden: isHidden })
      .description(summary)
      .helpOption('-h, --help', 'explain');
    if (name !== named) continue;
    const install = (target: Command, definition: CommandDefinition): void => {
      definition.declare(target);
      target.action(async () => {
        exitCode = await definition.run(target, outside);
      });
    };
    const loaded = await load();
    if ('run' in loaded) install(command, loaded);
    else {
      loaded.declare(command);
      command.helpCommand('help [command]', 'explain a command');
      for (const row of loaded.commands) {
        install(command.command(row.name).description(row.summary).helpOption('-h, --help', 'explain'), row.command);
      }
    }
  }

  const names = ['help', ...COMMANDS.flatMap(({ name, isHidden }) => (isHidden ? [] : [name]))];
  if (args[0] === 'help' && named !== undefined && !names.includes(named)) {
    outside.stderr.write(errorLine(`unknown command '${named}'${didYouMean(named, names)}; see \`swarmbus --help\``));
    return EXIT.usage;
  }

  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has already written what it had to say, be it help or a complaint.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    outside.stderr.write(errorLine(oneLine(messageOf(error) || String(error))));
    return isFailure(error) ? error.exitCode : EXIT.failed;
  }
}

/** The first words that are no options; after `help` the next. Options of the program itself take no values. */
function namedCommands(args: readonly string[]): readonly string[] {
  const words = args.filter((arg) => !arg.startsWith('-'));
  return words[0] === 'help' ? words.slice(1) : words;
}

/** Commander's complaint in one line with where to read on. */
function complaint(text: string, named: string | undefined, second: string | undefined): string {
  const isGroup = named === 'db' || named === 'id';
  const words =
    isGroup && second !== undefined && !text.includes('unknown command') ? ` ${named} ${second}` : ` ${named}`;
  const command = COMMANDS.some(({ name }) => name === named) ? words : '';
  const what = oneLine(text.replace(/^error: /, ''))
    .replace(/\.$/, '')
    .replace(CHOICES, "$1 must be one of $3, not '$2'")
    .replace(
      /^command-argument value '(.*)' is invalid for argument '(.*)'\. Allowed choices are (.*)$/,
      "$2 must be one of $3, not '$1'",
    )
    .replace(/^(too many arguments for 'set'.*)$/, '$1: put quotes around a value with blanks');
  const [, secret] = /^unknown option '(--token|--link-secret)\b(?!-)/.exec(what) ?? [];
  if (secret !== undefined)
    return `unknown option '${secret}': secrets are no arguments, since others can see those; use ${secret}-file`;
  return `${what}; see \`swarmbus${command} --help\``;
}

function errorLine(text: string): string {
  return `swarmbus: ${text}\n`;
}

function oneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, ' ');
}
