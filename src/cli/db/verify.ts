/** The command `db verify`: whether the peers of a database have the same changes and objects, and if not, which not. */
import { Option } from 'commander';
import { setTimeout as pause } from 'node:timers/promises';
import { StateDigest } from '../../store/state-digest.js';
import type { ObjectState } from '../../store/types/object-state.js';
import type { Info } from '../../transport/message.js';
import { addClientOptions, durationOption, withEachClient } from '../client-command.js';
import { examples, type CommandDefinition } from '../command.js';
import { EXIT, failure, type ExitCode } from '../exit.js';
import type { Outside, SwarmClient } from '../outside.js';
import { createProgress } from '../progress.js';
import { formatTable } from '../table.js';
import { formatValue } from '../value-text.js';
import { databasesOf } from './manage.js';
import { entriesIn, readObjects } from './objects.js';

interface Flags {
  readonly wait: number;
  readonly read?: boolean;
}

/** A peer, and what it says of its database. */
interface Peer {
  readonly url: string;
  readonly client: SwarmClient;
  readonly info: Info;
}

const POLL_MS = 250;
/** Digests of a large database take a while. */
const DIGESTS_MS = 120_000;

export const verifyCommand: CommandDefinition = {
  declare(command) {
    command
      .argument('<database>')
      .addOption(
        new Option('--wait <TIME>', 'how long peers may take to become equal')
          .argParser(durationOption('--wait'))
          .default(5000, '5s'),
      )
      .option('--read', 'also read all objects from each peer, and compare what a client gets')
      .addHelpText(
        'after',
        [
          '',
          'Name a node for each peer that is to be compared, by --url. Peers are equal when the digest of all changes and',
          'the digest of all objects are. Where they differ, the first object that does is printed with both states.',
          'Exit code 1 if they differ, or if there are peers that were not compared.',
          examples(
            'swarmbus db verify todos --url ws://127.0.0.1:7101,ws://127.0.0.1:7102,ws://127.0.0.1:7103',
            'swarmbus db verify todos --read',
          ),
        ].join('\n'),
      );
    addClientOptions(command);
  },
  run: (command, outside) =>
    withEachClient(command, outside, async (clients) => {
      const [name = ''] = command.args;
      const { wait, read = false } = command.opts<Flags>();
      const deadlineMs = performance.now() + wait;
      let peers = await askAll(clients, name, outside);
      while (!areEqual(peers) && performance.now() < deadlineMs) {
        await pause(POLL_MS);
        peers = await askAll(peers, name, null);
      }
      outside.stdout.write(asTable(peers, outside));
      const exitCode = areEqual(peers) ? EXIT.done : await tellDifference(peers, name, outside);
      const isReadWell = !read || exitCode !== EXIT.done || (await readAll(peers, name, outside));
      return isReadWell ? worse(exitCode, await tellOthers(peers, name)) : EXIT.failed;
    }),
};

/** One for each peer: a node that holds no database answers for the nearest one that does. */
async function askAll(
  clients: readonly Pick<Peer, 'url' | 'client'>[],
  name: string,
  outside: Outside | null,
): Promise<readonly Peer[]> {
  const infos = await Promise.all(clients.map(({ client }) => digestsOf(client, name)));
  const byPeer = new Map<string, Peer>();
  for (const [i, info] of infos.entries()) {
    const { url, client } = clients[i]!;
    const same = byPeer.get(String(info['peer']));
    if (same === undefined) byPeer.set(String(info['peer']), { url, client, info });
    else outside?.stderr.write(`swarmbus: ${url} answers for the same peer as ${same.url}\n`);
  }
  return [...byPeer.values()];
}

function digestsOf(client: SwarmClient, name: string): Promise<Info> {
  return client.inspectDatabase(name, { digests: true, timeoutMs: DIGESTS_MS });
}

function areEqual(peers: readonly Peer[]): boolean {
  const digests = peers.map(({ info }) => `${String(info['chainDigest'])} ${String(info['stateDigest'])}`);
  return new Set(digests).size === 1;
}

function asTable(peers: readonly Peer[], outside: Outside): string {
  const columns = ['peer', 'status', 'objects', 'length', 'chainDigest', 'stateDigest'];
  const rows = peers.map(({ url, info }) => [url, ...columns.map((column) => String(info[column]))]);
  return formatTable(['node', 'peer', 'status', 'in the log', 'changes', 'of changes', 'of objects'], rows, outside);
}

async function tellDifference(peers: readonly Peer[], name: string, outside: Outside): Promise<ExitCode> {
  const [first] = peers as [Peer, ...Peer[]];
  const other = peers.find((peer) => !areEqual([first, peer])) as Peer;
  const [mine, theirs] = [await objectsOf(first, name, outside), await objectsOf(other, name, outside)];
  const names = digestOf(mine).differences(digestOf(theirs)).toSorted();
  const [object] = names;
  if (object === undefined) {
    outside.stderr.write(
      `swarmbus: ${first.url} and ${other.url} have the same objects by now, and other changes: try again, or a longer --wait\n`,
    );
    return EXIT.failed;
  }
  const shown = (states: ReadonlyMap<string, ObjectState>): string => {
    const state = states.get(object);
    if (state === undefined) return 'not there';
    return `${formatValue(state.view())} after ${[...state.vector].map(([origin]) => origin).join(', ')}`;
  };
  outside.stderr.write(
    [
      `swarmbus: ${names.length} object${names.length === 1 ? ' differs' : 's differ'}, first ${object}`,
      `  ${first.url}: ${shown(mine)}`,
      `  ${other.url}: ${shown(theirs)}`,
      '',
    ].join('\n'),
  );
  return EXIT.failed;
}

/** Whether what clients get is what the peers say that they have. */
async function readAll(peers: readonly Peer[], name: string, outside: Outside): Promise<boolean> {
  for (const peer of peers) {
    const digest = digestOf(await objectsOf(peer, name, outside)).value;
    const { stateDigest } = await digestsOf(peer.client, name);
    if (digest === stateDigest) outside.stdout.write(`read from ${peer.url}: the same\n`);
    else {
      outside.stderr.write(
        `swarmbus: ${peer.url}: a client gets ${digest}, and the peer says ${String(stateDigest)}:` +
          ' somebody writes meanwhile, or they differ; try again\n',
      );
      return false;
    }
  }
  return true;
}

/** Peers that nobody has been asked for. */
async function tellOthers(peers: readonly Peer[], name: string): Promise<ExitCode> {
  const [first] = peers as [Peer, ...Peer[]];
  const compared = new Set(peers.map(({ info }) => info['peer']));
  const known = (await databasesOf(first.client)).find((database) => database.name === name)?.peers ?? [];
  const others = known.filter(({ peer }) => !compared.has(peer));
  if (others.length === 0) return EXIT.done;
  const list = others.map((peer) => `${peer.name} (${peer.peer})`).join(', ');
  throw failure(EXIT.failed, `not compared: ${list}: name these nodes too, by --url`);
}

function worse(a: ExitCode, b: ExitCode): ExitCode {
  return a === EXIT.done ? b : a;
}

async function objectsOf({ client, info }: Peer, name: string, outside: Outside): Promise<Map<string, ObjectState>> {
  const expected = entriesIn(info);
  const progress = createProgress('read', outside);
  try {
    return await readObjects(client, name, {}, (count) => progress.update(Math.min(1, count / expected), count));
  } finally {
    progress.stop();
  }
}

function digestOf(states: ReadonlyMap<string, ObjectState>): StateDigest {
  const digest = new StateDigest();
  for (const [name, state] of states) digest.put(name, state.encode());
  return digest;
}
