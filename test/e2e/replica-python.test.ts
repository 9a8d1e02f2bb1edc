/** A client that a stranger writes from docs/PROTOCOL.md, in another language and by text frames, takes part in replicas. */
import { beforeAll, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { counter, lww } from '../../src/client/index.js';
import { lacks, useProcesses, type NodeProcess } from './processes.js';

const PYTHON = '/usr/bin/python3';
const SCRIPT = join(__dirname, 'replica_client.py');

const imports = spawnSync(PYTHON, ['-c', 'import websockets'], { timeout: 10_000 });
const isSkipped = lacks('a client of replicas in Python', imports.status === 0, 'python3-websockets');
const itRuns = isSkipped ? it.skip : it;

const processes = useProcesses(90_000);
let nodes: NodeProcess[];

beforeAll(async () => {
  if (!isSkipped) nodes = await processes.swarm(2, 'line');
}, 30_000);

itRuns.each([
  ['the same peer', 'same', 0],
  ['another peer', 'other', 1],
])(
  '[R3] [R4] it subscribes, writes, loses its connection, and submits again at %s, once',
  async (_, name, second) => {
    for (const node of nodes) await (await node.client()).createDatabase(name);
    const database = await (await nodes[1]!.client()).database(name);
    const shared = await database.object('shared:1', lww);
    const visits = await database.object('shared:visits', counter);
    shared.set({ by: 'us', old: 1, kept: [1, 'ä'] });
    visits.add(10);
    await database.spread();

    const { code, stdout, stderr } = await processes.run(PYTHON, [SCRIPT, name, nodes[0]!.url, nodes[second]!.url], {
      timeoutMs: 30_000,
    });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({
      found: { by: 'us', old: 1, kept: [1, 'ä'] },
      first: { by: 'python', kept: [1, 'ä'] },
      second: { offline: true },
      visits: 13,
      isSafe: true,
      moved: second === 1,
    });

    const reader = await (await nodes[0]!.client()).database(name, { readOnly: true });
    expect((await reader.object('shared:1', lww)).state).toEqual({ by: 'python', kept: [1, 'ä'] });
    expect((await reader.object('shared:2', lww)).state).toEqual({ offline: true });
    expect((await reader.object('shared:visits', counter)).state).toBe(13);
  },
  60_000,
);
