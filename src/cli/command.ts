/** What each file of a command exports: its arguments and options, and what it does with them. */
import type { Command } from 'commander';
import type { Outside } from './outside.js';

export interface CommandDefinition {
  /** Declares arguments, options and examples. */
  declare(command: Command): void;
  /** Does the work with the parsed command; resolves with the exit code. Throws a Failure, or what the client throws. */
  run(command: Command, outside: Outside): Promise<number>;
}

/** A command that is only the first of two words, such as `db`. */
export interface CommandGroup {
  /** Declares the text around the list of its commands. */
  declare(command: Command): void;
  readonly commands: readonly {
    readonly name: string;
    readonly summary: string;
    readonly command: CommandDefinition;
  }[];
}

/** Examples at the end of a command's help. */
export function examples(...lines: readonly string[]): string {
  return ['', 'Examples:', ...lines.map((line) => `  $ ${line}`)].join('\n');
}

/** For options that may be repeated or hold several values separated by commas. */
export function collect(text: string, previous: readonly string[] | undefined): string[] {
  const items = text.split(',').map((item) => item.trim());
  return [...(previous ?? []), ...items.filter((item) => item !== '')];
}
