// What a peer needs after some and after many overwritings of the same objects, compacted again and again.

import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { residentBytes } from '../process-stat.mjs';
import { DatabaseClient } from './client.mjs';
import { encodeWrites, openToWrite, submitAll } from './ops.mjs';
import { createDatabase, DATABASE, startPeer } from './peer.mjs';

const OBJECTS = 1000;
/** Until what was given up has been given back. */
const QUIET_MS = 1000;

/** Memory and disk each time that so many ops as in `counts` have been written, compacted after each `part` of them. */
export async function measureOverwriting(children, { folder }, { part, counts }) {
  const data = mkdtempSync(join(folder, 'data-'));
  const peer = await startPeer(children, folder, data, { name: 'peer' });
  const client = await DatabaseClient.connect(peer.port);
  await createDatabase(client);
  const writer = await openToWrite(client);
  const results = [];
  for (let written = part; written <= counts.at(-1); written += part) {
    await submitAll(client, encodeWrites(client, writer, { count: part, objects: OBJECTS }));
    await client.askUntilReady({ type: 'compactDatabase', database: DATABASE });
    if (!counts.includes(written)) continue;
    await sleep(QUIET_MS);
    results.push({ count: written, residentBytes: residentBytes(peer.pid), diskBytes: bytesIn(data) });
  }
  client.close();
  rmSync(data, { recursive: true, force: true });
  return results;
}

function bytesIn(folder) {
  return readdirSync(folder, { recursive: true })
    .map((name) => statSync(join(folder, name)))
    .reduce((sum, file) => sum + (file.isFile() ? file.size : 0), 0);
}
