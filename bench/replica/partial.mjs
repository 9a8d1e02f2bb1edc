// What comes to a client that wants some of many objects, beside one that wants all.

import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseClient, subscribe } from './client.mjs';
import { encodeWrites, openToWrite, submitAll } from './ops.mjs';
import { createDatabase, startPeer } from './peer.mjs';

const WANTED = 'wanted:';
const OTHERS = 'other:';

/** Bytes that each subscription has brought, by the frame. */
export async function measurePartial(children, { folder }, { wanted, all }) {
  const data = mkdtempSync(join(folder, 'data-'));
  const peer = await startPeer(children, folder, data, { name: 'peer' });
  const client = await DatabaseClient.connect(peer.port);
  await createDatabase(client);
  const writer = await openToWrite(client);
  const write = (count, prefix) => submitAll(client, encodeWrites(client, writer, { count, objects: count, prefix }));
  // Some before and some after the others: what is wanted is spread over the log.
  await write(wanted / 2, WANTED);
  await write(all - wanted, OTHERS);
  const rest = { count: wanted / 2, objects: wanted, prefix: WANTED, from: wanted / 2 };
  await submitAll(client, encodeWrites(client, writer, rest));
  client.close();
  return {
    wanted: await bytesOf(peer.port, { prefix: WANTED }, wanted),
    all: await bytesOf(peer.port, { all: true }, all),
  };
}

async function bytesOf(port, options, expected) {
  const client = await DatabaseClient.connect(port);
  const { open } = await openToWrite(client);
  const before = client.receivedBytes;
  const count = await subscribe(client, open, options, () => {});
  if (count !== expected) throw new Error(`${expected} objects were written, and ${count} ops have come`);
  const bytes = client.receivedBytes - before;
  client.close();
  return bytes;
}
