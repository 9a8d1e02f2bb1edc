import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KeyPage, WatchOptions } from '../../src/client/index.js';
import type { SwarmClient } from '../../src/cli/outside.js';
import { run } from '../../src/cli/program.js';
import { fakeOutside, runCommand, swarmError, type FakeOptions } from './fake-outside.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'swarmbus-client-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const serving = (value: unknown): FakeOptions => ({ client: { get: (async () => value) as SwarmClient['get'] } });
const failing = (code: string, message: string): FakeOptions => ({
  client: { get: () => Promise.reject(swarmError(code, message)) },
});

describe('get', () => {
  it('prints JSON: one line for programs, many for people', async () => {
    const value = { a: [1, 'b'], bytes: new Uint8Array([1]) };
    expect(await runCommand(['get', 'k'], serving(value))).toEqual({
      code: 0,
      out: '{"a":[1,"b"],"bytes":{"$bytes":"AQ=="}}\n',
      err: '',
    });
    const { out } = await runCommand(['get', 'k'], { ...serving({ a: 1 }), isTTY: true });
    expect(out).toBe('{\n  "a": 1\n}\n');
  });

  it('prints texts and bytes raw on request, and JSON for the rest', async () => {
    expect((await runCommand(['get', 'k', '--raw'], serving('ä\nb'))).out).toBe('ä\nb\n');
    expect((await runCommand(['get', 'k', '--raw'], serving(Buffer.from('abc')))).out).toBe('abc');
    expect((await runCommand(['get', 'k', '--raw'], serving([1]))).out).toBe('[1]\n');
  });

  it('ends with 4 if the key is missing; a stored nil is none', async () => {
    expect(await runCommand(['get', 'k'])).toEqual({ code: 4, out: '', err: 'swarmbus: missing: k\n' });
    expect(await runCommand(['get', 'k'], serving(null))).toEqual({ code: 0, out: 'null\n', err: '' });
  });

  it('prints stamp and remaining time on request', async () => {
    const entry = { value: 1, stamp: '0A+b', ttlMs: 500 };
    const getEntry = (async () => entry) as SwarmClient['getEntry'];
    const { out } = await runCommand(['get', 'k', '--meta'], { client: { getEntry } });
    expect(JSON.parse(out)).toEqual(entry);
    const absent = (async () => undefined) as SwarmClient['getEntry'];
    expect(await runCommand(['get', 'k', '--meta'], { client: { getEntry: absent } })).toMatchObject({ code: 4 });
  });
});

describe('set', () => {
  it.each<[string[], string, unknown]>([
    [['"hello"'], '', 'hello'],
    [['{"a": [1, null]}'], '', { a: [1, null] }],
    [['{"$bytes": "AQ=="}'], '', new Uint8Array([1])],
    [['hello', '--string'], '', 'hello'],
    [['-'], '[1]\n', [1]],
    [['-', '--string'], 'a\nb\n', 'a\nb\n'],
    [['--', '-5'], '', -5],
  ])('%j stores what it says', async (args, stdin, value) => {
    const outside = fakeOutside({ stdin });
    expect(await run(['set', 'k', ...args], outside)).toBe(0);
    expect(outside.out()).toBe('stored\n');
    expect(outside.store.get('k')).toEqual({ value, ttlMs: null });
    expect(outside.closed).toBe(true);
  });

  it('lets values expire', async () => {
    const outside = fakeOutside();
    await run(['set', 'k', '1', '--ttl', '1.5h'], outside);
    expect(outside.store.get('k')).toEqual({ value: 1, ttlMs: 5_400_000 });
  });

  it('refuses what is no JSON before it asks a node', async () => {
    const outside = fakeOutside({ stdin: '{' });
    expect(await run(['set', 'k', '-'], outside)).toBe(2);
    expect(outside.err()).toMatch(/^swarmbus: standard input is no JSON \(.*\): texts need quotes .*\n$/);
    expect(outside.connects).toEqual([]);
  });

  it('refuses bytes that are no text', async () => {
    const outside = fakeOutside({ stdin: Buffer.from([0x61, 0xff]) });
    expect(await run(['set', 'k', '-', '--string'], outside)).toBe(2);
    expect(outside.err()).toMatch(/^swarmbus: standard input is no text in UTF-8: .*\n$/);
    expect(outside.store.size).toBe(0);
  });
});

describe('delete', () => {
  it('says whether there was something', async () => {
    const outside = fakeOutside();
    outside.store.set('k', { value: 1, ttlMs: null });
    expect(await run(['delete', 'k'], outside)).toBe(0);
    expect(await run(['delete', 'k'], outside)).toBe(4);
    expect(outside.out() + outside.err()).toBe('deleted\nswarmbus: missing: k\n');
  });
});

describe('several keys', () => {
  it('get a line each; what has none is named, and the exit code is the worst of them', async () => {
    const outside = fakeOutside();
    outside.store.set('a', { value: [1], ttlMs: null }).set('b', { value: 'x', ttlMs: null });
    expect(await run(['get', 'a', 'b'], outside)).toBe(0);
    expect(await run(['get', 'b', 'c', 'a'], outside)).toBe(4);
    expect(await run(['delete', 'a', 'c'], outside)).toBe(4);
    expect(outside.out().split('\n')).toEqual([
      '{"key":"a","value":[1]}',
      '{"key":"b","value":"x"}',
      '{"key":"b","value":"x"}',
      '{"key":"a","value":[1]}',
      'deleted: a',
      '',
    ]);
    expect(outside.err()).toBe('swarmbus: missing: c\nswarmbus: missing: c\n');
    expect(outside.store.size).toBe(1);
  });

  it('do not hide each other when one is refused', async () => {
    const getMany = (async () => [
      { key: 'a', value: undefined, error: swarmError('TIMEOUT', 'no answer in time') },
      { key: 'b', value: 1, error: null },
      { key: 'c', value: undefined, error: null },
    ]) as unknown as SwarmClient['getMany'];
    expect(await runCommand(['get', 'a', 'b', 'c'], { client: { getMany } })).toEqual({
      code: 1,
      out: '{"key":"b","value":1}\n',
      err: 'swarmbus: a: TIMEOUT: no answer in time\nswarmbus: missing: c\n',
    });
  });

  it.each([
    ['get', 'a', 'b', '--raw'],
    ['get', 'a', ''],
    ['delete', 'a', 'b', '--if-stamp', 's'],
  ])('refuses %j', async (...args) => {
    expect(await runCommand(args)).toMatchObject({ code: 2, out: '' });
  });
});

describe('conditions', () => {
  it('are passed on', async () => {
    const asked: unknown[] = [];
    const set = (async (...args: unknown[]) => asked.push(args)) as unknown as SwarmClient['set'];
    const remove = (async (...args: unknown[]) => asked.push(args)) as unknown as SwarmClient['delete'];
    await runCommand(['set', 'k', '1', '--if', 'absent', '--ttl', '5s'], { client: { set } });
    await runCommand(['set', 'k', '1', '--if-stamp', '3A-b'], { client: { set } });
    await runCommand(['delete', 'k', '--if-stamp', '3A-b'], { client: { delete: remove } });
    expect(asked).toEqual([
      ['k', 1, { if: 'absent', ttlMs: 5000 }],
      ['k', 1, { ifStamp: '3A-b' }],
      ['k', { ifStamp: '3A-b' }],
    ]);
    expect(await runCommand(['set', 'k', '1', '--if', 'maybe'])).toMatchObject({ code: 2 });
  });

  it('that do not hold name the present stamp: exit code 1', async () => {
    const conflict = Object.assign(swarmError('CONFLICT', 'the key has a value'), { info: { stamp: '3A-b' } });
    const set = (() => Promise.reject(conflict)) as SwarmClient['set'];
    expect(await runCommand(['set', 'k', '1', '--if', 'absent'], { client: { set } })).toEqual({
      code: 1,
      out: '',
      err: 'swarmbus: CONFLICT: the key has a value: its stamp is 3A-b\n',
    });
  });
});

describe('touch and incr', () => {
  it('print what follows', async () => {
    const touch = async (key: string): Promise<boolean> => key === 'k';
    const incr = async (_key: string, by = 1, { ttlMs = 0 } = {}): Promise<number> => 10 + by + ttlMs;
    const client = { touch, incr };
    expect((await runCommand(['touch', 'k', '2s'], { client })).out).toBe('expires in 2000 ms\n');
    expect((await runCommand(['touch', 'k', '0'], { client })).out).toBe('does not expire\n');
    expect(await runCommand(['touch', 'other', '2s'], { client })).toMatchObject({ code: 4 });
    expect(await runCommand(['touch', 'k', 'soon'], { client })).toMatchObject({ code: 2 });
    expect((await runCommand(['incr', 'k'], { client })).out).toBe('11\n');
    expect((await runCommand(['incr', 'k', '--ttl', '1s', '--', '-5'], { client })).out).toBe('1005\n');
    expect(await runCommand(['incr', 'k', '1.5'], { client })).toMatchObject({ code: 2 });
  });
});

describe('where and trace', () => {
  const owner = { id: '1C', name: 'n-3' };
  const path = [
    { id: '1A', name: 'n-1', ms: 0 },
    { id: '1B', name: null, ms: null },
    { ...owner, ms: 2.126 },
  ];
  const found = { owner, steps: [{ step: 'search', ms: 0.1 }], ms: 3, path };
  const client = { where: async () => ({ owner, path }), trace: async () => found };

  it('are JSON for programs, text for people', async () => {
    expect(JSON.parse((await runCommand(['where', 'k'], { client })).out)).toEqual({ owner, path });
    expect((await runCommand(['where', 'k', '--format', 'text'], { client })).out).toBe('n-3\tn-1 > 1B > n-3\n');
    expect(JSON.parse((await runCommand(['trace', 'k'], { client })).out)).toEqual(found);
    expect((await runCommand(['trace', 'k', '--format', 'text'], { client })).out).toBe(
      'search\t0.10\nanswered\t3.00\n0\tn-1\t0.00\n1\t1B\t-\n2\tn-3\t2.13\n',
    );
    expect((await runCommand(['where', 'k'], { client, isTTY: true })).out).toBe('n-3\tn-1 > 1B > n-3\n');
  });

  it('end with 4 if the key is nowhere', async () => {
    const nowhere = { owner: null, path: [], steps: [], ms: 1 };
    const none = { where: async () => nowhere, trace: async () => nowhere };
    for (const command of ['where', 'trace'])
      expect(await runCommand([command, 'k'], { client: none })).toEqual({
        code: 4,
        out: '',
        err: 'swarmbus: missing: k\n',
      });
  });
});

describe('scan', () => {
  const pages: KeyPage[] = [
    { keys: ['a', 'b'], cursor: 'c1', isIncomplete: false },
    { keys: [], cursor: 'c2', isIncomplete: false },
    { keys: ['c'], cursor: null, isIncomplete: false },
  ];
  const asked: unknown[] = [];
  const scanning = (given: readonly KeyPage[]): FakeOptions => {
    const left = [...given];
    asked.length = 0;
    const scan = async (prefix?: string, options?: unknown): Promise<KeyPage> => {
      asked.push([prefix, options]);
      return left.shift() as KeyPage;
    };
    return { client: { scan } };
  };

  it('prints all pages, a key a line', async () => {
    expect(await runCommand(['scan', 'p:'], scanning(pages))).toEqual({ code: 0, out: 'a\nb\nc\n', err: '' });
    expect(asked).toEqual([
      ['p:', { limit: 1000 }],
      ['p:', { limit: 1000, cursor: 'c1' }],
      ['p:', { limit: 1000, cursor: 'c2' }],
    ]);
    expect((await runCommand(['scan', '--format', 'json'], scanning(pages))).out).toBe('"a"\n"b"\n"c"\n');
  });

  it('stops at the limit', async () => {
    expect((await runCommand(['scan', '--limit', '2'], scanning(pages))).out).toBe('a\nb\n');
    expect(asked).toEqual([['', { limit: 2 }]]);
    expect(await runCommand(['scan', '--limit', '0'])).toMatchObject({ code: 2 });
  });

  it('ends with 1 if keys may be missing', async () => {
    const last = { keys: ['c'], cursor: null, isIncomplete: true };
    const { code, out, err } = await runCommand(['scan'], scanning([...pages.slice(0, 2), last]));
    expect([code, out]).toEqual([1, 'a\nb\nc\n']);
    expect(err).toMatch(/^swarmbus: incomplete: .*; scan again\n$/);
  });
});

describe('watch', () => {
  const changes = [
    { kind: 'set', key: 'k', stamp: '3A-b', value: { a: 1 } },
    { kind: 'gap', key: null, stamp: null, value: undefined },
    { kind: 'delete', key: 'k', stamp: '3A-c', value: undefined },
  ];
  const asked: WatchOptions[] = [];
  /** Ends after the changes if its signal says so. */
  const watching = (): FakeOptions => ({
    client: {
      watch: ((options: WatchOptions) => {
        asked.push(options);
        const left = [...changes];
        return {
          ready: Promise.resolve(),
          [Symbol.asyncIterator]: () => ({
            next: async () => {
              if (left.length === 0) {
                await new Promise((resolve) => options.signal?.addEventListener('abort', resolve));
              }
              const value = left.shift();
              return value === undefined ? { done: true, value } : { done: false, value };
            },
          }),
        };
      }) as unknown as SwarmClient['watch'],
    },
  });

  it('prints changes until it is interrupted', async () => {
    const outside = fakeOutside(watching());
    const ended = run(['watch', 'k', '--values'], outside);
    while (!outside.out().includes('delete')) await new Promise((resolve) => setTimeout(resolve, 1));
    outside.signal('SIGINT');
    expect(await ended).toBe(130);
    expect(outside.out()).toBe('set\tk\t3A-b\t{"a":1}\ngap\ndelete\tk\t3A-c\n');
    expect(asked.at(-1)).toMatchObject({ prefix: 'k', values: true });
  });

  it('ends after so many, and prints JSON on request', async () => {
    const { code, out } = await runCommand(['watch', '--key', 'k', '--count', '2', '--format', 'json'], watching());
    expect([code, out]).toEqual([
      0,
      '{"kind":"set","key":"k","stamp":"3A-b"}\n{"kind":"gap","key":null,"stamp":null}\n',
    ]);
    expect(asked.at(-1)).toMatchObject({ key: 'k', values: false });
    expect(await runCommand(['watch', 'p', '--key', 'k'])).toMatchObject({ code: 2 });
  });
});

describe('ping', () => {
  it('prints the time', async () => {
    expect(await runCommand(['ping'])).toEqual({ code: 0, out: 'pong in 0.25 ms\n', err: '' });
  });

  it('may be repeated', async () => {
    const { out } = await runCommand(['ping', '--count', '2']);
    expect(out).toBe('pong in 0.25 ms\npong in 0.25 ms\n2 pings: min 0.25, mean 0.25, max 0.25 ms\n');
  });
});

describe('the node that is asked', () => {
  it('is given by --url, SWARMBUS_URL or default', async () => {
    const urls = async (args: string[], env: Record<string, string> = {}): Promise<unknown> => {
      const outside = fakeOutside({ env });
      await run(['ping', ...args], outside);
      return outside.connects[0]?.urls;
    };
    expect(await urls([])).toEqual(['ws://127.0.0.1:7101']);
    expect(await urls([], { SWARMBUS_URL: 'ws://a:1, ws://b:2' })).toEqual(['ws://a:1', 'ws://b:2']);
    expect(await urls(['--url', 'ws://c:3,wss://d:4', '--url', 'ws://e:5'], { SWARMBUS_URL: 'ws://a:1' })).toEqual([
      'ws://c:3',
      'wss://d:4',
      'ws://e:5',
    ]);
  });

  it('gets the token of the file or the environment, and the timeout', async () => {
    const file = join(folder, 'token');
    writeFileSync(file, 'from file\n');
    const options = async (args: string[]): Promise<unknown> => {
      const outside = fakeOutside({ env: { SWARMBUS_TOKEN: 'from env' } });
      await run(['ping', ...args], outside);
      return outside.connects[0]?.options;
    };
    expect(await options([])).toMatchObject({ token: 'from env', requestTimeoutMs: 5000 });
    expect(await options(['--token-file', file, '--timeout', '2s'])).toMatchObject({
      token: 'from file',
      connectTimeoutMs: 2000,
      requestTimeoutMs: 2000,
    });
  });

  it('is given up when each address has failed once: exit code 3', async () => {
    const { code, err } = await runCommand(['get', 'k', '--url', 'ws://a:1,ws://b:2'], {
      connect: (urls, { onStatus, signal }) =>
        new Promise((_, reject) => {
          signal?.addEventListener('abort', () => reject(swarmError('ABORTED', 'aborted')));
          for (const url of urls) {
            const error = swarmError('UNREACHABLE', `${url}: connect ECONNREFUSED`);
            onStatus?.({ status: 'connecting', url, error } as Parameters<typeof onStatus>[0]);
          }
        }),
    });
    expect(code).toBe(3);
    expect(err).toBe(
      'swarmbus: no node answers (ws://a:1: connect ECONNREFUSED; ws://b:2: connect ECONNREFUSED): start one by `swarmbus node`, or name another by --url\n',
    );
  });

  it('may stay silent: exit code 3', async () => {
    const connect = () => Promise.reject(swarmError('UNREACHABLE', 'no'));
    expect(await runCommand(['get', 'k'], { connect })).toEqual({
      code: 3,
      out: '',
      err: 'swarmbus: no node answers (ws://127.0.0.1:7101: silent for 5000 ms): start one by `swarmbus node`, or name another by --url\n',
    });
  });

  it.each<[string, string, string]>([
    [
      'UNAUTHENTICATED',
      'wrong token',
      'UNAUTHENTICATED: wrong token: give the token by --token-file or SWARMBUS_TOKEN',
    ],
    ['TIMEOUT', 'no answer in 3 s', 'TIMEOUT: no answer in 3 s: try again, or another node by --url'],
    ['TOO_LARGE', 'the value is too large', 'TOO_LARGE: the value is too large'],
  ])('may refuse with %s: exit code 1 and advice', async (code, message, said) => {
    expect(await runCommand(['get', 'k'], failing(code, message))).toEqual({
      code: 1,
      out: '',
      err: `swarmbus: ${said}\n`,
    });
  });
});

const ring = {
  self: 'A',
  view: 7,
  members: [
    { id: 'A', name: 'n-1', incarnation: 1, hops: 0, next: null, roles: ['store'], neighbours: ['B', 'C'], you: true },
    { id: 'B', name: 'n-2', incarnation: 1, hops: 1, next: 'B', roles: ['store'], neighbours: ['A'], you: false },
    { id: 'C', name: 'n-3', incarnation: 1, hops: 2, next: 'B', roles: [], neighbours: ['A'], you: false },
  ],
  links: [
    ['A', 'B'],
    ['A', 'C'],
  ],
};
const inspecting = (report: object): FakeOptions => ({ client: { inspect: async () => ({ ...report }) } });

describe('topology', () => {
  it('is a table for people, tab-separated for programs', async () => {
    expect((await runCommand(['topology'], inspecting(ring))).out).toBe(
      'n-1 (asked)\tA\t0\t\tstore\tn-2 n-3\nn-2\tB\t1\tn-2\tstore\tn-1\nn-3\tC\t2\tn-2\t\tn-1\n',
    );
    const { out } = await runCommand(['topology'], { ...inspecting(ring), isTTY: true, env: { NO_COLOR: '1' } });
    expect(out).toMatch(/│ n-1 \(asked\) *│ A +│ 0 +│ +│ store │ n-2 n-3 +│/);
    expect(out).toMatch(/3 nodes, 2 links\n$/);
    const missing = await runCommand(['topology'], { ...inspecting({ ...ring, missed: 1 }), isTTY: true });
    expect(missing.out).toMatch(/3 nodes, 2 links, 1 missed: what isn't found is UNKNOWN\n$/);
    // oxlint-disable-next-line no-control-regex -- escape sequences are what must not be there
    expect(out).not.toMatch(/\x1b/);
  });

  it('is a Mermaid graph', async () => {
    expect((await runCommand(['topology', '--format', 'mermaid'], inspecting(ring))).out).toBe(
      'graph LR\n  n0(["n-1"])\n  n1["n-2"]\n  n2["n-3"]\n  n0 --- n1\n  n0 --- n2\n',
    );
  });

  it('is JSON', async () => {
    const { out } = await runCommand(['topology', '--format', 'json'], inspecting(ring));
    expect(JSON.parse(out)).toEqual(ring);
  });

  it('may lack what another version would tell', async () => {
    expect(await runCommand(['topology'], inspecting({}))).toEqual({ code: 0, out: '', err: '' });
    expect((await runCommand(['topology'], inspecting({ members: [{ id: 'A' }] }))).out).toBe(
      'A\tA\tunreachable\t\t\t\n',
    );
  });
});

describe('inspect', () => {
  const report = {
    name: 'n-1',
    memory: { used: 5, max: 10 },
    links: [{ to: 'n-2', state: 'up' }, { to: 'n-3' }],
    big: 2n ** 60n,
  };

  it('is JSON for programs', async () => {
    const { out } = await runCommand(['inspect'], inspecting(report));
    expect(JSON.parse(out)).toEqual({ ...report, big: { $int: String(2n ** 60n) } });
  });

  it('is tables for people', async () => {
    const { out } = await runCommand(['inspect', 'node'], { ...inspecting(report), isTTY: true });
    expect(out).toMatch(/│ memory\.used +│ 5 /);
    expect(out).toMatch(/links:\n.*\n.*to.*state.*\n.*\n.*n-2 │ up .*\n.*n-3 │ +│/);
  });

  it('shows a tree as rows', async () => {
    const leaf = { path: '/node/router', dropped: { overflow: 1, ended: 0 }, children: [] };
    const actors = [{ path: '/node', dropped: { overflow: 0, ended: 0 }, children: [leaf] }];
    const { out } = await runCommand(['inspect', 'actors', '--format', 'text'], inspecting({ actors }));
    expect(out).toBe('actors:\n/node\toverflow=0 ended=0\n/node/router\toverflow=1 ended=0\n');
  });

  it('asks for what was named, and knows what there is', async () => {
    const asked: string[] = [];
    const inspect = async (what: string) => {
      asked.push(what);
      return {};
    };
    for (const what of ['node', 'topology', 'counters', 'actors'])
      await runCommand(['inspect', what], { client: { inspect } });
    expect(asked).toEqual(['node', 'topology', 'counters', 'actors']);
    expect(await runCommand(['inspect', 'all'])).toMatchObject({ code: 2 });
  });
});
