/** The command `ping`: how long a node takes to answer. */
import { Option } from 'commander';
import { setTimeout as sleep } from 'node:timers/promises';
import { addClientOptions, countOption, withClient } from './client-command.js';
import { examples, type CommandDefinition } from './command.js';
import { EXIT } from './exit.js';

const PAUSE_MS = 1000;

export const pingCommand: CommandDefinition = {
  declare(command) {
    command
      .addOption(
        new Option('--count <N>', 'how often, one second apart')
          .argParser(countOption('--count', 1, 1_000_000))
          .default(1),
      )
      .addHelpText('after', examples('swarmbus ping', 'swarmbus ping --count 10 --url ws://127.0.0.1:7103'));
    addClientOptions(command);
  },
  run: (command, outside) =>
    withClient(command, outside, async (client) => {
      const { count } = command.opts<{ count: number }>();
      const times: number[] = [];
      for (let i = 0; i < count; i++) {
        if (i > 0) await sleep(PAUSE_MS);
        const ms = await client.ping();
        times.push(ms);
        outside.stdout.write(`pong in ${shown(ms)} ms\n`);
      }
      if (count > 1) {
        const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length;
        outside.stdout.write(
          `${count} pings: min ${shown(Math.min(...times))}, mean ${shown(mean)}, max ${shown(Math.max(...times))} ms\n`,
        );
      }
      return EXIT.done;
    }),
};

function shown(ms: number): string {
  return ms.toFixed(ms < 10 ? 2 : 1);
}
