/** The commands `db create`, `db list` and `db compact`: which databases there are, where, and how much of them. */
import { Option } from 'commander';
import type { Info } from '../../transport/message.js';
import { addClientOptions, durationOption, withClient } from '../client-command.js';
import { collect, examples, type CommandDefinition } from '../command.js';
import { EXIT } from '../exit.js';
import { isForPeople, type SwarmClient } from '../outside.js';
import { formatTable } from '../table.js';
import { formatValue } from '../value-text.js';

interface CreateFlags {
  readonly scheme?: string;
  readonly peer?: string;
  readonly shared?: boolean;
  readonly relaxed?: boolean;
  readonly types?: readonly string[];
  readonly compactAfter?: number;
}

export const createCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<database>', 'its name: 1 to 64 of A-Z a-z 0-9 . _ -')
      .option('--scheme <DIGITS>', 'lengths of primus, peer, client and session in an id (default: 0262)')
      .option('--peer <ID>', 'the id of the node as a peer (default: drawn)')
      .option('--shared', 'let the id of a client be used at several peers')
      .option('--relaxed', 'acknowledge changes before they are on disk')
      .addOption(new Option('--types <NAMES>', 'types of objects it takes (default: all)').argParser(collect))
      .addOption(
        new Option('--compact-after <TIME>', 'replace older changes by states; 0: never (default: 7d)').argParser(
          (text) => (text === '0' ? 0 : durationOption('--compact-after')(text)),
        ),
      )
      .addHelpText(
        'after',
        [
          '',
          'Where the swarm has a database of that name, the node becomes a peer of it, and gets all of it. Its options',
          'are fixed from the beginning: leave them out then.',
          examples(
            'swarmbus db create todos',
            'swarmbus db create todos --url ws://127.0.0.1:7102',
            'swarmbus db create cities --types lww --compact-after 1h',
          ),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  run: (command, outside) =>
    withClient(command, outside, async (client) => {
      const [name = ''] = command.args;
      const { scheme, peer, shared, relaxed, types, compactAfter } = command.opts<CreateFlags>();
      const info = await client.createDatabase(name, {
        ...(scheme === undefined ? {} : { scheme }),
        ...(peer === undefined ? {} : { peer }),
        ...(shared === undefined ? {} : { isShared: shared }),
        ...(relaxed === undefined ? {} : { isRelaxed: relaxed }),
        ...(types === undefined ? {} : { types }),
        ...(compactAfter === undefined ? {} : { compactAfterMs: compactAfter }),
      });
      const others = (info['peers'] as readonly unknown[]).length;
      const also = others === 0 ? '' : `, beside ${others} other${others === 1 ? '' : 's'}`;
      outside.stdout.write(`peer ${String(info['peer'])} of ${name}${also}\n`);
      return EXIT.done;
    }),
};

/** What `databases` tells of one. */
interface Listed {
  readonly name: string;
  readonly isHere: boolean;
  readonly peers: readonly { readonly node: string; readonly name: string; readonly peer: string }[];
}

export const listCommand: CommandDefinition = {
  declare(command) {
    command
      .addOption(new Option('--format <FORM>', 'a table, or JSON').choices(['text', 'json']).default('text'))
      .addHelpText(
        'after',
        [
          '',
          'Sizes are those at the peer that is nearest to the node: objects with changes in its log, changes so far, and how',
          'many of these exist only within the states of their objects by now.',
          examples('swarmbus db list', 'swarmbus db list --format json'),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  run: (command, outside) =>
    withClient(command, outside, async (client) => {
      const databases = await databasesOf(client);
      const reports = await Promise.all(databases.map(({ name }) => client.inspectDatabase(name)));
      if (command.opts<{ format: string }>().format === 'json') {
        const all = databases.map((database, i) => ({ ...database, report: reports[i] }));
        outside.stdout.write(`${formatValue(all)}\n`);
        return EXIT.done;
      }
      const rows = databases.map(({ name, isHere, peers }, i) => {
        const { status, objects, length, floor } = reports[i] as Info;
        const names = peers.map((peer) => `${peer.name} (${peer.peer})`).join(' ');
        return [name, isHere ? 'here' : 'elsewhere', String(status), ...[objects, length, floor].map(String), names];
      });
      const head = ['database', 'held', 'status', 'in the log', 'changes', 'compacted', 'peers'];
      if (rows.length > 0 || isForPeople(outside.stdout)) outside.stdout.write(formatTable(head, rows, outside));
      return EXIT.done;
    }),
};

export async function databasesOf(client: SwarmClient): Promise<readonly Listed[]> {
  return (await client.databases())['databases'] as readonly Listed[];
}

/** It takes as long as there is to compact. */
const COMPACT_MS = 600_000;

export const compactCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<database>')
      .addHelpText(
        'after',
        [
          '',
          'At the peer that is nearest to the node: what all other peers have is kept as the states of the objects only.',
          examples('swarmbus db compact todos'),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  run: (command, outside) =>
    withClient(command, outside, async (client) => {
      const [name = ''] = command.args;
      const { length, floor } = await client.compactDatabase(name, { timeoutMs: COMPACT_MS });
      outside.stdout.write(`compacted: ${String(floor)} of ${String(length)} changes\n`);
      return EXIT.done;
    }),
};
