// nats-server with a JetStream key-value bucket in memory, asked directly or through a leaf node, which is how NATS
// joins two networks.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../children.mjs';
import { openConnection } from '../connection.mjs';
import { DOMAIN, createBucket, natsProtocol } from '../protocol/nats.mjs';
import { versionOf } from './version.mjs';

const COMMAND = 'nats-server';
const CREATE_TIMEOUT_MS = 5_000;

export const natsVersion = () => versionOf(COMMAND, ['--version'], /v(\d\S*)/);

function missing() {
  return natsVersion() === null
    ? 'nats-server is not installed: `make bench-deps`, or apt-get install nats-server'
    : null;
}

export const nats = {
  about: 'NATS JetStream key-value bucket in memory, read by DIRECT.GET',
  protocol: 'nats',
  missing,
  async start(children, folder) {
    const hub = await startHub(children, folder, 'nats');
    return { port: hub.port, storePorts: [hub.port], processes: { nats: hub.pid } };
  },
};

export const natsLeaf = {
  about: 'the same bucket, asked through a leaf node',
  protocol: 'nats-leaf',
  missing,
  async start(children, folder) {
    const hub = await startHub(children, folder, 'nats-leaf hub');
    const remotes = `leafnodes { remotes: [{ url: "nats://127.0.0.1:${hub.leafPort}" }] }`;
    const leaf = await startServer(children, folder, 'nats-leaf', remotes);
    const processes = { 'nats-leaf hub': hub.pid, 'nats-leaf': leaf.pid };
    return { port: leaf.port, storePorts: [hub.port], processes };
  },
};

async function startHub(children, folder, name) {
  const leafPort = await freePort();
  const store = JSON.stringify(join(folder, name.replace(' ', '-')));
  const config = `jetstream { store_dir: ${store}, max_mem: 2G, domain: ${DOMAIN} }\nleafnodes { host: "127.0.0.1", port: ${leafPort} }`;
  const { port, pid } = await startServer(children, folder, name, config);
  await makeBucket(children, port);
  return { port, pid, leafPort };
}

async function startServer(children, folder, name, config) {
  const port = await freePort();
  const file = join(folder, `${name.replace(' ', '-')}.conf`);
  writeFileSync(file, `host: "127.0.0.1"\nport: ${port}\n${config}\n`);
  const args = ['--config', file, '--log', join(folder, `${name.replace(' ', '-')}.log`)];
  return { port, pid: await children.startServer({ name, command: COMMAND, args, folder, port }) };
}

async function makeBucket(children, port) {
  let onFault;
  const faulted = new Promise((_, reject) => {
    onFault = reject;
  });
  const connection = await openConnection({ port, protocol: natsProtocol, number: 0, count: 1 }, onFault);
  const timer = setTimeout(() => onFault(new Error('nats-server does not make the bucket')), CREATE_TIMEOUT_MS);
  const created = new Promise((resolve) => {
    connection.onBytes = (bytes, length) => natsProtocol.decode(bytes, length, resolve, 0);
    connection.send(createBucket());
  });
  try {
    await children.orFailed(Promise.race([created, faulted]));
  } finally {
    clearTimeout(timer);
    connection.close();
  }
}
