// One long log: how fast a client writes it to a durable peer, how fast a new peer catches up with it, and how fast it is
// opened again.

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { cpuSeconds } from '../process-stat.mjs';
import { DatabaseClient } from './client.mjs';
import { encodeWrites, openToWrite, submitAll, warmUpOps } from './ops.mjs';
import { createDatabase, startPeer, stopPeer, untilKnown, untilLength } from './peer.mjs';

const OBJECTS = 10_000;

/** `count` ops to one durable peer, then to a new one, which is opened again. */
export async function measureLog(children, { folder, profiles }, count) {
  const data = mkdtempSync(join(folder, 'data-'));
  const source = await startPeer(children, folder, `${data}/source`, { name: 'peer', profiles });
  const written = await measureWriting(source, count);
  const length = warmUpOps(count) + count;
  const copy = await startPeer(children, folder, `${data}/copy`, { name: 'new-peer', link: source.port, profiles });
  const copied = await measureCatchUp(source, copy, length);
  await stopPeer(children, copy);
  await stopPeer(children, source);
  const openMs = await measureOpening(children, folder, data, 'source');
  rmSync(data, { recursive: true });
  return {
    writesPerSecond: count / written.seconds,
    writeCpuUs: (1e6 * written.cpu) / count,
    caughtUpPerSecond: length / copied.seconds,
    caughtUpCpuUs: (1e6 * copied.cpu) / length,
    openMs,
  };
}

async function measureWriting({ port, pid }, count) {
  const client = await DatabaseClient.connect(port);
  await createDatabase(client);
  const writer = await openToWrite(client);
  await submitAll(client, encodeWrites(client, writer, { count: warmUpOps(count), objects: OBJECTS }));
  const frames = encodeWrites(client, writer, { count, objects: OBJECTS });
  const took = stopwatch([pid]);
  await submitAll(client, frames);
  const result = took();
  client.close();
  return result;
}

/** From when the new peer is told to join until it has stored all. */
async function measureCatchUp(source, copy, length) {
  const client = await DatabaseClient.connect(copy.port);
  await untilKnown(client);
  const took = stopwatch([copy.pid, source.pid]);
  await createDatabase(client);
  await untilLength(client, length);
  const result = took();
  client.close();
  return result;
}

/** From the start of the process until a client has the database open, without what an empty one takes. */
async function measureOpening(children, folder, data, full) {
  const empty = 'empty';
  await openingMs(children, folder, `${data}/${empty}`, createDatabase);
  const emptyMs = await openingMs(children, folder, `${data}/${empty}`);
  const fullMs = await openingMs(children, folder, `${data}/${full}`);
  return Math.max(0, fullMs - emptyMs);
}

async function openingMs(children, folder, data, prepare = async () => {}) {
  const startedAt = performance.now();
  const peer = await startPeer(children, folder, data, { name: 'peer' });
  const client = await DatabaseClient.connect(peer.port);
  await prepare(client);
  await openToWrite(client);
  const ms = performance.now() - startedAt;
  client.close();
  await stopPeer(children, peer);
  return ms;
}

/** Starts now; gives the seconds that have passed and those of processor time. */
export function stopwatch(pids) {
  const cpuBefore = cpuSeconds(pids);
  const startedAt = performance.now();
  return () => ({ seconds: (performance.now() - startedAt) / 1000, cpu: cpuSeconds(pids) - cpuBefore });
}
