// Peers of one database, and when they are so far.

import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { linkFlags, startNode } from '../system/node.mjs';

export const DATABASE = 'bench';
const POLL_MS = 20;
const TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 20_000;

/** A node that keeps what it has in that folder, null: in memory; `link`: the port of one to link to. */
export function startPeer(children, folder, data, { name, link = null, profiles = null }) {
  const kept = data === null ? [] : ['--data', data];
  const flags = [...kept, '--name', name, ...(link === null ? [] : linkFlags(link))];
  return startNode(children, folder, { name, profiles, flags });
}

export function stopPeer(children, { pid }) {
  return children.stopServer(pid, STOP_TIMEOUT_MS);
}

export function createDatabase(client) {
  return client.askUntilReady({ type: 'createDatabase', database: DATABASE, options: {} });
}

/** Until the swarm has told the node that another one holds the database: from then on it can join. */
export async function untilKnown(client) {
  const endMs = performance.now() + TIMEOUT_MS;
  for (;;) {
    try {
      return await inspect(client);
    } catch (error) {
      if (error.code !== 'UNKNOWN' || performance.now() > endMs) throw error;
    }
    await sleep(POLL_MS);
  }
}

/** Until the peer has stored so much of the log, and is one that clients may write at. */
export async function untilLength(client, length) {
  const endMs = performance.now() + TIMEOUT_MS;
  for (;;) {
    const info = await inspect(client);
    if (info.length >= length && !info.isJoining) return;
    if (performance.now() > endMs) throw new Error(`a peer has ${info.length} of ${length} ops, and no more come`);
    await sleep(POLL_MS);
  }
}

async function inspect(client) {
  const { info } = await client.askUntilReady({ type: 'inspectDatabase', database: DATABASE, options: {} });
  return info;
}
