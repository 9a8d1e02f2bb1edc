// A node with `--workers`: several processes behind one port, each of which is a linked node.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadBuilt } from '../built.mjs';
import { missingBuild, startNode } from './node.mjs';

const START_TIMEOUT_MS = 15_000;
const POLL_MS = 50;
/** Which worker stores a key depends on the connection that sets it, and which connection goes where is chance. */
const FILL_CONNECTIONS = 32;

export function workers(count) {
  const name = `swarmbus-${count}-workers`;
  return {
    about: `\`--workers ${count}\`: each stores its share of the keys, each connection is at one of them`,
    protocol: 'swarmbus',
    missing: () => (process.platform === 'linux' ? missingBuild() : 'workers share a port on Linux only'),
    async start(children, folder, options) {
      const flags = ['--workers', String(count), ...(options.flags ?? [])];
      const { port, pid } = await startNode(children, folder, { ...options, name, flags });
      await children.orFailed(waitForWorkers(port, count, name));
      const processes = Object.fromEntries(workersOf(pid).map((worker, i) => [`${name} ${i + 1}`, worker]));
      return { port, storePorts: [port], processes, fillConnections: FILL_CONNECTIONS };
    },
  };
}

/** Until each is a member of the swarm of them all. */
async function waitForWorkers(port, count, name) {
  const { connect } = await loadBuilt('client/index.js');
  const deadline = Date.now() + START_TIMEOUT_MS;
  const client = await connect(`ws://127.0.0.1:${port}`);
  try {
    while ((await client.inspect('topology')).members.length < count) {
      if (Date.now() > deadline) throw new Error(`${name} does not start within ${START_TIMEOUT_MS} ms`);
      await sleep(POLL_MS);
    }
  } finally {
    await client.close();
  }
}

/** The children of a process that run the command of workers, in the order of their start. */
function workersOf(pid) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  return children.filter((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').endsWith('\0worker\0')).map(Number);
}
