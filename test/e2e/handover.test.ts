/** A node of three real processes is told to leave: what it had is at the others. */
import { expect, it } from '@jest/globals';
import { useProcesses, type NodeProcess } from './processes.js';

const processes = useProcesses();
const COUNT = 5000;

it('[C8] [H1] [H2] SIGTERM hands all entries over and ends with 0; without room it ends with 1 and says so', async () => {
  const [first, second, third] = (await processes.swarm(3, 'ring', ['--keys', '8000', '--drain-ms', '3s'])) as [
    NodeProcess,
    NodeProcess,
    NodeProcess,
  ];
  const client = await first.client();
  const keys = Array.from({ length: COUNT }, (_, i) => `key-${i}`);
  for (let at = 0; at < COUNT; at += 1000) {
    await Promise.all(keys.slice(at, at + 1000).map((key, i) => client.set(key, { number: at + i })));
  }
  first.process.kill('SIGTERM');
  expect(await first.process.endsWithin(10_000)).toMatchObject({ code: 0, stderr: '' });
  expect(await first.process.logged('entries handed over')).toMatchObject({ level: 'info', handed: COUNT, left: 0 });

  const other = await third.client();
  const values = await Promise.all(keys.map((key) => other.get<{ number: number }>(key)));
  expect(values.map((value) => value?.number)).toEqual(keys.map((_, i) => i));

  // The two that are left hold the 5,000, and could hold 16,000: now one of them is to hold all.
  const more = Array.from({ length: 8000 }, (_, i) => `more-${i}`);
  for (let at = 0; at < more.length; at += 1000) {
    await Promise.all(more.slice(at, at + 1000).map((key) => other.set(key, 1)));
  }
  second.process.kill('SIGTERM');
  const { code, stderr } = await second.process.endsWithin(10_000);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^swarmbus: \d+ entries were not handed over: the others have no room\n$/);
}, 60_000);
