/** Scripts of a dozen lines, in another language, by text frames and by binary ones, read what the other wrote. */
import { beforeAll, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lacks, useProcesses, type NodeProcess } from './processes.js';

const PYTHON = '/usr/bin/python3';
const TEXT = join(__dirname, 'text_client.py');
const BINARY = join(__dirname, 'binary_client.py');

const imports = spawnSync(PYTHON, ['-c', 'import websockets, msgpack'], { timeout: 10_000 });
const isSkipped = lacks('clients in Python', imports.status === 0, 'python3-websockets python3-msgpack');
const itRuns = isSkipped ? it.skip : it;

const processes = useProcesses();
let nodes: NodeProcess[];

beforeAll(async () => {
  if (!isSkipped) nodes = await processes.swarm(3, 'ring');
}, 30_000);

async function python(script: string, node: number, ...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await processes.run(PYTHON, [script, nodes[node]!.url, ...args]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

itRuns('text frames write, binary frames read, through another node', async () => {
  expect(await python(TEXT, 0, 'set', 'k', '{"a": [1, 2]}')).toEqual({ type: 'stored', id: 1 });
  expect(await python(BINARY, 1, 'get', 'k')).toEqual([34, 1, null, { a: [1, 2] }]);
});

itRuns('binary frames write, text frames read, through another node', async () => {
  const value = { text: 'Grüße', list: [1.5, -7, true, null], deep: { '': [] } };
  expect(await python(BINARY, 2, 'set', 'Schlüssel', JSON.stringify(value))).toEqual([36, 1]);
  expect(await python(TEXT, 0, 'get', 'Schlüssel')).toEqual({ type: 'value', id: 1, value });
});

itRuns('both hear of a key that is nowhere', async () => {
  expect(await python(TEXT, 1, 'get', 'nowhere')).toEqual({ type: 'missing', id: 1 });
  expect(await python(BINARY, 2, 'get', 'nowhere')).toEqual([35, 1]);
});

it('the scripts are as short as promised', () => {
  for (const script of [TEXT, BINARY]) {
    expect(readFileSync(script, 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(15);
  }
});
