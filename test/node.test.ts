/** Nodes embedded by `startNode`, over real sockets. */
import { expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseNodeOptions } from '../src/cli/node-options.js';
import { connect, startNode } from '../src/index.js';
import { DEFAULT_SETTINGS } from '../src/actors/settings.js';
import { socketAddress } from '../src/transport/link-url.js';

it('starts with defaults, serves, and stops in order', async () => {
  const node = await startNode({ listen: [{ host: '127.0.0.1', port: 0 }] });
  const client = await connect(node.urls);
  await client.set('k', 1);
  expect(await client.get('k')).toBe(1);
  await client.close();
  expect(await node.stop()).toEqual({
    reason: 'stopped; 1 entry was not handed over: no other node stores',
    exitCode: 0,
  });
  expect(await node.stopped).toEqual({
    reason: 'stopped; 1 entry was not handed over: no other node stores',
    exitCode: 0,
  });
});

it('refuses to serve beyond loopback without a token, unless it is told to be open', async () => {
  const listen = [{ host: '0.0.0.0', port: 0 }];
  await expect(startNode({ listen })).rejects.toMatchObject({
    code: 'STARTUP',
    message: expect.stringContaining('token'),
  });
  const node = await startNode({ listen, token: 'secret' });
  await expect(connect(node.urls, { token: 'wrong' })).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  const client = await connect(node.urls, { token: 'secret' });
  expect(await client.ping()).toBeGreaterThan(0);
  await client.close();
  await node.stop();
});

it('says in one line why it can not listen', async () => {
  const node = await startNode({ listen: [{ host: '127.0.0.1', port: 0 }] });
  const port = Number(new URL(node.urls[0] as string).port);
  const second = startNode({ listen: [{ host: '127.0.0.1', port }] });
  await expect(second).rejects.toMatchObject({ code: 'STARTUP', message: expect.stringContaining('port in use') });
  await node.stop();
});

it('has the same defaults embedded as on the command line', () => {
  const { options } = parseNodeOptions({}, {}, 'host');
  for (const [name, value] of Object.entries(DEFAULT_SETTINGS)) {
    if (name !== 'name') expect([name, options[name as keyof typeof options]]).toEqual([name, value]);
  }
});

it('[H4] that has handed over its entries relays until it is free to go', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'swarmbus-node-'));
  const linkSocket = join(folder, 'middle.sock');
  const listen = [{ host: '127.0.0.1', port: 0 }];
  const middle = await startNode({ listen, name: 'middle', linkSocket });
  const links = [socketAddress(linkSocket)];
  const [left, right] = [
    await startNode({ listen, name: 'left', links }),
    await startNode({ listen, name: 'right', links }),
  ];
  await Promise.all([middle, left, right].map(({ serving }) => serving));
  const [atMiddle, atLeft, atRight] = await Promise.all([middle, left, right].map(({ urls }) => connect(urls)));
  await atMiddle!.set('k', 1);
  let free!: () => void;
  const isFree = new Promise<void>((resolve) => {
    free = resolve;
  });
  const ended = middle.stop(isFree);
  await middle.emptied;
  await pause(500);
  expect(await Promise.all([atLeft!.get('k'), atRight!.get('k')])).toEqual([1, 1]);
  // Only the one in the middle links them.
  expect((await atLeft!.inspect('topology'))['members']).toHaveLength(3);
  free();
  expect(await ended).toMatchObject({ exitCode: 0 });
  await Promise.all([atMiddle, atLeft, atRight].map((client) => client!.close()));
  await Promise.all([left.stop(), right.stop()]);
  rmSync(folder, { recursive: true });
});
