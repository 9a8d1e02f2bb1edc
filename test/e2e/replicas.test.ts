/** Databases between real processes: peers in a ring with their disks, clients that write offline, a peer that is killed. */
import { describe, expect, it } from '@jest/globals';
import { connect, counter, lww, memoryStorage, set } from '../../src/client/index.js';
import type { Client, Database, ReplicaStorage } from '../../src/client/index.js';
import { freePorts, settled, until, useProcesses, type NodeProcess } from './processes.js';

const PEERS = 3;
const WAIT_MS = 30_000;

interface Digests {
  readonly chainDigest: string;
  readonly stateDigest: string;
  readonly length: number;
}

describe('three peers in a ring, two clients each', () => {
  const processes = useProcesses(170_000);

  interface Place {
    node: NodeProcess;
    readonly flags: readonly string[];
    readonly storages: readonly ReplicaStorage[];
    clients: Client[];
    databases: Database[];
  }

  const places: Place[] = [];
  const digestsOf = async ({ node }: Place): Promise<Digests> => {
    const client = await connect(node.url);
    try {
      const { chainDigest, stateDigest, length } = await client.inspectDatabase('todos', { digests: true });
      return { chainDigest, stateDigest, length } as Digests;
    } finally {
      await client.close();
    }
  };
  /** All peers have the same, and there are so many ops. */
  const allEqual = async (length: number): Promise<void> => {
    let seen = '';
    const areEqual = async (): Promise<boolean> => {
      const digests = (await Promise.all(places.map(digestsOf))).map((one) => JSON.stringify(one));
      seen = digests.join(' ');
      return new Set(digests).size === 1 && (JSON.parse(digests[0]!) as Digests).length === length;
    };
    await until(areEqual, () => `equal digests of ${length} ops, there were ${seen}`, WAIT_MS);
  };
  const connectAll = async (place: Place): Promise<void> => {
    place.clients = await Promise.all(place.storages.map(() => connect(place.node.url)));
    place.databases = await Promise.all(
      place.clients.map((client, i) => client.database('todos', { storage: place.storages[i]! })),
    );
  };
  /** What they have is in their storages. */
  const goOffline = async (place: Place): Promise<void> => {
    for (const database of place.databases) await database.close();
    for (const client of place.clients) await client.close();
  };
  /** Each writes to what all have and to what is its own. Changes per writer: 4. */
  const edit = async (database: Database, name: string): Promise<void> => {
    (await database.object('todo:shared', lww)).set({ [name]: 'was here', last: name });
    (await database.object('visits', counter)).add(1);
    (await database.object('tags', set)).add(name, 'common');
    (await database.object(`todo:${name}`, lww)).set('by', name);
  };

  it('starts', async () => {
    const port = await freePorts(PEERS);
    for (let i = 0; i < PEERS; i += 1) {
      const others = [0, 1, 2].filter((other) => other < i).flatMap((o) => ['--link', `ws://127.0.0.1:${port + o}`]);
      const own = ['--listen', `127.0.0.1:${port + i}`, '--data', processes.folder(), '--name', `p${i}`];
      const flags = [...own, ...others];
      const node = await processes.node(flags);
      places.push({ node, flags, storages: [memoryStorage(), memoryStorage()], clients: [], databases: [] });
    }
    await settled(
      places.map(({ node }) => node),
      PEERS,
    );
    for (const { node } of places) await (await node.client()).createDatabase('todos');
    for (const place of places) await connectAll(place);
    await allEqual(0);
  }, 60_000);

  it('[R1] [R5] what six clients write at once is the same everywhere', async () => {
    await Promise.all(places.flatMap(({ databases }, i) => databases.map((one, j) => edit(one, `online-${i}${j}`))));
    await Promise.all(places.flatMap(({ databases }) => databases.map((one) => one.spread())));
    await allEqual(24);
  }, 40_000);

  it('[R4] [R5] edits made offline on both sides appear everywhere after reconnect', async () => {
    for (const place of places) await goOffline(place);
    // Without any connection, from what was kept; each one its own client, as after a restart of its program.
    for (const [i, place] of places.entries()) {
      for (const [j, storage] of place.storages.entries()) {
        const client = await connect('ws://127.0.0.1:9', { offline: true });
        const database = await client.database('todos', { storage });
        expect(database.status).toBe('offline');
        await edit(database, `offline-${i}${j}`);
        expect(database.pendingCount).toBe(4);
        await database.close();
        await client.close();
      }
    }
    for (const place of places) await connectAll(place);
    await Promise.all(places.flatMap(({ databases }) => databases.map((one) => one.spread())));
    await allEqual(48);
    for (const { databases } of places) {
      for (const database of databases) {
        const visits = await database.object('visits', counter);
        await until(
          () => visits.state === 12,
          () => `12 visits, there are ${visits.state}`,
          WAIT_MS,
        );
        const tags = await database.object('tags', set);
        expect(tags.state.length).toBe(13);
        expect(database.pendingCount).toBe(0);
      }
    }
  }, 60_000);

  it('[R7] a peer that is killed has what it acknowledged, and gets what it missed', async () => {
    const [first, second] = places as [Place, Place, Place];
    const [database] = first.databases as [Database];
    const visits = await database.object('visits', counter);
    visits.add(100);
    await database.stored();
    first.node.process.kill('SIGKILL');
    await first.node.process.ended;
    const [others] = second.databases as [Database];
    (await others.object('visits', counter)).add(1000);
    await others.stored();
    // Its clients write on, and find it again under its address.
    visits.add(10_000);
    first.node = await processes.node(first.flags);
    await database.spread();
    await allEqual(51);
    await until(
      () => visits.state === 11_112,
      () => `11112 visits, there are ${visits.state}`,
      WAIT_MS,
    );
  }, 60_000);

  it('a client at a node that holds no database is served by the nearest peer', async () => {
    const gateway = await processes.node(['--name', 'gateway', '--link', places[1]!.node.url, '--store', '0']);
    const client = await gateway.client();
    await until(
      async () => {
        const { members } = (await client.inspect('topology')) as { members: unknown[] };
        return members.length === PEERS + 1;
      },
      'all nodes in sight',
      WAIT_MS,
    );
    const database = await client.database('todos');
    const visits = await database.object('visits', counter);
    expect(visits.state).toBe(11_112);
    visits.add(1);
    await database.spread();
    await allEqual(52);
    const [elsewhere] = places[2]!.databases as [Database];
    const theirs = await elsewhere.object('visits', counter);
    await until(() => theirs.state === 11_113, 'the change elsewhere', WAIT_MS);
    await database.close();
  }, 60_000);

  it('the command line finds them equal', async () => {
    for (const place of places) await goOffline(place);
    const urls = places.map(({ node }) => node.url).join(',');
    const verified = await processes.swarmbus('db', 'verify', 'todos', '--read', '--url', urls);
    expect(verified).toMatchObject({ code: 0, stderr: '' });
    expect(verified.stdout.match(/: the same/g)).toHaveLength(PEERS);
    const part = await processes.swarmbus('db', 'verify', 'todos', '--url', places[0]!.node.url);
    expect(part).toMatchObject({ code: 1, stderr: expect.stringMatching(/^swarmbus: not compared: p\d .*, p\d/) });
  }, 60_000);
});
