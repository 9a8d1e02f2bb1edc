// Nodes of ours, alone or linked in any shape, with the options that their users get who set none.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../children.mjs';
import { profilingArgs } from '../profile.mjs';

const PROGRAM = fileURLToPath(new URL('../../bin/swarmbus', import.meta.url));
const BUILT = fileURLToPath(new URL('../../dist/esm/cli/main.js', import.meta.url));
const PAUSES = new URL('../pauses-preload.mjs', import.meta.url).href;

/** Edges by number of node; the first dials the second. */
export const SHAPES = {
  line: (count) => pairs(count - 1, (i) => [[i + 1, i]]),
  ring: (count) => pairs(count, (i) => (i > 0 ? [[i, i - 1]] : [[0, count - 1]])),
  tree: (count) => pairs(count, (i) => (i > 0 ? [[i, (i - 1) >> 1]] : [])),
  mesh: (count) => pairs(count, (i) => Array.from({ length: i }, (_, j) => [i, j])),
};

function pairs(count, edgesOf) {
  return Array.from({ length: count }, (_, i) => edgesOf(i)).flat();
}

export const missingBuild = () => (existsSync(BUILT) ? null : 'swarmbus is not built: `make build`');

const system = (about, start) => ({ about, protocol: 'swarmbus', missing: missingBuild, start });

export const single = system('one node, which stores the keys', async (children, folder, options) => {
  const node = await startNode(children, folder, { ...options, name: 'swarmbus' });
  const { port, pid, pausesFile } = node;
  return { port, storePorts: [port], processes: { swarmbus: pid }, pausesFile };
});

export const singleWs = system('the same with `--listener ws`', async (children, folder, options) => {
  const flags = ['--listener', 'ws', ...(options.flags ?? [])];
  const { port, pid } = await startNode(children, folder, { ...options, name: 'swarmbus-ws', flags });
  return { port, storePorts: [port], processes: { 'swarmbus-ws': pid } };
});

/** A line of nodes: the first is asked, the last stores. */
export function chain(hops) {
  const name = `swarmbus-${hops}-hop`;
  const where = hops === 1 ? 'the keys are at its neighbour' : `the keys are ${hops} hops away`;
  return system(`${hops + 1} nodes in a line: asked is the first, ${where}`, async (children, folder, options) => {
    const nodes = await startShape(children, folder, {
      ...options,
      name,
      edges: SHAPES.line(hops + 1),
      count: hops + 1,
    });
    const roleOf = (i) => (i === 0 ? 'asked' : i === hops ? 'owner' : `relay ${i}`);
    const processes = Object.fromEntries(nodes.map(({ pid }, i) => [`${name} ${roleOf(i)}`, pid]));
    return { port: nodes[0].port, storePorts: [nodes[hops].port], processes, nodes };
  });
}

/** Nodes in a shape: node 0 is asked, key n is stored at node n modulo their count. */
export function shape(kind, count) {
  return system(`${count} nodes in a ${kind}; key n is at node n mod ${count}`, async (children, folder, options) => {
    const name = `${kind}-${count}`;
    const nodes = await startShape(children, folder, { ...options, name, edges: SHAPES[kind](count), count });
    const processes = Object.fromEntries(nodes.map(({ pid }, i) => [`${name} ${i}`, pid]));
    return { port: nodes[0].port, storePorts: nodes.map(({ port }) => port), processes, nodes };
  });
}

/** Starts `count` nodes; each dials those that its edges name. Gives their ports and process ids, by number. */
export async function startShape(children, folder, { name, edges, count, profiles, flags = [] }) {
  const ports = [];
  for (let i = 0; i < count; i++) ports.push(await freePort());
  const nodes = [];
  for (const [i, port] of ports.entries()) {
    const links = edges.filter(([from]) => from === i).flatMap(([, to]) => linkFlags(ports[to]));
    nodes.push(
      await startNode(children, folder, { name: `${name} ${i}`, port, flags: [...links, ...flags], profiles }),
    );
  }
  return nodes;
}

export function linkFlags(port) {
  return ['--link', `ws://127.0.0.1:${port}`, '--proxy', 'none'];
}

/**
 * Starts one node and resolves when it listens. `profiles`: folder for its profile, or null. With `seesPauses` the pauses
 * of its event loop can be asked for, see pauses.mjs; the file that they are written to comes back as `pausesFile`.
 */
export async function startNode(children, folder, options) {
  const { name, flags = [], profiles = null, seesPauses = false } = options;
  const port = options.port ?? (await freePort());
  const pausesFile = seesPauses ? join(folder, `pauses-${port}.json`) : null;
  const args = [
    ...(profiles === null ? [] : profilingArgs(profiles, name)),
    ...(seesPauses ? ['--import', PAUSES] : []),
    PROGRAM,
    'node',
    '--listen',
    `127.0.0.1:${port}`,
    '--log-level',
    'error',
    ...flags,
  ];
  const env = seesPauses ? { BENCH_PAUSES: pausesFile } : {};
  const pid = await children.startServer({ name, command: process.execPath, args, folder, port, env });
  return { port, pid, pausesFile };
}
