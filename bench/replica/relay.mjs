// Ops from a client of one peer to a client that follows all of them at another one.

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseClient, itemCount, subscribe } from './client.mjs';
import { stopwatch } from './log.mjs';
import { encodeWrites, openToWrite, submitAll, warmUpOps } from './ops.mjs';
import { createDatabase, startPeer, untilKnown, untilLength } from './peer.mjs';

const OBJECTS = 10_000;

/** `count` ops, from the first that is sent to the last that has come. */
export async function measureRelay(children, { folder, profiles }, count) {
  const data = mkdtempSync(join(folder, 'data-'));
  const near = await startPeer(children, folder, `${data}/near`, { name: 'near', profiles });
  const far = await startPeer(children, folder, `${data}/far`, { name: 'far', link: near.port, profiles });
  const writing = await DatabaseClient.connect(near.port);
  const reading = await DatabaseClient.connect(far.port);
  await createDatabase(writing);
  await untilKnown(reading);
  await createDatabase(reading);
  const writer = await openToWrite(writing);
  const arrivals = await followAll(reading);
  const pass = async (opCount) => {
    const frames = encodeWrites(writing, writer, { count: opCount, objects: OBJECTS });
    const took = stopwatch([near.pid, far.pid]);
    await Promise.all([submitAll(writing, frames), arrivals.next(opCount)]);
    return took();
  };
  const warmUp = warmUpOps(count);
  await pass(warmUp);
  const { seconds, cpu } = await pass(count);
  await untilLength(reading, warmUp + count);
  writing.close();
  reading.close();
  rmSync(data, { recursive: true, force: true });
  return { perSecond: count / seconds, cpuUs: (1e6 * cpu) / count };
}

async function followAll(client) {
  const { open } = await openToWrite(client);
  let count = 0;
  let expected = Infinity;
  let arrived;
  const onPatch = ({ items }) => {
    count += itemCount(items);
    if (count >= expected) arrived();
  };
  await subscribe(client, open, { all: true }, onPatch);
  return {
    /** Resolves when so many more have come. */
    next(more) {
      expected = Number.isFinite(expected) ? expected + more : count + more;
      const all = new Promise((resolve) => {
        arrived = resolve;
      });
      if (count >= expected) arrived();
      return Promise.race([all, client.failed]);
    },
  };
}
