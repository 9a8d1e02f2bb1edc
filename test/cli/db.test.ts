/** The commands on databases and ids, as they are typed, against an embedded swarm. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lww } from '../../src/client/index.js';
import { text } from '../../src/client/database/kinds/text.js';
import { run } from '../../src/cli/program.js';
import { startSwarm } from '../../src/testing/index.js';
import type { Swarm } from '../../src/testing/index.js';
import { fakeOutside, type Ended, type FakeOptions } from './fake-outside.js';

let swarm: Swarm;
let folder: string;
beforeAll(async () => {
  swarm = await startSwarm({ nodes: 3, topology: 'ring', disk: true });
  await swarm.settle();
  folder = mkdtempSync(join(tmpdir(), 'swarmbus-db-'));
});
afterAll(async () => {
  await swarm?.stop();
  rmSync(folder, { recursive: true });
});

/** The port of an address is the number of the node. */
const connect: FakeOptions['connect'] = (urls) => swarm.client(Number(new URL(urls[0]!).port) - 1);
const url = (node: number): string => `ws://127.0.0.1:${node + 1}`;
const outsideOf = (options: FakeOptions = {}): ReturnType<typeof fakeOutside> =>
  fakeOutside({ env: { SWARMBUS_URL: url(0) }, connect, ...options });

async function typed(args: readonly string[], options: FakeOptions = {}): Promise<Ended> {
  const outside = outsideOf(options);
  const code = await run(args, outside);
  return { code, out: outside.out(), err: outside.err() };
}
const db = (...args: string[]): Promise<Ended> => typed(['db', ...args]);
const done = (out: string): Ended => ({ code: 0, out, err: '' });
const file = (name: string, lines: readonly unknown[]): string => {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'));
  return path;
};

describe('db', () => {
  it('makes databases, lists them, and joins another peer to one', async () => {
    expect(await db('create', 'made', '--peer', 'V7', '--types', 'lww,counter')).toEqual(done('peer V7 of made\n'));
    expect(await db('create', 'made', '--peer', 'V8', '--url', url(1))).toEqual(
      done('peer V8 of made, beside 1 other\n'),
    );
    expect(await db('create', 'made', '--scheme', '0163')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^swarmbus: CONFLICT: the database exists with other options/),
    });
    const { out } = await db('list');
    expect(out.split('\n').find((line) => line.startsWith('made'))).toMatch(
      /^made\there\t(live|degraded)\t0\t0\t0\t.*\(V7\).*\(V8\)/,
    );
    const [listed] = JSON.parse((await db('list', '--format', 'json')).out) as Record<string, unknown>[];
    expect(listed).toMatchObject({ name: 'made', report: { options: { types: ['counter', 'lww'] } } });
  });

  it('changes and prints objects of every type, through any node', async () => {
    await db('create', 'types');
    const set = (id: string, value: string, ...flags: string[]): Promise<Ended> =>
      db('set', 'types', id, value, ...flags);
    expect(await set('todo', '{"title": "a", "done": false, "old": 1}')).toEqual(done('stored\n'));
    expect(await set('todo', '{"done": true, "old": null}', '--url', url(2), '--spread')).toEqual(
      done('stored at a second peer\n'),
    );
    expect(await db('get', 'types', 'todo', '--url', url(1))).toEqual(done('{"done":true,"title":"a"}\n'));
    await set('n', '5', '--type', 'counter');
    await db('set', 'types', 'n', '--type', 'counter', '--', '-2');
    expect(await db('get', 'types', 'n', '--type', 'counter')).toEqual(done('3\n'));
    await set('tags', '["a", "b", 1]', '--type', 'set');
    await set('tags', '["a"]', '--type', 'set', '--remove');
    expect(await db('get', 'types', 'tags', '--type', 'set')).toEqual(done('[1,"b"]\n'));
    await set('note', 'Grüße', '--type', 'text', '--string');
    await set('note', '"anders"', '--type', 'text');
    expect(await db('get', 'types', 'note', '--type', 'text')).toEqual(done('"anders"\n'));
    expect(await db('get', 'types', 'todo', 'nothing')).toEqual({
      code: 4,
      out: '{"id":"todo","value":{"done":true,"title":"a"}}\n',
      err: 'swarmbus: missing: lww nothing\n',
    });
  });

  it('goes on with the replica that it finds in a directory', async () => {
    await db('create', 'kept');
    const keep = join(folder, 'replica');
    for (let i = 0; i < 3; i += 1) await db('set', 'kept', 'n', '1', '--type', 'counter', '--keep', keep);
    await db('set', 'kept', 'n', '1', '--type', 'counter');
    const lines = (await db('log', 'kept', '--format', 'json')).out.trimEnd().split('\n');
    const origins = lines.map((line) => (JSON.parse(line) as { stamp: string }).stamp.split('-')[1]);
    expect(origins.slice(0, 3)).toEqual([origins[0], origins[0], origins[0]]);
    expect(origins[3]).not.toBe(origins[0]);
  });

  it('prints the log, and what comes', async () => {
    await db('create', 'log');
    for (const n of [1, 2, 3]) await db('set', 'log', 'a', `{"n": ${n}}`);
    const { out } = await db('log', 'log');
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split('\t'));
    expect(lines.map(([, , object, payload]) => [object, payload])).toEqual(
      [1, 2, 3].map((n) => ['lww/a', `{"n":${n}}`]),
    );
    const [position] = lines[1] as [string];
    expect(await db('log', 'log', '--from', position)).toEqual(done(`${lines[2]!.join('\t')}\n`));
    expect((await db('log', 'log', '--limit', '2')).out.trimEnd().split('\n')).toHaveLength(2);
    expect(await db('log', 'log', '--from', 'x')).toMatchObject({ code: 1, err: expect.stringContaining('log:index') });

    const tail = outsideOf();
    const tailing = run(['db', 'tail', 'log', '--count', '1'], tail);
    while (!tail.err().includes('from')) await new Promise((resolve) => setTimeout(resolve, 5));
    await db('set', 'log', 'b', '{"n": 4}');
    expect(await tailing).toBe(0);
    expect(tail.out()).toMatch(/\tlww\/b\t{"n":4}\n$/);

    const until = outsideOf();
    const waiting = run(['db', 'tail', 'log'], until);
    while (!until.err().includes('from')) await new Promise((resolve) => setTimeout(resolve, 5));
    until.signal('SIGINT');
    expect(await waiting).toBe(130);

    expect(await db('compact', 'log')).toEqual(done('compacted: 4 of 4 changes\n'));
    expect((await db('log', 'log')).out).toBe('\tstate\tlww/a\t{"n":3}\n\tstate\tlww/b\t{"n":4}\n');
  });

  it('exports what can be imported again, formatting included', async () => {
    await db('create', 'whole');
    const database = await (await swarm.client(0)).database('whole');
    const note = await database.object('note', text);
    note.insert(0, 'plain and ');
    note.insert(10, 'bold', { bold: true });
    database.writer('odd', lww).set({ bytes: new Uint8Array([1]), $: 1, deep: { $x: [null, 2n ** 60n] } });
    await database.stored();
    await db('set', 'whole', 'n', '7', '--type', 'counter');
    await db('set', 'whole', 'tags', '["a", {"$bytes": "AQ=="}]', '--type', 'set');
    const exported = await db('export', 'whole');
    expect(exported.err).toBe('');
    expect(exported.out.split('\n').map((line) => line.slice(0, 24))).toEqual([
      '{"type":"counter","id":"',
      '{"type":"lww","id":"odd"',
      '{"type":"set","id":"tags',
      '{"type":"text","id":"not',
      '',
    ]);
    expect(exported.out).toContain('"delta":[{"insert":"plain and "},{"insert":"bold","attributes":{"bold":true}}]');
    await db('create', 'copy');
    const imported = await typed(['db', 'import', 'copy', '-'], { stdin: exported.out });
    expect(imported).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/^stored 4 in /) });
    expect(await db('export', 'copy', '--url', url(1))).toEqual(exported);
    expect((await db('export', 'copy', '--type', 'lww', '--prefix', 'od')).out.split('\n')).toHaveLength(2);
  });

  it('imports records as objects, and counts those that are none', async () => {
    await db('create', 'cities');
    const path = file('a.csv', ['country,id,name', 'DE,1,Köln', 'FR,2,Metz', ',3', 'DE,4,Ulm']);
    const imported = await db('import', 'cities', path, '--id', '{country}/{id}');
    expect(imported).toMatchObject({ code: 1, out: expect.stringMatching(/^stored 3 in /) });
    expect(imported.err).toMatch(/^swarmbus: 1 failed \(1 unreadable\), first line 4: /);
    expect((await db('export', 'cities', '--prefix', 'DE/')).out.split('\n')).toHaveLength(3);

    const wrong = file('b.jsonl', [
      { type: 'lww', id: 'a', value: 1 },
      { type: 'counter', id: 'b', value: 'x' },
      { type: 'map', id: 'c', value: 1 },
      { type: 'set', id: '', value: [] },
      { type: 'lww', id: 'd' },
    ]);
    expect(await db('import', 'cities', wrong)).toMatchObject({ code: 1, err: expect.stringMatching(/: 5 failed/) });
  });

  it('[R5] finds peers equal, or says what differs', async () => {
    await db('create', 'same');
    await db('set', 'same', 'a', '{"n": 1}');
    expect(await db('verify', 'same', '--read')).toMatchObject({ code: 0, out: expect.stringContaining(': the same') });
    await db('create', 'same', '--url', url(1));
    await db('set', 'same', 'a', '{"n": 2}', '--spread');
    expect(await db('verify', 'same', '--url', `${url(0)},${url(1)}`)).toMatchObject({ code: 0, err: '' });
    expect(await db('verify', 'same')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^swarmbus: not compared: .*: name these nodes too, by --url\n$/),
    });

    // Two databases of one name that do not know of each other.
    const other = await startSwarm({ nodes: 1, topology: [] });
    try {
      const apart: FakeOptions['connect'] = (urls) =>
        new URL(urls[0]!).port === '9' ? other.client(0) : swarm.client(0);
      await typed(['db', 'create', 'same', '--url', url(8)], { connect: apart });
      await typed(['db', 'set', 'same', 'a', '{"n": 3}', '--url', url(8)], { connect: apart });
      const args = ['db', 'verify', 'same', '--wait', '100', '--url', `${url(0)},${url(8)}`];
      const { code, err } = await typed(args, { connect: apart });
      expect(code).toBe(1);
      expect(err).toMatch(
        /^swarmbus: 1 object differs, first lww\/a\n.*:1: {"n":2} after .*\n.*:9: {"n":3} after .*\n/,
      );
    } finally {
      await other.stop();
    }
  });

  it.each<[string[], number, RegExp]>([
    [['get', 'nowhere', 'a'], 1, /UNKNOWN: no node in reach holds that database: make one by `swarmbus db create`/],
    [['export', 'nowhere'], 1, /UNKNOWN: no node in reach holds that database/],
    [['tail', 'nowhere'], 1, /UNKNOWN: no node in reach holds that database/],
    [['create', 'a b'], 1, /BAD_REQUEST: the name of a database/],
    [['create', 'x', '--scheme', '9999'], 1, /BAD_REQUEST: scheme: four digits/],
    [['set', 'types', 'a', '{'], 2, /the value is no JSON/],
    [['set', 'types', 'a', '5'], 2, /for the type lww the value is an object of fields/],
    [['set', 'types', 'a', '5', '--remove'], 2, /--remove is for --type set/],
    [['set', 'types', 'a', '5', '--type', 'map'], 2, /--type must be one of lww, counter, set, text/],
    [['import', 'types', 'nowhere.jsonl'], 2, /nowhere.jsonl can't be read/],
    [['gett'], 2, /unknown command 'gett' .*get.*; see `swarmbus db --help`/],
    [['get', 'types'], 2, /missing required argument 'id'; see `swarmbus db get --help`/],
  ])('%j fails with a line', async (args, code, message) => {
    await db('create', 'types');
    const failed = await db(...args);
    expect(failed).toMatchObject({ code, out: '', err: expect.stringMatching(message) });
    expect(failed.err).toMatch(/^swarmbus: [^\n]*\n$/);
  });

  it.each(['create', 'list', 'get', 'set', 'log', 'tail', 'verify', 'compact', 'export', 'import'])(
    'explains %s, with examples',
    async (command) => {
      const { code, out } = await db(command, '--help');
      expect({ code, usage: out.split('\n')[0] }).toEqual({
        code: 0,
        usage: expect.stringContaining(`swarmbus db ${command}`),
      });
      expect(out).toContain('  $ swarmbus db ');
      expect(await db('help', command)).toEqual(done(out));
    },
  );
});

describe('id', () => {
  it.each<[string[], Record<string, unknown>]>([
    [['Xgritzk0_D', '--scheme', '0163'], { level: 'session', peer: 'X', client: 'gritzk', session: '0_D' }],
    [['3AQ5CY1a-OAGcKxSR2w'], { moment: '2026-11-27T05:12:34.101Z', number: 0, peer: 'OA', session: '2w' }],
    [['3AQ5CY1a03'], { moment: '2026-11-27T05:12:34.101Z', number: 3, id: '3AQ5CY1a03' }],
    [['X1'], { id: 'X1', level: 'peer', peer: 'X1' }],
  ])('%j is explained', async (args, fields) => {
    const { code, out } = await typed(['id', 'parse', ...args, '--format', 'json']);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject(fields);
  });

  it.each([['x!'], ['3A-'], ['a-b-c'], ['a0'], ['12345678901']])('%j is none', async (given) => {
    expect(await typed(['id', 'parse', given])).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining('is no id, time or stamp'),
    });
  });

  it('tells the present time', async () => {
    const { out } = await typed(['id', 'now']);
    const told = JSON.parse((await typed(['id', 'parse', out.trim(), '--format', 'json'])).out) as { moment: string };
    expect(Math.abs(Date.parse(told.moment) - Date.now())).toBeLessThan(60_000);
  });
});
