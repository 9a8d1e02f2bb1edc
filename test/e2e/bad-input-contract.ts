/**
 * What a hostile, broken or confused client or neighbour may send, against real nodes on both listeners. Each gets the
 * named outcome; after each the node serves another client within a second, in bounded memory.
 */
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { pause, until, useProcesses, type NodeProcess } from './processes.js';
import { expectServed, openRaw, pack, type RawClient } from './raw-client.js';

/** What a node may grow by, whatever it is sent. Its garbage is collected late. */
const GROWTH_BYTES_MAX = 300 * 1024 * 1024;

const HANDSHAKE = [
  'GET / HTTP/1.1',
  'host: 127.0.0.1',
  'connection: Upgrade',
  'upgrade: websocket',
  'sec-websocket-version: 13',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');

/** Bytes that are the same in every run. */
function randomBytes(count: number, seed: number): Buffer {
  const bytes = Buffer.alloc(count);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

function refusal(id: number | null, code: string): unknown[] {
  return expect.arrayContaining([63, id, code]) as unknown as unknown[];
}

export function badInputContract(listener: 'uws' | 'ws'): void {
  describe(`a node on ${listener}`, () => {
    const processes = useProcesses(120_000);
    let node: NodeProcess;
    let calmBytes: number;
    const clients: RawClient[] = [];

    const open = async (path = '/'): Promise<RawClient> => {
      const client = await openRaw(new URL(path, node.url).href);
      clients.push(client);
      return client;
    };

    beforeAll(async () => {
      node = await processes.node(['--listener', listener]);
      await expectServed(node);
      calmBytes = node.residentBytes ?? 0;
    }, 45_000);

    afterEach(async () => {
      await expectServed(node);
      expect((node.residentBytes ?? 0) - calmBytes).toBeLessThan(GROWTH_BYTES_MAX);
      for (const { socket } of clients.splice(0)) socket.terminate();
      expect(node.process.stderr).toBe('');
    });

    it('answers random bytes by a refusal, and closes by 4400 what can not be decoded', async () => {
      const outcomes = new Set<string>();
      await Promise.all(
        Array.from({ length: 200 }, async (_, seed) => {
          const client = await open();
          client.send(randomBytes(1 + (seed % 60), seed));
          await until(() => client.replies.length > 0 || client.closed !== null, 'an answer', 5000);
          const [first] = client.replies as unknown[][];
          outcomes.add(`${String(first?.[0])} ${String(first?.[2])}`);
          if (client.closed !== null) expect(client.closed.code).toBe(4400);
        }),
      );
      for (const outcome of outcomes) expect(outcome).toMatch(/^63 (BAD_REQUEST|UNSUPPORTED)$/);
    });

    it('closes by 4400 after a truncated frame', async () => {
      const frame = pack([3, 1, 'k', { ttlMs: 1000 }, { list: [1, 'two', 3.5] }]);
      for (let length = 1; length < frame.length; length++) {
        const client = await open();
        client.send(frame.subarray(0, length));
        expect((await client.end()).code).toBe(4400);
        expect(client.replies).toEqual([refusal(null, 'BAD_REQUEST')]);
      }
    });

    it.each([['a text'], [5], [{}], [[]], [['two']]])('closes by 4400 after %j, which is no message', async (value) => {
      const client = await open();
      client.send(pack(value));
      expect((await client.end()).code).toBe(4400);
      expect(client.replies).toEqual([refusal(null, 'BAD_REQUEST')]);
    });

    it('serves the messages before a part that can not be decoded', async () => {
      const client = await open();
      client.send(Buffer.concat([pack([12, 1]), Buffer.from([0xc1])]));
      expect((await client.end()).code).toBe(4400);
      expect(client.replies).toEqual([[42, 1], refusal(null, 'BAD_REQUEST')]);
    });

    it('closes by 1009 after an oversized frame', async () => {
      for (const bytes of [1024 * 1024 + 1, 2 * 1024 * 1024]) {
        const client = await open();
        client.send(Buffer.alloc(bytes));
        expect((await client.end()).code).toBe(1009);
      }
      const client = await open();
      client.send(Buffer.alloc(64 * 1024 * 1024));
      // Far beyond the limit a listener may cut the connection without a word.
      expect([1006, 1009]).toContain((await client.end()).code);
    });

    it('refuses oversized keys and values as TOO_LARGE, with the limit', async () => {
      const client = await open();
      client.send(pack([2, 1, 'k'.repeat(4097)], [3, 2, 'k', {}, 'v'.repeat(512 * 1024)], [2, 3, '']));
      expect(await client.reply(1)).toEqual([63, 1, 'TOO_LARGE', expect.any(String), { max: 4096 }]);
      expect(await client.reply(2)).toEqual([63, 2, 'TOO_LARGE', expect.any(String), { max: 512 * 1024 }]);
      expect(await client.reply(3)).toEqual(refusal(3, 'BAD_REQUEST'));
      expect(client.closed).toBe(null);
    });

    it.each<[string, unknown, number | null]>([
      ['no id', [2], null],
      ['a negative id', [12, -1], null],
      ['a fractional id', [12, 1.5], null],
      ['a text for an id', [12, 'one'], null],
      ['an id of nil', [12, null], null],
      ['no key', [2, 7], 7],
      ['a key that is a number', [2, 7, 5], 7],
      ['a key of bytes', [2, 7, Buffer.from('k')], 7],
      ['options that are a text', [2, 7, 'k', 'options'], 7],
      ['an option of the wrong type', [3, 7, 'k', { ttlMs: 'soon' }, 1], 7],
      ['no value', [3, 7, 'k', {}], 7],
      ['one element too many', [3, 7, 'k', {}, 1, 2], 7],
      ['ttlMs of 0', [3, 7, 'k', { ttlMs: 0 }, 1], 7],
      ['something else to inspect', [13, 7, 'everything'], 7],
    ])('refuses %s as BAD_REQUEST, and goes on', async (_what, message, id) => {
      const client = await open();
      client.send(pack(message, [12, 1000]));
      expect(await client.reply(1000)).toEqual([42, 1000]);
      expect(await client.reply(id)).toEqual(refusal(id, 'BAD_REQUEST'));
      expect(client.closed).toBe(null);
    });

    it.each<[string, unknown]>([
      ['a tag that nobody knows', [99, 7]],
      ['a reply', [34, 7, null, 1]],
      ['a message between nodes', [160, 7, 7, 0, 1, 1, 1, Buffer.alloc(0)]],
      ['an unknown option', [2, 7, 'k', { __proto__: null, constructor: true }]],
      ['an option __proto__', [2, 7, 'k', JSON.parse('{"__proto__": {"meta": true}}')]],
    ])('refuses %s as UNSUPPORTED, and goes on', async (_what, message) => {
      const client = await open();
      client.send(pack(message, [12, 1000]));
      expect(await client.reply(1000)).toEqual([42, 1000]);
      expect(client.replies[0]).toEqual(expect.arrayContaining([63, 'UNSUPPORTED']));
    });

    it('refuses values nested 10,000 deep, in either form', async () => {
      const client = await open();
      const deep = Buffer.alloc(10_000, 0x91);
      const set = Buffer.concat([Buffer.from([0x95, 3, 7, 0xa1, 0x6b, 0x80]), deep, Buffer.from([0xc0])]);
      client.send(set);
      expect(await client.reply(7)).toEqual(refusal(7, 'BAD_REQUEST'));
      for (const [left, right] of [
        ['[', ']'],
        ['{"a":', '}'],
      ] as const) {
        client.send(`{"type":"set","id":8,"key":"k","value":${left.repeat(10_000)}1${right.repeat(10_000)}}`);
      }
      expect(await client.reply(8)).toMatchObject({ type: 'refused', id: 8, code: 'BAD_REQUEST' });
      expect(client.closed).toBe(null);

      const bare = await open();
      bare.send(Buffer.concat([deep, Buffer.from([0xc0])]));
      expect(await bare.reply(null)).toEqual(refusal(null, 'BAD_REQUEST'));
      const text = await open();
      text.send('['.repeat(500_000) + ']'.repeat(500_000));
      await until(() => text.replies.length > 0, 'an answer');
      expect(text.replies).toMatchObject([[{ type: 'refused', id: null, code: 'BAD_REQUEST' }]]);
    });

    it('gives up on a million empty maps', async () => {
      const messages = await open();
      messages.send(Buffer.alloc(1_000_000, 0x80));
      expect((await messages.end()).code).toBe(4400);
      const texts = await open();
      texts.send(`[${'{},'.repeat(300_000)}{}]`);
      expect((await texts.end()).code).toBe(4400);
      const value = await open();
      const head = Buffer.from([0x95, 3, 7, 0xa1, 0x6b, 0x80, 0xdd, 0, 0x0f, 0x42, 0x40]);
      value.send(Buffer.concat([head, Buffer.alloc(1_000_000, 0x80)]));
      expect(await value.reply(7)).toEqual(refusal(7, 'TOO_LARGE'));
    });

    it('stores __proto__ like any other name', async () => {
      const client = await open();
      client.send('{"type":"set","id":1,"key":"__proto__","value":{"__proto__":{"isAdmin":true},"constructor":1}}');
      client.send('{"type":"get","id":2,"key":"__proto__"}');
      expect(await client.reply(1)).toEqual({ type: 'stored', id: 1 });
      expect(JSON.stringify(await client.reply(2))).toBe(
        '{"type":"value","id":2,"value":{"__proto__":{"isAdmin":true},"constructor":1}}',
      );
      client.send('{"type":"__proto__","id":3}');
      client.send('{"type":"toString","id":4,"__proto__":{"type":"ping"}}');
      expect(await client.reply(3)).toMatchObject({ type: 'refused', code: 'UNSUPPORTED' });
      expect(await client.reply(4)).toMatchObject({ type: 'refused', code: 'UNSUPPORTED' });
    });

    it.each(['', 'hello', '{"type":"ping","id":1', '17', 'null', '"text"'])(
      'closes by 4400 after the text frame %j',
      async (frame) => {
        const client = await open();
        client.send(frame);
        expect((await client.end()).code).toBe(4400);
        expect(client.replies).toEqual([expect.objectContaining({ type: 'refused', id: null, code: 'BAD_REQUEST' })]);
      },
    );

    it('refuses text frames of a wrong shape, and goes on', async () => {
      const client = await open();
      const wrong = [
        '{}',
        '{"type":1,"id":1}',
        '{"type":"ping"}',
        '{"type":"get","id":1}',
        '{"type":"ping","id":1,"x":1}',
      ];
      for (const frame of [...wrong, '[]', '[1]', '{"type":"ping","id":9}']) client.send(frame);
      expect(await client.reply(9)).toEqual({ type: 'pong', id: 9 });
      const codes = client.replies.flat().map((reply) => (reply as { code?: string }).code);
      expect(codes.filter((code) => code === 'BAD_REQUEST' || code === 'UNSUPPORTED')).toHaveLength(wrong.length + 1);
    });

    it('lets a silent client be, and closes a silent link, and a client that never reads', async () => {
      const [idle, silentLink, deaf] = await Promise.all([open(), open('/link'), open()]);
      deaf.send(pack([3, 1, 'large', {}, Buffer.alloc(500_000)]));
      await deaf.reply(1);
      deaf.socket.pause();
      // Half a gigabyte of replies, asked for by 20 kilobytes.
      deaf.send(pack(...Array.from({ length: 1000 }, (_, id) => [2, id, 'large'])));
      await pause(300);
      await expectServed(node);
      expect((node.residentBytes ?? 0) - calmBytes).toBeLessThan(GROWTH_BYTES_MAX);

      interface Sessions {
        readonly sessions: { readonly open: number };
      }
      // What is left is the silent client, and the session that asks.
      const areTwo = async (): Promise<boolean> => (await node.inspect<Sessions>('counters')).sessions.open === 2;
      await until(areTwo, 'the deaf session to end', 15_000);
      deaf.socket.resume();
      expect([1006, 1013]).toContain((await deaf.end()).code);
      expect((await silentLink.end()).code).toBe(4408);
      expect(idle.closed).toBe(null);
      idle.send('{"type":"ping","id":1}');
      expect(await idle.reply(1)).toEqual({ type: 'pong', id: 1 });
    }, 45_000);

    it('refuses pages of other sites, other names for itself, and other paths', async () => {
      await expect(openRaw(node.url, { origin: 'https://evil.example' })).rejects.toThrow('403 pages of this Origin');
      await expect(openRaw(node.url, { headers: { host: 'rebound.example' } })).rejects.toThrow(/403 .*Host/);
      await expect(openRaw(`${node.url}/other`)).rejects.toThrow('404 no such service');
      const own = await openRaw(node.url, { origin: node.url.replace('ws:', 'http:') });
      own.socket.terminate();

      const status = await new Promise((resolve, reject) => {
        const headers = { host: 'rebound.example' };
        request({ host: '127.0.0.1', port: node.port, path: '/', headers }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
          .on('error', reject)
          .end();
      });
      expect(status).toBe(403);
    });

    it('closes a link whose neighbour sends nonsense, or what is out of turn', async () => {
      const noise = await open('/link');
      noise.send(randomBytes(100, 1));
      expect((await noise.end()).code).toBe(4400);
      const text = await open('/link');
      text.send('{"type":"ping","id":1}');
      expect((await text.end()).code).toBe(4400);
      const early = await open('/link');
      early.send(pack([129, 1]));
      expect((await early.end()).code).toBe(4400);
      const empty = await open('/link');
      empty.send(pack([128, {}]));
      expect((await empty.end()).code).toBe(4400);
    });

    it('serves others while 5,000 connections are open', async () => {
      const count = Math.min(5000, openFilesMax() - 500);
      if (count < 5000) process.stderr.write(`only ${count} connections: raise the limit of open files (ulimit -n)\n`);
      const sockets: Socket[] = [];
      let upgraded = 0;
      try {
        for (let i = 0; i < count; i++) {
          const socket = connect(node.port, '127.0.0.1', () => socket.write(HANDSHAKE));
          socket.on('error', () => {});
          socket.once('data', (bytes) => {
            if (bytes.toString('latin1').startsWith('HTTP/1.1 101')) upgraded += 1;
          });
          sockets.push(socket);
        }
        await until(
          () => upgraded === count,
          () => `${count} connections, there are ${upgraded}`,
          25_000,
        );
        await expectServed(node);
      } finally {
        for (const socket of sockets) socket.destroy();
      }
    }, 45_000);
  });

  describe(`a guarded node on ${listener}`, () => {
    const processes = useProcesses();
    let node: NodeProcess;

    beforeAll(async () => {
      const token = processes.file('token', 'open sesame\n');
      const secret = processes.file('secret', 'shibboleth\n');
      const guards = ['--token-file', token, '--link-secret-file', secret];
      const bounds = ['--connections-max', '5', '--hello-timeout-ms', '300'];
      node = await processes.node(['--name', 'guarded', '--listener', listener, ...guards, ...bounds]);
    }, 45_000);

    it('wants a hello with its token first', async () => {
      const client = await openRaw(node.url);
      client.send(pack([2, 1, 'k'], [12, 2]));
      expect(await client.reply(2)).toEqual(refusal(2, 'UNAUTHENTICATED'));
      expect(await client.reply(1)).toEqual(refusal(1, 'UNAUTHENTICATED'));
      client.send(pack([1, 3, { token: 'open sesame' }], [2, 4, 'k']));
      expect(await client.reply(4)).toEqual([35, 4]);
      client.socket.terminate();
    });

    it('closes by 4401 after a wrong token, and by 4408 without a word', async () => {
      const wrong = await openRaw(node.url);
      wrong.send('{"type":"hello","id":1,"options":{"token":"open barley"}}');
      expect((await wrong.end()).code).toBe(4401);
      expect(wrong.replies).toMatchObject([{ type: 'refused', id: 1, code: 'UNAUTHENTICATED' }]);
      const silent = await openRaw(node.url);
      expect((await silent.end(2000)).code).toBe(4408);
    });

    it('tells the command line what to do', async () => {
      const wrong = await processes.swarmbus('get', 'k', '--url', node.url);
      expect(wrong).toMatchObject({ code: 1, stdout: '' });
      expect(wrong.stderr).toMatch(
        /^swarmbus: UNAUTHENTICATED: .*: give the token by --token-file or SWARMBUS_TOKEN\n$/,
      );
      const args = ['get', 'k', '--url', node.url, '--token-file', processes.file('token', 'open sesame')];
      expect(await processes.swarmbus(...args)).toMatchObject({ code: 4, stderr: 'swarmbus: missing: k\n' });
    });

    it('links to nobody without its secret', async () => {
      await expect(openRaw(`${node.url}/link`)).rejects.toThrow('401 link secret refused');
      const secret = processes.file('secret', 'sibboleth');
      const stranger = processes.startNode([
        '--link',
        node.url,
        '--link-secret-file',
        secret,
        '--alone-after-ms',
        '500',
      ]);
      expect(await stranger.logged('no link')).toMatchObject({
        reason: expect.stringContaining('link secret refused'),
      });
      await stranger.logged('serving clients');
    });

    it('refuses one connection too many by name', async () => {
      const held: RawClient[] = [];
      for (let i = 0; i < 5; i++) {
        const client = await openRaw(node.url);
        client.send(pack([1, 1, { token: 'open sesame' }]));
        held.push(client);
      }
      await expect(openRaw(node.url)).rejects.toThrow('503 too many connections: try again or use another node');
      for (const { socket } of held) socket.terminate();
      await until(async () => (await openRaw(node.url).catch(() => null)) !== null, 'room for another', 2000);
    });
  });
}

/** How many files, sockets among them, this process may open. */
function openFilesMax(): number {
  try {
    return Number(/Max open files\s+(\d+)/.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]);
  } catch {
    return Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' })) || 1024;
  }
}
